import CShim
import FakeRoot
import GuestMemory
import Host
import LinuxABI
import Machine
import Seccomp
import Signals
import SyntheticFS
import Sysroot

/// One guest thread: a host thread with its vCPU. Only its own host thread touches it, except where a member says otherwise.
public final class GuestThread: SignalObserver {
    public let process: GuestProcess
    /// What the signal handler shares with this thread.
    public let host: UnsafeMutablePointer<vmrun_thread>
    public let signals: ThreadSignals
    /// Replaced in a fork child.
    public internal(set) var cpu: GuestCPU
    /// Working space for one system call: paths, copied structures, iovecs. Never holds anything across calls.
    public let scratch: Scratch
    /// set_tid_address(2): where to store zero and wake a futex when this thread ends; 0 for nowhere.
    public internal(set) var clearChildTid: UInt64 = 0
    /// set_robust_list(2)'s head, 0 for none. The host kernel has it too, for the death of the whole process.
    public internal(set) var robustList: UInt64 = 0
    /// The host thread has descriptors or a working directory of its own (unshare(2), or CLONE_FILES or CLONE_FS was not given).
    var hasOwnTables = false
    /// The host thread ends with this guest thread, for what the kernel ties to it: children of its own, a robust futex.
    var endsHostThread = false
    /// What a debugger keeps of it; nil without one.
    var debugState: ThreadDebugState?
    /// The debugger lets it execute one instruction.
    var isStepping = false
    /// What the host thread had used before this guest thread.
    public internal(set) var earlierUsage = ThreadUsage()
    /// Who the thread is by the guest's own account; nil but under `--fakeroot`.
    public var credentials: FakeCredentials? { didSet { if let credentials { process.publish(credentials, of: self) } } }
    /// PR_SET_NO_NEW_PRIVS by the guest's own account: on the host it is always set.
    public internal(set) var hasRenouncedPrivileges = false
    /// What it has confined itself to by seccomp(2).
    public internal(set) var filters = ThreadFilters()
    /// A view of the file system that this thread shares with nobody (CLONE_FS was not given, or unshared).
    var ownFiles: FileSystemContext?
    /// The thread's view of the file system.
    public var files: FileSystemContext { ownFiles ?? process.files }
    /// The system call being served has set the whole context, result register included (rt_sigreturn).
    public var hasContext = false
    /// execve(2) has succeeded so far: the socket that holds what the fresh image needs, or `inPlace`; otherwise -1.
    var handOver: Int32 = -1
    /// `handOver` where `nextProgram` is to be loaded into this process.
    static let inPlace: Int32 = -2
    var nextProgram: NextProgram?
    /// exit(2) has been called: the run loop is to return.
    var hasEnded = false
    /// The number of the system call being served, for reports.
    public internal(set) var lastSystemCall: UInt64 = 0
    /// The process's poller and this thread's number with it, once it takes part.
    var pollerPlace: (poller: Poller, index: Int)?
    /// Processor cycles at the last call that could have been forwarded, and how many came densely.
    var lastForwardable: UInt64 = 0
    var forwardableStreak = 0
    /// How many such calls are still taken for dense ones, however far apart they are.
    var callsExpected = 0
    /// Calls came densely and there was no poller.
    var lackedPoller = false
    /// A signal that the poller took in this thread's place.
    var handedSignal = siginfo_t()
    /// `GuestCPU.expiredCalls` when last looked at.
    var seenExpired: UInt64 = 0
    /// Monotonic nanoseconds at which this thread last entered the guest, 0 while it is outside. Kept only with a watchdog.
    let enteredAt: UnsafeMutablePointer<UInt64>

    init(process: GuestProcess, cpu: GuestCPU) {
        self.process = process
        self.cpu = cpu
        host = .allocate(capacity: 1)
        host.initialize(to: vmrun_thread())
        host.pointee.run = cpu.run
        host.pointee.limits = process.limits
        enteredAt = .allocate(capacity: 1)
        enteredAt.initialize(to: 0)
        scratch = Scratch()
        signals = ThreadSignals(host: host, actions: process.actions)
        if process.server.observesSignals { signals.observer = self }
        if process.debugger != nil { debugState = ThreadDebugState() }
    }

    deinit { if !isDisposed { freeBuffers() } }

    private var isDisposed = false

    private func freeBuffers() {
        vmrun_thread_release(host)
        host.deallocate()
        enteredAt.deallocate()
    }

    /// Gives back what is large of a helper's thread, whose last references nobody will release.
    func dispose() {
        isDisposed = true
        cpu.close()
        freeBuffers()
        scratch.dispose()
    }

    public var tid: Int32 { host.pointee.tid }
    /// exit(2) has been served.
    public var isOver: Bool { hasEnded }

    public func willDeliver(_ information: UnsafeRawBufferPointer, isDeadly: Bool) {
        process.server.noteSignal(self, information, isDeadly: isDeadly)
    }

    /// prctl(2), PR_SET_NO_NEW_PRIVS.
    public func renouncePrivileges() {
        hasRenouncedPrivileges = true
        process.updateRecord { $0.hasRenouncedPrivileges = true }
    }

    /// Makes the calling host thread this thread's.
    func attach() {
        vmrun_thread_attach(host)
    }

    /// A host call on the guest's behalf: the kernel's result, -errno, or `VMRUN_ERESTART` where a signal came first. It may
    /// block, and a signal for the guest ends it as it would end the guest's own call.
    @inline(__always)
    public func hostCall(
        _ number: Int, _ a0: UInt64 = 0, _ a1: UInt64 = 0, _ a2: UInt64 = 0, _ a3: UInt64 = 0, _ a4: UInt64 = 0,
        _ a5: UInt64 = 0
    ) -> Int {
        var arguments = (a0, a1, a2, a3, a4, a5)
        return withUnsafePointer(to: &arguments) { pointer in
            pointer.withMemoryRebound(to: UInt64.self, capacity: 6) {
                vmrun_interruptible_syscall(&host.pointee.attention, number, $0)
            }
        }
    }
}
