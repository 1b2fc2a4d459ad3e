#if arch(arm64)
/// The form of page table entries: stage 1, pages of 4 KiB, addresses of 48 bits.
enum PageTableEntry {
    private static let valid: UInt64 = 1
    /// A table, or at the last level a page; without it a block.
    private static let tableOrPage: UInt64 = 2
    /// Index 1 of MAIR_EL1: ordinary memory. Index 0 is device memory.
    private static let normal: UInt64 = 1 << 2
    private static let user: UInt64 = 1 << 6
    private static let readOnly: UInt64 = 1 << 7
    private static let innerShareable: UInt64 = 3 << 8
    private static let accessed: UInt64 = 1 << 10
    private static let privilegedNoExecute: UInt64 = 1 << 53
    /// UXN.
    static let noExecute: UInt64 = 1 << 54
    static let addressMask: UInt64 = 0x0000_ffff_ffff_f000

    static let table = valid | tableOrPage
    /// A 4 KiB page that the user may read, write and execute, and one that he may not write.
    static let userPage = valid | tableOrPage | normal | user | innerShareable | accessed | privilegedNoExecute
    static let readOnlyUserPage = userPage | readOnly
    /// 2 MiB, which the user may read, write and execute.
    static let userBlock = userPage & ~tableOrPage
    /// What EL1 executes, its data, and the address whose access leaves the guest.
    static let shimCode = valid | tableOrPage | normal | readOnly | innerShareable | accessed | noExecute
    static let shimData = valid | tableOrPage | normal | innerShareable | accessed | noExecute | privilegedNoExecute
    static let doorbell = valid | tableOrPage | accessed | noExecute | privilegedNoExecute

    /// Whether a block must be gone from all processors before a table takes its place.
    static let breaksBeforeMake = true

    @inline(__always)
    static func isPresent(_ entry: UInt64) -> Bool { entry & valid != 0 }

    /// Whether a present entry of level 2 maps 2 MiB.
    @inline(__always)
    static func isBlock(_ entry: UInt64) -> Bool { entry & tableOrPage == 0 }
}
#endif
