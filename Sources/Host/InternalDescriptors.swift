import CShim

/// vmrun's own descriptors. They live at numbers from `base` up, beyond what the guest may open, so that guest descriptors
/// and host descriptors have the same numbers. The values are set once, before any other thread exists.
public enum InternalDescriptors {
    /// How many vmrun may need: one per vCPU (a VM has about a thousand at most) and a few more.
    private static let reserve: UInt64 = 1400
    /// From here on above `base` are the descriptors that belong to a VM, which a fork child drops all at once.
    private static let machineOffset: Int32 = 128
    /// Room for a guest that raises its limit from the usual 1024, at the price of a larger descriptor table.
    private static let usualBase: UInt64 = 4096
    private static let largestBase: UInt64 = 65536

    /// The first number that is vmrun's.
    nonisolated(unsafe) public private(set) static var base: Int32 = .max
    /// The guest's RLIMIT_NOFILE soft limit: a descriptor number at or above it is EMFILE to the guest.
    nonisolated(unsafe) public static var guestLimit: UInt64 = 1024
    /// The guest's hard limit.
    nonisolated(unsafe) public static var guestHardLimit: UInt64 = 4096

    /// Chooses the window and raises the host's soft limit over it. `inherited` is what the exec plan of the parent image
    /// says; without it the limits are the host's.
    public static func configure(inherited: (base: Int32, limit: UInt64, hardLimit: UInt64)? = nil) {
        if let inherited {
            base = inherited.base
            guestLimit = inherited.limit
            guestHardLimit = inherited.hardLimit
            return
        }
        var limit = rlimit()
        withUnsafeMutablePointer(to: &limit) {
            _ = Host.raw(Int32(SYS_prlimit64), 0, Int(RLIMIT_NOFILE_NUMBER), 0, $0.argument)
        }
        guestHardLimit = UInt64(limit.rlim_max)
        guestLimit = UInt64(limit.rlim_cur)
        var first = min(max(guestLimit, usualBase), largestBase)
        if first + reserve > guestHardLimit {
            first = guestHardLimit > 2 * reserve ? guestHardLimit - reserve : guestHardLimit / 2
        }
        guestLimit = min(guestLimit, first)
        limit.rlim_cur = rlim_t(min(max(UInt64(limit.rlim_cur), first + reserve), guestHardLimit))
        withUnsafeMutablePointer(to: &limit) {
            _ = Host.raw(Int32(SYS_prlimit64), 0, Int(RLIMIT_NOFILE_NUMBER), $0.argument, 0)
        }
        base = Int32(truncatingIfNeeded: first)
    }

    private static let RLIMIT_NOFILE_NUMBER = 7

    /// Whether a number belongs to vmrun: the guest sees EBADF.
    @inlinable
    public static func contains(_ descriptor: Int32) -> Bool { descriptor >= base }

    /// Moves a fresh descriptor into the window and makes it close-on-exec. -1 where the window is full: the descriptor is
    /// closed, since one of vmrun's must never be at a number that the guest can use.
    public static func adopt(_ descriptor: Int32) -> Int32 { move(descriptor, to: base) }

    /// As `adopt`, for a VM or vCPU.
    public static func adoptForMachine(_ descriptor: Int32) -> Int32 { move(descriptor, to: base &+ machineOffset) }

    /// Closes every VM and vCPU descriptor, in a fork child.
    public static func closeMachines() {
        guard base != .max else { return }
        _ = Host.raw(Int32(SYS_close_range), Int(base &+ machineOffset), Int(UInt32.max), 0)
    }

    private static func move(_ descriptor: Int32, to first: Int32) -> Int32 {
        guard base != .max, descriptor < base else { return descriptor }
        let moved = Host.raw(Int32(SYS_fcntl), Int(descriptor), Int(F_DUPFD_CLOEXEC), Int(first))
        _ = Host.raw(Int32(SYS_close), Int(descriptor))
        return moved < 0 ? -1 : Int32(truncatingIfNeeded: moved)
    }
}
