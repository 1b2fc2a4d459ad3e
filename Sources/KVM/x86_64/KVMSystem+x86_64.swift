#if arch(x86_64)
extension KVMSystem {
    /// Whether the guest's counter is the host's own, which the host's vDSO reads.
    public var sharesCounter: Bool { true }
}
#endif
