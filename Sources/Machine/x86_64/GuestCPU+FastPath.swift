#if arch(x86_64)
import CShim
import LinuxABI

/// The vCPU's page for the code behind `syscall`. The guest may write it: nothing in it is believed, and all that a guest reaches by
/// writing it are other results of its own calls.
extension GuestCPU {
    /// Whether calls can be forwarded at all.
    public static var forwardsCalls: Bool { true }

    /// What was said of the number when the machine was made.
    @inline(__always)
    public func fastPath(of number: UInt64) -> FastPath {
        guard number < UInt64(VMRUN_FAST_NUMBERS) else { return .exit }
        switch Int32(fastKinds[Int(number)]) {
        case VMRUN_FAST_EXIT: return .exit
        case VMRUN_FAST_FORWARD: return .forward
        default: return .remember
        }
    }

    // MARK: Answers

    /// The guest finds this result of a call by itself from now on.
    public func remember(_ number: UInt64, _ result: Int) {
        let index = UInt64(fastKinds[Int(number)])
        withUnsafeMutableBytes(of: &fast.pointee.answers) {
            $0.storeBytes(of: result, toByteOffset: Int(index) * 8, as: Int.self)
        }
        fast.pointee.known |= 1 << index
    }

    /// Answers may have changed.
    public func forgetAnswers() { fast.pointee.known = 0 }

    // MARK: Where calls come from

    /// Calls until the first one that leaves the guest only to show where it is.
    static var firstSampleInterval: UInt32 { 512 }
    private static var longestSampleInterval: UInt32 { 1 << 16 }

    /// Behind the `syscall` instruction of the call being served, where this call is a sample.
    @inline(__always)
    public var sampledSite: UInt64? {
        guard fast.pointee.budget == 0 else { return nil }
        return sample()
    }

    private func sample() -> UInt64? {
        // In ring 0, which `syscall` reaches at little cost, there is nothing to gain.
        if segments.pointee.cs.selector & 3 == 0 { sampleInterval = .max }
        fast.pointee.budget = sampleInterval
        return legacyEntry == nil && sampleInterval != .max ? registers.pointee.rcx : nil
    }

    /// Samples are of little use here.
    public func sampleLess() {
        if sampleInterval < Self.longestSampleInterval { sampleInterval *= 2 }
    }

    // MARK: Forwarding, by whoever has the turn

    /// Takes part in the turns of a poller, or in none.
    public func join(_ turn: CallTurn?) {
        self.turn = turn
        fast.pointee.patience = Self.patience
        forwards = false
    }

    /// How often the guest looks for an answer before it leaves. One look takes 40 to 140 cycles.
    private static let patience: UInt32 = 400

    /// Whether the guest offers its calls to the poller.
    public var forwards: Bool {
        get { fast.pointee.mode & UInt32(VMRUN_FAST_MODE_FORWARD) != 0 }
        set {
            if newValue {
                fast.pointee.mode |= UInt32(VMRUN_FAST_MODE_FORWARD)
            } else {
                fast.pointee.mode &= ~UInt32(VMRUN_FAST_MODE_FORWARD)
            }
        }
    }

    /// How many calls nobody took, so far as the guest says.
    public var expiredCalls: UInt64 { fast.pointee.expired }

    /// Takes the call that the guest offers, if there is one. It waits for `answerCall`.
    @inline(__always)
    public func takeCall() -> (number: UInt64, arguments: SyscallArguments)? {
        guard vmrun_fast_take(fast) != 0 else { return nil }
        return (
            fast.pointee.rax,
            SyscallArguments(
                fast.pointee.rdi, fast.pointee.rsi, fast.pointee.rdx, fast.pointee.r10, fast.pointee.r8, fast.pointee.r9)
        )
    }

    /// nil: the guest has to leave with this call.
    @inline(__always)
    public func answerCall(_ result: Int?) {
        if let result { fast.pointee.rax = UInt64(bitPattern: Int64(result)) }
        vmrun_fast_finish(fast, UInt32(result == nil ? VMRUN_FAST_REFUSED : VMRUN_FAST_DONE))
    }
}
#endif
