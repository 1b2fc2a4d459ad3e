import CShim
import Host
import LinuxABI

/// Stacks of threads, whose unmapping waits until the thread no longer stands on them.
extension AddressSpace {
    /// A thread begins on the stack that clone3(2) was given.
    public func registerStack(thread: Int32, stack: UInt64, size: UInt64) {
        guard size > 0, Arena.contains(GuestAddress(stack), length: size) else { return }
        let start = Arena.pageDown(stack), end = min(Arena.pageUp(stack + size), Arena.top)
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
        threadStacks.retire(thread: thread)
        while let transaction = threadStacks.beginNext(of: thread) {
            if let error = drain(transaction, of: thread) {
                Message.error("a thread's stack could not be unmapped: errno \(error.number)")
            }
        }
    }

    /// Unmaps one queued span. What lies on another live stack goes on to wait for that thread; what fails stays.
    private func drain(_ transaction: ThreadStacks.Transaction, of thread: Int32) -> GuestErrno? {
        lock.lock()
        defer { lock.unlock() }
        defer { threadStacks.end(transaction) }
        // A new mapping may have taken a part off the queue.
        guard threadStacks.isQueued(transaction.span, for: thread) else { return nil }
        do throws(GuestErrno) { try carryOut(transaction) } catch {
            threadStacks.keep(transaction.span, of: thread)
            return error
        }
        return nil
    }

    /// Unmaps [start, end) but for what live threads stand on.
    func unmapAroundStacks(_ start: UInt64, _ end: UInt64) throws(GuestErrno) {
        let transaction = threadStacks.begin(ThreadStacks.Span(start: start, end: end))
        lock.lock()
        defer { lock.unlock() }
        defer { threadStacks.end(transaction) }
        try carryOut(transaction)
    }

    /// Unmaps the gaps, and then queues the rest. With the lock held.
    func carryOut(_ transaction: ThreadStacks.Transaction) throws(GuestErrno) {
        try transaction.forEachGap { (gap) throws(GuestErrno) in try unmap(gap.start, gap.end) }
        threadStacks.commit(transaction)
    }

    /// A mapping has moved away from the transaction's span. Its threads still stand there: until they exit the addresses
    /// stay taken, by memory that faults on access as none would. With the lock held.
    func commitMoved(_ transaction: ThreadStacks.Transaction) {
        transaction.forEachGap { forget($0.start, $0.end) }
        threadStacks.commit(transaction)
        for part in transaction.overlaps {
            let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE
            let result = Host.raw(
                Int32(SYS_mmap), Int(part.span.start), Int(part.span.end - part.span.start), Int(PROT_NONE), Int(flags), -1, 0)
            if result == Int(part.span.start) {
                regions.remove(part.span.start, part.span.end)
                regions.insert(Region(start: part.span.start, end: part.span.end, protection: PROT_NONE))
            } else {
                forget(part.span.start, part.span.end)
            }
        }
    }
}
