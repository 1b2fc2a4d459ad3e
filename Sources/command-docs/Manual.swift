import CommandLineOptions

/// vmrun(1), in the man macros: man-pages(7).
enum Manual {
    static var text: String {
        var text = ".TH VMRUN 1 \(Options.versionDate) \"vmrun \(Options.version)\" \"User Commands\"\n"
        text += ".SH NAME\nvmrun \\- run Linux programs in a user\\-mode virtual machine\n"
        text += synopsis + description
        text += ".SH COMMANDS\n"
        for command in CommandDescription.all {
            text += ".TP\n.B vmrun \(escaped(command.usage))\n"
            text += paragraph(command.summary.description, command.details.description)
            if command.options.isEmpty { continue }
            text += ".RS\n"
            for option in command.options { text += entry(option) }
            text += ".RE\n"
        }
        text += ".SH OPTIONS\nOptions end at the first word that is none, or behind\n.BR \\-\\- .\nA value follows its option as the next word, or behind an equals sign.\n"
        for group in OptionDescription.Group.listed {
            let options = OptionDescription.of(group)
            if options.isEmpty { continue }
            text += ".SS \(escaped(group.title.description))\n"
            for option in options { text += entry(option) }
        }
        text += ".SH EXIT STATUS\nThe exit status is the program's, or one of these:\n"
        for (status, meaning) in Options.exitStatuses {
            text += ".TP\n.B \(escaped(status.description))\n\(running(meaning.description)).\n"
        }
        return text + files + examples + seeAlso
    }

    private static let synopsis = """
        .SH SYNOPSIS
        .B vmrun
        .RI [ OPTION ...]
        .RB [ \\-\\- ]
        .I PROGRAM
        .RI [ ARG ...]
        .PP
        .B vmrun
        .I COMMAND
        .RI [ ARG ...]

        """

    private static let description = """
        .SH DESCRIPTION
        .B vmrun
        runs an unmodified Linux program, and whatever it starts, in a user\\-mode virtual machine on KVM.
        There is no guest kernel: the program's instructions run at native speed, and each system call that it makes leaves the
        virtual machine and is served by
        .BR vmrun ,
        which checks every pointer, path, descriptor and process id before the host's kernel sees it.
        .PP
        .I PROGRAM
        without a slash is looked up in the guest's
        .BR PATH .
        With
        .B \\-\\-sysroot
        the guest's root directory is another one than the host's.
        Processes, users, the network and the clock are the host's.
        .PP
        No root rights are needed, but
        .I /dev/kvm
        must be one that you may open;
        .B vmrun doctor
        says what to do where it is not.

        """

    private static let files = """
        .SH FILES
        .TP
        .I /dev/kvm
        The kernel's virtual machines.
        On Debian its group is
        .BR kvm .
        A udev rule gives it away where nothing else does:
        .IP
        .EX
        KERNEL=="kvm", GROUP="kvm", MODE="0660"
        .EE

        """

    private static let examples = """
        .SH EXAMPLES
        A shell in another root directory:
        .PP
        .RS 4
        .EX
        vmrun \\-\\-sysroot /srv/bookworm /bin/sh
        .EE
        .RE
        .PP
        The compiler of that root, working on the current directory:
        .PP
        .RS 4
        .EX
        vmrun \\-\\-sysroot /srv/bookworm \\-\\-bind "$PWD:/work" \\-\\-workdir /work make
        .EE
        .RE
        .PP
        Installing packages into it, without being root:
        .PP
        .RS 4
        .EX
        vmrun \\-\\-sysroot /srv/bookworm \\-\\-fakeroot apt\\-get install gcc
        .EE
        .RE
        .PP
        A program that is not trusted, without network and for ten seconds of processor time:
        .PP
        .RS 4
        .EX
        vmrun \\-\\-sysroot /srv/bookworm \\-\\-net none \\-\\-max\\-processes 20 \\-\\-cpu\\-time 10 ./program
        .EE
        .RE

        """

    private static let seeAlso = """
        .SH SEE ALSO
        .BR chroot (1),
        .BR strace (1),
        .BR debootstrap (8),
        .BR udev (7)
        .PP
        The documentation that is installed with
        .B vmrun
        says more: usage.md has worked examples, security.md says what holds a guest, syscalls.md lists every system call.

        """

    private static func entry(_ option: OptionDescription) -> String {
        var text = ".TP\n"
        let spelling = escaped(option.spelling.description)
        if option.isValueOptional {
            text += ".BR \(spelling) [=\(escaped(option.value.description))]\n"
        } else {
            text += option.takesValue ? ".BI \"\(spelling) \" \(quoted(option.value.description))\n" : ".B \(spelling)\n"
        }
        text += paragraph(option.summary.description, option.details.description)
        if option.isRepeatable { text += "It may be given more than once.\n" }
        return text
    }

    private static func paragraph(_ summary: String, _ details: String) -> String {
        var text = running(capitalised(summary)) + ".\n"
        if !details.isEmpty { text += running(details) + "\n" }
        return text
    }

    private static func quoted(_ text: String) -> String { "\"" + escaped(text) + "\"" }

    private static func capitalised(_ text: String) -> String {
        var bytes = Array(text.utf8)
        if let first = bytes.first, first >= UInt8(ascii: "a"), first <= UInt8(ascii: "z") {
            // What stands before a colon is a word to type.
            let word = bytes.prefix { $0 != UInt8(ascii: " ") }
            if word.last != UInt8(ascii: ":") { bytes[0] = first - 32 }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Text with its options in bold, one sentence on a line.
    private static func running(_ text: String) -> String {
        var result = ""
        var endsSentence = false
        for word in text.utf8.split(separator: UInt8(ascii: " ")) {
            let bytes = Array(word)
            if !result.isEmpty { result += endsSentence ? "\n" : " " }
            endsSentence = bytes.last == UInt8(ascii: ".") && !bytes.starts(with: Array("...".utf8))
            let dash = UInt8(ascii: "-")
            if bytes.count > 2, bytes[0] == dash, bytes[1] == dash {
                let end = bytes.firstIndex { ".,;:)".utf8.contains($0) } ?? bytes.count
                result += "\\fB" + escaped(String(decoding: bytes[..<end], as: UTF8.self)) + "\\fR"
                    + escaped(String(decoding: bytes[end...], as: UTF8.self))
            } else {
                result += escaped(String(decoding: bytes, as: UTF8.self))
            }
        }
        return result
    }

    /// Dashes that are to be typed, and nothing that would be a request.
    private static func escaped(_ text: String) -> String {
        var result: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "-"): result += Array("\\-".utf8)
            case UInt8(ascii: "\\"): result += Array("\\e".utf8)
            default:
                if result.isEmpty && (byte == UInt8(ascii: ".") || byte == UInt8(ascii: "'")) { result += Array("\\&".utf8) }
                result.append(byte)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
