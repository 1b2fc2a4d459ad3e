/// What vmrun does when its first words are no option and no program, but these.
public struct CommandDescription {
    /// The words that call it, behind `vmrun`, with one blank between them.
    public let words: StaticString
    /// What follows them; empty where nothing may.
    public let operands: StaticString
    /// The words that may follow, with blanks between them, where they are a few.
    public let choices: StaticString
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
                words: "doctor", operands: "", choices: "", summary: "check this machine and say what is missing",
                details: "It says whether guests can run here, what kind of KVM there is, what a system call costs, and what to do about each thing that is missing. The exit status is 0 where guests can run, otherwise 125.",
                group: nil),
            CommandDescription(
                words: "root create", operands: "DIR", choices: "", summary: "make a Debian root directory, for --sysroot",
                details: "mmdebstrap or debootstrap of this machine makes it. Root rights are not needed: without them debootstrap runs under vmrun itself, and all files are yours. The root is made as DIR.partial and gets its name when it is complete; what an interrupted try left is taken away by the next one. DIR.log has what the tool said, until it succeeds.",
                group: .rootCreate),
            CommandDescription(
                words: "root check", operands: "DIR [PROGRAM...]", choices: "", summary: "say what a root directory lacks",
                details: "One line for each thing that is missing, with what to do about it: for its /bin/sh and for each PROGRAM the file itself, the program's loader, its C library, a translator for another processor; and the files of /etc, the mode of /tmp, the mount points. The exit status is 0 where nothing is missing, otherwise 1.",
                group: nil),
            CommandDescription(
                words: "oci", operands: "run|create|start|state|kill|delete|features [ID [SIGNAL]]",
                choices: "run create start state kill delete features",
                summary: "run an OCI bundle, or be an OCI runtime",
                details: "run --bundle DIR runs the process of DIR/config.json and ends as it does. The others are the command line of OCI runtimes; engines call the program vmrun-oci, which lies beside vmrun: podman --runtime vmrun-oci. What a configuration asks for and vmrun does not have is refused by name.",
                group: .oci),
        ]
    }
}
