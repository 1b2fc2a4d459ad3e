import CShim
import FakeRoot
import GuestImage
import GuestMemory
import Host
import KVM
import LinuxABI
import Machine
import Signals
import Statistics
import SyntheticFS
import Sysroot

/// Turns the calling host process into a guest process.
public enum ProcessStart {
    /// Loads the program that `plan` describes and runs it. Never returns: errors end the process with a sentence.
    public static func run(
        _ program: PreparedProgram, plan: ExecPlan, files: FileSystemContext, synthetic: SyntheticFileSystem, session: Session,
        server: any SystemCallServer
    ) -> Never {
        let system: KVMSystem
        do throws(KVMUnavailable) {
            system = try KVMSystem(descriptor: plan.kvmDescriptor, processor: plan.processor)
        } catch {
            Message.fail(error.sentence)
        }

        let vdso = HostVDSO(system)
        let memory = AddressSpace(layout: chooseLayout())
        let observer = ExecutionObserver()
        memory.observer = observer
        let machine: GuestMachine
        let cpu: GuestCPU
        do throws(MachineFailure) {
            machine = try GuestMachine(
                system, mappings: memory, vdso: vdso, looksForSites: plan.speedUps.contains(.rewriting)
            ) { plan.speedUps.path(of: $0, server) }
            cpu = try GuestCPU(machine)
        } catch {
            Message.fail(error.sentence)
        }
        observer.machines = [machine]

        let credentials = FakeCredentials(words: plan.credentials)
        let state: StartState
        do throws(ImageError) {
            state = try load(program, into: memory, machine, vdso: vdso, credentials)
        } catch {
            // As Linux does where the program that called execve is gone already.
            if plan.isReplacement { vmrun_die_by_signal(SIGSEGV) }
            Message.fail(error.sentence(program: program.execfn), status: error.exitStatus)
        }

        var record = self.record(of: program, state, credentials)
        record.coredumpFilter = plan.coredumpFilter
        record.hasRenouncedPrivileges = plan.hasRenouncedPrivileges
        let actions = SignalActions()
        actions.inherit(ignored: plan.ignoredMask)
        record.ignoredSignals = actions.ignoredMask
        let process = GuestProcess(
            memory: memory, files: files, synthetic: synthetic, actions: actions, session: session, server: server, timeout: plan.timeout,
            machine: machine, system: system, vdso: vdso, executablePath: program.executablePath, record: record,
            observer: observer, isHelper: false, speedUps: plan.speedUps)
        if program.interpreter != nil { process.startPoller() }
        process.notifyDescriptor = plan.notifyDescriptor
        if plan.isReplacement {
            process.traceFile = TraceFileState.continued
            Statistics.count(.execs)
        }
        process.parentsSocket = plan.parentsSocket
        session.interpreters = InterpreterRegistry(words: plan.interpreters) ?? InterpreterRegistry()
        guard session.enter(process.pid, record: record, executable: program.executablePath) else {
            Message.fail("the session has no room for another process")
        }
        ThreadName(program.comm).apply()
        process.debugger = GuestDebugger.start(process, plan.debugger, isReplacement: plan.isReplacement)

        let thread = GuestThread(process: process, cpu: cpu)
        thread.host.pointee.blocked = plan.blockedMask
        process.threads = [thread]
        thread.attach()
        thread.credentials = credentials
        thread.hasRenouncedPrivileges = plan.hasRenouncedPrivileges
        guard thread.restoreFilters(plan.seccompMode, plan.seccompFilters) else { Message.fail("the filters of the program before are damaged") }
        thread.prepareAnswers()
        cpu.startProgram(at: state.entry, stackPointer: state.stackPointer)
        expect(state, memory, in: machine)
        Message.beforeFailing = nil
        if program.interpreter != nil { thread.expectCalls() }
        process.releaseVforkParent()
        Watchdog.start(process, isNew: !plan.isReplacement)
        process.debugger?.begin(thread, state.auxiliaryVector)
        vmrun_set_host_mask(plan.blockedMask)
        thread.runToEnd()
    }

    /// Maps the program into an empty address space and writes its stack.
    static func load(
        _ program: PreparedProgram, into memory: AddressSpace, _ machine: GuestMachine, vdso: HostVDSO,
        _ credentials: FakeCredentials?
    ) throws(ImageError) -> StartState {
        let context = StartContext(
            identity: identity(credentials),
            vdso: vdso.header == 0 ? nil : vdso.header, host: HostAuxiliaryValues.current(hiding: machine.hiddenCapabilities),
            randomness: StartRandomness.fresh(isRandomized: isRandomized))
        return try Loader.load(program, into: memory, context: context)
    }

    /// Opens what the program touches first.
    static func expect(_ state: StartState, _ memory: AddressSpace, in machine: GuestMachine) {
        machine.expectWrite(state.stackPointer)
        // An interpreter's text.
        if state.entry != state.executableEntry, let text = memory.region(containing: state.entry) {
            machine.expectExecution(text.start, text.end)
        }
        machine.expectExecution(state.codeRange.lowerBound, state.codeRange.upperBound)
    }

    /// What the session is to know of a program that was just loaded. Keeps a descriptor of its file.
    static func record(of program: PreparedProgram, _ state: StartState, _ credentials: FakeCredentials?) -> ProcessRecord {
        var record = ProcessRecord()
        record.argStart = state.argStart
        record.argEnd = state.argEnd
        record.envStart = state.envStart
        record.envEnd = state.envEnd
        record.codeStart = state.codeRange.lowerBound
        record.codeEnd = state.codeRange.upperBound
        record.dataStart = state.dataRange.lowerBound
        record.dataEnd = state.dataRange.upperBound
        record.heapStart = state.brkStart
        record.heapEnd = state.brkStart
        record.stackStart = state.stackPointer
        record.openFilesLimit = InternalDescriptors.guestLimit
        record.openFilesHardLimit = InternalDescriptors.guestHardLimit
        record.executableDescriptor = keepOpen(program.executable.descriptor)
        if let status = Host.status(of: program.executable.descriptor) {
            record.executableDevice = UInt64(status.st_dev)
            record.executableInode = UInt64(status.st_ino)
        }
        record.credentials = credentials?.summary
        return record
    }

    /// What the auxiliary vector tells: the guest's own account, or the host's.
    private static func identity(_ credentials: FakeCredentials?) -> StartContext.Identity {
        if let credentials {
            return StartContext.Identity(
                uid: credentials.user.real, euid: credentials.user.effective,
                gid: credentials.group.real, egid: credentials.group.effective, isSecure: credentials.isSecure)
        }
        return StartContext.Identity(
            uid: UInt32(Host.raw(Int32(SYS_getuid))), euid: UInt32(Host.raw(Int32(SYS_geteuid))),
            gid: UInt32(Host.raw(Int32(SYS_getgid))), egid: UInt32(Host.raw(Int32(SYS_getegid))))
    }

    /// A second descriptor of the program file, which /proc/PID/exe leads through.
    private static func keepOpen(_ descriptor: Int32) -> Int32 {
        let copy = Host.raw(Int32(SYS_fcntl), Int(descriptor), Int(F_DUPFD_CLOEXEC), Int(InternalDescriptors.base))
        return Int32(truncatingIfNeeded: max(copy, -1))
    }

    private static var isRandomized: Bool {
        let personality = Host.raw(Int32(SYS_personality), 0xffff_ffff)
        return personality < 0 || personality & 0x004_0000 == 0
    }

    /// `previous`: that of the program before, in the same machine.
    static func chooseLayout(after previous: Layout? = nil) -> Layout {
        let stack = ArgumentLimits.current().stackLimit
        guard isRandomized else { return Layout.fixed(stackLimit: stack) }
        return previous?.redrawn(stackLimit: stack) ?? Layout.randomized(stackLimit: stack)
    }
}
