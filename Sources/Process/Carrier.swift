import CShim
import GuestMemory
import Host
import LinuxABI
import Machine
import Signals

/// A host thread and the vCPU that it alone runs. It carries one guest thread after the other: neither a host thread nor a
/// vCPU is cheap to make, a vCPU number is never given back, and on most kernels a vCPU that changes its host thread waits
/// for an RCU grace period. Between two guest threads it is parked: nobody's thread, to anyone who asks.
final class Carrier {
    /// What the next guest thread starts with.
    struct Birth {
        let thread: GuestThread
        let context: UserContext
        let request: CloneRequest
        /// The creator's name, which its threads inherit.
        let name: ThreadName
    }

    enum Stage {
        static let parked: Int32 = 0
        /// `birth` is set: the carrier makes it its own.
        static let called: Int32 = 1
        /// The thread has its id, the creator does its part.
        static let ready: Int32 = 2
        /// The creator is done: the guest may run.
        static let released: Int32 = 3
    }

    let cpu: GuestCPU
    private let stage = FutexWord(Stage.parked)
    private var birth: Birth?
    /// Why the thread that was called for cannot be.
    private var failure: GuestErrno?
    private static let hostStackSize: UInt64 = 512 << 10
    /// So many stay idle while new ones are made: a carrier's thread id comes back with it, where the kernel's come back late.
    static let resting = 32
    /// The name of a parked carrier in /proc, by which other processes leave it out.
    static let parkedName: StaticString = "vmrun-parked"

    /// A new carrier with a host thread that waits to be called.
    init(_ cpu: GuestCPU) throws(MachineFailure) {
        self.cpu = cpu
        let result = vmrun_start_thread(
            { opaque in
                guard let opaque else { return }
                Unmanaged<Carrier>.fromOpaque(opaque).takeRetainedValue().live()
            }, Unmanaged.passRetained(self).toOpaque(), Self.hostStackSize)
        if result != 0 {
            Unmanaged.passUnretained(self).release()
            throw .outOfMemory("host threads")
        }
    }

    deinit { stage.free() }

    // MARK: The creator's side

    /// Starts a guest thread. When it returns nil the thread has its id and waits for `release`; an errno says that there is none.
    func call(_ birth: Birth) -> GuestErrno? {
        self.birth = birth
        stage.set(Stage.called)
        stage.wait { $0 == Stage.ready }
        defer { failure = nil }
        if failure != nil { release() }
        return failure
    }

    func release() { stage.set(Stage.released) }

    // MARK: The host thread's side

    private func live() {
        while true {
            stage.wait { $0 == Stage.called }
            guard let birth else { return }
            self.birth = nil
            let thread = birth.thread
            if begin(birth) { thread.runLoop() }
            vmrun_thread_attach(nil)
            if thread.endsHostThread {
                thread.process.retire(cpu)
                return
            }
            park(thread.process)
        }
    }

    /// False where there is no new thread.
    private func begin(_ birth: Birth) -> Bool {
        let thread = birth.thread
        let request = birth.request
        thread.attach()
        birth.name.apply()
        thread.earlierUsage = .current()
        let own = ~request.flags & (CloneRequest.files | CloneRequest.fs)
        if own != 0 {
            do throws(GuestErrno) { try thread.unshare(own) } catch {
                failure = error
                birth.context.free()
                stage.set(Stage.ready)
                stage.wait { $0 == Stage.released }
                return false
            }
        }
        thread.process.threadsLock.withLock { thread.process.threads.append(thread) }
        thread.process.debugger?.adopt(thread)
        stage.set(Stage.ready)
        stage.wait { $0 == Stage.released }
        thread.takeIDs(request)
        do throws(MachineFailure) {
            try birth.context.load(into: cpu)
        } catch {
            Message.fail(error.sentence)
        }
        birth.context.free()
        vmrun_set_host_mask(thread.signals.mask)
        return true
    }

    /// The guest thread is gone (`GuestThread.end` has told the guest): the host thread becomes as new and parks.
    private func park(_ process: GuestProcess) {
        dropPendingSignals()
        ThreadName(Self.parkedName).apply()
        stage.store(Stage.parked)
        process.threadsLock.withLock { process.idleCarriers.append(self) }
    }

    /// Signals that were sent to the old thread and never delivered must not reach the next one. What is pending for the whole
    /// process stays.
    private func dropPendingSignals() {
        var pending: UInt64 = 0
        _ = withUnsafeMutablePointer(to: &pending) { Host.raw(Int32(SYS_rt_sigpending), $0.argument, 8) }
        guard pending != 0 else { return }
        // Taking a signal takes the thread's own before the process's.
        var own = ProcessStat.pendingForThread()
        while own != 0 && Host.takePendingSignal(of: own) > 0 { own = ProcessStat.pendingForThread() }
    }
}

/// A thread's name (comm).
struct ThreadName {
    private var bytes: (UInt64, UInt64) = (0, 0)

    /// The calling thread's.
    static func current() -> ThreadName {
        var name = ThreadName()
        withUnsafeMutableBytes(of: &name.bytes) {
            _ = Host.raw(Int32(SYS_prctl), Int(PR_GET_NAME), Int(bitPattern: $0.baseAddress))
        }
        return name
    }

    private init() {}

    init(_ text: StaticString) {
        withUnsafeMutableBytes(of: &bytes) { target in
            for index in 0..<min(text.utf8CodeUnitCount, 15) { target[index] = text.utf8Start[index] }
        }
    }

    /// The first 15 bytes of `text`.
    init(_ text: [UInt8]) {
        withUnsafeMutableBytes(of: &bytes) { target in
            for index in 0..<min(text.count, 15) { target[index] = text[index] }
        }
    }

    func apply() {
        withUnsafeBytes(of: bytes) { _ = Host.raw(Int32(SYS_prctl), Int(PR_SET_NAME), Int(bitPattern: $0.baseAddress)) }
    }
}
