import CShim
import Host

/// What the resolver has to know of the host's own mounts.
enum HostMounts {
    /// Where the host has procfs mounted: through one of them a guest would reach vmrun's own memory and descriptors. Empty
    /// where the host does not tell.
    static func procfs() -> [[UInt8]] {
        let opened = HostPath.withStaticPath("/proc/self/mountinfo") {
            Host.raw(Int32(SYS_openat), Int(AT_FDCWD), $0.argument, Int(O_RDONLY | O_CLOEXEC))
        }
        guard opened >= 0 else { return [] }
        let descriptor = Int32(opened)
        defer { Host.close(descriptor) }
        return parse(readAll(descriptor))
    }

    private static func readAll(_ descriptor: Int32) -> [UInt8] {
        var bytes: [UInt8] = []
        let step = 16 * 1024
        while true {
            var count = 0
            let part = [UInt8](unsafeUninitializedCapacity: step) { buffer, filled in
                count = Host.raw(Int32(SYS_read), Int(descriptor), Int(bitPattern: buffer.baseAddress), step)
                filled = max(count, 0)
            }
            if count == -Int(EINTR) { continue }
            if count <= 0 { return bytes }
            bytes.append(contentsOf: part)
        }
    }

    /// The mount points of type proc in the text of mountinfo, see proc_pid_mountinfo(5).
    static func parse(_ text: [UInt8]) -> [[UInt8]] {
        var result: [[UInt8]] = []
        for line in text.split(separator: 0x0a) {
            let fields = line.split(separator: 0x20)
            let mountPoint = 4
            // Optional fields end with a single hyphen; the type comes next.
            guard fields.count > mountPoint, let hyphen = fields.firstIndex(where: { $0.elementsEqual([0x2d]) }),
                hyphen > mountPoint, hyphen + 1 < fields.count, fields[hyphen + 1].elementsEqual("proc".utf8)
            else { continue }
            let path = unescaped(Array(fields[mountPoint]))
            result.append(path == [slash] ? [] : path)
        }
        return result
    }

    /// `\040` and the like, which stand for space, tab, newline and backslash.
    private static func unescaped(_ field: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var index = 0
        while index < field.count {
            let digits = field[(index + 1)...].prefix(3)
            if field[index] == 0x5c, digits.count == 3, digits.allSatisfy({ (0x30...0x37).contains($0) }) {
                result.append(digits.reduce(0) { $0 << 3 | ($1 & 7) })
                index += 4
            } else {
                result.append(field[index])
                index += 1
            }
        }
        return result
    }
}
