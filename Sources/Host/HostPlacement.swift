import CShim

/// What the kernel derives a program's memory layout from: RLIMIT_STACK and the personality. Both are bounded for an exec of
/// vmrun, which must not be placed in the guest's arena, and put back afterwards: a guest may set what it likes.
public struct HostPlacement {
    /// The soft limit in bytes.
    public let stackLimit: UInt64
    public let personality: UInt64

    private static let stackResource = 3
    private static let bounded: UInt64 = 8 << 20
    /// Up to here the layout leaves the arena alone.
    private static let harmless: UInt64 = 1 << 30
    /// ADDR_COMPAT_LAYOUT
    private static let compatibleLayout: UInt64 = 0x0200000

    public init(stackLimit: UInt64, personality: UInt64) {
        self.stackLimit = stackLimit
        self.personality = personality
    }

    /// What is in force.
    public static func current() -> HostPlacement {
        HostPlacement(
            stackLimit: UInt64(limit().rlim_cur),
            personality: UInt64(UInt32(truncatingIfNeeded: Host.raw(Int32(SYS_personality), 0xffff_ffff))))
    }

    /// Bounds both; what was in force before.
    public static func bound() -> HostPlacement {
        let before = current()
        let harmlessLimit = before.stackLimit > harmless ? bounded : before.stackLimit
        HostPlacement(stackLimit: harmlessLimit, personality: before.personality & ~compatibleLayout).restore()
        return before
    }

    /// Puts both in force where they are not.
    public func restore() {
        let now = Self.current()
        if now.personality != personality { _ = Host.raw(Int32(SYS_personality), Int(personality)) }
        guard now.stackLimit != stackLimit else { return }
        var limit = Self.limit()
        limit.rlim_cur = rlim_t(min(stackLimit, UInt64(limit.rlim_max)))
        withUnsafeMutablePointer(to: &limit) {
            _ = Host.raw(Int32(SYS_prlimit64), 0, Self.stackResource, $0.argument, 0)
        }
    }

    private static func limit() -> rlimit {
        var limit = rlimit()
        withUnsafeMutablePointer(to: &limit) { _ = Host.raw(Int32(SYS_prlimit64), 0, stackResource, 0, $0.argument) }
        return limit
    }
}
