import CShim
import FakeRoot
import GuestMemory
import Host
import LinuxABI
import Process
import Sysroot

/// Owners and modes that the guest changes: the owner is remembered, the mode goes to the host as far as it may.
extension FakeRootCall {
    // MARK: owner

    /// chown(2), lchown(2), fchownat(2).
    func chown(
        _ directory: Int32, _ address: UInt64, _ user: UInt64, _ group: UInt64, _ flags: Int
    ) throws(GuestErrno) -> Int {
        try PathCalls.check(flags, allowed: VMRUN_AT_SYMLINK_NOFOLLOW | VMRUN_AT_EMPTY_PATH)
        let target = try PathCalls.target(thread, directory, try PathCalls.path(thread, address), flags)
        return try change(target) { (descriptor, file) throws(GuestErrno) in
            try setOwner(of: file, user, group) {
                Host.raw(Int32(SYS_fchownat), Int(descriptor), PathCalls.empty, -1, -1, VMRUN_AT_EMPTY_PATH)
            }
        }
    }

    /// fchown(2).
    func fchown() throws(GuestErrno) -> Int {
        try change(try ownDescriptor()) { (descriptor, file) throws(GuestErrno) in
            try setOwner(of: file, arguments.a1, arguments.a2) { Host.raw(Int32(SYS_fchown), Int(descriptor), -1, -1) }
        }
    }

    /// `touch` lets the host set the time of the change, and refuse where nothing may be changed.
    private func setOwner(
        of file: FileStatus, _ user: UInt64, _ group: UInt64, _ touch: () -> Int
    ) throws(GuestErrno) -> Int {
        let user = UInt32(truncatingIfNeeded: user)
        let group = UInt32(truncatingIfNeeded: group)
        let credentials = credentials
        if !credentials.has(Capabilities.chown) {
            let owns = credentials.user.fileSystem == file.user
            if user != FakeCredentials.unchanged && !(owns && user == file.user) { throw .EPERM }
            let maySetGroup = owns && (group == file.group || credentials.isMember(ofGroup: group))
            if group != FakeCredentials.unchanged && !maySetGroup { throw .EPERM }
        }
        let result = touch()
        if result < 0 { return result }
        let owner = OwnershipTable.Record.Owner(
            user: user == FakeCredentials.unchanged ? file.user : user,
            group: group == FakeCredentials.unchanged ? file.group : group)
        let isRoots = file.isOwn && owner == .init(user: 0, group: 0)
        guard ownership.set(owner: isRoots ? nil : owner, of: file.file) else { throw .ENOSPC }
        // A new owner has not asked to lend his rights.
        if !file.isDirectory && file.mode & 0o6000 != 0 {
            let lends: UInt16 = file.mode & 0o2010 == 0o2010 ? 0o6000 : 0o4000
            try remember(mode: file.mode & ~lends, of: file)
        }
        return 0
    }

    // MARK: mode

    /// chmod(2), fchmodat(2), fchmodat2(2).
    func chmod(_ directory: Int32, _ address: UInt64, _ mode: UInt64, _ flags: Int) throws(GuestErrno) -> Int {
        try PathCalls.check(flags, allowed: VMRUN_AT_SYMLINK_NOFOLLOW | VMRUN_AT_EMPTY_PATH)
        let target = try PathCalls.target(thread, directory, try PathCalls.path(thread, address), flags)
        return try change(target) { (descriptor, file) throws(GuestErrno) in
            try setMode(of: file, mode) { mode in
                HostPath.withDescriptorLink(descriptor) {
                    Host.raw(Int32(SYS_fchmodat), Int(AT_FDCWD), $0.argument, mode)
                }
            }
        }
    }

    /// fchmod(2).
    func fchmod() throws(GuestErrno) -> Int {
        try change(try ownDescriptor()) { (descriptor, file) throws(GuestErrno) in
            try setMode(of: file, arguments.a1) { Host.raw(Int32(SYS_fchmod), Int(descriptor), $0) }
        }
    }

    private func setMode(of file: FileStatus, _ mode: UInt64, _ apply: (Int) -> Int) throws(GuestErrno) -> Int {
        let credentials = credentials
        guard credentials.user.fileSystem == file.user || credentials.has(Capabilities.fowner) else { throw .EPERM }
        var bits = UInt16(truncatingIfNeeded: mode) & 0o7777
        if !credentials.isMember(ofGroup: file.group) && !credentials.has(Capabilities.fsetid) { bits &= ~0o2000 }
        let result = apply(Int(file.hostMode(for: bits)))
        // Another's file on the host: root may change it all the same, and remembers that.
        if result < 0 && !(result == -Int(EPERM) && !file.isOwn) { return result }
        try remember(mode: file.type | bits, of: file, hostMode: result < 0 ? file.hostMode : nil)
        return 0
    }

    /// Remembers a mode where the host's file has another one. `hostMode`: the one it has, by default what it gets for `mode`.
    func remember(mode: UInt16, of file: FileStatus, hostMode: UInt16? = nil) throws(GuestErrno) {
        let bits = mode & 0o7777
        let isSame = !file.isFakeDevice && (hostMode ?? file.hostMode(for: bits)) & 0o7777 == bits
        guard ownership.set(mode: isSame ? nil : .init(mode: mode, device: file.device), of: file.file) else { throw .ENOSPC }
    }

    // MARK: access control lists

    /// setxattr(2) and its kin. An access control list would set the host's mode and name the host's users: there are none, as on a
    /// file system without them (EOPNOTSUPP), and programs set the mode instead.
    func setAttribute(nameAt index: Int) throws(GuestErrno) -> Int {
        let buffer = thread.scratch.secondPath
        let prefix: StaticString = "system.posix_acl_"
        let count = try GuestAccess.readCString(at: GuestAddress(arguments[index]), into: buffer)
        let isList = count > prefix.utf8CodeUnitCount && prefix.withUTF8Buffer { text in
            text.indices.allSatisfy { CChar(bitPattern: text[$0]) == buffer[$0] }
        }
        if isList { throw .EOPNOTSUPP }
        return plain()
    }

    // MARK: targets

    private func ownDescriptor() throws(GuestErrno) -> PathCalls.Target {
        let descriptor = PathCalls.descriptor(arguments.a0)
        if descriptor < 0 { throw .EBADF }
        return try PathCalls.descriptorTarget(thread, descriptor)
    }

    /// Calls `body` with a descriptor of the object and what it is: EROFS where it may not be changed, EPERM for synthetic ones.
    private func change(
        _ target: PathCalls.Target, _ body: (Int32, FileStatus) throws(GuestErrno) -> Int
    ) throws(GuestErrno) -> Int {
        guard case .descriptor(let descriptor, _) = target else { throw .EPERM }
        defer { target.release() }
        if thread.files.isReadOnly(descriptor: descriptor) { throw .EROFS }
        return try body(descriptor, try FileStatus(descriptor: descriptor, in: ownership))
    }
}
