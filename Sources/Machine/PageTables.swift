import CShim

/// Guest page tables: identity entries of 2 MiB, user, writable, added when a chunk is first touched. The only property
/// they ever decide is execution: entries start with the no-execute bit and are opened when an instruction fetch finds the mapping
/// executable. Everything else is the host mm's decision. Guarded by the machine's lock; the processor walks them meanwhile,
/// so a table is complete before an entry points to it.
final class PageTables {
    typealias Entry = PageTableEntry

    static let blockSize: UInt64 = 2 << 20

    let memory: KernelMemory
    /// Guest-physical address of the top-level table.
    let root: UInt64
    /// Where the upper half of the address space has tables of its own: their top-level table.
    var upperRoot: UInt64 = 0

    init(_ memory: KernelMemory) throws(MachineFailure) {
        self.memory = memory
        root = try memory.allocate()
    }

    /// Tables that are there already.
    init(_ memory: KernelMemory, root: UInt64) {
        self.memory = memory
        self.root = root
    }

    @inline(__always)
    static func index(_ address: UInt64, level: UInt64) -> Int { Int((address >> (3 + 9 * level)) & 511) }

    /// The entry for `address` at `level` (1: 4 KiB, 2: 2 MiB), or nil where an upper table is missing or `level` 1 lies
    /// under a large entry.
    @inline(__always)
    func existingEntry(_ address: UInt64, level: UInt64) -> UnsafeMutablePointer<UInt64>? {
        var table = root
        var current: UInt64 = 4
        while current > level {
            let entry = memory.table(table)[Self.index(address, level: current)]
            guard Entry.isPresent(entry), !Entry.isBlock(entry) else { return nil }
            table = entry & Entry.addressMask
            current -= 1
        }
        return memory.table(table) + Self.index(address, level: level)
    }

    /// The entry for `address` at `level`, with upper tables made as needed.
    func entry(_ address: UInt64, level: UInt64) throws(MachineFailure) -> UnsafeMutablePointer<UInt64> {
        var table = root
        var current: UInt64 = 4
        while current > level {
            let slot = memory.table(table) + Self.index(address, level: current)
            if !Entry.isPresent(slot.pointee) { slot.pointee = try memory.allocate() | Entry.table }
            table = slot.pointee & Entry.addressMask
            current -= 1
        }
        return memory.table(table) + Self.index(address, level: level)
    }

    /// Guest-physical address behind a mapped guest address, or nil.
    func translate(_ address: UInt64) -> UInt64? {
        guard let block = existingEntry(address, level: 2), Entry.isPresent(block.pointee) else { return nil }
        if Entry.isBlock(block.pointee) {
            return (block.pointee & Entry.addressMask & ~(Self.blockSize - 1)) | (address & (Self.blockSize - 1))
        }
        let page = memory.table(block.pointee & Entry.addressMask)[Self.index(address, level: 1)]
        guard Entry.isPresent(page) else { return nil }
        return (page & Entry.addressMask) | (address & 4095)
    }

    /// Maps [address, + size) to guest-physical [physical, + size), not executable; all multiples of 2 MiB.
    func mapBlocks(_ address: UInt64, physical: UInt64, size: UInt64) throws(MachineFailure) {
        var offset: UInt64 = 0
        while offset < size {
            let slot = try entry(address + offset, level: 2)
            if !Entry.isPresent(slot.pointee) {
                slot.pointee = (physical + offset) | Entry.userBlock | Entry.noExecute
            }
            offset += Self.blockSize
        }
    }

    /// One 4 KiB page with the given entry bits.
    func mapPage(_ address: UInt64, physical: UInt64, bits: UInt64) throws(MachineFailure) {
        try entry(address, level: 1).pointee = physical | bits
    }

    /// Lets the guest execute at `address`, whose block is mapped. `wholeBlock`: all that is mapped in the 2 MiB block may be
    /// executed; otherwise only this page, and the block is split into pages. `isExecutable` answers for the block's others.
    /// `flush` makes the processors look again, where they need to be told.
    func openExecute(
        _ address: UInt64, wholeBlock: Bool, isExecutable: (UInt64) -> Bool, flush: () throws(MachineFailure) -> Void
    ) throws(MachineFailure) {
        guard let block = existingEntry(address, level: 2), Entry.isPresent(block.pointee) else { return }
        if Entry.isBlock(block.pointee) {
            if wholeBlock {
                block.pointee &= ~Entry.noExecute
                try flush()
                return
            }
            let physical = block.pointee & Entry.addressMask & ~(Self.blockSize - 1)
            let table = try memory.allocate()
            let start = address & ~(Self.blockSize - 1)
            let entries = memory.table(table)
            for page in 0..<512 {
                let offset = UInt64(page) << 12
                entries[page] = (physical + offset) | Entry.userPage
                    | (isExecutable(start + offset) ? 0 : Entry.noExecute)
            }
            if Entry.breaksBeforeMake {
                block.pointee = 0
                try flush()
            }
            block.pointee = table | Entry.table
            return
        }
        // Neighbours that have become executable since are opened with it: one fault instead of one each.
        let start = address & ~(Self.blockSize - 1)
        let entries = memory.table(block.pointee & Entry.addressMask)
        for page in 0..<512 where isExecutable(start + UInt64(page) << 12) { entries[page] &= ~Entry.noExecute }
        try flush()
    }

    /// Takes execution away from [start, end). The host call that follows (munmap, mprotect) makes KVM drop what it has
    /// cached for the range, which is what makes a vCPU see the change.
    func closeExecute(start: UInt64, end: UInt64) {
        var address = start & ~(Self.blockSize - 1)
        while address < end {
            if let block = existingEntry(address, level: 2), Entry.isPresent(block.pointee) {
                if Entry.isBlock(block.pointee) {
                    block.pointee |= Entry.noExecute
                } else {
                    let entries = memory.table(block.pointee & Entry.addressMask)
                    let first = max(start, address), last = min(end, address + Self.blockSize)
                    var page = first & ~4095
                    while page < last {
                        entries[Self.index(page, level: 1)] |= Entry.noExecute
                        page += 4096
                    }
                }
                address += Self.blockSize
            } else {
                address = nextTable(after: address)
            }
        }
    }

    /// Skips what no table covers: a munmap of terabytes must not walk them block by block.
    private func nextTable(after address: UInt64) -> UInt64 {
        for level: UInt64 in [4, 3] {
            guard let slot = existingEntry(address, level: level) else { continue }
            if !Entry.isPresent(slot.pointee) {
                let span: UInt64 = 1 << (3 + 9 * level)
                return (address & ~(span - 1)) + span
            }
        }
        return address + Self.blockSize
    }
}
