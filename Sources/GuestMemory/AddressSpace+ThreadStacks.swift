import Host
import LinuxABI

/// Stacks of threads, whose unmapping waits until the thread no longer stands on them.
extension AddressSpace {
    /// A thread begins on the stack that clone3(2) was given.
    public func registerStack(thread: Int32, stack: UInt64, size: UInt64) {
        guard size > 0, Arena.contains(GuestAddress(stack), length: size) else { return }
        let start = Arena.pageDown(stack), end = min(Arena.pageUp(stack + size), Arena.top)
        lock.lock()
        defer { lock.unlock() }
        threadStacks.register(thread: thread, ThreadStacks.Span(start: start, end: end))
    }

    /// A thread begins on the stack below `stackPointer`, as clone(2) is given it: the region that holds it is the stack.
    public func registerStack(thread: Int32, stackPointer: UInt64) {
        lock.lock()
        defer { lock.unlock() }
        guard stackPointer > 0, let region = regions.region(containing: stackPointer - 1) else { return }
        threadStacks.register(thread: thread, ThreadStacks.Span(start: region.start, end: region.end))
    }

    /// A thread is at its end and no longer uses its stack: unmaps what waited for that. To be called before the child tid is
    /// cleared, so that a joiner finds the addresses free.
    public func threadExiting(_ thread: Int32) {
        lock.lock()
        defer { lock.unlock() }
        drain(threadStacks.retire(thread: thread))
    }

    /// Unmaps spans one at a time; one that overlaps another live stack goes on to wait for that thread, one that fails stays.
    func drain(_ spans: [ThreadStacks.Span]) {
        for span in spans {
            do throws(GuestErrno) { try unmapDividing(span.start, span.end) } catch {
                threadStacks.keep(span)
                Message.error("a thread's stack could not be unmapped: errno \(error.number)")
            }
        }
    }

    /// Unmaps [start, end) but for what live threads stand on, with the lock held.
    func unmapDividing(_ start: UInt64, _ end: UInt64) throws(GuestErrno) {
        try threadStacks.divide(ThreadStacks.Span(start: start, end: end)) { (part) throws(GuestErrno) in
            try unmap(part.start, part.end)
        }
    }
}
