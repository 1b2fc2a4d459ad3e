import CShim
import CommandLineOptions
import Confinement
import FakeRoot
import GuestImage
import GuestMemory
import Host
import KVM
import LinuxABI
import Process
import Statistics
import SyntheticFS
import Syscalls
import Sysroot
import Tracing

/// From the command line, or from an exec plan, to a running guest process.
enum Launch {
    private static let defaultPath = Array("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".utf8)

    // MARK: First process of a session

    static func start(_ options: Options, program: [UInt8], arguments: [[UInt8]]) -> Never {
        HostLayout.ensure()
        InternalDescriptors.configure(most: options.maxOpenFiles == 0 ? .max : options.maxOpenFiles)
        let coredumpFilter = keepMemoryOutOfCores()
        let session: Session
        do throws(HostError) { session = try Session(limit: options.maxProcesses) } catch {
            Message.fail("cannot create the session's shared memory (errno \(error.number))")
        }

        session.hasNetwork = options.hasNetwork
        session.mostThreads = options.maxThreads
        session.mostProcessorTime = options.processorTime
        session.mostMemory = options.memory
        limitOutput(to: options.maxOutput, of: session)

        session.trace = options.trace.map { Tracer.settings(set: $0, output: options.traceOutput, size: options.traceSize) }

        if let form = options.statistics {
            do throws(HostError) { session.statistics = try StatisticsReporter.start(isJSON: form == .json) } catch {
                Message.fail("--stats: the host gives no memory for it, or no process (errno \(error.number))")
            }
        }

        let root = options.sysroot ?? Array("/".utf8)
        if options.sysroot != nil { checkRoot(root) }
        var configuration = RootConfiguration(rootPath: root)
        configuration.hostFallback = options.usesHostFallback
        configuration.isReadOnly = options.isReadOnly
        for bind in options.binds {
            checkBind(bind.host)
            configuration.binds.append(
                RootConfiguration.Bind(hostPath: absolute(bind.host), guestPath: bind.guest, readOnly: bind.isReadOnly))
        }
        configuration.rootPath = absolute(root)
        let (files, synthetic) = openFiles(configuration, session, sharedMemory: -1)
        var plan = ExecPlan()
        chooseUser(options, files, session, &plan)
        synthetic.sharedMemory.make()
        // While the session has nobody else.
        Message.beforeFailing = { synthetic.sharedMemory.release() }
        enterWorkingDirectory(options, files)

        let environment = guestEnvironment(options)
        let registry = translators(options)
        let prepared = prepare(program, arguments, environment, files, registry)
        plan.interpreters = registry.words
        plan.timeout = options.timeout
        plan.speedUps = speedUps(options)
        plan.blockedMask = inheritedMask()
        plan.coredumpFilter = coredumpFilter
        plan.hasRenouncedPrivileges = Confinement.hasRenouncedPrivileges
        openKVM(for: &plan)
        if let place = options.debugger { waitForDebugger(place, options.stopsOnEntry, &plan) }
        if options.isConfined {
            HostConfinement.begin(
                files.currentConfiguration, network: options.hasNetwork ? .host : .none,
                sharedMemory: synthetic.sharedMemory.isPrivate ? synthetic.sharedMemory.hostPath : nil,
                traceDirectory: session.trace.map { $0.isFilePerProcess ? $0.descriptor : -1 } ?? -1)
        }
        ProcessStart.run(
            prepared, plan: plan, files: files, synthetic: synthetic, session: session, server: systemCalls(of: session))
    }

    /// --max-output. What vmrun was started with is known by its descriptors.
    private static func limitOutput(to size: UInt64, of session: Session) {
        guard size > 0 else { return }
        session.output.most = size
        for descriptor in HostProcesses.descriptors(of: Int32(truncatingIfNeeded: Host.raw(Int32(SYS_getpid))))
        where !InternalDescriptors.contains(descriptor) {
            session.output.noteGiven(descriptor)
        }
    }

    /// What --user and --fakeroot ask for.
    private static func chooseUser(
        _ options: Options, _ files: FileSystemContext, _ session: Session, _ plan: inout ExecPlan
    ) {
        let user = options.user.map { GuestUser($0, in: files) }
        if options.isFakeRoot {
            do throws(HostError) { session.ownership = try OwnershipTable() } catch {
                Message.fail("cannot create the table of files' owners (errno \(error.number))")
            }
            let group = user?.group ?? 0
            plan.credentials = FakeCredentials(user: user?.user ?? 0, group: group, groups: user?.groups ?? [group]).words
        } else if let user {
            // The user may not be allowed to open it.
            openKVM(for: &plan)
            user.become()
        }
    }

    private static func openKVM(for plan: inout ExecPlan) {
        if plan.kvmDescriptor >= 0 { return }
        do throws(KVMUnavailable) {
            let system = try KVMSystem()
            plan.kvmDescriptor = system.descriptor
            plan.processor = system.processor
            // It closes the descriptor when it goes.
            _ = Unmanaged.passRetained(system)
        } catch {
            Message.fail(error.sentence)
        }
    }

    /// --gdb. The socket is there before anything is given up.
    private static func waitForDebugger(_ place: Options.DebuggerPlace, _ stopsOnEntry: Bool, _ plan: inout ExecPlan) {
        guard GuestDebugger.isAvailable else { Message.fail("--gdb is not available on arm64") }
        do throws(HostError) {
            let socket =
                switch place {
                case .port(let host, let port): try DebugSocket.listen(host: host, port: port)
                case .path(let path): try DebugSocket.listen(path: path)
                }
            plan.debugger = DebugHandOver(listener: socket.descriptor, stopsOnEntry: stopsOnEntry)
            Message.error("gdb: target remote \(text(socket.name))")
        } catch {
            let name =
                switch place {
                case .port(_, let port): "port \(port)"
                case .path(let path): text(path)
                }
            Message.fail("--gdb: cannot listen on \(name) (errno \(error.number))")
        }
    }

    private static func speedUps(_ options: Options) -> SpeedUps {
        // With a debugger each call leaves the guest, and the program's text is its own.
        if options.debugger != nil { return [] }
        // A trace sees the calls that leave the guest.
        guard options.hasFastSystemCalls, options.trace == nil else { return [] }
        var chosen: SpeedUps = .fastPaths
        if options.isSwitchless { chosen.insert(.switchless) }
        if options.rewritesCalls { chosen.insert(.rewriting) }
        return chosen
    }

    private static func systemCalls(of session: Session) -> any SystemCallServer {
        var calls: any SystemCallServer
        if let ownership = session.ownership { calls = FakeRootSystemCalls(ownership) } else { calls = LinuxSystemCalls() }
        if session.output.most > 0 { calls = LimitedSystemCalls(calls, session.output) }
        if let trace = session.trace { calls = TracedSystemCalls(calls, trace) }
        return session.statistics == nil ? calls : CountedSystemCalls(calls)
    }

    /// A guest that dies by a signal leaves a core file where Linux would, and its parent is told so. But it would be vmrun's, of
    /// use to nobody: so no memory goes into it (core(5)). Children and fresh images inherit this. The filter that the guest is
    /// shown: what it was before.
    private static func keepMemoryOutOfCores() -> UInt32 {
        let path = "/proc/self/coredump_filter"
        let filter = Host.withFileStart(path, capacity: 16) { text -> UInt32? in
            text.prefix { $0 != 0x0a }.reduce(0) { $0 << 4 | UInt32($1 < 0x3a ? $1 &- 0x30 : $1 &- 0x57) & 0xf }
        }
        let descriptor = open(Array(path.utf8), O_WRONLY)
        guard descriptor >= 0 else { return filter ?? ProcessRecord.defaultCoredumpFilter }
        _ = "0".withCString { Host.raw(Int32(SYS_write), descriptor, $0.argument, 1) }
        _ = Host.raw(Int32(SYS_close), descriptor)
        return filter ?? ProcessRecord.defaultCoredumpFilter
    }

    /// The sentence for a path of the user's that cannot be used.
    private static func why(_ error: Int32) -> String {
        switch error {
        case ENOENT: "does not exist"
        case ENOTDIR: "is not a directory"
        case EACCES, EPERM: "may not be read by this user"
        case ELOOP: "has too many symbolic links"
        default: "cannot be opened (errno \(error))"
        }
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private static func open(_ path: [UInt8], _ flags: Int32) -> Int {
        (path + [0]).withUnsafeBytes {
            Host.raw(Int32(SYS_openat), Int(AT_FDCWD), Int(bitPattern: $0.baseAddress), Int(flags | O_CLOEXEC))
        }
    }

    private static func checkRoot(_ path: [UInt8]) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY)
        if descriptor < 0 {
            Message.fail("the sysroot \(text(path)) \(why(Int32(-descriptor))); --sysroot takes the directory that becomes /")
        }
        _ = Host.raw(Int32(SYS_close), descriptor)
    }

    private static func checkBind(_ path: [UInt8]) {
        let descriptor = open(path, Int32(VMRUN_O_PATH))
        if descriptor < 0 { Message.fail("the bind source \(text(path)) \(why(Int32(-descriptor)))") }
        _ = Host.raw(Int32(SYS_close), descriptor)
    }

    /// The host's own absolute name of a path, links resolved: it must stay right when the working directory changes.
    private static func absolute(_ path: [UInt8]) -> [UInt8] {
        let descriptor = open(path, Int32(VMRUN_O_PATH))
        guard descriptor >= 0 else { return path }
        defer { _ = Host.raw(Int32(SYS_close), descriptor) }
        return HostPath.textOfDescriptor(Int32(descriptor)) ?? path
    }

    private static func openFiles(
        _ configuration: RootConfiguration, _ session: Session, sharedMemory: Int32
    ) -> (FileSystemContext, SyntheticFileSystem) {
        let isHostRoot = configuration.rootPath == [UInt8(ascii: "/")]
        let tree = SyntheticFileSystem(
            configuration: SyntheticConfiguration(
                root: configuration.rootPath,
                binds: configuration.binds.map {
                    SyntheticConfiguration.Bind(host: $0.hostPath, guest: $0.guestPath, readOnly: $0.readOnly)
                }, isReadOnly: configuration.isReadOnly, arena: Arena.base..<Arena.top,
                showsMachine: !isHostRoot && !configuration.hostFallback), session: session,
            sharedMemory: isHostRoot
                ? SharedMemoryDirectory() : SharedMemoryDirectory(sessionName: session.name, lock: sharedMemory))
        do throws(HostError) {
            let files = try FileSystemContext(configuration: configuration, tree: tree)
            tree.translator = files
            return (files, tree)
        } catch {
            Message.fail("the sysroot \(text(configuration.rootPath)) \(why(error.number))")
        }
    }

    /// With a sysroot the guest starts in its /, without one where vmrun was started.
    private static func enterWorkingDirectory(_ options: Options, _ files: FileSystemContext) {
        guard let path = options.workingDirectory ?? (options.sysroot != nil ? Array("/".utf8) : nil) else { return }
        do throws(GuestErrno) {
            try files.withPathBytes(path) { (bytes) throws(GuestErrno) in try files.changeDirectory(bytes) }
        } catch {
            Message.fail("the working directory \(text(path)) \(why(error.number)) in the guest")
        }
    }

    private static func translators(_ options: Options) -> InterpreterRegistry {
        var registry = InterpreterRegistry()
        for entry in options.interpreters {
            if registry.register(entry.machine, path: entry.path) { continue }
            let isNative = ELFMachine(named: entry.machine)?.isNative ?? false
            Message.fail(
                "--interp \(text(entry.machine))=\(text(entry.path)): "
                    + (isNative
                        ? "this machine runs such programs itself"
                        : "there is no such machine; qemu-user's names are meant, as aarch64, arm, i386 or riscv64"))
        }
        return registry
    }

    private static func guestEnvironment(_ options: Options) -> [[UInt8]] {
        let host = ProgramWords.environment.filter { !HostLayout.isOwn($0) }
        var result = options.clearsEnvironment ? [] : host
        for change in options.environment {
            switch change {
            case .set(let name, let value):
                let prefix = name + [UInt8(ascii: "=")]
                result.removeAll { $0.starts(with: prefix) }
                result.append(prefix + value)
            case .pass(let name):
                let prefix = name + [UInt8(ascii: "=")]
                guard let entry = host.first(where: { $0.starts(with: prefix) }) else { continue }
                result.removeAll { $0.starts(with: prefix) }
                result.append(entry)
            }
        }
        return result
    }

    /// Finds the program as execvp(3) does, in the guest's PATH. Ends with 127 or 126 where there is none.
    private static func prepare(
        _ program: [UInt8], _ arguments: [[UInt8]], _ environment: [[UInt8]], _ files: FileSystemContext,
        _ registry: InterpreterRegistry
    ) -> PreparedProgram {
        let slash = UInt8(ascii: "/")
        var candidates = [program]
        if !program.contains(slash) {
            let prefix = Array("PATH=".utf8)
            let path = environment.first { $0.starts(with: prefix) }.map { Array($0.dropFirst(prefix.count)) } ?? defaultPath
            candidates = path.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false).map {
                $0.isEmpty ? program : Array($0) + [slash] + program
            }
        }
        var failure: (error: ImageError, path: [UInt8])?
        for candidate in candidates {
            do throws(ImageError) {
                return try PreparedProgram.prepare(
                    .path(candidate), argv: [program] + arguments, envp: environment, opener: ProgramFiles(files),
                    registry: registry, limits: ArgumentLimits.current())
            } catch {
                // A file that is there but cannot be run is better news than one that is not.
                if failure == nil || failure?.error.exitStatus == 127 { failure = (error, candidate) }
                if case .unavailable = error { continue }
                break
            }
        }
        guard let failure else { Message.fail("\(text(program)): not found", status: 127) }
        let isMissing = failure.error.exitStatus == 127
        if candidates.count > 1, isMissing, case .unavailable = failure.error {
            Message.fail("\(text(program)): not found in the guest's PATH", status: 127)
        }
        Message.fail(failure.error.sentence(program: failure.path), status: failure.error.exitStatus)
    }

    /// The mask that vmrun was started with is the guest's.
    private static func inheritedMask() -> UInt64 {
        var mask: UInt64 = 0
        _ = withUnsafeMutablePointer(to: &mask) {
            Host.raw(Int32(SYS_rt_sigprocmask), Int(SIG_BLOCK), 0, $0.argument, 8)
        }
        return mask
    }

    // MARK: The image after an exec

    static func continueExec(_ descriptor: Int32) -> Never {
        let plan: ExecPlan
        do throws(ForkIPCError) { plan = try ExecPlan.receive(from: descriptor) } catch {
            Message.fail("--helper-fd \(descriptor) brings no exec plan: \(error.clause); this option is vmrun's own")
        }
        HostPlacement(stackLimit: plan.stackLimit, personality: plan.personality).restore()
        InternalDescriptors.configure(
            inherited: (plan.descriptorBase, plan.descriptorLimit, plan.descriptorHardLimit))
        let session: Session
        do throws(HostError) { session = try Session(descriptor: plan.sessionDescriptor) } catch {
            Message.fail("cannot map the session's shared memory (errno \(error.number))")
        }
        session.trace = plan.trace
        session.statistics = plan.statistics
        if let statistics = plan.statistics {
            do throws(HostError) {
                Statistics.use(try Host.map(memoryFile: statistics.descriptor, size: Statistics.size))
            } catch {
                Message.fail("cannot map the session's statistics (errno \(error.number))")
            }
        }
        if plan.ownershipDescriptor >= 0 {
            do throws(HostError) { session.ownership = try OwnershipTable(descriptor: plan.ownershipDescriptor) } catch {
                Message.fail("cannot map the table of files' owners (errno \(error.number))")
            }
        }
        guard var configuration = RootConfiguration(decoding: plan.root) else {
            Message.fail("the exec plan names no root")
        }
        configuration.descriptors = plan.viewDescriptors
        let (files, synthetic) = openFiles(configuration, session, sharedMemory: plan.sharedMemoryDescriptor)
        do throws(ImageError) {
            let program = try PreparedProgram(
                executable: plan.executable, interpreter: plan.interpreter < 0 ? nil : plan.interpreter,
                argv: plan.arguments, envp: plan.environment, execfn: plan.execfn, executablePath: plan.executablePath,
                comm: plan.comm, auxiliaryFlags: plan.auxiliaryFlags, limits: ArgumentLimits.current())
            ProcessStart.run(
                program, plan: plan, files: files, synthetic: synthetic, session: session, server: systemCalls(of: session))
        } catch {
            // The old program is gone: as Linux, there is nobody left to tell but by a signal.
            vmrun_die_by_signal(SIGSEGV)
        }
    }
}
