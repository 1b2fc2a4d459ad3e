import CShim
import Host
import LinuxABI

/// What openat2(2) is asked for, already checked as the kernel checks it for the call that the guest made.
public struct OpenRequest {
    /// O_* flags.
    public var flags: Int
    public var mode: UInt64
    /// The guest's RESOLVE_* flags.
    public var resolve: UInt64

    public init(flags: Int, mode: UInt64, resolve: UInt64 = 0) {
        self.flags = flags
        self.mode = mode
        self.resolve = resolve
    }

    /// As open(2) and openat(2) take them: unknown flags and unused mode bits are ignored.
    public init(lenientFlags flags: UInt64, mode: UInt64) {
        let known: UInt64 = 0o37777703 | UInt64(VMRUN_O_LARGEFILE)
        var flags = Int(flags & known)
        if flags & VMRUN_O_PATH != 0 {
            flags &= VMRUN_O_PATH | VMRUN_O_DIRECTORY | VMRUN_O_NOFOLLOW | Int(O_CLOEXEC)
        }
        let creates = flags & (Int(O_CREAT) | VMRUN_O_TMPFILE_BIT) != 0
        self.init(flags: flags, mode: creates ? mode & 0o7777 : 0)
    }

    /// As openat2(2) takes them: every bit counts.
    public init(exactFlags flags: UInt64, mode: UInt64, resolve: UInt64) {
        self.init(flags: Int(truncatingIfNeeded: flags), mode: mode, resolve: resolve)
    }

    var how: open_how {
        var how = open_how()
        how.flags = UInt64(bitPattern: Int64(flags))
        how.mode = mode
        return how
    }

    var creates: Bool { flags & (Int(O_CREAT) | VMRUN_O_TMPFILE_BIT) != 0 }

    /// Whether the open itself or what is done with the descriptor changes the file system.
    public var modifies: Bool {
        flags & VMRUN_O_PATH == 0
            && (flags & Int(O_ACCMODE) != Int(O_RDONLY) || flags & (Int(O_TRUNC) | VMRUN_O_TMPFILE_BIT) != 0)
    }

    /// A symbolic link at the end is followed.
    public var followsLast: Bool {
        flags & VMRUN_O_NOFOLLOW == 0 && flags & Int(O_CREAT | O_EXCL) != Int(O_CREAT | O_EXCL)
    }
}

extension FileSystemContext {
    /// openat2(2) in the guest's view: the new descriptor, the lowest free number, or VMRUN_ERESTART where a signal for the
    /// guest came first (`attention` is the calling thread's; nil: not interruptible).
    public func open(
        _ path: PathBytes, from directory: Int32, _ request: OpenRequest, attention: UnsafePointer<UInt32>?
    ) throws(GuestErrno) -> Int {
        try checkStart(path, directory)
        let shape = shape(path)
        let isSimple =
            !shape.needsWalk && request.resolve == 0 && !(mounts.hasReadOnly && (request.modifies || request.creates))
        var hasLink = false
        if isSimple, shape.isAbsolute || directory != AT_FDCWD || !hasSyntheticWorkingDirectory {
            let start = shape.isAbsolute ? rootDescriptor : directory
            var how = request.how
            how.resolve = UInt64(RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_IN_ROOT)
            let result = Self.openat2(start, path.start.argument, &how, attention)
            if result >= 0 || result == VMRUN_ERESTART { return try admitted(result) }
            switch -result {
            case Int(ELOOP): hasLink = !shape.hasDotDot
            case Int(EAGAIN) where shape.hasDotDot: break
            case Int(ENOENT) where mounts.fallbackDescriptor >= 0: break
            case Int(ENOTDIR) where start >= 0 && tree?.path(ofDescriptor: start) != nil: break
            default: throw GuestErrno(Int32(-result))
            }
        }
        return try walkToOpen(path.bytes, from: directory, request, attention, hasLink)
    }

    private func walkToOpen(
        _ path: [UInt8], from directory: Int32, _ request: OpenRequest, _ attention: UnsafePointer<UInt32>?,
        _ hasLink: Bool
    ) throws(GuestErrno) -> Int {
        // The host that found the link has seen the flags.
        if !hasLink { try checkFlags(request) }
        do throws(GuestErrno) {
            var walk = PathWalk(
                self, path: path, from: directory, followLast: request.followsLast, resolve: request.resolve,
                hasLink: hasLink)
            return try open(&walk, request, attention)
        } catch {
            guard error == .ENOENT, mounts.fallbackDescriptor >= 0, !request.creates else { throw error }
            var walk = PathWalk(
                self, path: path, from: directory, followLast: request.followsLast, resolve: request.resolve,
                usesFallback: true)
            return try open(&walk, request, attention)
        }
    }

    /// EINVAL for flags that the kernel refuses, which it does before it looks at the path.
    private func checkFlags(_ request: OpenRequest) throws(GuestErrno) {
        var how = request.how
        how.resolve = request.resolve
        let result = HostPath.withStaticPath("") { Self.openat2(-1, $0.argument, &how, nil) }
        if result == -Int(EINVAL) { throw .EINVAL }
        // The caller must be ready for this answer at any time.
        if request.resolve & UInt64(RESOLVE_CACHED) != 0 { throw .EAGAIN }
    }

    private func open(
        _ walk: inout PathWalk, _ request: OpenRequest, _ attention: UnsafePointer<UInt32>?
    ) throws(GuestErrno) -> Int {
        while true {
            let result: Int
            switch try walk.land() {
            case .synthetic(let path, let kind): return try openSynthetic(path, kind, request, attention)
            case .magic(let hostPath):
                if request.modifies, mounts.hasReadOnly { try refuseReadOnly(hostPath) }
                result = try openExisting(hostPath, request, attention)
                return try admitted(result)
            case .host:
                if mounts.hasReadOnly && (request.modifies || request.creates) {
                    if let refused = try openReadOnly(&walk, request) { return refused }
                }
                result = walk.openHost(flags: request.flags, mode: request.mode, attention: attention)
            }
            if result >= 0 || result == VMRUN_ERESTART { return try admitted(result) }
            guard result == -Int(ELOOP), try walk.spliceFirstLink(followLast: walk.mustFollow(request.followsLast)) else {
                throw GuestErrno(Int32(-result))
            }
        }
    }

    /// Gives the answer for a target in a read-only tree; nil where the open may go on. A link at the end is not the target
    /// yet.
    private func openReadOnly(_ walk: inout PathWalk, _ request: OpenRequest) throws(GuestErrno) -> Int? {
        guard walk.isReadOnly() else { return nil }
        let probe = walk.openHost(
            flags: VMRUN_O_PATH | Int(O_CLOEXEC) | (request.followsLast ? 0 : VMRUN_O_NOFOLLOW), mode: 0)
        guard probe >= 0 else {
            if probe == -Int(ELOOP) { return nil }
            throw probe == -Int(ENOENT) && request.creates ? .EROFS : GuestErrno(Int32(-probe))
        }
        defer { Host.close(Int32(probe)) }
        if request.flags & Int(O_CREAT) != 0 && request.flags & Int(O_EXCL) != 0 { throw .EEXIST }
        // Devices, pipes and sockets may be written wherever they are named.
        var status = stat()
        let type = HostObject.read(Int32(probe), &status) ? status.st_mode & mode_t(S_IFMT) : 0
        if request.modifies && (type == mode_t(S_IFREG) || request.flags & VMRUN_O_TMPFILE_BIT != 0) { throw .EROFS }
        return nil
    }

    private func refuseReadOnly(_ hostPath: [UInt8]) throws(GuestErrno) {
        let descriptor = try openHostObject(hostPath)
        defer { Host.close(descriptor) }
        if isReadOnly(descriptor: descriptor) { throw .EROFS }
    }

    private func openSynthetic(
        _ path: [UInt8], _ kind: SyntheticKind, _ request: OpenRequest, _ attention: UnsafePointer<UInt32>?
    ) throws(GuestErrno) -> Int {
        if request.flags & Int(O_CREAT) != 0 && request.flags & Int(O_EXCL) != 0 { throw .EEXIST }
        let isPathOnly = request.flags & VMRUN_O_PATH != 0
        switch kind {
        case .passThrough(let hostPath):
            return try admitted(try openExisting(hostPath, request, attention))
        case .directory, .hostDirectory:
            if request.flags & Int(O_CREAT) != 0 || request.modifies { throw .EISDIR }
        case .file:
            if request.flags & VMRUN_O_DIRECTORY != 0 { throw .ENOTDIR }
        case .symbolicLink, .magicLink:
            // Reached only by a call that does not follow it.
            if request.flags & VMRUN_O_DIRECTORY != 0 { throw .ENOTDIR }
            if !isPathOnly { throw .ELOOP }
        }
        guard let tree else { throw .ENOENT }
        let flags = request.flags & ~(Int(O_CREAT | O_EXCL) | VMRUN_O_DIRECTORY)
        return try admitted(Int(try tree.open(path, flags: Int32(truncatingIfNeeded: flags))))
    }

    /// Opens a host object that exists; O_CREAT must make nothing.
    private func openExisting(
        _ hostPath: [UInt8], _ request: OpenRequest, _ attention: UnsafePointer<UInt32>?
    ) throws(GuestErrno) -> Int {
        if request.flags & Int(O_CREAT) != 0 && request.flags & Int(O_EXCL) != 0 { throw .EEXIST }
        let flags = request.flags & ~(Int(O_CREAT) | VMRUN_O_NOFOLLOW)
        return Self.openHostPath(hostPath, flags: flags, mode: request.mode, attention: attention)
    }

    private func admitted(_ result: Int) throws(GuestErrno) -> Int {
        if result == VMRUN_ERESTART { return result }
        let admitted = InternalDescriptors.admit(result)
        guard admitted >= 0 else { throw GuestErrno(Int32(-admitted)) }
        return admitted
    }

    /// Opens a file for vmrun's own use (program loading): read-only and close-on-exec. EACCES where it is no regular file,
    /// which open_exec() in fs/exec.c finds out before it opens anything.
    public func openForReading(_ path: [UInt8]) throws(GuestErrno) -> Int32 {
        let object = try withPathBytes(path) { (bytes) throws(GuestErrno) in
            try self.object(bytes, from: AT_FDCWD, followLast: true)
        }
        guard case .descriptor(let descriptor) = object else { throw .EACCES }
        defer { Host.close(descriptor) }
        var status = stat()
        let found = HostObject.query(descriptor, &status)
        if found < 0 { throw GuestErrno(Int32(-found)) }
        guard status.st_mode & mode_t(S_IFMT) == mode_t(S_IFREG) else { throw .EACCES }
        let result = reopen(descriptor, flags: Int(O_RDONLY | O_CLOEXEC), mode: 0, attention: nil)
        guard result >= 0 else { throw GuestErrno(Int32(-result)) }
        return Int32(result)
    }

    /// Calls `body` with a NUL-terminated copy of a path.
    public func withPathBytes<Result>(
        _ path: [UInt8], _ body: (PathBytes) throws(GuestErrno) -> Result
    ) throws(GuestErrno) -> Result {
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: path.count + 1)
        defer { copy.deallocate() }
        for (index, byte) in path.enumerated() { copy[index] = CChar(bitPattern: byte) }
        copy[path.count] = 0
        return try body(PathBytes(start: copy, count: path.count))
    }
}
