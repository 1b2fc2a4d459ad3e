#if arch(x86_64)
extension CloneRequest {
    /// Whether the processor takes it as a base, as for arch_prctl(2).
    static func isThreadPointer(_ address: UInt64) -> Bool { address < 0x7fff_ffff_f000 }
}
#endif
