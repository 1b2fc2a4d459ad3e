import CShim
import Host

/// Where the parts of a fresh address space go. Linux's layout scaled to the arena: stack at the top, the mmap region growing
/// down from below the stack's room, position-independent programs at two thirds, the break behind the program.
public struct Layout: Equatable {
    /// End of the first thread's stack.
    public var stackTop: UInt64
    /// Mappings without a hint are placed below this, top-down.
    public var mmapBase: UInt64
    /// Where position-independent programs begin (ELF_ET_DYN_BASE).
    public var pieBase: UInt64
    /// Distance of the break from the end of the program.
    public var breakOffset: UInt64
    /// Where MAP_32BIT begins to search, bottom-up.
    public var low32Base: UInt64

    /// MAP_32BIT's window, as on Linux.
    static let low32Start: UInt64 = 0x4000_0000
    static let low32End: UInt64 = 0x8000_0000
    /// Where the search goes on, bottom-up, when nothing is free below the mmap base (TASK_UNMAPPED_BASE).
    static let bottomUpBase: UInt64 = Arena.pageDown(Arena.top / 3)

    /// Start-up costs one memslot for each 64 MiB that it touches, so what starts together is kept inside one.
    private static let chunk: UInt64 = 64 << 20
    private static let programBase = (Arena.top / 3 * 2) & ~(chunk - 1)
    /// The kernel's bounds of the room kept for the stack.
    private static let minimumStackRoom: UInt64 = 128 << 20
    private static let maximumStackRoom: UInt64 = Arena.top / 6 * 5

    /// The layout of a program that asked for ADDR_NO_RANDOMIZE. `stackLimit` is RLIMIT_STACK in bytes.
    public static func fixed(stackLimit: UInt64) -> Layout {
        let stackTop = Arena.top - Arena.pageSize
        return Layout(
            stackTop: stackTop, mmapBase: mmapBase(below: stackTop, stackLimit), pieBase: programBase, breakOffset: 0,
            low32Base: low32Start)
    }

    /// A layout with the kernel's entropy: 2^22 pages for the stack, 2^28 for mappings and for programs, 32 MiB for the break.
    public static func randomized(stackLimit: UInt64) -> Layout {
        let stackTop = Arena.top - chunk - randomPages(1 << 22) / chunk * chunk + chunk / 4 + randomPages(1 << 13)
        let highest = mmapBase(below: stackTop, stackLimit) & ~(chunk - 1)
        let reach = min(UInt64(1 << 28), highest / Arena.pageSize / 2)
        return Layout(
            stackTop: stackTop,
            mmapBase: highest - randomPages(reach) / chunk * chunk - randomPages(1 << 13),
            pieBase: programBase + randomPages(1 << 28) / chunk * chunk + randomPages(1 << 12),
            breakOffset: randomPages(1 << 13), low32Base: low32Start + randomPages(1 << 13))
    }

    /// Another randomized layout for the next program of the same machine, in the same chunks: their memslots are there. What is drawn anew is
    /// where in a chunk each part begins.
    public func redrawn(stackLimit: UInt64) -> Layout {
        let mask = ~(Self.chunk - 1)
        let stackTop = (self.stackTop & mask) + Self.chunk / 4 + Self.randomPages(1 << 13)
        let chunkTop = ((mmapBase - 1) & mask) + Self.chunk
        // The next program's stack may need more room.
        guard chunkTop <= Self.mmapBase(below: stackTop, stackLimit) else { return .randomized(stackLimit: stackLimit) }
        return Layout(
            stackTop: stackTop, mmapBase: chunkTop - Self.randomPages(1 << 13),
            pieBase: (pieBase & mask) + Self.randomPages(1 << 12), breakOffset: Self.randomPages(1 << 13),
            low32Base: Self.low32Start + Self.randomPages(1 << 13))
    }

    private static func mmapBase(below stackTop: UInt64, _ stackLimit: UInt64) -> UInt64 {
        let room = min(max(stackLimit &+ Region.guardGap, stackLimit), maximumStackRoom)
        return Arena.pageDown(stackTop - max(room, minimumStackRoom))
    }

    /// A multiple of the page size, of less than `count` pages.
    private static func randomPages(_ count: UInt64) -> UInt64 {
        var value: UInt64 = 0
        // GRND_NONBLOCK: early in boot the layout is less random rather than late.
        withUnsafeMutableBytes(of: &value) {
            _ = Host.raw(Int32(SYS_getrandom), Int(bitPattern: $0.baseAddress), $0.count, 1)
        }
        return value % max(count, 1) * Arena.pageSize
    }
}
