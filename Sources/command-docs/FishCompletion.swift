import CommandLineOptions

enum FishCompletion {
    static var text: String {
        var text = """
            # fish completion for vmrun(1); made from its option table.

            # The words of the command line from the program on, those before the cursor; nothing where no program is named yet.
            function __vmrun_program
                set -l words (commandline -opc)
                set -e words[1]
                while set -q words[1]
                    switch $words[1]
                        case \(joined(spellings(OptionDescription.listed.filter { $0.takesValue })))
                            set -e words[1]
                        case --
                            set -e words[1]
                            break
                        case '-*'
                        case '*'
                            break
                    end
                    set -e words[1]
                end
                printf '%s\\n' $words
            end

            function __vmrun_has_program
                test -n "$(__vmrun_program | string collect)"
            end

            # Whether the command line begins with the command of these words.
            function __vmrun_in
                set -l words (commandline -opc)
                set -l last (math 1 + (count $argv))
                test "$words[2..$last]" = "$argv"
            end

            function __vmrun_is_command
                set -l words (commandline -opc)
                contains -- "$words[2]" \(joined(CommandTree.all.map { $0.first }))
            end

            complete -c vmrun -f -n 'not __vmrun_has_program' -a '(__fish_complete_command)'
            complete -c vmrun -f -n '__vmrun_has_program; and not __vmrun_is_command' -a \
            '(complete -C (string join " " -- (string escape -- (__vmrun_program)) (commandline -ct)))'

            """
        for tree in CommandTree.all {
            text += "complete -c vmrun -f -n 'test (count (commandline -opc)) = 1' -a \(tree.first) -d "
                + quoted(tree.commands.count == 1 ? tree.commands[0].summary.description : "") + "\n"
            for command in tree.commands {
                let second = CommandTree.second(of: command)
                if second.isEmpty {
                    for option in command.options { text += line(option, condition: "__vmrun_in \(command.words)") }
                    if command.choices.utf8CodeUnitCount > 0 {
                        text += "complete -c vmrun -f -n '__vmrun_in \(command.words)' -a '\(command.choices)'\n"
                    }
                    continue
                }
                text += "complete -c vmrun -f -n '__vmrun_in \(tree.first); and test (count (commandline -opc)) = 2' -a \(second) -d "
                    + quoted(command.summary.description) + "\n"
                text += "complete -c vmrun -f -n '__vmrun_in \(command.words)' -a '(__fish_complete_directories)'\n"
                for option in command.options { text += line(option, condition: "__vmrun_in \(command.words)") }
            }
        }
        for option in OptionDescription.listed { text += line(option, condition: "not __vmrun_has_program") }
        return text
    }

    private static func line(_ option: OptionDescription, condition: String) -> String {
        let name = String(decoding: Array(option.spelling.description.utf8.dropFirst(2)), as: UTF8.self)
        return "complete -c vmrun -n '\(condition)' -l \(name)" + (option.takesValue ? offer(option.completion) : " -f") + " -d "
            + quoted(option.summary.description) + "\n"
    }

    private static func offer(_ completion: OptionDescription.Completion) -> String {
        switch completion {
        case .nothing: " -x"
        case .directory: " -x -a '(__fish_complete_directories)'"
        case .file, .bind: " -r -F"
        case .user: " -x -a '(__fish_complete_users)'"
        case .variable: " -x -a '(set -xn)'"
        case .words(let words): " -x -a '\(words)'"
        }
    }

    private static func quoted(_ text: String) -> String {
        var result: [UInt8] = [UInt8(ascii: "'")]
        for byte in text.utf8 {
            if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\\") { result.append(UInt8(ascii: "\\")) }
            result.append(byte)
        }
        return String(decoding: result + [UInt8(ascii: "'")], as: UTF8.self)
    }
}
