/// One instruction of a classic BPF program, laid out as struct sock_filter.
public struct FilterInstruction: BitwiseCopyable, Equatable {
    public var code: UInt16
    /// How many instructions a jump skips where its condition holds, and where it does not.
    public var whenTrue: UInt8 = 0
    public var whenFalse: UInt8 = 0
    public var operand: UInt32

    public init(code: UInt16, whenTrue: UInt8 = 0, whenFalse: UInt8 = 0, operand: UInt32) {
        self.code = code
        self.whenTrue = whenTrue
        self.whenFalse = whenFalse
        self.operand = operand
    }
}
