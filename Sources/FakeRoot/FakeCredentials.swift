import LinuxABI

/// Who a guest thread is by its own account under `--fakeroot`: ids, groups and capabilities that only the guest sees. The host
/// keeps the user who started vmrun. The rules are those of credentials(7) and capabilities(7), so that a program that gives
/// its rights up finds them gone. A plain value; every thread has its own, as in Linux.
public struct FakeCredentials: Equatable {
    /// Real, effective, saved set and file system id.
    public struct IDs: Equatable, BitwiseCopyable {
        public var real: UInt32, effective: UInt32, saved: UInt32, fileSystem: UInt32

        public init(_ id: UInt32) {
            (real, effective, saved, fileSystem) = (id, id, id, id)
        }

        public init(real: UInt32, effective: UInt32, saved: UInt32, fileSystem: UInt32) {
            (self.real, self.effective, self.saved, self.fileSystem) = (real, effective, saved, fileSystem)
        }

        /// Whether it is the real, the effective or the saved one: what a process without rights may become.
        public func isAnyOfThree(_ id: UInt32) -> Bool { id == real || id == effective || id == saved }
        fileprivate var hasRoot: Bool { isAnyOfThree(0) }
    }

    /// An argument that leaves an id as it is: (uid_t) -1.
    public static let unchanged = UInt32.max
    /// NGROUPS_MAX.
    public static let groupsLimit = 65536

    public internal(set) var user: IDs
    public internal(set) var group: IDs
    /// Ascending, as the kernel keeps them.
    public internal(set) var groups: [UInt32]
    public internal(set) var capabilities: Capabilities
    /// prctl(2), PR_SET_SECUREBITS.
    public internal(set) var secureBits: UInt32 = 0

    public init(user: UInt32, group: UInt32, groups: [UInt32]) {
        self.user = IDs(user)
        self.group = IDs(group)
        self.groups = groups.sorted()
        capabilities = Capabilities(isRoot: user == 0)
    }

    public func has(_ capability: Int) -> Bool { capabilities.has(capability) }

    /// Whether the group gives access: the file system group or a supplementary one.
    public func isMember(ofGroup id: UInt32) -> Bool { id == group.fileSystem || groups.contains(id) }

    // MARK: user ids

    /// setuid(2).
    public mutating func setuid(_ id: UInt32) throws(GuestErrno) {
        if id == Self.unchanged { throw .EINVAL }
        var new = user
        if has(Capabilities.setuid) {
            new.real = id
            new.saved = id
        } else if id != user.real && id != user.saved {
            throw .EPERM
        }
        new.effective = id
        new.fileSystem = id
        become(new)
    }

    /// setreuid(2).
    public mutating func setreuid(_ real: UInt32, _ effective: UInt32) throws(GuestErrno) {
        become(try Self.setre(user, real, effective, isPrivileged: has(Capabilities.setuid)))
    }

    /// setresuid(2).
    public mutating func setresuid(_ real: UInt32, _ effective: UInt32, _ saved: UInt32) throws(GuestErrno) {
        become(try Self.setres(user, real, effective, saved, isPrivileged: has(Capabilities.setuid)))
    }

    /// setfsuid(2): the id before.
    public mutating func setfsuid(_ id: UInt32) -> UInt32 {
        let before = user.fileSystem
        guard id != Self.unchanged, user.isAnyOfThree(id) || id == before || has(Capabilities.setuid) else { return before }
        user.fileSystem = id
        if secureBits & SecureBits.noSetuidFixup == 0 {
            if before == 0 && id != 0 { capabilities.effective &= ~Capabilities.fileSystem }
            if before != 0 && id == 0 { capabilities.effective |= capabilities.permitted & Capabilities.fileSystem }
        }
        return before
    }

    /// Takes new user ids, and with them what they do to the capabilities.
    private mutating func become(_ new: IDs) {
        let old = user
        user = new
        if secureBits & SecureBits.noSetuidFixup != 0 { return }
        if old.hasRoot && !new.hasRoot {
            if secureBits & SecureBits.keepCapabilities == 0 {
                capabilities.permitted = 0
                capabilities.effective = 0
            }
            capabilities.ambient = 0
        }
        if old.effective == 0 && new.effective != 0 { capabilities.effective = 0 }
        if old.effective != 0 && new.effective == 0 { capabilities.effective = capabilities.permitted }
    }

    // MARK: group ids

    /// setgid(2).
    public mutating func setgid(_ id: UInt32) throws(GuestErrno) {
        if id == Self.unchanged { throw .EINVAL }
        if has(Capabilities.setgid) {
            group = IDs(id)
        } else if id == group.real || id == group.saved {
            group.effective = id
            group.fileSystem = id
        } else {
            throw .EPERM
        }
    }

    /// setregid(2).
    public mutating func setregid(_ real: UInt32, _ effective: UInt32) throws(GuestErrno) {
        group = try Self.setre(group, real, effective, isPrivileged: has(Capabilities.setgid))
    }

    /// setresgid(2).
    public mutating func setresgid(_ real: UInt32, _ effective: UInt32, _ saved: UInt32) throws(GuestErrno) {
        group = try Self.setres(group, real, effective, saved, isPrivileged: has(Capabilities.setgid))
    }

    /// setfsgid(2): the id before.
    public mutating func setfsgid(_ id: UInt32) -> UInt32 {
        let before = group.fileSystem
        if id != Self.unchanged, group.isAnyOfThree(id) || id == before || has(Capabilities.setgid) { group.fileSystem = id }
        return before
    }

    /// setgroups(2).
    public mutating func setgroups(_ list: [UInt32]) throws(GuestErrno) {
        guard has(Capabilities.setgid) else { throw .EPERM }
        groups = list.sorted()
    }

    private static func setre(
        _ ids: IDs, _ real: UInt32, _ effective: UInt32, isPrivileged: Bool
    ) throws(GuestErrno) -> IDs {
        var new = ids
        if real != unchanged {
            if real != ids.real && real != ids.effective && !isPrivileged { throw .EPERM }
            new.real = real
        }
        if effective != unchanged {
            if !ids.isAnyOfThree(effective) && !isPrivileged { throw .EPERM }
            new.effective = effective
        }
        if real != unchanged || (effective != unchanged && effective != ids.real) { new.saved = new.effective }
        new.fileSystem = new.effective
        return new
    }

    private static func setres(
        _ ids: IDs, _ real: UInt32, _ effective: UInt32, _ saved: UInt32, isPrivileged: Bool
    ) throws(GuestErrno) -> IDs {
        if !isPrivileged {
            for id in [real, effective, saved] where id != unchanged && !ids.isAnyOfThree(id) { throw .EPERM }
        }
        var new = ids
        if real != unchanged { new.real = real }
        if effective != unchanged { new.effective = effective }
        if saved != unchanged { new.saved = saved }
        new.fileSystem = new.effective
        return new
    }

    // MARK: exec

    /// execve(2) of a file with this mode and owner: set-user-ID and set-group-ID, and what becomes of the capabilities.
    public func afterExec(mode: UInt32, owner: UInt32, group ownerGroup: UInt32, honoursSetID: Bool = true) -> FakeCredentials {
        var new = self
        if honoursSetID {
            if mode & 0o4000 != 0 { new.user.effective = owner }
            // Without execution by the group the bit once meant mandatory locking.
            if mode & 0o2010 == 0o2010 { new.group.effective = ownerGroup }
        }
        let changesIDs = new.user.effective != user.effective || new.group.effective != group.effective
        new.user.saved = new.user.effective
        new.user.fileSystem = new.user.effective
        new.group.saved = new.group.effective
        new.group.fileSystem = new.group.effective
        if changesIDs { new.capabilities.ambient = 0 }
        let isRoot = secureBits & SecureBits.noRoot == 0
        if isRoot && (new.user.effective == 0 || new.user.real == 0) {
            new.capabilities.permitted = capabilities.bounding | capabilities.inheritable
            new.capabilities.effective = new.user.effective == 0 ? new.capabilities.permitted : new.capabilities.ambient
        } else {
            new.capabilities.permitted = new.capabilities.ambient
            new.capabilities.effective = new.capabilities.ambient
        }
        new.secureBits &= ~SecureBits.keepCapabilities
        return new
    }

    /// AT_SECURE of a program that starts with these.
    public var isSecure: Bool {
        user.effective != user.real || group.effective != group.real || (user.real != 0 && capabilities.effective != capabilities.ambient)
    }
}

/// prctl(2), PR_SET_SECUREBITS.
enum SecureBits {
    static let noRoot: UInt32 = 1, noSetuidFixup: UInt32 = 1 << 2, keepCapabilities: UInt32 = 1 << 4
    /// Each bit's lock is the next one.
    static let locks: UInt32 = 0xaaa
    static let all: UInt32 = 0xfff
}
