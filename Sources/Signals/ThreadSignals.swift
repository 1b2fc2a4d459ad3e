import CShim
import GuestMemory
import Host
import LinuxABI
import Machine

/// The alternate stack of sigaltstack(2).
public struct AlternateStack {
    public var base: UInt64 = 0
    /// SS_DISABLE (2), SS_AUTODISARM (1 << 31) as the guest set them.
    public var flags: UInt32 = 2
    public var size: UInt64 = 0

    public init() {}

    public static let disabled: UInt32 = 2
    public static let onStack: UInt32 = 1
    public static let autoDisarm: UInt32 = 1 << 31

    /// Whether `stackPointer` is on this stack, by the rule of the kernel's on_sig_stack.
    public func contains(_ stackPointer: UInt64) -> Bool {
        flags & Self.autoDisarm == 0 && isInside(stackPointer)
    }

    func isInside(_ stackPointer: UInt64) -> Bool {
        size > 0 && stackPointer > base && stackPointer - base <= size
    }
}

/// Who is told of each signal before it is delivered.
public protocol SignalObserver: AnyObject {
    /// - Parameters:
    ///   - information: the signal's siginfo_t.
    ///   - isDeadly: the process ends by it.
    func willDeliver(_ information: UnsafeRawBufferPointer, isDeadly: Bool)
}

/// Signal state of one thread: mask, alternate stack, and the delivery of what the host's handler captured.
public final class ThreadSignals {
    public let host: UnsafeMutablePointer<vmrun_thread>
    public var alternateStack = AlternateStack()
    /// The mask in force while a call with a mask of its own (sigsuspend, ppoll) waited; nil at all other times.
    public var temporaryMask: UInt64?
    let actions: SignalActions
    /// Outlives this; nil unless somebody traces.
    public unowned(unsafe) var observer: (any SignalObserver)?

    static let unblockable: UInt64 = (1 << UInt64(SIGKILL - 1)) | (1 << UInt64(SIGSTOP - 1))

    public init(host: UnsafeMutablePointer<vmrun_thread>, actions: SignalActions) {
        self.host = host
        self.actions = actions
    }

    /// The blocked mask: the guest's, and but for short moments the host's.
    public var mask: UInt64 { host.pointee.blocked }

    /// Sets the blocked mask, as a system call of the guest's does. False where nothing was changed because a signal has been
    /// captured that `mask` blocks: it came before the call, and its handler runs before the call is made again.
    public func changeMask(_ mask: UInt64) -> Bool {
        let wanted = mask & ~Self.unblockable
        vmrun_set_host_mask(wanted)
        if host.pointee.captured != 0 && wanted & Self.bit(host.pointee.captured) != 0 { return false }
        host.pointee.blocked = wanted
        return true
    }

    /// Blocks every signal on the host, so that it keeps them. False where one is captured already.
    public func hold() -> Bool {
        vmrun_set_host_mask(~0)
        return host.pointee.captured == 0
    }

    /// Ends what `hold` began.
    public func release() { vmrun_set_host_mask(mask) }

    /// An exec: there is no alternate stack, and no call that waits.
    public func forgetProgram() {
        alternateStack = AlternateStack()
        temporaryMask = nil
    }

    static func bit(_ signal: Int32) -> UInt64 { 1 << UInt64(signal - 1) }

    /// The captured signal, and its siginfo. One that a trap's handler has come to block goes back to the kernel.
    private func take() -> (signal: Int32, info: siginfo_t)? {
        let signal = host.pointee.captured
        if signal == 0 { return nil }
        var info = host.pointee.captured_info
        host.pointee.captured = 0
        if (temporaryMask ?? mask) & Self.bit(signal) == 0 { return (signal, info) }
        _ = vmrun_requeue(signal, &info)
        return nil
    }

    /// Delivers what is captured. The CPU's context must be the user's (`bringToUser`). Does not return where the
    /// default action ends the process.
    public func deliverPending(_ cpu: GuestCPU) {
        vmrun_clear_bits(&host.pointee.attention, UInt32(VMRUN_ATTENTION_SIGNAL))
        if let (signal, info) = take() {
            deliver(cpu, signal, info, inForce: temporaryMask ?? mask)
        }
        temporaryMask = nil
        // Nothing is captured now: the host may deliver again. A signal that was pending arrives at once and sets the
        // attention word, which the run loop sees before it enters the guest.
        vmrun_set_host_mask(mask)
    }

    // MARK: For a debugger

    /// The signal that is captured never came.
    public func discardPending() {
        host.pointee.captured = 0
        vmrun_clear_bits(&host.pointee.attention, UInt32(VMRUN_ATTENTION_SIGNAL))
        temporaryMask = nil
        vmrun_set_host_mask(mask)
    }

    /// A signal that nobody sent; pending where it is blocked.
    public func deliverGiven(_ cpu: GuestCPU, _ signal: Int32) {
        var info = siginfo_t()
        info.si_signo = signal
        if mask & Self.bit(signal) != 0 {
            _ = vmrun_requeue(signal, &info)
            return
        }
        deliver(cpu, signal, info, inForce: mask)
        if host.pointee.captured == 0 { vmrun_set_host_mask(mask) }
    }

    /// Whether delivering the signal ends the process; `isFault`: that of an instruction, which cannot be ignored or blocked.
    public func isDeadly(_ signal: Int32, isFault: Bool) -> Bool {
        let action = actions.action(signal)
        if isFault && (action.isIgnored || mask & Self.bit(signal) != 0) { return true }
        return action.isDefault && DefaultAction(signal) == .terminate
    }

    // MARK: Delivery

    private func deliver(_ cpu: GuestCPU, _ signal: Int32, _ info: siginfo_t, inForce: UInt64) {
        let action = actions.action(signal)
        if action.isIgnored { return }
        if action.isDefault {
            switch DefaultAction(signal) {
            case .ignore: return
            case .stop: stop(signal)
            case .terminate:
                tell(info, isDeadly: true)
                vmrun_die_by_signal(signal)
            }
            return
        }
        tell(info, isDeadly: false)
        if action.flags & SignalFlags.resetHandler != 0 { actions.reset(signal) }
        var frameInfo = info
        do throws(GuestErrno) {
            try SignalFrame.push(cpu, self, signal: signal, info: &frameInfo, action: action, savedMask: mask, fault: nil)
            enterHandler(signal, action, inForce)
        } catch {
            forceSegmentationFault(cpu, after: signal)
        }
    }

    private func tell(_ information: siginfo_t, isDeadly: Bool) {
        guard let observer else { return }
        withUnsafeBytes(of: information) { observer.willDeliver($0, isDeadly: isDeadly) }
    }

    private func enterHandler(_ signal: Int32, _ action: SignalAction, _ inForce: UInt64) {
        var blocked = inForce | action.mask
        if action.flags & SignalFlags.noDefer == 0 { blocked |= Self.bit(signal) }
        host.pointee.blocked = blocked & ~Self.unblockable
    }

    /// A stop signal that was captured for a handler which is gone: the kernel's default for it, right now.
    private func stop(_ signal: Int32) {
        _ = Host.raw(Int32(SYS_kill), Host.raw(Int32(SYS_getpid)), Int(SIGSTOP))
    }

    /// A fault of the guest's own instruction: its handler, or death by it where it is blocked, ignored or default, as the
    /// kernel's force_sig does.
    public func deliverFault(_ cpu: GuestCPU, _ fault: GuestFault) {
        var info = siginfo_t()
        SignalInformation.setFault(&info, fault)
        force(cpu, fault.signal, &info, fault)
    }

    /// SIGSYS in the place of a system call, with the force of a fault.
    public func deliverRefusal(_ cpu: GuestCPU, _ call: RefusedCall) {
        var info = siginfo_t()
        SignalInformation.setRefusal(&info, call)
        force(cpu, SIGSYS, &info, nil)
    }

    private func force(_ cpu: GuestCPU, _ signal: Int32, _ info: inout siginfo_t, _ fault: GuestFault?) {
        let action = actions.action(signal)
        let isDeadly = action.isDefault || action.isIgnored || mask & Self.bit(signal) != 0
        tell(info, isDeadly: isDeadly)
        if isDeadly { vmrun_die_by_signal(signal) }
        if action.flags & SignalFlags.resetHandler != 0 { actions.reset(signal) }
        do throws(GuestErrno) {
            try SignalFrame.push(cpu, self, signal: signal, info: &info, action: action, savedMask: mask, fault: fault)
            enterHandler(signal, action, mask)
        } catch {
            forceSegmentationFault(cpu, after: signal)
        }
        release()
    }

    /// A frame that cannot be written is a segmentation fault (the kernel's force_sigsegv); one for its own handler is deadly.
    private func forceSegmentationFault(_ cpu: GuestCPU, after signal: Int32) {
        if signal == SIGSEGV { vmrun_die_by_signal(SIGSEGV) }
        deliverFault(cpu, GuestFault(signal: SIGSEGV, code: 0x80, address: 0, trap: 0))
    }

    // MARK: sigaltstack

    /// The state as sigaltstack(2) reports it for a thread that runs at `stackPointer`.
    public func reportedFlags(_ stackPointer: UInt64) -> UInt32 {
        if alternateStack.size == 0 { return AlternateStack.disabled }
        let mode = alternateStack.flags & AlternateStack.autoDisarm
        return alternateStack.contains(stackPointer) ? mode | AlternateStack.onStack : mode
    }

    /// sigaltstack(2)'s change. EPERM while running on it, EINVAL for bad flags, ENOMEM for a stack too small, unless it is the one that is there.
    public func setAlternateStack(
        base: UInt64, flags: UInt32, size: UInt64, stackPointer: UInt64, minimumSize: UInt64
    ) throws(GuestErrno) {
        if alternateStack.contains(stackPointer) { throw .EPERM }
        let mode = flags & ~AlternateStack.autoDisarm
        guard mode == 0 || mode == AlternateStack.onStack || mode == AlternateStack.disabled else { throw .EINVAL }
        // To the kernel a process begins with a stack of nothing, which is not disabled.
        let isNone = alternateStack.size == 0 && flags == 0
        if base == alternateStack.base && size == alternateStack.size && (flags == alternateStack.flags || isNone) { return }
        var new = AlternateStack()
        if mode == AlternateStack.disabled {
            new.flags = AlternateStack.disabled
        } else {
            if size < minimumSize { throw .ENOMEM }
            new.base = base
            new.size = size
            new.flags = flags
        }
        alternateStack = new
    }
}
