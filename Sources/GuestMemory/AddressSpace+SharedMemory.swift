import CShim
import Host
import LinuxABI

/// System V shared memory: shmat(2) and shmdt(2).
extension AddressSpace {
    private static let SHM_RDONLY: UInt64 = 0o10000
    private static let SHM_RND: UInt64 = 0o20000
    private static let SHM_REMAP: UInt64 = 0o40000
    private static let SHM_EXEC: UInt64 = 0o100000

    /// shmat(2): where the segment is attached.
    public func shmat(identifier: Int32, address: UInt64, flags: UInt64) throws(GuestErrno) -> UInt64 {
        guard identifier >= 0 else { throw .EINVAL }
        var start = address
        let replaces = flags & Self.SHM_REMAP != 0
        if start & (Arena.pageSize - 1) != 0 {
            guard flags & Self.SHM_RND != 0 else { throw .EINVAL }
            start = Arena.pageDown(start)
            if start == 0 && replaces { throw .EINVAL }
        } else if start == 0 && replaces {
            throw .EINVAL
        }
        let size = try segmentSize(identifier)
        lock.lock()
        defer { lock.unlock() }
        try reserve()
        // An address that SHM_RND rounded to 0 is still one that was asked for.
        if address == 0 {
            let alignment = size >= Self.hugePage ? Self.hugePage : Arena.pageSize
            guard let free = freeRange(size, hint: 0, alignment: alignment, below: layout.mmapBase) else { throw .ENOMEM }
            start = free
        } else {
            guard size <= Arena.top, start <= Arena.top - size else { throw .ENOMEM }
            guard start >= Arena.base else { throw .EPERM }
            prepareChange(start, start + size)
            guard replaces || regions.isFree(start, start + size) else { throw .EINVAL }
        }
        let end = start + size
        if replaces { revokeExecution(start, end) }
        let result = Host.raw(Int32(SYS_shmat), Int(identifier), Int(start), Int(flags & 0xffff_ffff))
        if result < 0 && result >= -4095 {
            if replaces { forgetUnmapped(start, end) }
            throw GuestErrno(Int32(-result))
        }
        forget(start, end)
        lastAttachment &+= 1
        let access = UInt64(PROT_READ) | (flags & Self.SHM_RDONLY == 0 ? UInt64(PROT_WRITE) : 0)
            | (flags & Self.SHM_EXEC != 0 ? UInt64(PROT_EXEC) : 0)
        regions.insert(
            Region(
                start: start, end: end, protection: effective(access), kind: .sharedMemory, flags: .shared,
                tag: lastAttachment))
        return start
    }

    /// The segment's size in whole pages; the errors are those that shmat(2) has for the identifier.
    private func segmentSize(_ identifier: Int32) throws(GuestErrno) -> UInt64 {
        // struct shmid64_ds: a struct ipc64_perm of 48 bytes, then shm_segsz.
        let sizeWord = 6
        let IPC_STAT = 2
        return try withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 32) { (space) throws(GuestErrno) in
            guard let base = space.baseAddress else { throw .ENOMEM }
            try check(Host.raw(Int32(SYS_shmctl), Int(identifier), IPC_STAT, base.argument))
            let size = Arena.pageUp(base[sizeWord])
            guard size > 0 else { throw .ENOMEM }
            return size
        }
    }

    /// shmdt(2): detaches what is left of the segment that was attached at `address`.
    public func shmdt(address: UInt64) throws(GuestErrno) {
        guard address & (Arena.pageSize - 1) == 0 else { throw .EINVAL }
        lock.lock()
        defer { lock.unlock() }
        try reserve()
        guard let tag = attachment(at: address) else { throw .EINVAL }
        forEachPart(of: tag, at: address) { revokeExecution($0.start, $0.end) }
        try check(Host.raw(Int32(SYS_shmdt), Int(address)))
        forEachPart(of: tag, at: address) { forget($0.start, $0.end) }
    }

    /// The first attachment whose beginning is, or was, at `address`.
    private func attachment(at address: UInt64) -> UInt32? {
        var cursor = address
        while let region = regions.region(endingAbove: cursor) {
            if isPart(region, at: address) { return region.tag }
            cursor = region.end
        }
        return nil
    }

    private func isPart(_ region: Region, at address: UInt64) -> Bool {
        region.kind == .sharedMemory && region.start >= address && region.start - address == region.offset
    }

    private func forEachPart(of tag: UInt32, at address: UInt64, _ body: (Region) -> Void) {
        var cursor = address
        while let region = regions.region(endingAbove: cursor) {
            cursor = region.end
            if region.tag == tag && isPart(region, at: address) { body(region) }
        }
    }
}
