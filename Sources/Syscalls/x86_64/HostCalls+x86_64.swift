#if arch(x86_64)
import CShim

extension HostCalls {
    /// Those of the start that other architectures do without.
    static let processorCalls = [Int32(SYS_arch_prctl), Int32(SYS_readlink)]
}
#endif
