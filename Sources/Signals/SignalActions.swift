import CShim
import Host
import LinuxABI

/// The kernel's struct sigaction, as rt_sigaction(2) transfers it.
public struct SignalAction: BitwiseCopyable {
    public var handler: UInt64 = 0
    public var flags: UInt64 = 0
    public var restorer: UInt64 = 0
    public var mask: UInt64 = 0

    public init() {}

    /// SIG_DFL and SIG_IGN.
    public var isDefault: Bool { handler == 0 }
    public var isIgnored: Bool { handler == 1 }
}

/// SA_* of the kernel, as the guest passes them.
public enum SignalFlags {
    public static let noChildStop: UInt64 = 1
    public static let noChildWait: UInt64 = 2
    public static let siginfo: UInt64 = 4
    public static let onStack: UInt64 = 0x0800_0000
    public static let restart: UInt64 = 0x1000_0000
    public static let noDefer: UInt64 = 0x4000_0000
    public static let resetHandler: UInt64 = 0x8000_0000
    public static let restorer: UInt64 = 0x0400_0000
    /// What the kernel applies on the guest's behalf when the host disposition carries it.
    static let mirrored = noChildStop | noChildWait | restart | resetHandler
}

/// What a signal does where the guest has no handler (signal(7)).
public enum DefaultAction {
    case terminate, ignore, stop

    public init(_ signal: Int32) {
        switch signal {
        case SIGCHLD, SIGURG, SIGWINCH, SIGCONT: self = .ignore
        case SIGTSTP, SIGTTIN, SIGTTOU, SIGSTOP: self = .stop
        default: self = .terminate
        }
    }
}

/// The dispositions of one process. The host's dispositions follow: default and ignored signals are the kernel's business,
/// handled ones are captured.
public final class SignalActions {
    /// Signals whose host disposition is vmrun's own, so that it does not tell the guest's: the session has to.
    public static let published: UInt64 = [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP].reduce(0) { $0 | ThreadSignals.bit($1) }

    /// Told of each change to one of them.
    public var didChange: ((_ signal: Int32, _ action: SignalAction) -> Void)?

    /// Signals that would end the process by the kernel's hand are captured, so that a debugger sees them first.
    private var capturesDeadly = false

    private let lock = Lock()
    /// By signal number. A buffer of its own rather than an array, so that it can be given back: see `dispose`.
    private let actions: UnsafeMutablePointer<SignalAction>
    private static let count = 65
    private static let killMask: UInt64 = (1 << UInt64(SIGKILL - 1)) | (1 << UInt64(SIGSTOP - 1))

    /// Takes over what the process image inherited: signals ignored before stay ignored, all others are default.
    public init() {
        actions = .allocate(capacity: Self.count)
        actions.initialize(repeating: SignalAction(), count: Self.count)
        for signal in 1...Int32(64) where vmrun_is_ignored(signal) != 0 { actions[Int(signal)].handler = 1 }
        vmrun_install_handlers()
        inherit(ignored: ignoredMask & Self.published)
    }

    /// A private copy, for a child that shares the memory it lives in.
    public func copy() -> SignalActions { SignalActions(copying: self) }

    private init(copying other: SignalActions) {
        actions = .allocate(capacity: Self.count)
        other.lock.withLock { actions.initialize(from: other.actions, count: Self.count) }
        capturesDeadly = other.capturesDeadly
    }

    deinit { dispose() }

    private var isDisposed = false

    /// Gives back what is large of a helper's, whose last references nobody will release.
    public func dispose() {
        if isDisposed { return }
        isDisposed = true
        actions.deallocate()
    }

    /// What an ignored always-captured signal needs passed on at exec, since the host's disposition does not say it.
    public var ignoredMask: UInt64 {
        lock.withLock {
            var mask: UInt64 = 0
            for signal in 1...64 where actions[signal].isIgnored { mask |= 1 << UInt64(signal - 1) }
            return mask
        }
    }

    /// Takes over the ignored signals of the image before an exec.
    public func inherit(ignored mask: UInt64) {
        for signal in 1...Int32(64) where mask & ThreadSignals.bit(signal) != 0 {
            actions[Int(signal)].handler = 1
            // All others the host itself has kept ignored, and pending where they were blocked.
            if Self.published & ThreadSignals.bit(signal) != 0 { apply(signal, actions[Int(signal)]) }
        }
    }

    /// From now on no signal ends the process before vmrun has seen it, but those that cannot be caught.
    public func captureDeadly() {
        lock.withLock {
            capturesDeadly = true
            for signal in 1...Int32(64) where actions[Int(signal)].isDefault { apply(signal, actions[Int(signal)]) }
        }
    }

    /// The action for a valid signal number.
    public func action(_ signal: Int32) -> SignalAction {
        guard signal >= 1, signal <= 64 else { return SignalAction() }
        return lock.withLock { actions[Int(signal)] }
    }

    /// rt_sigaction's change; the previous action. EINVAL for bad numbers, SIGKILL and SIGSTOP.
    public func replace(_ signal: Int32, with action: SignalAction?) throws(GuestErrno) -> SignalAction {
        guard signal >= 1, signal <= 64 else { throw .EINVAL }
        guard let action else { return self.action(signal) }
        guard signal != SIGKILL, signal != SIGSTOP else { throw .EINVAL }
        var new = action
        new.mask &= ~Self.killMask
        return set(signal) { $0 = new }
    }

    /// `replace` where nobody else has to be told of it, as between two default actions or where nothing changes: else nil, and nothing
    /// has happened. So any host thread may make it, even one of another process.
    public func replaceQuietly(_ signal: Int32, with action: SignalAction?) throws(GuestErrno) -> SignalAction? {
        guard signal >= 1, signal <= 64 else { throw .EINVAL }
        guard var new = action else { return self.action(signal) }
        // The kernel drops what is pending of a signal that comes to be ignored, also by its default.
        guard signal != SIGKILL, signal != SIGSTOP, new.isDefault, DefaultAction(signal) != .ignore else { return nil }
        new.mask &= ~Self.killMask
        return lock.withLock {
            let previous = actions[Int(signal)]
            guard previous.isDefault, (previous.flags ^ new.flags) & SignalFlags.mirrored == 0 else { return nil }
            actions[Int(signal)] = new
            return previous
        }
    }

    /// Changes an action, the host's disposition with it, and tells of it. The previous action.
    private func set(_ signal: Int32, _ change: (inout SignalAction) -> Void) -> SignalAction {
        lock.lock()
        let previous = actions[Int(signal)]
        change(&actions[Int(signal)])
        let new = actions[Int(signal)]
        apply(signal, new)
        lock.unlock()
        if Self.published & ThreadSignals.bit(signal) != 0, new.handler != previous.handler { didChange?(signal, new) }
        return previous
    }

    /// Under the lock.
    private func apply(_ signal: Int32, _ action: SignalAction) {
        if capturesDeadly, action.isDefault, DefaultAction(signal) == .terminate {
            // A call that it interrupts is made again, should the debugger keep it.
            _ = vmrun_set_disposition(signal, VMRUN_DISPOSITION_CAPTURE, SignalFlags.restart)
            return
        }
        let disposition: vmrun_disposition =
            action.isDefault
            ? VMRUN_DISPOSITION_DEFAULT : action.isIgnored ? VMRUN_DISPOSITION_IGNORE : VMRUN_DISPOSITION_CAPTURE
        _ = vmrun_set_disposition(signal, disposition, action.flags & SignalFlags.mirrored)
    }

    /// SA_RESETHAND at delivery, and the forced default of a blocked or ignored fault.
    func reset(_ signal: Int32) {
        _ = set(signal) { $0.handler = 0 }
    }

    /// CLONE_CLEAR_SIGHAND: all handlers become default, in a child.
    public func resetHandlers() {
        for signal in 1...Int32(64) {
            let current = action(signal)
            if !current.isDefault && !current.isIgnored { reset(signal) }
        }
    }

    /// An exec: what has a handler becomes default, what is ignored stays ignored, flags and masks are gone.
    public func forgetHandlers() {
        for signal in 1...Int32(64) {
            let current = action(signal)
            if current.isDefault || (current.isIgnored && current.flags == 0) { continue }
            _ = set(signal) { action in
                let isIgnored = action.isIgnored
                action = SignalAction()
                if isIgnored { action.handler = 1 }
            }
        }
    }

    /// Frees the lock of a helper process that was killed.
    public func breakLock(ownedBy tid: UInt32) { _ = lock.breakIfOwned(by: tid) }

    public func lockForFork() { lock.lock() }
    public func unlockAfterFork() { lock.unlock() }
}
