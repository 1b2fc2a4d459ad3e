import CShim
import GuestMemory
import Host
import LinuxABI
import Machine
import Signals
import Sysroot

extension GuestThread {
    private static let helperStackSize = 256 << 10
    /// vCPU numbers are never given back, so a VM has only so many for helpers; after that each gets a VM of its own.
    private static let sharedMachineCPUs = 768

    /// CLONE_VM with CLONE_VFORK: a helper process that shares memory, runs the child on a vCPU that never ran, and keeps this
    /// thread waiting until the child has become another program or has ended.
    ///
    /// Two things hold the parent: the host's own CLONE_VFORK until the helper executes the fresh vmrun image or dies,
    /// however it dies; then the notify pipe until that image has loaded its program.
    func startHelper(_ request: CloneRequest) throws(GuestErrno) -> Int {
        let context = try childContext(request)
        defer { context.free() }

        let machine: GuestMachine
        let cpu: GuestCPU
        do throws(MachineFailure) {
            if process.machine.cpuCount < Self.sharedMachineCPUs {
                machine = process.machine
            } else {
                machine = try GuestMachine(process.system, mappings: process.memory, vdso: process.vdso)
            }
            cpu = try GuestCPU(machine)
        } catch {
            throw .EAGAIN
        }
        let ownMachine = machine !== process.machine
        if ownMachine { process.observer.machines.append(machine) }
        defer { if ownMachine { process.observer.machines.removeAll { $0 === machine } } }

        var ends: (Int32, Int32) = (-1, -1)
        let piped = withUnsafeMutablePointer(to: &ends) { Host.raw(Int32(SYS_pipe2), $0.argument, Int(O_CLOEXEC)) }
        guard piped == 0 else { throw GuestErrno(Int32(-piped)) }
        // Among those that a fork child drops: a child of another thread must not keep this thread waiting.
        let readEnd = InternalDescriptors.adoptForMachine(ends.0)
        let writeEnd = InternalDescriptors.adoptForMachine(ends.1)
        defer { _ = Host.raw(Int32(SYS_close), Int(readEnd)) }
        if readEnd < 0 || writeEnd < 0 {
            _ = Host.raw(Int32(SYS_close), Int(writeEnd))
            throw .EMFILE
        }

        let stack = Host.raw(
            Int32(SYS_mmap), 0, Self.helperStackSize, Int(PROT_READ | PROT_WRITE),
            Int(MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK), -1, 0)
        guard stack > 0 else {
            _ = Host.raw(Int32(SYS_close), Int(writeEnd))
            throw .ENOMEM
        }
        defer { _ = Host.raw(Int32(SYS_munmap), stack, Self.helperStackSize) }

        let shared = process
        let child = GuestProcess(
            memory: shared.memory,
            files: request.has(CloneRequest.fs) ? shared.files : shared.files.copy(),
            synthetic: shared.synthetic,
            actions: request.has(CloneRequest.sighand) ? shared.actions : shared.actions.copy(),
            session: shared.session, server: shared.server, timeout: shared.timeout, machine: machine,
            system: shared.system, vdso: shared.vdso, executablePath: shared.executablePath,
            record: shared.currentRecord,
            observer: shared.observer, isHelper: true)
        child.notifyDescriptor = writeEnd
        let thread = GuestThread(process: child, cpu: cpu)
        thread.host.pointee.blocked = signals.mask
        thread.signals.alternateStack = signals.alternateStack
        child.threads = [thread]
        do throws(MachineFailure) { try Self.load(context, into: cpu) } catch {
            _ = Host.raw(Int32(SYS_close), Int(writeEnd))
            throw .EAGAIN
        }

        let place: Session.Place
        do throws(GuestErrno) { place = try process.reservePlace() } catch {
            _ = Host.raw(Int32(SYS_close), Int(writeEnd))
            thread.dispose()
            throw error
        }
        let birth = HelperBirth(thread, request, place)
        vmrun_set_host_mask(~0)
        let flags =
            request.flags & (CloneRequest.fs | CloneRequest.files | CloneRequest.parent | CloneRequest.sysvsem | CloneRequest.io)
            | CloneRequest.vm | CloneRequest.vfork | request.exitSignal
        let result = vmrun_clone_helper(
            { opaque in
                guard let opaque else { return 125 }
                GuestThread.beginHelper(Unmanaged<HelperBirth>.fromOpaque(opaque).takeUnretainedValue())
            }, UnsafeMutableRawPointer(bitPattern: stack + Self.helperStackSize),
            Int32(bitPattern: UInt32(truncatingIfNeeded: flags)), Unmanaged.passUnretained(birth).toOpaque())

        // The helper used this thread's thread-local storage while this thread stood in the kernel.
        attach()
        _ = Host.raw(Int32(SYS_close), Int(writeEnd))
        child.notifyDescriptor = -1
        if result > 0 {
            // Where the helper was killed in the middle of something.
            process.memory.breakLock(ownedBy: UInt32(result))
            machine.breakLock(ownedBy: UInt32(result))
            process.session.commit(place, Int32(truncatingIfNeeded: result))
            waitForRelease(readEnd)
        } else {
            process.session.abort(place)
        }
        withExtendedLifetime(birth) {}
        // The helper has gone without releasing what it used.
        thread.dispose()
        if host.pointee.captured == 0 { vmrun_set_host_mask(signals.mask) }
        if result < 0 { throw GuestErrno(Int32(-result)) }

        if request.has(CloneRequest.parentSetTid) {
            try? GuestAccess.write(Int32(truncatingIfNeeded: result), at: GuestAddress(request.parentTid))
        }
        if request.has(CloneRequest.pidfdFlag) {
            let descriptor = Host.raw(Int32(SYS_pidfd_open), result)
            if descriptor >= 0 { try? GuestAccess.write(Int32(descriptor), at: GuestAddress(request.pidfd)) }
        }
        return result
    }

    private final class HelperBirth {
        let thread: GuestThread
        let request: CloneRequest
        let place: Session.Place

        init(_ thread: GuestThread, _ request: CloneRequest, _ place: Session.Place) {
            self.thread = thread
            self.request = request
            self.place = place
        }
    }

    /// The end of the pipe: nobody who could still load a program holds the other end.
    private func waitForRelease(_ readEnd: Int32) {
        var byte: UInt8 = 0
        while true {
            let result = withUnsafeMutablePointer(to: &byte) {
                Host.raw(Int32(SYS_read), Int(readEnd), $0.argument, 1)
            }
            if result == -Int(EINTR) { continue }
            if result <= 0 { return }
        }
    }

    private static func beginHelper(_ birth: HelperBirth) -> Never {
        let thread = birth.thread
        let process = thread.process
        thread.attach()
        process.pid = Int32(truncatingIfNeeded: Host.raw(Int32(SYS_getpid)))
        process.join(birth.place)
        let request = birth.request
        if request.has(CloneRequest.clearSighand) { process.actions.resetHandlers() }
        thread.clearChildTid = request.has(CloneRequest.childClearTid) ? request.childTid : 0
        if request.has(CloneRequest.childSetTid) {
            try? GuestAccess.write(thread.tid, at: GuestAddress(request.childTid))
        }
        vmrun_set_host_mask(thread.signals.mask)
        thread.runToEnd()
    }
}
