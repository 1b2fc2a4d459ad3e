/// What vmrun does when its first words are no option and no program, but these.
public struct CommandDescription {
    /// The words that call it, behind `vmrun`, with one blank between them.
    public let words: StaticString
    /// What follows them; empty where nothing may.
    public let operands: StaticString
    /// A few words, without a full stop.
    public let summary: StaticString
    /// Whole sentences for the manual page.
    public let details: StaticString
    /// The group of its own options.
    let group: OptionDescription.Group?

    public var options: [OptionDescription] { group.map { OptionDescription.of($0) } ?? [] }

    /// As it is typed.
    public var usage: String {
        words.description + (options.isEmpty ? "" : " [OPTION...]") + (operands.utf8CodeUnitCount == 0 ? "" : " " + operands.description)
    }

    public static var all: [CommandDescription] {
        [
            CommandDescription(
                words: "doctor", operands: "", summary: "check this machine and say what is missing",
                details: "It says whether guests can run here, what kind of KVM there is, what a system call costs, and what to do about each thing that is missing. The exit status is 0 where guests can run, otherwise 125.",
                group: nil)
        ]
    }
}
