import CShim
import Host
import LinuxABI

/// What a file is on the host, and what the guest is told of it under `--fakeroot`.
public struct FileStatus {
    public let file: OwnershipTable.File
    /// On the host.
    public let hostUser: UInt32
    public let hostMode: UInt16
    /// What is remembered of it.
    public let record: OwnershipTable.Record
    /// As the guest sees them; the mode with its type.
    public var user: UInt32
    public var group: UInt32
    public var mode: UInt16
    /// st_rdev in the kernel's 32-bit encoding.
    public var device: UInt32

    /// The object behind a descriptor, O_PATH ones included.
    public init(descriptor: Int32, in table: OwnershipTable) throws(GuestErrno) {
        var status = statx()
        let emptyPath: StaticString = ""
        let wanted = UInt32(STATX_BASIC_STATS) | UInt32(STATX_BTIME)
        let result = withUnsafeMutablePointer(to: &status) {
            Host.raw(
                Int32(SYS_statx), Int(descriptor), Int(bitPattern: emptyPath.utf8Start), VMRUN_AT_EMPTY_PATH, Int(wanted),
                $0.argument)
        }
        if result < 0 { throw GuestErrno(Int32(-result)) }
        self.init(status, in: table)
    }

    /// From an answer of statx(2) that holds the basic fields, and the time of birth where there is one.
    public init(_ status: statx, in table: OwnershipTable) {
        var birth: UInt64 = 0
        if status.stx_mask & UInt32(STATX_BTIME) != 0 {
            birth = UInt64(bitPattern: status.stx_btime.tv_sec) &* 1_000_000_000 &+ UInt64(status.stx_btime.tv_nsec)
        }
        file = OwnershipTable.File(
            device: UInt64(status.stx_dev_major) << 32 | UInt64(status.stx_dev_minor), inode: status.stx_ino, birth: birth)
        hostUser = status.stx_uid
        hostMode = status.stx_mode
        record = table.record(of: file)
        user = record.owner?.user ?? Self.shownUser(status.stx_uid)
        group = record.owner?.group ?? Self.shownGroup(status.stx_gid)
        mode = record.mode?.mode ?? status.stx_mode
        device = record.mode?.device ?? Self.device(status.stx_rdev_major, status.stx_rdev_minor)
    }

    /// What stat(2) tells where `status` is what it would tell without `--fakeroot`.
    public func apply(to status: inout stat) {
        status.st_uid = record.owner?.user ?? Self.shownUser(status.st_uid)
        status.st_gid = record.owner?.group ?? Self.shownGroup(status.st_gid)
        if let mode = record.mode {
            status.st_mode = mode_t(mode.mode)
            status.st_rdev = dev_t(mode.device)
        }
    }

    /// The same for statx(2).
    public func apply(to status: inout statx) {
        status.stx_uid = record.owner?.user ?? Self.shownUser(status.stx_uid)
        status.stx_gid = record.owner?.group ?? Self.shownGroup(status.stx_gid)
        if let mode = record.mode {
            status.stx_mode = mode.mode
            status.stx_rdev_major = Self.major(mode.device)
            status.stx_rdev_minor = Self.minor(mode.device)
        }
    }

    // MARK: Kinds

    private static let typeMask: UInt16 = 0o170000
    public var type: UInt16 { mode & Self.typeMask }
    public var isDirectory: Bool { type == UInt16(S_IFDIR) }
    public var isSymbolicLink: Bool { type == UInt16(S_IFLNK) }
    /// A device that the guest has made: on the host there is a plain file.
    public var isFakeDevice: Bool { type != hostMode & Self.typeMask }
    /// Whether the user who runs vmrun owns it, so that its mode can be changed on the host.
    public var isOwn: Bool { hostUser == Self.hostUser }

    // MARK: Numbers

    /// The user who runs vmrun is the guest's root. Others are who they are.
    public static func shownUser(_ host: UInt32) -> UInt32 { host == hostUser ? 0 : host }

    public static func shownGroup(_ host: UInt32) -> UInt32 {
        host == hostIDs.group ? 0 : host
    }

    /// The user and the group who run vmrun, in effect.
    public static var hostIDs: (user: UInt32, group: UInt32) {
        (hostUser, UInt32(truncatingIfNeeded: Host.raw(Int32(SYS_getegid))))
    }

    private static var hostUser: UInt32 { UInt32(truncatingIfNeeded: Host.raw(Int32(SYS_geteuid))) }

    /// new_encode_dev().
    static func device(_ major: UInt32, _ minor: UInt32) -> UInt32 {
        minor & 0xff | (major & 0xfff) << 8 | (minor & ~0xff) << 12
    }

    static func major(_ device: UInt32) -> UInt32 { device >> 8 & 0xfff }

    static func minor(_ device: UInt32) -> UInt32 { device & 0xff | device >> 12 & 0xfff00 }

    // MARK: Rights

    /// The mode that the host's file gets where the guest asks for `mode`: its owner keeps access, as root has it whatever the mode,
    /// and nobody on the host may become that owner by running it.
    public func hostMode(for mode: UInt16) -> UInt16 {
        if isFakeDevice { return 0o600 }
        return isDirectory ? mode & 0o1777 | 0o700 : mode & 0o1777 | 0o600
    }

    /// Whether `credentials` may read (4), write (2) or execute (1) it: access(2), by the real ids, or by those in effect.
    public func allows(_ wanted: Int, _ credentials: FakeCredentials, isEffective: Bool) -> Bool {
        let overrides = isEffective ? credentials.has(Capabilities.dacOverride) : credentials.user.real == 0
        if overrides { return wanted & 1 == 0 || mode & 0o111 != 0 || isDirectory }
        let id = isEffective ? credentials.user.fileSystem : credentials.user.real
        let groupID = isEffective ? credentials.group.fileSystem : credentials.group.real
        let inGroup = group == groupID || credentials.groups.contains(group)
        let shift = user == id ? 6 : inGroup ? 3 : 0
        return wanted & ~(Int(mode) >> shift) & 7 == 0
    }
}
