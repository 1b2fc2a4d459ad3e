import CShim
import CommandLineOptions

// Prints what people and shells read about vmrun's command line: `command-docs man|bash|zsh|fish|version|date`.

func word(_ index: Int) -> String {
    guard index < Int(vmrun_argument_count), let vector = vmrun_arguments, let text = vector[index] else { return "" }
    return String(cString: text)
}

switch word(1) {
case "man": print(Manual.text, terminator: "")
case "bash": print(BashCompletion.text, terminator: "")
case "zsh": print(ZshCompletion.text, terminator: "")
case "fish": print(FishCompletion.text, terminator: "")
case "version": print(Options.version)
case "date": print(Options.versionDate)
default:
    print("command-docs: call it with man, bash, zsh, fish, version or date")
    exit(1)
}
