#if arch(arm64)
/// Flags that this architecture does not have.
extension MapFlags {
    static let MAP_32BIT = MapFlags([])
    static let MAP_ABOVE4G = MapFlags([])
}
#endif
