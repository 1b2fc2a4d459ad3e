import CShim
import Host
import KVM

/// What the host says of itself in /proc and /sys.
enum HostFacts {
    static var kernelRelease: String { firstLine("/proc/sys/kernel/osrelease") ?? "unknown" }

    /// The setting of transparent huge pages, which the kernel shows in brackets; nil where it has none.
    static var hugePages: String? {
        guard let text = firstLine("/sys/kernel/mm/transparent_hugepage/enabled"), let start = text.firstIndex(of: "["),
            let end = text.firstIndex(of: "]"), start < end
        else { return nil }
        return String(text[text.index(after: start)..<end])
    }

    /// Whether madvise(2) knows MADV_POPULATE_READ (Linux 5.14), without which faults have no address.
    static var canPopulate: Bool {
        var local: UInt8 = 0
        return withUnsafeMutablePointer(to: &local) {
            Host.raw(Int32(SYS_madvise), $0.argument & ~4095, 4096, Int(MADV_POPULATE_READ)) == 0
        }
    }

    /// How guests come by the time.
    static func clock(_ system: KVMSystem) -> String {
        let source = firstLine("/sys/devices/system/clocksource/clocksource0/current_clocksource") ?? "unknown"
        guard system.sharesCounter else { return "by system calls" }
        return HostProcessor.readableClocks.contains(source) ? "without a system call (\(source))" : "by system calls (\(source))"
    }

    /// Whether a file or directory is there.
    static func exists(_ path: String) -> Bool {
        path.withCString { Host.raw(Int32(SYS_faccessat), Int(AT_FDCWD), $0.argument, 0) } >= 0
    }

    /// The first line of a small file; nil where it cannot be read or is empty.
    static func firstLine(_ path: String) -> String? {
        Host.withFileStart(path, capacity: 1024) { String(decoding: $0.prefix { $0 != 0x0a && $0 != 0 }, as: UTF8.self) }
    }

    /// The name that /etc/group has for a group, or its number.
    static func groupName(_ number: UInt32) -> String {
        let wanted = "\(number)"
        return Host.withFileStart("/etc/group", capacity: 65536) { text -> String? in
            for line in text.split(separator: 0x0a) {
                let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
                if fields.count > 2 && fields[2].elementsEqual(wanted.utf8) { return String(decoding: fields[0], as: UTF8.self) }
            }
            return nil
        } ?? wanted
    }
}
