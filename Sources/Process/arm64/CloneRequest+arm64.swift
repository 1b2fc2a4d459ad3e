#if arch(arm64)
extension CloneRequest {
    /// The register takes any value.
    static func isThreadPointer(_ address: UInt64) -> Bool { true }
}
#endif
