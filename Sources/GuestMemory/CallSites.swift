import CShim

/// A system call's place in a program: instructions that can become a jump.
public struct CallSite: Equatable {
    public enum Form: Equatable {
        /// `mov $number, %eax; syscall`. The MOV becomes a jump through a slot, whose last two bytes are the `syscall`.
        case moved
        /// `xor %eax, %eax; syscall; cmp $-4096, %rax; ja; ret` and padding, which nobody gets to: there is the jump through the slot, the
        /// *relay*, and the XOR becomes a jump to it.
        case zeroed
        /// `mov 8(%rsp), %r9; syscall`, as in C libraries' syscall(2), which has the number in a register. Its MOV becomes a jump as that of `moved` does.
        case loaded
    }

    public let form: Form
    public let address: UInt64
    /// Where the site has it; else that of the call which made it hot.
    public let number: UInt32
    /// What stood in the relay's place.
    private let padding: UInt64

    /// Where the call goes on.
    public var returnAddress: UInt64 { address &+ UInt64(form == .zeroed ? 4 : 7) }
    public var relay: UInt64? { form == .zeroed ? address &+ Self.relayOffset : nil }
    /// Behind the last byte that changes.
    var end: UInt64 { form == .zeroed ? address &+ Self.relayOffset &+ 7 : returnAddress }

    /// A few bytes to be written at once.
    struct Bytes {
        let address: UInt64
        /// Lowest first.
        let value: UInt64
        let count: Int
    }

    private static let relayOffset: UInt64 = 13
    private static let zeroedStart: [UInt8] = [0x31, 0xc0, 0x0f, 0x05, 0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff, 0x77]
    /// `mov %r9, %r8; mov 8(%rsp), %r9`: the MOV before shows that the other one begins where it seems to.
    private static let loads: [UInt8] = [0x4d, 0x89, 0xc8, 0x4c, 0x8b, 0x4c, 0x24, 0x08]
    private static let ret: UInt8 = 0xc3
    /// The NOPs of seven bytes and more that assemblers fill up with.
    private static let paddings: [[UInt8]] = [
        [0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0], [0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
        [0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0], [0x0f, 0x1f, 0x80, 0, 0, 0, 0],
    ]
    /// `mov 8(%rsp), %r9`, lowest byte first.
    public static let load: UInt64 = 0x08_244c_8b4c
    /// How much has to be seen of the text before and behind a call, where the page has it.
    static let before: UInt64 = 10
    static let behind: UInt64 = 20

    /// The site of the call `number` that goes on at `returnAddress`. `text` is what stands there, from `before` bytes before on.
    /// Nil for other instructions.
    init?(of number: UInt32, returnAddress: UInt64, _ text: [UInt8]) {
        let call = Int(Self.before) - 2
        guard text.count >= call + 2, text[call] == 0x0f, text[call + 1] == 0x05 else { return nil }
        if text[call - 5] == 0xb8, Self.canPrecede(text[call - 6]), number == Self.number(text[(call - 4)..<call]) {
            (form, address, padding) = (.moved, returnAddress &- 7, 0)
        } else if number == 0, text[(call - 2)...].starts(with: Self.zeroedStart), Self.canPrecede(text[call - 3]),
            let padding = Self.padding(text[(call - 2)...].dropFirst(Self.zeroedStart.count + 1))
        {
            (form, address, self.padding) = (.zeroed, returnAddress &- 4, padding)
        } else if text[..<call].elementsEqual(Self.loads) {
            (form, address, padding) = (.loaded, returnAddress &- 7, 0)
        } else {
            return nil
        }
        self.number = number
    }

    /// Whether the byte before is the end of another instruction: no REX or size prefix, and not the start of an operand in memory whose last
    /// bytes only look like a MOV.
    private static func canPrecede(_ byte: UInt8) -> Bool { byte & 0xf0 != 0x40 && byte != 0x66 && byte != 0x24 }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) } }

    /// The first seven bytes of the padding behind a RET.
    private static func padding(_ text: ArraySlice<UInt8>) -> UInt64? {
        guard text.first == ret, let found = paddings.first(where: { text.dropFirst().starts(with: $0) }) else { return nil }
        return found.prefix(7).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// `jmp *slot`: seven bytes, the last two of which are a `syscall`.
    static func jump(slot: Int) -> UInt64 { 0x25_24ff | (CallSites.window + UInt64(slot) * 8) << 24 }

    /// What makes the site jump through the slot, in the order in which it is to be written.
    func jump(through slot: Int) -> [Bytes] {
        guard let relay else { return [Bytes(address: address, value: Self.jump(slot: slot), count: 5)] }
        return [
            Bytes(address: relay, value: Self.jump(slot: slot), count: 7),
            Bytes(address: address, value: 0xeb | (Self.relayOffset - 2) << 8, count: 2),
        ]
    }

    /// What makes it the program's own again. Where other processors may be between the two jumps the relay makes the call by itself instead.
    func original(alone: Bool) -> [Bytes] {
        guard let relay else {
            return [Bytes(address: address, value: form == .loaded ? Self.load : 0xb8 | UInt64(number) << 8, count: 5)]
        }
        return [
            Bytes(address: address, value: 0xc031, count: 2),
            alone ? Bytes(address: relay, value: padding, count: 7) : Bytes(address: relay, value: 0xf1eb_c031, count: 4),
        ]
    }
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
        highest = max(highest, site.end)
        return entries.count - 1
    }

    /// The slots of the sites that are rewritten now and have a byte in [start, end).
    func slots(in start: UInt64, _ end: UInt64) -> [Int] {
        guard start < highest, end > lowest else { return [] }
        return entries.indices.filter {
            !entries[$0].isRestored && entries[$0].site.address < end && entries[$0].site.end > start
        }
    }

    mutating func markRestored(_ slot: Int) { entries[slot].isRestored = true }

    /// Whether `address` is that of a site that is rewritten or has been, or of its relay.
    func knows(_ address: UInt64) -> Bool { entries.contains { $0.site.address == address || $0.site.relay == address } }

    /// The site whose relay is, or was, at `address`.
    func site(withRelay address: UInt64) -> CallSite? { entries.last { $0.site.relay == address }?.site }

    func isWindow(_ start: UInt64, _ end: UInt64) -> Bool {
        hasWindow && start < Self.window + Arena.pageSize && end > Self.window
    }
}
