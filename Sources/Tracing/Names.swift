import LinuxABI

/// The names of a number's values: a text of names and values in hexadecimal, behind `!` the bits that together are one value rather than
/// flags. Constant data that is read only while tracing; the order is strace's.
struct Names {
    private let text: StaticString

    init(_ text: StaticString) { self.text = text }

    /// Calls `body` with each name and its value, and with the mask of the bits that are one value; stops where it answers true.
    private func forEach(_ body: (UnsafeBufferPointer<UInt8>, UInt64) -> Bool) {
        text.withUTF8Buffer { bytes in
            var position = 0
            while position < bytes.count {
                let start = position
                while position < bytes.count && bytes[position] != 0x20 { position += 1 }
                let name = UnsafeBufferPointer(rebasing: bytes[start..<position])
                position += 1
                var value: UInt64 = 0
                while position < bytes.count && bytes[position] != 0x20 {
                    let digit = bytes[position]
                    value = value << 4 | UInt64(digit < 0x3a ? digit &- 0x30 : digit &- 0x57)
                    position += 1
                }
                position += 1
                if body(name, value) { return }
            }
        }
    }

    /// Writes `value`; what has no name as a number.
    func write(_ value: UInt64, to line: inout TraceText) {
        var rest = value
        var isFirst = true
        var mask: UInt64 = 0
        var isNamed = false
        forEach { name, bits in
            if name.count == 1 && name[0] == UInt8(ascii: "!") {
                mask = bits
                isNamed = false
                return false
            }
            if bits & mask != 0 || (bits == 0 && mask != 0) {
                // One of the values.
                if isNamed || value & mask != bits { return false }
                isNamed = true
                rest &= ~mask
            } else {
                if bits == 0 || rest & bits != bits { return false }
                rest &= ~bits
            }
            if !isFirst { line.text("|") }
            isFirst = false
            line.bytes(name)
            return false
        }
        if rest != 0 || isFirst {
            if !isFirst { line.text("|") }
            if rest == 0 { line.text("0") } else { line.hexadecimal(rest) }
        }
    }

    /// The name of exactly this value; false where it has none.
    func writeName(of value: UInt64, to line: inout TraceText) -> Bool {
        var found = false
        forEach { name, bits in
            guard bits == value, name[0] != UInt8(ascii: "!") else { return false }
            line.bytes(name)
            found = true
            return true
        }
        return found
    }
}

extension Notation {
    /// nil where the value is no set of names.
    var names: Names? {
        switch self {
        case .accessMode: Names("! ffffffff F_OK 0 ! 0 R_OK 4 W_OK 2 X_OK 1")
        case .openFlags: ArchitectureCalls.openFlags
        case .atFlags:
            Names(
                "AT_SYMLINK_NOFOLLOW 100 AT_REMOVEDIR 200 AT_SYMLINK_FOLLOW 400 AT_NO_AUTOMOUNT 800 AT_EMPTY_PATH 1000 AT_STATX_FORCE_SYNC 2000 AT_STATX_DONT_SYNC 4000")
        case .renameFlags: Names("RENAME_NOREPLACE 1 RENAME_EXCHANGE 2 RENAME_WHITEOUT 4")
        case .closeRangeFlags: Names("CLOSE_RANGE_UNSHARE 2 CLOSE_RANGE_CLOEXEC 4")
        case .descriptorFlags: Names("O_NONBLOCK 800 O_CLOEXEC 80000 O_DIRECT 4000")
        case .eventFlags: Names("EFD_SEMAPHORE 1 EFD_CLOEXEC 80000 EFD_NONBLOCK 800")
        case .signalFlags: Names("SFD_CLOEXEC 80000 SFD_NONBLOCK 800")
        case .timerDescriptorFlags: Names("TFD_CLOEXEC 80000 TFD_NONBLOCK 800")
        case .epollFlags: Names("EPOLL_CLOEXEC 80000")
        case .memoryFileFlags: Names("MFD_CLOEXEC 1 MFD_ALLOW_SEALING 2 MFD_HUGETLB 4 MFD_NOEXEC_SEAL 8 MFD_EXEC 10")
        case .spliceFlags: Names("SPLICE_F_MOVE 1 SPLICE_F_NONBLOCK 2 SPLICE_F_MORE 4 SPLICE_F_GIFT 8")
        case .fallocateMode:
            Names(
                "FALLOC_FL_KEEP_SIZE 1 FALLOC_FL_PUNCH_HOLE 2 FALLOC_FL_COLLAPSE_RANGE 8 FALLOC_FL_ZERO_RANGE 10 FALLOC_FL_INSERT_RANGE 20 FALLOC_FL_UNSHARE_RANGE 40")
        case .lockOperation: Names("LOCK_SH 1 LOCK_EX 2 LOCK_NB 4 LOCK_UN 8")
        case .attributeFlags: Names("XATTR_CREATE 1 XATTR_REPLACE 2")
        case .watchMask:
            Names(
                "IN_ACCESS 1 IN_MODIFY 2 IN_ATTRIB 4 IN_CLOSE_WRITE 8 IN_CLOSE_NOWRITE 10 IN_OPEN 20 IN_MOVED_FROM 40 IN_MOVED_TO 80 IN_CREATE 100 IN_DELETE 200 IN_DELETE_SELF 400 IN_MOVE_SELF 800 IN_ONLYDIR 1000000 IN_DONT_FOLLOW 2000000 IN_EXCL_UNLINK 4000000 IN_MASK_CREATE 10000000 IN_MASK_ADD 20000000 IN_ONESHOT 80000000")
        case .statusMask:
            Names(
                "STATX_ALL fff STATX_BASIC_STATS 7ff STATX_TYPE 1 STATX_MODE 2 STATX_NLINK 4 STATX_UID 8 STATX_GID 10 STATX_ATIME 20 STATX_MTIME 40 STATX_CTIME 80 STATX_INO 100 STATX_SIZE 200 STATX_BLOCKS 400 STATX_BTIME 800 STATX_MNT_ID 1000")
        case .protection: Names("! f PROT_NONE 0 PROT_READ 1 PROT_WRITE 2 PROT_READ|PROT_WRITE 3 PROT_EXEC 4 PROT_READ|PROT_EXEC 5 PROT_WRITE|PROT_EXEC 6 PROT_READ|PROT_WRITE|PROT_EXEC 7 ! 0 PROT_GROWSDOWN 1000000 PROT_GROWSUP 2000000")
        case .mapFlags:
            Names(
                "! f MAP_SHARED 1 MAP_PRIVATE 2 MAP_SHARED_VALIDATE 3 ! 0 MAP_FIXED 10 MAP_ANONYMOUS 20 MAP_32BIT 40 MAP_NORESERVE 4000 MAP_POPULATE 8000 MAP_NONBLOCK 10000 MAP_GROWSDOWN 100 MAP_DENYWRITE 800 MAP_EXECUTABLE 1000 MAP_LOCKED 2000 MAP_STACK 20000 MAP_HUGETLB 40000 MAP_SYNC 80000 MAP_FIXED_NOREPLACE 100000")
        case .remapFlags: Names("MREMAP_MAYMOVE 1 MREMAP_FIXED 2 MREMAP_DONTUNMAP 4")
        case .synchronisation: Names("MS_SYNC 4 MS_ASYNC 1 MS_INVALIDATE 2")
        case .advice:
            Names(
                "! ffffffff MADV_NORMAL 0 MADV_RANDOM 1 MADV_SEQUENTIAL 2 MADV_WILLNEED 3 MADV_DONTNEED 4 MADV_FREE 8 MADV_REMOVE 9 MADV_DONTFORK a MADV_DOFORK b MADV_MERGEABLE c MADV_UNMERGEABLE d MADV_HUGEPAGE e MADV_NOHUGEPAGE f MADV_DONTDUMP 10 MADV_DODUMP 11 MADV_WIPEONFORK 12 MADV_KEEPONFORK 13 MADV_COLD 14 MADV_PAGEOUT 15 MADV_POPULATE_READ 16 MADV_POPULATE_WRITE 17")
        case .fileAdvice:
            Names(
                "! ffffffff POSIX_FADV_NORMAL 0 POSIX_FADV_RANDOM 1 POSIX_FADV_SEQUENTIAL 2 POSIX_FADV_WILLNEED 3 POSIX_FADV_DONTNEED 4 POSIX_FADV_NOREUSE 5")
        case .lockFlags: Names("MCL_CURRENT 1 MCL_FUTURE 2 MCL_ONFAULT 4")
        case .seekFrom: Names("! ffffffff SEEK_SET 0 SEEK_CUR 1 SEEK_END 2 SEEK_DATA 3 SEEK_HOLE 4")
        case .addressFamily:
            Names(
                "! ffffffff AF_UNSPEC 0 AF_UNIX 1 AF_INET 2 AF_INET6 a AF_NETLINK 10 AF_PACKET 11 AF_BLUETOOTH 1f AF_ALG 26 AF_VSOCK 28 AF_CAN 1d")
        case .socketType:
            Names(
                "! f SOCK_STREAM 1 SOCK_DGRAM 2 SOCK_RAW 3 SOCK_RDM 4 SOCK_SEQPACKET 5 SOCK_PACKET a ! 0 SOCK_CLOEXEC 80000 SOCK_NONBLOCK 800")
        case .socketProtocol:
            Names(
                "! ffffffff IPPROTO_IP 0 IPPROTO_ICMP 1 IPPROTO_TCP 6 IPPROTO_UDP 11 IPPROTO_IPV6 29 IPPROTO_ICMPV6 3a IPPROTO_SCTP 84 IPPROTO_RAW ff")
        case .socketLevel:
            Names(
                "! ffffffff SOL_IP 0 SOL_SOCKET 1 SOL_TCP 6 SOL_UDP 11 SOL_IPV6 29 SOL_RAW ff SOL_PACKET 107 SOL_NETLINK 10e")
        case .socketOption:
            Names(
                "! ffffffff SO_DEBUG 1 SO_REUSEADDR 2 SO_TYPE 3 SO_ERROR 4 SO_DONTROUTE 5 SO_BROADCAST 6 SO_SNDBUF 7 SO_RCVBUF 8 SO_KEEPALIVE 9 SO_OOBINLINE a SO_PRIORITY c SO_LINGER d SO_REUSEPORT f SO_PASSCRED 10 SO_PEERCRED 11 SO_RCVLOWAT 12 SO_SNDLOWAT 13 SO_RCVTIMEO_OLD 14 SO_SNDTIMEO_OLD 15 SO_BINDTODEVICE 19 SO_ACCEPTCONN 1e SO_PEERSEC 1f SO_SNDBUFFORCE 20 SO_RCVBUFFORCE 21 SO_PASSSEC 22 SO_MARK 24 SO_PROTOCOL 26 SO_DOMAIN 27")
        case .messageFlags:
            Names(
                "MSG_OOB 1 MSG_PEEK 2 MSG_DONTROUTE 4 MSG_CTRUNC 8 MSG_TRUNC 20 MSG_DONTWAIT 40 MSG_EOR 80 MSG_WAITALL 100 MSG_CONFIRM 800 MSG_ERRQUEUE 2000 MSG_NOSIGNAL 4000 MSG_MORE 8000 MSG_WAITFORONE 10000 MSG_FASTOPEN 20000000 MSG_CMSG_CLOEXEC 40000000")
        case .shutdownHow: Names("! ffffffff SHUT_RD 0 SHUT_WR 1 SHUT_RDWR 2")
        case .cloneFlags:
            Names(
                "CLONE_VM 100 CLONE_FS 200 CLONE_FILES 400 CLONE_SIGHAND 800 CLONE_PIDFD 1000 CLONE_PTRACE 2000 CLONE_VFORK 4000 CLONE_PARENT 8000 CLONE_THREAD 10000 CLONE_NEWNS 20000 CLONE_SYSVSEM 40000 CLONE_SETTLS 80000 CLONE_PARENT_SETTID 100000 CLONE_CHILD_CLEARTID 200000 CLONE_UNTRACED 800000 CLONE_CHILD_SETTID 1000000 CLONE_NEWCGROUP 2000000 CLONE_NEWUTS 4000000 CLONE_NEWIPC 8000000 CLONE_NEWUSER 10000000 CLONE_NEWPID 20000000 CLONE_NEWNET 40000000 CLONE_IO 80000000 CLONE_CLEAR_SIGHAND 100000000 CLONE_INTO_CGROUP 200000000")
        case .waitFlags: Names("WNOHANG 1 WSTOPPED 2 WEXITED 4 WCONTINUED 8 WNOWAIT 1000000 __WNOTHREAD 20000000 __WALL 40000000 __WCLONE 80000000")
        case .waitKind: Names("! ffffffff P_ALL 0 P_PID 1 P_PGID 2 P_PIDFD 3")
        case .maskChange: Names("! ffffffff SIG_BLOCK 0 SIG_UNBLOCK 1 SIG_SETMASK 2")
        case .clock:
            Names(
                "! ffffffff CLOCK_REALTIME 0 CLOCK_MONOTONIC 1 CLOCK_PROCESS_CPUTIME_ID 2 CLOCK_THREAD_CPUTIME_ID 3 CLOCK_MONOTONIC_RAW 4 CLOCK_REALTIME_COARSE 5 CLOCK_MONOTONIC_COARSE 6 CLOCK_BOOTTIME 7 CLOCK_REALTIME_ALARM 8 CLOCK_BOOTTIME_ALARM 9 CLOCK_TAI b")
        case .timerFlags: Names("TIMER_ABSTIME 1")
        case .intervalTimer: Names("! ffffffff ITIMER_REAL 0 ITIMER_VIRTUAL 1 ITIMER_PROF 2")
        case .resource:
            Names(
                "! ffffffff RLIMIT_CPU 0 RLIMIT_FSIZE 1 RLIMIT_DATA 2 RLIMIT_STACK 3 RLIMIT_CORE 4 RLIMIT_RSS 5 RLIMIT_NPROC 6 RLIMIT_NOFILE 7 RLIMIT_MEMLOCK 8 RLIMIT_AS 9 RLIMIT_LOCKS a RLIMIT_SIGPENDING b RLIMIT_MSGQUEUE c RLIMIT_NICE d RLIMIT_RTPRIO e RLIMIT_RTTIME f")
        case .usageOf: Names("! ffffffff RUSAGE_SELF 0 RUSAGE_CHILDREN ffffffff RUSAGE_THREAD 1")
        case .policy: Names("! f SCHED_OTHER 0 SCHED_FIFO 1 SCHED_RR 2 SCHED_BATCH 3 SCHED_IDLE 5 SCHED_DEADLINE 6 ! 0 SCHED_RESET_ON_FORK 40000000")
        case .priorityOf: Names("! ffffffff PRIO_PROCESS 0 PRIO_PGRP 1 PRIO_USER 2")
        case .fcntlCommand:
            Names(
                "! ffffffff F_DUPFD 0 F_GETFD 1 F_SETFD 2 F_GETFL 3 F_SETFL 4 F_GETLK 5 F_SETLK 6 F_SETLKW 7 F_SETOWN 8 F_GETOWN 9 F_SETSIG a F_GETSIG b F_SETOWN_EX f F_GETOWN_EX 10 F_OFD_GETLK 24 F_OFD_SETLK 25 F_OFD_SETLKW 26 F_SETLEASE 400 F_GETLEASE 401 F_NOTIFY 402 F_DUPFD_CLOEXEC 406 F_SETPIPE_SZ 407 F_GETPIPE_SZ 408 F_ADD_SEALS 409 F_GET_SEALS 40a")
        case .request:
            Names(
                "! ffffffff TCGETS 5401 TCSETS 5402 TCSETSW 5403 TCSETSF 5404 TCSBRK 5409 TCXONC 540a TCFLSH 540b TIOCEXCL 540c TIOCSCTTY 540e TIOCGPGRP 540f TIOCSPGRP 5410 TIOCOUTQ 5411 TIOCSTI 5412 TIOCGWINSZ 5413 TIOCSWINSZ 5414 FIONREAD 541b FIONBIO 5421 TIOCNOTTY 5422 TIOCGSID 5429 TIOCGPTN 80045430 TIOCSPTLCK 40045431 TIOCGPTPEER 5441 FIONCLEX 5450 FIOCLEX 5451 FIOASYNC 5452 SIOCGIFNAME 8910 SIOCGIFCONF 8912 SIOCGIFFLAGS 8913 SIOCGIFADDR 8915 SIOCGIFINDEX 8933 FICLONE 40049409 FS_IOC_GETFLAGS 80086601 FS_IOC_SETFLAGS 40086602 FS_IOC_FIEMAP c020660b BLKGETSIZE64 80081272")
        case .futexOperation:
            Names(
                "! fffffeff FUTEX_WAIT 0 FUTEX_WAKE 1 FUTEX_FD 2 FUTEX_REQUEUE 3 FUTEX_CMP_REQUEUE 4 FUTEX_WAKE_OP 5 FUTEX_LOCK_PI 6 FUTEX_UNLOCK_PI 7 FUTEX_TRYLOCK_PI 8 FUTEX_WAIT_BITSET 9 FUTEX_WAKE_BITSET a FUTEX_WAIT_REQUEUE_PI b FUTEX_CMP_REQUEUE_PI c FUTEX_LOCK_PI2 d FUTEX_WAIT_PRIVATE 80 FUTEX_WAKE_PRIVATE 81 FUTEX_REQUEUE_PRIVATE 83 FUTEX_CMP_REQUEUE_PRIVATE 84 FUTEX_WAKE_OP_PRIVATE 85 FUTEX_LOCK_PI_PRIVATE 86 FUTEX_UNLOCK_PI_PRIVATE 87 FUTEX_TRYLOCK_PI_PRIVATE 88 FUTEX_WAIT_BITSET_PRIVATE 89 FUTEX_WAKE_BITSET_PRIVATE 8a FUTEX_WAIT_REQUEUE_PI_PRIVATE 8b FUTEX_CMP_REQUEUE_PI_PRIVATE 8c FUTEX_LOCK_PI2_PRIVATE 8d ! 0 FUTEX_CLOCK_REALTIME 100")
        case .epollOperation: Names("! ffffffff EPOLL_CTL_ADD 1 EPOLL_CTL_DEL 2 EPOLL_CTL_MOD 3")
        case .controlOption:
            Names(
                "! ffffffff PR_SET_PDEATHSIG 1 PR_GET_PDEATHSIG 2 PR_GET_DUMPABLE 3 PR_SET_DUMPABLE 4 PR_GET_KEEPCAPS 7 PR_SET_KEEPCAPS 8 PR_SET_NAME f PR_GET_NAME 10 PR_GET_SECCOMP 15 PR_SET_SECCOMP 16 PR_CAPBSET_READ 17 PR_CAPBSET_DROP 18 PR_GET_SECUREBITS 1b PR_SET_SECUREBITS 1c PR_SET_TIMERSLACK 1d PR_GET_TIMERSLACK 1e PR_SET_MM 23 PR_SET_CHILD_SUBREAPER 24 PR_GET_CHILD_SUBREAPER 25 PR_SET_NO_NEW_PRIVS 26 PR_GET_NO_NEW_PRIVS 27 PR_SET_THP_DISABLE 29 PR_GET_THP_DISABLE 2a PR_CAP_AMBIENT 2f PR_SET_VMA 53564d41 PR_SET_PTRACER 59616d61")
        case .processorOption:
            Names(
                "! ffffffff ARCH_SET_GS 1001 ARCH_SET_FS 1002 ARCH_GET_FS 1003 ARCH_GET_GS 1004 ARCH_GET_CPUID 1011 ARCH_SET_CPUID 1012 ARCH_CET_STATUS 3001 ARCH_SHSTK_ENABLE 5001")
        case .randomFlags: Names("GRND_NONBLOCK 1 GRND_RANDOM 2 GRND_INSECURE 4")
        case .membarrierCommand:
            Names(
                "! ffffffff MEMBARRIER_CMD_QUERY 0 MEMBARRIER_CMD_GLOBAL 1 MEMBARRIER_CMD_GLOBAL_EXPEDITED 2 MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED 4 MEMBARRIER_CMD_PRIVATE_EXPEDITED 8 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED 10")
        case .hexadecimal, .mode, .device, .createMode, .pointer, .strings, .environment, .directoryEntries, .waitStatus, .timespecPair,
            .timevalPair, .fcntlArgument, .requestArgument, .futexArgument, .controlArgument, .optionValue:
            nil
        }
    }
}

/// Names that no argument has by itself.
enum NameSets {
    static let pollEvents = Names(
        "POLLIN 1 POLLPRI 2 POLLOUT 4 POLLERR 8 POLLHUP 10 POLLNVAL 20 POLLRDNORM 40 POLLRDBAND 80 POLLWRNORM 100 POLLWRBAND 200 POLLMSG 400 POLLRDHUP 2000")
    static let epollEvents = Names(
        "EPOLLIN 1 EPOLLPRI 2 EPOLLOUT 4 EPOLLRDNORM 40 EPOLLRDBAND 80 EPOLLWRNORM 100 EPOLLWRBAND 200 EPOLLMSG 400 EPOLLERR 8 EPOLLHUP 10 EPOLLRDHUP 2000 EPOLLEXCLUSIVE 10000000 EPOLLWAKEUP 20000000 EPOLLONESHOT 40000000 EPOLLET 80000000")
    static let actionFlags = Names(
        "SA_RESTORER 4000000 SA_ONSTACK 8000000 SA_RESTART 10000000 SA_NODEFER 40000000 SA_RESETHAND 80000000 SA_SIGINFO 4 SA_NOCLDSTOP 1 SA_NOCLDWAIT 2 SA_EXPOSE_TAGBITS 800")
    static let stackFlags = Names("! 3 SS_ONSTACK 1 SS_DISABLE 2 ! 0 SS_AUTODISARM 80000000")
    static let fileTypes = Names(
        "! f000 S_IFIFO 1000 S_IFCHR 2000 S_IFDIR 4000 S_IFBLK 6000 S_IFREG 8000 S_IFLNK a000 S_IFSOCK c000")
    static let descriptorFlags = Names("FD_CLOEXEC 1")
    static let signalCodes = Names(
        "! ffffffff SI_USER 0 SI_KERNEL 80 SI_QUEUE ffffffff SI_TIMER fffffffe SI_MESGQ fffffffd SI_ASYNCIO fffffffc SI_SIGIO fffffffb SI_TKILL fffffffa")
    static let refusalCodes = Names("! ffffffff SYS_SECCOMP 1 SYS_USER_DISPATCH 2")
    static let childCodes = Names(
        "! ffffffff CLD_EXITED 1 CLD_KILLED 2 CLD_DUMPED 3 CLD_TRAPPED 4 CLD_STOPPED 5 CLD_CONTINUED 6")
    static let segmentationCodes = Names("! ffffffff SEGV_MAPERR 1 SEGV_ACCERR 2")
    static let busCodes = Names("! ffffffff BUS_ADRALN 1 BUS_ADRERR 2 BUS_OBJERR 3 BUS_MCEERR_AR 4 BUS_MCEERR_AO 5")
    static let instructionCodes = Names(
        "! ffffffff ILL_ILLOPC 1 ILL_ILLOPN 2 ILL_ILLADR 3 ILL_ILLTRP 4 ILL_PRVOPC 5 ILL_PRVREG 6 ILL_COPROC 7 ILL_BADSTK 8")
    static let arithmeticCodes = Names(
        "! ffffffff FPE_INTDIV 1 FPE_INTOVF 2 FPE_FLTDIV 3 FPE_FLTOVF 4 FPE_FLTUND 5 FPE_FLTRES 6 FPE_FLTINV 7 FPE_FLTSUB 8")
    static let trapCodes = Names("! ffffffff TRAP_BRKPT 1 TRAP_TRACE 2 TRAP_BRANCH 3 TRAP_HWBKPT 4")
}
