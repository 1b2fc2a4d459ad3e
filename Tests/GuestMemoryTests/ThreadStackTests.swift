import CShim
import Host
import LinuxABI
import Synchronization
import Testing

@testable import GuestMemory

private let page = Arena.pageSize

/// Transactions over live stacks. The host's part is played by a list, so the region map alone says what is mapped.
@Suite struct ThreadStackTests {
    private final class FakeHost {
        var unmapped: [Range<UInt64>] = []
        var refuses: ((UInt64) -> Bool) = { _ in false }
        /// Called before anything is unmapped.
        var arrives: ((UInt64) -> Void) = { _ in }
    }

    /// Another host thread.
    private final class Worker {
        private let body: () -> Void
        private let done = Atomic<Bool>(false)

        init(_ body: @escaping () -> Void) {
            self.body = body
            _ = vmrun_start_thread(
                { argument in
                    let worker = Unmanaged<Worker>.fromOpaque(argument!).takeRetainedValue()
                    worker.body()
                    worker.done.store(true, ordering: .releasing)
                }, Unmanaged.passRetained(self).toOpaque(), 1 << 20)
        }

        var isDone: Bool { done.load(ordering: .acquiring) }

        /// Long enough for a thread that does not wait.
        var waits: Bool {
            usleep(50_000)
            return !isDone
        }

        func join() { while !isDone { usleep(1_000) } }
    }

    private let host = FakeHost()
    private let space = AddressSpace(layout: .fixed(stackLimit: 8 << 20))
    private let base: UInt64 = 0x1000_0000

    init() {
        let host = host
        space.unmapOnHost = { start, length in
            host.arrives(start)
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

    private func span(_ first: UInt64, _ end: UInt64) -> ThreadStacks.Span {
        ThreadStacks.Span(start: base + first * page, end: base + end * page)
    }

    private func part(_ thread: Int32, _ first: UInt64, _ end: UInt64) -> ThreadStacks.Part {
        ThreadStacks.Part(thread: thread, span: span(first, end))
    }

    private var queue: [ThreadStacks.Part] { space.threadStacks.deferred }

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
        #expect(queue.isEmpty)
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

    /// Whichever gap it is that cannot be unmapped: the queues are as they were.
    @Test(arguments: 0..<4) func failureRollsBack(gap: Int) throws {
        register(1, 8, 16)
        register(2, 24, 32)
        register(3, 40, 48)
        try munmap(10, 11)
        let before = queue
        host.unmapped = []
        let gaps = [pages(4, 8), pages(16, 24), pages(32, 40), pages(48, 52)]
        host.refuses = { $0 == gaps[gap].lowerBound }
        #expect(throws: GuestErrno.ENOMEM) { try munmap(4, 52) }
        #expect(queue == before)
        #expect(host.unmapped == Array(gaps[..<gap]))
        #expect(space.region(containing: gaps[gap].lowerBound) != nil)
        // Nobody is busy any more, so that this does not wait.
        host.refuses = { _ in false }
        try munmap(4, 52)
        #expect(queue == [part(1, 8, 16), part(2, 24, 32), part(3, 40, 48)])
        #expect(host.unmapped.suffix(4 - gap) == gaps[gap...])
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
        #expect(queue == [part(1, 8, 10), part(1, 12, 16)])
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

    /// One entry of the queue fails: it stays beyond its thread, the others go. The next thread that ends tries again.
    @Test func whatCannotBeUnmappedStays() throws {
        register(1, 8, 16)
        register(2, 24, 32)
        try munmap(8, 10)
        try munmap(11, 12)
        try munmap(13, 14)
        host.refuses = { [base] in $0 == base + 11 * page }
        space.threadExiting(1)
        #expect(host.unmapped == [pages(8, 10), pages(13, 14)])
        #expect(queue == [part(ThreadStacks.nobody, 11, 12)])
        #expect(space.region(containing: base + 11 * page) != nil)
        host.refuses = { _ in false }
        space.threadExiting(2)
        #expect(queue.isEmpty)
        #expect(host.unmapped.last == pages(11, 12))
    }

    @Test func aNewMappingOverWhatStayed() throws {
        register(1, 8, 16)
        try munmap(8, 16)
        host.refuses = { _ in true }
        space.threadExiting(1)
        space.forget(base + 8 * page, base + 16 * page)
        #expect(queue.isEmpty)
    }

    /// What replaces a part of a stack is no stack: it can be unmapped at once.
    @Test func whatReplacesALiveStackIsNone() throws {
        register(1, 8, 16)
        space.threadStacks.cancel(span(10, 12))
        try munmap(8, 16)
        #expect(host.unmapped == [pages(10, 12)])
        #expect(queue == [part(1, 8, 10), part(1, 12, 16)])
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

    @Test func aForkedChildForgetsTransactions() throws {
        register(1, 8, 16)
        let transaction = space.threadStacks.begin(span(8, 16))
        space.prepareFork()
        space.childAfterFork(survivor: 1, identifier: 7)
        try munmap(8, 16)
        #expect(queue == [part(7, 8, 16)])
        space.threadStacks.end(transaction)
    }

    // MARK: Transactions that meet

    @Test func aTransactionDividesItsSpan() {
        register(1, 8, 16)
        register(2, 12, 24)
        let transaction = space.threadStacks.begin(span(10, 30))
        #expect(transaction.overlaps == [part(1, 10, 16), part(2, 16, 24)])
        var gaps: [ThreadStacks.Span] = []
        transaction.forEachGap { gaps.append($0) }
        #expect(gaps == [span(24, 30)])
        space.threadStacks.end(transaction)
        #expect(queue.isEmpty)
    }

    @Test func aSecondTransactionOverAThreadWaits() {
        register(1, 8, 16)
        register(2, 24, 32)
        let stacks = space.threadStacks
        let first = stacks.begin(span(15, 20))
        let both = Worker { [self] in
            let second = stacks.begin(span(8, 32))
            stacks.commit(second)
            stacks.end(second)
        }
        #expect(both.waits)
        // It waits without holding what it did not need to wait for.
        let other = Worker { [self] in stacks.end(stacks.begin(span(24, 32))) }
        other.join()
        #expect(both.waits)
        #expect(queue.isEmpty)
        stacks.commit(first)
        stacks.end(first)
        both.join()
        #expect(queue == [part(1, 8, 16), part(2, 24, 32)])
    }

    /// A thread ends while a gap beside its stack is unmapped: what will be queued must not come too late.
    @Test func exitWaitsForTheTransaction() {
        register(1, 8, 16)
        let isInside = Atomic<Bool>(false), mayGoOn = Atomic<Bool>(false)
        host.arrives = { [base] address in
            guard address == base + 16 * page else { return }
            isInside.store(true, ordering: .releasing)
            while !mayGoOn.load(ordering: .acquiring) { usleep(1_000) }
        }
        let unmapping = Worker { [self] in try? munmap(8, 20) }
        while !isInside.load(ordering: .acquiring) { usleep(1_000) }
        let exit = Worker { [self] in space.threadExiting(1) }
        #expect(exit.waits)
        mayGoOn.store(true, ordering: .releasing)
        unmapping.join()
        exit.join()
        #expect(host.unmapped == [pages(16, 20), pages(8, 16)])
        #expect(queue.isEmpty)
    }

    /// Between two entries of a queue others may change the address space, the rest of the queue included.
    @Test func aMappingMadeWhileAQueueIsDrainedStays() throws {
        register(1, 8, 24)
        try munmap(8, 12)
        try munmap(16, 20)
        let isFirst = Atomic<Bool>(true)
        host.arrives = { [space, base] _ in
            if isFirst.exchange(false, ordering: .relaxed) {
                space.threadStacks.cancel(ThreadStacks.Span(start: base + 17 * page, end: base + 18 * page))
            }
        }
        space.threadExiting(1)
        #expect(host.unmapped == [pages(8, 12), pages(16, 17), pages(18, 20)])
    }

    /// A helper process was killed in the middle of its transaction.
    @Test func theTransactionsOfTheDeadEnd() {
        register(1, 8, 16)
        let stacks = space.threadStacks
        let owner = Atomic<Int>(0)
        Worker { [self] in
            owner.store(Host.raw(Int32(SYS_gettid)), ordering: .relaxed)
            _ = stacks.begin(span(8, 16))
        }.join()
        let exit = Worker { [self] in space.threadExiting(1) }
        #expect(exit.waits)
        space.breakLock(ownedBy: UInt32(owner.load(ordering: .relaxed)))
        exit.join()
    }
}
