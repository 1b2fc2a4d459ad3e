import CShim

/// Paths of the host's, as bytes.
public enum HostFile {
    /// For messages.
    public static func text(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }

    /// Calls `body` with the path as the kernel takes it, and gives its answer.
    public static func with<Result>(_ path: [UInt8], _ body: (Int) -> Result) -> Result {
        (path + [0]).withUnsafeBytes { body(Int(bitPattern: $0.baseAddress)) }
    }

    /// Whether a file or directory is there.
    public static func exists(_ path: String) -> Bool { with(Array(path.utf8)) { Host.raw(Int32(SYS_faccessat), Int(AT_FDCWD), $0, 0) } == 0 }

    /// openat(2), closed by exec: a descriptor, or -errno.
    public static func open(_ path: [UInt8], _ flags: Int32, mode: Int = 0) -> Int {
        with(path) { Host.raw(Int32(SYS_openat), Int(AT_FDCWD), $0, Int(flags | O_CLOEXEC), mode) }
    }

    /// What a symbolic link says; nil where there is none.
    public static func link(_ path: String) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = buffer.withUnsafeMutableBytes { buffer in
            with(Array(path.utf8)) { Host.raw(Int32(SYS_readlinkat), Int(AT_FDCWD), $0, Int(bitPattern: buffer.baseAddress), buffer.count) }
        }
        return length > 0 ? Array(buffer[..<length]) : nil
    }

    /// The program of this name in the running one's directory; nil where /proc is not mounted.
    public static func beside(_ name: String) -> [UInt8]? {
        guard let own = link("/proc/self/exe"), let slash = own.lastIndex(of: UInt8(ascii: "/")) else { return nil }
        return Array(own[...slash]) + Array(name.utf8)
    }

    /// What a descriptor gives, at most `limit` bytes of it; nil where it cannot be read.
    public static func contents(of descriptor: Int, limit: Int = 1 << 20) -> [UInt8]? {
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while result.count < limit {
            let count = chunk.withUnsafeMutableBytes { Host.raw(Int32(SYS_read), descriptor, Int(bitPattern: $0.baseAddress), $0.count) }
            if count == -Int(EINTR) { continue }
            if count < 0 { return nil }
            if count == 0 { break }
            result += chunk[..<count]
        }
        return result
    }

    /// All of a small file; nil where it cannot be read.
    public static func contents(_ path: [UInt8]) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { return nil }
        defer { _ = Host.raw(Int32(SYS_close), descriptor) }
        return contents(of: descriptor)
    }

    /// Makes a file with these contents.
    public static func write(_ path: [UInt8], _ contents: String) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
        guard descriptor >= 0 else { return }
        append(Array(contents.utf8)[...], to: descriptor)
        _ = Host.raw(Int32(SYS_close), descriptor)
    }

    /// Writes all of it, as far as the host takes it.
    public static func append(_ bytes: ArraySlice<UInt8>, to descriptor: Int) {
        bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count {
                let count = Host.raw(Int32(SYS_write), descriptor, Int(bitPattern: buffer.baseAddress) + done, buffer.count - done)
                if count <= 0 && count != -Int(EINTR) { return }
                done += max(count, 0)
            }
        }
    }

    /// The names in a directory, at most 64 of them, without the two that all have; nil where it cannot be read.
    public static func names(in path: [UInt8]) -> [[UInt8]]? {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY)
        guard descriptor >= 0 else { return nil }
        defer { _ = Host.raw(Int32(SYS_close), descriptor) }
        var result: [[UInt8]] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while result.count < 64 {
            let count = buffer.withUnsafeMutableBytes {
                Host.raw(Int32(SYS_getdents64), descriptor, Int(bitPattern: $0.baseAddress), $0.count)
            }
            if count < 0 { return nil }
            if count == 0 { break }
            buffer.withUnsafeBytes { buffer in
                forEachName(in: UnsafeRawBufferPointer(rebasing: buffer[..<count])) { name in
                    if !name.elementsEqual(".".utf8) && !name.elementsEqual("..".utf8) { result.append(Array(name)) }
                }
            }
        }
        return result
    }

    /// The names in records of getdents64(2): inode and offset, length at 16, name at 19.
    static func forEachName(in records: UnsafeRawBufferPointer, _ body: (Slice<UnsafeRawBufferPointer>) -> Void) {
        var start = 0
        while start + 19 < records.count {
            let length = max(Int(records.loadUnaligned(fromByteOffset: start + 16, as: UInt16.self)), 20)
            body(records[(start + 19)..<min(start + length, records.count)].prefix { $0 != 0 })
            start += length
        }
    }
}
