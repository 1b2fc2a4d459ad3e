#if arch(arm64)
import CShim

extension GuestCPU {
    /// `1: svc #0; b 1b`
    static func writeSystemCallLoop(_ code: UnsafeMutableRawPointer) {
        code.storeBytes(of: 0xd400_0001, as: UInt32.self)
        code.storeBytes(of: 0x17ff_ffff, toByteOffset: 4, as: UInt32.self)
    }

    func startProbe(at address: UInt64) { startProgram(at: address, stackPointer: 0) }

    /// Where system calls land does not depend on the kind of KVM.
    var landing: MachineProbe.Landing? { nil }
}
#endif
