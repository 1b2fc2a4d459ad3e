/// /proc/PID/maps and its relatives: the host's text, less what is vmrun's, with the guest's names.
struct MapsText {
    let arena: Range<UInt64>
    let record: ProcessRecord
    /// Host text of a link to guest text, as SyntheticFileSystem.guestLinkText.
    let translate: ([UInt8]) -> [UInt8]

    /// One line: `start-end perms offset dev inode   name`.
    struct Line {
        var start: UInt64
        var end: UInt64
        /// From the permissions to the inode.
        var middle: ArraySlice<UInt8>
        var name: ArraySlice<UInt8>

        var isWritable: Bool { flag(1, UInt8(ascii: "w")) }
        var isExecutable: Bool { flag(2, UInt8(ascii: "x")) }
        var isShared: Bool { flag(3, UInt8(ascii: "s")) }

        private func flag(_ index: Int, _ letter: UInt8) -> Bool { middle[middle.startIndex + index] == letter }

        /// nil for anything else, such as the lines of smaps between the headers.
        init?(_ text: ArraySlice<UInt8>) {
            var rest = text
            guard let start = rest.takeHex(), rest.first == UInt8(ascii: "-") else { return nil }
            rest.removeFirst()
            guard let end = rest.takeHex(), rest.first == 0x20 else { return nil }
            rest.removeFirst()
            let whole = rest
            for _ in 0..<3 { _ = rest.take(until: 0x20) }
            while let byte = rest.first, byte != 0x20 { rest.removeFirst() }
            let middle = whole[whole.startIndex..<rest.startIndex]
            guard middle.count >= 4 else { return nil }
            while rest.first == 0x20 { rest.removeFirst() }
            self.start = start
            self.end = end
            self.middle = middle
            name = rest
        }
    }

    /// Sums over the mappings shown, in bytes, as the kernel's mm counts them.
    struct Summary {
        var total: UInt64 = 0
        var data: UInt64 = 0
        var stack: UInt64 = 0
        var executable: UInt64 = 0
        /// vmrun's own mappings.
        var hidden: [Hidden] = []
    }

    /// A mapping of vmrun's own.
    struct Hidden {
        let start: UInt64
        let end: UInt64
        /// Shared memory, as opposed to a file.
        let isShared: Bool
    }

    /// Where names begin (seq_setwidth in fs/proc/task_mmu.c, and one).
    static let nameColumn = 73

    func isInArena(_ line: Line) -> Bool { line.start >= arena.lowerBound && line.end <= arena.upperBound }

    func isShown(_ line: Line) -> Bool {
        if isInArena(line) { return !line.name.hasPrefix("/memfd:vmrun:call-sites ") }
        return line.name.hasPrefix("[vdso]") || line.name.hasPrefix("[vvar") || line.name.hasPrefix("[vsyscall]")
    }

    private func isStack(_ line: Line) -> Bool {
        record.stackStart != 0 && line.start <= record.stackStart && record.stackStart < line.end
    }

    private func isHeap(_ line: Line) -> Bool {
        guard record.heapStart != 0 else { return false }
        return line.start < max(record.heapEnd, record.heapStart &+ 1) && line.end > record.heapStart
    }

    /// What stands in the last column; empty for nothing.
    func name(of line: Line) -> [UInt8] {
        if line.name.first == UInt8(ascii: "/") { return translate(Array(line.name)) }
        if line.name.isEmpty || line.name.hasPrefix("[heap]") || line.name.hasPrefix("[stack]") {
            if isHeap(line) { return [UInt8]("[heap]") }
            return isStack(line) ? [UInt8]("[stack]") : []
        }
        return Array(line.name)
    }

    private func append(_ line: Line, to output: inout [UInt8]) {
        let beginning = output.count
        output.append(hex: line.start, digits: 8)
        output.append(UInt8(ascii: "-"))
        output.append(hex: line.end, digits: 8)
        output.append(0x20)
        output.append(contentsOf: line.middle)
        output.append(0x20)
        let name = name(of: line)
        if !name.isEmpty {
            while output.count - beginning < Self.nameColumn { output.append(0x20) }
            output.append(contentsOf: name)
        }
        output.append(0x0a)
    }

    /// maps or smaps: the lines after a header stay or go with it.
    func rewrite(_ host: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(host.count)
        var rest = host[...]
        var shown = false
        while let text = rest.takeLine() {
            if let line = Line(text) {
                shown = isShown(line)
                if shown { append(line, to: &output) }
            } else if shown {
                output.append(contentsOf: text)
                output.append(0x0a)
            }
        }
        return output
    }

    func summary(_ maps: [UInt8]) -> Summary {
        var summary = Summary()
        var rest = maps[...]
        while let text = rest.takeLine() {
            guard let line = Line(text), line.end > line.start, !line.name.hasPrefix("[vsyscall]") else { continue }
            guard isShown(line) else {
                let isShared = line.name.hasPrefix("/memfd:") || line.name.hasPrefix("/dev/zero")
                summary.hidden.append(Hidden(start: line.start, end: line.end, isShared: isShared))
                continue
            }
            let size = line.end - line.start
            summary.total &+= size
            if isStack(line) {
                summary.stack &+= size
            } else if line.isWritable && !line.isShared {
                summary.data &+= size
            } else if line.isExecutable && !line.isWritable {
                summary.executable &+= size
            }
        }
        return summary
    }
}
