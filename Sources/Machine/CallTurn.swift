import CShim
import Host

/// Whose turn it is to make a guest thread's system calls: its own host thread's, which takes the turn whenever the vCPU has left the
/// guest, or the poller's, for as long as it looks at the vCPU's page and makes a call that it finds there. So no two ever serve the same
/// guest thread at once, whatever the guest writes into that page.
public struct CallTurn {
    /// A VMRUN_TURN_* word, which outlives the thread.
    let word: UnsafeMutablePointer<Int32>
    /// The poller's host thread id, for the kick that ends a call which waits after all.
    let poller: UnsafePointer<Int32>

    public init(word: UnsafeMutablePointer<Int32>, poller: UnsafePointer<Int32>) {
        self.word = word
        self.poller = poller
    }

    // MARK: The thread's own host thread

    @inline(__always)
    func giveUp() { vmrun_atomic_store(word, Int32(VMRUN_TURN_GUEST.rawValue)) }

    /// Waits for the end of a call that the poller is in. A signal for the guest ends that call as it would the guest's own.
    @inline(__always)
    func take(_ attention: UnsafePointer<UInt32>) {
        if exchange(VMRUN_TURN_GUEST, VMRUN_TURN_HOST) { return }
        waitForPoller(attention)
    }

    private func exchange(_ expected: vmrun_turn, _ desired: vmrun_turn) -> Bool {
        vmrun_atomic_exchange_if(word, Int32(expected.rawValue), Int32(desired.rawValue)) != 0
    }

    private static let spins = 200

    private func waitForPoller(_ attention: UnsafePointer<UInt32>) {
        for _ in 0..<Self.spins {
            vmrun_pause()
            if exchange(VMRUN_TURN_GUEST, VMRUN_TURN_HOST) { return }
        }
        while !exchange(VMRUN_TURN_GUEST, VMRUN_TURN_HOST) {
            guard vmrun_atomic_load(word) == Int32(VMRUN_TURN_AWAITED.rawValue)
                || exchange(VMRUN_TURN_POLLER, VMRUN_TURN_AWAITED)
            else { continue }
            if attention.pointee != 0 { _ = vmrun_kick(poller.pointee) }
            // The time-out covers a signal that came between the look at the word and the wait.
            var time = timespec(tv_sec: 0, tv_nsec: 5_000_000)
            _ = withUnsafePointer(to: &time) {
                Host.raw(
                    Int32(SYS_futex), Int(bitPattern: word), Int(FUTEX_WAIT_PRIVATE), Int(VMRUN_TURN_AWAITED.rawValue), $0.argument)
            }
        }
    }

    // MARK: In the place of a host thread that is dead

    /// Whether the poller is out of the dead thread's calls for good.
    public func isTakenOver() -> Bool {
        vmrun_atomic_load(word) == Int32(VMRUN_TURN_HOST.rawValue) || exchange(VMRUN_TURN_GUEST, VMRUN_TURN_HOST)
    }

    // MARK: The poller

    /// Whether the poller may look now.
    @inline(__always)
    public func pollerTakes() -> Bool { exchange(VMRUN_TURN_GUEST, VMRUN_TURN_POLLER) }

    @inline(__always)
    public func pollerGivesUp() {
        if vmrun_turn_exchange(word, Int32(VMRUN_TURN_GUEST.rawValue)) == Int32(VMRUN_TURN_AWAITED.rawValue) {
            _ = Host.raw(Int32(SYS_futex), Int(bitPattern: word), Int(FUTEX_WAKE_PRIVATE), 1)
        }
    }
}
