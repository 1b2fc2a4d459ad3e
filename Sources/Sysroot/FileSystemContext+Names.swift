import CShim
import Host
import LinuxABI

/// Where an open object is in the guest's view.
enum Location {
    /// At this canonical path.
    case inside([UInt8])
    /// Its name is gone.
    case deleted
    /// Deeper than PATH_MAX, so that its name cannot be told. Not a root, which was opened by its name.
    case tooDeep
    /// It came from elsewhere: inherited from vmrun's caller, or passed over a socket.
    case outside
}

extension FileSystemContext {
    /// Where the object behind a descriptor (AT_FDCWD: the working directory) is, as seen from the root of the whole view.
    func location(of descriptor: Int32) -> Location {
        if descriptor == AT_FDCWD {
            if let path = syntheticWorkingDirectory { return .inside(path) }
        } else if let path = tree?.path(ofDescriptor: descriptor) {
            return .inside(path)
        }
        guard let hostPath = HostPath.ofDescriptor(descriptor) else {
            return HostPath.isTooLong(descriptor) ? .tooDeep : .outside
        }
        if hostPath.hasSuffix(" (deleted)") && HostObject.isUnlinked(descriptor) { return .deleted }
        guard let path = namespacePath(ofHostPath: hostPath) else { return .outside }
        return .inside(path)
    }

    /// The canonical path, seen from the root of the whole view, under which the guest knows a host path; nil for none.
    func namespacePath(ofHostPath hostPath: [UInt8]) -> [UInt8]? {
        let path = hostPath == [slash] ? [] : hostPath
        let index = mounts.index(containingHostPath: path)
        if let index, !mounts.mounts[index].hostPath.isEmpty { return inMount(index, path) }
        if let synthetic = tree?.guestPath(ofHostPath: path) { return synthetic }
        if let index { return inMount(index, path) }
        return mounts.fallbackDescriptor >= 0 ? path : nil
    }

    private func inMount(_ index: Int, _ hostPath: [UInt8]) -> [UInt8] {
        mounts.mounts[index].path + hostPath[mounts.mounts[index].hostPath.count...]
    }

    /// A path of the whole view as the guest, whose root chroot(2) may have moved, sees it; nil where it cannot be reached.
    func visible(_ path: [UInt8]) -> [UInt8]? {
        let root = rootPath
        guard CanonicalPath.isWithin(path, root) else { return nil }
        return CanonicalPath.shown(Array(path[root.count...]))
    }

    /// The guest path of an open descriptor, as readlink(2) of `/proc/self/fd/N` shows it (with ` (deleted)` where its name
    /// is gone, and for what is no file `pipe:[1]` and the like); nil for a descriptor that is not open.
    public func guestPath(ofDescriptor descriptor: Int32) -> [UInt8]? {
        if let path = tree?.path(ofDescriptor: descriptor) { return visible(path) ?? path }
        guard let text = HostPath.textOfDescriptor(descriptor) else { return nil }
        return guestPath(ofHostPath: text)
    }

    /// The guest path of a host path as the kernel prints it. What has no place in the guest's view stays as it is.
    public func guestPath(ofHostPath text: [UInt8]) -> [UInt8] {
        guard text.first == slash else { return text }
        let deleted = text.hasSuffix(" (deleted)")
        let path = deleted ? Array(text.dropLast(10)) : text
        guard let inside = namespacePath(ofHostPath: path) else { return text }
        let shown = visible(inside) ?? inside
        return deleted ? shown + text.suffix(10) : shown
    }

    /// The guest path of an absolute host path, or nil where the guest cannot reach it.
    public func guestPath(fromHost path: [UInt8]) -> [UInt8]? { namespacePath(ofHostPath: path).flatMap(visible) }

    /// The working directory as getcwd(2) tells it: `(unreachable)` before what lies outside the root. ENOENT where it is
    /// deleted.
    public func guestWorkingDirectory() throws(GuestErrno) -> [UInt8] {
        switch location(of: AT_FDCWD) {
        case .inside(let path): return visible(path) ?? Self.unreachable(path)
        case .deleted: throw .ENOENT
        case .tooDeep: throw .ENAMETOOLONG
        case .outside: return Self.unreachable(HostPath.ofDescriptor(AT_FDCWD) ?? [])
        }
    }

    private static func unreachable(_ path: [UInt8]) -> [UInt8] { Array("(unreachable)".utf8) + CanonicalPath.shown(path) }

    /// Whether a change to the object behind `descriptor` is to be refused with EROFS.
    public func isReadOnly(descriptor: Int32) -> Bool {
        guard mounts.hasReadOnly, let hostPath = HostPath.ofDescriptor(descriptor) else { return false }
        return isReadOnly(hostPath: hostPath)
    }

    /// Whether the object behind `descriptor` is the host's own, shown to the guest to be used and not to be changed: what
    /// /proc and /dev show, but for terminals and shared memory.
    public func belongsToHost(descriptor: Int32) -> Bool {
        if tree?.path(ofDescriptor: descriptor) != nil { return true }
        guard let hostPath = HostPath.ofDescriptor(descriptor) else { return false }
        if mounts.index(containingHostPath: hostPath).map({ !mounts.mounts[$0].hostPath.isEmpty }) ?? false { return false }
        return CanonicalPath.isWithin(hostPath, Array("/proc".utf8))
            || (CanonicalPath.isWithin(hostPath, Array("/sys".utf8)) && syntheticMountPoint(of: hostPath) != nil)
            || (CanonicalPath.isWithin(hostPath, Array("/dev".utf8))
                && !CanonicalPath.isWithin(hostPath, Array("/dev/shm".utf8))
                && !CanonicalPath.isWithin(hostPath, Array("/dev/pts".utf8)))
    }

    /// The synthetic tree's mount point that a canonical guest path lies below.
    public func syntheticMountPoint(of path: [UInt8]) -> [UInt8]? {
        tree?.mountPoints.first { CanonicalPath.isWithin(path, $0) }
    }

    /// As `isReadOnly(descriptor:)`, for a host path as the kernel prints it.
    private func isReadOnly(hostPath: [UInt8]) -> Bool {
        if let index = mounts.index(containingHostPath: hostPath == [slash] ? [] : hostPath) {
            return mounts.mounts[index].readOnly
        }
        return mounts.fallbackDescriptor >= 0 && !hostPath.hasSuffix(" (deleted)")
            && tree?.guestPath(ofHostPath: hostPath) == nil
    }
}

extension [UInt8] {
    func hasSuffix(_ text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        guard count >= length else { return false }
        // SAFETY: the last `length` bytes exist, and static strings never change.
        return withUnsafeBytes { bytes in
            bytes.baseAddress.map { memcmp($0 + (count - length), text.utf8Start, length) == 0 } ?? false
        }
    }
}
