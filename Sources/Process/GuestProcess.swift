import CShim
import FakeRoot
import GuestImage
import GuestMemory
import Host
import KVM
import LinuxABI
import Machine
import Signals
import Synchronization
import Sysroot
import SyntheticFS

/// What serves the guest's system calls. Syscalls implements it; Process only knows that somebody does.
public protocol SystemCallServer: AnyObject {
    /// The result for the guest's result register: a value, -errno, or VMRUN_ERESTART.
    func serve(_ thread: GuestThread, number: UInt64, _ arguments: SyscallArguments) -> Int
    /// The same for a call that `fastPath` gives to the poller, on whose host thread it is made: VMRUN_ERESTART also where the call would
    /// wait, or has to be the thread's own.
    func serveForwarded(_ thread: GuestThread, number: UInt64, _ arguments: SyscallArguments) -> Int
    /// What becomes of a call before it leaves the guest.
    func fastPath(_ number: UInt32) -> FastPath
    /// A filter of the guest's own keeps a call from being served.
    func noteRefused(_ thread: GuestThread, number: UInt64, _ arguments: SyscallArguments, _ refusal: CallRefusal)
    /// A process is about to end by itself.
    func processEnds(_ process: GuestProcess)
    /// Whether `noteSignal` wants to be called.
    var observesSignals: Bool { get }
    /// A signal is delivered to `thread`: `information` has its siginfo_t. `isDeadly`: it ends the process.
    func noteSignal(_ thread: GuestThread, _ information: UnsafeRawBufferPointer, isDeadly: Bool)
}

/// What the guest gets in the place of a call.
public enum CallRefusal {
    /// A positive errno.
    case error(Int32)
    /// SIGSYS.
    case trap
    /// The thread, or the process, is killed by this signal.
    case death(signal: Int32)
}

extension SystemCallServer {
    public func noteRefused(_ thread: GuestThread, number: UInt64, _ arguments: SyscallArguments, _ refusal: CallRefusal) {}
    public func processEnds(_ process: GuestProcess) {}
    public var observesSignals: Bool { false }
    public func noteSignal(_ thread: GuestThread, _ information: UnsafeRawBufferPointer, isDeadly: Bool) {}
}

/// One guest process: a host process, one address space, one VM. Everything hangs off this object and `GuestThread`.
public final class GuestProcess {
    public let memory: AddressSpace
    public internal(set) var files: FileSystemContext
    /// /proc and /dev.
    public let synthetic: SyntheticFileSystem
    public let actions: SignalActions
    public let session: Session
    public let server: any SystemCallServer
    /// Seconds that one stay in the guest may take; 0: as long as it likes.
    public let timeout: UInt64
    let speedUps: SpeedUps
    /// --gdb: the session's first process has one, for as long as it is that process.
    var debugger: GuestDebugger?
    /// Each thread notes when it enters the guest.
    var notesEntries: Bool
    public internal(set) var pid: Int32
    /// The VM of this address space that makes the next vCPU. Replaced in a fork child, which cannot use its parent's, and when it
    /// has made as many as it can.
    public internal(set) var machine: GuestMachine
    /// RLIMIT_NOFILE, which each thread knows as `host.limits`.
    let limits: UnsafeMutablePointer<vmrun_descriptor_limits>
    /// Host threads are no longer alike: see `noteUnlikeThreads`. Never unset.
    private let unlikeThreads = Atomic<Bool>(false)
    /// Something is there that only the host's exec ends: see `noteHostState`. Never unset.
    private let hostState = Atomic<Bool>(false)
    /// What the session knows of this process's processor time.
    private let chargedTime = Atomic<UInt64>(0)
    /// How often a program was loaded over another one in this process.
    var programsReplaced = 0
    let system: KVMSystem
    let vdso: HostVDSO
    /// Tells the page tables what the region map takes away. Shared with helpers, as the memory is.
    let observer: ExecutionObserver
    /// Closed when the vfork parent may run on: at exec in the fresh image, or by the process's end.
    var notifyDescriptor: Int32 = -1
    /// Over which this process's children leave their VMs to it, once there was one. Under `threadsLock`.
    var estate: MachineEstate?
    /// Over which this process leaves its VM to its parent, -1 for none.
    var parentsSocket: Int32 = -1
    /// Its own file of the trace: a descriptor, or a `TraceFileState`. Under `threadsLock`.
    var traceFile = TraceFileState.new
    /// This process is a vfork helper: it shares its parent's memory, machine and heap.
    public internal(set) var isHelper: Bool

    /// This process uses the descriptor table of another one (CLONE_FILES without CLONE_VM).
    var sharesDescriptors = false
    /// A child has been given this table (CLONE_FILES without CLONE_VM).
    var sharedDescriptors = false

    /// What the program is, for /proc and exec.
    public internal(set) var executablePath: [UInt8]
    var record: ProcessRecord
    let recordLock = Lock()
    /// The last answers of `parent`: the host's and the guest's.
    private let knownParent = Atomic<UInt64>(0)

    /// Guards what follows, and the choice of the machine.
    let threadsLock = Lock()
    var threads: [GuestThread] = []
    /// Host threads without a guest thread, each with its vCPU, waiting for the next.
    var idleCarriers: [Carrier] = []
    /// Makes calls of the threads without their leaving the guest. Made when first wanted, for good.
    private(set) var poller: Poller?
    private var isPollerRefused = false
    /// A helper of this process has made a dense row of calls that a poller could have made.
    let helpersCallDensely = Atomic<Bool>(false)
    /// For the poller, which does not wait on descriptors.
    public let descriptorKinds = DescriptorKinds()
    /// Children that share this memory and run beside it, rather than while a thread of it waits.
    var concurrentHelpers = 0

    init(
        memory: AddressSpace, files: FileSystemContext, synthetic: SyntheticFileSystem, actions: SignalActions,
        session: Session,
        server: any SystemCallServer, timeout: UInt64, machine: GuestMachine, system: KVMSystem, vdso: HostVDSO,
        executablePath: [UInt8], record: ProcessRecord,
        observer: ExecutionObserver, isHelper: Bool, speedUps: SpeedUps
    ) {
        self.memory = memory
        self.files = files
        self.synthetic = synthetic
        self.actions = actions
        self.session = session
        self.server = server
        self.timeout = timeout
        notesEntries = timeout > 0
        self.machine = machine
        self.system = system
        self.vdso = vdso
        self.observer = observer
        self.executablePath = executablePath
        self.record = record
        self.isHelper = isHelper
        self.speedUps = speedUps
        limits = .allocate(capacity: 1)
        limits.initialize(to: InternalDescriptors.limits)
        pid = Int32(truncatingIfNeeded: Host.raw(Int32(SYS_getpid)))
        // A helper that shares its parent's actions is not worth telling apart: it does not live long.
        if actions.didChange == nil {
            actions.didChange = { [unowned(unsafe) self] signal, action in publish(signal, action) }
        }
    }

    /// SigIgn and SigCgt of /proc/PID/status, where the host's do not say.
    private func publish(_ signal: Int32, _ action: SignalAction) {
        let bit: UInt64 = 1 << UInt64(signal - 1)
        updateRecord { record in
            record.ignoredSignals &= ~bit
            record.caughtSignals &= ~bit
            if action.isIgnored {
                record.ignoredSignals |= bit
            } else if !action.isDefault {
                record.caughtSignals |= bit
            }
        }
    }

    deinit { limits.deallocate() }

    /// Whether the calling host thread is the only one that runs vmrun's code on this heap.
    var hasOneHostThread: Bool {
        !isHelper && !isWatched && debugger == nil
            && threadsLock.withLock { threads.count == 1 && idleCarriers.isEmpty && concurrentHelpers == 0 }
    }

    /// Whether it has a watchdog.
    var isWatched: Bool { timeout > 0 || session.mostProcessorTime > 0 || session.mostMemory > 0 || session.output.most > 0 }

    /// Whether there is one guest thread, in memory that no other process uses.
    public var hasOneThread: Bool { !isHelper && threadsLock.withLock { threads.count == 1 && concurrentHelpers == 0 } }

    /// Whether another process may use this one's descriptor table.
    var mayShareDescriptors: Bool {
        sharesDescriptors || isHelper || sharedDescriptors || threadsLock.withLock { concurrentHelpers > 0 }
    }

    /// A thread has changed what its new threads inherit and no others (credentials, scheduling, affinity), or has used priority
    /// inheritance, whose owner's end the kernel must see: from now on each guest thread gets a host thread of its own.
    public func noteUnlikeThreads() {
        if hasUnlikeThreads { return }
        unlikeThreads.store(true, ordering: .relaxed)
        // A helper's is its parent's.
        if !isHelper { threadsLock.withLock { poller }?.retire() }
    }

    /// The poller, made now where there is none yet and can be one.
    func sharedPoller() -> Poller? {
        let poller = startPoller()
        poller?.awaitStart()
        return poller
    }

    /// The same, where something else can be done until its host thread is there. The guest must not run before it is.
    @discardableResult
    func startPoller() -> Poller? {
        threadsLock.withLock {
            if poller == nil && !isPollerRefused {
                poller = Poller.make(for: self)
                isPollerRefused = poller == nil
                if poller != nil { descriptorKinds.begin() }
            }
            return poller
        }
    }

    /// A helper takes part in its parent's, where its earlier helpers could have used one.
    func lendPoller(to helper: GuestProcess) {
        guard helpersCallDensely.load(ordering: .relaxed), let poller = sharedPoller() else { return }
        helper.poller = poller
    }

    /// A fork child has its parent's no more.
    func forgetPoller() {
        // Its host thread, which has not come along, holds a reference: the object stays.
        poller = nil
        isPollerRefused = false
        descriptorKinds.reset()
    }

    /// The host kernel has got something from the guest that an exec ends or changes, and that vmrun does not end itself: POSIX timers,
    /// membarrier(2)'s registrations, attributes of the host's mm. From now on each exec is the host's.
    public func noteHostState() {
        if !hasHostState { hostState.store(true, ordering: .relaxed) }
    }

    var hasHostState: Bool { hostState.load(ordering: .relaxed) }

    var hasUnlikeThreads: Bool { unlikeThreads.load(ordering: .relaxed) }

    /// Whether `tid` is a live guest thread of this process.
    public func hasThread(_ tid: Int32) -> Bool {
        threadsLock.withLock { threads.contains { $0.tid == tid } } || tid == pid
    }

    /// Lets a vfork parent run on.
    func releaseVforkParent() {
        if notifyDescriptor >= 0 {
            _ = Host.raw(Int32(SYS_close), Int(notifyDescriptor))
            notifyDescriptor = -1
        }
    }

    /// Changes what this process shows of itself in /proc.
    public func updateRecord(_ change: (inout ProcessRecord) -> Void) {
        recordLock.withLock {
            change(&record)
            session.update(pid, change)
        }
    }

    /// The program of this process is another one.
    func become(_ new: ProcessRecord, path: [UInt8]) {
        recordLock.withLock {
            record = new
            executablePath = path
            // Its place is there already.
            _ = session.enter(pid, record: new, executable: path)
        }
    }

    /// Publishes who a thread has become, where it is the one by which the process is known.
    func publish(_ credentials: FakeCredentials, of thread: GuestThread) {
        if thread.tid == pid { updateRecord { $0.credentials = credentials.summary } }
    }

    /// Publishes where the program break is.
    public func publishBreak(_ end: UInt64) {
        recordLock.withLock {
            guard record.heapEnd != end else { return }
            record.heapEnd = end
            session.update(pid) { $0.heapEnd = end }
        }
    }

    /// What this process shows of itself now.
    var currentRecord: ProcessRecord { recordLock.withLock { self.record } }

    /// A place in the session for a child, with what it has in common with this process. EAGAIN where there is none.
    func reservePlace() throws(GuestErrno) -> Session.Place {
        var record = currentRecord
        record.hasExecuted = false
        guard let place = session.reserve(record: record, executable: executablePath) else { throw .EAGAIN }
        return place
    }

    /// Makes this process, a child that was just made, a member. Where its place has gone, its parent was killed in the middle
    /// of the fork, and on Linux there would be no child.
    func join(_ place: Session.Place) {
        if !session.commit(place, pid) { vmrun_die_by_signal(SIGKILL) }
    }

    /// getppid(2) as the guest sees it.
    public var parent: Int32 {
        let host = Int32(truncatingIfNeeded: Host.raw(Int32(SYS_getppid)))
        let known = knownParent.load(ordering: .relaxed)
        // A parent that is still there is what it was when it was looked at.
        if known != 0 && UInt32(truncatingIfNeeded: known >> 32) == UInt32(bitPattern: host) {
            return Int32(truncatingIfNeeded: known)
        }
        let visible = session.visibleParent(host, of: pid)
        knownParent.store(UInt64(UInt32(bitPattern: host)) << 32 | UInt64(UInt32(bitPattern: visible)), ordering: .relaxed)
        return visible
    }

    /// Whether the session ends with this process, which began it.
    public var isLastOfSession: Bool { pid == session.firstProcess && !session.members().contains { $0 != pid } }

    // MARK: Processor time

    func beginProcessorTime(isNew: Bool) { chargedTime.store(isNew ? 0 : Clock.ofProcess(), ordering: .relaxed) }

    /// Tells the session what this process has used since it last did. Ends it where that is too much.
    func chargeProcessorTime() {
        guard session.mostProcessorTime > 0 else { return }
        let now = Clock.ofProcess()
        let before = chargedTime.exchange(now, ordering: .relaxed)
        if session.charge(now > before ? now - before : 0) { return }
        endSession("cpu-time: the session has used more than \(session.mostProcessorTime) s of processor time")
    }

    /// The session has written as much as it may: ends it.
    public func outputIsUsedUp() -> Never {
        endSession("max-output: the session has written the \(session.output.most) bytes that it may write")
    }

    /// Ends this process where another one has found that a limit ends the session.
    func endWithSession() {
        if session.isOver { endSession("") }
    }

    private func endSession(_ sentence: String) -> Never {
        if session.isFirstToNotice() {
            Message.error(sentence)
            // The first one finds out by itself, so that its status tells; should it be stopped, it must not stay so.
            for member in session.members() where member != pid {
                _ = Host.raw(Int32(SYS_kill), Int(member), Int(member == session.firstProcess ? SIGCONT : SIGKILL))
            }
        }
        while true { _ = Host.raw(Int32(SYS_exit_group), Int(Watchdog.exitStatus)) }
    }

    /// Ends the whole process, as exit_group(2). The session's last process takes the session's shared memory along.
    public func exitGroup(_ status: Int32) -> Never {
        endWithSession()
        chargeProcessorTime()
        server.processEnds(self)
        debugger?.programEnds(self, status: status)
        if sharesDescriptors {
            // Nobody else knows what they are.
            threadsLock.lock()
            for thread in threads { thread.cpu.closeDescriptor() }
            for carrier in idleCarriers { carrier.cpu.closeDescriptor() }
            for machine in observer.machines { machine.closeDescriptor() }
        } else if !isHelper {
            // A helper's parent lives on, and may have the same descriptors.
            synthetic.sharedMemory.release()
            if parentsSocket >= 0 { MachineEstate.leave(machine.descriptor, to: parentsSocket) }
        }
        while true { _ = Host.raw(Int32(SYS_exit_group), Int(status)) }
    }
}
