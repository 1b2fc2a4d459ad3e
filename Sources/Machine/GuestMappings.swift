/// What the fault handling asks of the region map.
public protocol GuestMappings: AnyObject {
    /// The mapping that holds `address`, or nil.
    func mapping(containing address: UInt64) -> GuestMapping?
    /// Extends a MAP_GROWSDOWN mapping down to `address` where Linux would. True where it did.
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
