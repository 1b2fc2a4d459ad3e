/// A nearly empty address space on which one instruction is run again, to learn which of its accesses the host refuses: it
/// holds the shim's branch and, page by page, what has been found accessible.
final class FaultProbe {
    /// An instruction touches few pages; a string instruction that runs on is sent back to the real tables.
    static let maximumSteps = 24
    private static let tablesNeeded: UInt64 = 1 + 3 * UInt64(maximumSteps)

    let instruction: UInt64
    let root: UInt64
    private(set) var steps = 0
    private let memory: KernelMemory
    private let pages: UInt64
    private var used: UInt64 = 1

    /// Takes the pages of `recycled` where there is one.
    init(_ memory: KernelMemory, _ tables: PageTables, instruction: UInt64) throws(MachineFailure) {
        self.memory = memory
        self.instruction = instruction
        pages = try memory.takeProbePages(Self.tablesNeeded)
        root = pages
        memory.pointer(root).initializeMemory(as: UInt8.self, repeating: 0, count: 4096)
        if let shim = ShimLayout.userBranch { memory.table(root)[shim] = memory.table(tables.root)[shim] }
    }

    private func freshTable() throws(MachineFailure) -> UInt64 {
        guard used < Self.tablesNeeded else { throw .outOfMemory("a fault probe") }
        defer { used += 1 }
        let page = pages + used * 4096
        memory.pointer(page).initializeMemory(as: UInt8.self, repeating: 0, count: 4096)
        return page
    }

    /// Lets the instruction access the page.
    func allow(_ page: UInt64, physical: UInt64, write: Bool) throws(MachineFailure) {
        steps += 1
        var table = root
        for level: UInt64 in [4, 3, 2] {
            let slot = memory.table(table) + PageTables.index(page, level: level)
            if !PageTableEntry.isPresent(slot.pointee) { slot.pointee = try freshTable() | PageTableEntry.table }
            table = slot.pointee & PageTableEntry.addressMask
        }
        let bits = write ? PageTableEntry.userPage : PageTableEntry.readOnlyUserPage
        memory.table(table)[PageTables.index(page, level: 1)] = physical | bits
    }

    /// Gives the pages back for the next probe.
    func release() { memory.returnProbePages(pages) }
}
