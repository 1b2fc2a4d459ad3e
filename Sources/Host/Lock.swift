import CShim
import Synchronization

/// A futex lock that knows its owner, so that a parent can break one that a killed helper process held.
/// Not recursive. Lock order: docs/internals.md.
public final class Lock {
    /// 0 free, otherwise the owner's tid; the top bit says that somebody waits.
    private let word = Atomic<UInt32>(0)
    private static let contended: UInt32 = 0x8000_0000

    public init() {}

    @inline(__always)
    private var selfID: UInt32 {
        UInt32(bitPattern: vmrun_thread_self().map { $0.pointee.tid } ?? Int32(Host.raw(Int32(SYS_gettid))))
    }

    public func lock() {
        let me = selfID
        if word.compareExchange(expected: 0, desired: me, ordering: .acquiring).exchanged { return }
        while true {
            let seen = word.load(ordering: .relaxed)
            if seen == 0 {
                // Waiters may be left, so the lock is taken as contended.
                if word.compareExchange(expected: 0, desired: me | Self.contended, ordering: .acquiring).exchanged {
                    return
                }
                continue
            }
            let marked = seen | Self.contended
            if seen != marked && !word.compareExchange(expected: seen, desired: marked, ordering: .relaxed).exchanged {
                continue
            }
            futex(FUTEX_WAIT, marked)
        }
    }

    public func unlock() {
        if word.exchange(0, ordering: .releasing) & Self.contended != 0 { futex(FUTEX_WAKE, 1) }
    }

    /// The tid that holds the lock, 0 for none.
    public var owner: UInt32 { word.load(ordering: .relaxed) & ~Self.contended }

    /// Frees the lock of an owner known to be dead. True where it was held by `tid`.
    public func breakIfOwned(by tid: UInt32) -> Bool {
        guard owner == tid else { return false }
        unlock()
        return true
    }

    @inline(__always)
    public func withLock<Result>(_ body: () -> Result) -> Result {
        lock()
        defer { unlock() }
        return body()
    }

    private func futex(_ operation: Int32, _ value: UInt32) {
        let address = unsafeAddress
        _ = Host.raw(Int32(SYS_futex), address, Int(operation), Int(value))
    }

    private var unsafeAddress: Int {
        // SAFETY: the Atomic is stored inline in this heap object, which outlives the call; its only field is the word.
        withUnsafePointer(to: word) { Int(bitPattern: $0) }
    }
}
