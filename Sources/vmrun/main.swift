import CommandLineOptions
import Host

let options: Options
do throws(OptionError) {
    options = try Options.parse(ProgramWords.arguments)
} catch {
    Message.fail(error.sentence, status: OptionError.exitStatus)
}

switch options.command {
case .help: Message.print(Options.usageText)
case .version: Message.print(Options.versionText)
case .doctor: Doctor.run()
case .companion(let program, let words): Companion.become(program.rawValue, words)
case .run(let program, let arguments):
    if let descriptor = options.helperDescriptor {
        Launch.continueExec(descriptor)
    } else {
        Launch.start(options, program: program, arguments: arguments)
    }
}
