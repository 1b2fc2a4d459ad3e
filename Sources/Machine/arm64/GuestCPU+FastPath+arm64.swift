#if arch(arm64)
import LinuxABI

/// Every system call leaves the guest.
extension GuestCPU {
    public static var forwardsCalls: Bool { false }

    @inline(__always)
    public func fastPath(of number: UInt64) -> FastPath { .exit }

    public func remember(_ number: UInt64, _ result: Int) {}
    public func forgetAnswers() {}
    public func join(_ turn: CallTurn?) {}

    public var sampledSite: UInt64? { nil }
    public func sampleLess() {}

    public var forwards: Bool {
        get { false }
        set {}
    }

    public var expiredCalls: UInt64 { 0 }
    public func takeCall() -> (number: UInt64, arguments: SyscallArguments)? { nil }
    public func answerCall(_ result: Int?) {}
}
#endif
