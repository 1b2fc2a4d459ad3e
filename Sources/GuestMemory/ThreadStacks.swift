/// The stacks of live threads, and the parts of them that the guest has unmapped meanwhile. A thread that frees the stack it
/// still stands on (a detached thread at its end) keeps it until it is gone.
///
/// Guarded by the address space's lock, which munmap(2) holds from validation to commit: a second transaction waits for
/// the first, and so does the exit of a thread that it touches.
final class ThreadStacks {
    struct Span: Equatable {
        var start, end: UInt64

        func overlaps(_ other: Span) -> Bool { start < other.end && other.start < end }
    }

    private struct Stack {
        let thread: Int32
        let span: Span
        var deferred: [Span] = []
    }

    private var live: [Stack] = []
    /// Of threads that are gone: what could not be unmapped.
    private(set) var leftover: [Span] = []
    /// Spans in all queues: with none, nothing has to be searched.
    private(set) var deferredCount = 0

    func register(thread: Int32, _ span: Span) {
        _ = retire(thread: thread)
        live.append(Stack(thread: thread, span: span))
    }

    /// Divides `span` at live stacks. `unmap` is called for every gap; what overlaps a stack is put on its thread's queue once
    /// all gaps are gone. An error of `unmap` ends it, with no queue changed.
    func divide<Failure: Error>(
        _ span: Span, unmap: (Span) throws(Failure) -> Void
    ) throws(Failure) {
        guard live.contains(where: { $0.span.overlaps(span) }) else { return try unmap(span) }
        var rest = span
        while let next = nextStack(in: rest) {
            let start = max(rest.start, live[next].span.start)
            if start > rest.start { try unmap(Span(start: rest.start, end: start)) }
            rest.start = min(live[next].span.end, rest.end)
        }
        if rest.start < rest.end { try unmap(rest) }
        rest = span
        while let next = nextStack(in: rest) {
            let part = Span(
                start: max(rest.start, live[next].span.start), end: min(live[next].span.end, rest.end))
            cancel(part)
            live[next].deferred.append(part)
            deferredCount += 1
            rest.start = part.end
        }
    }

    /// The live stack that overlaps `span` first.
    private func nextStack(in span: Span) -> Int? {
        guard span.start < span.end else { return nil }
        var found: Int? = nil
        for index in live.indices where live[index].span.overlaps(span) {
            if let best = found, live[best].span.start <= live[index].span.start { continue }
            found = index
        }
        return found
    }

    /// A thread is gone: its stack is no longer live. Returns what waited for that.
    func retire(thread: Int32) -> [Span] {
        guard let index = live.firstIndex(where: { $0.thread == thread }) else { return [] }
        let deferred = live.remove(at: index).deferred
        deferredCount -= deferred.count
        return deferred
    }

    /// Keeps a span that could not be unmapped.
    func keep(_ span: Span) {
        leftover.append(span)
        deferredCount += 1
    }

    /// Takes `span` out of every queue: it holds a new mapping, or nothing.
    func cancel(_ span: Span) {
        guard deferredCount > 0 else { return }
        for index in live.indices {
            deferredCount -= live[index].deferred.count
            Self.subtract(span, from: &live[index].deferred)
            deferredCount += live[index].deferred.count
        }
        deferredCount -= leftover.count
        Self.subtract(span, from: &leftover)
        deferredCount += leftover.count
    }

    private static func subtract(_ span: Span, from list: inout [Span]) {
        guard list.contains(where: { $0.overlaps(span) }) else { return }
        var kept: [Span] = []
        for part in list {
            guard part.overlaps(span) else {
                kept.append(part)
                continue
            }
            if part.start < span.start { kept.append(Span(start: part.start, end: span.start)) }
            if part.end > span.end { kept.append(Span(start: span.end, end: part.end)) }
        }
        list = kept
    }

    /// In a forked child: only `survivor` is left, under the id `identifier`. Returns what the others' ends had to wait for.
    func keepOnly(_ survivor: Int32, as identifier: Int32) -> [Span] {
        var orphaned: [Span] = []
        var kept: [Stack] = []
        for stack in live {
            if stack.thread == survivor {
                kept.append(Stack(thread: identifier, span: stack.span, deferred: stack.deferred))
            } else {
                orphaned += stack.deferred
            }
        }
        live = kept
        deferredCount -= orphaned.count
        return orphaned
    }

    func removeAll() {
        live = []
        leftover = []
        deferredCount = 0
    }
}
