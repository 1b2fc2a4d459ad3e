#if arch(x86_64)
import CShim
import Machine

extension SyscallArguments {
    /// Those of the call that the guest is in.
    @inline(__always)
    init(_ cpu: GuestCPU) {
        let registers = cpu.registers
        self.init(
            registers.pointee.rdi, registers.pointee.rsi, registers.pointee.rdx, registers.pointee.r10,
            registers.pointee.r8, registers.pointee.r9)
    }

    /// The last two of clone(2).
    var childTidAndTLS: (UInt64, UInt64) { (a3, a4) }
}
#endif
