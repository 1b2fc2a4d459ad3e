import CShim
import FakeRoot
import GuestMemory
import Host
import LinuxABI
import Process
import Sysroot

/// Files that the guest makes: they belong to who it says it is, and root can use them whatever their mode.
extension FakeRootCall {
    // MARK: directories and nodes

    /// mkdir(2), mkdirat(2). The host's directory is open to its owner, who is the guest's root.
    func mkdir(_ directory: Int32, _ address: UInt64, _ mode: UInt64, modeAt index: Int) throws(GuestErrno) -> Int {
        let result = plain(arguments.with(mode | 0o700, at: index))
        if result != 0 { return result }
        try withCreated(directory, address) { (descriptor, file) throws(GuestErrno) in
            let unasked = 0o700 & ~UInt16(truncatingIfNeeded: mode)
            let needed = file.hostMode & 0o1777 | 0o700
            let shown = file.hostMode & ~unasked
            if file.hostMode & 0o7777 != needed { setHostMode(descriptor, needed) }
            if shown & 0o7777 != needed { try remember(mode: shown, of: file, hostMode: needed) }
        }
        return 0
    }

    /// mknod(2), mknodat(2). A device is a plain file on the host, and its number is remembered: programs that unpack archives are content,
    /// and nothing reaches the host's hardware.
    func mknod(
        _ directory: Int32, _ address: UInt64, _ mode: UInt64, _ device: UInt64, modeAt index: Int
    ) throws(GuestErrno) -> Int {
        let type = UInt16(truncatingIfNeeded: mode) & UInt16(S_IFMT)
        let isDevice = type == UInt16(S_IFBLK) || type == UInt16(S_IFCHR)
        guard isDevice, credentials.has(Capabilities.mknod) else { return try created(plain(), directory, address) }
        let result = plain(arguments.with(mode & 0o7777 | UInt64(S_IFREG), at: index))
        if result != 0 { return result }
        try withCreated(directory, address) { (descriptor, file) throws(GuestErrno) in
            let shown = OwnershipTable.Record.Mode(
                mode: type | file.hostMode & 0o7777, device: UInt32(truncatingIfNeeded: device))
            setHostMode(descriptor, 0o600)
            guard ownership.set(mode: shown, of: file.file) else { throw .ENOSPC }
        }
        return 0
    }

    /// A call that has made (directory, path) where its result is no error.
    func created(_ result: Int, _ directory: Int32, _ address: UInt64) throws(GuestErrno) -> Int {
        if result >= 0, needsOwner { try withCreated(directory, address) { (_, _) throws(GuestErrno) in } }
        return result
    }

    /// Calls `body` with what (directory, path) names now, and gives it to the caller.
    private func withCreated(
        _ directory: Int32, _ address: UInt64, _ body: (Int32, FileStatus) throws(GuestErrno) -> Void
    ) throws(GuestErrno) {
        let path = try PathCalls.path(thread, address)
        let target = try PathCalls.target(thread, directory, path, followLast: false)
        guard case .descriptor(let descriptor, _) = target else { return }
        defer { target.release() }
        let file = try FileStatus(descriptor: descriptor, in: ownership)
        try body(descriptor, file)
        try give(file)
    }

    // MARK: opening

    private var overridesAccess: Bool { credentials.has(Capabilities.dacOverride) }
    /// Files that the caller makes are not root's.
    private var needsOwner: Bool { credentials.user.fileSystem != 0 || credentials.group.fileSystem != 0 }

    /// The open calls. `flagsAt`: which argument has the flags; nil where it is none.
    func open(_ directory: Int32, _ address: UInt64, flagsAt index: Int?) throws(GuestErrno) -> Int {
        if let index, needsOwner {
            let flags = PathCalls.flags(arguments[index])
            if flags & VMRUN_O_TMPFILE == VMRUN_O_TMPFILE { return try give(descriptor: plain()) }
            if flags & Int(O_CREAT) != 0 {
                // Whether it was there before is only known where it must not be.
                let result = plain(arguments.with(arguments[index] | UInt64(O_EXCL), at: index))
                if result >= 0 { return try give(descriptor: result) }
                if result != -Int(EEXIST) || flags & Int(O_EXCL) != 0 { return result }
            }
        }
        let result = plain()
        guard result == -Int(EACCES), overridesAccess, try openUp(directory, address) else { return result }
        return plain()
    }

    /// Root opens what its mode forbids: the host's file gets the mode that it would have got had the guest made it. False where it is
    /// not the mode that is in the way.
    private func openUp(_ directory: Int32, _ address: UInt64) throws(GuestErrno) -> Bool {
        let target = try PathCalls.target(thread, directory, try PathCalls.path(thread, address), followLast: true)
        guard case .descriptor(let descriptor, _) = target else { return false }
        defer { target.release() }
        let file = try FileStatus(descriptor: descriptor, in: ownership)
        let mode = file.hostMode(for: file.hostMode & 0o1777)
        guard file.isOwn, !file.isSymbolicLink, mode != file.hostMode & 0o7777 else { return false }
        if thread.files.isReadOnly(descriptor: descriptor) { return false }
        setHostMode(descriptor, mode)
        try remember(mode: file.mode, of: file, hostMode: mode)
        return true
    }

    private func setHostMode(_ descriptor: Int32, _ mode: UInt16) {
        _ = HostPath.withDescriptorLink(descriptor) { Host.raw(Int32(SYS_fchmodat), Int(AT_FDCWD), $0.argument, Int(mode)) }
    }

    // MARK: giving

    /// The result of a call that makes a file and opens it.
    private func give(descriptor result: Int) throws(GuestErrno) -> Int {
        if result >= 0 {
            try give(try FileStatus(descriptor: Int32(truncatingIfNeeded: result), in: ownership))
        }
        return result
    }

    /// The file belongs to the caller.
    private func give(_ file: FileStatus) throws(GuestErrno) {
        let owner = OwnershipTable.Record.Owner(user: credentials.user.fileSystem, group: credentials.group.fileSystem)
        let isRoots = owner == .init(user: 0, group: 0)
        guard ownership.set(owner: isRoots ? nil : owner, of: file.file) else { throw .ENOSPC }
    }
}
