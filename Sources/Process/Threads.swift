import CShim
import GuestMemory
import Host
import LinuxABI
import Machine
import Signals
import Statistics
import Sysroot

extension GuestThread {
    /// CLONE_THREAD: a carrier of this process takes the new thread.
    func startThread(_ request: CloneRequest) throws(GuestErrno) -> Int {
        let pidfd = try PidfdRequest(request, caller: self)
        let context = try childContext(request)
        guard process.session.addThread(process.pid) else {
            context.free()
            throw .EAGAIN
        }
        let carrier: Carrier
        do throws(GuestErrno) { carrier = try takeCarrier() } catch {
            process.session.removeThread(process.pid)
            context.free()
            throw error
        }
        let thread = GuestThread(process: process, cpu: carrier.cpu)
        thread.host.pointee.blocked = signals.mask
        thread.hasOwnTables = hasOwnTables
        thread.ownFiles = ownFiles
        thread.credentials = credentials
        thread.hasRenouncedPrivileges = hasRenouncedPrivileges
        let birth = Carrier.Birth(thread: thread, context: context, request: request, name: ThreadName.current())
        if let failure = carrier.call(birth) {
            process.session.removeThread(process.pid)
            throw failure
        }
        thread.inheritFilters(self)
        let tid = thread.tid
        if request.stackBase != 0 {
            process.memory.registerStack(thread: tid, stack: request.stackBase, size: request.stackSize)
        } else if request.stackPointer != 0 {
            process.memory.registerStack(thread: tid, stackPointer: request.stackPointer)
        }
        if request.has(CloneRequest.parentSetTid) {
            try? GuestAccess.write(tid, at: GuestAddress(request.parentTid))
        }
        pidfd?.open(tid, isThread: true)
        Statistics.count(.threads)
        // Only now may it run: its first act may be to end and take its parent's memory with it.
        carrier.release()
        return Int(tid)
    }

    private func takeCarrier() throws(GuestErrno) -> Carrier {
        // A new host thread is like its maker in all that Linux has a thread inherit.
        let mayReuse = !hasOwnTables && !process.hasUnlikeThreads
        if mayReuse, let rested = takeIdleCarrier(leaving: Carrier.resting) { return rested }
        do throws(MachineFailure) {
            let cpu = try process.makeCPU()
            do throws(MachineFailure) { return try Carrier(cpu) } catch {
                process.retire(cpu)
                throw error
            }
        } catch {
            // Better an id that was in use a moment ago than no thread.
            guard mayReuse, let idle = takeIdleCarrier(leaving: 0) else { throw .EAGAIN }
            return idle
        }
    }

    /// The carrier that has been idle for longest, where more than `resting` are.
    private func takeIdleCarrier(leaving resting: Int) -> Carrier? {
        process.threadsLock.withLock { process.idleCarriers.count > resting ? process.idleCarriers.removeFirst() : nil }
    }

    /// unshare(2) of CLONE_FILES, CLONE_FS and CLONE_SYSVSEM; the host thread has a state of its own from now on.
    public func unshare(_ flags: UInt64) throws(GuestErrno) {
        let view = flags & CloneRequest.fs == 0 ? ownFiles : try files.copy(sharesDescriptors: flags & CloneRequest.files == 0)
        let result = Host.raw(Int32(SYS_unshare), Int(flags))
        if result < 0 { throw GuestErrno(Int32(-result)) }
        leavePoller()
        hasOwnTables = true
        ownFiles = view
    }

    /// exit(2): ends this thread, and the process with it where it is the last. Afterwards the run loop returns.
    public func end(_ status: Int32) {
        let isLeader = tid == process.pid
        vmrun_set_host_mask(~0)
        leavePoller()
        cpu.forgetAnswers()
        let isLast = process.threadsLock.withLock {
            process.threads.removeAll { $0 === self }
            return process.threads.isEmpty
        }
        // Its status is the process's, as since Linux 6.0.
        if isLast { process.exitGroup(status) }
        process.session.removeThread(process.pid)
        process.debugger?.threadEnded()
        // Before anyone learns that the thread is gone: whoever joins it may use its stack's addresses at once.
        process.memory.threadExiting(tid)
        hasEnded = true
        if robustList != 0 {
            setRobustListOnHost(0)
            var list = RobustList(head: robustList, tid: tid)
            list.giveUp()
            // The kernel hands inherited priorities on when it sees the thread end.
            if list.hasPriorityInheritance { endsHostThread = true }
        }
        if hasOwnTables || process.hasUnlikeThreads { endsHostThread = true }
        if isLeader {
            // What is left of it is the zombie leader that Linux also has.
            tellChildTid()
            while true { _ = Host.raw(Int32(SYS_exit), Int(status)) }
        }
        clearTid()
    }

    /// As the kernel's mm_release: store zero, wake one waiter, ignore a bad address.
    private func clearTid() {
        guard let address = checkedChildTid else { return }
        if vmrun_store32(Arena.pointer(address), 0) == 0 {
            _ = Host.raw(Int32(SYS_futex), Int(address.raw), Int(FUTEX_WAKE), 1)
        }
    }

    private var checkedChildTid: GuestAddress? {
        let address = GuestAddress(clearChildTid)
        return clearChildTid != 0 && clearChildTid & 3 == 0 && Arena.contains(address, length: 4) ? address : nil
    }

    // MARK: What the kernel does at a death that vmrun does not see

    /// set_tid_address(2), and CLONE_CHILD_CLEARTID. Of a helper's first thread the kernel is told: it clears the word also when a
    /// signal or an exec ends a process that shares its memory. Where nobody does, Linux leaves the word alone.
    public func setClearChildTid(_ address: UInt64) {
        clearChildTid = address
        if process.isHelper && tid == process.pid { tellChildTid() }
    }

    private func tellChildTid() { _ = Host.raw(Int32(SYS_set_tid_address), Int(checkedChildTid?.raw ?? 0)) }

    private static let robustListSize = 24

    /// set_robust_list(2). EINVAL for any other length than the structure's.
    public func setRobustList(_ head: UInt64, length: UInt64) throws(GuestErrno) {
        guard length == UInt64(Self.robustListSize) else { throw .EINVAL }
        robustList = head
        let isReachable = Arena.contains(GuestAddress(head), length: length)
        setRobustListOnHost(isReachable ? head : 0)
    }

    func setRobustListOnHost(_ head: UInt64) { _ = Host.raw(Int32(SYS_set_robust_list), Int(head), Self.robustListSize) }
}
