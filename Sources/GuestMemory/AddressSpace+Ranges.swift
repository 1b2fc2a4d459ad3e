import CShim
import Host
import LinuxABI

/// Calls about a range of mapped memory that the host answers whole: madvise(2), msync(2), mincore(2), mlock(2) and their like.
extension AddressSpace {
    /// Throws `error` where [address, address + length) is not inside the arena, as Linux for what is beyond TASK_SIZE.
    public func checkRange(address: UInt64, length: UInt64, error: GuestErrno = .ENOMEM) throws(GuestErrno) {
        guard address <= Arena.top, length <= Arena.top - address else { throw error }
    }

    /// The host call `number` on the part of [address, address + length) that lies in the arena. Beyond it nothing is mapped:
    /// after the call has done its part it fails with ENOMEM. Where the range, in whole pages, passes the end of all addresses the call does nothing
    /// and fails with `wrapped`; a length that is nothing when it is rounded up is an empty range.
    public func forward(
        _ number: Int32, address: UInt64, length: UInt64, _ a2: UInt64 = 0, _ a3: UInt64 = 0, _ a4: UInt64 = 0,
        _ a5: UInt64 = 0, wrapped: GuestErrno = .EINVAL
    ) throws(GuestErrno) -> Int {
        // Beyond the arena an empty range inside it stands in: the host still checks the other arguments.
        let offset = address & (Arena.pageSize - 1)
        let pages = Arena.pageDown(offset &+ length &+ (Arena.pageSize - 1))
        let wraps = Arena.pageDown(address) &+ pages < Arena.pageDown(address)
        if wraps && offset != 0 { throw .EINVAL }
        let start = address < Arena.top ? address : Arena.base | offset
        let room = address < Arena.top ? Arena.top - address : 0
        let length = wraps || pages == 0 ? 0 : length
        let result = try check(
            Host.raw(
                number, Int(start), Int(min(length, room)), Int(truncatingIfNeeded: a2), Int(truncatingIfNeeded: a3),
                Int(truncatingIfNeeded: a4), Int(truncatingIfNeeded: a5)))
        if wraps { throw wrapped }
        if length > room { throw .ENOMEM }
        return Int(truncatingIfNeeded: result)
    }

    /// madvise(2). Poisoning memory is the host's administrator's alone: EPERM, as without CAP_SYS_ADMIN.
    public func madvise(address: UInt64, length: UInt64, advice: UInt64) throws(GuestErrno) -> Int {
        let number = Int32(truncatingIfNeeded: advice)
        switch number {
        case 100...101 /* MADV_HWPOISON, MADV_SOFT_OFFLINE */: throw .EPERM
        case MADV_DONTFORK, MADV_DOFORK: return try adviseFork(address, length, number)
        default:
            if length > 0 && Arena.pageUp(length) == 0 { throw .EINVAL }
            return try forward(Int32(SYS_madvise), address: address, length: length, advice)
        }
    }

    private func adviseFork(_ address: UInt64, _ length: UInt64, _ advice: Int32) throws(GuestErrno) -> Int {
        lock.lock()
        defer { lock.unlock() }
        try reserve()
        if length <= Arena.top, address <= Arena.top - length { prepareChange(address, address + length) }
        let result = try forward(Int32(SYS_madvise), address: address, length: length, UInt64(advice))
        regions.change(address, address + Arena.pageUp(length)) { region in
            if advice == MADV_DONTFORK { region.flags.insert(.dontFork) } else { region.flags.remove(.dontFork) }
        }
        return result
    }

    private static let MCL_CURRENT: UInt64 = 1
    private static let MCL_FUTURE: UInt64 = 2
    private static let MCL_ONFAULT: UInt64 = 4

    /// mlockall(2) for the guest's memory alone: the host's would lock vmrun's too.
    public func lockAll(flags: UInt64) throws(GuestErrno) {
        guard flags != 0, flags & ~(Self.MCL_CURRENT | Self.MCL_FUTURE | Self.MCL_ONFAULT) == 0, flags != Self.MCL_ONFAULT
        else { throw .EINVAL }
        lock.lock()
        defer { lock.unlock() }
        let onFault = flags & Self.MCL_ONFAULT != 0
        // An empty range says whether the guest may lock at all.
        try check(Host.raw(Int32(SYS_mlock2), Int(Arena.base), 0, onFault ? 1 : 0))
        if flags & Self.MCL_CURRENT != 0 { try lockRegions(onFault: onFault) }
        futureLock = flags & Self.MCL_FUTURE == 0 ? .none : onFault ? .onFault : .locked
    }

    /// munlockall(2)
    public func unlockAll() throws(GuestErrno) {
        lock.lock()
        defer { lock.unlock() }
        futureLock = .none
        var cursor: UInt64 = 0
        while let region = regions.region(endingAbove: cursor) {
            try check(Host.raw(Int32(SYS_munlock), Int(region.start), Int(region.end - region.start)))
            cursor = region.end
        }
    }

    /// What cannot be brought in (PROT_NONE, beyond the end of a file) is locked all the same, and no error. The host says
    /// ENOMEM for both that and the limit, so the limit is compared here.
    private func lockRegions(onFault: Bool) throws(GuestErrno) {
        var cursor: UInt64 = 0, total: UInt64 = 0, refused = false
        while let region = regions.region(endingAbove: cursor) {
            let length = region.end - region.start
            refused = Host.raw(Int32(SYS_mlock2), Int(region.start), Int(length), onFault ? 1 : 0) < 0 || refused
            total += length
            cursor = region.end
        }
        let RLIMIT_MEMLOCK = 8
        var limit = rlimit()
        let result = withUnsafeMutablePointer(to: &limit) {
            Host.raw(Int32(SYS_prlimit64), 0, RLIMIT_MEMLOCK, 0, $0.argument)
        }
        if refused && result == 0 && total > UInt64(limit.rlim_cur) { throw .ENOMEM }
    }
}
