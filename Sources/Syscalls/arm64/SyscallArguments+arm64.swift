#if arch(arm64)
import CShim
import Machine

extension SyscallArguments {
    /// Those of the call that the guest is in.
    @inline(__always)
    init(_ cpu: GuestCPU) {
        let x = cpu.registers.pointee.x
        self.init(x.0, x.1, x.2, x.3, x.4, x.5)
    }

    /// The last two of clone(2), which come the other way round here (CONFIG_CLONE_BACKWARDS).
    var childTidAndTLS: (UInt64, UInt64) { (a4, a3) }
}
#endif
