import CShim
import FakeRoot
import GuestImage
import GuestMemory
import Host
import KVM
import LinuxABI
import Machine
import Seccomp
import Signals
import SyntheticFS
import Sysroot

extension GuestThread {
    /// execve(2): everything that can fail is done here. The run loop then loads the program in place, or turns the host process into a
    /// fresh vmrun image that loads the program from the plan; by then nothing is left on this thread's stack, so that a vfork helper
    /// leaves nothing on its parent's heap.
    public func execute(
        _ source: PreparedProgram.Source, argv: [[UInt8]], envp: [[UInt8]]
    ) throws(GuestErrno) -> Int {
        let program: PreparedProgram
        do throws(ImageError) {
            program = try PreparedProgram.prepare(
                source, argv: argv, envp: envp, opener: ProgramFiles(files), registry: process.session.interpreters,
                limits: ArgumentLimits.current())
        } catch {
            // Linux finds these only when the old program is gone: there is nobody left to return an error to.
            if error.isFatal { vmrun_die_by_signal(SIGSEGV) }
            throw error.errno
        }
        if WrittenFile.isHeld(program.executable.descriptor, in: process.session) { throw .ETXTBSY }
        let nextCredentials = try credentials(after: program)
        if mayReplaceProgram {
            nextProgram = NextProgram(program: program, credentials: nextCredentials)
            handOver = Self.inPlace
            return 0
        }

        var plan = ExecPlan()
        plan.executable = program.executable.descriptor
        plan.interpreter = program.interpreter?.file.descriptor ?? -1
        plan.arguments = program.argv
        plan.environment = program.envp
        plan.execfn = program.execfn
        plan.executablePath = program.executablePath
        plan.comm = program.comm
        plan.auxiliaryFlags = program.auxiliaryFlags
        let view = files.currentConfiguration
        plan.root = view.encoded()
        plan.viewDescriptors = view.descriptors
        plan.interpreters = process.session.interpreters.words
        plan.timeout = process.timeout
        plan.speedUps = process.speedUps
        plan.blockedMask = signals.mask
        plan.ignoredMask = process.actions.ignoredMask
        plan.sessionDescriptor = process.session.descriptor
        plan.kvmDescriptor = process.system.descriptor
        plan.processor = process.system.processor
        plan.sharedMemoryDescriptor = process.synthetic.sharedMemory.lock
        plan.ownershipDescriptor = process.session.ownership?.descriptor ?? -1
        plan.credentials = nextCredentials?.words ?? []
        plan.trace = process.session.trace
        plan.statistics = process.session.statistics
        plan.notifyDescriptor = process.notifyDescriptor
        plan.parentsSocket = process.parentsSocket
        plan.descriptorBase = InternalDescriptors.base
        plan.descriptorLimit = InternalDescriptors.guestLimit
        plan.descriptorHardLimit = InternalDescriptors.guestHardLimit
        plan.coredumpFilter = process.currentRecord.coredumpFilter
        plan.hasRenouncedPrivileges = hasRenouncedPrivileges
        plan.seccompMode = filters.mode.rawValue
        plan.seccompFilters = filters.set?.filters.map { $0.bytes } ?? []
        plan.debugger = process.debugger?.handOver(process) ?? DebugHandOver()
        let placement = HostPlacement.current()
        plan.stackLimit = placement.stackLimit
        plan.personality = placement.personality
        // The kernel gives the new program a table of its own, and who shares the old one shall not find the socket there.
        if process.mayShareDescriptors { try unshare(CloneRequest.files) }
        do throws(ForkIPCError) {
            let pair = try ForkIPC.socketPair()
            defer { Host.close(pair.sending) }
            do throws(ForkIPCError) {
                try plan.send(over: pair.sending)
            } catch {
                Host.close(pair.receiving)
                throw error
            }
            handOver = pair.receiving
        } catch {
            throw error.errno
        }
        return 0
    }

    /// Who the thread will be when it runs the program: its file may lend its owner's rights, unless PR_SET_NO_NEW_PRIVS says no.
    private func credentials(after program: PreparedProgram) throws(GuestErrno) -> FakeCredentials? {
        guard let credentials, let ownership = process.session.ownership else { return nil }
        let file = try FileStatus(descriptor: program.executable.descriptor, in: ownership)
        return credentials.afterExec(
            mode: UInt32(file.mode), owner: file.user, group: file.group,
            honoursSetID: !hasRenouncedPrivileges)
    }

    /// The second half of execve(2). The host's own exec does what Linux does to threads, descriptors marked close-on-exec,
    /// timers, signal dispositions, masks and pending signals. Returns only where it fails: -errno,
    /// or VMRUN_ERESTART where a signal came before.
    func becomeProgram() -> Int {
        let socket = handOver
        handOver = -1
        process.chargeProcessorTime()
        defer { Host.close(socket) }
        process.debugger?.prepareExec(process)
        defer { process.debugger?.execFailed() }
        leavePoller()
        // Pending signals survive an exec. The fresh image opens the mask when it is ready. One that is captured came before.
        guard signals.hold() else { return VMRUN_ERESTART }
        defer { signals.release() }
        // The kernel must place the fresh image outside the arena, whatever stack limit or layout the guest has asked for.
        let placement = HostPlacement.bound()
        defer { placement.restore() }
        // The only descriptor that exec leaves open. Where another thread's fork takes it along, the next exec closes it.
        _ = Host.raw(Int32(SYS_fcntl), Int(socket), Int(F_SETFD), 0)
        return -Int(becomeFreshImage(socket))
    }

    /// The errno of the failed host exec. Of a process whose first thread has ended, /proc/self shows nothing.
    private func becomeFreshImage(_ socket: Int32) -> Int32 {
        let number = "\(socket)"
        let result = "/proc/thread-self/exe".withCString { path in
            "vmrun".withCString { name in
                "--helper-fd".withCString { option in
                    number.withCString { value in
                        withUnsafeTemporaryAllocation(of: UnsafePointer<CChar>?.self, capacity: 5) { words in
                            words[0] = name
                            words[1] = option
                            words[2] = value
                            words[3] = nil
                            words[4] = nil
                            guard let base = words.baseAddress else { return -Int(ENOMEM) }
                            return Host.raw(
                                Int32(SYS_execve), path.argument, Int(bitPattern: base), Int(bitPattern: base + 4))
                        }
                    }
                }
            }
        }
        return Int32(truncatingIfNeeded: -result)
    }
}

extension ForkIPCError {
    /// What execve(2) answers. All but a host that is out of something is a mistake of vmrun's own.
    var errno: GuestErrno {
        switch self {
        case .refused(let number): GuestErrno(number)
        case .tooLarge: .E2BIG
        default: .EIO
        }
    }
}
