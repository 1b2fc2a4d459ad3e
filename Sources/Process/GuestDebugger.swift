import CShim
import Debugger
import GuestMemory
import Host
import Machine
import Signals

/// What a debugger keeps of a thread. Guarded by `GuestDebugger.lock`, but for what the thread takes over when it runs on.
final class ThreadDebugState {
    /// It is not to run in the guest.
    var isHeld = false
    /// It stands still, and its registers may be changed by others.
    var isParked = false
    /// It is known to be out of the guest, where a hold keeps it.
    var isSettled = false
    /// How it goes on, and what signal it gets first.
    var motion = ThreadAction.Motion.run
    var signal: Int32 = 0
    /// The signal that it has stopped for, 0 for none, and what is known of it.
    var stopSignal: Int32 = 0
    var information = siginfo_t()
    var registersChanged = false
    /// The XSAVE image, where it was asked for since the thread stopped.
    let vectors = UnsafeMutableRawPointer.allocate(byteCount: GuestCPU.extendedStateCapacity, alignment: 64)
    var hasVectors = false
    var vectorsChanged = false
    /// What the vCPU's debug registers hold, and what they are to hold when it runs on.
    var hardware = GuestCPU.HardwarePoints()
    var nextHardware = GuestCPU.HardwarePoints()
    /// It makes single steps, for the debugger or for watchpoints.
    var steps = false
    /// The guest's own trap flag, while the debugger's stands in its place.
    var ownTrapFlag = false
    /// What it has to tell when its call has ended. Its own, but before it runs.
    var announcement: Announcement?
    /// A helper's: it is debugged beside its parent, with the breakpoints; or was let go.
    var isFollowed = false
    var isFree = false
    /// It waits in a vfork(2), or for its turn to make one, and cannot enter the guest.
    var isInVfork = false

    deinit { vectors.deallocate() }
}

/// `--gdb`: a debugger's hold of one guest process. Its threads tell of what happens to them and stand still here; the server
/// (`DebugServer`) makes the others stop, and gives what the protocol asks for.
///
/// All threads stop together. A stop finds each thread in one of three places. One that is in the guest is kicked out, and parks. One
/// that runs in vmrun parks before it enters the guest again. One that waits in a call on the host stays there, so that the guest's call notices
/// nothing; it is shown standing at its `syscall` instruction, and parks when the call ends.
public final class GuestDebugger {
    enum Mode {
        case running
        /// A thread has something to tell, or the debugger wants a stop: the others are being held.
        case stopping
        case stopped
    }

    public static var isAvailable: Bool { GuestCPU.canBeDebugged }

    unowned(unsafe) let process: GuestProcess
    /// Before all others: it is held over a fork, and over the ends of the process.
    let lock = Lock()
    /// Holds have ended.
    let released = Condition()
    var mode = Mode.running
    /// What the stop is to be told as.
    var report: (thread: Int32, reason: StopReason)?
    /// There is somebody to tell.
    var isAttached = false
    /// The child that the debugger knows of.
    var heldChild: DebuggedChild?
    /// A thread is in its vfork(2).
    var hasVfork = false
    public internal(set) var formerProcess: Int32 = 0
    var passed = SignalSet()
    var points = DebugPoints()
    let text: ProcessText?
    var auxiliaryVector: [UInt64] = []
    /// Wakes the server.
    private let bell: (reading: Int32, writing: Int32)
    var bellDescriptor: Int32 { bell.reading }
    private(set) var server: DebugServer?
    /// For a child that begins: its debugger expects it to stand still.
    private var beginsStopped = false

    private init(_ process: GuestProcess, bell: (Int32, Int32)) {
        self.process = process
        self.bell = bell
        text = ProcessText()
    }

    /// Nil where nobody wants to debug this process.
    static func start(_ process: GuestProcess, _ handOver: DebugHandOver, isReplacement: Bool) -> GuestDebugger? {
        guard handOver.listener >= 0, isAvailable else { return nil }
        guard let gate = makeBell() else { Message.fail("--gdb: the host has no descriptors left") }
        let debugger = GuestDebugger(process, bell: gate)
        vmrun_enable_debug_kick()
        process.actions.captureDeadly()
        process.notesEntries = true
        debugger.passed = handOver.passed
        debugger.isAttached = handOver.connection >= 0
        debugger.server = DebugServer(debugger, handOver)
        debugger.formerProcess = handOver.formerProcess
        debugger.beginsStopped = handOver.isStopped
        if handOver.stopsOnEntry || handOver.isStopped { debugger.mode = .stopped }
        if isReplacement && debugger.isAttached {
            debugger.mode = .stopping
            debugger.report = (process.pid, handOver.agreement.knowsExecs ? .executed(process.executablePath) : .signal(SIGTRAP))
        }
        return debugger
    }

    private static func makeBell() -> (Int32, Int32)? {
        guard let ends = try? Host.pipe(O_NONBLOCK) else { return nil }
        let bell = (InternalDescriptors.adoptForMachine(ends.reading), InternalDescriptors.adoptForMachine(ends.writing))
        return bell.0 < 0 || bell.1 < 0 ? nil : bell
    }

    /// The process's first thread, which has not run yet.
    func begin(_ thread: GuestThread, _ auxiliaryVector: [UInt64]) {
        self.auxiliaryVector = auxiliaryVector
        adopt(thread)
        if beginsStopped { server?.session?.noteStop(thread.tid, .attached) }
        server?.start()
    }

    /// Has the server look again.
    func ring() {
        var byte: UInt8 = 0
        _ = withUnsafeMutablePointer(to: &byte) { Host.raw(Int32(SYS_write), Int(bell.writing), $0.argument, 1) }
    }

    // MARK: Holding

    /// A new thread: it waits where the others do.
    func adopt(_ thread: GuestThread) {
        lock.withLock {
            thread.debugState?.isHeld = mode != .running
            if mode != .running || !points.hardware.isEmpty || points.hasWatches { Self.request(thread) }
        }
    }

    /// The process's, and those of a child in its memory.
    var threads: [GuestThread] {
        let own = process.threadsLock.withLock { process.threads }
        guard let thread = heldChild?.thread else { return own }
        return own + thread.process.threadsLock.withLock { thread.process.threads }
    }

    func thread(_ tid: Int32) -> GuestThread? { threads.first { $0.tid == tid } }

    /// Has it come by before it enters the guest again.
    static func request(_ thread: GuestThread) {
        vmrun_set_bits(&thread.host.pointee.requests, ThreadRequest.debugger)
        vmrun_set_bits(&thread.host.pointee.attention, UInt32(VMRUN_ATTENTION_KICK))
        thread.cpu.run.pointee.immediate_exit = 1
    }

    /// No thread is to run from here on. With the lock held.
    func holdAll() {
        for thread in threads {
            guard let state = thread.debugState else { continue }
            state.isHeld = true
            if !state.isParked { Self.request(thread) }
        }
    }

    /// Asks for a stop that the debugger wants. With the lock held.
    func requestStop(_ reason: StopReason) {
        guard mode == .running else { return }
        let all = threads
        guard let thread = all.first(where: { $0.debugState?.isHeld == false }) ?? all.first else { return }
        mode = .stopping
        report = (thread.tid, reason)
        holdAll()
    }

    /// Waits until no thread is in the guest any more. With the lock held, which is free in between.
    func settle() {
        let begin = Clock.monotonic()
        var pause: UInt64 = 50_000
        while true {
            let patience = Clock.monotonic() - begin > 100_000_000
            var isSettled = true
            for thread in threads {
                guard let state = thread.debugState, !state.isParked, !state.isSettled, !state.isInVfork else { continue }
                if thread.enteredAt.pointee != 0 {
                    _ = vmrun_debug_kick(thread.process.pid, thread.tid)
                } else if patience || Self.waitsOnHost(thread.tid) {
                    // In vmrun, or in a call: either way it cannot enter the guest.
                    state.isSettled = true
                    continue
                }
                isSettled = false
            }
            if isSettled { return }
            breathe(pause)
            pause = min(pause * 2, 2_000_000)
        }
    }

    /// Lets the threads go on with what they do, for so many nanoseconds.
    private func breathe(_ nanoseconds: UInt64) {
        lock.unlock()
        Host.pause(nanoseconds: nanoseconds)
        lock.lock()
    }

    /// Whether the thread sleeps in a call that it makes for its guest.
    private static func waitsOnHost(_ tid: Int32) -> Bool {
        Host.withFileStart("/proc/\(tid)/syscall", capacity: 256) { line -> Bool? in
            // Number, arguments, stack pointer, instruction pointer; or "running".
            let words = line.split(whereSeparator: { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") })
            guard words.count == 9, let last = words.last else { return false }
            let address = last.dropFirst(2).reduce(UInt64(0)) { value, digit in
                value << 4 | UInt64(digit < 0x3a ? digit &- 0x30 : digit &- 0x57) & 15
            }
            return vmrun_is_in_guest_call(address) != 0
        } ?? false
    }

    /// Ends the wait of a thread in a call on the host, so that its registers can be changed: the call is then made again. False where the
    /// thread is in a place that it does not leave. With the lock held.
    func bringOut(_ thread: GuestThread, _ state: ThreadDebugState) -> Bool {
        let begin = Clock.monotonic()
        while !state.isParked {
            if Clock.monotonic() - begin > 1_000_000_000 { return false }
            Self.request(thread)
            _ = vmrun_debug_kick(thread.process.pid, thread.tid)
            breathe(500_000)
        }
        return true
    }

    /// Lets all run that are held, as their states say. With the lock held.
    func releaseThreads(_ wanted: (GuestThread) -> Bool) {
        mode = .running
        report = nil
        for thread in threads where wanted(thread) {
            guard let state = thread.debugState else { continue }
            state.isHeld = false
            state.isSettled = false
            // What waits in a call takes it over when that ends.
            if !state.isParked {
                thread.isStepping = steps(state)
                if state.hardware != points.hardware { Self.request(thread) }
            }
        }
        released.broadcast()
    }

    // MARK: The threads' side

    /// Stands still for as long as it is held. With the lock held.
    func stand(_ thread: GuestThread, _ state: ThreadDebugState) {
        state.isParked = true
        state.hasVectors = false
        while state.isHeld { released.wait(lock) }
        state.isParked = false
        state.nextHardware = points.hardware
        state.steps = steps(state)
    }

    /// Takes over what was changed meanwhile, without the lock: nobody else touches a thread that is not held. The signal that the
    /// debugger wants it to have.
    func resume(_ thread: GuestThread, _ state: ThreadDebugState) -> Int32 {
        let cpu = thread.cpu
        do throws(MachineFailure) {
            if state.vectorsChanged { try DebugRegisters.loadVectors(state.vectors, into: cpu) }
            if state.hardware != state.nextHardware {
                state.hardware = state.nextHardware
                try cpu.setHardwarePoints(state.hardware)
            }
        } catch { Message.fail(error.sentence) }
        if state.registersChanged { cpu.contextReplaced() }
        state.vectorsChanged = false
        state.registersChanged = false
        if state.steps { beginStep(thread, state) }
        let signal = state.signal
        state.signal = 0
        state.stopSignal = 0
        return signal
    }

    /// Whether a thread that goes on makes single steps: it is to make one, or somebody has to look after each.
    private func steps(_ state: ThreadDebugState) -> Bool {
        if case .step = state.motion { return true }
        return points.hasWatches
    }

    private func beginStep(_ thread: GuestThread, _ state: ThreadDebugState) {
        state.ownTrapFlag = thread.cpu.setTrapFlag(true)
        thread.isStepping = true
    }

    /// The guest's context without what a single step needs.
    func endStep(_ thread: GuestThread) {
        guard thread.isStepping, let state = thread.debugState else { return }
        thread.isStepping = false
        thread.cpu.setTrapFlag(state.ownTrapFlag)
    }

    enum Verdict {
        /// Nobody is there to tell.
        case unattended
        /// Another stop came first: the thread is where it was, and its event may happen again.
        case dropped
        /// The debugger knows, and wants the thread to go on with this signal, 0 for none.
        case resumed(Int32)
    }

    /// Tells of a stop, and stands still until the debugger lets the thread go on.
    func tell(
        _ thread: GuestThread, _ reason: StopReason, signal: Int32 = 0, information: siginfo_t? = nil, child: DebuggedChild? = nil
    ) -> Verdict {
        guard let state = thread.debugState else { return .unattended }
        endStep(thread)
        thread.cpu.bringToUser()
        lock.lock()
        guard isAttached, !state.isFree else {
            lock.unlock()
            return .unattended
        }
        let isFirst = mode == .running && !state.isHeld
        if isFirst {
            // Two processes are debugged already: this one's child runs by itself.
            if child != nil && heldChild != nil {
                lock.unlock()
                return .unattended
            }
            mode = .stopping
            if let child { heldChild = child }
            report = (thread.tid, reason)
            state.stopSignal = signal
            if let information { state.information = information }
            holdAll()
            ring()
        }
        stand(thread, state)
        lock.unlock()
        let given = resume(thread, state)
        if isFirst { return .resumed(given) }
        if given != 0 { inject(given, thread) }
        return .dropped
    }

    /// A request of the debugger's: stands still where it is held.
    func park(_ thread: GuestThread) {
        guard let state = thread.debugState else { return }
        endStep(thread)
        thread.cpu.bringToUser()
        lock.lock()
        stand(thread, state)
        lock.unlock()
        let signal = resume(thread, state)
        if signal != 0 { inject(signal, thread) }
        tellAnnouncement(thread)
    }

    // MARK: Signals

    func inject(_ signal: Int32, _ thread: GuestThread) {
        delivering(signal, thread, isFault: false) { thread.signals.deliverGiven(thread.cpu, signal) }
    }

    /// Delivers a signal. A step into a handler ends at its first instruction, as it does for ptrace(2).
    private func delivering(_ signal: Int32, _ thread: GuestThread, isFault: Bool, _ deliver: () -> Void) {
        let wasStepping = thread.isStepping
        endStep(thread)
        if thread.signals.isDeadly(signal, isFault: isFault) { programEnds(thread.process, signal: signal) }
        deliver()
        guard wasStepping, let state = thread.debugState else { return }
        if case .step = state.motion { goOn(tell(thread, .step), thread) } else { beginStep(thread, state) }
    }

    /// A signal is captured for the thread, whose context is the user's. True where it is to be delivered as if there were no debugger.
    func admitsSignal(of thread: GuestThread) -> Bool {
        let signal = thread.host.pointee.captured
        guard signal != 0 else { return true }
        let isAsked = !passed.contains(signal)
        switch isAsked ? tell(thread, .signal(signal), signal: signal, information: thread.host.pointee.captured_info) : .resumed(signal) {
        case .unattended: return true
        case .dropped: return false
        case .resumed(let wanted):
            if wanted == signal {
                delivering(signal, thread, isFault: false) { thread.signals.deliverPending(thread.cpu) }
            } else {
                thread.signals.discardPending()
                if wanted != 0 { inject(wanted, thread) }
            }
            return false
        }
    }

    // MARK: Faults and steps

    /// A fault or trap of the guest's. True where it is dealt with; false where it is the guest's, as without a debugger.
    func takes(_ fault: GuestFault, of thread: GuestThread) -> Bool {
        if fault.isBreakpoint, takesBreakpoint(thread) { return true }
        if fault.isTrap, let index = hit(of: thread) {
            if let point = lock.withLock({ points.owner(index) }) {
                let reason = point.kind == .hardware ? .hardwareBreakpoint : StopReason.watchpoint(point.kind, address: point.address)
                goOn(tell(thread, reason), thread)
            }
            return true
        }
        if fault.isTrap && thread.isStepping {
            stepped(thread)
            return true
        }
        return takesSignal(fault, of: thread)
    }

    private func hit(of thread: GuestThread) -> Int? {
        guard let state = thread.debugState else { return nil }
        do throws(MachineFailure) { return try thread.cpu.takeHit(of: state.hardware) } catch { Message.fail(error.sentence) }
    }

    func goOn(_ verdict: Verdict, _ thread: GuestThread) {
        if case .resumed(let signal) = verdict, signal != 0 { inject(signal, thread) }
    }

    /// False where the breakpoint is the program's own.
    private func takesBreakpoint(_ thread: GuestThread) -> Bool {
        guard let text else { return false }
        let address = thread.cpu.instructionPointer &- 1
        let (isKnown, stands) = lock.withLock { (points.contains(address), DebugPoints.stands(at: address, text)) }
        // One that was taken away when another thread had met it: what the program has there is next.
        if !isKnown && stands { return false }
        thread.cpu.setInstructionPointer(address)
        if isKnown { goOn(tell(thread, lock.withLock { points.reason(at: address) }), thread) }
        return true
    }

    /// A step is done. It may be one of many.
    private func stepped(_ thread: GuestThread) {
        guard let state = thread.debugState, let text else { return }
        let (isWatched, changed) = lock.withLock { (points.hasWatches, mode == .running ? points.changedWatch(text) : nil) }
        if let changed { return goOn(tell(thread, .watchpoint(changed.kind, address: changed.address)), thread) }
        if state.motion == .run {
            if !isWatched { endStep(thread) }
            return
        }
        if case .step(let start, let end) = state.motion {
            let place = thread.cpu.instructionPointer
            if place >= start && place < end && !state.isHeld && isAttached { return }
        }
        goOn(tell(thread, .step), thread)
    }

    /// A system call of a thread that steps is about to be made: neither the call nor a child of it is to see the trap flag.
    func callBegins(_ thread: GuestThread) {
        guard let state = thread.debugState else { return }
        thread.cpu.bringToUser()
        thread.cpu.setTrapFlag(state.ownTrapFlag)
    }

    /// It is made: that was the step. `isRestarted`: it comes again.
    func callEnded(_ thread: GuestThread, isRestarted: Bool) {
        thread.cpu.bringToUser()
        tellAnnouncement(thread)
        if thread.isStepping && !isRestarted { stepped(thread) }
        if thread.isStepping { thread.cpu.setTrapFlag(true) }
    }

    /// A fault that is a signal of the guest's.
    private func takesSignal(_ fault: GuestFault, of thread: GuestThread) -> Bool {
        var information = siginfo_t()
        SignalInformation.setFault(&information, fault)
        while true {
            let isAsked = !passed.contains(fault.signal)
            switch isAsked ? tell(thread, .signal(fault.signal), signal: fault.signal, information: information) : .resumed(fault.signal) {
            case .unattended: return false
            case .dropped: if fault.isRestartable { return true }
            case .resumed(let wanted):
                if wanted == fault.signal {
                    // What came before the instruction is delivered first, and the instruction faults again.
                    if !thread.signals.hold() && fault.isRestartable { return true }
                    delivering(fault.signal, thread, isFault: true) { thread.signals.deliverFault(thread.cpu, fault) }
                } else if wanted != 0 {
                    inject(wanted, thread)
                }
                return true
            }
        }
    }

    // MARK: Children

    func liftBreakpoints() { lock.withLock { points.lift(text) } }
    func replantBreakpoints() { lock.withLock { points.replant(text) } }

    /// In a fork child, with a lock that nobody gives back: nobody debugs it with this one.
    func leaveChild() {
        guard let own = ProcessText() else { return }
        points.restore(in: own)
        own.close()
    }

    // MARK: Ends

    /// A thread is about to be gone. It may have been the only one that ran.
    func threadEnded() {
        lock.withLock {
            let left = threads
            guard isAttached, mode == .running, let witness = left.first, left.allSatisfy({ $0.debugState?.isHeld ?? true }) else { return }
            mode = .stopping
            report = (witness.tid, .noneLeft)
            ring()
        }
    }

    /// The lock, once the debugger waits for something to happen: it is told nothing while it looks at a stop.
    private func lockForEnd() {
        lock.lock()
        while mode == .stopped && isAttached { released.wait(lock) }
    }

    /// The process is about to exit. Nothing is told from here on.
    func programEnds(_ ending: GuestProcess, status: Int32) {
        if helperEnds(ending, .childExited(ending.pid, status: status)) { return }
        lockForEnd()
        server?.session?.ended(status: status)
    }

    func programEnds(_ ending: GuestProcess, signal: Int32) {
        if helperEnds(ending, .childKilled(ending.pid, signal: signal)) { return }
        lockForEnd()
        server?.session?.ended(signal: signal)
    }

    /// What the next image of `replaced` is to know.
    func handOver(_ replaced: GuestProcess) -> DebugHandOver {
        lock.withLock {
            guard var handOver = server?.handOver() else { return DebugHandOver() }
            if replaced !== process {
                guard isAttached, heldChild?.process == replaced.pid else { return DebugHandOver() }
                // The debugger lets go of it when it knows of the exec.
                handOver.formerProcess = process.pid
            }
            return handOver
        }
    }

    /// Another image is about to take the place of `replaced`, and the connection with it.
    func prepareExec(_ replaced: GuestProcess) {
        lockForEnd()
        if replaced !== process { heldChild?.isLeaving = true }
    }

    func execFailed() {
        heldChild?.isLeaving = false
        lock.unlock()
    }
}
