import CShim
import Host

/// Which system calls can wait for long, and by what that is known of one that is about to be made: for traces.
enum Waiting {
    enum Kind {
        case always
        /// The first argument is a descriptor that has nothing to be read, or no room.
        case reading, writing
        /// This argument is a time, or a flag that forbids to wait.
        case unlessZero(Int)
        case unlessFlag(Int, UInt64)
        case futex
    }

    static let kinds: [(name: StaticString, kind: Kind)] = [
        ("read", .reading), ("readv", .reading), ("recvfrom", .reading), ("recvmsg", .reading), ("accept", .reading), ("accept4", .reading),
        ("write", .writing), ("writev", .writing), ("sendto", .writing), ("sendmsg", .writing),
        ("wait4", .unlessFlag(2, 1)), ("waitid", .unlessFlag(3, 1)), ("futex", .futex), ("futex_waitv", .always),
        ("poll", .unlessZero(2)), ("ppoll", .always), ("select", .always), ("pselect6", .always), ("epoll_wait", .unlessZero(3)),
        ("epoll_pwait", .unlessZero(3)), ("epoll_pwait2", .always), ("pause", .always), ("rt_sigsuspend", .always),
        ("rt_sigtimedwait", .always), ("nanosleep", .always), ("clock_nanosleep", .always), ("flock", .unlessFlag(1, 4)),
        ("msgrcv", .always), ("semop", .always),
    ]

    /// FUTEX_WAIT, FUTEX_LOCK_PI, FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI, FUTEX_LOCK_PI2.
    static let futexOperations: [UInt64] = [0, 6, 9, 11, 13]

    static func matches(_ name: StaticString, _ other: StaticString) -> Bool {
        name.utf8CodeUnitCount == other.utf8CodeUnitCount && memcmp(name.utf8Start, other.utf8Start, name.utf8CodeUnitCount) == 0
    }

    /// True also of what is no descriptor of the guest's.
    static func isReady(_ descriptor: UInt64, _ events: Int32) -> Bool {
        let number = Int32(truncatingIfNeeded: descriptor)
        if number < 0 || InternalDescriptors.contains(number) { return true }
        var source = pollfd(fd: number, events: Int16(events), revents: 0)
        var atOnce = timespec()
        return withUnsafeMutablePointer(to: &source) { source in
            withUnsafeMutablePointer(to: &atOnce) { Host.raw(Int32(SYS_ppoll), source.argument, 1, $0.argument, 0, 8) }
        } != 0
    }
}
