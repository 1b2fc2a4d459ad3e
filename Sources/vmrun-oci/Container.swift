import CShim
import Host

/// Makes a container's process: vmrun, with the bundle's configuration as its options.
struct Container {
    let configuration: Configuration
    let state: ContainerState
    let bundle: [UInt8]
    let console: [UInt8]?
    let preservedDescriptors: Int

    private var namespaces: Namespaces { Namespaces(configuration) }

    /// Makes the process in its namespaces and gives its id. It waits for `start` before vmrun begins; without `waits` it begins at once, in
    /// the caller's session.
    func launch(waits: Bool) throws(RuntimeError) -> Int {
        let words = try command()
        try namespaces.enter()
        let pipe: (reading: Int32, writing: Int32)
        do throws(HostError) { pipe = try Host.pipe() } catch { throw RuntimeError("no pipe can be made (errno \(error.number))") }
        let child = vmrun_fork()
        if child == 0 {
            do throws(RuntimeError) { try become(words, waits: waits, ready: Int(pipe.writing)) } catch {
                HostFile.append(Array(error.sentence.utf8)[...], to: Int(pipe.writing))
            }
            while true { _ = Host.raw(Int32(SYS_exit_group), 125) }
        }
        _ = Host.raw(Int32(SYS_close), Int(pipe.writing))
        defer { _ = Host.raw(Int32(SYS_close), Int(pipe.reading)) }
        guard child > 0 else { throw RuntimeError("no process can be made (errno \(-child))") }
        let complaint = HostFile.contents(of: Int(pipe.reading)) ?? []
        if !complaint.isEmpty {
            _ = Host.raw(Int32(SYS_wait4), child, 0, 0, 0)
            throw RuntimeError(HostFile.text(complaint))
        }
        return child
    }

    // MARK: The child

    private func become(_ words: [[UInt8]], waits: Bool, ready: Int) throws(RuntimeError) {
        if namespaces.hasProcesses { try Namespaces.showProcesses() }
        if waits { _ = Host.raw(Int32(SYS_setsid)) }
        if let console { try Console.open(sendingTo: console, size: configuration.consoleSize, owner: configuration.user) }
        try takeAttributes()
        let vector = ExecWords(words)
        let variables = ExecWords([])
        // All but what is to be kept is closed by the exec.
        let closesOnExec = 4
        _ = Host.raw(Int32(SYS_close_range), 3 + preservedDescriptors, Int(UInt32.max), closesOnExec)
        _ = Host.raw(Int32(SYS_close), ready)
        if waits { waitForStart() }

        if namespaces.hasProcesses {
            Supervisor.begin()
            let child = vmrun_fork()
            if child == 0 {
                Supervisor.release()
                exec(words[0], vector, variables)
            }
            let status = child > 0 ? Supervisor.wait(for: child) : 125
            while true { _ = Host.raw(Int32(SYS_exit_group), status) }
        }
        exec(words[0], vector, variables)
    }

    private func exec(_ program: [UInt8], _ words: ExecWords, _ variables: ExecWords) -> Never {
        let result = HostFile.with(program) { Host.raw(Int32(SYS_execve), $0, words.address, variables.address) }
        Message.fail("\(HostFile.text(program)) cannot be started (errno \(-result)); vmrun-oci is installed together with vmrun")
    }

    /// Opening a FIFO for writing waits for its reader: fifo(7).
    private func waitForStart() {
        let path = state.path("start")
        let descriptor = HostFile.open(path, O_WRONLY)
        HostFile.append([0], to: descriptor)
        _ = Host.raw(Int32(SYS_close), descriptor)
    }

    private func takeAttributes() throws(RuntimeError) {
        for limit in configuration.limits {
            var values = (limit.soft, limit.hard)
            let result = withUnsafeMutablePointer(to: &values) { Host.raw(Int32(SYS_prlimit64), 0, limit.resource, $0.argument, 0) }
            if result != 0 { throw RuntimeError("process.rlimits: number \(limit.resource) is not taken (errno \(-result))") }
        }
        if let score = configuration.oomScore {
            let descriptor = HostFile.open(Array("/proc/self/oom_score_adj".utf8), O_WRONLY)
            HostFile.append(score[...], to: descriptor)
            _ = Host.raw(Int32(SYS_close), descriptor)
        }
        if let mask = configuration.umask { _ = Host.raw(Int32(SYS_umask), Int(mask)) }
        guard Host.raw(Int32(SYS_geteuid)) == 0 else { return }
        if configuration.user == 0 {
            let result = configuration.groups.withUnsafeBufferPointer {
                Host.raw(Int32(SYS_setgroups), $0.count, Int(bitPattern: $0.baseAddress))
            }
            let group = Int(configuration.group)
            guard result == 0, Host.raw(Int32(SYS_setresgid), group, group, group) == 0 else {
                throw RuntimeError("process.user: the groups are not taken (errno \(-result))")
            }
        }
        try dropCapabilities()
    }

    /// What is not in the bounding set is lost at the exec of vmrun. Another user has none of them from then on, but vmrun needs two to
    /// become that user.
    private func dropCapabilities() throws(RuntimeError) {
        guard let kept = configuration.capabilities else { return }
        let (setgid, setuid) = (6, 7)
        for number in 0..<64 where !kept.contains(number) {
            if configuration.user != 0 && (number == setgid || number == setuid) { continue }
            let result = Host.raw(Int32(SYS_prctl), Int(PR_CAPBSET_DROP), number, 0, 0, 0)
            // Past the last that the kernel has.
            if result == -Int(EINVAL) { break }
            if result != 0 { throw RuntimeError("process.capabilities: one cannot be dropped (errno \(-result))") }
        }
    }

    // MARK: vmrun's command line

    private func command() throws(RuntimeError) -> [[UInt8]] {
        guard let vmrun = HostFile.beside("vmrun") else { throw RuntimeError("/proc is not mounted") }
        var words = [vmrun]
        func add(_ option: StaticString, _ value: [UInt8]) {
            words.append(option.withUTF8Buffer { Array($0) })
            words.append(value)
        }
        add("--sysroot", configuration.root)
        if configuration.isReadOnly { words.append(Array("--read-only".utf8)) }
        for (index, bind) in configuration.binds.enumerated() {
            var source = bind.source
            if source.isEmpty {
                source = state.path("mount-\(index)")
                let made = ContainerState.makeDirectory(source, bind.mode)
                if made != 0 { throw RuntimeError("mounts: \(HostFile.text(source)) cannot be made (errno \(-made))") }
                if bind.isReadOnly { continue }
            }
            add("--bind", source + [UInt8(ascii: ":")] + bind.destination + (bind.isReadOnly ? Array(":ro".utf8) : []))
        }
        add("--workdir", configuration.directory)
        let isRoot = Host.raw(Int32(SYS_geteuid)) == 0
        if !isRoot { words.append(Array("--fakeroot".utf8)) }
        if configuration.user != 0 || (!isRoot && configuration.group != 0) {
            add("--user", Array("\(configuration.user):\(configuration.group)".utf8))
        }
        if namespaces.needsNoNetworkOfVmrun { add("--net", Array("none".utf8)) }
        if let most = configuration.mostOpenFiles, most != .max { add("--max-open-files", Array("\(most)".utf8)) }
        if let most = configuration.mostThreads { add("--max-threads", Array("\(most)".utf8)) }
        if let most = configuration.mostMemory { add("--memory", Array("\(most)".utf8)) }
        words.append(Array("--clear-env".utf8))
        for entry in configuration.environment { add("--env", entry) }
        words.append(Array("--".utf8))
        return words + configuration.arguments
    }
}
