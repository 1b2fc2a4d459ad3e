import CShim
import GuestMemory
import LinuxABI
import Process
import Seccomp

/// Calls about the process or the machine that are several calls in one, or reach further than the guest may.
enum ControlCalls {
    // MARK: prctl

    /// prctl(2), by an allow list: the host thread and process are the guest's, so most options are the kernel's to serve.
    static func prctl(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        guard let option = PrctlOption(rawValue: UInt32(truncatingIfNeeded: args.a0)) else {
            return try ProcessorControl.prctl(thread, args)
        }
        switch option {
        case .PR_SET_NAME, .PR_GET_NAME: return call(thread, args, Forwarding.checked(args.a1, 16))
        case .PR_GET_PDEATHSIG, .PR_GET_TSC, .PR_GET_CHILD_SUBREAPER:
            return call(thread, args, Forwarding.checked(args.a1, WireStructure.int.size))

        case .PR_GET_DUMPABLE, .PR_GET_KEEPCAPS, .PR_GET_TIMING, .PR_CAPBSET_READ, .PR_GET_SECUREBITS, .PR_GET_TIMERSLACK,
            .PR_MCE_KILL_GET, .PR_SET_CHILD_SUBREAPER, .PR_GET_THP_DISABLE, .PR_GET_SPECULATION_CTRL,
            .PR_GET_MDWE, .PR_GET_MEMORY_MERGE:
            return call(thread, args, args.a1)

        case .PR_SET_DUMPABLE, .PR_SET_TIMING, .PR_TASK_PERF_EVENTS_DISABLE, .PR_TASK_PERF_EVENTS_ENABLE, .PR_SET_THP_DISABLE,
            .PR_SET_MEMORY_MERGE:
            thread.process.noteHostState()
            return call(thread, args, args.a1)

        case .PR_SET_PDEATHSIG, .PR_SET_KEEPCAPS, .PR_CAPBSET_DROP, .PR_SET_SECUREBITS, .PR_SET_TIMERSLACK, .PR_MCE_KILL,
            .PR_CAP_AMBIENT, .PR_SET_SPECULATION_CTRL:
            thread.process.noteUnlikeThreads()
            return call(thread, args, args.a1)

        case .PR_SET_NO_NEW_PRIVS:
            if args.a1 != 1 || args.a2 | args.a3 | args.a4 != 0 { throw .EINVAL }
            thread.renouncePrivileges()
            return 0
        case .PR_GET_NO_NEW_PRIVS:
            if args.a1 | args.a2 | args.a3 | args.a4 != 0 { throw .EINVAL }
            return thread.hasRenouncedPrivileges ? 1 : 0
        // The host's filter is vmrun's.
        case .PR_GET_SECCOMP: return Int(thread.filters.mode.rawValue)

        case .PR_SET_VMA:
            return thread.hostCall(
                Int(SYS_prctl), args.a0, args.a1, Forwarding.checkedRange(args.a2, args.a3), args.a3,
                Forwarding.checked(args.a4, 1))

        case .PR_SET_SECCOMP: return try SeccompCalls.setMode(thread, args)
        // The memory layout that /proc shows is vmrun's to tell.
        case .PR_SET_MM: throw .EPERM
        }
    }

    @inline(__always)
    private static func call(_ thread: GuestThread, _ args: SyscallArguments, _ argument: UInt64) -> Int {
        thread.hostCall(Int(SYS_prctl), args.a0, argument, args.a2, args.a3, args.a4)
    }

    // MARK: process attributes

    /// personality(2): the flags that the host process can carry without harm to vmrun.
    static func personality(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let wanted = UInt32(truncatingIfNeeded: args.a0)
        if wanted != .max && wanted & ~harmlessPersonality != 0 { throw .EINVAL }
        if wanted != .max { thread.process.noteUnlikeThreads() }
        return thread.hostCall(Int(SYS_personality), args.a0)
    }

    /// PER_LINUX32 (what uname says), UNAME26, ADDR_NO_RANDOMIZE, SHORT_INODE, WHOLE_SECONDS, STICKY_TIMEOUTS.
    private static let harmlessPersonality: UInt32 = 0x0000_0008 | 0x0002_0000 | 0x0004_0000 | 0x0700_0000

    /// unshare(2).
    static func unshare(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let flags = args.a0
        if flags & CloneRequest.newNamespaceMask != 0 { throw .EPERM }
        // What only a process with one thread has for itself, and has already.
        let whole = UInt64(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)
        let own = UInt64(CLONE_FILES | CLONE_FS | CLONE_SYSVSEM)
        if flags & ~(whole | own) != 0 { throw .EINVAL }
        if flags & whole != 0 && !thread.process.hasOneThread { throw .EINVAL }
        if flags & own != 0 { try thread.unshare(flags & own) }
        return 0
    }

    /// kcmp(2): KCMP_FILE compares descriptors, the others whole processes.
    static func kcmp(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let type = Int32(truncatingIfNeeded: args.a2)
        // KCMP_EPOLL_TFD has a structure behind a pointer.
        if type == 7 { throw .EINVAL }
        let isFile = type == 0
        return thread.hostCall(
            Int(SYS_kcmp), Membership.checked(thread, args.a0), Membership.checked(thread, args.a1), args.a2,
            isFile ? Forwarding.descriptor(args.a3) : 0, isFile ? Forwarding.descriptor(args.a4) : 0)
    }

    /// capget(2): the header is read once, as it says whose capabilities. The kernel puts the version it prefers there.
    static func capget(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let header = thread.scratch.at(Scratch.structures)
        try GuestAccess.copyIn(header, from: GuestAddress(args.a0), count: Int(WireStructure.cap_user_header.size))
        let version = header.load(as: UInt32.self)
        let pid = UInt64(header.load(fromByteOffset: 4, as: UInt32.self))
        header.storeBytes(of: UInt32(truncatingIfNeeded: Membership.checked(thread, pid)), toByteOffset: 4, as: UInt32.self)
        let result = thread.hostCall(
            Int(SYS_capget), header.hostArgument, Forwarding.checked(args.a1, WireStructure.cap_user_data.size))
        let preferred = header.load(as: UInt32.self)
        if preferred != version { try GuestAccess.write(preferred, at: GuestAddress(args.a0)) }
        return result
    }

    // MARK: the machine

    /// clock_gettime(2), where the vDSO has not answered it. A thread's CPU clock begins with the thread.
    static func clock_gettime(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let clock = Int32(truncatingIfNeeded: args.a0)
        // CPUCLOCK_PERTHREAD_MASK and CPUCLOCK_SCHED beside the complement of the thread's id.
        guard clock == CLOCK_THREAD_CPUTIME_ID || clock == ~thread.tid << 3 | 6 else {
            return thread.hostCall(Int(SYS_clock_gettime), args.a0, Forwarding.checked(args.a1, WireStructure.timespec.size))
        }
        var time = timespec()
        let result = withUnsafeMutablePointer(to: &time) { thread.hostCall(Int(SYS_clock_gettime), args.a0, UInt64(UInt(bitPattern: $0))) }
        guard result == 0 else { return result }
        thread.earlierUsage.subtract(from: &time)
        try GuestAccess.writeStructure(time, at: GuestAddress(args.a1))
        return 0
    }

    /// getcpu(2): the guest's vCPU is always processor 0 of node 0; where its thread runs is the host's business.
    static func getcpu(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        if args.a0 != 0 { try GuestAccess.write(UInt32(0), at: GuestAddress(args.a0)) }
        if args.a1 != 0 { try GuestAccess.write(UInt32(0), at: GuestAddress(args.a1)) }
        return 0
    }

    static func adjtimex(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try queryClock(thread, at: args.a0) { thread.hostCall(Int(SYS_adjtimex), $0) }
    }

    static func clock_adjtime(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try queryClock(thread, at: args.a1) { thread.hostCall(Int(SYS_clock_adjtime), args.a0, $0) }
    }

    /// Clocks that nobody can set answer EINVAL, as on Linux; those that the superuser could set are the host's.
    static func clock_settime(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let clock = Int32(truncatingIfNeeded: args.a0)
        guard clock == CLOCK_REALTIME || clock < 0 else { throw .EINVAL }
        _ = try GuestAccess.read(timespec.self, at: GuestAddress(args.a1))
        throw .EPERM
    }

    /// Asks for the state of a clock. struct timex begins with the modes to set: 0 and ADJ_OFFSET_SS_READ set nothing.
    private static func queryClock(
        _ thread: GuestThread, at address: UInt64, _ query: (UInt64) -> Int
    ) throws(GuestErrno) -> Int {
        let size = Int(WireStructure.timex.size)
        let copy = thread.scratch.at(Scratch.structures)
        try GuestAccess.copyIn(copy, from: GuestAddress(address), count: size)
        let modes = copy.load(as: UInt32.self)
        if modes != 0 && modes != 0xa001 { throw .EPERM }
        let result = query(copy.hostArgument)
        if result >= 0 { try GuestAccess.copyOut(copy, to: GuestAddress(address), count: size) }
        return result
    }
}
