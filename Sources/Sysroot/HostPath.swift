import CShim
import Host

/// The paths under which the host kernel shows the descriptors of the calling thread.
public enum HostPath {
    /// Room for `/proc/thread-self/fd/` and a number.
    static let descriptorLinkCapacity = 40
    private static let prefix: StaticString = "/proc/thread-self/fd/"

    /// Writes `/proc/thread-self/fd/N` and a NUL into `buffer`, which holds at least 40 bytes; the length without the NUL.
    /// Following that path reaches the object itself, which serves the calls that know no AT_EMPTY_PATH.
    @discardableResult
    public static func writeDescriptorLink(_ descriptor: Int32, _ buffer: UnsafeMutablePointer<CChar>) -> Int {
        var length = prefix.utf8CodeUnitCount
        memcpy(buffer, prefix.utf8Start, length)
        var digits = 1
        var scale: Int32 = 1
        while descriptor / scale >= 10 {
            scale *= 10
            digits += 1
        }
        for _ in 0..<digits {
            buffer[length] = CChar(0x30 + (descriptor / scale) % 10)
            scale = max(scale / 10, 1)
            length += 1
        }
        buffer[length] = 0
        return length
    }

    /// Calls `body` with the path of a descriptor.
    @inline(__always)
    public static func withDescriptorLink<Result>(
        _ descriptor: Int32, _ body: (UnsafeMutablePointer<CChar>) -> Result
    ) -> Result {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: descriptorLinkCapacity) { buffer in
            guard let base = buffer.baseAddress else { fatalError("no stack") }
            writeDescriptorLink(descriptor, base)
            return body(base)
        }
    }

    /// What readlink(2) says of a descriptor: a path, or `pipe:[1]` and the like; nil where it is not open.
    public static func textOfDescriptor(_ descriptor: Int32) -> [UInt8]? {
        withDescriptorLink(descriptor) { readLink(AT_FDCWD, $0) }
    }

    /// The host path of a descriptor; nil for what has none.
    static func ofDescriptor(_ descriptor: Int32) -> [UInt8]? {
        let text =
            descriptor == AT_FDCWD
            ? withStaticPath("/proc/thread-self/cwd") { readLink(AT_FDCWD, $0) } : textOfDescriptor(descriptor)
        guard let text, text.first == slash else { return nil }
        return text
    }

    /// Whether the name of a directory (AT_FDCWD: the working directory) is longer than the kernel can tell.
    static func isTooLong(_ descriptor: Int32) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: Int(VMRUN_PATH_MAX), alignment: 1) { buffer in
            func length(_ path: UnsafePointer<CChar>) -> Int {
                Host.raw(
                    Int32(SYS_readlinkat), Int(AT_FDCWD), path.argument, Int(bitPattern: buffer.baseAddress), buffer.count)
            }
            let result =
                descriptor == AT_FDCWD
                ? withStaticPath("/proc/thread-self/cwd", length) : withDescriptorLink(descriptor) { length($0) }
            return result == -Int(ENAMETOOLONG)
        }
    }

    /// The text of a symbolic link, or nil.
    static func readLink(_ directory: Int32, _ path: UnsafePointer<CChar>) -> [UInt8]? {
        var length = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(VMRUN_PATH_MAX)) { buffer, filled in
            length = Host.raw(
                Int32(SYS_readlinkat), Int(directory), path.argument, Int(bitPattern: buffer.baseAddress), buffer.count)
            filled = max(length, 0)
        }
        return length < 0 ? nil : bytes
    }

    static func withStaticPath<Result>(_ path: StaticString, _ body: (UnsafePointer<CChar>) -> Result) -> Result {
        // SAFETY: static strings are NUL-terminated and never change.
        path.utf8Start.withMemoryRebound(to: CChar.self, capacity: path.utf8CodeUnitCount + 1, body)
    }
}

/// Questions to the host about an open object.
enum HostObject {
    static func isDirectory(_ descriptor: Int32) -> Bool {
        var status = stat()
        return read(descriptor, &status) && status.st_mode & mode_t(S_IFMT) == mode_t(S_IFDIR)
    }

    /// Whether its last name is gone.
    static func isUnlinked(_ descriptor: Int32) -> Bool {
        var status = stat()
        return read(descriptor, &status) && status.st_nlink == 0
    }

    /// fstat(2) of any descriptor, O_PATH ones included.
    static func read(_ descriptor: Int32, _ status: inout stat) -> Bool { query(descriptor, &status) == 0 }

    /// The same: 0 or -errno.
    static func query(_ descriptor: Int32, _ status: inout stat) -> Int {
        withUnsafeMutablePointer(to: &status) { status in
            HostPath.withStaticPath("") { empty in
                Host.raw(
                    Int32(SYS_newfstatat), Int(descriptor), empty.argument, status.argument, VMRUN_AT_EMPTY_PATH)
            }
        }
    }
}
