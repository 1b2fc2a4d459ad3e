import CShim
import Host

/// Fields of the host's /proc.
enum ProcessStat {
    /// Start time in clock ticks since boot (field 22), which together with the pid names a process for good. Nil where there
    /// is no such process.
    static func startTime(_ pid: Int32) -> UInt64? {
        Host.withFileStart("/proc/\(pid)/stat", capacity: 1024) { text -> UInt64? in
            // The command may hold anything, so fields count from its last parenthesis.
            guard let close = text.lastIndex(of: UInt8(ascii: ")")) else { return nil }
            var field = 2
            var value: UInt64 = 0
            for byte in text[(close + 1)...] {
                if byte == UInt8(ascii: " ") {
                    if field == 22 { return value }
                    field += 1
                    value = 0
                } else if byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") {
                    value = value &* 10 &+ UInt64(byte - UInt8(ascii: "0"))
                }
            }
            return nil
        }
    }

    /// Signals pending for the calling thread alone (SigPnd of /proc/thread-self/status).
    static func pendingForThread() -> UInt64 {
        Host.withFileStart("/proc/thread-self/status", capacity: 4096) { text -> UInt64? in
            for line in text.split(separator: UInt8(ascii: "\n")) where line.starts(with: "SigPnd:".utf8) {
                var value: UInt64 = 0
                for byte in line.dropFirst(7) {
                    switch byte {
                    case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt64(byte - UInt8(ascii: "0"))
                    case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt64(byte - UInt8(ascii: "a") + 10)
                    default: break
                    }
                }
                return value
            }
            return nil
        } ?? 0
    }
}
