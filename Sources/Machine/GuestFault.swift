/// A synchronous signal that the guest's own instruction caused, as Linux would report it.
public struct GuestFault {
    public var signal: Int32
    /// si_code
    public var code: Int32
    /// si_addr
    public var address: UInt64
    /// sigcontext's trapno, err and cr2 on x86-64. On arm64 `errorCode` is the esr, and `trap` its exception class.
    public var trap: UInt64
    public var errorCode: UInt64
    public var faultAddress: UInt64

    public init(
        signal: Int32, code: Int32, address: UInt64, trap: UInt64, errorCode: UInt64 = 0, faultAddress: UInt64 = 0
    ) {
        self.signal = signal
        self.code = code
        self.address = address
        self.trap = trap
        self.errorCode = errorCode
        self.faultAddress = faultAddress
    }
}

/// What a stay in the guest ended with.
public enum GuestEvent {
    /// The guest asks for a system call; number and arguments are in its registers.
    case systemCall
    /// The guest's instruction faulted; the context stands at it.
    case fault(GuestFault)
    /// The thread's attention word is set.
    case attention
    case failure(MachineFailure)
}
