import CShim
import GuestMemory
import Host
import LinuxABI
import Machine
import Signals

extension GuestThread {
    /// CLONE_THREAD: a carrier of this process takes the new thread.
    func startThread(_ request: CloneRequest) throws(GuestErrno) -> Int {
        let context = try childContext(request)
        let carrier: Carrier
        do throws(GuestErrno) { carrier = try takeCarrier() } catch {
            context.free()
            throw error
        }
        let thread = GuestThread(process: process, cpu: carrier.cpu)
        thread.host.pointee.blocked = signals.mask
        carrier.call(
            Carrier.Birth(thread: thread, context: context, request: request, name: ThreadName.current()))
        let tid = thread.tid
        if request.stackBase != 0 {
            process.memory.registerStack(thread: tid, stack: request.stackBase, size: request.stackSize)
        } else if request.stackPointer != 0 {
            process.memory.registerStack(thread: tid, stackPointer: request.stackPointer)
        }
        if request.has(CloneRequest.parentSetTid) {
            try? GuestAccess.write(tid, at: GuestAddress(request.parentTid))
        }
        // Only now may it run: its first act may be to end and take its parent's memory with it.
        carrier.release()
        return Int(tid)
    }

    private func takeCarrier() throws(GuestErrno) -> Carrier {
        if let rested = takeIdleCarrier(leaving: Carrier.resting) { return rested }
        do throws(GuestErrno) { return try Carrier(process.machine) } catch {
            // Better an id that was in use a moment ago than no thread.
            guard let idle = takeIdleCarrier(leaving: 0) else { throw error }
            return idle
        }
    }

    /// The carrier that has been idle for longest, where more than `resting` are.
    private func takeIdleCarrier(leaving resting: Int) -> Carrier? {
        process.threadsLock.withLock { process.idleCarriers.count > resting ? process.idleCarriers.removeFirst() : nil }
    }

    /// exit(2): ends this thread, and the process with it where it is the last. Afterwards the run loop returns.
    public func end(_ status: Int32) {
        let isLeader = tid == process.pid
        vmrun_set_host_mask(~0)
        let isLast = process.threadsLock.withLock {
            process.threads.removeAll { $0 === self }
            return process.threads.isEmpty
        }
        // Its status is the process's, as since Linux 6.0.
        if isLast { process.exitGroup(status) }
        // Before anyone learns that the thread is gone: whoever joins it may use its stack's addresses at once.
        process.memory.threadExiting(tid)
        hasEnded = true
        if holdsRobustLocks || isLeader { endHostThread(status) }
        if robustList != 0 { _ = Host.raw(Int32(SYS_set_robust_list), 0, 24) }
        clearTid()
    }

    /// The kernel knows best how to give up robust and priority-inheriting locks, so a thread that may hold some ends for real.
    /// The first thread's host thread does too: what is left of it is the zombie leader that Linux also has.
    private func endHostThread(_ status: Int32) -> Never {
        _ = Host.raw(Int32(SYS_set_tid_address), Int(clearChildTid))
        while true { _ = Host.raw(Int32(SYS_exit), Int(status)) }
    }

    /// Whether the robust list has an entry or a pending operation, or cannot be read.
    private var holdsRobustLocks: Bool {
        guard robustList != 0 else { return false }
        // struct robust_list_head: next, futex offset, pending operation.
        guard let head = try? GuestAccess.read((UInt64, UInt64, UInt64).self, at: GuestAddress(robustList)) else {
            return true
        }
        return head.0 != robustList || head.2 != 0
    }

    /// As the kernel's mm_release: store zero, wake one waiter, ignore a bad address.
    private func clearTid() {
        let address = GuestAddress(clearChildTid)
        guard clearChildTid != 0, clearChildTid & 3 == 0, Arena.contains(address, length: 4) else { return }
        if vmrun_store32(Arena.pointer(address), 0) == 0 {
            _ = Host.raw(Int32(SYS_futex), Int(clearChildTid), Int(FUTEX_WAKE), 1)
        }
    }
}
