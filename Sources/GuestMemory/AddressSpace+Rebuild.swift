import CShim
import Host
import LinuxABI

/// The region map after a process that shared this memory was killed in the middle of a change. What its tree says cannot be relied on then. The host's
/// mm is whole, so the regions are the host's mappings; the map's nodes tell of them what the host does not.
extension AddressSpace {
    /// With the lock held, by the dead one.
    func rebuildRegions() {
        let descriptor = HostFile.open(Array("/proc/thread-self/maps".utf8), O_RDONLY)
        guard descriptor >= 0 else { return }
        defer { _ = Host.raw(Int32(SYS_close), descriptor) }
        guard let text = HostFile.contents(of: descriptor, limit: .max) else { return }
        let known = regions.salvage()
        regions.removeAll()
        var first = 0
        for line in text.split(separator: UInt8(ascii: "\n")) {
            guard let mapping = HostMapping(line), mapping.start < Arena.top else { break }
            while first < known.count && known[first].end <= mapping.start { first += 1 }
            var index = first
            var cursor = mapping.start
            while cursor < mapping.end {
                // Nodes may overlap where one was being made of another.
                while index < known.count && known[index].end <= cursor { index += 1 }
                let next = index < known.count && known[index].start < mapping.end ? known[index] : nil
                let end = min(next.map { $0.start <= cursor ? $0.end : $0.start } ?? mapping.end, mapping.end)
                // A stack that the host has grown is what it was.
                let isOf = next.map { $0.start <= cursor || ($0.start == end && $0.flags.contains(.growsDown)) } ?? false
                regions.insert(region(of: mapping, isOf ? next : nil, cursor, end))
                cursor = end
            }
        }
    }

    private func region(of mapping: HostMapping, _ known: Region?, _ start: UInt64, _ end: UInt64) -> Region {
        var result = known ?? Region(
            start: start, end: end, protection: 0, kind: mapping.isFile ? .file : .anonymous, flags: mapping.isShared ? .shared : [])
        if let known, known.hasOffset {
            result.offset = known.offset &+ (start &- known.start)
        } else if mapping.isFile && known == nil {
            result.offset = mapping.offset &+ (start &- mapping.start)
        }
        result.start = start
        result.end = end
        result.protection = effective(UInt64(mapping.protection))
        return result
    }
}

/// One line of /proc/PID/maps: `start-end perms offset device inode name`.
struct HostMapping: Equatable {
    let start, end, offset: UInt64
    let protection: Int32
    let isShared: Bool
    /// Whether it is of a file, such as the ones behind shared memory.
    let isFile: Bool

    /// Nil for what is no such line.
    init?(_ line: ArraySlice<UInt8>) {
        let words = line.split(separator: 0x20, maxSplits: 5)
        guard words.count >= 5, words[1].count >= 4 else { return nil }
        let bounds = words[0].split(separator: UInt8(ascii: "-"))
        guard bounds.count == 2, let start = Self.number(bounds[0]), let end = Self.number(bounds[1]), start < end,
            let offset = Self.number(words[2])
        else { return nil }
        let access = Array(words[1])
        self.start = start
        self.end = end
        self.offset = offset
        protection =
            (access[0] == UInt8(ascii: "r") ? PROT_READ : 0) | (access[1] == UInt8(ascii: "w") ? PROT_WRITE : 0)
            | (access[2] == UInt8(ascii: "x") ? PROT_EXEC : 0)
        isShared = access[3] == UInt8(ascii: "s")
        isFile = !words[4].elementsEqual("0".utf8)
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
        guard !digits.isEmpty, digits.count <= 16 else { return nil }
        var result: UInt64 = 0
        for byte in digits {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): result = result << 4 | UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): result = result << 4 | UInt64(byte - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return result
    }
}
