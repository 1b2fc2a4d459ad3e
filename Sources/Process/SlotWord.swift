import CShim
import Host

/// The state of one slot of the session's table: all of it in one word, so that every step is one compare-and-exchange and
/// a process that is killed between two of them leaves nothing half done.
struct SlotWord: Equatable {
    let raw: UInt64

    // Bits 0 to 21: a pid, of which the kernel has at most 2^22. Bits 22 and 23: the state. Bits 24 to 31: a number that tells
    // one thread's reservation from another's. Bits 32 to 63: a time in ticks, which come back after 497 days.
    private static let pidMask: UInt64 = (1 << 22) - 1
    private static let reservedBit: UInt64 = 1 << 22
    private static let memberBit: UInt64 = 1 << 23
    private static let numberShift: UInt64 = 24
    private static let tickShift: UInt64 = 32

    /// Nobody's.
    static let free = SlotWord(raw: 0)

    init(raw: UInt64) { self.raw = raw }

    /// Kept by `pid` for a child that it is about to make.
    static func reserved(by pid: Int32, number: UInt8, at tick: UInt64) -> SlotWord {
        SlotWord(
            raw: tick << tickShift | UInt64(number) << numberShift | reservedBit | UInt64(UInt32(bitPattern: pid)) & pidMask)
    }

    /// Of the process `pid`, which exists at `tick`.
    static func member(_ pid: Int32, at tick: UInt64) -> SlotWord {
        SlotWord(raw: tick << tickShift | memberBit | UInt64(UInt32(bitPattern: pid)) & pidMask)
    }

    var isReserved: Bool { raw & Self.reservedBit != 0 }
    var isMember: Bool { raw & Self.memberBit != 0 }
    /// The member, or who made the reservation.
    var pid: Int32 { Int32(truncatingIfNeeded: raw & Self.pidMask) }
    /// When `pid` was certainly alive.
    private var tick: UInt32 { UInt32(truncatingIfNeeded: raw >> Self.tickShift) }

    /// Whether a process of this pid that started at `start` is the one that was alive at the word's time.
    func isFrom(_ start: UInt64) -> Bool { Int32(bitPattern: tick &- UInt32(truncatingIfNeeded: start)) >= 0 }

    /// Whether this word is younger than another one of the same pid.
    func isYounger(than other: SlotWord) -> Bool { Int32(bitPattern: tick &- other.tick) > 0 }

    /// Now, in the unit of a process's start time: USER_HZ ticks of CLOCK_BOOTTIME.
    static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return UInt64(time.tv_sec) &* 100 &+ UInt64(time.tv_nsec) / 10_000_000
    }
}
