import CShim
import Host

/// What a host thread has used of the machine. A carrier serves one guest thread after the other, and each begins at zero.
public struct ThreadUsage {
    private var usage = rusage()
    private var cpuTime: Int64 = 0

    private static let second: Int64 = 1_000_000_000
    private static let RUSAGE_THREAD = 1

    init() {}

    /// The calling host thread's.
    static func current() -> ThreadUsage {
        var result = ThreadUsage()
        _ = withUnsafeMutablePointer(to: &result.usage) { Host.raw(Int32(SYS_getrusage), RUSAGE_THREAD, $0.argument) }
        var time = timespec()
        _ = withUnsafeMutablePointer(to: &time) {
            Host.raw(Int32(SYS_clock_gettime), Int(CLOCK_THREAD_CPUTIME_ID), $0.argument)
        }
        result.cpuTime = Int64(time.tv_sec) &* second &+ Int64(time.tv_nsec)
        return result
    }

    /// Takes this off a reading of the thread's CPU clock.
    public func subtract(from time: inout timespec) {
        let rest = max(0, Int64(time.tv_sec) &* Self.second &+ Int64(time.tv_nsec) &- cpuTime)
        time = timespec(tv_sec: Int(rest / Self.second), tv_nsec: Int(rest % Self.second))
    }

    /// Takes this off what getrusage(2) says of the thread. The largest resident size is the process's.
    public func subtract(from other: inout rusage) {
        Self.subtract(usage.ru_utime, from: &other.ru_utime)
        Self.subtract(usage.ru_stime, from: &other.ru_stime)
        other.ru_minflt -= min(usage.ru_minflt, other.ru_minflt)
        other.ru_majflt -= min(usage.ru_majflt, other.ru_majflt)
        other.ru_inblock -= min(usage.ru_inblock, other.ru_inblock)
        other.ru_oublock -= min(usage.ru_oublock, other.ru_oublock)
        other.ru_nvcsw -= min(usage.ru_nvcsw, other.ru_nvcsw)
        other.ru_nivcsw -= min(usage.ru_nivcsw, other.ru_nivcsw)
    }

    private static func subtract(_ earlier: timeval, from time: inout timeval) {
        let million = 1_000_000
        let rest = max(0, (time.tv_sec &- earlier.tv_sec) &* million &+ Int(time.tv_usec) &- Int(earlier.tv_usec))
        time = timeval(tv_sec: rest / million, tv_usec: rest % million)
    }
}
