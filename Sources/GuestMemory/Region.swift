/// What a region is, for placement decisions and for its name in /proc/self/maps.
public enum RegionKind: UInt8 {
    case anonymous
    case file
    /// What brk(2) gave.
    case heap
    /// The first thread's stack.
    case stack
    /// A segment of the program or its interpreter.
    case image
    /// A System V shared memory segment; the region's tag tells one attachment from another.
    case sharedMemory
}

/// Properties of a region other than its protection.
public struct RegionFlags: OptionSet {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// MAP_SHARED.
    public static let shared = RegionFlags(rawValue: 1)
    /// MAP_GROWSDOWN: what lies below is reached by growing, and new mappings keep the stack guard gap away.
    public static let growsDown = RegionFlags(rawValue: 2)
    /// Anonymous memory that huge pages were advised for: the host does not merge it with memory that is not.
    public static let hugePages = RegionFlags(rawValue: 4)
    /// MADV_DONTFORK: a child does not inherit it.
    public static let dontFork = RegionFlags(rawValue: 8)
}

/// A range of guest memory with equal attributes.
public struct Region: Equatable {
    /// Page-aligned bounds: [start, end).
    public var start, end: UInt64
    /// Offset in the file or segment of `start`, in bytes; 0 for anonymous memory.
    public var offset: UInt64
    /// PROT_READ, PROT_WRITE, PROT_EXEC.
    public var protection: Int32
    public var kind: RegionKind
    public var flags: RegionFlags
    /// Which attachment of a shared memory segment; 0 elsewhere.
    public var tag: UInt32

    public init(
        start: UInt64, end: UInt64, offset: UInt64 = 0, protection: Int32, kind: RegionKind = .anonymous,
        flags: RegionFlags = [], tag: UInt32 = 0
    ) {
        self.start = start
        self.end = end
        self.offset = offset
        self.protection = protection
        self.kind = kind
        self.flags = flags
        self.tag = tag
    }

    /// Whether offsets advance with addresses.
    @inline(__always)
    var hasOffset: Bool { kind == .file || kind == .image || kind == .sharedMemory }

    /// Distance that new mappings keep below a region that grows down: stack_guard_gap, 256 pages.
    static let guardGap: UInt64 = 256 * 4096

    /// vm_start_gap(): the start, with the guard gap for one that grows down.
    @inline(__always)
    var guardedStart: UInt64 {
        guard flags.contains(.growsDown) else { return start }
        return start > Self.guardGap ? start - Self.guardGap : 0
    }

    /// The part of the region inside [from, to), which it overlaps.
    func clipped(from: UInt64, to: UInt64) -> Region {
        var part = self
        part.start = max(start, from)
        part.end = min(end, to)
        if hasOffset { part.offset &+= part.start - start }
        return part
    }

    /// Whether `next`, which begins where this one ends, continues it: Linux would make one mapping of the two.
    func merges(with next: Region) -> Bool {
        end == next.start && protection == next.protection && kind == next.kind && flags == next.flags
            && tag == next.tag && (!hasOffset || offset &+ (end - start) == next.offset)
    }
}
