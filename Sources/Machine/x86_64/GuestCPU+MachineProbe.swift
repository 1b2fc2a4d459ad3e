#if arch(x86_64)
import CShim

extension GuestCPU {
    /// `1: syscall; jmp 1b`
    static func writeSystemCallLoop(_ code: UnsafeMutableRawPointer) {
        let instructions: [UInt8] = [0x0f, 0x05, 0xeb, 0xfc]
        code.copyMemory(from: instructions, byteCount: instructions.count)
    }

    func startProbe(at address: UInt64) {
        registers.pointee.rip = address
        contextReplaced()
    }

    /// Where the last system call landed.
    var landing: MachineProbe.Landing? { segments.pointee.cs.selector & 3 == 0 ? .supervisor : .user }
}
#endif
