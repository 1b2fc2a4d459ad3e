import Host

/// A bundle's config.json, as far as vmrun can do what it asks for: config.md of the OCI runtime specification. What it cannot is refused
/// by name; what is not known at all is ignored, as the specification wants.
struct Configuration {
    struct Limit {
        let resource: Int
        let soft: UInt64
        let hard: UInt64
    }

    struct Namespace {
        let kind: [UInt8]
        let path: [UInt8]?
    }

    struct BindMount {
        /// A host path; empty for a new directory of the container's own.
        let source: [UInt8]
        let destination: [UInt8]
        let isReadOnly: Bool
        /// Of a new directory.
        let mode: Int
    }

    let version: [UInt8]
    let root: [UInt8]
    let isReadOnly: Bool
    let hostname: [UInt8]?
    let arguments: [[UInt8]]
    let environment: [[UInt8]]
    let directory: [UInt8]
    let hasTerminal: Bool
    let consoleSize: (rows: UInt16, columns: UInt16)?
    let user: UInt64
    let group: UInt64
    let groups: [UInt32]
    let umask: UInt64?
    let limits: [Limit]
    /// RLIMIT_NOFILE's hard limit; the host's own is vmrun's, too.
    let mostOpenFiles: UInt64?
    /// Numbers of capabilities; nil where all are kept.
    let capabilities: [Int]?
    let oomScore: [UInt8]?
    let mostThreads: UInt64?
    /// Bytes.
    let mostMemory: UInt64?
    let binds: [BindMount]
    let namespaces: [Namespace]
    let sysctls: [(name: [UInt8], value: [UInt8])]
    let annotations: JSON?

    /// Reads DIR/config.json; `bundle` is absolute.
    init(bundle: [UInt8]) throws(RuntimeError) {
        let json = try JSON.read(bundle + Array("/config.json".utf8))
        version = json["ociVersion"]?.string ?? []
        guard version.starts(with: "1.".utf8) else { throw RuntimeError("ociVersion is not 1.x: the configuration is for another runtime") }
        try Self.refuse(json, ["solaris", "windows", "vm", "zos", "hooks", "domainname"], within: "")

        guard let path = json["root"]?["path"]?.string, !path.isEmpty else { throw RuntimeError("root.path is missing") }
        root = Self.absolute(path, in: bundle)
        isReadOnly = json["root"]?["readonly"]?.isTrue ?? false
        hostname = json["hostname"].flatMap { $0.isEmpty ? nil : $0.string }
        annotations = json["annotations"]

        guard let process = json["process"] else { throw RuntimeError("process is missing: there is nothing to run") }
        try Self.refuse(process, ["selinuxLabel", "scheduler", "ioPriority", "execCPUAffinity", "commandLine"], within: "process.")
        arguments = (process["args"]?.elements ?? []).compactMap { $0.string }
        guard let program = arguments.first, !program.isEmpty else { throw RuntimeError("process.args is empty: there is nothing to run") }
        environment = (process["env"]?.elements ?? []).compactMap { $0.string }
        guard environment.allSatisfy({ $0.contains(UInt8(ascii: "=")) && $0.first != UInt8(ascii: "=") }) else {
            throw RuntimeError("process.env has an entry that is not NAME=VALUE")
        }
        directory = process["cwd"]?.string ?? []
        guard directory.first == UInt8(ascii: "/") else { throw RuntimeError("process.cwd is not an absolute path") }
        hasTerminal = process["terminal"]?.isTrue ?? false
        consoleSize = process["consoleSize"].flatMap { size in
            guard let rows = size["height"]?.number, let columns = size["width"]?.number else { return nil }
            return (UInt16(truncatingIfNeeded: rows), UInt16(truncatingIfNeeded: columns))
        }
        user = process["user"]?["uid"]?.number ?? 0
        group = process["user"]?["gid"]?.number ?? 0
        umask = process["user"]?["umask"]?.number
        groups = (process["user"]?["additionalGids"]?.elements ?? []).compactMap { $0.number.map { UInt32(truncatingIfNeeded: $0) } }
        oomScore = process["oomScoreAdj"]?.number.map { Array("\($0)".utf8) }
        let all = try Self.limits(process["rlimits"]?.elements ?? [])
        limits = all.filter { $0.resource != Self.openFiles }
        mostOpenFiles = all.first { $0.resource == Self.openFiles }.map { $0.hard }
        capabilities = try Self.capabilities(process["capabilities"])

        let linux = json["linux"]
        if let linux {
            try Self.refuse(
                linux, ["uidMappings", "gidMappings", "intelRdt", "timeOffsets", "netDevices", "memoryPolicy", "mountLabel"], within: "linux.")
            try Self.checkDevices(linux["devices"]?.elements ?? [])
            if let domain = linux["personality"]?["domain"]?.string, !domain.elementsEqual("LINUX".utf8) {
                throw RuntimeError("linux.personality: vmrun runs programs with the LINUX one")
            }
        }
        (mostThreads, mostMemory) = try Self.resources(linux?["resources"])
        namespaces = try Self.namespaces(linux?["namespaces"]?.elements ?? [])
        sysctls = (linux?["sysctl"]?.members ?? []).map { ($0.name, $0.value.string ?? []) }
        binds = try Self.binds(json["mounts"]?.elements ?? [], in: bundle)
    }

    /// Whether it asks for a namespace of this kind.
    func has(_ kind: StaticString) -> Bool { namespaces.contains { Self.equals($0.kind, kind) } }

    static func equals(_ bytes: [UInt8], _ text: StaticString) -> Bool { text.withUTF8Buffer { $0.elementsEqual(bytes) } }

    private static func absolute(_ path: [UInt8], in bundle: [UInt8]) -> [UInt8] {
        path.first == UInt8(ascii: "/") ? path : bundle + [UInt8(ascii: "/")] + path
    }

    private static func refuse(_ object: JSON, _ names: [StaticString], within: String) throws(RuntimeError) {
        for name in names {
            if let member = object[name], !member.isEmpty { throw RuntimeError("\(within)\(name) is not supported by vmrun") }
        }
    }

    /// RLIMIT_NOFILE.
    private static let openFiles = 7

    private static func limits(_ list: [JSON]) throws(RuntimeError) -> [Limit] {
        // In the order of their numbers: getrlimit(2).
        let names: [StaticString] = [
            "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_CORE", "RLIMIT_RSS", "RLIMIT_NPROC", "RLIMIT_NOFILE",
            "RLIMIT_MEMLOCK", "RLIMIT_AS", "RLIMIT_LOCKS", "RLIMIT_SIGPENDING", "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_RTPRIO",
            "RLIMIT_RTTIME",
        ]
        var result: [Limit] = []
        for entry in list {
            let name = entry["type"]?.string ?? []
            guard let number = names.firstIndex(where: { equals(name, $0) }), let soft = entry["soft"]?.number,
                let hard = entry["hard"]?.number, soft <= hard
            else { throw RuntimeError("process.rlimits: \(HostFile.text(name)) is no limit, or its values are none") }
            if equals(name, "RLIMIT_AS") && soft != .max {
                throw RuntimeError("process.rlimits: RLIMIT_AS is not supported; vmrun reserves addresses for the whole guest")
            }
            result.append(Limit(resource: number, soft: soft, hard: hard))
        }
        return result
    }

    private static func capabilities(_ sets: JSON?) throws(RuntimeError) -> [Int]? {
        guard let sets else { return nil }
        // In the order of their numbers: capabilities(7).
        let names: [StaticString] = [
            "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
            "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
            "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
            "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
            "PERFMON", "BPF", "CHECKPOINT_RESTORE",
        ]
        var result: [Int] = []
        for entry in sets["bounding"]?.elements ?? [] {
            let name = entry.string ?? []
            guard name.starts(with: "CAP_".utf8), let number = names.firstIndex(where: { equals(Array(name.dropFirst(4)), $0) }) else {
                throw RuntimeError("process.capabilities: \(HostFile.text(name)) is no capability")
            }
            result.append(number)
        }
        return result
    }

    private static func checkDevices(_ list: [JSON]) throws(RuntimeError) {
        let own: [StaticString] = [
            "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/console", "/dev/ptmx",
        ]
        for device in list {
            let path = device["path"]?.string ?? []
            guard own.contains(where: { equals(path, $0) }) else {
                throw RuntimeError("linux.devices: \(HostFile.text(path)) is not supported; a guest's /dev is vmrun's own")
            }
        }
    }

    /// pids.limit, which counts threads, and memory.limit.
    private static func resources(_ resources: JSON?) throws(RuntimeError) -> (threads: UInt64?, memory: UInt64?) {
        guard let resources else { return (nil, nil) }
        try refuse(resources, ["cpu", "blockIO", "hugepageLimits", "network", "rdma", "unified"], within: "linux.resources.")
        let memory = given(resources["memory"]?["limit"])
        for (name, value) in resources["memory"]?.members ?? [] where !value.isEmpty && value.number != .max {
            // No guest's memory is swapped out but with the host's.
            let isLimit = equals(name, "limit") || equals(name, "swap") && memory != nil || equals(name, "reservation")
            if isLimit { continue }
            throw RuntimeError("linux.resources.memory.\(HostFile.text(name)) is not supported by vmrun")
        }
        return (given(resources["pids"]?["limit"]), memory)
    }

    /// A limit, unless it says that there is none.
    private static func given(_ limit: JSON?) -> UInt64? {
        guard let number = limit?.number, number > 0, number < UInt64(Int64.max) else { return nil }
        return number
    }

    private static func namespaces(_ list: [JSON]) throws(RuntimeError) -> [Namespace] {
        var result: [Namespace] = []
        for entry in list {
            let kind = entry["type"]?.string ?? []
            let path = entry["path"].flatMap { $0.isEmpty ? nil : $0.string }
            switch true {
            case equals(kind, "network"): break
            case equals(kind, "mount"), equals(kind, "pid"), equals(kind, "ipc"), equals(kind, "uts"), equals(kind, "cgroup"):
                if path != nil { throw RuntimeError("linux.namespaces: joining a \(HostFile.text(kind)) namespace is not supported by vmrun") }
            default: throw RuntimeError("linux.namespaces: \(HostFile.text(kind)) is not supported by vmrun")
            }
            result.append(Namespace(kind: kind, path: path))
        }
        return result
    }

    private static func binds(_ list: [JSON], in bundle: [UInt8]) throws(RuntimeError) -> [BindMount] {
        let own: [StaticString] = ["/proc", "/sys", "/sys/fs/cgroup", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/console"]
        var result: [BindMount] = []
        for entry in list {
            guard let destination = entry["destination"]?.string, destination.first == UInt8(ascii: "/"),
                destination.contains(where: { $0 != UInt8(ascii: "/") })
            else { throw RuntimeError("mounts: a destination is not an absolute path below the root") }
            // vmrun has its own.
            if own.contains(where: { equals(destination, $0) }) { continue }
            let type = entry["type"]?.string ?? []
            let options = (entry["options"]?.elements ?? []).compactMap { $0.string }
            let isReadOnly = options.contains { equals($0, "ro") }
            if equals(type, "tmpfs") {
                if options.contains(where: { equals($0, "tmpcopyup") }) {
                    throw RuntimeError("mounts: tmpcopyup of \(HostFile.text(destination)) is not supported by vmrun")
                }
                let mode = options.first { $0.starts(with: "mode=".utf8) }.map { $0.dropFirst(5).reduce(0) { $0 << 3 | Int($1 & 7) } }
                result.append(BindMount(source: [], destination: destination, isReadOnly: isReadOnly, mode: mode ?? 0o1777))
                continue
            }
            guard equals(type, "bind") || options.contains(where: { equals($0, "bind") || equals($0, "rbind") }),
                let source = entry["source"]?.string, !source.isEmpty
            else {
                throw RuntimeError("mounts: \(HostFile.text(destination)) of type \(HostFile.text(type)) is not supported; vmrun has bind and tmpfs")
            }
            guard !source.contains(UInt8(ascii: ":")), !destination.contains(UInt8(ascii: ":")) else {
                throw RuntimeError("mounts: \(HostFile.text(destination)) has a colon in a path, which vmrun's --bind cannot take")
            }
            result.append(BindMount(source: absolute(source, in: bundle), destination: destination, isReadOnly: isReadOnly, mode: 0))
        }
        return result
    }
}
