import CShim
import LinuxABI

/// The part of vmrun's own address space where the guest lives: guest address = host address. Nothing of vmrun's is ever
/// mapped in it.
public enum Arena {
    public static let pageSize: UInt64 = 4096
    /// First usable address: below it lies what vm.mmap_min_addr keeps from everyone.
    public static let base: UInt64 = 0x1_0000
    /// First address beyond. Position-independent images, heaps and stacks of the host are placed above it.
    public static let top: UInt64 = UInt64(VMRUN_ARENA_TOP)

    /// Where the addresses that user programs may have end on this architecture, the arena's and others.
    public static let userEnd: UInt64 = 1 << (64 - UInt64((top - 1).leadingZeroBitCount))

    /// Whether [address, address + length) lies in the arena; a zero length is a point that may touch the end.
    @inlinable
    public static func contains(_ address: GuestAddress, length: UInt64) -> Bool {
        address.raw >= base && address.raw <= top && length <= top - address.raw
    }

    @inlinable
    public static func contains(_ address: GuestAddress) -> Bool { address.raw >= base && address.raw < top }

    /// The host pointer of a checked range.
    @inlinable
    public static func pointer(_ address: GuestAddress) -> UnsafeMutableRawPointer? {
        UnsafeMutableRawPointer(bitPattern: UInt(address.raw))
    }

    @inlinable
    public static func pageDown(_ address: UInt64) -> UInt64 { address & ~(pageSize - 1) }

    /// Rounds up to a page; 0 where that overflows.
    @inlinable
    public static func pageUp(_ address: UInt64) -> UInt64 { (address &+ (pageSize - 1)) & ~(pageSize - 1) }
}
