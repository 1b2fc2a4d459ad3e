/// Capability sets as capabilities(7) has them, bit n for capability n.
public struct Capabilities: Equatable, BitwiseCopyable {
    public static let chown = 0, dacOverride = 1, fowner = 3, fsetid = 4
    public static let setgid = 6, setuid = 7, setpcap = 8
    public static let sysChroot = 18, mknod = 27

    /// CAP_LAST_CAP of the kernels there are: CAP_CHECKPOINT_RESTORE.
    public static let last = 40
    static let all: UInt64 = (1 << (UInt64(last) + 1)) - 1
    /// What the file system id rules: CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_LINUX_IMMUTABLE,
    /// CAP_MKNOD, CAP_MAC_OVERRIDE.
    static let fileSystem: UInt64 = 0x1f | 1 << 9 | 1 << 27 | 1 << 32

    public var permitted: UInt64, effective: UInt64, inheritable: UInt64, bounding: UInt64, ambient: UInt64

    /// Root's, or nobody's.
    init(isRoot: Bool) {
        permitted = isRoot ? Self.all : 0
        effective = permitted
        inheritable = 0
        bounding = Self.all
        ambient = 0
    }

    init(permitted: UInt64, effective: UInt64, inheritable: UInt64, bounding: UInt64, ambient: UInt64) {
        self.permitted = permitted & Self.all
        self.effective = effective & Self.all
        self.inheritable = inheritable & Self.all
        self.bounding = bounding & Self.all
        self.ambient = ambient & Self.all
    }

    /// Whether the capability is in effect.
    public func has(_ capability: Int) -> Bool { effective >> UInt64(capability) & 1 != 0 }
}
