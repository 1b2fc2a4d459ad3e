import LinuxABI
import Process

// TEMPORARY: stands in for the families that other modules' work brings, so that the table and the dispatcher build. Each
// block goes when the family's own file arrives; the file goes with the last one.

enum MemoryCalls {
    static func mmap(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func mprotect(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func munmap(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func brk(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func mremap(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func msync(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func mincore(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func madvise(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func process_madvise(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func shmat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func shmdt(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func mlock(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func mlock2(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func munlock(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func mlockall(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func munlockall(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func remap_file_pages(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func pkey_mprotect(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func mseal(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
}

enum PathCalls {
    static func hostSocketAddress(
        _ thread: GuestThread, _ address: UnsafeMutableRawPointer, length: Int, forBind: Bool
    ) throws(GuestErrno) -> SocketAddresses.HostAddress { throw .ENOSYS }
    static func guestSocketAddress(_ thread: GuestThread, _ address: UnsafeMutableRawPointer, length: Int) -> Int { length }
    static func open(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func openat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func openat2(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func creat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func stat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func lstat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func newfstatat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func statx(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func access(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func faccessat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func faccessat2(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func readlink(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func readlinkat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func mkdir(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func mkdirat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func rmdir(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func unlink(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func unlinkat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func rename(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func renameat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func renameat2(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func link(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func linkat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func symlink(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func symlinkat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func mknod(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func mknodat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func chmod(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func fchmodat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func fchmodat2(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func chown(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func lchown(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func fchownat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func utime(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func utimes(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func futimesat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func utimensat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func truncate(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func statfs(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func chdir(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func fchdir(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func getcwd(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func chroot(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func setxattr(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func lsetxattr(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func getxattr(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func lgetxattr(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func listxattr(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func llistxattr(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func removexattr(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func lremovexattr(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func setxattrat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func getxattrat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func listxattrat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func removexattrat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func name_to_handle_at(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func inotify_add_watch(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
}

enum SyntheticCalls {
    static func getdents(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func getdents64(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func fstat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func fstatfs(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func memfd_create(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
}

enum ProcessCalls {
    static func isMember(_ thread: GuestThread, _ pid: Int32) -> Bool { true }
    static func clone(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func clone3(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func fork(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func vfork(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func execve(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func execveat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func exit(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func exit_group(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func wait4(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func waitid(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func setpgid(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func set_tid_address(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func set_robust_list(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func get_robust_list(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
}

enum SignalCalls {
    static func rt_sigaction(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func rt_sigprocmask(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func rt_sigreturn(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func rt_sigpending(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func rt_sigtimedwait(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func rt_sigsuspend(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func sigaltstack(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func kill(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func tkill(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func tgkill(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func rt_sigqueueinfo(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func rt_tgsigqueueinfo(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func pidfd_send_signal(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func restart_syscall(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
}

enum MachineCalls {
    static func arch_prctl(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
}
