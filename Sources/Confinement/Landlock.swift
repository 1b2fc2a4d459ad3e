import CShim
import Host

/// What a process may do below a directory, or to a file: linux/landlock.h.
public struct FileRights: OptionSet {
    public let rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Of execve(2) alone: what is mapped executable needs no such right.
    public static let execute = FileRights(rawValue: 1 << 0)
    public static let writeFile = FileRights(rawValue: 1 << 1)
    public static let readFile = FileRights(rawValue: 1 << 2)
    public static let readDirectory = FileRights(rawValue: 1 << 3)
    public static let removeDirectory = FileRights(rawValue: 1 << 4)
    /// Making regular files.
    public static let makeFile = FileRights(rawValue: 1 << 8)
    /// Moving and linking files from one directory to another: a set of rules that does not mention it forbids it.
    public static let move = FileRights(rawValue: 1 << 13)
    /// Linux 6.2, Landlock 3. Before, it goes with no right at all.
    public static let truncate = FileRights(rawValue: 1 << 14)

    public static let read: FileRights = [.readFile, .readDirectory]
    /// Making, removing and moving files of all kinds but block devices; not execution.
    public static let change: FileRights = [
        .writeFile, .truncate, .move, .removeDirectory, FileRights(rawValue: 1 << 5), FileRights(rawValue: 1 << 6), FileRights(rawValue: 1 << 7),
        .makeFile, FileRights(rawValue: 1 << 9), FileRights(rawValue: 1 << 10), FileRights(rawValue: 1 << 12),
    ]
    /// All but those of devices' ioctl(2), which the system call filter is about.
    public static let all: FileRights = [.execute, .read, .change, FileRights(rawValue: 1 << 11)]
    /// Those that a file can have which is no directory.
    public static let ofFiles: FileRights = [.execute, .writeFile, .readFile, .truncate]

    /// The rights that a version of Landlock knows.
    static func known(to version: Int) -> FileRights { version >= 3 ? .all : .all.subtracting(.truncate) }
}

/// A set of Landlock rules (landlock(7)): what is not allowed is refused (EACCES), to the calling thread and to all that it will make, once
/// `enforce` has been called.
public struct Landlock: ~Copyable {
    /// Which version this kernel has. 0: none, or it was not switched on at boot.
    public static var version: Int {
        max(Host.raw(Int32(SYS_landlock_create_ruleset), 0, 0, askForVersion), 0)
    }

    /// From this version on files can be moved from one directory to another.
    public static let firstUsable = 2
    /// From this version on signals and abstract AF_UNIX names can be kept inside.
    public static let firstWithScopes = 6

    public struct Scopes: OptionSet {
        public let rawValue: UInt64

        public init(rawValue: UInt64) { self.rawValue = rawValue }

        /// Abstract AF_UNIX names of others cannot be connected to.
        public static let abstractNames = Scopes(rawValue: 1)
        /// No signals to processes outside.
        public static let signals = Scopes(rawValue: 2)
    }

    private let descriptor: Int32
    private let handled: FileRights

    /// Rules about these rights; of the others nothing changes. What the kernel's version does not know is left out.
    ///
    /// - Parameter version: what `version` said, at least `firstUsable`.
    public init(handling rights: FileRights, scopes: Scopes, version: Int) throws(Confinement.Refusal) {
        handled = rights.intersection(.known(to: version))
        var attributes = Attributes(handledFiles: handled.rawValue)
        if version >= Self.firstWithScopes { attributes.scoped = scopes.rawValue }
        let size = version >= Self.firstWithScopes ? MemoryLayout<Attributes>.size : 8
        let result = withUnsafeMutablePointer(to: &attributes) {
            Host.raw(Int32(SYS_landlock_create_ruleset), $0.argument, size, 0)
        }
        try Confinement.check(result)
        descriptor = Int32(truncatingIfNeeded: result)
    }

    deinit { Host.close(descriptor) }

    /// Allows `rights` to a file, or to a directory and all below it. What is not there is left out.
    public func allow(_ rights: FileRights, path: [UInt8]) throws(Confinement.Refusal) {
        let opened = (path + [0]).withUnsafeBytes {
            Host.raw(Int32(SYS_openat), Int(AT_FDCWD), Int(bitPattern: $0.baseAddress), Int(O_CLOEXEC) | VMRUN_O_PATH)
        }
        if [ENOENT, ENOTDIR, EACCES].contains(where: { opened == -Int($0) }) { return }
        try Confinement.check(opened)
        defer { Host.close(Int32(truncatingIfNeeded: opened)) }
        try allow(rights, descriptor: Int32(truncatingIfNeeded: opened))
    }

    /// The same of what a descriptor leads to. Pipes, sockets and their like have no place in a tree, and need no rule.
    public func allow(_ rights: FileRights, descriptor target: Int32) throws(Confinement.Refusal) {
        var status = stat()
        let found = withUnsafeMutablePointer(to: &status) { Host.raw(Int32(SYS_fstat), Int(target), $0.argument) }
        if found == -Int(EBADF) { return }
        try Confinement.check(found)
        let isDirectory = status.st_mode & mode_t(S_IFMT) == mode_t(S_IFDIR)
        let given = rights.intersection(handled).intersection(isDirectory ? .all : .ofFiles)
        if given.isEmpty { return }
        // struct landlock_path_beneath_attr is packed.
        let result = withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { rule in
            rule.storeBytes(of: given.rawValue, as: UInt64.self)
            rule.storeBytes(of: target, toByteOffset: 8, as: Int32.self)
            return Host.raw(Int32(SYS_landlock_add_rule), Int(descriptor), Self.pathBeneath, Int(bitPattern: rule.baseAddress), 0)
        }
        // What is in no tree: sockets, files without a name.
        if result != -Int(EBADFD) { try Confinement.check(result) }
    }

    /// From here on. Needs `Confinement.renouncePrivileges`, or CAP_SYS_ADMIN.
    public func enforce() throws(Confinement.Refusal) {
        try Confinement.check(Host.raw(Int32(SYS_landlock_restrict_self), Int(descriptor), 0))
    }

    /// struct landlock_ruleset_attr
    private struct Attributes {
        var handledFiles: UInt64
        var handledNetwork: UInt64 = 0
        var scoped: UInt64 = 0
    }

    // linux/landlock.h
    private static let askForVersion = 1
    private static let pathBeneath = 1
}
