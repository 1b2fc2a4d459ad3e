import CShim
import GuestMemory
import Host
import LinuxABI
import Machine
import Process
import Signals
import SyntheticFS

/// Masks, actions, stacks, waiting for signals.
enum SignalCalls {
    private static let setSize: UInt64 = 8

    // MARK: Actions and masks

    static func rt_sigaction(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try changeAction(args) { (signal, new) throws(GuestErrno) in try thread.process.actions.replace(signal, with: new) }
    }

    /// For a vfork's child, on a host thread of its parent's. VMRUN_ERESTART where the child has to make it itself.
    static func quietAction(_ thread: GuestThread, _ args: SyscallArguments) -> Int {
        do throws(GuestErrno) {
            return try changeAction(args) { (signal, new) throws(GuestErrno) in
                try thread.process.actions.replaceQuietly(signal, with: new)
            }
        } catch {
            return error.result
        }
    }

    private static func changeAction(
        _ args: SyscallArguments, _ replace: (Int32, SignalAction?) throws(GuestErrno) -> SignalAction?
    ) throws(GuestErrno) -> Int {
        guard args.a3 == setSize else { throw .EINVAL }
        var new: SignalAction?
        if args.a1 != 0 { new = try GuestAccess.read(SignalAction.self, at: GuestAddress(args.a1)) }
        guard let previous = try replace(Int32(truncatingIfNeeded: args.a0), new) else { return VMRUN_ERESTART }
        if args.a2 != 0 { try GuestAccess.write(previous, at: GuestAddress(args.a2)) }
        return 0
    }

    static func rt_sigprocmask(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        guard args.a3 == setSize else { throw .EINVAL }
        let previous = thread.signals.mask
        if args.a1 != 0 {
            let set = try GuestAccess.read(UInt64.self, at: GuestAddress(args.a1))
            let wanted: UInt64
            switch Int32(truncatingIfNeeded: args.a0) {
            case SIG_BLOCK: wanted = previous | set
            case SIG_UNBLOCK: wanted = previous & ~set
            case SIG_SETMASK: wanted = set
            default: throw .EINVAL
            }
            if !thread.signals.changeMask(wanted) { return VMRUN_ERESTART }
        }
        if args.a2 != 0 { try GuestAccess.write(previous, at: GuestAddress(args.a2)) }
        return 0
    }

    static func rt_sigreturn(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        thread.cpu.bringToUser()
        do throws(GuestErrno) {
            switch try SignalFrame.pop(thread.cpu, thread.signals) {
            case .restored: break
            case .signalFirst: return VMRUN_ERESTART
            case .fault(let fault): thread.signals.deliverFault(thread.cpu, fault)
            }
        } catch {
            thread.signals.deliverFault(thread.cpu, .badFrame(thread.cpu))
        }
        thread.hasContext = true
        return 0
    }

    static func rt_sigpending(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        guard args.a1 <= setSize else { throw .EINVAL }
        if args.a1 == 0 { return 0 }
        var pending: UInt64 = 0
        let result = withUnsafeMutablePointer(to: &pending) { Host.raw(Int32(SYS_rt_sigpending), $0.argument, 8) }
        if result < 0 { return result }
        // While a signal is captured the host blocks more than the guest.
        pending &= thread.signals.mask
        try withUnsafeBytes(of: pending) { (bytes) throws(GuestErrno) in
            guard let base = bytes.baseAddress else { return }
            try GuestAccess.copyOut(base, to: GuestAddress(args.a0), count: Int(args.a1))
        }
        return 0
    }

    static func sigaltstack(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let signals = thread.signals
        let stackPointer = thread.cpu.stackPointer
        let old = (
            signals.alternateStack.base, UInt64(signals.reportedFlags(stackPointer)), signals.alternateStack.size
        )
        if args.a0 != 0 {
            let new = try GuestAccess.read((UInt64, UInt32, UInt32, UInt64).self, at: GuestAddress(args.a0))
            try signals.setAlternateStack(
                base: new.0, flags: new.1, size: new.3, stackPointer: stackPointer, minimumSize: SignalFrame.minimumStack)
        }
        if args.a1 != 0 { try GuestAccess.write(old, at: GuestAddress(args.a1)) }
        return 0
    }

    // MARK: Waiting

    static func rt_sigsuspend(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        guard args.a1 == setSize else { throw .EINVAL }
        let mask = try GuestAccess.read(UInt64.self, at: GuestAddress(args.a0))
        let place = thread.scratch.at(Scratch.structures)
        return thread.signals.withTemporaryMask(mask, at: place) {
            thread.hostCall(Int(SYS_rt_sigsuspend), place.hostArgument, 8)
        }
    }

    static func rt_sigtimedwait(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        guard args.a3 == setSize else { throw .EINVAL }
        var set = try GuestAccess.read(UInt64.self, at: GuestAddress(args.a0))
        var timeout = timespec()
        if args.a2 != 0 { timeout = try GuestAccess.read(timespec.self, at: GuestAddress(args.a2)) }
        var info = siginfo_t()
        let result = withUnsafeMutablePointer(to: &set) { setPointer in
            withUnsafeMutablePointer(to: &info) { infoPointer in
                withUnsafeMutablePointer(to: &timeout) { timePointer in
                    thread.hostCall(
                        Int(SYS_rt_sigtimedwait), UInt64(UInt(bitPattern: setPointer)),
                        UInt64(UInt(bitPattern: infoPointer)),
                        args.a2 == 0 ? 0 : UInt64(UInt(bitPattern: timePointer)), 8)
                }
            }
        }
        if result > 0 && args.a1 != 0 { try writeInformation(info, at: args.a1) }
        return result
    }

    private static func writeInformation(_ info: siginfo_t, at address: UInt64) throws(GuestErrno) {
        try withUnsafeBytes(of: info) { (bytes) throws(GuestErrno) in
            guard let base = bytes.baseAddress else { return }
            try GuestAccess.copyOut(base, to: GuestAddress(address), count: 128)
        }
    }

    /// The kernel resumes interrupted calls inside the host's own; one that a guest makes has nothing to resume.
    static func restart_syscall(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        throw .EINTR
    }
}
