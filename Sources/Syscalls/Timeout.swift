import CShim
import GuestMemory
import Host
import LinuxABI

/// A relative time-out that a call of several host calls keeps itself.
struct Timeout {
    /// When it ends, in nanoseconds of CLOCK_MONOTONIC.
    private let end: Int64

    /// Reads the guest's timespec: EFAULT, or EINVAL where it is not normalised.
    init(at address: UInt64) throws(GuestErrno) {
        let value = try GuestAccess.read(timespec.self, at: GuestAddress(address))
        guard value.tv_sec >= 0, value.tv_nsec >= 0, value.tv_nsec < 1_000_000_000 else { throw .EINVAL }
        let (seconds, far) = Int64(value.tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, farther) = seconds.addingReportingOverflow(Int64(value.tv_nsec) &+ Self.now)
        end = far || farther ? .max : sum
    }

    private static var now: Int64 {
        var time = timespec()
        withUnsafeMutablePointer(to: &time) {
            _ = Host.raw(Int32(SYS_clock_gettime), Int(CLOCK_MONOTONIC), $0.argument)
        }
        return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }

    var isOver: Bool { Self.now >= end }

    /// Writes what is left, as the kernel does.
    func store(at address: UInt64) throws(GuestErrno) {
        let left = max(0, end &- Self.now)
        let value = timespec(tv_sec: Int(left / 1_000_000_000), tv_nsec: Int(left % 1_000_000_000))
        try GuestAccess.write(value, at: GuestAddress(address))
    }
}
