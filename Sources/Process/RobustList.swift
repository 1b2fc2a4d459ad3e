import CShim
import GuestMemory
import Host
import LinuxABI

/// What the kernel does with a thread's robust futexes at its end (kernel/futex/core.c, Documentation/locking/robust-futexes.rst).
/// vmrun walks the list itself: the host thread lives on for another guest thread, and the list is guest memory, which
/// must not lead to vmrun's own words. The kernel has the list too, for deaths that vmrun does not see.
struct RobustList {
    private let tid: UInt32
    private let head: UInt64
    private var offset: Int64 = 0
    /// A futex of the list is priority-inheriting: what the kernel knows of such ends only with the host thread.
    private(set) var hasPriorityInheritance = false

    private static let waiters: UInt32 = 0x8000_0000
    private static let ownerDied: UInt32 = 0x4000_0000
    private static let ownerMask: UInt32 = 0x3fff_ffff
    private static let limit = 2048

    init(head: UInt64, tid: Int32) {
        self.head = head
        self.tid = UInt32(bitPattern: tid)
    }

    /// Gives up every lock on the list, and the one that was just being taken or released. Ends quietly at a bad pointer.
    mutating func giveUp() {
        guard let next = read(head), let futexOffset = read(head &+ 8), let pending = read(head &+ 16) else { return }
        offset = Int64(bitPattern: futexOffset)
        var entry = next
        var count = 0
        while entry & ~1 != head && count < Self.limit {
            // The entry goes out of reach when its waiter takes it over.
            let following = read(entry & ~1)
            if entry & ~1 != pending & ~1 && !giveUp(entry, isPending: false) { return }
            guard let following else { return }
            entry = following
            count += 1
        }
        if pending & ~1 != 0 { _ = giveUp(pending, isPending: true) }
    }

    private func read(_ address: UInt64) -> UInt64? { try? GuestAccess.read(UInt64.self, at: GuestAddress(address)) }

    /// One futex: marks it as left behind where this thread holds it, and wakes a waiter. False at a bad pointer.
    private mutating func giveUp(_ entry: UInt64, isPending: Bool) -> Bool {
        let inherits = entry & 1 != 0
        if inherits { hasPriorityInheritance = true }
        let address = GuestAddress((entry & ~1) &+ UInt64(bitPattern: offset))
        guard address.raw & 3 == 0, Arena.contains(address, length: 4) else { return false }
        guard let word = Arena.pointer(address) else { return false }
        var value: UInt32 = 0
        guard vmrun_load32(word, &value) == 0 else { return false }
        if isPending && !inherits && value == 0 {
            // Released, and the waiter not woken yet.
            wake(address)
            return true
        }
        while value & Self.ownerMask == tid {
            let left = value & Self.waiters | Self.ownerDied
            switch vmrun_exchange32(word, &value, left) {
            case 0:
                if !inherits && left & Self.waiters != 0 { wake(address) }
                return true
            case 1: continue
            default: return false
            }
        }
        return true
    }

    private func wake(_ address: GuestAddress) {
        _ = Host.raw(Int32(SYS_futex), Int(address.raw), Int(FUTEX_WAKE), 1)
    }
}
