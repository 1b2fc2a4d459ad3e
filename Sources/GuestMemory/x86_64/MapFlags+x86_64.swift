#if arch(x86_64)
extension MapFlags {
    static let MAP_32BIT = MapFlags(rawValue: 0x40)
    static let MAP_ABOVE4G = MapFlags(rawValue: 0x80)
}
#endif
