import CShim

/// Text for the user, on standard error, always one sentence behind `vmrun: `.
public enum Message {
    /// Writes `vmrun: text` and a newline in one write.
    public static func error(_ text: String) {
        var line: [UInt8] = Array("vmrun: ".utf8)
        line.append(contentsOf: text.utf8)
        line.append(0x0a)
        write(line, to: 2)
    }

    /// Writes text that was asked for to standard output.
    public static func print(_ text: String) { write(Array(text.utf8), to: 1) }

    /// Writes all of it, as far as that is possible.
    public static func write(_ line: [UInt8], to descriptor: Int) {
        HostFile.append(line[...], to: descriptor)
    }

    /// What is to be done before a failure ends the process. Set while there is one thread.
    nonisolated(unsafe) public static var beforeFailing: (() -> Void)?

    /// Says what went wrong and ends the whole process.
    public static func fail(_ text: String, status: Int32 = 125) -> Never {
        error(text)
        beforeFailing?()
        while true { _ = Host.raw(Int32(SYS_exit_group), Int(status)) }
    }
}
