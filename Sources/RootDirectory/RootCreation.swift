import CShim
import Host

/// `vmrun root create`: a Debian root directory, made by mmdebstrap or debootstrap of this machine.
///
/// It is made as DIR.partial and renamed when it is complete, so whatever is called DIR is whole. DIR.partial is locked meanwhile; one
/// that nobody locks was left by an interrupted try, and is emptied.
public struct RootCreation {
    public var directory: [UInt8]
    public let suite: [UInt8]
    /// Debian's name.
    public let architecture: [UInt8]
    public let mirror: [UInt8]
    public let packages: [[UInt8]]
    public let environment: [[UInt8]]

    private var partial: [UInt8] { directory + Array(".partial".utf8) }
    private var log: [UInt8] { directory + Array(".log".utf8) }

    private static let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

    /// Nil for the architecture: this machine's; for the mirror: that of this machine's apt.
    public init(
        directory: [UInt8], suite: [UInt8], architecture: [UInt8]?, mirror: [UInt8]?, packages: [[UInt8]], environment: [[UInt8]]
    ) {
        var directory = directory
        while directory.count > 1, directory.last == UInt8(ascii: "/") { directory.removeLast() }
        self.directory = directory
        self.suite = suite
        self.architecture = architecture ?? Array(DebianArchitecture.host.utf8)
        self.mirror = mirror ?? AptSources.host.mirror(for: suite) ?? Array("http://deb.debian.org/debian".utf8)
        self.packages = packages
        self.environment = environment
    }

    /// Makes it. Ends vmrun with a sentence where that fails; then DIR does not exist.
    public func run() {
        checkTarget()
        let (tool, arguments, isUnderVmrun) = chooseTool()
        takePartial()

        let output = HostFile.open(log, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
        guard output >= 0 else { Message.fail("\(text(log)) cannot be written (errno \(-output))") }
        var progress = Progress()
        progress.show("Making a Debian \(text(suite)) root from \(text(mirror))")
        let status = tool.run(arguments, environment: toolEnvironment, ownMounts: isRoot && !isUnderVmrun) {
            HostFile.append($0, to: output)
            progress.follow($0)
        }
        progress.clear()
        _ = Host.raw(Int32(SYS_close), output)
        guard status == 0 else { failed(tool, status) }
        finish()
        Message.print("\(text(directory)) is a Debian \(text(suite)) root: vmrun --sysroot \(text(directory)) /bin/sh\n")
    }

    private var isRoot: Bool { Host.raw(Int32(SYS_geteuid)) == 0 }

    private func checkTarget() {
        if let names = HostFile.names(in: directory), !names.isEmpty {
            Message.fail("\(text(directory)) is not empty; root create makes a new directory, root check says what an old one lacks")
        }
        var status = stat()
        let found = HostFile.with(directory) { path in
            withUnsafeMutablePointer(to: &status) { Host.raw(Int32(SYS_newfstatat), Int(AT_FDCWD), path, $0.argument, 0) }
        }
        if found == 0 && status.st_mode & UInt32(S_IFMT) != UInt32(S_IFDIR) { Message.fail("\(text(directory)) is there already, and no directory") }
    }

    private func chooseTool() -> (HostTool, [[UInt8]], isUnderVmrun: Bool) {
        guard let machine = DebianArchitecture.machine(architecture) else {
            Message.fail("vmrun knows no processor that Debian calls \(text(architecture)); --arch takes amd64, arm64 and their like")
        }
        let isNative = architecture.elementsEqual(DebianArchitecture.host.utf8)
        if !isNative && !HostFile.exists("/usr/bin/qemu-\(machine)-static") {
            Message.fail(
                "programs for \(text(architecture)) need a translator to finish the root: sudo apt-get install qemu-user-static")
        }
        if !HostFile.exists(Self.keyring) {
            Message.fail("nothing here can check the packages' signatures: sudo apt-get install debian-archive-keyring")
        }
        let included = joined(packages)
        if isRoot, isNative, let tool = HostTool(named: "mmdebstrap") {
            let options = ["--mode=root", "--variant=minbase", "--keyring=" + Self.keyring].map { Array($0.utf8) }
            let more = packages.isEmpty ? [] : [Array("--include=".utf8) + included]
            return (tool, options + more + [suite, absolutePartial, mirror], false)
        }
        guard let tool = HostTool(named: "debootstrap") else {
            Message.fail("a tool to make Debian roots is missing: sudo apt-get install debootstrap")
        }
        let options = ["--variant=minbase", "--keyring=" + Self.keyring].map { Array($0.utf8) }
        let more = packages.isEmpty ? [] : [Array("--include=".utf8) + included]
        let arguments = options + [Array("--arch=".utf8) + architecture] + more + [suite, absolutePartial, mirror]
        if isRoot && isNative { return (tool, arguments, false) }
        // Its programs of the other processor, or its belief to be root, need vmrun.
        let own = (isRoot ? [] : ["--fakeroot"]) + ["--"]
        guard let vmrun = HostFile.beside("vmrun") else { Message.fail("/proc is not mounted; vmrun needs it: mount -t proc proc /proc") }
        return (HostTool(path: vmrun), own.map { Array($0.utf8) } + [tool.path] + arguments, true)
    }

    /// The directory to make it in, locked by this process and empty.
    private func takePartial() {
        let made = HostFile.with(partial) { Host.raw(Int32(SYS_mkdirat), Int(AT_FDCWD), $0, 0o755) }
        switch -made {
        case 0, Int(EEXIST): break
        case Int(ENOENT): Message.fail("the directory that \(text(directory)) is to lie in does not exist")
        case Int(EACCES), Int(EPERM), Int(EROFS): Message.fail("\(text(partial)) cannot be made: no permission to write there")
        default: Message.fail("\(text(partial)) cannot be made (errno \(-made))")
        }
        let descriptor = HostFile.open(partial, O_RDONLY | O_DIRECTORY)
        // The lock ends with this process.
        guard descriptor >= 0, Host.raw(Int32(SYS_flock), descriptor, Int(LOCK_EX | LOCK_NB)) == 0 else {
            Message.fail("\(text(partial)) cannot be locked: another vmrun is making \(text(directory)) right now")
        }
        guard let names = HostFile.names(in: partial), !names.isEmpty else { return }
        Message.error("\(text(partial)) is what an interrupted try left; starting over")
        // Nothing that is mounted in it, whatever made that.
        let find = HostTool(named: "find")
        let arguments = [absolutePartial] + ["-xdev", "-mindepth", "1", "-delete"].map { Array($0.utf8) }
        let status = find?.run(arguments, environment: toolEnvironment, ownMounts: false) { _ in }
        if status != 0 {
            Message.fail("what an interrupted try left cannot be taken away: remove \(text(partial)), as the user who made it")
        }
    }

    private func finish() {
        let archives = absolutePartial + Array("/var/cache/apt/archives".utf8)
        if let find = HostTool(named: "find") {
            let arguments = [archives] + ["-name", "*.deb", "-delete"].map { Array($0.utf8) }
            _ = find.run(arguments, environment: toolEnvironment, ownMounts: false) { _ in }
        }
        // Both tools copy resolv.conf; a name of the machine's own is nobody's task.
        let hosts = partial + Array("/etc/hosts".utf8)
        if HostFile.contents(hosts) == nil { HostFile.write(hosts, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n") }
        _ = HostFile.with(partial) { Host.raw(Int32(SYS_fchmodat), Int(AT_FDCWD), $0, 0o755) }
        let renamed = HostFile.with(partial) { from in
            HostFile.with(directory) { Host.raw(Int32(SYS_renameat2), Int(AT_FDCWD), from, Int(AT_FDCWD), $0, 0) }
        }
        if renamed != 0 { Message.fail("\(text(partial)) is complete, but cannot be renamed to \(text(directory)) (errno \(-renamed))") }
        _ = HostFile.with(log) { Host.raw(Int32(SYS_unlinkat), Int(AT_FDCWD), $0, 0) }
    }

    private func failed(_ tool: HostTool, _ status: Int) -> Never {
        if status < 0 { Message.fail("\(text(tool.path)) cannot be started (errno \(-status))") }
        let lines = (HostFile.contents(log) ?? []).split(separator: 0x0a).map { Array($0) }
        let last = lines.last { $0.starts(with: "E: ".utf8) || $0.starts(with: "vmrun: ".utf8) } ?? lines.last ?? []
        Message.fail(
            "the root could not be made from \(text(mirror)): \(text(last)). Can that be reached, and has it \(text(suite))?"
                + " (--mirror, --suite) \(text(log)) has the rest; the same command starts over")
    }

    private var toolEnvironment: [[UInt8]] {
        let own = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"]
            .map { Array($0.utf8) }
        return environment.filter { entry in
            let name = entry.prefix { $0 != UInt8(ascii: "=") }
            return !own.contains { $0.prefix { $0 != UInt8(ascii: "=") } == name }
        } + own
    }

    /// The tools' scripts change the directory, and a name must not be an option to them.
    private var absolutePartial: [UInt8] {
        if partial.first == UInt8(ascii: "/") { return partial }
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = buffer.withUnsafeMutableBytes { Host.raw(Int32(SYS_getcwd), Int(bitPattern: $0.baseAddress), $0.count) }
        guard length > 1 else { return partial }
        return Array(buffer[..<(length - 1)]) + [UInt8(ascii: "/")] + partial
    }

    private func joined(_ words: [[UInt8]]) -> [UInt8] {
        var result: [UInt8] = []
        for word in words { result += (result.isEmpty ? [] : [UInt8(ascii: ",")]) + word }
        return result
    }
}

/// Debian's names of processors.
enum DebianArchitecture {
    /// What qemu-user calls the processor; nil where vmrun knows none of that name.
    static func machine(_ name: [UInt8]) -> String? {
        for (debian, machine) in names where debian.withUTF8Buffer({ $0.elementsEqual(name) }) { return machine.description }
        return nil
    }

    private static let names: [(StaticString, StaticString)] = [
        ("amd64", "x86_64"), ("arm64", "aarch64"), ("armel", "arm"), ("armhf", "arm"), ("i386", "i386"), ("mips64el", "mips64el"),
        ("ppc64el", "ppc64le"), ("riscv64", "riscv64"), ("s390x", "s390x"),
    ]
}
