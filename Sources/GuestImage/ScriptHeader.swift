import CShim

/// The `#!` line of a script, read as load_script() in fs/binfmt_script.c reads it.
struct ScriptHeader: Equatable {
    let interpreter: [UInt8]
    /// Everything behind the interpreter's name, blanks inside included: one argument.
    let argument: [UInt8]?

    /// BINPRM_BUF_SIZE: Linux looks at no more.
    private static let bufferSize = 256

    /// Parses a file's first bytes, which begin with `#!`. Nil (ENOEXEC) where there is no interpreter, or its name may be cut.
    init?(head: [UInt8]) {
        // Linux's buffer is zero-filled behind a short file's end.
        var buffer = Array(head.prefix(Self.bufferSize))
        while buffer.count < Self.bufferSize { buffer.append(0) }
        let last = Self.bufferSize - 1

        var end = last
        if let newline = buffer.firstIndex(where: { $0 == 0x0a || $0 == 0 }), buffer[newline] == 0x0a {
            end = newline
        } else {
            // Without a newline the name must end at a blank or a NUL inside the buffer, or it may be truncated.
            guard let name = Self.firstNonBlank(buffer, 2, last), Self.firstTerminator(buffer, name, last) != nil else {
                return nil
            }
        }
        // Stops at the '!' at the latest.
        while Self.isBlank(buffer[end - 1]) { end -= 1 }
        guard let name = Self.firstNonBlank(buffer, 2, end), name != end else { return nil }
        var argument: Int? = nil
        let separator = Self.firstTerminator(buffer, name, end)
        if let separator, buffer[separator] != 0 { argument = Self.firstNonBlank(buffer, separator, end) }
        interpreter = Self.string(buffer, name, argument == nil ? end : separator ?? end)
        self.argument = argument.map { Self.string(buffer, $0, end) }
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// Both searches include `last`.
    private static func firstNonBlank(_ buffer: [UInt8], _ first: Int, _ last: Int) -> Int? {
        guard first <= last else { return nil }
        return buffer[first...last].firstIndex { !isBlank($0) }
    }

    private static func firstTerminator(_ buffer: [UInt8], _ first: Int, _ last: Int) -> Int? {
        guard first <= last else { return nil }
        return buffer[first...last].firstIndex { isBlank($0) || $0 == 0 }
    }

    /// The C string that begins at `first` once a NUL is put at `end`.
    private static func string(_ buffer: [UInt8], _ first: Int, _ end: Int) -> [UInt8] {
        guard first < end else { return [] }
        return Array(buffer[first..<end].prefix { $0 != 0 })
    }
}
