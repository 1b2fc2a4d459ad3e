import CShim
import GuestMemory
import Host
import LinuxABI
import Machine
import Signals
import Sysroot

extension GuestThread {
    /// clone in all its forms. The result is the child's id in the parent; the child runs on by itself, with 0.
    public func clone(_ request: CloneRequest) throws(GuestErrno) -> Int {
        try request.validate()
        if request.has(CloneRequest.thread) { return try startThread(request) }
        if request.has(CloneRequest.vm) {
            // Without CLONE_VFORK parent and child would run on one heap of vmrun's at the same time.
            guard request.has(CloneRequest.vfork) else { throw .ENOSYS }
            return try startHelper(request)
        }
        return try fork(request)
    }

    /// The user context of the calling system call, with which a child begins: registers, and what is beside them.
    struct InitialContext {
        var registers: kvm_regs
        var fsBase: UInt64
        var gsBase: UInt64
        let extendedState: UnsafeMutableRawPointer

        func free() { extendedState.deallocate() }
    }

    /// The context that a child starts from: the parent's behind its `syscall`, with result 0 and the request's stack and TLS.
    func childContext(_ request: CloneRequest) throws(GuestErrno) -> InitialContext {
        cpu.bringToUser()
        let state = UnsafeMutableRawPointer.allocate(byteCount: GuestCPU.extendedStateCapacity, alignment: 64)
        do throws(MachineFailure) { try cpu.saveExtendedState(state) } catch {
            state.deallocate()
            throw .ENOMEM
        }
        var registers = cpu.registers.pointee
        registers.rax = 0
        if request.stackPointer != 0 { registers.rsp = request.stackPointer }
        return InitialContext(
            registers: registers, fsBase: request.has(CloneRequest.setTLS) ? request.tls : cpu.fsBase,
            gsBase: cpu.gsBase, extendedState: state)
    }

    static func load(_ context: InitialContext, into cpu: GuestCPU) throws(MachineFailure) {
        cpu.registers.pointee = context.registers
        cpu.contextReplaced()
        cpu.fsBase = context.fsBase
        cpu.gsBase = context.gsBase
        try cpu.loadExtendedState(context.extendedState)
    }

    // MARK: fork

    /// A child with a copy of the address space: a host fork. The child keeps this thread only, and makes a VM of its own.
    private func fork(_ request: CloneRequest) throws(GuestErrno) -> Int {
        // vmrun's own descriptors and the resolver's state are private to each process.
        if request.has(CloneRequest.files) || request.has(CloneRequest.fs) { throw .EINVAL }
        // The child would become one of whoever started vmrun.
        if request.has(CloneRequest.parent) && process.pid == process.session.firstProcess { throw .EINVAL }
        let context = try childContext(request)
        defer { context.free() }
        let pidfd = request.has(CloneRequest.pidfdFlag) ? try checkedAddress(request.pidfd) : 0
        let place = try process.reservePlace()

        // From here to the child's first steps no signal may run a handler on a half-made process.
        let mask = signals.mask
        // Whether no other host thread can be inside the allocator.
        let isSingle = process.hasOneHostThread
        vmrun_set_host_mask(~0)
        lockForFork()
        let hostFlags = request.flags & (CloneRequest.parent | CloneRequest.ptrace | CloneRequest.untraced)
        let result: Int
        if isSingle || hostFlags != 0 || request.exitSignal != UInt64(SIGCHLD) {
            result = Host.raw(Int32(SYS_clone), Int(hostFlags | request.exitSignal))
        } else {
            // Other threads may be inside the allocator: libc's fork makes it whole again in the child.
            result = vmrun_fork()
        }
        if result == 0 {
            becomeForkChild(request, context, place)
        }
        unlockAfterFork()
        if result > 0 {
            process.session.commit(place, Int32(truncatingIfNeeded: result))
        } else {
            process.session.abort(place)
        }
        if host.pointee.captured == 0 { vmrun_set_host_mask(mask) }
        if result < 0 { throw GuestErrno(Int32(-result)) }

        if request.has(CloneRequest.parentSetTid) {
            try? GuestAccess.write(Int32(truncatingIfNeeded: result), at: GuestAddress(request.parentTid))
        }
        if pidfd != 0 {
            let descriptor = Host.raw(Int32(SYS_pidfd_open), result)
            if descriptor >= 0 { try? GuestAccess.write(Int32(descriptor), at: GuestAddress(pidfd)) }
        }
        return result
    }

    private func checkedAddress(_ address: UInt64) throws(GuestErrno) -> UInt64 {
        _ = try GuestAccess.read(Int32.self, at: GuestAddress(address))
        return address
    }

    private func lockForFork() {
        process.threadsLock.lock()
        process.recordLock.lock()
        process.actions.lockForFork()
        process.memory.prepareFork()
        process.files.lockForFork()
    }

    private func unlockAfterFork() {
        process.files.unlockAfterFork()
        process.memory.parentAfterFork()
        process.actions.unlockAfterFork()
        process.recordLock.unlock()
        process.threadsLock.unlock()
    }

    /// The child's side of a fork. Returns into the run loop with a fresh machine and result 0.
    private func becomeForkChild(_ request: CloneRequest, _ context: InitialContext, _ place: Session.Place) {
        let parentTid = tid
        attach()
        // First of all the parent's machine goes: what follows may unmap, and would tell its page tables.
        InternalDescriptors.closeMachines()
        for thread in process.threads { thread.cpu.forget() }
        for carrier in process.idleCarriers { carrier.cpu.forget() }
        cpu.forget()
        for machine in process.observer.machines { machine.forget() }
        process.observer.machines = []
        process.files.unlockAfterFork()
        process.memory.childAfterFork(survivor: parentTid, identifier: tid)
        process.actions.unlockAfterFork()
        process.recordLock.unlock()
        process.threadsLock.unlock()
        process.pid = Int32(truncatingIfNeeded: Host.raw(Int32(SYS_getpid)))
        host.pointee.captured = 0
        host.pointee.attention = 0
        host.pointee.requests = 0
        host.pointee.has_guard_timer = 0
        process.releaseVforkParent()
        process.join(place)
        process.isHelper = false
        process.idleCarriers = []
        process.threads = [self]
        if request.has(CloneRequest.clearSighand) { process.actions.resetHandlers() }
        do throws(MachineFailure) {
            try process.replaceMachine()
            cpu = try GuestCPU(process.machine)
            host.pointee.run = cpu.run
            try Self.load(context, into: cpu)
        } catch {
            Message.fail(error.sentence)
        }
        clearChildTid = request.has(CloneRequest.childClearTid) ? request.childTid : 0
        if request.has(CloneRequest.childSetTid) {
            try? GuestAccess.write(tid, at: GuestAddress(request.childTid))
        }
        Watchdog.start(process)
        vmrun_set_host_mask(signals.mask)
        runToEnd()
    }
}

extension GuestProcess {
    /// A new VM over the same memory, with empty page tables: chunks come back as they are touched.
    func replaceMachine() throws(MachineFailure) {
        machine = try GuestMachine(system, mappings: memory, vdso: vdso)
        observer.machines = [machine]
    }
}
