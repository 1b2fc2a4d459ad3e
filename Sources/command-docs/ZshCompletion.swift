import CommandLineOptions

enum ZshCompletion {
    static var text: String {
        var commands = ""
        var cases = ""
        for tree in CommandTree.all {
            let summary = tree.commands.count == 1 ? tree.commands[0].summary.description : joined(tree.commands.map { CommandTree.second(of: $0) }, by: ", ")
            commands += "        \(quoted("\(tree.first):\(summary)"))\n"
            cases += "        \(tree.first))\n"
            for command in tree.commands {
                let second = CommandTree.second(of: command)
                if second.isEmpty { continue }
                cases += "            if [[ $words[2] == \(second) ]]; then\n                shift 2 words; (( CURRENT -= 2 ))\n"
                cases += "                words=(\(second) \"${(@)words}\"); (( ++CURRENT ))\n"
                cases += "                _arguments -S" + specifications(command.options, " \\\n                    ") + " \\\n                    '*:directory:_files -/'\n"
                cases += "                return\n            fi\n"
            }
            let second = tree.commands.map { CommandTree.second(of: $0) }.filter { !$0.isEmpty }
            if second.isEmpty, !tree.commands[0].options.isEmpty {
                cases += "            _arguments -S" + specifications(tree.commands[0].options, " \\\n                ")
                    + " \\\n                '1: :(\(tree.commands[0].choices))' '*: : '\n"
            }
            if !second.isEmpty { cases += "            (( CURRENT == 2 )) && compadd -- \(joined(second))\n" }
            cases += "            ;;\n"
        }
        return """
            #compdef vmrun
            # zsh completion for vmrun(1); made from its option table.

            _vmrun_program()
            {
                local -a commands
                commands=(
            \(commands)    )
                _describe -t commands 'vmrun command' commands
                _command_names -e
                _files
            }

            _vmrun_arguments()
            {
                case $words[1] in
            \(cases)        *) _normal ;;
                esac
            }

            _arguments -S\(specifications(OptionDescription.listed, " \\\n    ")) \\
                '(-)1: :_vmrun_program' '*:: :_vmrun_arguments'

            """
    }

    /// The arguments of _arguments that stand for options, each behind the separator.
    private static func specifications(_ options: [OptionDescription], _ separator: String) -> String {
        var text = ""
        for option in options {
            let name = (option.isRepeatable ? "*" : "") + option.spelling.description + (option.takesValue ? "=" : "")
            let value = option.takesValue ? ":\(escaped(option.value.description)):\(offer(option.completion))" : ""
            text += separator + quoted("\(name)[\(escaped(option.summary.description))]\(value)")
        }
        return text
    }

    /// What colons and brackets mean something to _arguments.
    private static func escaped(_ text: String) -> String {
        var result: [UInt8] = []
        for byte in text.utf8 {
            if ":[]\\".utf8.contains(byte) { result.append(UInt8(ascii: "\\")) }
            result.append(byte)
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func quoted(_ text: String) -> String {
        var result = "'"
        for part in text.utf8.split(separator: UInt8(ascii: "'"), omittingEmptySubsequences: false) {
            result += (result.utf8.count == 1 ? "" : "'\\''") + String(decoding: Array(part), as: UTF8.self)
        }
        return result + "'"
    }

    private static func offer(_ completion: OptionDescription.Completion) -> String {
        switch completion {
        case .nothing: " "
        case .directory: "_files -/"
        case .file, .bind: "_files"
        case .user: "_users"
        case .variable: "_parameters -g \"*export*\""
        case .words(let words): "(\(words))"
        }
    }
}
