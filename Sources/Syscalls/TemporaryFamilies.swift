import LinuxABI
import Process

// TEMPORARY: stands in for the families that other modules' work brings, so that the table and the dispatcher build. Each
// block goes when the family's own file arrives; the file goes with the last one.

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
    /// Before a read of `descriptor` at `offset` (nil: where the descriptor stands).
    @inline(__always)
    static func prepareRead(_ thread: GuestThread, _ descriptor: UInt64, offset: UInt64?) throws(GuestErrno) {}
    /// `copy` is a new descriptor for what `original` is.
    @inline(__always)
    static func noteDuplicate(_ thread: GuestThread, _ copy: Int, of original: UInt64) {}
    /// `descriptor` came over a socket.
    @inline(__always)
    static func noteReceived(_ thread: GuestThread, _ descriptor: Int32) {}
    static func lseek(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        thread.hostCall(8, args.a0, args.a1, args.a2)
    }
    static func getdents(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func getdents64(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func fstat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func fstatfs(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
    static func memfd_create(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
}
