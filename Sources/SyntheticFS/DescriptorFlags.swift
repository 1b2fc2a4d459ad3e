import Synchronization

/// Which descriptor numbers may be synthetic, so that the calls on all others pay one bit test. Bits are set when
/// such a descriptor comes to a number and stay: a vfork child that closes its own copy shares this memory with its parent.
public struct DescriptorFlags {
    /// Numbers from here on count as flagged.
    @usableFromInline static let capacity = 4096
    @usableFromInline let maybe: UnsafeMutablePointer<Atomic<UInt64>>
    /// Content was just generated and nothing has been read yet.
    private let fresh: UnsafeMutablePointer<Atomic<UInt64>>

    /// Lives as long as the process.
    init() {
        let words = Self.capacity / 64
        maybe = .allocate(capacity: words)
        fresh = .allocate(capacity: words)
        for index in 0..<words {
            (maybe + index).initialize(to: Atomic(0))
            (fresh + index).initialize(to: Atomic(0))
        }
    }

    @inlinable
    @inline(__always)
    func contains(_ descriptor: Int32) -> Bool {
        guard descriptor >= 0 else { return false }
        guard descriptor < Self.capacity else { return true }
        // SAFETY: the index is below the capacity.
        return maybe[Int(descriptor) >> 6].load(ordering: .relaxed) & (1 << UInt64(descriptor & 63)) != 0
    }

    @usableFromInline
    func insert(_ descriptor: Int32, fresh isFresh: Bool) {
        guard descriptor >= 0, descriptor < Self.capacity else { return }
        let bit: UInt64 = 1 << UInt64(descriptor & 63)
        maybe[Int(descriptor) >> 6].bitwiseOr(bit, ordering: .relaxed)
        if isFresh {
            fresh[Int(descriptor) >> 6].bitwiseOr(bit, ordering: .relaxed)
        } else {
            fresh[Int(descriptor) >> 6].bitwiseAnd(~bit, ordering: .relaxed)
        }
    }

    /// Whether the content was fresh; it no longer is.
    func takeFresh(_ descriptor: Int32) -> Bool {
        guard descriptor >= 0, descriptor < Self.capacity else { return false }
        let bit: UInt64 = 1 << UInt64(descriptor & 63)
        return fresh[Int(descriptor) >> 6].bitwiseAnd(~bit, ordering: .relaxed).oldValue & bit != 0
    }
}
