/// The flags argument of mmap(2), with the kernel's names. An unknown bit is kept: the host judges it.
struct MapFlags: OptionSet {
    let rawValue: UInt64

    static let MAP_PRIVATE = MapFlags(rawValue: 2)
    static let MAP_FIXED = MapFlags(rawValue: 0x10)
    static let MAP_ANONYMOUS = MapFlags(rawValue: 0x20)
    static let MAP_GROWSDOWN = MapFlags(rawValue: 0x100)
    static let MAP_LOCKED = MapFlags(rawValue: 0x2000)
    static let MAP_NORESERVE = MapFlags(rawValue: 0x4000)
    static let MAP_STACK = MapFlags(rawValue: 0x20000)
    static let MAP_HUGETLB = MapFlags(rawValue: 0x40000)
    static let MAP_FIXED_NOREPLACE = MapFlags(rawValue: 0x100000)

    /// The low four bits are one number.
    enum Sharing: UInt64 {
        case MAP_SHARED = 1
        case MAP_PRIVATE = 2
        case MAP_SHARED_VALIDATE = 3
    }

    /// nil where the host will refuse the type, or knows one that we need not tell apart.
    var sharing: Sharing? { Sharing(rawValue: rawValue & 0x0f) }

    /// Whether one of `flags` is set; false for none.
    func has(_ flags: MapFlags) -> Bool { !isDisjoint(with: flags) }

    var isFixed: Bool { has([.MAP_FIXED, .MAP_FIXED_NOREPLACE]) }

    /// Bytes of a page of a MAP_HUGETLB mapping: MAP_HUGE_SHIFT's field holds the logarithm, 0 the default.
    var hugePageSize: UInt64 {
        let logarithm = (rawValue >> 26) & 0x3f
        return logarithm < 12 || logarithm > 40 ? AddressSpace.hugePage : 1 << logarithm
    }
}

/// The flags argument of mremap(2).
struct RemapFlags: OptionSet {
    let rawValue: UInt64

    static let MREMAP_MAYMOVE = RemapFlags(rawValue: 1)
    static let MREMAP_FIXED = RemapFlags(rawValue: 2)
    static let MREMAP_DONTUNMAP = RemapFlags(rawValue: 4)
    static let all: RemapFlags = [.MREMAP_MAYMOVE, .MREMAP_FIXED, .MREMAP_DONTUNMAP]
}
