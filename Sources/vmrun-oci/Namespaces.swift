import CShim
import Host

/// The namespaces that a container gets, or joins. What vmrun itself gives every guest needs none of the host's: the files it can name
/// (mount, cgroup).
struct Namespaces {
    private let configuration: Configuration
    private let mayMake: Bool

    init(_ configuration: Configuration) {
        self.configuration = configuration
        mayMake = Host.raw(Int32(SYS_geteuid)) == 0
    }

    /// Whether processes get one: then everything ends with the first.
    var hasProcesses: Bool { mayMake && configuration.has("pid") }

    /// Whether there shall be no network, and vmrun has to see to that.
    var needsNoNetworkOfVmrun: Bool { !mayMake && configuration.has("network") }

    /// Enters all of them but that of mounts; that of processes is for the children of the calling process.
    func enter() throws(RuntimeError) {
        guard mayMake else { return try refuseUnprivileged() }
        var flags = 0
        for namespace in configuration.namespaces {
            switch true {
            case Configuration.equals(namespace.kind, "network"):
                if let path = namespace.path { try join(path) } else { flags |= Int(CLONE_NEWNET) }
            case Configuration.equals(namespace.kind, "ipc"): flags |= Int(CLONE_NEWIPC)
            case Configuration.equals(namespace.kind, "uts"): flags |= Int(CLONE_NEWUTS)
            case Configuration.equals(namespace.kind, "pid"): flags |= Int(CLONE_NEWPID)
            default: break
            }
        }
        let result = Host.raw(Int32(SYS_unshare), flags)
        guard result == 0 else { throw RuntimeError("linux.namespaces: the host makes none (errno \(-result))") }
        if flags & Int(CLONE_NEWNET) != 0 { raiseLoopback() }
        try nameHost()
        try setParameters()
    }

    private func refuseUnprivileged() throws(RuntimeError) {
        for namespace in configuration.namespaces {
            let isOwn = ["mount", "cgroup", "pid"].contains { (kind: StaticString) in Configuration.equals(namespace.kind, kind) }
            if isOwn || Configuration.equals(namespace.kind, "network") && namespace.path == nil { continue }
            throw RuntimeError("linux.namespaces: \(HostFile.text(namespace.kind)) needs root")
        }
        if configuration.hostname != nil { throw RuntimeError("hostname is not supported without root") }
        if !configuration.sysctls.isEmpty { throw RuntimeError("linux.sysctl is not supported without root") }
    }

    private func join(_ path: [UInt8]) throws(RuntimeError) {
        let descriptor = HostFile.open(path, O_RDONLY)
        let result = descriptor < 0 ? descriptor : Host.raw(Int32(SYS_setns), descriptor, Int(CLONE_NEWNET))
        guard result == 0 else { throw RuntimeError("linux.namespaces: \(HostFile.text(path)) cannot be joined (errno \(-result))") }
        _ = Host.raw(Int32(SYS_close), descriptor)
    }

    /// As other runtimes: netdevice(7).
    private func raiseLoopback() {
        let socket = Host.raw(Int32(SYS_socket), Int(AF_INET), Int(SOCK_DGRAM.rawValue) | Int(O_CLOEXEC), 0)
        guard socket >= 0 else { return }
        var request = Array("lo".utf8) + [UInt8](repeating: 0, count: 38)
        // IFF_UP and IFF_RUNNING.
        request[16] = 0x41
        let setFlags = 0x8914
        _ = request.withUnsafeMutableBytes { Host.raw(Int32(SYS_ioctl), socket, setFlags, Int(bitPattern: $0.baseAddress)) }
        _ = Host.raw(Int32(SYS_close), socket)
    }

    private func nameHost() throws(RuntimeError) {
        guard let name = configuration.hostname else { return }
        guard configuration.has("uts") else { throw RuntimeError("hostname without a namespace of type uts would rename this machine") }
        let result = name.withUnsafeBytes { Host.raw(Int32(SYS_sethostname), Int(bitPattern: $0.baseAddress), $0.count) }
        guard result == 0 else { throw RuntimeError("hostname \(HostFile.text(name)) is not taken (errno \(-result))") }
    }

    private func setParameters() throws(RuntimeError) {
        for (name, value) in configuration.sysctls {
            let isNetwork = name.starts(with: "net.".utf8) && configuration.has("network")
            let isIPC = configuration.has("ipc") && ["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."].contains { name.starts(with: $0.utf8) }
            guard isNetwork || isIPC, !name.contains(UInt8(ascii: "/")) else {
                throw RuntimeError("linux.sysctl: \(HostFile.text(name)) is this machine's, not a container's")
            }
            let path = Array("/proc/sys/".utf8) + name.map { $0 == UInt8(ascii: ".") ? UInt8(ascii: "/") : $0 }
            let descriptor = HostFile.open(path, O_WRONLY)
            guard descriptor >= 0 else { throw RuntimeError("linux.sysctl: there is no \(HostFile.text(name))") }
            HostFile.append(value[...], to: descriptor)
            _ = Host.raw(Int32(SYS_close), descriptor)
        }
    }

    /// In a namespace of processes: /proc is to show it, to vmrun itself. For the first process of it.
    static func showProcesses() throws(RuntimeError) {
        var result = Host.raw(Int32(SYS_unshare), Int(CLONE_NEWNS))
        // MS_REC and MS_SLAVE; then MS_NOSUID, MS_NODEV and MS_NOEXEC: mount(2).
        if result == 0 { result = mount("none", "/", 0x4000 | 1 << 19) }
        if result == 0 { result = mount("proc", "/proc", 2 | 4 | 8) }
        guard result == 0 else { throw RuntimeError("/proc cannot be mounted in the namespace of processes (errno \(-result))") }
    }

    private static func mount(_ type: String, _ place: String, _ flags: Int) -> Int {
        type.withCString { type in
            place.withCString { Host.raw(Int32(SYS_mount), type.argument, $0.argument, type.argument, flags, 0) }
        }
    }
}
