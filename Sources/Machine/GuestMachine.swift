import CShim
import GuestMemory
import Host
import KVM
import LinuxABI
import Statistics

/// The machine of one address space: its VM, its page tables, and the arena chunks that KVM knows. Shared by the vCPUs;
/// the lock guards tables and slots.
public final class GuestMachine {
    let vm: VirtualMachine
    let memory: KernelMemory
    let tables: PageTables
    let features: CPUFeatures
    private let slots: SlotCounter
    private let lock = Lock()
    private let mappings: any GuestMappings
    private var nextCPU = 0
    private var livingCPUs = 0
    /// How many vCPUs are made in this VM over its whole life.
    private let cpuCapacity: Int
    /// KVM would make about a thousand, but keeps a quarter of a megabyte for each that is gone, until the VM goes.
    private static let mostCPUs = 128
    /// Where the next chunk goes in guest-physical space: above what KernelMemory may use.
    private var nextPhysical: UInt64 = 4 << 30
    private let vdso: HostVDSO
    /// Whether calls are sampled, to find the sites that are worth rewriting.
    let looksForSites: Bool
    /// Some call site has a relay. Set before anything jumps there.
    var hasRelays = false

    static let chunkSize: UInt64 = 64 << 20
    static let largeChunkSize: UInt64 = 1 << 30

    /// - Parameters:
    ///   - looksForSites: whether calls are sampled, see `GuestCPU.sampledSite`.
    ///   - fastPath: what becomes of each system call before it leaves the guest.
    public init(
        _ system: KVMSystem, mappings: any GuestMappings, vdso: HostVDSO, looksForSites: Bool = false,
        fastPath: (UInt32) -> FastPath = { _ in .exit }
    ) throws(MachineFailure) {
        self.looksForSites = looksForSites
        do throws(HostError) { vm = try VirtualMachine(system) } catch { throw .kvm("KVM_CREATE_VM", error.number) }
        let slots = SlotCounter(limit: system.capability(KVM_CAP_NR_MEMSLOTS))
        self.slots = slots
        cpuCapacity = min(Self.mostCPUs, max(system.capability(KVM_CAP_MAX_VCPUS), system.capability(KVM_CAP_NR_VCPUS), 4))
        self.mappings = mappings
        self.vdso = vdso
        features = try CPUFeatures(system, vm)
        memory = try KernelMemory(vm, behind: vdso) { slots.next() }
        tables = try PageTables(memory)
        try SystemTables.install(memory, tables, fastPath: fastPath)
        try mapVDSO()
    }

    /// Hands out memslot numbers. A class because KernelMemory needs one before the machine is complete.
    final class SlotCounter {
        private var value: UInt32 = 0
        private let limit: UInt32

        init(limit: Int) { self.limit = UInt32(clamping: limit) }

        func next() -> UInt32 {
            defer { value &+= 1 }
            return value
        }

        var exhausted: Bool { value >= limit }
    }

    /// The number for a new vCPU, never used before in this VM. An error where KVM makes no more.
    func takeCPUNumber() throws(MachineFailure) -> Int {
        lock.lock()
        defer { lock.unlock() }
        guard nextCPU < cpuCapacity else { throw .outOfMemory("vCPUs") }
        defer { nextCPU += 1 }
        livingCPUs += 1
        return nextCPU
    }

    /// Whether the VM has had all the vCPUs it may have.
    public var isFull: Bool { lock.withLock { nextCPU >= cpuCapacity } }

    /// A vCPU is gone.
    public func cpuClosed() { lock.withLock { livingCPUs -= 1 } }

    /// Whether no vCPU is left.
    public var isUnused: Bool { lock.withLock { livingCPUs == 0 } }

    /// The VM's.
    public var descriptor: Int32 { vm.descriptor }

    /// At the end of a process whose descriptor table others go on using.
    public func closeDescriptor() { Host.close(vm.descriptor) }

    /// Gives the VM and its memory back before the object goes.
    public func close() {
        vm.close()
        memory.close()
    }

    /// Frees the lock of a helper process that was killed.
    public func breakLock(ownedBy tid: UInt32) { _ = lock.breakIfOwned(by: tid) }

    /// Gives up a parent's machine in a fork child, where neither its descriptors nor its memory exist. To be called before
    /// anything else is opened or mapped.
    public func forget() {
        vm.forget()
        memory.forget()
    }

    func withTables<Result>(_ body: (PageTables, KernelMemory) throws(MachineFailure) -> Result) throws(MachineFailure)
        -> Result
    {
        lock.lock()
        defer { lock.unlock() }
        return try body(tables, memory)
    }

    // MARK: Chunks

    private func addSlot(physical: UInt64, size: UInt64, host: UInt64) throws(MachineFailure) {
        if slots.exhausted { throw .outOfMemory("memslots: the guest's memory is scattered too widely") }
        do throws(HostError) {
            try vm.setMemoryRegion(slot: slots.next(), guestPhysical: physical, size: size, host: host)
        } catch {
            throw .kvm("KVM_SET_USER_MEMORY_REGION", error.number)
        }
    }

    /// Makes the chunk around `address` reachable. A chunk is a memslot over host addresses, mapped or not: what is behind
    /// it is the host mm's business. Called with the lock held.
    private func addChunk(_ address: UInt64, _ mapping: GuestMapping) throws(MachineFailure) {
        var start = address & ~(Self.chunkSize - 1)
        var size = Self.chunkSize
        let large = address & ~(Self.largeChunkSize - 1)
        if mapping.start <= large && mapping.end >= large + Self.largeChunkSize && !isTouched(large) {
            start = large
            size = Self.largeChunkSize
        }
        let physical = nextPhysical
        guard physical + size <= features.physicalLimit else {
            throw .outOfMemory("guest-physical addresses: the guest's memory is scattered too widely")
        }
        // Ahead of the slot: a helper that is killed in between leaves no addresses that are taken and look free.
        nextPhysical += size
        try addSlot(physical: physical, size: size, host: start)
        Statistics.count(.chunks)
        try tables.mapBlocks(start, physical: physical, size: size)
    }

    /// Whether any chunk exists in the 1 GiB block at `start`.
    private func isTouched(_ start: UInt64) -> Bool {
        guard let entry = tables.existingEntry(start, level: 3) else { return false }
        return PageTableEntry.isPresent(entry.pointee)
    }

    private func mapVDSO() throws(MachineFailure) {
        guard vdso.end > vdso.start else { return }
        // Else guest-physical space just below the chunks, above KernelMemory's blocks.
        let physical = memory.vdsoPhysical ?? (4 << 30) - (64 << 20)
        if memory.vdsoPhysical == nil { try addSlot(physical: physical, size: vdso.end - vdso.start, host: vdso.start) }
        var offset: UInt64 = 0
        while vdso.start + offset < vdso.end {
            try tables.mapPage(
                vdso.start + offset, physical: physical + offset, bits: PageTableEntry.readOnlyUserPage)
            offset += 4096
        }
    }

    // MARK: Faults

    enum Resolution {
        /// The tables have changed; the instruction is to be tried again.
        case retry
        /// The guest may not do this.
        case refused(mapped: Bool)
    }

    /// A fault that the guest's page tables raised at an arena address. Lock order: region map, then machine. `flush` makes
    /// all processors of the machine forget what they know of the tables.
    func resolveTableFault(_ fault: PageFault, flush: () throws(MachineFailure) -> Void) throws(MachineFailure) -> Resolution {
        let address = fault.address
        mappings.hold()
        var found = mappings.heldMapping(containing: address)
        if found == nil {
            mappings.release()
            guard mappings.growStack(at: address) else { return .refused(mapped: false) }
            mappings.hold()
            found = mappings.heldMapping(containing: address)
        }
        defer { mappings.release() }
        guard let mapping = found else { return .refused(mapped: false) }
        let needed = fault.fetch ? PROT_EXEC : fault.write ? PROT_WRITE : PROT_READ
        // No processor can write without being able to read, and Linux lets what is executed be read.
        let granted = mapping.protection & (PROT_WRITE | PROT_EXEC) != 0
            ? mapping.protection | PROT_READ : mapping.protection
        guard granted & needed != 0 else { return .refused(mapped: true) }
        lock.lock()
        defer { lock.unlock() }
        if tables.translate(address) == nil { try addChunk(address, mapping) }
        if fault.fetch { try openExecute(address, mapping, flush) }
        return .retry
    }

    /// Opens what is certain to be executed soon, so that it does not fault, which would be an exit for each 2 MiB: the first blocks of
    /// [start, end). What cannot be opened is left to its fault.
    public func expectExecution(_ start: UInt64, _ end: UInt64) {
        // Where a processor has to be told of each change it is told when it faults.
        if PageTableEntry.breaksBeforeMake { return }
        var address = start
        for _ in 0..<Self.blocksExpected where address < end {
            expect(PageFault(address: address, write: false, fetch: true, code: 0))
            address = (address & ~(PageTables.blockSize - 1)) + PageTables.blockSize
        }
    }

    private static let blocksExpected = 4

    /// Opens what is certain to be written soon.
    public func expectWrite(_ address: UInt64) {
        expect(PageFault(address: address, write: true, fetch: false, code: 0))
    }

    private func expect(_ fault: PageFault) {
        do throws(MachineFailure) { _ = try resolveTableFault(fault) { () throws(MachineFailure) in } } catch {}
    }

    private func openExecute(
        _ address: UInt64, _ mapping: GuestMapping, _ flush: () throws(MachineFailure) -> Void
    ) throws(MachineFailure) {
        let block = address & ~(PageTables.blockSize - 1)
        let whole = mapping.start <= block && mapping.end >= block + PageTables.blockSize
        var known = mapping
        var gap: (start: UInt64, end: UInt64) = (0, 0)
        let isExecutable = { (page: UInt64) -> Bool in
            if page >= known.start && page < known.end { return known.protection & PROT_EXEC != 0 }
            if page >= gap.start && page < gap.end { return false }
            guard let next = self.mappings.heldMapping(containing: page) else {
                gap = (page, page + 4096)
                return false
            }
            known = next
            return next.protection & PROT_EXEC != 0
        }
        try tables.openExecute(address, wholeBlock: whole, isExecutable: isExecutable, flush: flush)
    }

    /// The region map's word that execution ends in a range; the host call that changes the mapping follows.
    public func executeRevoked(start: UInt64, end: UInt64) {
        lock.lock()
        defer { lock.unlock() }
        tables.closeExecute(start: start, end: end)
    }

    /// A vCPU whose top-level table is its own learns what has come into the machine's.
    func copyTopEntry(_ address: UInt64, to root: UInt64) {
        let index = PageTables.index(address, level: 4)
        memory.table(root)[index] = memory.table(tables.root)[index]
    }

    /// Guest-physical address behind `address`, for the probe.
    func translate(_ address: UInt64) -> UInt64? {
        lock.withLock { tables.translate(address) }
    }

    /// The probe of the vCPU with this top-level table.
    func makeProbe(shimOf root: UInt64) throws(MachineFailure) -> FaultProbe {
        lock.lock()
        defer { lock.unlock() }
        return try FaultProbe(memory, shimOf: root)
    }

    func isVDSO(_ address: UInt64) -> Bool { address >= vdso.start && address < vdso.end }

    /// Whether [address, address + length) may be guest memory at all.
    func isGuestMemory(_ address: UInt64, _ length: UInt64) -> Bool {
        Arena.contains(GuestAddress(address), length: length)
    }

    func growStack(at address: UInt64) -> Bool { mappings.growStack(at: address) }

    func systemCall(relayedAt address: UInt64) -> UInt64? { hasRelays ? mappings.systemCall(relayedAt: address) : nil }

    func isRewritten(_ address: UInt64) -> Bool { mappings.isRewritten(address) }

    // MARK: Rewritten call sites

    /// At most one vCPU is there.
    public var hasOneCPU: Bool { lock.withLock { livingCPUs <= 1 } }
}
