/// What the fault handling asks of the region map.
public protocol GuestMappings: AnyObject {
    /// Keeps the region map as it is until `release`, so that page table entries can be opened by what it says.
    func hold()
    func release()
    /// The mapping that holds `address`, or nil. Between `hold` and `release`.
    func heldMapping(containing address: UInt64) -> GuestMapping?
    /// Whether a system call was rewritten at `address`, and what stands there now is not a breakpoint. Not between `hold` and `release`.
    func isRewritten(_ address: UInt64) -> Bool
    /// Where the `syscall` instruction is that is made by the jump at `address` (`CallSite.relay`); nil where it is no such jump. Not between
    /// `hold` and `release`.
    func systemCall(relayedAt address: UInt64) -> UInt64?
    /// Extends a MAP_GROWSDOWN mapping down to `address` where Linux would. True where it did. Not between `hold` and `release`.
    func growStack(at address: UInt64) -> Bool
}

/// One mapping: bounds, and PROT_* bits.
public struct GuestMapping {
    public let start: UInt64
    public let end: UInt64
    public let protection: Int32

    public init(start: UInt64, end: UInt64, protection: Int32) {
        self.start = start
        self.end = end
        self.protection = protection
    }
}
