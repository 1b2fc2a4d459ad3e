#if arch(arm64)
/// Sizes of the structures that differ between the architectures.
extension WireStructure {
    @usableFromInline static let epollEventSize: UInt64 = 16
    @usableFromInline static let statSize: UInt64 = 128
    /// struct semid_ds of semctl(2).
    public static let semidSize: UInt64 = 88
}
#endif
