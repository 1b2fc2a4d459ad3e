import CShim
import GuestMemory
import Host
import LinuxABI
import Machine
import Process
import Signals
import SyntheticFS

/// Sending signals: to members of the session only. Everybody else does not exist (ESRCH).
extension SignalCalls {
    static func kill(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let target = Int32(truncatingIfNeeded: args.a0)
        let signal = args.a1
        if target > 0 {
            try requireMember(target, thread)
            return thread.hostCall(Int(SYS_kill), args.a0, signal)
        }
        // kill(2): INT_MIN names no group.
        guard target != .min else { throw .ESRCH }
        let ownGroup = Int32(truncatingIfNeeded: Host.raw(Int32(SYS_getpgid), 0))
        let group = target == 0 ? ownGroup : -target
        var found = false
        var sent = false
        var failure = GuestErrno.ESRCH
        // The sender last: it may not survive to reach the others.
        var reachesSelf = false
        for pid in thread.process.session.members() {
            if target == -1 {
                if pid == thread.process.pid || pid == thread.process.session.firstProcess { continue }
            } else if Host.raw(Int32(SYS_getpgid), Int(pid)) != Int(group) {
                continue
            }
            found = true
            if pid == thread.process.pid {
                reachesSelf = true
                continue
            }
            let result = Host.raw(Int32(SYS_kill), Int(pid), Int(Int32(truncatingIfNeeded: signal)))
            if result == 0 { sent = true } else { failure = GuestErrno(Int32(-result)) }
        }
        if reachesSelf {
            let result = Host.raw(Int32(SYS_kill), Int(thread.process.pid), Int(Int32(truncatingIfNeeded: signal)))
            if result == 0 { sent = true } else { failure = GuestErrno(Int32(-result)) }
        }
        if sent { return 0 }
        throw found ? failure : .ESRCH
    }

    private static func requireMember(_ pid: Int32, _ thread: GuestThread) throws(GuestErrno) {
        guard pid == thread.process.pid || thread.process.session.isMember(pid) else { throw .ESRCH }
    }

    static func tgkill(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let group = Int32(truncatingIfNeeded: args.a0)
        guard group > 0, Int32(truncatingIfNeeded: args.a1) > 0 else { throw .EINVAL }
        try requireMember(group, thread)
        // A parked carrier is no thread of the guest's.
        let tid = Int32(truncatingIfNeeded: args.a1)
        if group == thread.process.pid && !thread.process.hasThread(tid) { throw .ESRCH }
        return thread.hostCall(Int(SYS_tgkill), args.a0, args.a1, args.a2)
    }

    static func tkill(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let tid = Int32(truncatingIfNeeded: args.a0)
        guard tid > 0 else { throw .EINVAL }
        // A thread of this process, or the first thread of another member.
        if thread.process.hasThread(tid) {
            return thread.hostCall(Int(SYS_tgkill), UInt64(thread.process.pid), args.a0, args.a1)
        }
        try requireMember(tid, thread)
        return thread.hostCall(Int(SYS_tkill), args.a0, args.a1)
    }

    static func rt_sigqueueinfo(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let target = Int32(truncatingIfNeeded: args.a0)
        let info = try readInformation(args.a2)
        guard target > 0 else { throw .ESRCH }
        try requireMember(target, thread)
        return queue(
            thread, Int32(truncatingIfNeeded: args.a1), info, toSelf: target == thread.process.pid
        ) { pointer in
            thread.hostCall(Int(SYS_rt_sigqueueinfo), args.a0, args.a1, pointer)
        }
    }

    static func rt_tgsigqueueinfo(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let group = Int32(truncatingIfNeeded: args.a0)
        let tid = Int32(truncatingIfNeeded: args.a1)
        let info = try readInformation(args.a3)
        guard group > 0, tid > 0 else { throw .EINVAL }
        try requireMember(group, thread)
        return queue(thread, Int32(truncatingIfNeeded: args.a2), info, toSelf: tid == thread.tid) { pointer in
            thread.hostCall(Int(SYS_rt_tgsigqueueinfo), args.a0, args.a1, args.a2, pointer)
        }
    }

    static func pidfd_send_signal(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let descriptor = Int32(truncatingIfNeeded: args.a0)
        let opened = try openProcess(thread, ofDirectory: descriptor)
        defer { if let opened { _ = Host.raw(Int32(SYS_close), Int(opened)) } }
        let host = opened.map { UInt64($0) } ?? (InternalDescriptors.contains(descriptor) ? UInt64(bitPattern: -1) : args.a0)
        if args.a2 == 0 { return thread.hostCall(Int(SYS_pidfd_send_signal), host, args.a1, 0, args.a3) }
        let info = try readInformation(args.a2)
        return queue(thread, Int32(truncatingIfNeeded: args.a1), info, toSelf: true) { pointer in
            thread.hostCall(Int(SYS_pidfd_send_signal), host, args.a1, pointer, args.a3)
        }
    }

    /// A process's directory in /proc serves as its pidfd here, says the manual page; that one of the guest's is nothing to the
    /// host. Nil for any other descriptor.
    private static func openProcess(_ thread: GuestThread, ofDirectory descriptor: Int32) throws(GuestErrno) -> Int32? {
        guard !InternalDescriptors.contains(descriptor), let process = thread.process.synthetic.process(ofDirectory: descriptor)
        else { return nil }
        let flags = Host.raw(Int32(SYS_fcntl), Int(descriptor), Int(F_GETFL))
        if flags < 0 || flags & Int(VMRUN_O_PATH) != 0 { throw .EBADF }
        let opened = Host.raw(
            Int32(SYS_pidfd_open), Int(truncatingIfNeeded: Membership.checked(thread, UInt64(UInt32(bitPattern: process)))), 0)
        if opened < 0 { throw GuestErrno(Int32(-opened)) }
        let adopted = InternalDescriptors.adopt(Int32(truncatingIfNeeded: opened))
        if adopted < 0 { throw .EMFILE }
        return adopted
    }

    private static func readInformation(_ address: UInt64) throws(GuestErrno) -> siginfo_t {
        var info = siginfo_t()
        try GuestAccess.readStructure(into: &info, at: GuestAddress(address))
        return info
    }

    /// Queues `info` by `send`. A process may give itself any si_code, also those by which the host's handler knows a fault of
    /// its own: such a one never goes through the kernel.
    private static func queue(
        _ thread: GuestThread, _ signal: Int32, _ info: siginfo_t, toSelf: Bool, _ send: (UInt64) -> Int
    ) -> Int {
        var copy = info
        copy.si_signo = signal
        if vmrun_is_always_captured(signal) != 0 && info.si_code > 0 {
            if toSelf && vmrun_deferred_index(signal) >= 0 {
                thread.signals.queueToSelf(signal, copy)
                return 0
            }
            return -Int(EPERM)
        }
        return withUnsafeMutablePointer(to: &copy) { send(UInt64(UInt(bitPattern: $0))) }
    }
}
