import CShim
import Host
import LinuxABI
import Synchronization

/// A guest process's view of the file system: its root, what is mounted in it, its working directory. Every path the guest
/// names is resolved here and nowhere else; nothing outside the root and the binds can be named, whatever the guest does
/// to the tree meanwhile.
///
/// Guest descriptors are host descriptors. The guest's working directory is the host process's own, except while it is a
/// synthetic directory: then the host's is parked on the root. All functions may be called from any thread.
public final class FileSystemContext {
    let mounts: MountTable
    /// The synthetic objects of this view.
    public let tree: (any SyntheticTree)?
    /// O_PATH descriptor of the guest's root, whose number never changes (chroot replaces what is behind it).
    let rootDescriptor: Int32
    /// A copy's descriptors are those of another process.
    private let ownsRootDescriptor: Bool
    private var configuration: RootConfiguration
    /// Guards what is called locked.
    private let lock = Lock()
    private var lockedRootPath: [UInt8] = []
    private var lockedSyntheticDirectory: [UInt8]? = nil
    /// Whether there is a synthetic working directory, for fast paths that must not take the lock.
    private let workingDirectoryIsSynthetic = Atomic<Bool>(false)

    /// Opens the root and the binds, or takes over the configuration's descriptors. A bind's guest path is resolved in the view made
    /// of the root and the binds before it.
    public init(configuration: RootConfiguration, tree: (any SyntheticTree)?) throws(HostError) {
        self.configuration = configuration
        self.configuration.descriptors = []
        self.tree = tree
        ownsRootDescriptor = true
        let inherited = configuration.descriptors
        let isInherited = !inherited.isEmpty
        let fixed = configuration.hostFallback ? 3 : 2
        guard !isInherited || inherited.count == fixed + configuration.binds.count else { throw HostError(EBADF) }
        if isInherited {
            mounts = try MountTable(
                root: inherited[0], isReadOnly: configuration.isReadOnly, fallback: configuration.hostFallback ? inherited[2] : -1)
            rootDescriptor = inherited[1]
        } else {
            let root = try MountTable.open(configuration.rootPath, flags: VMRUN_O_DIRECTORY)
            mounts = try MountTable(
                root: root, isReadOnly: configuration.isReadOnly,
                fallback: configuration.hostFallback ? try MountTable.open([slash], flags: VMRUN_O_DIRECTORY) : -1)
            rootDescriptor = Int32(
                try Host.call(Int32(SYS_fcntl), Int(root), Int(F_DUPFD_CLOEXEC), Int(root)))
        }
        for path in tree?.mountPoints ?? [] { mounts.addSynthetic(path) }
        self.configuration.binds = []
        for (index, bind) in configuration.binds.enumerated() {
            var canonical = bind
            if !isInherited { canonical.guestPath = canonicalTarget(bind.guestPath) }
            try mounts.addBind(
                canonical.guestPath,
                descriptor: isInherited ? inherited[fixed + index] : try MountTable.open(bind.hostPath),
                readOnly: bind.readOnly)
            // One over another: the next image gets what is seen.
            self.configuration.binds.removeAll { $0.guestPath == canonical.guestPath }
            self.configuration.binds.append(canonical)
        }
        let hidden = configuration.hiddenPaths ?? mounts.guestPaths(ofHostTrees: HostMounts.procfs())
        for path in hidden { mounts.addSynthetic(path) }
        self.configuration.hiddenPaths = hidden
        self.configuration.binds.removeAll { mounts.mount(at: $0.guestPath)?.isSynthetic ?? true }
        if isInherited {
            lockedRootPath = configuration.chrootPath
        } else if !configuration.chrootPath.isEmpty {
            do throws(GuestErrno) {
                let descriptor = try openDirectory(configuration.chrootPath)
                defer { Host.close(descriptor) }
                try setRoot(descriptor)
            } catch { throw HostError(error.number) }
        }
        if !configuration.syntheticWorkingDirectory.isEmpty {
            do throws(GuestErrno) {
                try enterSyntheticDirectory(configuration.syntheticWorkingDirectory)
            } catch { throw HostError(error.number) }
        }
    }

    /// The context of a process or thread made by clone without CLONE_FS: it starts with this root and working directory and
    /// changes its own. Where it has a copy of the descriptors the root's number stays, where it shares them (CLONE_FILES)
    /// it gets another. EMFILE where there is none.
    public func copy(sharesDescriptors: Bool) throws(GuestErrno) -> FileSystemContext {
        var root = rootDescriptor
        if sharesDescriptors {
            root = InternalDescriptors.duplicate(rootDescriptor)
            if root < 0 { throw .EMFILE }
        }
        return FileSystemContext(copying: self, rootDescriptor: root)
    }

    private init(copying other: FileSystemContext, rootDescriptor: Int32) {
        configuration = other.configuration
        mounts = other.mounts
        tree = other.tree
        self.rootDescriptor = rootDescriptor
        ownsRootDescriptor = rootDescriptor != other.rootDescriptor
        lockedRootPath = other.rootPath
        lockedSyntheticDirectory = other.syntheticWorkingDirectory
        workingDirectoryIsSynthetic.store(lockedSyntheticDirectory != nil, ordering: .relaxed)
    }

    deinit { if ownsRootDescriptor { Host.close(rootDescriptor) } }

    /// Around the host's fork: no change may be under way.
    public func lockForFork() { lock.lock() }
    public func unlockAfterFork() { lock.unlock() }

    /// Frees the lock of a helper process that was killed.
    public func breakLock(ownedBy tid: UInt32) { _ = lock.breakIfOwned(by: tid) }

    /// What a new process image needs to make the same view: the descriptors stay this one's.
    public var currentConfiguration: RootConfiguration {
        var result = configuration
        result.chrootPath = rootPath
        result.syntheticWorkingDirectory = syntheticWorkingDirectory ?? []
        result.descriptors = [mounts.mounts[0].descriptor, rootDescriptor]
        if mounts.fallbackDescriptor >= 0 { result.descriptors.append(mounts.fallbackDescriptor) }
        for bind in result.binds { result.descriptors.append(mounts.mount(at: bind.guestPath)?.descriptor ?? -1) }
        return result
    }

    /// Where the guest's root is in the whole view: empty unless chroot(2) moved it.
    var rootPath: [UInt8] { lock.withLock { lockedRootPath } }

    /// The synthetic directory that is the working directory, if one is.
    var syntheticWorkingDirectory: [UInt8]? {
        guard hasSyntheticWorkingDirectory else { return nil }
        return lock.withLock { lockedSyntheticDirectory }
    }

    @inline(__always)
    var hasSyntheticWorkingDirectory: Bool { workingDirectoryIsSynthetic.load(ordering: .relaxed) }

    /// Makes `descriptor` (O_PATH, a directory) the guest's root.
    func setRoot(_ descriptor: Int32) throws(GuestErrno) {
        guard case .inside(let path) = location(of: descriptor) else { throw .EPERM }
        var failure: GuestErrno? = nil
        lock.withLock {
            let result = Host.raw(Int32(SYS_dup3), Int(descriptor), Int(rootDescriptor), Int(O_CLOEXEC))
            if result < 0 { failure = GuestErrno(Int32(-result)) } else { lockedRootPath = path }
        }
        if let failure { throw failure }
    }

    /// Makes a synthetic directory the working directory.
    func enterSyntheticDirectory(_ path: [UInt8]) throws(GuestErrno) {
        guard case .directory? = tree?.kind(at: path) else { throw .ENOENT }
        var failure: GuestErrno? = nil
        lock.withLock {
            let result = Host.raw(Int32(SYS_fchdir), Int(mounts.mounts[0].descriptor))
            if result < 0 {
                failure = GuestErrno(Int32(-result))
            } else {
                lockedSyntheticDirectory = path
                workingDirectoryIsSynthetic.store(true, ordering: .relaxed)
            }
        }
        if let failure { throw failure }
    }

    /// Makes the host directory behind `descriptor` the working directory; the kernel's result.
    func enterHostDirectory(_ descriptor: Int32) -> Int {
        lock.withLock {
            let result = Host.raw(Int32(SYS_fchdir), Int(descriptor))
            if result == 0 {
                workingDirectoryIsSynthetic.store(false, ordering: .relaxed)
                lockedSyntheticDirectory = nil
            }
            return result
        }
    }

    /// Where a bind goes: its guest path with the symbolic links of its existing ancestors followed.
    private func canonicalTarget(_ path: [UInt8]) -> [UInt8] {
        let lexical = CanonicalPath.normalized(path)
        if lexical.isEmpty { return lexical }
        var walk = PathWalk(self, path: CanonicalPath.parent(lexical) + [slash], from: rootDescriptor, followLast: true)
        guard let directory = try? walk.openObject(), case .descriptor(let descriptor) = directory else { return lexical }
        defer { Host.close(descriptor) }
        guard case .inside(let parent) = location(of: descriptor) else { return lexical }
        return parent + [slash] + CanonicalPath.lastComponent(lexical)
    }
}
