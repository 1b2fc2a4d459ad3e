/// A nearly empty address space on which one instruction is run again, to learn which of its accesses the host refuses: it
/// holds the shim's branch and, page by page, what has been found accessible.
///
/// A vCPU has one, for one instruction after the other. Its tables stay, and each stands for the same addresses for good: KVM's shadow
/// paging does not see entries that the host takes away, and would show what is left of them at a table's new addresses.
/// At its old ones, what is left is a page that the host still allows; KVM drops what the host does not.
final class FaultProbe {
    /// What touches more is sent back to the real tables, with what it has done.
    static let maximumSteps = ShimLayout.mostPagesOfInstruction

    private struct OpenPage {
        let entry: UnsafeMutablePointer<UInt64>
        var write: Bool
        var fetch: Bool
    }

    private(set) var instruction: UInt64 = 0
    private(set) var steps = 0
    private let tables: PageTables
    private var openPages: [OpenPage] = []

    var root: UInt64 { tables.root }

    /// - Parameter cpuRoot: the top-level table of the vCPU that it is for.
    init(_ memory: KernelMemory, shimOf cpuRoot: UInt64) throws(MachineFailure) {
        tables = try PageTables(memory)
        if let shim = ShimLayout.userBranch { memory.table(tables.root)[shim] = memory.table(cpuRoot)[shim] }
        openPages.reserveCapacity(Self.maximumSteps)
    }

    func begin(_ instruction: UInt64) { self.instruction = instruction }

    /// Lets the instruction access the page that begins at `page`, in this way too. The machine's lock is held.
    func allow(_ page: UInt64, physical: UInt64, write: Bool, fetch: Bool) throws(MachineFailure) {
        steps += 1
        let entry = try tables.entry(page, level: 1)
        var open = OpenPage(entry: entry, write: write, fetch: fetch)
        if let known = openPages.firstIndex(where: { $0.entry == entry }) {
            open.write = open.write || openPages[known].write
            open.fetch = open.fetch || openPages[known].fetch
            openPages[known] = open
        } else {
            openPages.append(open)
        }
        let bits = open.write ? PageTableEntry.userPage : PageTableEntry.readOnlyUserPage
        entry.pointee = physical | bits | (open.fetch ? 0 : PageTableEntry.noExecute)
    }

    /// Takes all pages away again.
    func end() {
        for page in openPages { page.entry.pointee = 0 }
        openPages.removeAll(keepingCapacity: true)
        steps = 0
    }
}
