import CShim
import GuestMemory
import Host
import LinuxABI
import Process
import Sysroot

/// Extended attributes by path. Names and values go from and to guest memory by the host kernel itself.
extension PathCalls {
    /// XATTR_NAME_MAX and its NUL; XATTR_SIZE_MAX.
    private static let nameRoom: UInt64 = 256
    private static let valueLimit: UInt64 = 65536

    /// What has the attributes. A descriptor by itself must be one that serves fgetxattr(2) and its like.
    private static func attributeTarget(
        _ thread: GuestThread, _ directory: Int32, _ address: UInt64, _ flags: Int
    ) throws(GuestErrno) -> Target {
        let path = try pathOrNull(thread, address, flags)
        if path.isEmpty && flags & VMRUN_AT_EMPTY_PATH != 0 && directory != AT_FDCWD { try requireOpen(directory) }
        return try target(thread, directory, path, flags)
    }

    // MARK: set

    /// setxattr(2).
    static func setxattr(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try set(thread, AT_FDCWD, args.a0, 0, args.a1, args.a2, args.a3, args.a4)
    }

    /// lsetxattr(2).
    static func lsetxattr(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try set(thread, AT_FDCWD, args.a0, VMRUN_AT_SYMLINK_NOFOLLOW, args.a1, args.a2, args.a3, args.a4)
    }

    /// setxattrat(2), also where the host has none.
    static func setxattrat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let given = try arguments(args.a4, args.a5)
        let flags = try atFlags(args.a2)
        return try set(
            thread, descriptor(args.a0), args.a1, flags, args.a3, given.value, UInt64(given.size), UInt64(given.flags))
    }

    private static func set(
        _ thread: GuestThread, _ directory: Int32, _ address: UInt64, _ atFlags: Int, _ name: UInt64, _ value: UInt64,
        _ size: UInt64, _ flags: UInt64
    ) throws(GuestErrno) -> Int {
        let target = try attributeTarget(thread, directory, address, atFlags)
        guard case .descriptor = target else { throw .EOPNOTSUPP }
        return try changeByPath(thread, target) {
            Host.raw(
                Int32(SYS_setxattr), $0, buffer(name, nameRoom), buffer(value, min(size, valueLimit)),
                Int(truncatingIfNeeded: size), self.flags(flags))
        }
    }

    // MARK: get

    /// getxattr(2).
    static func getxattr(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try get(thread, AT_FDCWD, args.a0, 0, args.a1, args.a2, args.a3)
    }

    /// lgetxattr(2).
    static func lgetxattr(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try get(thread, AT_FDCWD, args.a0, VMRUN_AT_SYMLINK_NOFOLLOW, args.a1, args.a2, args.a3)
    }

    /// getxattrat(2), also where the host has none.
    static func getxattrat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let given = try arguments(args.a4, args.a5)
        if given.flags != 0 { throw .EINVAL }
        let flags = try atFlags(args.a2)
        return try get(thread, descriptor(args.a0), args.a1, flags, args.a3, given.value, UInt64(given.size))
    }

    private static func get(
        _ thread: GuestThread, _ directory: Int32, _ address: UInt64, _ flags: Int, _ name: UInt64, _ value: UInt64,
        _ size: UInt64
    ) throws(GuestErrno) -> Int {
        try read(thread, try attributeTarget(thread, directory, address, flags), synthetic: -Int(EOPNOTSUPP)) {
            Host.raw(
                Int32(SYS_getxattr), $0, buffer(name, nameRoom), buffer(value, min(size, valueLimit)),
                Int(truncatingIfNeeded: size))
        }
    }

    // MARK: list

    /// listxattr(2).
    static func listxattr(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try list(thread, AT_FDCWD, args.a0, 0, args.a1, args.a2)
    }

    /// llistxattr(2).
    static func llistxattr(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try list(thread, AT_FDCWD, args.a0, VMRUN_AT_SYMLINK_NOFOLLOW, args.a1, args.a2)
    }

    /// listxattrat(2), also where the host has none.
    static func listxattrat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let flags = try atFlags(args.a2)
        return try list(thread, descriptor(args.a0), args.a1, flags, args.a3, args.a4)
    }

    private static func list(
        _ thread: GuestThread, _ directory: Int32, _ address: UInt64, _ flags: Int, _ output: UInt64, _ size: UInt64
    ) throws(GuestErrno) -> Int {
        try read(thread, try attributeTarget(thread, directory, address, flags), synthetic: 0) {
            Host.raw(Int32(SYS_listxattr), $0, buffer(output, min(size, valueLimit)), Int(truncatingIfNeeded: size))
        }
    }

    private static func read(
        _ thread: GuestThread, _ target: Target, synthetic: Int, _ body: (Int) -> Int
    ) throws(GuestErrno) -> Int {
        guard case .descriptor(let descriptor, _) = target else { return synthetic }
        defer { target.release() }
        return HostPath.withDescriptorLink(descriptor) { body($0.argument) }
    }

    // MARK: remove

    /// removexattr(2).
    static func removexattr(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try remove(thread, AT_FDCWD, args.a0, 0, args.a1)
    }

    /// lremovexattr(2).
    static func lremovexattr(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try remove(thread, AT_FDCWD, args.a0, VMRUN_AT_SYMLINK_NOFOLLOW, args.a1)
    }

    /// removexattrat(2), also where the host has none.
    static func removexattrat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let flags = try atFlags(args.a2)
        return try remove(thread, descriptor(args.a0), args.a1, flags, args.a3)
    }

    private static func remove(
        _ thread: GuestThread, _ directory: Int32, _ address: UInt64, _ flags: Int, _ name: UInt64
    ) throws(GuestErrno) -> Int {
        let target = try attributeTarget(thread, directory, address, flags)
        guard case .descriptor = target else { throw .EOPNOTSUPP }
        return try changeByPath(thread, target) { Host.raw(Int32(SYS_removexattr), $0, buffer(name, nameRoom)) }
    }

    // MARK: the *at forms

    private static func atFlags(_ argument: UInt64) throws(GuestErrno) -> Int {
        let flags = flags(argument)
        try check(flags, allowed: VMRUN_AT_SYMLINK_NOFOLLOW | VMRUN_AT_EMPTY_PATH)
        return flags
    }

    /// The kernel's struct xattr_args.
    private struct Arguments {
        var value: UInt64 = 0
        var size: UInt32 = 0
        var flags: UInt32 = 0
    }

    private static func arguments(_ address: UInt64, _ size: UInt64) throws(GuestErrno) -> Arguments {
        var given = Arguments()
        try withUnsafeMutableBytes(of: &given) { (bytes) throws(GuestErrno) in
            try copyStructure(bytes, at: address, size: size, least: bytes.count)
        }
        return given
    }
}
