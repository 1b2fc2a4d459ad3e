/// /proc/PID/smaps_rollup, from smaps: the sums of its fields over the guest's mappings.
extension MapsText {
    /// What a mapping's pages are, where they are not anonymous.
    private enum Backing {
        case anonymous, file, sharedMemory
    }

    /// Proportional set sizes by kind, which smaps does not have.
    private struct Proportions {
        var anonymous: UInt64 = 0
        var file: UInt64 = 0
        var sharedMemory: UInt64 = 0

        /// Pages of a file that were written to are anonymous. How many processes share those smaps does not tell: none, mostly.
        mutating func add(_ backing: Backing, total: UInt64, anonymous written: UInt64) {
            let own = backing == .anonymous ? total : min(written, total)
            anonymous &+= own
            if backing == .sharedMemory { sharedMemory &+= total - own } else { file &+= total - own }
        }
    }

    private func backing(_ line: Line) -> Backing {
        if line.name.hasPrefix("/dev/zero") || line.name.hasPrefix("/memfd:") || line.name.hasPrefix("/SYSV")
            || line.name.hasPrefix("/dev/shm/")
        {
            return .sharedMemory
        }
        return line.name.first == UInt8(ascii: "/") ? .file : .anonymous
    }

    /// In the order of smaps' fields.
    func rollup(_ smaps: [UInt8]) -> [UInt8] {
        // Of smaps' fields those that describe one mapping are not added up (smap_gather_stats).
        let left: [StaticString] = ["Size:", "KernelPageSize:", "MMUPageSize:", "THPeligible:", "ProtectionKey:", "VmFlags:"]
        var fields: [(name: ArraySlice<UInt8>, sum: UInt64)] = []
        var proportions = Proportions()
        var place = Backing.anonymous
        var total: UInt64 = 0
        var first: UInt64?
        var last: UInt64 = 0
        var shown = false
        var rest = smaps[...]
        while let text = rest.takeLine() {
            if let line = Line(text) {
                // The kernel adds the page of vsyscall, which is no mapping, to maps and smaps only.
                shown = isShown(line) && !line.name.hasPrefix("[vsyscall]")
                place = backing(line)
                if shown {
                    if first == nil { first = line.start }
                    last = line.end
                }
                continue
            }
            guard shown, let colon = text.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let name = text[text.startIndex...colon]
            if left.contains(where: { name.equals($0) }) { continue }
            let value = text[(colon + 1)...].number ?? 0
            if name.equals("Pss:") { total = value }
            if name.equals("Anonymous:") { proportions.add(place, total: total, anonymous: value) }
            if let index = fields.firstIndex(where: { $0.name.elementsEqual(name) }) {
                fields[index].sum &+= value
            } else {
                fields.append((name, value))
            }
        }
        guard let first else { return [] }
        var output: [UInt8] = []
        output.append(hex: first, digits: 8)
        output.append(UInt8(ascii: "-"))
        output.append(hex: last, digits: 8)
        output.append(" ---p 00000000 00:00 0 ")
        while output.count < Self.nameColumn { output.append(0x20) }
        output.append("[rollup]\n")
        let divided: StaticString = fields.contains { $0.name.equals("Pss_Dirty:") } ? "Pss_Dirty:" : "Pss:"
        for field in fields {
            append(field.name, field.sum, to: &output)
            guard field.name.equals(divided) else { continue }
            append([UInt8]("Pss_Anon:")[...], proportions.anonymous, to: &output)
            append([UInt8]("Pss_File:")[...], proportions.file, to: &output)
            append([UInt8]("Pss_Shmem:")[...], proportions.sharedMemory, to: &output)
        }
        return output
    }

    private func append(_ name: ArraySlice<UInt8>, _ kilobytes: UInt64, to output: inout [UInt8]) {
        let beginning = output.count
        output.append(contentsOf: name)
        while output.count - beginning < 16 { output.append(0x20) }
        output.append(decimal: kilobytes, width: 8)
        output.append(" kB\n")
    }
}
