import CShim
import Host
import LinuxABI
import Testing

@testable import GuestMemory

private let page = Arena.pageSize

/// Transactions over live stacks. The host's part is played by a list, so the region map alone says what is mapped.
@Suite struct ThreadStackTests {
    private final class FakeHost {
        var unmapped: [Range<UInt64>] = []
        var refuses: ((UInt64) -> Bool) = { _ in false }
    }

    private let host = FakeHost()
    private let space = AddressSpace(layout: .fixed(stackLimit: 8 << 20))
    private let base: UInt64 = 0x1000_0000

    init() {
        let host = host
        space.unmapOnHost = { start, length in
            if host.refuses(start) { return -Int(ENOMEM) }
            host.unmapped.append(start..<start + length)
            return 0
        }
        space.regions.insert(Region(start: base, end: base + 64 * page, protection: PROT_READ | PROT_WRITE))
    }

    private func munmap(_ first: UInt64, _ end: UInt64) throws {
        try space.munmap(address: base + first * page, length: (end - first) * page)
    }

    private func pages(_ first: UInt64, _ end: UInt64) -> Range<UInt64> { base + first * page..<base + end * page }

    private func register(_ thread: Int32, _ first: UInt64, _ end: UInt64) {
        space.registerStack(thread: thread, stack: base + first * page, size: (end - first) * page)
    }

    @Test func withoutStacksNothingIsDeferred() throws {
        try munmap(0, 4)
        #expect(host.unmapped == [pages(0, 4)])
    }

    @Test func overlapWaitsAndGapsGoNow() throws {
        register(1, 8, 16)
        register(2, 24, 32)
        try munmap(4, 40)
        #expect(host.unmapped == [pages(4, 8), pages(16, 24), pages(32, 40)])
        #expect(space.region(containing: base + 8 * page) != nil)
        space.threadExiting(1)
        #expect(host.unmapped.last == pages(8, 16))
        #expect(space.region(containing: base + 8 * page) == nil)
        #expect(space.region(containing: base + 24 * page) != nil)
        space.threadExiting(2)
        #expect(host.unmapped.last == pages(24, 32))
        #expect(space.threadStacks.deferredCount == 0)
    }

    @Test func partsOfAStackWaitInOrderAndOnce() throws {
        register(1, 8, 16)
        try munmap(6, 10)
        try munmap(12, 14)
        try munmap(9, 13)
        #expect(host.unmapped == [pages(6, 8)])
        space.threadExiting(1)
        let deferred = host.unmapped.dropFirst().flatMap { stride(from: $0.lowerBound, to: $0.upperBound, by: Int(page)) }
        #expect(deferred.sorted() == (8..<14).map { base + $0 * page })
        space.threadExiting(1)
        #expect(host.unmapped.count == 4)
    }

    @Test func failureLeavesNothingQueued() throws {
        register(1, 8, 16)
        host.refuses = { [base] in $0 == base + 16 * page }
        #expect(throws: GuestErrno.ENOMEM) { try munmap(8, 20) }
        #expect(space.threadStacks.deferredCount == 0)
        #expect(host.unmapped.isEmpty)
        #expect(space.region(containing: base + 17 * page) != nil)
        host.refuses = { _ in false }
        try munmap(8, 20)
        #expect(space.threadStacks.deferredCount == 1)
    }

    @Test func legacyCloneRecoversTheRegion() throws {
        space.regions.protect(base + 8 * page, base + 16 * page, PROT_READ)
        space.registerStack(thread: 1, stackPointer: base + 16 * page)
        try munmap(0, 20)
        #expect(host.unmapped == [pages(0, 8), pages(16, 20)])
        space.threadExiting(1)
        #expect(host.unmapped.last == pages(8, 16))
        // A stack pointer that points nowhere names no stack.
        space.registerStack(thread: 2, stackPointer: 0)
        space.registerStack(thread: 2, stackPointer: Arena.top)
        try munmap(30, 31)
        #expect(host.unmapped.last == pages(30, 31))
    }

    @Test func newMappingsLeaveTheQueue() throws {
        register(1, 8, 16)
        try munmap(8, 16)
        // What replaces the middle must survive the thread's end.
        space.forget(base + 10 * page, base + 12 * page)
        #expect(space.threadStacks.deferredCount == 2)
        space.threadExiting(1)
        #expect(host.unmapped == [pages(8, 10), pages(12, 16)])
    }

    @Test func sharedRegionsWaitForEveryThread() throws {
        register(1, 0, 16)
        register(2, 8, 24)
        try munmap(0, 24)
        #expect(host.unmapped.isEmpty)
        space.threadExiting(1)
        #expect(host.unmapped == [pages(0, 8)])
        space.threadExiting(2)
        #expect(host.unmapped.dropFirst().map { $0.upperBound - $0.lowerBound }.reduce(0, +) == 16 * page)
        #expect(space.regions.isFree(base, base + 24 * page))
    }

    @Test func whatCannotBeUnmappedStays() throws {
        register(1, 8, 16)
        try munmap(8, 16)
        host.refuses = { _ in true }
        space.threadExiting(1)
        #expect(space.threadStacks.leftover == [ThreadStacks.Span(start: base + 8 * page, end: base + 16 * page)])
        #expect(space.region(containing: base + 8 * page) != nil)
        space.forget(base + 8 * page, base + 16 * page)
        #expect(space.threadStacks.leftover.isEmpty)
    }

    @Test func aForkedChildKeepsItsOwnStackOnly() throws {
        register(1, 8, 16)
        register(2, 24, 32)
        try munmap(8, 9)
        try munmap(24, 25)
        space.prepareFork()
        space.childAfterFork(survivor: 1, identifier: 7)
        #expect(host.unmapped == [pages(24, 25)])
        try munmap(26, 27)
        #expect(host.unmapped.last == pages(26, 27))
        space.threadExiting(7)
        #expect(host.unmapped.last == pages(8, 9))
    }

    /// A thread's exit and other transactions wait while one is under way.
    @Test func transactionsExcludeEachOther() throws {
        register(1, 8, 16)
        space.hold()
        let started = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
        started.pointee = 0
        final class Job { let space: AddressSpace; init(_ space: AddressSpace) { self.space = space } }
        let job = Unmanaged.passRetained(Job(space))
        _ = vmrun_start_thread(
            { argument in
                let job = Unmanaged<Job>.fromOpaque(argument!).takeRetainedValue()
                job.space.threadExiting(1)
            }, job.toOpaque(), 1 << 20)
        usleep(20_000)
        #expect(host.unmapped.isEmpty)
        try space.threadStacks.divide(ThreadStacks.Span(start: base + 8 * page, end: base + 16 * page)) {
            (part) throws(GuestErrno) in try space.unmap(part.start, part.end)
        }
        space.release()
        for _ in 0..<200 where space.region(containing: base + 8 * page) != nil { usleep(5_000) }
        #expect(space.region(containing: base + 8 * page) == nil)
        #expect(host.unmapped == [pages(8, 16)])
        started.deallocate()
    }
}
