import CShim
import Host
import LinuxABI
import Machine
import Process
import Sysroot

/// Which calls need not leave the guest, and how those are made that the poller takes.
///
/// The poller is another host thread. What the kernel does for or to the calling thread is not for it: waiting, signals, masks, credentials,
/// scheduling, clocks and usage of the thread. Of the calls that may or may not wait, it makes an attempt that does not.
enum FastPaths {
    static func path(of number: UInt32) -> FastPath {
        guard let row = SyscallTable.row(number) else { return .exit }
        switch row.handler {
        case .refuse: return .remember
        case .credential(let call):
            switch call {
            case .getuid, .geteuid, .getgid, .getegid: return .remember
            default: return .exit
            }
        case .readTransfer, .writeTransfer, .readVector, .writeVector: return .forward
        case .open, .openat, .openat2, .creat, .stat, .lstat, .newfstatat, .statx, .access, .faccessat, .faccessat2, .readlink,
            .readlinkat, .mkdir, .mkdirat, .rmdir, .unlink, .unlinkat, .rename, .renameat, .renameat2, .link, .linkat, .symlink,
            .symlinkat, .chmod, .fchmodat, .fchmodat2, .chown, .lchown, .fchownat, .utimensat, .truncate, .statfs, .chdir, .fchdir,
            .getcwd, .getxattr, .lgetxattr, .listxattr, .llistxattr, .lseek, .getdents, .getdents64, .fstat, .fstatfs,
            .changeFile, .fchmod, .fchown, .duplicate, .close, .pipe, .pipe2:
            return .forward
        case .mmap, .mprotect, .munmap, .brk, .madvise, .mremap: return .forward
        case .fcntl, .ioctl, .rt_sigaction, .futex, .clock_gettime, .getppid, .getrlimit, .prlimit64: return .forward
        case .forward:
            switch Int32(row.number) {
            case SYS_getpid, SYS_gettid: return .remember
            case SYS_uname, SYS_sysinfo, SYS_umask, SYS_getpgid, SYS_getsid, SYS_times, SYS_gettimeofday, SYS_clock_getres,
                SYS_getrandom, SYS_fadvise64, SYS_epoll_ctl:
                return .forward
            default: return .exit
            }
        default: return .exit
        }
    }

    /// Makes a call for a thread whose vCPU waits for it in the guest; `plain` makes it as ever. VMRUN_ERESTART where the thread has to
    /// make it itself: nothing has happened then.
    @inline(__always)
    static func serve(_ thread: GuestThread, _ number: UInt64, _ arguments: SyscallArguments, plain: () -> Int) -> Int {
        guard let row = SyscallTable.row(UInt32(truncatingIfNeeded: number)) else { return GuestErrno.ENOSYS.result }
        // To the kernel the poller is another process than a vfork's child: it may not make calls in its place. But posix_spawn(3)
        // sets each signal's action, and that is vmrun's own affair.
        if thread.process.isHelper {
            if case .rt_sigaction = row.handler { return SignalCalls.quietAction(thread, arguments) }
            return VMRUN_ERESTART
        }
        let result: Int
        switch row.handler {
        case .readTransfer, .writeTransfer: result = transfer(thread, row, arguments, plain)
        case .readVector, .writeVector:
            result = kind(of: arguments.a0, thread) == .storage ? plain() : VMRUN_ERESTART
        case .fcntl:
            switch Int32(truncatingIfNeeded: arguments.a1) {
            case F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL: result = plain()
            default: return VMRUN_ERESTART
            }
        case .ioctl:
            switch UInt32(truncatingIfNeeded: arguments.a1) {
            case UInt32(TCGETS), UInt32(TIOCGWINSZ), UInt32(FIONREAD): result = plain()
            default: return VMRUN_ERESTART
            }
        case .rt_sigaction:
            // The kernel drops what is pending of a signal that comes to be ignored, vmrun for these two, which it never ignores.
            let signal = Int32(truncatingIfNeeded: arguments.a0)
            if signal == SIGSEGV || signal == SIGBUS { return VMRUN_ERESTART }
            result = withOpenMask(thread, plain)
        case .futex:
            switch Int32(truncatingIfNeeded: arguments.a1) & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME) {
            case FUTEX_WAKE, FUTEX_WAKE_BITSET: result = plain()
            default: return VMRUN_ERESTART
            }
        case .clock_gettime:
            switch Int32(truncatingIfNeeded: arguments.a0) {
            case CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE,
                CLOCK_BOOTTIME: result = plain()
            default: return VMRUN_ERESTART
            }
        case .prlimit64:
            if arguments.a2 != 0 { return VMRUN_ERESTART }
            result = plain()
        case .forward, .lseek, .getppid, .duplicate, .close: result = plain()
        case .open, .openat, .openat2, .creat:
            // The other end of a FIFO may have to be waited for: then the thread must be able to end it.
            guard mayOpenMask(thread) else { return VMRUN_ERESTART }
            result = withOpenMask(thread, plain)
        default: result = withOpenMask(thread, plain)
        }
        // The signal that comes with these has gone to the poller. It is made again, by the thread that is to have it.
        if result == -Int(EPIPE) || result == -Int(EFBIG) {
            dropSignals()
            return VMRUN_ERESTART
        }
        return result
    }

    private static let faultSignals: UInt64 = 1 << UInt64(SIGSEGV - 1) | 1 << UInt64(SIGBUS - 1)

    private static func mayOpenMask(_ thread: GuestThread) -> Bool {
        thread.host.pointee.blocked & faultSignals == 0 && !thread.hasHandedSignal
    }

    /// Two signals are let through on the poller while it makes a call: they are the faults of copies, and the kick that ends a call
    /// which waits after all when there is a signal for its thread. Sent to the process they are the thread's, which has them
    /// open too: the poller hands them over. Where the thread blocks them copies are the kernel's.
    @inline(__always)
    private static func withOpenMask(_ thread: GuestThread, _ call: () -> Int) -> Int {
        guard mayOpenMask(thread) else { return call() }
        vmrun_set_host_mask(~faultSignals)
        defer { vmrun_set_host_mask(~0) }
        return call()
    }

    // MARK: Reading and writing

    private static func kind(of descriptor: UInt64, _ thread: GuestThread) -> DescriptorKinds.Kind {
        thread.process.descriptorKinds.kind(of: Int32(truncatingIfNeeded: Forwarding.descriptor(descriptor)))
    }

    /// read(2), write(2) and the like on one buffer.
    @inline(__always)
    private static func transfer(_ thread: GuestThread, _ row: SyscallRow, _ arguments: SyscallArguments, _ plain: () -> Int) -> Int {
        let isRead = row.number == UInt16(SYS_read), isWrite = row.number == UInt16(SYS_write)
        switch kind(of: arguments.a0, thread) {
        case .storage: return plain()
        case .pipe:
            // A write of more could be cut where this one is not to wait, and Linux would not cut it.
            if isRead || (isWrite && arguments.a2 <= UInt64(PIPE_BUF)) { return attempt(thread, isRead, arguments) }
            return VMRUN_ERESTART
        case .device: return isRead || isWrite ? attempt(thread, isRead, arguments) : VMRUN_ERESTART
        case .unknown: return plain()
        case .other: return VMRUN_ERESTART
        }
    }

    private static let RWF_NOWAIT: UInt64 = 8

    /// One that does not wait, where the file can promise that.
    private static func attempt(_ thread: GuestThread, _ isRead: Bool, _ arguments: SyscallArguments) -> Int {
        var vector = iovec(
            iov_base: UnsafeMutableRawPointer(bitPattern: UInt(Forwarding.checked(arguments.a1, arguments.a2))),
            iov_len: Int(truncatingIfNeeded: arguments.a2))
        let result = withUnsafeMutablePointer(to: &vector) {
            thread.hostCall(
                Int(isRead ? SYS_preadv2 : SYS_pwritev2), Forwarding.descriptor(arguments.a0), UInt64(UInt(bitPattern: $0)), 1, .max,
                .max, RWF_NOWAIT)
        }
        switch -result {
        case Int(EAGAIN), Int(EOPNOTSUPP), Int(EINVAL), Int(EINTR): return VMRUN_ERESTART
        default: return result
        }
    }

    private static func dropSignals() {
        while Host.takePendingSignal(of: 1 << UInt64(SIGPIPE - 1) | 1 << UInt64(SIGXFSZ - 1)) > 0 {}
    }
}
