import CShim
import Host

/// Fields of the host's /proc.
enum ProcessStat {
    /// What /proc/PID/stat says of a process or thread.
    struct Life {
        /// Clock ticks since boot (field 22), which together with the pid names a process for good.
        var startTick: UInt64
        /// It has ended and was not reaped yet.
        var isZombie: Bool
    }

    /// Nil where there is no such process.
    static func life(_ pid: Int32) -> Life? {
        Host.withFileStart("/proc/\(pid)/stat", capacity: 1024) { text -> Life? in
            // The command may hold anything, so fields count from its last parenthesis.
            guard let close = text.lastIndex(of: UInt8(ascii: ")")), close + 2 < text.count else { return nil }
            let state = text[close + 2]
            var field = 2
            var value: UInt64 = 0
            for byte in text[(close + 1)...] {
                if byte == UInt8(ascii: " ") {
                    if field == 22 {
                        return Life(
                            startTick: value, isZombie: state == UInt8(ascii: "Z") || state == UInt8(ascii: "X"))
                    }
                    field += 1
                    value = 0
                } else if byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") {
                    value = value &* 10 &+ UInt64(byte - UInt8(ascii: "0"))
                }
            }
            return nil
        }
    }

    /// The process that a thread id belongs to (Tgid of /proc/TID/status), nil where there is none.
    static func process(ofThread thread: Int32) -> Int32? { number("Tgid:", in: "/proc/\(thread)/status") }

    /// The process that a pidfd of the caller's names; nil where it is none, -1 where the process is gone.
    static func process(ofPidfd descriptor: Int32) -> Int32? { number("Pid:", in: "/proc/self/fdinfo/\(descriptor)") }

    /// The number in the line of a file of /proc that begins with `label`.
    private static func number(_ label: StaticString, in path: String) -> Int32? {
        Host.withFileStart(path, capacity: 1024) { text -> Int32? in
            for line in text.split(separator: UInt8(ascii: "\n"))
            where label.withUTF8Buffer({ line.starts(with: $0) }) {
                if line.contains(UInt8(ascii: "-")) { return -1 }
                var value: Int32 = 0
                for byte in line where byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") {
                    value = value &* 10 &+ Int32(byte - UInt8(ascii: "0"))
                }
                return value
            }
            return nil
        }
    }

    /// Bytes of the calling process's pages that are private or of shared mappings without a file, whoever else has them.
    static func residentMemory() -> UInt64? { sum("RssAnon:", "RssShmem:", in: "/proc/self/status", capacity: 4096) }

    /// The same of any process, each page divided by how many have it. Nil where it may not be asked, or has ended.
    static func share(of pid: Int32) -> UInt64? {
        sum("Pss_Anon:", "Pss_Shmem:", in: "/proc/\(pid)/smaps_rollup", capacity: 2048)
    }

    /// Two lines in KiB together, in bytes.
    private static func sum(_ first: StaticString, _ second: StaticString, in path: String, capacity: Int) -> UInt64? {
        Host.withFileStart(path, capacity: capacity) { text -> UInt64? in
            var result: UInt64?
            for line in text.split(separator: UInt8(ascii: "\n"))
            where first.withUTF8Buffer({ line.starts(with: $0) }) || second.withUTF8Buffer({ line.starts(with: $0) }) {
                var value: UInt64 = 0
                for byte in line where byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") {
                    value = value &* 10 &+ UInt64(byte - UInt8(ascii: "0"))
                }
                result = (result ?? 0) &+ value &* 1024
            }
            return result
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
