import CShim
import GuestMemory
import Host
import LinuxABI
import Machine
import Signals
import Statistics
import Synchronization
import Sysroot

/// A child that shares its parent's memory (CLONE_VM without CLONE_THREAD): a helper process on a host stack of its own, which runs
/// the child on a vCPU that never ran, in the parent's heap.
///
/// The helper also uses the thread-local storage of the host thread that made it, which therefore waits in the host's CLONE_VFORK
/// for as long. For a guest's vfork that is the calling thread itself; a child that runs beside its parent gets a host
/// thread for nothing else.
final class HelperLaunch {
    let thread: GuestThread
    let request: CloneRequest
    let pidfd: PidfdRequest?
    let place: Session.Place
    private let stack: Int
    /// For a vfork: who waits for the child meanwhile.
    var parent: GuestThread?
    /// 0 until there is a helper or an error, then the child's id or -errno. A futex.
    private let outcome = Atomic<Int32>(0)

    private static let stackSize = 256 << 10

    init(_ thread: GuestThread, _ request: CloneRequest, _ pidfd: PidfdRequest?, _ place: Session.Place) throws(GuestErrno) {
        self.place = place
        self.thread = thread
        self.request = request
        self.pidfd = pidfd
        stack = Host.raw(
            Int32(SYS_mmap), 0, Self.stackSize, Int(PROT_READ | PROT_WRITE), Int(MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK), -1, 0)
        if stack <= 0 { throw .ENOMEM }
    }

    /// Gives back what is large: a helper has gone without releasing its references.
    private func dispose() { _ = Host.raw(Int32(SYS_munmap), stack, Self.stackSize) }

    /// Makes the helper and waits until it has executed a fresh image or is dead. The child's id or -errno. All signals are
    /// to be blocked.
    func run() -> Int {
        let flags = request.flags & CloneRequest.hostFlags | CloneRequest.vm | CloneRequest.vfork | request.exitSignal
        let result = vmrun_clone_helper(
            { opaque in
                guard let opaque else { return 125 }
                Unmanaged<HelperLaunch>.fromOpaque(opaque).takeUnretainedValue().begin()
            }, UnsafeMutableRawPointer(bitPattern: stack + Self.stackSize),
            Int32(bitPattern: UInt32(truncatingIfNeeded: flags)), Unmanaged.passUnretained(self).toOpaque())
        // Where the helper was killed before it could.
        tell(Int32(truncatingIfNeeded: result))
        return result
    }

    /// On a thread that does not wait for the helper: its id or -errno, as soon as it has one.
    func waitForStart() -> Int {
        while true {
            let seen = outcome.load(ordering: .acquiring)
            if seen != 0 { return Int(seen) }
            _ = Host.raw(Int32(SYS_futex), outcomeAddress, Int(FUTEX_WAIT), 0)
        }
    }

    private func tell(_ value: Int32) {
        guard outcome.compareExchange(expected: 0, desired: value, ordering: .acquiringAndReleasing).exchanged else { return }
        _ = Host.raw(Int32(SYS_futex), outcomeAddress, Int(FUTEX_WAKE), 1)
    }

    private var outcomeAddress: Int {
        // SAFETY: the Atomic is stored inline in this heap object, which outlives the call; its only field is the word.
        withUnsafePointer(to: outcome) { Int(bitPattern: $0) }
    }

    /// The helper's first steps.
    private func begin() -> Never {
        let process = thread.process
        thread.attach()
        process.pid = Int32(truncatingIfNeeded: Host.raw(Int32(SYS_getpid)))
        process.join(place)
        if request.has(CloneRequest.clearSighand) { process.actions.resetHandlers() }
        thread.takeIDs(request)
        // The parent's memory is this one, and it must find the id there before the child can end.
        if request.has(CloneRequest.parentSetTid) { try? GuestAccess.write(process.pid, at: GuestAddress(request.parentTid)) }
        tell(process.pid)
        Statistics.count(.vforks)
        Watchdog.start(process)
        if let parent { parent.process.debugger?.helperBegins(thread, parent: parent) }
        vmrun_set_host_mask(thread.signals.mask)
        thread.runToEnd()
    }

    /// Takes back what the helper used: it has gone without releasing anything, perhaps in the middle of something.
    func cleanUp(after result: Int, parent: GuestProcess) {
        let child = thread.process
        if result > 0 {
            let id = UInt32(truncatingIfNeeded: result)
            vmrun_heap_break_lock(id)
            parent.memory.breakLock(ownedBy: id)
            thread.cpu.machine.breakLock(ownedBy: id)
            if child.actions === parent.actions { parent.actions.breakLock(ownedBy: id) }
            if child.files === parent.files { parent.files.breakLock(ownedBy: id) }
        }
        if let place = thread.pollerPlace { place.poller.bury(place.index) }
        if thread.lackedPoller { parent.helpersCallDensely.store(true, ordering: .relaxed) }
        // What its own threads may have needed: the descriptors went with it.
        if child.machine !== thread.cpu.machine {
            child.machine.forget()
            parent.observer.remove(child.machine, parent.memory)
        }
        parent.retire(thread.cpu)
        thread.dispose()
        if child.actions !== parent.actions { child.actions.dispose() }
        // With one table for both it is still there.
        if child.traceFile >= 0 && request.has(CloneRequest.files) { Host.close(child.traceFile) }
        dispose()
    }
}

extension GuestThread {
    /// CLONE_VM without CLONE_THREAD. With CLONE_VFORK this thread waits until the child has become another program or has ended.
    func startHelper(_ request: CloneRequest) throws(GuestErrno) -> Int {
        guard request.has(CloneRequest.vfork), let debugger = process.debugger else { return try makeHelper(request) }
        debugger.beginVfork(self)
        defer { debugger.endVfork(self) }
        return try makeHelper(request)
    }

    private func makeHelper(_ request: CloneRequest) throws(GuestErrno) -> Int {
        let pidfd = try PidfdRequest(request, caller: self)
        let context = try childContext(request)
        defer { context.free() }
        let place = try process.reservePlace()
        do throws(GuestErrno) {
            let gate = request.has(CloneRequest.vfork) ? try Gate() : nil
            let launch: HelperLaunch
            do throws(GuestErrno) { launch = try prepareHelper(request, context, pidfd, place) } catch {
                gate?.close()
                throw error
            }
            if let gate { return try waitForHelper(launch, gate) }
            return try startBeside(launch)
        } catch {
            process.session.abort(place)
            throw error
        }
    }

    /// All that a helper needs; where something is missing nothing stays of it.
    private func prepareHelper(
        _ request: CloneRequest, _ context: UserContext, _ pidfd: PidfdRequest?, _ place: Session.Place
    ) throws(GuestErrno) -> HelperLaunch {
        let view = request.has(CloneRequest.fs) ? files : try files.copy(sharesDescriptors: request.has(CloneRequest.files))
        let cpu: GuestCPU
        do throws(MachineFailure) { cpu = try process.makeCPU() } catch { throw .EAGAIN }
        do throws(MachineFailure) { try context.load(into: cpu) } catch {
            process.retire(cpu)
            throw .EAGAIN
        }
        let thread = makeHelperThread(request, cpu, view)
        do throws(GuestErrno) { return try HelperLaunch(thread, request, pidfd, place) } catch {
            process.retire(cpu)
            thread.dispose()
            throw error
        }
    }

    /// The child's process and thread, not running yet.
    private func makeHelperThread(_ request: CloneRequest, _ cpu: GuestCPU, _ view: FileSystemContext) -> GuestThread {
        let child = GuestProcess(
            memory: process.memory, files: view, synthetic: process.synthetic,
            actions: request.has(CloneRequest.sighand) ? process.actions : process.actions.copy(),
            session: process.session, server: process.server, timeout: process.timeout, machine: cpu.machine,
            system: process.system, vdso: process.vdso, executablePath: process.executablePath, record: process.currentRecord,
            observer: process.observer, isHelper: true, speedUps: process.speedUps)
        child.parentsSocket = process.socketForChildren()
        process.lendPoller(to: child)
        let thread = GuestThread(process: child, cpu: cpu)
        thread.host.pointee.blocked = signals.mask
        if request.has(CloneRequest.vfork) { thread.signals.alternateStack = signals.alternateStack }
        thread.credentials = credentials
        thread.hasRenouncedPrivileges = hasRenouncedPrivileges
        thread.inheritFilters(self)
        child.threads = [thread]
        if request.has(CloneRequest.files) { process.descriptorKinds.distrust() }
        thread.expectCalls()
        return thread
    }

    /// Two things hold the parent: the host's own CLONE_VFORK until the helper executes the fresh vmrun image or dies, however it
    /// dies; then the notify pipe until that image has loaded its program.
    private func waitForHelper(_ launch: HelperLaunch, _ gate: Gate) throws(GuestErrno) -> Int {
        launch.thread.process.notifyDescriptor = gate.writeEnd
        vmrun_set_host_mask(~0)
        // It would meet them, and nobody is there for it.
        process.debugger?.liftBreakpoints()
        launch.parent = self
        let result = launch.run()
        // The helper used this thread's thread-local storage while this thread stood in the kernel.
        attach()
        gate.open()
        launch.thread.process.notifyDescriptor = -1
        process.debugger?.helperEnded(launch.thread, parent: self)
        if result > 0 {
            let child = Int32(truncatingIfNeeded: result)
            process.session.commit(launch.place, child)
            endsHostThread = true
            launch.pidfd?.open(child)
            gate.pass()
        } else {
            Host.close(gate.readEnd)
        }
        launch.cleanUp(after: result, parent: process)
        if host.pointee.captured == 0 { vmrun_set_host_mask(signals.mask) }
        if result < 0 { throw GuestErrno(Int32(-result)) }
        return result
    }

    /// A child that runs beside its parent: a host thread of its own makes it, and waits for its end.
    private func startBeside(_ launch: HelperLaunch) throws(GuestErrno) -> Int {
        let keeper = HelperKeeper(launch, parent: process)
        process.threadsLock.withLock { process.concurrentHelpers += 1 }
        let started = vmrun_start_thread(
            { opaque in
                guard let opaque else { return }
                Unmanaged<HelperKeeper>.fromOpaque(opaque).takeRetainedValue().live()
            }, Unmanaged.passRetained(keeper).toOpaque(), HelperKeeper.hostStackSize)
        if started != 0 {
            Unmanaged.passUnretained(keeper).release()
            process.threadsLock.withLock { process.concurrentHelpers -= 1 }
            launch.cleanUp(after: started, parent: process)
            throw .EAGAIN
        }
        let result = launch.waitForStart()
        if result < 0 { throw GuestErrno(Int32(truncatingIfNeeded: -result)) }
        let child = Int32(truncatingIfNeeded: result)
        process.session.commit(launch.place, child)
        launch.pidfd?.open(child)
        return result
    }
}

/// The host thread behind a child that runs beside its parent.
private final class HelperKeeper {
    static let hostStackSize: UInt64 = 128 << 10
    private let launch: HelperLaunch
    private let parent: GuestProcess

    init(_ launch: HelperLaunch, parent: GuestProcess) {
        self.launch = launch
        self.parent = parent
    }

    func live() {
        ThreadName(Carrier.parkedName).apply()
        parent.debugger?.liftBreakpoints()
        let result = launch.run()
        vmrun_thread_attach(nil)
        parent.debugger?.replantBreakpoints()
        launch.cleanUp(after: result, parent: parent)
        parent.threadsLock.withLock { parent.concurrentHelpers -= 1 }
    }
}
