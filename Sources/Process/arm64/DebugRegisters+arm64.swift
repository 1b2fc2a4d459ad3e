#if arch(arm64)
import Debugger
import Machine

/// There is no debugger on arm64 (`GuestDebugger.isAvailable`).
extension GuestDebugger {
    public var layout: RegisterLayout { RegisterLayout.x86_64(hasAVX: false) }
}

enum DebugRegisters {
    static func bytes(of cpu: GuestCPU, vectors image: UnsafeMutableRawPointer) -> [UInt8] { [] }
    static func loadVectors(_ image: UnsafeMutableRawPointer, into cpu: GuestCPU) throws(MachineFailure) {}
    static func set(_ cpu: GuestCPU, vectors image: UnsafeMutableRawPointer, to bytes: [UInt8]) {}
}
#endif
