import CShim
import Host

/// A container's directory below the state root: state.json, the FIFO that its process waits at, directories that are mounted in it.
struct ContainerState {
    enum Status: String {
        case created, running, stopped
    }

    let id: [UInt8]
    let folder: [UInt8]

    /// - Throws: where the id cannot be a file's name.
    init(id: [UInt8], stateRoot: [UInt8]?, environment: [[UInt8]]) throws(RuntimeError) {
        let isGood = id.allSatisfy {
            $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") || $0 >= UInt8(ascii: "A") && $0 <= UInt8(ascii: "Z")
                || $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") || "_+-.".utf8.contains($0)
        }
        guard isGood, let first = id.first, first != UInt8(ascii: "."), first != UInt8(ascii: "-"), id.count <= 255 else {
            throw RuntimeError("'\(HostFile.text(id))' is no container id; it has letters, digits and _+-. in it")
        }
        self.id = id
        folder = (stateRoot ?? Self.usualRoot(environment)) + [UInt8(ascii: "/")] + id
    }

    private static func usualRoot(_ environment: [[UInt8]]) -> [UInt8] {
        if Host.raw(Int32(SYS_geteuid)) == 0 { return Array("/run/vmrun-oci".utf8) }
        let prefix = Array("XDG_RUNTIME_DIR=".utf8)
        let own = environment.first { $0.starts(with: prefix) }.map { Array($0.dropFirst(prefix.count)) }
        return (own ?? Array("/tmp/vmrun-oci-\(Host.raw(Int32(SYS_geteuid)))".utf8)) + Array("/vmrun-oci".utf8)
    }

    func path(_ name: String) -> [UInt8] { folder + Array("/\(name)".utf8) }

    /// Makes the directory, which nobody else has, and the FIFO.
    func make() throws(RuntimeError) {
        var parent = folder[..<(folder.lastIndex(of: UInt8(ascii: "/")) ?? 0)]
        var missing: [[UInt8]] = []
        while !parent.isEmpty, !HostFile.exists(HostFile.text(Array(parent))) {
            missing.append(Array(parent))
            parent = parent[..<(parent.lastIndex(of: UInt8(ascii: "/")) ?? 0)]
        }
        for path in missing.reversed() { _ = Self.makeDirectory(path, 0o700) }
        switch -Self.makeDirectory(folder, 0o700) {
        case 0: break
        case Int(EEXIST): throw RuntimeError("there is a container \(HostFile.text(id)) already")
        case let error: throw RuntimeError("\(HostFile.text(folder)) cannot be made (errno \(error)); --root names another place")
        }
        let made = HostFile.with(path("start")) { Host.raw(Int32(SYS_mknodat), Int(AT_FDCWD), $0, Int(S_IFIFO) | 0o600, 0) }
        if made != 0 { throw RuntimeError("\(HostFile.text(path("start"))) cannot be made (errno \(-made))") }
    }

    static func makeDirectory(_ path: [UInt8], _ mode: Int) -> Int {
        let made = HostFile.with(path) { Host.raw(Int32(SYS_mkdirat), Int(AT_FDCWD), $0, mode) }
        // Whatever the umask is.
        if made == 0 { _ = HostFile.with(path) { Host.raw(Int32(SYS_fchmodat), Int(AT_FDCWD), $0, mode) } }
        return made
    }

    func remove() { _ = Self.remove(folder) }

    /// Without another program's help: a process whose namespace of processes has ended can start none.
    private static func remove(_ path: [UInt8]) -> Bool {
        let removed = HostFile.with(path) { Host.raw(Int32(SYS_unlinkat), Int(AT_FDCWD), $0, 0) }
        if removed != -Int(EISDIR) { return removed == 0 }
        while let names = HostFile.names(in: path), !names.isEmpty {
            for name in names where !remove(path + [UInt8(ascii: "/")] + name) { return false }
        }
        return HostFile.with(path) { Host.raw(Int32(SYS_unlinkat), Int(AT_FDCWD), $0, Int(AT_REMOVEDIR)) } == 0
    }

    // MARK: state.json

    func write(pid: Int, bundle: [UInt8], _ configuration: Configuration) throws(RuntimeError) {
        guard let json = JSON.object() else { throw RuntimeError("no memory is left") }
        json.set("ociVersion", configuration.version)
        json.set("id", id)
        json.set("pid", pid)
        json.set("bundle", bundle)
        if let annotations = configuration.annotations { json.set("annotations", annotations) }
        // A later process may have the same id.
        json.set("vmrunStartTime", Self.startTime(pid) ?? [])
        HostFile.write(path("state.new"), json.text)
        let renamed = HostFile.with(path("state.new")) { from in
            HostFile.with(path("state.json")) { Host.raw(Int32(SYS_renameat2), Int(AT_FDCWD), from, Int(AT_FDCWD), $0, 0) }
        }
        if renamed != 0 { throw RuntimeError("\(HostFile.text(path("state.json"))) cannot be written (errno \(-renamed))") }
    }

    /// What is kept of the container.
    func read() throws(RuntimeError) -> (json: JSON, pid: Int, status: Status) {
        guard HostFile.exists(HostFile.text(path("state.json"))) else { throw RuntimeError("there is no container \(HostFile.text(id))") }
        // Its numbers are real ones here: Go's programs want whole ones, so nothing of it is written back as it is.
        let json = try JSON.read(path("state.json"))
        let pid = Int(json["pid"]?.number ?? 0)
        guard pid > 0, let start = Self.startTime(pid), start == json["vmrunStartTime"]?.string else { return (json, 0, .stopped) }
        return (json, pid, HostFile.exists(HostFile.text(path("start"))) ? .created : .running)
    }

    /// The time a process was started at, as proc_pid_stat(5) has it; nil where it is no more, or a zombie.
    private static func startTime(_ pid: Int) -> [UInt8]? {
        guard let text = HostFile.contents(Array("/proc/\(pid)/stat".utf8)), let end = text.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = text[(end + 1)...].split(separator: 0x20)
        guard fields.count > 19, fields[0].first != UInt8(ascii: "Z"), fields[0].first != UInt8(ascii: "X") else { return nil }
        return Array(fields[19])
    }
}
