/// The operations of futex(2), without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME.
public enum FutexOperation: UInt32 {
    case FUTEX_WAIT = 0
    case FUTEX_WAKE = 1
    case FUTEX_FD = 2
    case FUTEX_REQUEUE = 3
    case FUTEX_CMP_REQUEUE = 4
    case FUTEX_WAKE_OP = 5
    case FUTEX_LOCK_PI = 6
    case FUTEX_UNLOCK_PI = 7
    case FUTEX_TRYLOCK_PI = 8
    case FUTEX_WAIT_BITSET = 9
    case FUTEX_WAKE_BITSET = 10
    case FUTEX_WAIT_REQUEUE_PI = 11
    case FUTEX_CMP_REQUEUE_PI = 12
    case FUTEX_LOCK_PI2 = 13

    /// The operation in futex(2)'s second argument; nil for one that does not exist.
    @inlinable
    public init?(argument: UInt64) { self.init(rawValue: UInt32(truncatingIfNeeded: argument) & ~0x180) }

    /// Whether the fourth argument is a time-out; for the others it is a number.
    @inlinable
    public var hasTimeout: Bool {
        switch self {
        case .FUTEX_WAIT, .FUTEX_LOCK_PI, .FUTEX_WAIT_BITSET, .FUTEX_WAIT_REQUEUE_PI, .FUTEX_LOCK_PI2: true
        default: false
        }
    }

    /// Whether the fifth argument is a second futex.
    @inlinable
    public var hasSecondFutex: Bool {
        switch self {
        case .FUTEX_REQUEUE, .FUTEX_CMP_REQUEUE, .FUTEX_WAKE_OP, .FUTEX_WAIT_REQUEUE_PI, .FUTEX_CMP_REQUEUE_PI: true
        default: false
        }
    }

    /// Whether the kernel ties an owner to the futex (FUTEX_*_PI).
    @inlinable
    public var inheritsPriority: Bool {
        switch self {
        case .FUTEX_LOCK_PI, .FUTEX_TRYLOCK_PI, .FUTEX_WAIT_REQUEUE_PI, .FUTEX_CMP_REQUEUE_PI, .FUTEX_LOCK_PI2: true
        default: false
        }
    }
}
