#if arch(arm64)
import CShim

/// A debugger does not know this architecture yet: what it needs is there in name only, and never called.
extension GuestCPU {
    public static var canBeDebugged: Bool { false }
    public static var hasDebugRegisters: Bool { false }

    public struct HardwarePoints: Equatable {
        public enum Access: UInt64 {
            case execute, write, any
        }

        public static let capacity = 0
        public let addresses: [UInt64] = []
        public let isEmpty = true

        public init() {}
        public func isUsed(_ index: Int) -> Bool { true }
        public mutating func set(_ index: Int, _ access: Access, at address: UInt64, length: UInt64) {}
        public mutating func clear(_ index: Int) {}
    }

    public func setHardwarePoints(_ points: HardwarePoints) throws(MachineFailure) {}
    public func takeHit(of points: HardwarePoints) throws(MachineFailure) -> Int? { nil }
    public func setInstructionPointer(_ address: UInt64) {}
    @discardableResult
    public func setTrapFlag(_ isSet: Bool) -> Bool { false }
}

extension GuestFault {
    public var isBreakpoint: Bool { false }
    public var isTrap: Bool { false }
}
#endif
