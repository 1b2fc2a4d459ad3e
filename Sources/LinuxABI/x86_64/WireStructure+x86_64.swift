#if arch(x86_64)
/// Sizes of the structures that differ between the architectures.
extension WireStructure {
    @usableFromInline static let epollEventSize: UInt64 = 12
    @usableFromInline static let statSize: UInt64 = 144
    /// struct semid_ds of semctl(2).
    public static let semidSize: UInt64 = 104
}
#endif
