import CShim
import Host
import Synchronization

/// Which descriptor numbers may be synthetic, so that the calls on all others pay one bit test. Bits are set when
/// such a descriptor comes to a number and stay: a vfork child that closes its own copy shares this memory with its parent. The
/// memory is shared with a fork child too, which takes a copy unless it shares the descriptors themselves (CLONE_FILES).
public struct DescriptorFlags {
    /// Numbers from here on count as flagged.
    @usableFromInline static let capacity = 4096
    @usableFromInline let maybe: UnsafeMutablePointer<Atomic<UInt64>>

    private static let words = capacity / 64
    private static let size = words * 8

    /// Lives as long as the process. Without memory every number counts as flagged, which is slow and right.
    init() {
        let page = Host.raw(
            Int32(SYS_mmap), 0, Self.size, Int(PROT_READ | PROT_WRITE), Int(MAP_SHARED | MAP_ANONYMOUS), -1, 0)
        if let memory = page > 0 ? UnsafeMutableRawPointer(bitPattern: page) : nil {
            maybe = memory.bindMemory(to: Atomic<UInt64>.self, capacity: Self.words)
        } else {
            maybe = .allocate(capacity: Self.words)
            for index in 0..<Self.words { (maybe + index).initialize(to: Atomic(~0)) }
        }
    }

    /// In a fork child with descriptors of its own: a copy, at the same place.
    func keepOwn() {
        let place = UnsafeMutableRawPointer(maybe)
        withUnsafeTemporaryAllocation(byteCount: Self.size, alignment: 8) { copy in
            guard let saved = copy.baseAddress else { return }
            saved.copyMemory(from: place, byteCount: Self.size)
            let mapped = Host.raw(
                Int32(SYS_mmap), Int(bitPattern: place), Self.size, Int(PROT_READ | PROT_WRITE),
                Int(MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED), -1, 0)
            if mapped > 0 { place.copyMemory(from: saved, byteCount: Self.size) }
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
    func insert(_ descriptor: Int32) {
        guard descriptor >= 0, descriptor < Self.capacity else { return }
        maybe[Int(descriptor) >> 6].bitwiseOr(1 << UInt64(descriptor & 63), ordering: .relaxed)
    }
}
