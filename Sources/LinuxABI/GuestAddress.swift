/// An address in the guest's address space, unchecked. Memory behind it is reached through GuestMemory's accessors only.
public struct GuestAddress: Equatable, Comparable, Hashable {
    public var raw: UInt64

    @inlinable
    public init(_ raw: UInt64) { self.raw = raw }

    public static let null = GuestAddress(0)

    @inlinable
    public static func < (a: GuestAddress, b: GuestAddress) -> Bool { a.raw < b.raw }

    /// Wraps, as guest arithmetic does; the check happens on access.
    @inlinable
    public static func + (a: GuestAddress, offset: Int) -> GuestAddress {
        GuestAddress(a.raw &+ UInt64(bitPattern: Int64(offset)))
    }

    @inlinable
    public static func - (a: GuestAddress, offset: Int) -> GuestAddress {
        GuestAddress(a.raw &- UInt64(bitPattern: Int64(offset)))
    }
}
