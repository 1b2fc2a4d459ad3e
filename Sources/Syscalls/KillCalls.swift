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
        if target > 0 {
            if !Membership.reaches(thread, target) { throw .ESRCH }
            return thread.hostCall(Int(SYS_kill), args.a0, args.a1)
        }
        // kill(2): INT_MIN names no group.
        guard target != .min else { throw .ESRCH }
        let ownGroup = Int32(truncatingIfNeeded: Host.raw(Int32(SYS_getpgid), 0))
        return try broadcast(thread, Int32(truncatingIfNeeded: args.a1), group: target == -1 ? nil : target == 0 ? ownGroup : -target)
    }

    /// To a group's members; without a group to all but the sender and the session's first process, which here has the part of
    /// init. The host's own call would reach the host's processes too.
    ///
    /// Linux sends to a group in one moment, and no fork of its members is missed. So the members are looked at again until
    /// there is none that was not seen, and none that got the signal is making a child.
    private static func broadcast(_ thread: GuestThread, _ signal: Int32, group: Int32?) throws(GuestErrno) -> Int {
        let own = thread.process.pid
        let session = thread.process.session
        var seen: [Int32] = []
        var isSent = false
        var failure = GuestErrno.ESRCH
        func send(_ pid: Int32) {
            seen.append(pid)
            let result = Host.raw(Int32(SYS_kill), Int(pid), Int(signal))
            if result == 0 { isSent = true } else if result != -Int(ESRCH) { failure = GuestErrno(Int32(-result)) }
        }
        // Somebody who makes children faster than they are found is not followed for ever.
        var rounds = 0
        var isComplete = false
        while !isComplete && rounds < 10_000 {
            isComplete = true
            rounds += 1
            for pid in session.members() where pid != own && !seen.contains(pid) {
                if group.map({ !Membership.isIn(pid, $0) }) ?? (pid == session.firstProcess) { continue }
                send(pid)
                isComplete = false
            }
            if isComplete && signal != 0 && session.isForking(seen) {
                isComplete = false
                Host.pause(nanoseconds: 100_000)
            }
        }
        // The sender last: it may not survive to reach the others.
        if let group, Membership.isIn(own, group) { send(own) }
        if isSent { return 0 }
        throw failure
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
        if tid != group && Membership.process(thread, ofThread: tid) != group { throw .ESRCH }
        return thread.hostCall(Int(SYS_tgkill), args.a0, args.a1, args.a2)
    }

    static func tkill(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let tid = Int32(truncatingIfNeeded: args.a0)
        guard tid > 0 else { throw .EINVAL }
        if thread.process.hasThread(tid) {
            return thread.hostCall(Int(SYS_tgkill), UInt64(thread.process.pid), args.a0, args.a1)
        }
        guard Membership.reaches(thread, tid) else { throw .ESRCH }
        return thread.hostCall(Int(SYS_tkill), args.a0, args.a1)
    }

    static func rt_sigqueueinfo(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let target = Int32(truncatingIfNeeded: args.a0)
        let info = try readInformation(args.a2)
        guard target > 0 else { throw .ESRCH }
        try requireMember(target, thread)
        return queue(info) { pointer in
            thread.hostCall(Int(SYS_rt_sigqueueinfo), args.a0, args.a1, pointer)
        }
    }

    static func rt_tgsigqueueinfo(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let group = Int32(truncatingIfNeeded: args.a0)
        let tid = Int32(truncatingIfNeeded: args.a1)
        let info = try readInformation(args.a3)
        guard group > 0, tid > 0 else { throw .EINVAL }
        try requireMember(group, thread)
        return queue(info) { pointer in
            thread.hostCall(Int(SYS_rt_tgsigqueueinfo), args.a0, args.a1, args.a2, pointer)
        }
    }

    static func pidfd_send_signal(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let descriptor = Int32(truncatingIfNeeded: args.a0)
        let opened = try openProcess(thread, ofDirectory: descriptor)
        defer { if let opened { _ = Host.raw(Int32(SYS_close), Int(opened)) } }
        let host = opened.map { UInt64($0) } ?? (InternalDescriptors.contains(descriptor) ? UInt64(bitPattern: -1) : args.a0)
        // It may have come through a socket from outside.
        if opened == nil && !Membership.reaches(thread, pidfd: descriptor) { throw .EPERM }
        if args.a2 == 0 { return thread.hostCall(Int(SYS_pidfd_send_signal), host, args.a1, 0, args.a3) }
        let info = try readInformation(args.a2)
        return queue(info) { pointer in
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

    private static func queue(_ info: siginfo_t, _ send: (UInt64) -> Int) -> Int {
        var copy = info
        return withUnsafeMutablePointer(to: &copy) { send(UInt64(UInt(bitPattern: $0))) }
    }
}
