#if arch(arm64)
extension HostCalls {
    /// Those of the start that other architectures do without.
    static let processorCalls: [Int32] = []
}
#endif
