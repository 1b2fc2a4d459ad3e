import CShim

/// The host's clocks.
public enum Clock {
    /// CLOCK_MONOTONIC in nanoseconds, through the vDSO.
    public static func monotonic() -> UInt64 { nanoseconds(CLOCK_MONOTONIC) }

    /// Processor time of this process's threads in nanoseconds.
    static func ofProcess() -> UInt64 { nanoseconds(CLOCK_PROCESS_CPUTIME_ID) }

    private static func nanoseconds(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}
