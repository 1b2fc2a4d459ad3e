import CShim
import CommandLineOptions
import Host

/// The commands of an OCI runtime: runtime.md of the specification, with the command line that runc made common.
struct Runtime {
    let request: RuntimeRequest
    let environment: [[UInt8]]

    /// Gives the exit status.
    func run() throws(RuntimeError) -> Int {
        guard let command = request.words.first else {
            throw RuntimeError("no command given; vmrun-oci has run, create, start, state, kill, delete and features")
        }
        switch true {
        case Configuration.equals(command, "features"):
            Message.print(Features.text)
            return 0
        case Configuration.equals(command, "run"):
            return try runBundle()
        case Configuration.equals(command, "create"): try create()
        case Configuration.equals(command, "start"): try start()
        case Configuration.equals(command, "state"): try printState()
        case Configuration.equals(command, "kill"): try kill()
        case Configuration.equals(command, "delete"): try delete()
        default:
            throw RuntimeError(
                "\(HostFile.text(command)) is not supported; vmrun-oci has run, create, start, state, kill, delete and features")
        }
        return 0
    }

    private func state() throws(RuntimeError) -> ContainerState {
        guard request.words.count > 1 else { throw RuntimeError("\(HostFile.text(request.words[0])) needs a container's id") }
        return try ContainerState(id: request.words[1], stateRoot: request.stateRoot, environment: environment)
    }

    private func container(_ state: ContainerState) throws(RuntimeError) -> Container {
        let descriptor = HostFile.open(request.bundle, O_RDONLY | O_DIRECTORY)
        guard descriptor >= 0, let bundle = HostFile.link("/proc/self/fd/\(descriptor)") else {
            throw RuntimeError("the bundle \(HostFile.text(request.bundle)) is no directory that can be read")
        }
        _ = Host.raw(Int32(SYS_close), descriptor)
        return Container(
            configuration: try Configuration(bundle: bundle), state: state, bundle: bundle, console: request.consoleSocket,
            preservedDescriptors: request.preservedDescriptors)
    }

    private func create() throws(RuntimeError) {
        let state = try state()
        let container = try container(state)
        if container.configuration.hasTerminal != (request.consoleSocket != nil) {
            throw RuntimeError("process.terminal and --console-socket go together")
        }
        try state.make()
        do throws(RuntimeError) {
            let pid = try container.launch(waits: true)
            try state.write(pid: pid, bundle: container.bundle, container.configuration)
            if let file = request.pidFile { HostFile.write(file, "\(pid)") }
        } catch {
            state.remove()
            throw error
        }
    }

    private func start() throws(RuntimeError) {
        let state = try state()
        let (_, pid, status) = try state.read()
        guard status == .created else { throw RuntimeError("container \(HostFile.text(state.id)) is \(status.rawValue), so it cannot be started") }
        let path = state.path("start")
        let descriptor = HostFile.open(path, O_RDONLY | O_NONBLOCK)
        guard descriptor >= 0 else { throw RuntimeError("\(HostFile.text(path)) cannot be opened (errno \(-descriptor))") }
        var poll: (Int32, UInt16, UInt16) = (Int32(descriptor), UInt16(POLLIN), 0)
        var left: (Int, Int) = (10, 0)
        let ready = withUnsafeMutablePointer(to: &left) { left in
            withUnsafeMutablePointer(to: &poll) { Host.raw(Int32(SYS_ppoll), $0.argument, 1, left.argument, 0, 8) }
        }
        _ = Host.raw(Int32(SYS_close), descriptor)
        guard ready == 1 else { throw RuntimeError("process \(pid) of container \(HostFile.text(state.id)) does not answer") }
        _ = HostFile.with(path) { Host.raw(Int32(SYS_unlinkat), Int(AT_FDCWD), $0, 0) }
    }

    private func runBundle() throws(RuntimeError) -> Int {
        var words = request.words
        if words.count < 2 { words.append(Array("vmrun-\(Host.raw(Int32(SYS_getpid)))".utf8)) }
        let state = try ContainerState(id: words[1], stateRoot: request.stateRoot, environment: environment)
        let container = try container(state)
        try state.make()
        defer { state.remove() }
        _ = HostFile.with(state.path("start")) { Host.raw(Int32(SYS_unlinkat), Int(AT_FDCWD), $0, 0) }
        let pid = try container.launch(waits: false)
        Supervisor.begin()
        try state.write(pid: pid, bundle: container.bundle, container.configuration)
        if let file = request.pidFile { HostFile.write(file, "\(pid)") }
        return Supervisor.wait(for: pid)
    }

    private func printState() throws(RuntimeError) {
        let state = try state()
        let (kept, pid, status) = try state.read()
        guard let json = JSON.object() else { throw RuntimeError("no memory is left") }
        json.set("ociVersion", kept["ociVersion"]?.string ?? [])
        json.set("id", state.id)
        json.set("status", Array(status.rawValue.utf8))
        json.set("pid", pid)
        json.set("bundle", kept["bundle"]?.string ?? [])
        if let annotations = kept["annotations"] { json.set("annotations", annotations) }
        Message.print(json.text)
    }

    private func kill() throws(RuntimeError) {
        let state = try state()
        let (_, pid, status) = try state.read()
        let name = request.words.count > 2 ? request.words[2] : Array("TERM".utf8)
        guard let signal = SignalName.number(name) else { throw RuntimeError("\(HostFile.text(name)) is no signal") }
        guard status != .stopped else { throw RuntimeError("container \(HostFile.text(state.id)) is stopped, so it gets no signals") }
        let result = Host.raw(Int32(SYS_kill), pid, signal)
        if result != 0 { throw RuntimeError("process \(pid) cannot be sent a signal (errno \(-result))") }
    }

    private func delete() throws(RuntimeError) {
        let state = try state()
        if request.isForced && !HostFile.exists(HostFile.text(state.folder)) { return }
        var (_, pid, status) = try state.read()
        if status != .stopped && request.isForced {
            _ = Host.raw(Int32(SYS_kill), pid, Int(SIGKILL))
            for _ in 0..<500 where status != .stopped {
                Host.pause(nanoseconds: 10_000_000)
                (_, pid, status) = try state.read()
            }
        }
        guard status == .stopped else {
            throw RuntimeError("container \(HostFile.text(state.id)) is \(status.rawValue), so it cannot be deleted; kill it first, or use --force")
        }
        state.remove()
    }
}

/// Signals by name or number, as kill(1) takes them.
enum SignalName {
    private static let names: [StaticString] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD",
        "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ]

    static func number(_ word: [UInt8]) -> Int? {
        if !word.isEmpty, word.count < 3, word.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }) {
            let number = word.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
            return number <= 64 ? number : nil
        }
        let upper = word.map { $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") ? $0 - 32 : $0 }
        let name = upper.starts(with: "SIG".utf8) ? Array(upper.dropFirst(3)) : upper
        return names.firstIndex { Configuration.equals(name, $0) }.map { $0 + 1 }
    }
}

/// What engines may ask for: features.md of the specification.
enum Features {
    static let text = """
        {
          "ociVersionMin": "1.0.0",
          "ociVersionMax": "1.2.0",
          "hooks": [],
          "mountOptions": ["bind", "rbind", "ro", "rw"],
          "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "uts"],
            "cgroup": {"v1": false, "v2": false, "systemd": false, "systemdUser": false},
            "seccomp": {"enabled": false},
            "apparmor": {"enabled": false},
            "selinux": {"enabled": false},
            "intelRdt": {"enabled": false}
          }
        }

        """
}
