#if arch(x86_64)
import CShim

extension HostCalls {
    /// AUDIT_ARCH_X86_64 (linux/audit.h).
    static let architecture: UInt32 = 0xc000_003e

    /// Those of the start that other architectures do without.
    static let processorCalls = [Int32(SYS_arch_prctl), Int32(SYS_readlink)]
}
#endif
