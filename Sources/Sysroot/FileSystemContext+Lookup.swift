import CShim
import Host
import LinuxABI

/// What one pass over a path tells.
struct PathShape {
    /// A component may be a mount, by what stands before it.
    var mayMeetMount = false
    var hasDotDot = false
    var isAbsolute = false
    /// One component, without a slash in front of it. Trailing ones are allowed.
    var isSingle = true
    var endsWithSlash = false
    /// The last component is `.`.
    var endsWithDot = false

    /// Only the walk can tell where it leads. The host's own `..` is right in one scope: from the root down, with no mount on the
    /// way. There the kernel stays at the root, and answers EAGAIN where a rename could have led it astray.
    var needsWalk: Bool { mayMeetMount || (hasDotDot && !isAbsolute) }
}

/// Where a name is to be made or removed.
public struct PathEntry {
    /// The directory.
    public let parent: Int32
    /// The last component with the slashes behind it, NUL-terminated; it lies in the caller's path buffer.
    public let name: UnsafeMutablePointer<CChar>
    /// `close` has something to close.
    public let ownsParent: Bool

    public func close() { if ownsParent { Host.close(parent) } }
}

/// What will be done to an entry: it decides which error a name gets that cannot be changed.
public enum EntryPurpose {
    /// mkdir, mknod, symlink, bind, the new name of link.
    case create
    /// unlink.
    case unlink
    /// rmdir.
    case removeDirectory
    /// Both names of rename.
    case rename
    /// The old name of link: nothing changes in its directory.
    case keep
}

extension FileSystemContext {
    @inline(__always)
    func shape(_ path: PathBytes) -> PathShape {
        var shape = PathShape()
        // SAFETY: CChar and UInt8 have the same layout; reads stay below `count`.
        path.start.withMemoryRebound(to: UInt8.self, capacity: path.count + 1) { bytes in
            shape.isAbsolute = bytes[0] == slash
            shape.isSingle = !shape.isAbsolute
            var position = 0
            // Where the components began that follow each other with one slash between, none of them a dot.
            var run = 0
            while position < path.count {
                if bytes[position] == slash {
                    if position == run || bytes[position - 1] == slash { run = position + 1 }
                    position += 1
                    continue
                }
                if position > 0 { shape.isSingle = false }
                let first = position
                while position < path.count && bytes[position] != slash { position += 1 }
                let count = position - first
                shape.endsWithDot = count == 1 && bytes[first] == dot
                if count == 2 && bytes[first] == dot && bytes[first + 1] == dot {
                    shape.hasDotDot = true
                    run = position + 1
                } else if shape.endsWithDot {
                    run = position + 1
                } else if mounts.mayBeMount(bytes + run, position - run, last: first - run) {
                    shape.mayMeetMount = true
                }
            }
            shape.endsWithSlash = path.count > 0 && bytes[path.count - 1] == slash
        }
        return shape
    }

    /// The host directory where a path starts that needs no walk; nil where it is synthetic.
    @inline(__always)
    private func startDirectory(_ shape: PathShape, _ directory: Int32) -> Int32? {
        if shape.isAbsolute { return rootDescriptor }
        if directory == AT_FDCWD && hasSyntheticWorkingDirectory { return nil }
        return directory
    }

    /// What every path-taking call checks first: ENOENT for an empty path, EBADF for a descriptor of vmrun's.
    @inline(__always)
    func checkStart(_ path: PathBytes, _ directory: Int32) throws(GuestErrno) {
        if path.isEmpty { throw .ENOENT }
        if !path.isAbsolute && directory != AT_FDCWD && (directory < 0 || InternalDescriptors.contains(directory)) {
            throw .EBADF
        }
    }

    /// Whether ENOTDIR came from the start being a synthetic directory, which only the walk knows.
    @inline(__always)
    private func isSyntheticStart(_ result: Int, _ start: Int32) -> Bool {
        guard result == -Int(ENOTDIR), start >= 0, start != rootDescriptor, let tree else { return false }
        return tree.path(ofDescriptor: start) != nil
    }

    // MARK: - Direct calls

    /// The host directory in which a lookup that does not follow its last component may be left to the host as it is: the
    /// path is one component without a slash. nil: it may not.
    @inline(__always)
    public func directDirectory(_ path: PathBytes, from directory: Int32) -> Int32? {
        let shape = shape(path)
        guard shape.isSingle, !shape.needsWalk, !shape.endsWithSlash, path.count > 0, mounts.fallbackDescriptor < 0,
            directory == AT_FDCWD ? !hasSyntheticWorkingDirectory : directory >= 0,
            !InternalDescriptors.contains(directory)
        else { return nil }
        return directory
    }

    /// Whether a direct call's result stands. It does not where the directory turns out to be synthetic.
    @inline(__always)
    public func isFinal(_ result: Int, in directory: Int32) -> Bool { !isSyntheticStart(result, directory) }

    // MARK: - Objects

    /// The existing object that a path names. Without `followLast` a symbolic link at the end is the object itself, unless
    /// slashes follow it. `flags`: O_DIRECTORY to have nothing else. `isLink`: a direct call has found that the path, one component,
    /// is a symbolic link.
    public func object(
        _ path: PathBytes, from directory: Int32, followLast: Bool, flags: Int = 0, isLink: Bool = false
    ) throws(GuestErrno) -> PathObject {
        try checkStart(path, directory)
        let shape = shape(path)
        var hasLink = isLink
        if !isLink, !shape.needsWalk, let start = startDirectory(shape, directory) {
            var how = open_how()
            let follow = followLast ? 0 : VMRUN_O_NOFOLLOW
            how.flags = UInt64(VMRUN_O_PATH | Int(O_CLOEXEC) | flags | follow)
            how.resolve = UInt64(RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_IN_ROOT)
            let result = Self.openat2(start, path.start.argument, &how, nil)
            if result >= 0 { return .descriptor(Int32(result)) }
            let mayContinue =
                result == -Int(ELOOP) || (result == -Int(EAGAIN) && shape.hasDotDot)
                || (result == -Int(ENOENT) && mounts.fallbackDescriptor >= 0) || isSyntheticStart(result, start)
            if !mayContinue { throw GuestErrno(Int32(-result)) }
            hasLink = result == -Int(ELOOP) && !shape.hasDotDot
        }
        return try walkToObject(path.bytes, from: directory, followLast: followLast, flags: flags, hasLink)
    }

    private func walkToObject(
        _ path: [UInt8], from directory: Int32, followLast: Bool, flags: Int, _ hasLink: Bool
    ) throws(GuestErrno) -> PathObject {
        do throws(GuestErrno) {
            var walk = PathWalk(self, path: path, from: directory, followLast: followLast, hasLink: hasLink)
            return try walk.openObject(flags: flags)
        } catch {
            guard error == .ENOENT, mounts.fallbackDescriptor >= 0 else { throw error }
            var walk = PathWalk(self, path: path, from: directory, followLast: followLast, usesFallback: true)
            return try walk.openObject(flags: flags)
        }
    }

    // MARK: - Entries

    /// The directory and the name of a path whose last component is to be made or removed. Names that cannot be (mount
    /// points, what is below a synthetic or read-only directory) give their error here. `.`, `..` and `/` are left to the
    /// kernel, which refuses each with the right errno and follows none. The caller closes the entry.
    public func entry(
        _ path: PathBytes, from directory: Int32, purpose: EntryPurpose
    ) throws(GuestErrno) -> PathEntry {
        try checkStart(path, directory)
        let shape = shape(path)
        let last = path.lastComponent
        let name = path.start + last.start
        let isStrict = mounts.hasReadOnly
        if !shape.needsWalk && !shape.hasDotDot && !isStrict, let start = startDirectory(shape, directory) {
            if last.start == 0 || (last.start == 1 && shape.isAbsolute) {
                if start < 0 || shape.isAbsolute || tree?.path(ofDescriptor: start) == nil {
                    return PathEntry(parent: start, name: name, ownsParent: false)
                }
            } else {
                let result = openParent(path, last.start, start)
                if result >= 0 { return PathEntry(parent: Int32(result), name: name, ownsParent: true) }
                if result != -Int(ELOOP) && !isSyntheticStart(result, start) { throw GuestErrno(Int32(-result)) }
            }
        }
        return try walkToEntry(path, last, from: directory, purpose)
    }

    /// Opens what stands before the last component, which begins at `length` (slashes before it included).
    private func openParent(_ path: PathBytes, _ length: Int, _ start: Int32) -> Int {
        var how = open_how()
        how.flags = UInt64(VMRUN_O_PATH | VMRUN_O_DIRECTORY | Int(O_CLOEXEC))
        how.resolve = UInt64(RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_IN_ROOT)
        // The slash before the name makes room for the NUL, and comes back for the walk.
        path.start[length - 1] = 0
        defer { path.start[length - 1] = CChar(bitPattern: slash) }
        return Self.openat2(start, path.start.argument, &how, nil)
    }

    private func walkToEntry(
        _ path: PathBytes, _ last: (start: Int, end: Int), from directory: Int32, _ purpose: EntryPurpose
    ) throws(GuestErrno) -> PathEntry {
        let name = path.start + last.start
        let component = PathBytes.copy(name, last.end - last.start)
        let before = last.start == 0 ? (path.isAbsolute ? [slash] : [dot]) : PathBytes.copy(path.start, last.start)
        var walk = PathWalk(self, path: before, from: directory, followLast: true)
        let parent: Int32
        switch try walk.openObject(flags: VMRUN_O_DIRECTORY) {
        case .descriptor(let descriptor): parent = descriptor
        case .synthetic(let here, _):
            throw try syntheticEntryError(here, component, purpose)
        }
        let entry = PathEntry(parent: parent, name: name, ownsParent: true)
        let isReadOnly = purpose != .keep && walk.isReadOnly()
        if let error = entryError(entry, component, purpose, isReadOnly) {
            entry.close()
            throw error
        }
        return entry
    }

    /// Why the entry `component` of a synthetic directory cannot be changed. procfs has no operations for it either.
    private func syntheticEntryError(
        _ directory: [UInt8], _ component: [UInt8], _ purpose: EntryPurpose
    ) throws(GuestErrno) -> GuestErrno {
        let path = directory + [slash] + component
        let isDots = component.isEmpty || component == [dot] || component == [dot, dot]
        let isMount = mounts.mount(at: path) != nil
        let exists = isDots || isMount || tree?.kind(at: path) != nil
        switch purpose {
        case .create: return exists ? .EEXIST : .ENOENT
        case .keep: return exists ? .EXDEV : .ENOENT
        case .unlink, .removeDirectory: return isMount || isDots ? .EBUSY : exists ? .EPERM : .ENOENT
        // Linux compares mounts before it looks at names.
        case .rename: return isDots ? .EBUSY : .EXDEV
        }
    }

    private func entryError(
        _ entry: PathEntry, _ component: [UInt8], _ purpose: EntryPurpose, _ isReadOnly: Bool
    ) -> GuestErrno? {
        if case .inside(let here) = location(of: entry.parent), let mount = mounts.mount(at: here + [slash] + component) {
            switch purpose {
            case .create: return .EEXIST
            case .unlink: return mount.isFile ? .EBUSY : .EISDIR
            case .removeDirectory, .rename: return .EBUSY
            case .keep: return .EXDEV
            }
        }
        guard isReadOnly else { return nil }
        return purpose == .create && existsOnHost(entry.parent, entry.name) ? .EEXIST : .EROFS
    }

    private func existsOnHost(_ directory: Int32, _ name: UnsafePointer<CChar>) -> Bool {
        var status = stat()
        return withUnsafeMutablePointer(to: &status) {
            Host.raw(
                Int32(SYS_newfstatat), Int(directory), name.argument, $0.argument, VMRUN_AT_SYMLINK_NOFOLLOW)
        } == 0
    }

    /// Whether two directories lie in different trees of the view, so that no link or rename goes from one to the other.
    public func areOnDifferentMounts(_ first: Int32, _ second: Int32) -> Bool {
        guard mounts.hasBinds, let a = HostPath.ofDescriptor(first), let b = HostPath.ofDescriptor(second) else {
            return false
        }
        return mounts.index(containingHostPath: a) != mounts.index(containingHostPath: b)
    }
}
