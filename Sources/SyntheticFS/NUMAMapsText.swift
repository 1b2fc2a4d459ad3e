/// /proc/PID/numa_maps, numa(7): the host's lines of the guest's mappings, with the guest's names.
struct NUMAMapsText {
    let maps: MapsText

    /// `maps` is the host's maps of the same process: it tells where mappings end, which decides what is heap and stack.
    func rewrite(_ host: [UInt8], maps text: [UInt8]) -> [UInt8] {
        var shown: [UInt64: [UInt8]] = [:]
        var rest = text[...]
        while let line = rest.takeLine() {
            guard let line = MapsText.Line(line), maps.isInArena(line) else { continue }
            shown[line.start] = maps.name(of: line)
        }
        var output: [UInt8] = []
        rest = host[...]
        while let line = rest.takeLine() {
            var fields = line
            guard let start = fields.takeHex(), let name = shown[start] else { continue }
            output.append(hex: start, digits: 8)
            // The policy comes next, then what is mapped.
            var place = 0
            for field in fields.split(separator: 0x20, omittingEmptySubsequences: true) {
                place += 1
                if field.equals("heap") || field.equals("stack") { continue }
                output.append(0x20)
                if field.hasPrefix("file=") && name.first == UInt8(ascii: "/") {
                    output.append("file=")
                    output.append(contentsOf: escape(name))
                } else {
                    output.append(contentsOf: field)
                }
                guard place == 1 else { continue }
                if name.elementsEqual([UInt8]("[heap]")) { output.append(" heap") }
                if name.elementsEqual([UInt8]("[stack]")) { output.append(" stack") }
            }
            output.append(0x0a)
        }
        return output
    }

    /// Newline, tab, blank and equals sign, as show_numa_map() in fs/proc/task_mmu.c has them.
    private func escape(_ path: [UInt8]) -> [UInt8] {
        MountsText.escape(path) { $0 == 0x0a || $0 == 0x09 || $0 == 0x20 || $0 == 0x3d }
    }
}
