import CShim
import FakeRoot
import GuestMemory
import Host
import LinuxABI
import Process
import Sysroot

/// Where the process is: working directory and root.
extension PathCalls {
    /// chdir(2).
    static func chdir(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try thread.files.changeDirectory(try path(thread, args.a0))
        return 0
    }

    /// fchdir(2).
    static func fchdir(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try thread.files.changeDirectory(to: descriptor(args.a0))
        return 0
    }

    /// getcwd(2) as the kernel has it: the length with the NUL.
    static func getcwd(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let path = try thread.files.guestWorkingDirectory() + [0]
        if path.count > VMRUN_PATH_MAX { throw .ENAMETOOLONG }
        if UInt64(path.count) > args.a1 { throw .ERANGE }
        try deliver(path, count: path.count, to: args.a0)
        return path.count
    }

    /// chroot(2): for root, as in a container. It moves the guest's root inside its view and nothing on the host.
    static func chroot(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let isPermitted = thread.credentials?.has(Capabilities.sysChroot) ?? (Host.raw(Int32(SYS_geteuid)) == 0)
        try thread.files.changeRoot(try path(thread, args.a0), isPermitted: isPermitted)
        return 0
    }
}
