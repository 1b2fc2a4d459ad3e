import CShim
import Host
import LinuxABI

/// Whoever keeps guest page tables. They are the only thing that can refuse execution, so they have to learn when a
/// mapping stops being executable.
public protocol AddressSpaceObserver: AnyObject {
    /// Execution ends in [start, end). Called with the address space locked, before the host call that unmaps the range,
    /// replaces it, or takes PROT_EXEC away.
    func executeRevoked(start: UInt64, end: UInt64)
    /// No vCPU but the caller's executes the guest's text. Called with the address space locked, as what follows.
    var runsAlone: Bool { get }
    /// Where slot `slot` of the window of rewritten calls leads.
    func target(ofSlot slot: Int) -> UInt64
    /// The site is about to jump there.
    func callSiteChosen(_ slot: Int, _ site: CallSite)
}

/// The guest's address space. The host's mm is the truth about memory: every call here ends in the host call of the same
/// name, at an address that was chosen here. The region map holds what Linux needs to choose: free addresses, the break,
/// stacks that grow, and which pages may execute.
///
/// Calls take what the guest passed, unchecked, and fail as mm/mmap.c and its neighbours do, in their order; the arena's
/// end plays TASK_SIZE. All may be called by any thread.
public final class AddressSpace {
    static let hugePage: UInt64 = 2 << 20

    /// Held over region map and host call, so that both always agree. Before it: nothing. After it: the observer's lock.
    let lock = Lock()
    let regions = RegionMap()
    let threadStacks = ThreadStacks()
    /// munmap(2) on the host: its result. Tests replace it.
    var unmapOnHost: (_ start: UInt64, _ length: UInt64) -> Int = { start, length in
        Host.raw(Int32(SYS_munmap), Int(start), Int(length))
    }

    /// Where things go. Changes with `reset`.
    public internal(set) var layout: Layout
    /// Told of revoked execution. Set while no guest thread runs.
    public var observer: (any AddressSpaceObserver)?
    /// personality(2)'s READ_IMPLIES_EXEC: what may be read may be executed.
    public var readImpliesExec = false

    /// The program break: where it began, where it is, and the size of the program's data, which counts for RLIMIT_DATA.
    var breakStart: UInt64 = 0
    var breakEnd: UInt64 = 0
    var programData: UInt64 = 0
    /// Of mlockall(2): how mappings to come are locked.
    var futureLock = FutureLock.none
    /// System calls that are jumps now.
    var callSites = CallSites()
    /// Tag of the last shared memory attachment.
    var lastAttachment: UInt32 = 0

    enum FutureLock {
        case none, locked, onFault
    }

    public init(layout: Layout) { self.layout = layout }

    // MARK: Queries

    /// The region that holds `address`, or nil.
    public func region(containing address: UInt64) -> Region? {
        lock.lock()
        defer { lock.unlock() }
        return regions.region(containing: address)
    }

    /// Calls `body` for every region in address order, with the address space locked.
    public func forEachRegion(_ body: (Region) -> Void) {
        lock.lock()
        defer { lock.unlock() }
        var cursor: UInt64 = 0
        while let region = regions.region(endingAbove: cursor) {
            body(region)
            cursor = region.end
        }
    }

    /// How many regions there are.
    public var regionCount: Int { lock.withLock { regions.count } }

    /// Keeps the regions as they are until `release`: for a fault handler that reads regions and then opens page table
    /// entries, between which nobody may revoke execution. Nothing of this class but `held...` may be called meanwhile.
    public func hold() { lock.lock() }
    public func release() { lock.unlock() }

    /// `region(containing:)` for the caller of `hold`.
    public func heldRegion(containing address: UInt64) -> Region? { regions.region(containing: address) }

    /// The bits of the 4 KiB pages of a 2 MiB block that may execute, for the caller of `hold`: `pages` is eight words, bit
    /// n of word n / 64. True where every page may.
    public func heldExecutablePages(ofBlock address: UInt64, _ pages: UnsafeMutablePointer<UInt64>) -> Bool {
        for word in 0..<8 { pages[word] = 0 }
        let block = address & ~(Self.hugePage - 1)
        var cursor = block, executable = 0
        while let region = regions.region(endingAbove: cursor), region.start < block + Self.hugePage {
            let part = region.clipped(from: block, to: block + Self.hugePage)
            cursor = part.end
            guard part.protection & PROT_EXEC != 0 else { continue }
            for page in Int((part.start - block) / Arena.pageSize)..<Int((part.end - block) / Arena.pageSize) {
                pages[page >> 6] |= 1 << UInt64(page & 63)
                executable += 1
            }
        }
        return executable == 512
    }

    // MARK: Life

    /// Returns the whole space to the host and begins anew: exec in place. No guest thread may run.
    public func reset(layout: Layout) throws(GuestErrno) {
        lock.lock()
        defer { lock.unlock() }
        observer?.executeRevoked(start: Arena.base, end: Arena.top)
        try check(unmapOnHost(Arena.base, Arena.top - Arena.base))
        regions.removeAll()
        threadStacks.removeAll()
        callSites = CallSites()
        self.layout = layout
        breakStart = 0
        breakEnd = 0
        programData = 0
        futureLock = .none
    }

    /// Before the host's fork: no change may be under way.
    public func prepareFork() {
        lock.lock()
        threadStacks.lockForFork()
    }

    public func parentAfterFork() {
        threadStacks.unlockAfterFork()
        lock.unlock()
    }

    /// In the child, where only the thread `survivor` (its id in the parent) is left, whose id is `identifier` now.
    public func childAfterFork(survivor: Int32, identifier: Int32) {
        threadStacks.childAfterFork(survivor: survivor, identifier: identifier)
        var cursor: UInt64 = 0
        while let region = regions.region(endingAbove: cursor) {
            if region.flags.contains(.dontFork) { forget(region.start, region.end) }
            cursor = region.end
        }
        // mlockall(2): a child does not inherit locks.
        futureLock = .none
        callSites.isRegistered = false
        lock.unlock()
        // What waited for the others need not wait any longer.
        threadExiting(ThreadStacks.leftBehind)
    }

    /// Frees what a helper process held, which shared this memory and was killed.
    public func breakLock(ownedBy tid: UInt32) {
        if lock.owner == tid { rebuildRegions() }
        _ = lock.breakIfOwned(by: tid)
        threadStacks.breakLock(ownedBy: tid)
    }

    // MARK: Shared by the calls

    /// A host result as the guest's.
    @discardableResult
    @inline(__always)
    func check(_ result: Int) throws(GuestErrno) -> UInt64 {
        if result < 0 && result >= -4095 { throw GuestErrno(Int32(-result)) }
        return UInt64(bitPattern: Int64(result))
    }

    /// Room in the region map for what one call may add.
    func reserve() throws(GuestErrno) {
        if !regions.reserve(4) { throw .ENOMEM }
    }

    /// The protection that the region map notes for what the guest asked for.
    func effective(_ prot: UInt64) -> Int32 {
        let protection = Int32(truncatingIfNeeded: prot) & (PROT_READ | PROT_WRITE | PROT_EXEC)
        return readImpliesExec && protection & PROT_READ != 0 ? protection | PROT_EXEC : protection
    }

    /// Nothing of the guest's is left in [start, end).
    func forget(_ start: UInt64, _ end: UInt64) {
        threadStacks.cancel(ThreadStacks.Span(start: start, end: end))
        regions.remove(start, end)
    }

    /// [start, end) is about to go, or to be executed no more: tells the observer where anything executable lies in it.
    func revokeExecution(_ start: UInt64, _ end: UInt64) {
        prepareChange(start, end)
        guard let observer, regions.contains(protection: PROT_EXEC, from: start, to: end) else { return }
        observer.executeRevoked(start: start, end: end)
    }

    /// Whether the host has something mapped at the page `address`.
    func isMappedOnHost(_ address: UInt64) -> Bool {
        var residence: UInt8 = 0
        return withUnsafeMutablePointer(to: &residence) {
            Host.raw(Int32(SYS_mincore), Int(address), Int(Arena.pageSize), $0.argument) == 0
        }
    }

    /// After a host call that may have unmapped [start, end) before it failed: forgets what is gone.
    func forgetUnmapped(_ start: UInt64, _ end: UInt64) {
        var cursor = start
        while cursor < end, let region = regions.region(endingAbove: cursor), region.start < end {
            let part = region.clipped(from: cursor, to: end)
            if !isMappedOnHost(part.start) { forget(part.start, part.end) }
            cursor = part.end
        }
    }
}
