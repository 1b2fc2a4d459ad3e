import CShim
import GuestMemory
import Host
import LinuxABI
import Process
import Sysroot

/// Changing what files are: mode, owner, times.
extension PathCalls {
    // MARK: mode

    /// chmod(2).
    static func chmod(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try chmod(thread, AT_FDCWD, args.a0, args.a1, 0)
    }

    /// fchmodat(2) as the kernel has it: no flags.
    static func fchmodat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try chmod(thread, descriptor(args.a0), args.a1, args.a2, 0)
    }

    /// fchmodat2(2), also where the host has none.
    static func fchmodat2(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let flags = flags(args.a3)
        try check(flags, allowed: VMRUN_AT_SYMLINK_NOFOLLOW | VMRUN_AT_EMPTY_PATH)
        return try chmod(thread, descriptor(args.a0), args.a1, args.a2, flags)
    }

    private static func chmod(
        _ thread: GuestThread, _ directory: Int32, _ address: UInt64, _ mode: UInt64, _ flags: Int
    ) throws(GuestErrno) -> Int {
        let mode = self.flags(mode) & 0xffff
        return try changeByPath(thread, try target(thread, directory, try path(thread, address), flags)) {
            Host.raw(Int32(SYS_fchmodat), Int(AT_FDCWD), $0, mode)
        }
    }

    // MARK: owner

    /// chown(2).
    static func chown(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try chown(thread, AT_FDCWD, args.a0, args.a1, args.a2, 0)
    }

    /// lchown(2).
    static func lchown(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try chown(thread, AT_FDCWD, args.a0, args.a1, args.a2, VMRUN_AT_SYMLINK_NOFOLLOW)
    }

    /// fchownat(2).
    static func fchownat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let flags = flags(args.a4)
        try check(flags, allowed: VMRUN_AT_SYMLINK_NOFOLLOW | VMRUN_AT_EMPTY_PATH)
        return try chown(thread, descriptor(args.a0), args.a1, args.a2, args.a3, flags)
    }

    private static func chown(
        _ thread: GuestThread, _ directory: Int32, _ address: UInt64, _ user: UInt64, _ group: UInt64, _ flags: Int
    ) throws(GuestErrno) -> Int {
        let (user, group) = (self.flags(user), self.flags(group))
        return try change(thread, try target(thread, directory, try path(thread, address), flags)) {
            Host.raw(Int32(SYS_fchownat), Int($0), empty, user, group, VMRUN_AT_EMPTY_PATH)
        }
    }

    // MARK: times

    /// The two times of utimensat(2), as the kernel takes them.
    private typealias Times = (timespec, timespec)

    /// utimensat(2). Without a path it is the descriptor's object.
    static func utimensat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let flags = flags(args.a3)
        var times: Times? = nil
        if args.a2 != 0 {
            let read = try GuestAccess.read(Times.self, at: GuestAddress(args.a2))
            // Nothing to do: the kernel does not even look at the path then.
            let omit = 0x3fff_fffe
            if read.0.tv_nsec == omit && read.1.tv_nsec == omit { return 0 }
            times = read
        }
        return try setTimes(thread, descriptor(args.a0), args.a1, times, flags)
    }

    /// utime(2): whole seconds.
    static func utime(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        var times: Times? = nil
        if args.a1 != 0 {
            let read = try GuestAccess.read((Int, Int).self, at: GuestAddress(args.a1))
            times = (timespec(tv_sec: read.0, tv_nsec: 0), timespec(tv_sec: read.1, tv_nsec: 0))
        }
        return try setTimes(thread, AT_FDCWD, args.a0, times, 0)
    }

    /// utimes(2): microseconds.
    static func utimes(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try setTimes(thread, AT_FDCWD, args.a0, try microseconds(args.a1), 0)
    }

    /// futimesat(2): as utimes, and without a path the descriptor's object.
    static func futimesat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try setTimes(thread, descriptor(args.a0), args.a1, try microseconds(args.a2), 0)
    }

    private static func microseconds(_ address: UInt64) throws(GuestErrno) -> Times? {
        if address == 0 { return nil }
        let read = try GuestAccess.read((Int, Int, Int, Int).self, at: GuestAddress(address))
        guard (0..<1_000_000).contains(read.1), (0..<1_000_000).contains(read.3) else { throw .EINVAL }
        return (timespec(tv_sec: read.0, tv_nsec: read.1 * 1000), timespec(tv_sec: read.2, tv_nsec: read.3 * 1000))
    }

    private static func setTimes(
        _ thread: GuestThread, _ directory: Int32, _ address: UInt64, _ times: Times?, _ flags: Int
    ) throws(GuestErrno) -> Int {
        let target: Target
        if address == 0 && directory != AT_FDCWD {
            if flags != 0 { throw .EINVAL }
            target = try descriptorTarget(thread, directory)
            // Unlike a path, a descriptor that was opened only to name its object does not do.
            if case .descriptor(let descriptor, _) = target { try requireOpen(descriptor) }
        } else {
            try check(flags, allowed: VMRUN_AT_SYMLINK_NOFOLLOW | VMRUN_AT_EMPTY_PATH)
            target = try self.target(thread, directory, try path(thread, address), flags)
        }
        var copy = times ?? (timespec(), timespec())
        let isNow = times == nil
        return try changeByPath(thread, target) { path in
            withUnsafeMutablePointer(to: &copy) {
                Host.raw(Int32(SYS_utimensat), Int(AT_FDCWD), path, isNow ? 0 : $0.argument, 0)
            }
        }
    }

    /// EBADF where nothing is open there, or only to name its object (O_PATH).
    static func requireOpen(_ descriptor: Int32) throws(GuestErrno) {
        let flags = Host.raw(Int32(SYS_fcntl), Int(descriptor), Int(F_GETFL))
        if flags < 0 || flags & VMRUN_O_PATH != 0 { throw .EBADF }
    }
}
