import CShim
import Host

/// Host files while a guest runs. A descriptor spends no longer at a guest's number than it takes to move it.
extension HostFile {
    /// The raw result of openat(2).
    static func open(_ path: [UInt8], flags: Int32) -> Int {
        with(path) { Host.raw(Int32(SYS_openat), Int(AT_FDCWD), $0, Int(flags), 0) }
    }

    /// Opens into vmrun's own window.
    static func openInternal(_ path: [UInt8], flags: Int32) throws(HostError) -> Int32 {
        let result = open(path, flags: flags | O_CLOEXEC)
        guard result >= 0 else { throw HostError(Int32(-result)) }
        let descriptor = InternalDescriptors.adopt(Int32(result))
        if descriptor < 0 { throw HostError(EMFILE) }
        return descriptor
    }

    static func close(_ descriptor: Int32) {
        _ = Host.raw(Int32(SYS_close), Int(descriptor))
    }

    /// All of a file.
    static func read(_ path: [UInt8]) throws(HostError) -> [UInt8] {
        let descriptor = try openInternal(path, flags: O_RDONLY)
        defer { close(descriptor) }
        var content: [UInt8] = []
        var failure = 0
        // /proc answers a read with whole lines, as many as fit, so that large steps mean few inconsistencies.
        withUnsafeTemporaryAllocation(byteCount: 16384, alignment: 16) { buffer in
            while true {
                let count = Host.raw(Int32(SYS_read), Int(descriptor), Int(bitPattern: buffer.baseAddress), buffer.count)
                if count == -Int(EINTR) { continue }
                if count < 0 { failure = -count }
                if count <= 0 || count > buffer.count { return }
                content.append(contentsOf: buffer[..<count])
            }
        }
        if failure != 0 { throw HostError(Int32(failure)) }
        return content
    }

    /// The names in a directory, without `.` and `..`.
    static func list(_ path: [UInt8]) throws(HostError) -> [[UInt8]] {
        let descriptor = try openInternal(path, flags: O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        guard let names = names(in: descriptor) else { throw HostError(EIO) }
        return names
    }

    /// The names in an open directory, without `.` and `..`; nil where it cannot be read.
    static func names(in descriptor: Int32) -> [[UInt8]]? {
        var names: [[UInt8]] = []
        var failure = 0
        withUnsafeTemporaryAllocation(byteCount: 8192, alignment: 16) { buffer in
            while true {
                let count = Host.raw(
                    Int32(SYS_getdents64), Int(descriptor), Int(bitPattern: buffer.baseAddress), buffer.count)
                if count < 0 { failure = -count }
                if count <= 0 || count > buffer.count { return }
                DirectoryRecords.forEach(in: UnsafeRawBufferPointer(rebasing: buffer[..<count])) { name in
                    if !name.equals(".") && !name.equals("..") { names.append(name) }
                }
            }
        }
        return failure == 0 ? names : nil
    }

    /// The text of a link.
    static func linkText(_ path: [UInt8]) throws(HostError) -> [UInt8] {
        var failure = 0
        let text = withUnsafeTemporaryAllocation(byteCount: 4096 + 256, alignment: 1) { buffer -> [UInt8] in
            let count = with(path) {
                Host.raw(Int32(SYS_readlinkat), Int(AT_FDCWD), $0, Int(bitPattern: buffer.baseAddress), buffer.count)
            }
            if count < 0 { failure = -count }
            return count >= 0 && count <= buffer.count ? Array(buffer[..<count]) : []
        }
        if failure != 0 { throw HostError(Int32(truncatingIfNeeded: failure)) }
        return text
    }

    /// The text of a link, or nil.
    static func readlink(_ path: [UInt8]) -> [UInt8]? { try? linkText(path) }

    /// What the link /proc/self/fd/N says.
    static func readlink(ofDescriptor descriptor: Int32) -> [UInt8]? {
        readlink(descriptorPath(descriptor))
    }

    /// /proc/thread-self/fd/N, which is there also when the first thread has ended. On the host: vmrun's own process, hence
    /// the guest's.
    static func descriptorPath(_ descriptor: Int32) -> [UInt8] {
        var path = [UInt8]("/proc/thread-self/fd/")
        path.append(decimal: descriptor)
        return path
    }

    /// lstat(2): 0 or -errno.
    static func status(_ path: [UInt8], into status: UnsafeMutablePointer<stat>) -> Int {
        with(path) {
            Host.raw(Int32(SYS_newfstatat), Int(AT_FDCWD), $0, status.argument, Int(AT_SYMLINK_NOFOLLOW))
        }
    }

    static func exists(_ path: [UInt8]) -> Bool { mode(path) != nil }

    /// st_mode of lstat(2), nil where there is nothing.
    static func mode(_ path: [UInt8]) -> UInt32? {
        var found = stat()
        return withUnsafeMutablePointer(to: &found) { status(path, into: $0) == 0 ? UInt32($0.pointee.st_mode) : nil }
    }
}
