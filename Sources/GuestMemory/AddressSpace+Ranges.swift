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
    /// after the call has done its part it fails with ENOMEM; with `wrapped` where the range passes the end of all addresses.
    public func forward(
        _ number: Int32, address: UInt64, length: UInt64, _ a2: UInt64 = 0, _ a3: UInt64 = 0, _ a4: UInt64 = 0,
        _ a5: UInt64 = 0, wrapped: GuestErrno = .EINVAL
    ) throws(GuestErrno) -> Int {
        // Beyond the arena an empty range inside it stands in: the host still checks the other arguments.
        let start = address < Arena.top ? address : Arena.base | (address & (Arena.pageSize - 1))
        let room = address < Arena.top ? Arena.top - address : 0
        let result = try check(
            Host.raw(
                number, Int(start), Int(min(length, room)), Int(truncatingIfNeeded: a2), Int(truncatingIfNeeded: a3),
                Int(truncatingIfNeeded: a4), Int(truncatingIfNeeded: a5)))
        if length > room { throw address.addingReportingOverflow(length).overflow ? wrapped : .ENOMEM }
        return Int(truncatingIfNeeded: result)
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
        if flags & Self.MCL_CURRENT != 0 { try forEachLockable { Host.raw(Int32(SYS_mlock2), $0, $1, onFault ? 1 : 0) } }
        futureLock = flags & Self.MCL_FUTURE == 0 ? .none : onFault ? .onFault : .locked
    }

    /// munlockall(2)
    public func unlockAll() throws(GuestErrno) {
        lock.lock()
        defer { lock.unlock() }
        futureLock = .none
        try forEachLockable { Host.raw(Int32(SYS_munlock), $0, $1) }
    }

    /// A region whose pages cannot be brought in (ENOMEM: PROT_NONE, beyond the end of a file) is locked all the same; that
    /// the limit does not allow it is found by the first.
    private func forEachLockable(_ body: (_ start: Int, _ length: Int) -> Int) throws(GuestErrno) {
        var cursor: UInt64 = 0
        while let region = regions.region(endingAbove: cursor) {
            let result = body(Int(region.start), Int(region.end - region.start))
            if result < 0 && region.protection != 0 && result != -Int(EFAULT) && result != -Int(EAGAIN) {
                throw GuestErrno(Int32(-result))
            }
            cursor = region.end
        }
    }
}
