import CShim

/// Text for the user, on standard error, always one sentence behind `vmrun: `.
public enum Message {
    /// Writes `vmrun: text` and a newline in one write.
    public static func error(_ text: String) {
        var line: [UInt8] = Array("vmrun: ".utf8)
        line.append(contentsOf: text.utf8)
        line.append(0x0a)
        line.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let result = Host.raw(Int32(SYS_write), 2, Int(bitPattern: bytes.baseAddress) + done, bytes.count - done)
                if result <= 0 && result != -Int(EINTR) { return }
                done += max(result, 0)
            }
        }
    }

    /// Says what went wrong and ends the whole process.
    public static func fail(_ text: String, status: Int32 = 125) -> Never {
        error(text)
        while true { _ = Host.raw(Int32(SYS_exit_group), Int(status)) }
    }
}
