import CShim
import Host
import LinuxABI

/// Open synthetic objects: making them, recognising them, keeping their content current.
extension SyntheticFileSystem {
    /// Whether `descriptor` has to be looked at before a read. One bit test.
    @inlinable
    @inline(__always)
    public func mayBeSynthetic(_ descriptor: Int32) -> Bool { flags.contains(descriptor) }

    /// `copy` is a duplicate of `descriptor` (dup(2), fcntl F_DUPFD). A bit test where that is no synthetic one.
    @inlinable
    @inline(__always)
    public func noteDuplicate(_ copy: Int32, of descriptor: Int32) {
        if flags.contains(descriptor) { flags.insert(copy) }
    }

    /// A descriptor came from elsewhere: over exec, by SCM_RIGHTS.
    public func noteReceived(_ descriptor: Int32) {
        if name(ofDescriptor: descriptor) != nil { flags.insert(descriptor) }
    }

    func noteInheritedDescriptors() {
        guard let names = try? HostFile.list([UInt8]("/proc/thread-self/fd")) else { return }
        for name in names {
            if let descriptor = name[...].decimal { noteReceived(descriptor) }
        }
    }

    public func path(ofDescriptor descriptor: Int32) -> [UInt8]? {
        flags.contains(descriptor) ? name(ofDescriptor: descriptor)?.path : nil
    }

    /// The process whose /proc/PID directory a descriptor is, whether it is still there or not. Nil for anything else.
    public func process(ofDirectory descriptor: Int32) -> Int32? {
        guard let name = name(ofDescriptor: descriptor), name.isDirectory, name.path.hasPrefix("/proc/") else { return nil }
        return name.path["/proc/".utf8.count...].decimal
    }

    /// What a descriptor is, where it is one of the memfds behind synthetic objects.
    struct Name {
        let path: [UInt8]
        let isDirectory: Bool
        /// Nothing is in it yet.
        let isEmpty: Bool
    }

    func name(ofDescriptor descriptor: Int32) -> Name? {
        guard let status = Host.status(of: descriptor), UInt64(status.st_dev) == devices.anonymous,
            let text = HostFile.readlink(ofDescriptor: descriptor), let name = SyntheticName.parse(text)
        else { return nil }
        return Name(path: name.path, isDirectory: name.isDirectory, isEmpty: status.st_size == 0)
    }

    public func open(_ path: [UInt8], flags: Int32) throws(GuestErrno) -> Int32 {
        guard let node = node(at: path) else { throw .ENOENT }
        if flags & HostFlags.O_PATH != 0 {
            switch node.content {
            case .hostFile, .hostWritable, .device, .hostDirectory: return try openHost(node.hostPath, flags: flags)
            default: return try publish(path, isDirectory: node.isDirectory, flags: flags)
            }
        }
        let writes = flags & O_ACCMODE != O_RDONLY || flags & O_TRUNC != 0
        switch node.content {
        case .directory:
            if flags & HostFlags.O_TMPFILE == HostFlags.O_TMPFILE { throw .EOPNOTSUPP }
            if writes { throw .EISDIR }
            // The records are made when they are asked for: then a listing of fd/ has its own descriptor in it.
            HostFile.close(try openHost(node.hostPath, flags: O_RDONLY | O_CLOEXEC))
            return try publish(path, isDirectory: true, flags: flags)
        case .generated, .descriptorInfo, .system, .addressed:
            if writes && !isWritable(node) { throw .EACCES }
            // Whether the process may be looked at is decided here. The text is made when it is read.
            HostFile.close(try openHost(node.hostPath, flags: flags & O_ACCMODE | O_CLOEXEC))
            return try publish(path, isDirectory: false, flags: flags)
        case .hostFile:
            if writes { throw .EACCES }
            return try openHost(node.hostPath, flags: flags)
        case .hostWritable, .device, .hostDirectory:
            return try openHost(node.hostPath, flags: flags)
        case .link, .executable, .workingDirectory, .hostLink:
            throw .ELOOP
        }
    }

    private func openHost(_ path: [UInt8], flags: Int32) throws(GuestErrno) -> Int32 {
        try guestDescriptor(HostFile.open(path, flags: flags & ~O_CREAT | O_NOFOLLOW))
    }

    private func guestDescriptor(_ result: Int) throws(GuestErrno) -> Int32 {
        guard result >= 0 else { throw GuestErrno(Int32(truncatingIfNeeded: -result)) }
        return Int32(truncatingIfNeeded: result)
    }

    /// A new descriptor, at the lowest free number, of an empty memfd that is called after the object.
    private func publish(_ path: [UInt8], isDirectory: Bool, flags: Int32) throws(GuestErrno) -> Int32 {
        let name = SyntheticName.name(path: path, isDirectory: isDirectory)
        guard name.count <= SyntheticName.limit else { throw .ENAMETOOLONG }
        let created = HostFile.with(name) { Host.raw(Int32(SYS_memfd_create), $0, HostFlags.MFD_CLOEXEC) }
        guard created >= 0 else { throw GuestErrno(Int32(truncatingIfNeeded: -created)) }
        let writer = InternalDescriptors.adopt(Int32(truncatingIfNeeded: created))
        guard writer >= 0 else { throw .EMFILE }
        defer { HostFile.close(writer) }
        let kept = O_ACCMODE | O_CLOEXEC | O_NONBLOCK | O_APPEND | HostFlags.O_PATH
        let descriptor = try guestDescriptor(HostFile.open(HostFile.descriptorPath(writer), flags: flags & kept))
        self.flags.insert(descriptor)
        return descriptor
    }

    private func replaceContent(_ descriptor: Int32, _ content: [UInt8]) throws(GuestErrno) {
        do throws(HostError) { try Host.fill(memoryFile: descriptor, with: content) } catch { throw GuestErrno(error.number) }
        // Last, so that whoever reads meanwhile never meets an empty file.
        _ = Host.raw(Int32(SYS_ftruncate), Int(descriptor), content.count)
    }

    /// To be called before a read-family call on a descriptor for which `mayBeSynthetic` holds; `atStart` says that the read
    /// begins at offset 0, where /proc makes its text anew. EISDIR for directories, ESRCH where the process is gone. A result
    /// is for the caller to read itself.
    @discardableResult
    public func prepareRead(_ descriptor: Int32, atStart: Bool) throws(GuestErrno) -> AddressedObject? {
        guard let name = name(ofDescriptor: descriptor) else { return nil }
        if name.isDirectory { throw .EISDIR }
        if let object = AddressedObject(path: name.path, arena: configuration.arena) { return object }
        if atStart || name.isEmpty { try refresh(descriptor, name.path) }
        return nil
    }

    /// What a write to a synthetic object changes.
    public enum Written {
        case memory(AddressedObject)
        /// The calling process's.
        case coredumpFilter
    }

    /// To be called before a write to a descriptor for which `mayBeSynthetic` holds. Nil: the host answers it.
    public func written(_ descriptor: Int32) -> Written? {
        guard let name = name(ofDescriptor: descriptor), !name.isDirectory else { return nil }
        if let object = AddressedObject(path: name.path, arena: configuration.arena) { return .memory(object) }
        guard case .generated(let scope, .coredumpFilter)? = node(at: name.path)?.content, scope.process == ownProcess
        else { return nil }
        return .coredumpFilter
    }

    private func refresh(_ descriptor: Int32, _ path: [UInt8]) throws(GuestErrno) {
        let content = try currentContent(path)
        // Another thread of the guest may put something else at the number at any time, and that must not be written to. So
        // the object is held at a number of vmrun's, and looked at there again.
        let lowest = InternalDescriptors.base == .max ? 0 : InternalDescriptors.base
        let held = Host.raw(Int32(SYS_fcntl), Int(descriptor), Int(F_DUPFD_CLOEXEC), Int(lowest))
        guard held >= 0 else { throw GuestErrno(Int32(truncatingIfNeeded: -held)) }
        let copy = Int32(truncatingIfNeeded: held)
        defer { HostFile.close(copy) }
        guard let name = name(ofDescriptor: copy), name.path == path else { return }
        let opened = HostFile.open(HostFile.descriptorPath(copy), flags: O_RDWR | O_CLOEXEC)
        guard opened >= 0 else { throw GuestErrno(Int32(truncatingIfNeeded: -opened)) }
        let writer = InternalDescriptors.adopt(Int32(truncatingIfNeeded: opened))
        guard writer >= 0 else { throw .EMFILE }
        defer { HostFile.close(writer) }
        try replaceContent(writer, content)
    }

    /// What is read at a path now. Of a process that is gone: nothing where it keeps the address space, else ESRCH.
    private func currentContent(_ path: [UInt8]) throws(GuestErrno) -> [UInt8] {
        if let node = node(at: path) { return try content(of: node, path) }
        if let name = path[...].splitLast?.name, case .generated(let file)? = ProcessEntry.find(name, inThread: false)?.content,
            file.keepsAddressSpace
        {
            return []
        }
        throw .ESRCH
    }

    /// getdents64(2) into memory of vmrun's own: the number of bytes, 0 at the end. To be called where the host's own call
    /// answers ENOTDIR, as it does for memfds; ENOTDIR again where `descriptor` is no synthetic directory. EINVAL where not
    /// even one record fits.
    public func getdents64(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer
    ) throws(GuestErrno) -> Int {
        guard let name = name(ofDescriptor: descriptor), name.isDirectory else { throw .ENOTDIR }
        let offset = Host.raw(Int32(SYS_lseek), Int(descriptor), 0, Int(SEEK_CUR))
        guard offset >= 0 else { throw GuestErrno(Int32(truncatingIfNeeded: -offset)) }
        if offset == 0 {
            do throws(GuestErrno) { try refresh(descriptor, name.path) } catch {
                // Of a process that is gone.
                throw error == .ESRCH ? .ENOENT : error
            }
        }
        let count = Host.raw(
            Int32(SYS_pread64), Int(descriptor), Int(bitPattern: buffer.baseAddress), buffer.count, offset)
        guard count >= 0 else { throw GuestErrno(Int32(truncatingIfNeeded: -count)) }
        let whole = DirectoryRecords.wholeRecords(
            in: UnsafeRawBufferPointer(rebasing: buffer[..<min(count, buffer.count)]))
        if whole == 0 && (count > 0 || buffer.count == 0) { throw .EINVAL }
        _ = Host.raw(Int32(SYS_lseek), Int(descriptor), offset + whole, Int(SEEK_SET))
        return whole
    }

    /// Whether an open descriptor is a synthetic file whose size nobody knows: lseek(2) from its end is EINVAL.
    public func isSyntheticFile(_ descriptor: Int32) -> Bool {
        name(ofDescriptor: descriptor).map { !$0.isDirectory } ?? false
    }

    /// Changes the name of a guest's memfd, NUL-terminated, where it would pass for one of these objects.
    public static func sanitize(memfdName name: UnsafeMutableBufferPointer<CChar>) {
        let prefix = SyntheticName.prefix
        guard name.count > prefix.utf8CodeUnitCount else { return }
        for index in 0..<prefix.utf8CodeUnitCount where UInt8(bitPattern: name[index]) != prefix.utf8Start[index] { return }
        name[0] = CChar(bitPattern: UInt8(ascii: "_"))
    }
}
