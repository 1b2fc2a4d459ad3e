extension Options {
    /// The one place that has it: packages, the manual page and --version take it from here.
    public static let version = "0.1.0"
    /// The day of that version, which the manual page and the packages' changelog bear: year, month, day.
    public static let versionDate = "2026-11-22"

    /// What --version prints.
    public static let versionText = "vmrun " + version + "\n"

    /// The exit statuses that are not the program's own.
    public static let exitStatuses: [(status: StaticString, meaning: StaticString)] = [
        ("128+N", "signal N ended the program"),
        ("124", "--timeout ended the session"),
        ("125", "vmrun itself failed"),
        ("126", "PROGRAM cannot be run"),
        ("127", "PROGRAM is not found"),
    ]

    private static let summaryColumn = 32
    private static let lastColumn = 96

    /// What --help prints.
    public static var usageText: String {
        var text = "Usage: vmrun [OPTION...] [--] PROGRAM [ARG...]\n"
        for command in CommandDescription.all { text += "       vmrun " + command.usage + "\n" }
        text += """

            Runs an unmodified Linux program, and whatever it starts, in a user-mode virtual
            machine on KVM. PROGRAM without a slash is looked up in the guest's PATH.

            """
        text += "\nCommands:\n"
        for command in CommandDescription.all {
            text += entry(command.usage, command.summary.description)
            for option in command.options { text += entry(option, indent: 4) }
        }
        for group in OptionDescription.Group.listed where !OptionDescription.of(group).isEmpty {
            text += "\n" + group.title.description + ":\n"
            for option in OptionDescription.of(group) { text += entry(option) }
        }
        text += "\nExit status: the program's, or\n"
        for (status, meaning) in exitStatuses { text += entry(status.description, meaning.description) }
        text += """

            Example: vmrun --sysroot /srv/bookworm --bind "$PWD:/work" --workdir /work make
            More: man vmrun

            """
        return text
    }

    private static func entry(_ option: OptionDescription, indent: Int = 2) -> String {
        entry(
            option.spelling.description + option.valueText,
            option.summary.description + (option.isRepeatable ? " (repeatable)" : ""), indent: indent)
    }

    /// One indented line, or more where the summary is long.
    private static func entry(_ name: String, _ summary: String, indent: Int = 2) -> String {
        var text = String(repeating: " ", count: indent) + name
        var column = indent + name.utf8.count
        if column + 2 > summaryColumn {
            text += "\n"
            column = 0
        }
        text += String(repeating: " ", count: summaryColumn - column)
        column = summaryColumn
        for word in summary.utf8.split(separator: 0x20) {
            let length = word.count
            if column > summaryColumn && column + 1 + length > lastColumn {
                text += "\n" + String(repeating: " ", count: summaryColumn)
                column = summaryColumn
            } else if column > summaryColumn {
                text += " "
                column += 1
            }
            text += String(decoding: Array(word), as: UTF8.self)
            column += length
        }
        return text + "\n"
    }
}
