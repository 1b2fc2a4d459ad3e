/// A structure that travels through a pointer argument of a system call, named as the kernel names it.
public enum WireStructure: UInt8, CaseIterable {
    case byte, int, long
    case timespec, timeval, timezone, itimerval, itimerspec, timex, tms
    case stat, statfs, ustat, statx, open_how
    case pollfd, epoll_event, fd_pair, iovec, msghdr, mmsghdr
    case sigset, sigaction, siginfo, stack_t, sigevent, sigset_argument
    case utsname, sysinfo, rusage, rlimit
    case sembuf, mq_attr
    case sched_param, sched_attr, clone_args, robust_list_head, futex_waitv
    case cap_user_header, cap_user_data
    case cachestat_range, cachestat

    /// Bytes, on 64-bit Linux.
    @inlinable
    public var size: UInt64 {
        switch self {
        case .byte: 1
        case .int, .sched_param: 4
        case .sembuf: 6
        case .long, .timezone, .pollfd, .fd_pair, .sigset, .cap_user_header: 8
        case .epoll_event: Self.epollEventSize
        case .timespec, .timeval, .iovec, .rlimit, .cachestat_range, .sigset_argument: 16
        case .stack_t, .robust_list_head, .futex_waitv, .open_how, .cap_user_data: 24
        case .itimerval, .itimerspec, .tms, .ustat, .sigaction: 32
        case .cachestat: 40
        // The first published version: the kernel reads the size field itself and goes no further than it says.
        case .sched_attr: 48
        case .msghdr: 56
        case .mmsghdr, .mq_attr, .sigevent, .clone_args: 64
        case .sysinfo: 112
        case .statfs: 120
        case .siginfo: 128
        case .stat: Self.statSize
        case .rusage: 144
        case .timex: 208
        case .statx: 256
        case .utsname: 390
        }
    }
}
