import CShim
import GuestMemory
import Host
import LinuxABI
import Process
import Sysroot

/// Naming files to be watched or found again.
extension PathCalls {
    private static let dontFollow = 0x0200_0000
    private static let onlyDirectory = 0x0100_0000

    /// inotify_add_watch(2). Synthetic objects never change in a way that inotify tells, as in procfs.
    static func inotify_add_watch(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let watcher = descriptor(args.a0)
        if InternalDescriptors.contains(watcher) { throw .EBADF }
        let mask = flags(args.a2)
        let target = try target(
            thread, AT_FDCWD, try path(thread, args.a1), followLast: mask & dontFollow == 0,
            openFlags: mask & onlyDirectory != 0 ? VMRUN_O_DIRECTORY : 0)
        defer { target.release() }
        switch target {
        case .descriptor(let descriptor, _): return watch(watcher, descriptor, mask)
        case .synthetic(_, .passThrough(let hostPath)):
            let terminated = hostPath + [0]
            return terminated.withUnsafeBytes {
                Host.raw(Int32(SYS_inotify_add_watch), Int(watcher), Int(bitPattern: $0.baseAddress), mask)
            }
        case .synthetic(let path, _):
            guard let tree = thread.files.tree else { throw .ENOENT }
            let stand = try tree.open(path, flags: Int32(O_RDONLY | O_CLOEXEC))
            defer { Host.close(stand) }
            return watch(watcher, stand, mask & ~onlyDirectory)
        }
    }

    private static func watch(_ watcher: Int32, _ object: Int32, _ mask: Int) -> Int {
        HostPath.withDescriptorLink(object) {
            Host.raw(Int32(SYS_inotify_add_watch), Int(watcher), $0.argument, mask & ~dontFollow)
        }
    }

    /// name_to_handle_at(2). The handles are of no use to the guest itself: open_by_handle_at, which would lead past the
    /// root, is refused.
    static func name_to_handle_at(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let flags = flags(args.a4)
        let connectable = 2
        let uniqueMount = 1
        let handleOnly = 0x200
        try check(
            flags, allowed: VMRUN_AT_SYMLINK_FOLLOW | VMRUN_AT_EMPTY_PATH | connectable | uniqueMount | handleOnly)
        let nofollow = flags & VMRUN_AT_SYMLINK_FOLLOW == 0 ? VMRUN_AT_SYMLINK_NOFOLLOW : 0
        let target = try target(
            thread, descriptor(args.a0), try path(thread, args.a1), nofollow | (flags & VMRUN_AT_EMPTY_PATH))
        guard case .descriptor(let descriptor, _) = target else { throw .EOPNOTSUPP }
        defer { target.release() }
        let largestHandle: UInt64 = 8 + 128
        return Host.raw(
            Int32(SYS_name_to_handle_at), Int(descriptor), empty, buffer(args.a2, largestHandle), buffer(args.a3, 8),
            (flags & ~VMRUN_AT_SYMLINK_FOLLOW) | VMRUN_AT_EMPTY_PATH)
    }
}
