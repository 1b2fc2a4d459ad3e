import LinuxABI

/// Who serves a system call. A plain value, so that the table is constant data; `Dispatcher` has the one switch over it.
public enum Handler: Equatable {
    // MARK: generic
    /// Every argument is checked by its kind, then the host makes the call.
    case forward
    /// As `forward`, for the shape of read(2) and write(2): fd, buffer, length, one number. No loop over the kinds.
    case transfer
    /// As `forward`; a result is a new descriptor, which must be below the guest's limit (EMFILE).
    case newDescriptor
    /// As `transfer` and `forward`, for reads: the content of a synthetic file may have to be made first, or is not a text.
    case readTransfer, readVector
    /// The same for writes, which a few synthetic files take.
    case writeTransfer, writeVector
    /// As `forward`, where what is read from may be a synthetic file.
    case moveData
    /// As `forward`; the result, a descriptor, is a copy of the one in the first argument.
    case duplicate
    /// As `forward`: the first argument is a descriptor that is closed.
    case close
    /// As `forward`, for changes to a file that need no descriptor open for writing: EROFS below a read-only bind.
    case changeFile
    /// As `changeFile`. They have names for `--fakeroot`, which answers them otherwise.
    case fchmod, fchown, fsetxattr
    /// As `forward`, for what a thread passes on to the threads that it makes: capabilities, scheduling, affinity.
    case changeThread
    /// As `forward`, for what the host's exec alone ends or resets: timers, membarrier(2)'s registrations.
    case changeProcess
    /// As `forward`, for who the caller is; `--fakeroot` answers it otherwise.
    case credential(CredentialCall)
    /// Answers this errno.
    case refuse(GuestErrno)

    // MARK: MemoryCalls
    case mmap, mprotect, munmap, brk, mremap, msync, mincore, madvise, process_madvise, shmat, shmdt
    case mlock, mlock2, munlock, mlockall, munlockall, remap_file_pages, pkey_mprotect

    // MARK: PathCalls
    case open, openat, openat2, creat, stat, lstat, newfstatat, statx, access, faccessat, faccessat2
    case readlink, readlinkat, mkdir, mkdirat, rmdir, unlink, unlinkat, rename, renameat, renameat2
    case link, linkat, symlink, symlinkat, mknod, mknodat, chmod, fchmodat, fchmodat2, chown, lchown, fchownat
    case utime, utimes, futimesat, utimensat, truncate, statfs, chdir, fchdir, getcwd, chroot
    case setxattr, lsetxattr, getxattr, lgetxattr, listxattr, llistxattr, removexattr, lremovexattr
    case setxattrat, getxattrat, listxattrat, removexattrat, name_to_handle_at, inotify_add_watch

    // MARK: SyntheticCalls
    case lseek, getdents, getdents64, fstat, fstatfs, memfd_create

    // MARK: ProcessCalls
    case clone, clone3, fork, vfork, execve, execveat, exit, exit_group, wait4, waitid, setpgid, getppid
    case set_tid_address, set_robust_list, get_robust_list

    // MARK: SignalCalls
    case rt_sigaction, rt_sigprocmask, rt_sigreturn, rt_sigpending, rt_sigtimedwait, rt_sigsuspend, sigaltstack
    case kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd_send_signal, restart_syscall

    // MARK: SeccompCalls
    case seccomp

    // MARK: MachineCalls
    case arch_prctl

    // MARK: DescriptorCalls, FcntlCalls, IoctlCalls
    case pipe, pipe2, close_range, pidfd_getfd, fcntl, ioctl

    // MARK: PollCalls
    case poll, ppoll, pselect6, epoll_pwait, epoll_pwait2

    // MARK: SocketCalls
    case socket, bind, connect, accept, accept4, getsockname, getpeername, socketpair, setsockopt, getsockopt
    case sendto, recvfrom, sendmsg, recvmsg, sendmmsg, recvmmsg

    // MARK: FutexCalls
    case futex, futex_waitv, futex_requeue

    // MARK: IPCCalls
    case semctl, shmctl, msgctl, mq_notify

    // MARK: LimitCalls
    case getrlimit, setrlimit, prlimit64, setpriority, ioprio_set, getrusage

    // MARK: ControlCalls
    case prctl, personality, unshare, kcmp, capget, getcpu, clock_gettime, adjtimex, clock_adjtime, clock_settime

    // MARK: ProcessMemoryCalls
    case process_vm_readv, process_vm_writev
}
