import CommandLineOptions

/// The commands as shells complete them: first words, and what may follow each.
struct CommandTree {
    let first: String
    let commands: [CommandDescription]

    /// The words behind the first: `create` of `root create`; empty where there is none.
    static func second(of command: CommandDescription) -> String {
        let words = command.words.description.utf8.split(separator: 0x20)
        return words.count > 1 ? String(decoding: Array(words[1]), as: UTF8.self) : ""
    }

    static var all: [CommandTree] {
        var result: [CommandTree] = []
        for command in CommandDescription.all {
            let words = command.words.description.utf8.split(separator: 0x20)
            guard let word = words.first else { continue }
            let first = String(decoding: Array(word), as: UTF8.self)
            if let index = result.firstIndex(where: { $0.first == first }) {
                result[index] = CommandTree(first: first, commands: result[index].commands + [command])
            } else {
                result.append(CommandTree(first: first, commands: [command]))
            }
        }
        return result
    }

    /// The options of running a program and of every command, each spelling once.
    static var options: [OptionDescription] {
        var result = OptionDescription.listed
        for command in CommandDescription.all {
            for option in command.options
            where !result.contains(where: { $0.spelling.description == option.spelling.description }) { result.append(option) }
        }
        return result
    }
}

func joined(_ words: [String], by separator: String = " ") -> String {
    var text = ""
    for word in words { text += (text.isEmpty ? "" : separator) + word }
    return text
}

func spellings(_ options: [OptionDescription]) -> [String] {
    options.flatMap { [$0.spelling.description] + ($0.short.utf8CodeUnitCount > 0 ? [$0.short.description] : []) }
}
