import CShim

/// A system call's place in a program: `mov $number, %eax; syscall`, seven bytes.
public struct CallSite: Equatable {
    static let length: UInt64 = 7

    public let address: UInt64
    public let number: UInt32
    public var returnAddress: UInt64 { address &+ Self.length }

    /// The bytes of a site as they are found and put back, eight with the one behind it. Nil for any other instructions.
    init?(_ bytes: UInt64, at address: UInt64) {
        guard bytes & 0xff == 0xb8, bytes >> 40 & 0xffff == Self.systemCall else { return nil }
        self.address = address
        number = UInt32(truncatingIfNeeded: bytes >> 8)
    }

    /// The five bytes of the MOV.
    var original: UInt64 { 0xb8 | UInt64(number) << 8 }

    /// What takes their place: `jmp *slot`, whose last two bytes are the `syscall` that stands there already.
    static func jump(slot: Int) -> UInt64 { 0x25_24ff | (UInt64(VMRUN_SITE_WINDOW) & 0xffff + UInt64(slot) * 8) << 24 }

    static let systemCall: UInt64 = 0x050f
    static let changedBytes = 5
}

/// Which call sites of an address space are rewritten, and which may be worth it. Guarded by its owner.
struct CallSites {
    static let capacity = Int(VMRUN_FAST_MOST_STUBS)
    static let window = UInt64(VMRUN_SITE_WINDOW)
    /// So many samples make a site worth rewriting.
    static let wantedSamples: UInt32 = 3
    private static let candidateCount = 16

    struct Entry {
        let site: CallSite
        /// Put back. Its slot stays taken, since a vCPU may be on its way through it.
        var isRestored = false
    }

    private(set) var entries: [Entry] = []
    /// What has been rewritten lies in between.
    private var lowest = UInt64.max
    private var highest: UInt64 = 0
    private var candidates: [(address: UInt64, samples: UInt32)] = []
    /// The window is mapped.
    var hasWindow = false
    /// Nothing is rewritten any more.
    var isOff = false
    /// The host has been told that the processors of this process may be synchronised.
    var isRegistered = false

    var isFull: Bool { entries.count == Self.capacity }

    /// Counts a sample; true where they are enough.
    mutating func note(_ address: UInt64) -> Bool {
        if candidates.isEmpty { candidates = Array(repeating: (0, 0), count: Self.candidateCount) }
        let index = Int((address ^ address >> 4 ^ address >> 12) % UInt64(Self.candidateCount))
        if candidates[index].address != address { candidates[index] = (address, 0) }
        candidates[index].samples += 1
        guard candidates[index].samples >= Self.wantedSamples else { return false }
        candidates[index] = (0, 0)
        return true
    }

    /// The slot of the site, which is to be rewritten.
    mutating func add(_ site: CallSite) -> Int {
        entries.append(Entry(site: site))
        lowest = min(lowest, site.address)
        highest = max(highest, site.returnAddress)
        return entries.count - 1
    }

    /// The slots of the sites that are rewritten now and have a byte in [start, end).
    func slots(in start: UInt64, _ end: UInt64) -> [Int] {
        guard start < highest, end > lowest else { return [] }
        return entries.indices.filter {
            !entries[$0].isRestored && entries[$0].site.address < end && entries[$0].site.returnAddress > start
        }
    }

    mutating func markRestored(_ slot: Int) { entries[slot].isRestored = true }

    /// Whether a site at `address` is rewritten, or has been.
    func knows(_ address: UInt64) -> Bool { entries.contains { $0.site.address == address } }

    func isWindow(_ start: UInt64, _ end: UInt64) -> Bool {
        hasWindow && start < Self.window + Arena.pageSize && end > Self.window
    }
}
