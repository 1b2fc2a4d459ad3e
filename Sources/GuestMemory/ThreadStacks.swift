import Host

/// The stacks of live threads, and the parts of them that the guest has unmapped meanwhile. A thread that frees the stack it
/// still stands on (a detached thread at its end) keeps it until it is gone.
///
/// What unmaps is a transaction. `begin` validates: it finds the stacks in the way, waits until no other transaction touches
/// their threads, and marks those busy. `commit` queues what lies on a stack, after the gaps have been unmapped. `end`
/// takes the marks away; without a commit it is the rollback, which leaves every queue as it was. The exit of a thread waits
/// until the thread is not busy.
///
/// Whoever waits here must not hold the address space's lock: the transaction waited for may need it.
final class ThreadStacks {
    struct Span: Equatable {
        var start, end: UInt64

        static let empty = Span(start: 0, end: 0)
        var isEmpty: Bool { start >= end }

        func overlaps(_ other: Span) -> Bool { start < other.end && other.start < end }
    }

    struct Part: Equatable {
        var thread: Int32
        var span: Span
    }

    /// One unmapping, from validation to its end.
    struct Transaction {
        let span: Span
        /// What lies on the stacks of live threads, and waits for them. Disjoint, in address order.
        let overlaps: [Part]
        /// The host thread that carries it out, one at a time.
        fileprivate let owner: UInt32

        /// Calls `body` for what lies on no stack, in address order. Its error ends the walk.
        func forEachGap<Failure: Error>(_ body: (Span) throws(Failure) -> Void) throws(Failure) {
            var cursor = span.start
            for part in overlaps {
                if cursor < part.span.start { try body(Span(start: cursor, end: part.span.start)) }
                cursor = part.span.end
            }
            if cursor < span.end { try body(Span(start: cursor, end: span.end)) }
        }
    }

    private struct Mark {
        let thread: Int32
        let owner: UInt32
    }

    /// The thread of queued parts whose own could not unmap them: the next thread that exits tries again.
    static let nobody: Int32 = 0
    /// Stands for the threads that a fork left behind.
    static let leftBehind: Int32 = -1

    private let lock = Lock()
    /// The end of a transaction.
    private let ended = Condition()
    /// What live threads were born on, less what has been unmapped or replaced since.
    private var live: [Part] = []
    /// What waits for its thread's exit, in the order of the calls.
    private(set) var deferred: [Part] = []
    private var busy: [Mark] = []

    // MARK: Threads

    func register(thread: Int32, _ span: Span) {
        lock.withLock {
            live.removeAll { $0.thread == thread }
            live.append(Part(thread: thread, span: span))
        }
    }

    /// A thread is at its end. Waits for the transactions that touch it; from then on nothing is put on its queue, which is
    /// to be drained.
    func retire(thread: Int32) {
        lock.lock()
        defer { lock.unlock() }
        while isBusy(thread) { ended.wait(lock) }
        live.removeAll { $0.thread == thread }
        handOver(from: Self.nobody, to: thread)
    }

    // MARK: Transactions

    /// Begins to unmap `span`.
    func begin(_ span: Span) -> Transaction {
        lock.lock()
        defer { lock.unlock() }
        while true {
            if let transaction = mark(span) { return transaction }
            ended.wait(lock)
        }
    }

    /// Begins to unmap what waited longest for `thread`; nil where nothing is left. The caller has to ask `isQueued` again
    /// once it holds the address space.
    func beginNext(of thread: Int32) -> Transaction? {
        lock.lock()
        defer { lock.unlock() }
        while let next = deferred.first(where: { $0.thread == thread }) {
            if let transaction = mark(next.span) { return transaction }
            ended.wait(lock)
        }
        return nil
    }

    /// Queues what lies on live stacks. The gaps are gone.
    func commit(_ transaction: Transaction) {
        guard !transaction.overlaps.isEmpty else { return }
        lock.withLock {
            for part in transaction.overlaps {
                Self.subtract(part.span, from: &deferred)
                deferred.append(part)
            }
        }
    }

    /// The transaction is over. Without a commit before it nothing has changed.
    func end(_ transaction: Transaction) {
        guard !transaction.overlaps.isEmpty else { return }
        endTransactions(of: transaction.owner)
    }

    private func endTransactions(of owner: UInt32) {
        lock.withLock {
            busy.removeAll { $0.owner == owner }
            ended.broadcast()
        }
    }

    private func isBusy(_ thread: Int32) -> Bool { busy.contains { $0.thread == thread } }

    /// A transaction over `span`, its threads marked; nil while another one touches any of them.
    private func mark(_ span: Span) -> Transaction? {
        var overlaps: [Part] = []
        var rest = span
        while let next = firstStack(in: rest) {
            let part = Span(start: max(rest.start, next.span.start), end: min(rest.end, next.span.end))
            if isBusy(next.thread) { return nil }
            overlaps.append(Part(thread: next.thread, span: part))
            rest.start = part.end
        }
        let owner = lock.owner
        for part in overlaps { busy.append(Mark(thread: part.thread, owner: owner)) }
        return Transaction(span: span, overlaps: overlaps, owner: owner)
    }

    /// The live stack that overlaps `span` first.
    private func firstStack(in span: Span) -> Part? {
        guard !span.isEmpty else { return nil }
        var found: Part? = nil
        for part in live where part.span.overlaps(span) {
            if let best = found, best.span.start <= part.span.start { continue }
            found = part
        }
        return found
    }

    // MARK: Queues

    /// Whether all of `span` still waits for `thread`.
    func isQueued(_ span: Span, for thread: Int32) -> Bool {
        lock.withLock { deferred.contains(Part(thread: thread, span: span)) }
    }

    /// Keeps what is left of `span`, which could not be unmapped, beyond the end of `thread`.
    func keep(_ span: Span, of thread: Int32) {
        lock.withLock {
            for index in deferred.indices where deferred[index].thread == thread && deferred[index].span.overlaps(span) {
                deferred[index].thread = Self.nobody
            }
        }
    }

    /// Nothing is left of what `span` held, or a new mapping is there: it is no stack, and no queue's.
    func cancel(_ span: Span) {
        lock.withLock {
            Self.subtract(span, from: &live)
            Self.subtract(span, from: &deferred)
        }
    }

    private func handOver(from: Int32, to: Int32) {
        for index in deferred.indices where deferred[index].thread == from { deferred[index].thread = to }
    }

    private static func subtract(_ span: Span, from list: inout [Part]) {
        guard list.contains(where: { $0.span.overlaps(span) }) else { return }
        var kept: [Part] = []
        for part in list {
            guard part.span.overlaps(span) else {
                kept.append(part)
                continue
            }
            if part.span.start < span.start {
                kept.append(Part(thread: part.thread, span: Span(start: part.span.start, end: span.start)))
            }
            if part.span.end > span.end {
                kept.append(Part(thread: part.thread, span: Span(start: span.end, end: part.span.end)))
            }
        }
        list = kept
    }

    // MARK: Processes

    /// Before the host's fork, with the address space locked.
    func lockForFork() { lock.lock() }
    func unlockAfterFork() { lock.unlock() }

    /// In a forked child: only `survivor` is left, under the id `identifier`. What waited for others is to be
    /// drained for `leftBehind`. Unlocks.
    func childAfterFork(survivor: Int32, identifier: Int32) {
        // The threads that carried them out are not here.
        busy = []
        live.removeAll { $0.thread != survivor }
        for index in live.indices { live[index].thread = identifier }
        for index in deferred.indices {
            deferred[index].thread = deferred[index].thread == survivor ? identifier : Self.leftBehind
        }
        lock.unlock()
    }

    /// Ends what a host thread was about that shared this memory and was killed.
    func breakLock(ownedBy tid: UInt32) {
        _ = lock.breakIfOwned(by: tid)
        endTransactions(of: tid)
    }

    func removeAll() {
        lock.withLock {
            live = []
            deferred = []
        }
    }
}
