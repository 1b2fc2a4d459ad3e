import CShim

/// vmrun's own descriptors. They live at numbers from `base` up, beyond what the guest may open, so that guest descriptors
/// and host descriptors have the same numbers. The window is set once, before any other thread exists.
public enum InternalDescriptors {
    /// How many vmrun cannot do without: one for each vCPU of a VM (a thousand at most) and a few more.
    private static let reserve: UInt64 = 1400
    /// How many it takes where the hard limit allows: as many threads as a guest may start.
    private static let comfortable: UInt64 = 40_000
    /// From here on above `base` are the descriptors that belong to a VM, which a fork child drops all at once.
    private static let machineOffset: Int32 = 128
    /// Room for a guest that raises its limit from the usual 1024, at the price of a larger descriptor table.
    private static let usualBase: UInt64 = 4096
    private static let largestBase: UInt64 = 65536

    /// The first number that is vmrun's.
    nonisolated(unsafe) public private(set) static var base: Int32 = .max
    /// The limits of a thread that belongs to no guest process yet, which the first one takes over.
    nonisolated(unsafe) private static var initialLimits = vmrun_descriptor_limits(soft: 1024, hard: 4096)

    /// RLIMIT_NOFILE of the calling thread's guest process: a descriptor number at or above the soft limit is EMFILE to the
    /// guest. A process of its own, a vfork helper included, has limits of its own.
    public static var limits: vmrun_descriptor_limits {
        get { vmrun_thread_self()?.pointee.limits?.pointee ?? initialLimits }
        set {
            if let own = vmrun_thread_self()?.pointee.limits { own.pointee = newValue } else { initialLimits = newValue }
        }
    }

    /// The guest's soft limit.
    public static var guestLimit: UInt64 { limits.soft }
    /// The guest's hard limit.
    public static var guestHardLimit: UInt64 { limits.hard }

    /// Chooses the window and raises the host's soft limit over it. `inherited` is what the exec plan of the parent image
    /// says; without it the limits are the host's, but at most `most`.
    public static func configure(inherited: (base: Int32, limit: UInt64, hardLimit: UInt64)? = nil, most: UInt64 = .max) {
        if let inherited {
            base = inherited.base
            limits = vmrun_descriptor_limits(soft: inherited.limit, hard: inherited.hardLimit)
            return
        }
        var limit = rlimit()
        withUnsafeMutablePointer(to: &limit) {
            _ = Host.raw(Int32(SYS_prlimit64), 0, Int(RLIMIT_NOFILE_NUMBER), 0, $0.argument)
        }
        let soft = UInt64(limit.rlim_cur), hard = UInt64(limit.rlim_max)
        // Of a hard limit that is too low for both, the guest keeps most.
        let window = min(comfortable, max(reserve, hard / 4))
        var first = min(max(soft, usualBase), largestBase)
        if first + window > hard { first = hard > 2 * reserve ? hard - window : hard / 2 }
        limits = vmrun_descriptor_limits(soft: min(soft, first, most), hard: min(hard, most))
        limit.rlim_cur = rlim_t(min(max(soft, first + comfortable), hard))
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

    /// A second number in the window for what one of vmrun's descriptors stands for, -1 where the window is full.
    public static func duplicate(_ descriptor: Int32) -> Int32 {
        Int32(truncatingIfNeeded: max(Host.raw(Int32(SYS_fcntl), Int(descriptor), Int(F_DUPFD_CLOEXEC), Int(base)), -1))
    }

    /// From here on a fork child drops them all.
    public static var firstOfMachine: Int32 { base &+ machineOffset }

    /// Closes every VM and vCPU descriptor, in a fork child.
    public static func closeMachines() {
        guard base != .max else { return }
        _ = Host.raw(Int32(SYS_close_range), Int(base &+ machineOffset), Int(UInt32.max), 0)
    }

    /// Closes what the guest has marked close-on-exec. No other thread may use the table.
    public static func closeOnExec() {
        let directory = "/proc/thread-self/fd".withCString {
            Host.raw(Int32(SYS_openat), Int(AT_FDCWD), $0.argument, Int(O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        }
        let listing = directory < 0 ? -1 : adopt(Int32(directory))
        let isWhole = withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 8) { buffer in
            while true {
                let count = Host.raw(
                    Int32(SYS_getdents64), Int(listing), Int(bitPattern: buffer.baseAddress), buffer.count)
                guard count > 0 else { return count == 0 }
                forEachNumber(in: UnsafeRawBufferPointer(rebasing: buffer[..<count]), closeIfMarked)
            }
        }
        if listing >= 0 { Host.close(listing) }
        // None may stay, whatever the host lacks.
        if !isWhole { for descriptor in 0..<base { closeIfMarked(descriptor) } }
    }

    /// The names that are numbers, in records of getdents64(2).
    private static func forEachNumber(in records: UnsafeRawBufferPointer, _ body: (Int32) -> Void) {
        HostFile.forEachName(in: records) { name in
            let digits = name.prefix { $0 >= 0x30 && $0 <= 0x39 }
            if !digits.isEmpty { body(digits.reduce(0) { $0 &* 10 &+ Int32($1 - 0x30) }) }
        }
    }

    private static func closeIfMarked(_ descriptor: Int32) {
        if contains(descriptor) { return }
        let flags = Host.raw(Int32(SYS_fcntl), Int(descriptor), Int(F_GETFD))
        if flags > 0 && flags & Int(FD_CLOEXEC) != 0 { Host.close(descriptor) }
    }

    private static func move(_ descriptor: Int32, to first: Int32) -> Int32 {
        guard base != .max, descriptor < base else { return descriptor }
        let moved = Host.raw(Int32(SYS_fcntl), Int(descriptor), Int(F_DUPFD_CLOEXEC), Int(first))
        _ = Host.raw(Int32(SYS_close), Int(descriptor))
        return moved < 0 ? -1 : Int32(truncatingIfNeeded: moved)
    }
}
