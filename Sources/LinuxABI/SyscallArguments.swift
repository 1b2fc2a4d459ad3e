/// The six argument registers of a system call, as the guest set them.
public struct SyscallArguments {
    public var a0, a1, a2, a3, a4, a5: UInt64

    @inlinable
    public init(_ a0: UInt64, _ a1: UInt64, _ a2: UInt64, _ a3: UInt64, _ a4: UInt64, _ a5: UInt64) {
        self.a0 = a0
        self.a1 = a1
        self.a2 = a2
        self.a3 = a3
        self.a4 = a4
        self.a5 = a5
    }

    /// These, but for one of them.
    public func with(_ value: UInt64, at index: Int) -> SyscallArguments {
        var copy = self
        copy[index] = value
        return copy
    }

    @inlinable
    public subscript(index: Int) -> UInt64 {
        get {
            switch index {
            case 0: a0
            case 1: a1
            case 2: a2
            case 3: a3
            case 4: a4
            default: a5
            }
        }
        set {
            switch index {
            case 0: a0 = newValue
            case 1: a1 = newValue
            case 2: a2 = newValue
            case 3: a3 = newValue
            case 4: a4 = newValue
            default: a5 = newValue
            }
        }
    }
}
