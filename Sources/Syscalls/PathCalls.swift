import CShim
import GuestMemory
import Host
import LinuxABI
import Process
import Sysroot

/// The calls that name files: every path goes through the process's `FileSystemContext`. Results are the kernel's own, so a
/// negative one is an errno.
enum PathCalls {
    /// The path argument of a call, copied once.
    @inline(__always)
    static func path(_ thread: GuestThread, _ address: UInt64) throws(GuestErrno) -> PathBytes {
        try copy(address, into: thread.scratch.path)
    }

    /// The second one of a call that takes two.
    static func secondPath(_ thread: GuestThread, _ address: UInt64) throws(GuestErrno) -> PathBytes {
        try copy(address, into: thread.scratch.secondPath)
    }

    @inline(__always)
    private static func copy(
        _ address: UInt64, into buffer: UnsafeMutableBufferPointer<CChar>
    ) throws(GuestErrno) -> PathBytes {
        guard let start = buffer.baseAddress else { throw .ENOMEM }
        return PathBytes(start: start, count: try GuestAccess.readCString(at: GuestAddress(address), into: buffer))
    }

    /// A descriptor argument: the kernel looks at its low half only.
    @inline(__always)
    static func descriptor(_ argument: UInt64) -> Int32 { Int32(truncatingIfNeeded: argument) }

    /// A flags argument of type int.
    @inline(__always)
    static func flags(_ argument: UInt64) -> Int { Int(UInt32(truncatingIfNeeded: argument)) }

    /// EINVAL where a flag is set that the call does not know.
    @inline(__always)
    static func check(_ flags: Int, allowed: Int) throws(GuestErrno) {
        if flags & ~allowed != 0 { throw .EINVAL }
    }

    /// A guest buffer for the host kernel: as it is where it lies in the arena, otherwise an address that every kernel
    /// answers with EFAULT, at the moment when Linux would.
    @inline(__always)
    static func buffer(_ address: UInt64, _ length: UInt64) -> Int {
        address == 0 || Arena.contains(GuestAddress(address), length: length)
            ? Int(truncatingIfNeeded: address) : Int(truncatingIfNeeded: 0xffff_8000_0000_0000 as UInt64)
    }

    /// Something a path or an empty path with AT_EMPTY_PATH led to.
    enum Target {
        /// `isOwned`: made by the resolution, to be closed.
        case descriptor(Int32, isOwned: Bool)
        case synthetic([UInt8], SyntheticKind)

        func release() {
            if case .descriptor(let descriptor, true) = self { Host.close(descriptor) }
        }
    }

    /// The object that (directory, path, flags) names, AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH respected.
    static func target(
        _ thread: GuestThread, _ directory: Int32, _ path: PathBytes, _ flags: Int
    ) throws(GuestErrno) -> Target {
        if path.isEmpty && flags & VMRUN_AT_EMPTY_PATH != 0 { return try descriptorTarget(thread, directory) }
        return try target(thread, directory, path, followLast: flags & VMRUN_AT_SYMLINK_NOFOLLOW == 0)
    }

    static func target(
        _ thread: GuestThread, _ directory: Int32, _ path: PathBytes, followLast: Bool, openFlags: Int = 0,
        isLink: Bool = false
    ) throws(GuestErrno) -> Target {
        switch try thread.files.object(path, from: directory, followLast: followLast, flags: openFlags, isLink: isLink) {
        case .descriptor(let descriptor): return .descriptor(descriptor, isOwned: true)
        case .synthetic(let path, let kind): return .synthetic(path, kind)
        }
    }

    /// The object behind a descriptor; AT_FDCWD is the working directory.
    static func descriptorTarget(_ thread: GuestThread, _ descriptor: Int32) throws(GuestErrno) -> Target {
        let files = thread.files
        if descriptor == AT_FDCWD {
            var here = (CChar(bitPattern: UInt8(ascii: ".")), CChar(0))
            return try withUnsafeMutablePointer(to: &here) { (pair) throws(GuestErrno) in
                // SAFETY: a pair of CChar is an array of two.
                let start = UnsafeMutableRawPointer(pair).assumingMemoryBound(to: CChar.self)
                return try target(thread, AT_FDCWD, PathBytes(start: start, count: 1), followLast: true)
            }
        }
        guard descriptor >= 0, !InternalDescriptors.contains(descriptor) else { throw .EBADF }
        if let path = files.tree?.path(ofDescriptor: descriptor) {
            guard let kind = files.tree?.kind(at: path) else { throw .ENOENT }
            return .synthetic(path, kind)
        }
        return .descriptor(descriptor, isOwned: false)
    }

    /// Calls `body` with a descriptor of the object, for a call that changes it: EROFS where it may not be changed, EPERM for
    /// synthetic objects, as procfs has it.
    static func change(
        _ thread: GuestThread, _ target: Target, _ body: (Int32) -> Int
    ) throws(GuestErrno) -> Int {
        guard case .descriptor(let descriptor, _) = target else { throw .EPERM }
        defer { target.release() }
        if thread.files.isReadOnly(descriptor: descriptor) { throw .EROFS }
        return body(descriptor)
    }

    /// As `change`, for calls that take a path and no AT_EMPTY_PATH: `body` gets one that leads to the object.
    static func changeByPath(
        _ thread: GuestThread, _ target: Target, _ body: (Int) -> Int
    ) throws(GuestErrno) -> Int {
        try change(thread, target) { descriptor in
            let result = HostPath.withDescriptorLink(descriptor) { body($0.argument) }
            // The guest's own descriptor, where it has none.
            let isMissing = result == -Int(ENOENT) && Host.raw(Int32(SYS_fcntl), Int(descriptor), Int(F_GETFD)) < 0
            return isMissing ? -Int(EBADF) : result
        }
    }

    /// The first `count` of `bytes` to guest memory.
    static func deliver(_ bytes: [UInt8], count: Int, to address: UInt64) throws(GuestErrno) {
        var failure: GuestErrno? = nil
        bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else { return }
            do throws(GuestErrno) {
                try GuestAccess.copyOut(base, to: GuestAddress(address), count: min(count, buffer.count))
            } catch { failure = error }
        }
        if let failure { throw failure }
    }

    private static let emptyPath: StaticString = ""

    /// The address of an empty path.
    @inline(__always)
    static var empty: Int { Int(bitPattern: emptyPath.utf8Start) }
}
