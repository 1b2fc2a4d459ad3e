import CShim
import Debugger
import Host
import Signals

/// A child of the debugged process, from the stop that tells of it until the debugger has said what becomes of it, or longer: see
/// `isFollowed`.
final class DebuggedChild {
    let process: Int32
    /// A vfork child's thread, which runs in this memory; nil for a copy.
    let thread: GuestThread?
    /// Through which a copy learns what becomes of it, -1 for none. When it is closed the child runs by itself.
    private var socket: Int32
    /// It runs, and is debugged beside its parent, which stands still in its vfork(2).
    var isFollowed = false
    /// It is about to become another program, which the connection goes to.
    var isLeaving = false

    init(process: Int32, thread: GuestThread) {
        self.process = process
        self.thread = thread
        socket = -1
    }

    init(process: Int32, socket: Int32) {
        self.process = process
        self.socket = socket
        thread = nil
    }

    var description: DebugChild { DebugChild(process: process, sharesMemory: thread != nil) }

    /// A copy runs by itself.
    func letGo() {
        Host.close(socket)
        socket = -1
    }

    func send(_ handOver: DebugHandOver) {
        do throws(ForkIPCError) { try handOver.send(over: socket) } catch { Message.error("--gdb: the child cannot be debugged: \(error.clause)") }
        letGo()
    }
}

/// What a thread has to tell before it enters the guest again.
enum Announcement {
    case child(DebuggedChild)
    case vforkDone
}

/// Children. A debugger debugs one process at a time. It is told of a child before that runs, and lets go of one of the two: of the child,
/// or of the parent, and then connection and listener go to the child. A vfork child cannot be debugged by its own process, which has no
/// memory of its own: its thread is one of its parent's threads here, until it becomes another program, which takes the connection along.
extension GuestDebugger {
    /// Over which a fork's child is to learn what becomes of it; nil where nobody wants to know of it.
    func prepareFork() -> (receiving: Int32, sending: Int32)? {
        // A vfork child that is debugged beside its parent is the second one already.
        let isWanted = lock.withLock { isAttached && agreement.knowsForks && heldChild?.isFollowed != true }
        guard isWanted, let pair = try? ForkIPC.socketPair() else { return nil }
        // A fork child drops this one.
        let sending = Int32(
            truncatingIfNeeded: max(
                Host.raw(Int32(SYS_fcntl), Int(pair.sending), Int(F_DUPFD_CLOEXEC), Int(InternalDescriptors.firstOfMachine)), -1))
        Host.close(pair.sending)
        if sending >= 0 { return (pair.receiving, sending) }
        Host.close(pair.receiving)
        return nil
    }

    var agreement: DebugSession.Agreement { server?.session?.agreed ?? DebugSession.Agreement() }

    /// Has `thread`, which is the caller's, tell of something when its call has ended.
    func announce(_ announcement: Announcement, _ thread: GuestThread) {
        guard let state = thread.debugState else { return }
        state.announcement = announcement
        Self.request(thread)
    }

    /// Tells of it, and stands still meanwhile.
    func tellAnnouncement(_ thread: GuestThread) {
        guard let state = thread.debugState else { return }
        while let announcement = state.announcement {
            let verdict: Verdict
            switch announcement {
            case .child(let child): verdict = tell(thread, .forked(child.description), child: child)
            case .vforkDone: verdict = tell(thread, .vforkDone)
            }
            if case .dropped = verdict { continue }
            state.announcement = nil
            if case .child(let child) = announcement, case .unattended = verdict { child.letGo() }
            goOn(verdict, thread)
        }
    }

    // MARK: A child that shares the memory

    /// One vfork after the other: a helper has its own copies of the descriptors by which other parents wait, and may stand still for long.
    func beginVfork(_ thread: GuestThread) {
        lock.withLock {
            thread.debugState?.isInVfork = true
            while hasVfork { released.wait(lock) }
            hasVfork = true
        }
    }

    func endVfork(_ thread: GuestThread) {
        lock.withLock {
            thread.debugState?.isInVfork = false
            hasVfork = false
            released.broadcast()
        }
    }

    /// On the helper's own host thread, before it runs: its parent, which stands in the kernel, is shown to have stopped.
    func helperBegins(_ thread: GuestThread, parent: GuestThread) {
        guard let parentState = parent.debugState else { return }
        lock.lock()
        // One stop after the other; and none of a thread that is not to run.
        while (mode != .running || parentState.isHeld) && isAttached { released.wait(lock) }
        guard isAttached, agreement.knowsVforks, heldChild == nil else { return lock.unlock() }
        let state = ThreadDebugState()
        state.isHeld = true
        thread.debugState = state
        let new = DebuggedChild(process: thread.process.pid, thread: thread)
        heldChild = new
        parentState.announcement = .vforkDone
        mode = .stopping
        report = (parent.tid, .forked(new.description))
        holdAll()
        ring()
        stand(thread, state)
        let isFollowed = new.isFollowed
        if isFollowed {
            thread.process.debugger = self
            thread.process.notesEntries = true
        } else {
            thread.debugState = nil
        }
        lock.unlock()
        guard isFollowed else { return }
        let signal = resume(thread, state)
        if signal != 0 { inject(signal, thread) }
    }

    /// The parent runs on: the helper is dead, or has become another program.
    func helperEnded(_ thread: GuestThread, parent: GuestThread) {
        _ = lock.breakIfOwned(by: UInt32(bitPattern: thread.tid))
        lock.lock()
        defer { lock.unlock() }
        if thread.debugState?.isFollowed != true { points.replant(text) }
        if parent.debugState?.announcement != nil { Self.request(parent) }
        guard let child = heldChild, child.thread === thread else { return }
        if child.isLeaving {
            heldChild = nil
            server?.abandon()
        } else {
            tellEnd(of: child, .childKilled(child.process, signal: SIGKILL))
        }
    }

    /// With the lock held.
    private func tellEnd(of child: DebuggedChild, _ reason: StopReason) {
        heldChild = nil
        guard isAttached, child.isFollowed, let witness = threads.first else { return }
        mode = .stopping
        report = (witness.tid, reason)
        holdAll()
        ring()
    }

    /// True where `ending` is a helper: its parent lives on.
    func helperEnds(_ ending: GuestProcess, _ reason: StopReason) -> Bool {
        guard ending !== process else { return false }
        lock.lock()
        while mode != .running && isAttached { released.wait(lock) }
        if let child = heldChild, child.process == ending.pid { tellEnd(of: child, reason) }
        lock.unlock()
        return true
    }

    // MARK: What the debugger says

    func letGo(of child: DebuggedChild) {
        heldChild = nil
        guard let thread = child.thread, let state = thread.debugState else { return child.letGo() }
        // Breakpoints of its parent's are not for it.
        if state.isFollowed { points.lift(text) }
        state.isFollowed = false
        state.isFree = true
        state.motion = .run
        state.isHeld = false
        released.broadcast()
    }

    /// A child that is let run is followed.
    func follow(_ child: DebuggedChild) {
        guard !child.isFollowed, let state = child.thread?.debugState else { return }
        child.isFollowed = true
        state.isFollowed = true
        points.replant(text)
    }
}

extension GuestThread {
    /// A fork child waits to hear whether it is debugged. `parent`: what its parent's debugger was.
    func awaitDebugger(_ socket: Int32, parent: GuestDebugger) {
        defer { Host.close(socket) }
        // Until the other end is closed: by then all is in the socket, or nothing.
        var source = pollfd(fd: socket, events: 0, revents: 0)
        while withUnsafeMutablePointer(to: &source, { Host.raw(Int32(SYS_ppoll), $0.argument, 1, 0, 0, 8) }) == -Int(EINTR) {}
        guard let handOver = try? DebugHandOver.receive(from: socket) else { return }
        process.debugger = GuestDebugger.start(process, handOver, isReplacement: false)
        guard let debugger = process.debugger else { return }
        debugState = ThreadDebugState()
        debugger.begin(self, parent.auxiliaryVector)
    }
}
