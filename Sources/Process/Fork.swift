import CShim
import GuestMemory
import Host
import LinuxABI
import Machine
import Signals
import Statistics
import SyntheticFS
import Sysroot

extension GuestThread {
    /// A child with a copy of the address space: a host fork. The child keeps this thread only, and makes a VM of its own.
    func fork(_ request: CloneRequest) throws(GuestErrno) -> Int {
        let pidfd = try PidfdRequest(request, caller: self)
        let context = try childContext(request)
        defer { context.free() }
        let sharesDescriptors = request.has(CloneRequest.files)
        // CLONE_VFORK: the parent waits on a pipe, with its locks free. Where that would be one pipe for both, the host waits.
        let release = request.has(CloneRequest.vfork) && !sharesDescriptors ? try Gate() : nil
        // The child waits until the parent has its pidfd, since another thread could reap it at once.
        let hold: Gate?
        do throws(GuestErrno) { hold = pidfd != nil && !sharesDescriptors ? try Gate() : nil } catch {
            release?.close()
            throw error
        }
        let place: Session.Place
        do throws(GuestErrno) { place = try process.reservePlace() } catch {
            release?.close()
            hold?.close()
            throw error
        }

        // With one table for both, or with two waits, the child runs free.
        let debugging = sharesDescriptors || release != nil ? nil : process.debugger?.prepareFork()
        let socket = process.socketForChildren()
        // An exec, on either side, makes it SIGCHLD.
        if request.exitSignal != UInt64(SIGCHLD) { process.noteHostState() }
        // From here to the child's first steps no signal may run a handler on a half-made process.
        let mask = signals.mask
        // Whether no other host thread can be inside libc.
        let isSingle = process.hasOneHostThread
        vmrun_set_host_mask(~0)
        lockForFork()
        var hostFlags = request.flags & CloneRequest.hostFlags
        if release == nil { hostFlags |= request.flags & CloneRequest.vfork }
        let result: Int
        if isSingle || hostFlags != 0 || request.exitSignal != UInt64(SIGCHLD) {
            result = Host.raw(Int32(SYS_clone), Int(hostFlags | request.exitSignal))
        } else {
            // Other threads may be inside libc: its own fork makes it whole again in the child.
            result = vmrun_fork()
        }
        if result == 0 {
            vmrun_heap_after_fork()
            hold?.open()
            hold?.pass()
            becomeForkChild(request, context, place, parentGate: release, parentsSocket: socket, debuggerSocket: debugging?.receiving)
        }
        unlockAfterFork()
        if let debugging {
            Host.close(debugging.receiving)
            if result > 0 {
                let child = DebuggedChild(process: Int32(truncatingIfNeeded: result), socket: debugging.sending)
                process.debugger?.announce(.child(child), self)
            } else {
                Host.close(debugging.sending)
            }
        }
        release?.open()
        if result > 0 {
            let child = Int32(truncatingIfNeeded: result)
            process.session.commit(place, child)
            Statistics.count(.forks)
            endsHostThread = true
            if sharesDescriptors {
                process.sharedDescriptors = true
                process.descriptorKinds.distrust()
            }
            if request.has(CloneRequest.parentSetTid) { try? GuestAccess.write(child, at: GuestAddress(request.parentTid)) }
            pidfd?.open(child)
        } else {
            process.session.abort(place)
        }
        hold?.close()
        if let release {
            if result > 0 { release.pass() } else { Host.close(release.readEnd) }
        }
        if host.pointee.captured == 0 { vmrun_set_host_mask(mask) }
        if result < 0 { throw GuestErrno(Int32(-result)) }
        return result
    }

    private func lockForFork() {
        process.debugger?.lock.lock()
        process.threadsLock.lock()
        process.recordLock.lock()
        process.actions.lockForFork()
        process.memory.prepareFork()
        files.lockForFork()
    }

    private func unlockAfterFork() {
        files.unlockAfterFork()
        process.memory.parentAfterFork()
        process.actions.unlockAfterFork()
        process.recordLock.unlock()
        process.threadsLock.unlock()
        process.debugger?.lock.unlock()
    }

    /// The child's side of a fork. Returns into the run loop with a fresh machine and result 0.
    private func becomeForkChild(
        _ request: CloneRequest, _ context: UserContext, _ place: Session.Place, parentGate: Gate?, parentsSocket: Int32,
        debuggerSocket: Int32?
    ) -> Never {
        let parentTid = tid
        attach()
        let notify = parentGate.map { InternalDescriptors.duplicate($0.writeEnd) } ?? -1
        // First of all the parent's machine goes: what follows may unmap, and would tell its page tables. Its descriptors
        // stay where the parent uses them through the same table.
        if !request.has(CloneRequest.files) {
            InternalDescriptors.closeMachines()
            process.synthetic.keepOwnDescriptorFlags()
            Host.close(process.parentsSocket)
            process.parentsSocket = parentsSocket
        } else {
            process.parentsSocket = -1
        }
        process.estate = nil
        for thread in process.threads { thread.cpu.forget() }
        for carrier in process.idleCarriers { carrier.cpu.forget() }
        cpu.forget()
        process.forgetPoller()
        pollerPlace = nil
        callsExpected = 0
        for machine in process.observer.machines { machine.forget() }
        process.observer.machines = []
        files.unlockAfterFork()
        process.files = files
        ownFiles = nil
        hasOwnTables = false
        endsHostThread = false
        process.memory.childAfterFork(survivor: parentTid, identifier: tid)
        process.actions.unlockAfterFork()
        process.recordLock.unlock()
        process.threadsLock.unlock()
        process.pid = Int32(truncatingIfNeeded: Host.raw(Int32(SYS_getpid)))
        let parentsDebugger = process.debugger
        parentsDebugger?.leaveChild()
        process.debugger = nil
        process.notesEntries = process.timeout > 0
        debugState = nil
        isStepping = false
        host.pointee.captured = 0
        host.pointee.attention = 0
        host.pointee.requests = 0
        host.pointee.has_guard_timer = 0
        process.releaseVforkParent()
        process.notifyDescriptor = notify
        process.join(place)
        process.isHelper = false
        process.sharesDescriptors = request.has(CloneRequest.files)
        if process.sharesDescriptors { process.descriptorKinds.distrust() }
        process.sharedDescriptors = false
        process.concurrentHelpers = 0
        process.programsReplaced = 0
        if process.traceFile >= 0 && !process.sharesDescriptors { Host.close(process.traceFile) }
        process.traceFile = TraceFileState.new
        process.record.hasExecuted = false
        process.idleCarriers = []
        process.threads = [self]
        if request.has(CloneRequest.clearSighand) { process.actions.resetHandlers() }
        do throws(MachineFailure) {
            try process.replaceMachine()
            cpu = try GuestCPU(process.machine)
            host.pointee.run = cpu.run
            try context.load(into: cpu)
        } catch {
            Message.fail(error.sentence)
        }
        // Where it goes on.
        cpu.machine.expectWrite(cpu.stackPointer)
        cpu.machine.expectExecution(cpu.instructionPointer, cpu.instructionPointer &+ 1)
        cpu.machine.expectExecution(process.record.codeStart, process.record.codeEnd)
        robustList = 0
        prepareAnswers()
        takeIDs(request)
        Watchdog.start(process)
        if let debuggerSocket, let parentsDebugger { awaitDebugger(debuggerSocket, parent: parentsDebugger) }
        vmrun_set_host_mask(signals.mask)
        runToEnd()
    }
}
