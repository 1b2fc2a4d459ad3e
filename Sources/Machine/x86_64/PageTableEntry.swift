#if arch(x86_64)
/// The form of page table entries.
enum PageTableEntry {
    static let present: UInt64 = 1
    static let writable: UInt64 = 2
    private static let user: UInt64 = 4
    private static let accessed: UInt64 = 0x20
    private static let dirty: UInt64 = 0x40
    private static let large: UInt64 = 0x80
    static let noExecute: UInt64 = 1 << 63
    static let addressMask: UInt64 = 0x000f_ffff_ffff_f000

    /// Accessed and dirty are set from the start: shadow paging would take a fault to set each.
    static let table = present | writable | user | accessed
    /// A 4 KiB page that the user may read, write and execute, and one that he may not write.
    static let userPage = present | writable | user | accessed | dirty
    static let readOnlyUserPage = userPage & ~writable
    /// 2 MiB, which the user may read, write and execute.
    static let userBlock = userPage | large
    static let supervisorPage = present | writable | accessed | dirty

    /// Whether a block must be gone from all processors before a table takes its place.
    static let breaksBeforeMake = false

    @inline(__always)
    static func isPresent(_ entry: UInt64) -> Bool { entry & present != 0 }

    /// Whether a present entry of level 2 maps 2 MiB.
    @inline(__always)
    static func isBlock(_ entry: UInt64) -> Bool { entry & large != 0 }
}
#endif
