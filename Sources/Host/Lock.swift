import CShim
import Synchronization

/// A futex lock that knows its owner, so that a parent can break one that a killed helper process held.
/// Not recursive. Lock order: docs/internals.md.
public final class Lock {
    /// 0 free, otherwise the owner's tid; the top bit says that somebody waits.
    private let word = Atomic<UInt32>(0)
    private static let contended: UInt32 = 0x8000_0000

    public init() {}

    public func lock() {
        let me = vmrun_thread_id()
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
            futex(word, FUTEX_WAIT, marked)
        }
    }

    public func unlock() {
        if word.exchange(0, ordering: .releasing) & Self.contended != 0 { futex(word, FUTEX_WAKE, 1) }
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
}

/// Where threads wait for a change of what a `Lock` guards. A helper process that shares this memory may wait here, too.
public final class Condition {
    private let changes = Atomic<UInt32>(0)
    /// Guarded by the lock. One that was killed stays counted, which costs a call at each change.
    private var waiting = 0

    public init() {}

    /// Gives `lock` up until something has changed, and takes it again. Whoever waits looks again.
    public func wait(_ lock: Lock) {
        let seen = changes.load(ordering: .relaxed)
        waiting += 1
        lock.unlock()
        futex(changes, FUTEX_WAIT, seen)
        lock.lock()
        waiting -= 1
    }

    /// Wakes all who wait. To be called with the lock held.
    public func broadcast() {
        guard waiting > 0 else { return }
        changes.wrappingAdd(1, ordering: .relaxed)
        futex(changes, FUTEX_WAKE, UInt32(Int32.max))
    }
}

/// futex(2) on a word of a heap object that outlives the call.
private func futex(_ word: borrowing Atomic<UInt32>, _ operation: Int32, _ value: UInt32) {
    // SAFETY: an Atomic is stored in place and passed by its address; its only field is the word.
    let address = withUnsafePointer(to: word) { Int(bitPattern: $0) }
    _ = Host.raw(Int32(SYS_futex), address, Int(operation), Int(value))
}
