import CShim
import GuestImage
import Host

/// `vmrun root check`: what a directory lacks as a guest's root. A line for each thing that is missing, with what to do about it.
public struct RootCheck {
    private let directory: [UInt8]
    private let descriptor: Int
    private var lacks = 0

    /// Ends vmrun with a sentence where the directory cannot be looked at.
    public init(directory: [UInt8]) {
        self.directory = directory
        descriptor = HostFile.open(directory, O_RDONLY | O_DIRECTORY)
        switch -descriptor {
        case Int(ENOENT): Message.fail("\(text(directory)) does not exist; vmrun root create makes a root directory")
        case Int(ENOTDIR): Message.fail("\(text(directory)) is no directory; vmrun root check takes the one that is to be a guest's /")
        case Int(EACCES): Message.fail("\(text(directory)) may not be read by this user")
        case 1...: Message.fail("\(text(directory)) cannot be opened (errno \(-descriptor))")
        default: break
        }
    }

    /// Whether nothing is missing, for /bin/sh and these programs.
    public mutating func run(programs: [[UInt8]]) -> Bool {
        if isThere(Array("/debootstrap/debootstrap".utf8)) {
            lack("/debootstrap", "debootstrap was not finished here", "make the root again, or run /debootstrap/debootstrap --second-stage in it")
        }
        var usesGlibc = check(program: Array("/bin/sh".utf8), depth: 0)
        for program in programs {
            guard let path = find(program) else {
                lack(text(program), "is not in this root", "install the package that has it")
                continue
            }
            if check(program: path, depth: 0) { usesGlibc = true }
        }
        checkDatabases(usesGlibc: usesGlibc)
        checkDirectories()
        if lacks == 0 { Message.print("\(text(directory)): nothing is missing\n") }
        return lacks == 0
    }

    private mutating func lack(_ name: String, _ what: String, _ advice: String) {
        lacks += 1
        Message.print("\(name) \(what): \(advice)\n")
    }

    // MARK: Programs

    private func find(_ program: [UInt8]) -> [UInt8]? {
        if program.contains(UInt8(ascii: "/")) { return program }
        for folder in ["/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"] {
            let path = Array(folder.utf8) + program
            if isThere(path) { return path }
        }
        return nil
    }

    /// Whether the program, or its interpreter, is linked with the GNU C library.
    private mutating func check(program path: [UInt8], depth: Int) -> Bool {
        let found = open(path)
        guard let found else {
            let isShell = path.elementsEqual("/bin/sh".utf8)
            lack(text(path), "is missing, or a link to nothing", isShell ? "install a shell: dash, bash or busybox" : "install the package that has it")
            return false
        }
        defer { _ = Host.raw(Int32(SYS_close), found) }
        guard let status = Host.status(of: Int32(found)), status.st_mode & UInt32(S_IFMT) == UInt32(S_IFREG) else {
            lack(text(path), "is no file", "a program is one")
            return false
        }
        if status.st_mode & 0o111 == 0 { lack(text(path), "is not executable", "chmod 755 \(text(directory + path))") }
        switch ProgramNeeds(head: HostFile.contents(of: found, limit: ProgramNeeds.headSize) ?? []) {
        case .script(let interpreter):
            // As deep as Linux follows them.
            return depth < 4 && check(program: interpreter, depth: depth + 1)
        case .elf(let machine, let loader):
            if !machine.isNative { checkTranslator(machine, path) }
            guard let loader else { return false }
            return check(loader: loader, of: path)
        case .unknown:
            lack(text(path), "is no program that Linux knows", "its first bytes are neither ELF's nor #!")
            return false
        }
    }

    private mutating func checkTranslator(_ machine: ELFMachine, _ path: [UInt8]) {
        guard let name = machine.name?.description else {
            return lack(text(path), "is for a processor that vmrun has no name for", "use a root for this machine")
        }
        if HostFile.exists("/usr/bin/qemu-\(name)-static") || isThere(Array("/usr/bin/qemu-\(name)-static".utf8)) { return }
        lack(text(path), "is for \(name)", "sudo apt-get install qemu-user-static on this machine, or name a translator with --interp")
    }

    private mutating func check(loader: [UInt8], of path: [UInt8]) -> Bool {
        guard isThere(loader) else {
            lack(text(path), "needs the loader \(text(loader))", "install the C library that it belongs to: libc6, or musl")
            return false
        }
        let name = loader.split(separator: UInt8(ascii: "/")).last.map { Array($0) } ?? []
        guard name.starts(with: "ld-linux".utf8) || name.starts(with: "ld64.so".utf8) else { return false }
        if !hasLibrary("libc.so.6", beside: loader) { lack(text(path), "needs the library libc.so.6", "install libc6") }
        return true
    }

    private func hasLibrary(_ name: String, beside loader: [UInt8]) -> Bool {
        var folders = ["/lib", "/usr/lib", "/lib64", "/usr/lib64"].map { Array($0.utf8) }
        folders.append(Array(loader[..<(loader.lastIndex(of: UInt8(ascii: "/")) ?? 0)]))
        // Debian's, one for each architecture.
        for parent in ["/lib", "/usr/lib"] {
            for child in ["x86_64-linux-gnu", "aarch64-linux-gnu", "arm-linux-gnueabihf", "arm-linux-gnueabi", "i386-linux-gnu",
                "riscv64-linux-gnu", "powerpc64le-linux-gnu", "s390x-linux-gnu", "mips64el-linux-gnuabi64"]
            { folders.append(Array("\(parent)/\(child)".utf8)) }
        }
        return folders.contains { isThere($0 + Array("/\(name)".utf8)) }
    }

    // MARK: Files and directories

    private mutating func checkDatabases(usesGlibc: Bool) {
        for (file, entry) in [("/etc/passwd", "root:x:0:0:root:/root:/bin/sh"), ("/etc/group", "root:x:0:")] {
            let advice = "echo \(entry) >> \(text(directory))\(file)"
            guard let contents = contents(file) else {
                lack(file, "is missing or unreadable", advice)
                continue
            }
            if !contents.split(separator: 0x0a).contains(where: { $0.starts(with: "root:".utf8) }) { lack(file, "does not name root", advice) }
        }
        if contents("/etc/resolv.conf") == nil {
            lack("/etc/resolv.conf", "is missing, or a link to nothing", "cp --remove-destination /etc/resolv.conf \(text(directory))/etc/")
        }
        if contents("/etc/hosts") == nil {
            lack("/etc/hosts", "is missing", "echo 127.0.0.1 localhost > \(text(directory))/etc/hosts")
        }
        if usesGlibc, contents("/etc/nsswitch.conf") == nil {
            lack("/etc/nsswitch.conf", "is missing", "printf 'passwd: files\\ngroup: files\\nhosts: files dns\\n' > \(text(directory))/etc/nsswitch.conf")
        }
    }

    private mutating func checkDirectories() {
        for name in ["/tmp", "/dev", "/proc"] {
            guard let found = open(name), let status = Host.status(of: Int32(found)), status.st_mode & UInt32(S_IFMT) == UInt32(S_IFDIR) else {
                lack(name, "is missing", "mkdir \(name == "/tmp" ? "-m 1777 " : "")\(text(directory))\(name)")
                continue
            }
            _ = Host.raw(Int32(SYS_close), found)
            if name == "/tmp", status.st_mode & 0o1777 != 0o1777 {
                lack(name, "is not for every user", "chmod 1777 \(text(directory))\(name)")
            }
        }
        for name in ["/bin", "/etc", "/lib", "/usr", "/usr/bin", "/usr/lib"] where openFor(name, O_RDONLY | O_DIRECTORY) == -Int(EACCES) {
            lack(name, "may not be read by this user", "chmod a+rX \(text(directory))\(name)")
        }
    }

    // MARK: Below the directory

    private func contents(_ path: String) -> [UInt8]? {
        guard let found = open(path) else { return nil }
        defer { _ = Host.raw(Int32(SYS_close), found) }
        return HostFile.contents(of: found)
    }

    private func open(_ path: String) -> Int? { open(Array(path.utf8)) }

    private func isThere(_ path: [UInt8]) -> Bool {
        guard let found = open(path) else { return false }
        _ = Host.raw(Int32(SYS_close), found)
        return true
    }

    /// Opens what a guest would find there; links lead no further than the directory.
    private func open(_ path: [UInt8]) -> Int? {
        let found = openFor(path, O_RDONLY | O_NONBLOCK)
        return found >= 0 ? found : nil
    }

    private func openFor(_ path: String, _ flags: Int32) -> Int { openFor(Array(path.utf8), flags) }

    private func openFor(_ path: [UInt8], _ flags: Int32) -> Int {
        // struct open_how, and RESOLVE_IN_ROOT: openat2(2).
        let how: [UInt64] = [UInt64(flags | O_CLOEXEC), 0, 0x10]
        return how.withUnsafeBytes { how in
            HostFile.with(path) { Host.raw(Int32(SYS_openat2), descriptor, $0, Int(bitPattern: how.baseAddress), how.count) }
        }
    }
}
