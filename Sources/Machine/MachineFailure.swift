/// vmrun's own failure in running the guest: ends the process with one sentence and status 125.
public enum MachineFailure: Error {
    case outOfMemory(StaticString)
    /// A KVM call failed with this errno.
    case kvm(StaticString, Int32)
    /// KVM gave up on the guest: what it said, a number that goes with it, and the guest's instruction pointer.
    case stopped(StaticString, UInt64, instruction: UInt64)

    public var sentence: String {
        switch self {
        case .outOfMemory(let what): "out of memory for \(what.description)"
        case .kvm(let call, let number): "\(call.description) failed with errno \(number)"
        case .stopped(let what, let detail, let instruction):
            "KVM stopped the guest: \(what.description) \(detail) at \(hexadecimal(instruction))"
        }
    }
}

/// `0x` and the digits.
public func hexadecimal(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
