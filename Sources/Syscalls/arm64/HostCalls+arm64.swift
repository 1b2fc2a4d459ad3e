#if arch(arm64)
extension HostCalls {
    /// AUDIT_ARCH_AARCH64 (linux/audit.h).
    static let architecture: UInt32 = 0xc000_00b7

    /// Those of the start that other architectures do without.
    static let processorCalls: [Int32] = []
}
#endif
