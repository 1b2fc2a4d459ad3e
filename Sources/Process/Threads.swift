import CShim
import GuestMemory
import Host
import LinuxABI
import Machine
import Signals

extension GuestThread {
    private static let hostStackSize: UInt64 = 512 << 10

    /// What the new host thread is given.
    private final class Birth {
        let thread: GuestThread
        let context: InitialContext
        let request: CloneRequest
        /// 0 until the new thread has set itself up, then 1.
        let ready = UnsafeMutablePointer<Int32>.allocate(capacity: 1)

        init(_ thread: GuestThread, _ context: InitialContext, _ request: CloneRequest) {
            self.thread = thread
            self.context = context
            self.request = request
            ready.initialize(to: 0)
        }

        deinit { ready.deallocate() }
    }

    /// CLONE_THREAD: a host thread of this process with a vCPU of this machine.
    func startThread(_ request: CloneRequest) throws(GuestErrno) -> Int {
        let context = try childContext(request)
        let newCPU: GuestCPU
        do throws(MachineFailure) { newCPU = try GuestCPU(process.machine) } catch {
            context.free()
            throw .EAGAIN
        }
        let thread = GuestThread(process: process, cpu: newCPU)
        thread.host.pointee.blocked = signals.mask
        let birth = Birth(thread, context, request)
        let result = vmrun_start_thread(
            { opaque in
                guard let opaque else { return }
                GuestThread.begin(Unmanaged<Birth>.fromOpaque(opaque).takeUnretainedValue())
            }, Unmanaged.passRetained(birth).toOpaque(), Self.hostStackSize)
        guard result == 0 else {
            context.free()
            throw .EAGAIN
        }
        // The id must be known, and be where the flags want it, before the guest's clone returns on either side.
        while vmrun_atomic_load(birth.ready) == 0 {
            _ = Host.raw(Int32(SYS_futex), Int(bitPattern: birth.ready), Int(FUTEX_WAIT_PRIVATE), 0)
        }
        let tid = thread.tid
        if request.has(CloneRequest.parentSetTid) {
            try? GuestAccess.write(tid, at: GuestAddress(request.parentTid))
        }
        // Only now may it run: its first act may be to end and take its parent's memory with it.
        vmrun_atomic_store(birth.ready, 2)
        _ = Host.raw(Int32(SYS_futex), Int(bitPattern: birth.ready), Int(FUTEX_WAKE_PRIVATE), 1)
        return Int(tid)
    }

    private static func begin(_ birth: Birth) {
        let thread = birth.thread
        thread.attach()
        thread.process.threadsLock.withLock { thread.process.threads.append(thread) }
        vmrun_atomic_store(birth.ready, 1)
        _ = Host.raw(Int32(SYS_futex), Int(bitPattern: birth.ready), Int(FUTEX_WAKE_PRIVATE), 1)
        while vmrun_atomic_load(birth.ready) != 2 {
            _ = Host.raw(Int32(SYS_futex), Int(bitPattern: birth.ready), Int(FUTEX_WAIT_PRIVATE), 1)
        }
        let request = birth.request
        thread.clearChildTid = request.has(CloneRequest.childClearTid) ? request.childTid : 0
        if request.has(CloneRequest.childSetTid) {
            try? GuestAccess.write(thread.tid, at: GuestAddress(request.childTid))
        }
        do throws(MachineFailure) { try load(birth.context, into: thread.cpu) } catch { Message.fail(error.sentence) }
        birth.context.free()
        Unmanaged.passUnretained(birth).release()
        vmrun_set_host_mask(thread.signals.mask)
        thread.runLoop()
    }

    /// exit(2): ends this thread; the process with it where it is the last.
    public func exitThread(_ status: Int32) -> Never {
        let last = process.threadsLock.withLock {
            if process.threads.count <= 1 { return true }
            process.threads.removeAll { $0 === self }
            return false
        }
        if last { process.exitGroup(status) }
        vmrun_set_host_mask(~0)
        if clearChildTid != 0 && Arena.contains(GuestAddress(clearChildTid), length: 4) {
            // As the kernel's mm_release: store zero, wake one waiter, ignore a bad address.
            if vmrun_store32(Arena.pointer(GuestAddress(clearChildTid)), 0) == 0 {
                _ = Host.raw(Int32(SYS_futex), Int(clearChildTid), Int(FUTEX_WAKE), 1)
            }
        }
        // The raw call: the kernel walks the guest's robust list, which is registered for this host thread.
        while true { _ = Host.raw(Int32(SYS_exit), Int(status)) }
    }
}
