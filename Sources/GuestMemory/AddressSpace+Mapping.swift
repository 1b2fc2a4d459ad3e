import CShim
import Host
import LinuxABI

/// mmap(2) and munmap(2).
extension AddressSpace {
    /// mmap(2). `fd` is the host's number; what is wrong with it, the host says.
    public func mmap(
        address: UInt64, length: UInt64, prot: UInt64, flags: UInt64, fd: Int32, offset: UInt64
    ) throws(GuestErrno) -> UInt64 {
        lock.lock()
        defer { lock.unlock() }
        return try map(
            MapRequest(
                address: address, length: length, prot: prot, flags: MapFlags(rawValue: flags), fd: fd, offset: offset))
    }

    struct MapRequest {
        var address, length, prot: UInt64
        var flags: MapFlags
        var fd: Int32
        var offset: UInt64
        /// nil: as the flags say.
        var kind: RegionKind?
        /// What a huge page of the mapping measures, or a page.
        var granule: UInt64 = Arena.pageSize

        var isAnonymous: Bool { flags.has(.MAP_ANONYMOUS) }
    }

    /// The host's mmap, at an address that is already decided.
    private func hostMap(_ request: MapRequest, at address: UInt64, adding flags: MapFlags = []) -> Int {
        var all = request.flags.union(flags)
        if futureLock != .none { all.insert(.MAP_LOCKED) }
        return Host.raw(
            Int32(SYS_mmap), Int(truncatingIfNeeded: address), Int(truncatingIfNeeded: request.length),
            Int(truncatingIfNeeded: request.prot), Int(truncatingIfNeeded: all.rawValue), Int(request.fd),
            Int(truncatingIfNeeded: request.offset))
    }

    /// An error that lies in the address: Linux looks at the descriptor before it comes to that.
    private func refusal(_ request: MapRequest, _ error: GuestErrno) -> GuestErrno {
        if !request.isAnonymous && Host.raw(Int32(SYS_fcntl), Int(request.fd), Int(F_GETFD)) < 0 { return .EBADF }
        return error
    }

    /// do_mmap(), with the lock held.
    func map(_ original: MapRequest) throws(GuestErrno) -> UInt64 {
        var request = original
        guard request.offset & (Arena.pageSize - 1) == 0 else { throw .EINVAL }
        // The host refuses it, after the checks that come before the one for length.
        if request.length == 0 {
            try check(hostMap(request, at: 0))
            throw .EINVAL
        }
        if request.isAnonymous && request.flags.has(.MAP_HUGETLB) { request.granule = request.flags.hugePageSize }
        try reserve()
        return request.flags.isFixed ? try mapFixed(request) : try mapFree(request)
    }

    /// The length that the host will map, or nil where rounding up overflows or passes the arena's end.
    private func mappedLength(_ request: MapRequest) -> UInt64? {
        let (sum, overflow) = request.length.addingReportingOverflow(request.granule - 1)
        let length = sum & ~(request.granule - 1)
        return overflow || length > Arena.top ? nil : length
    }

    private func mapFixed(_ request: MapRequest) throws(GuestErrno) -> UInt64 {
        let start = request.address
        guard let length = mappedLength(request), start <= Arena.top - length else { throw refusal(request, .ENOMEM) }
        guard start & (Arena.pageSize - 1) == 0 else { throw refusal(request, .EINVAL) }
        guard start >= Arena.base else { throw refusal(request, .EPERM) }
        let end = start + length
        prepareChange(start, end)
        let replaces = !regions.isFree(start, end)
        if replaces {
            if request.flags.has(.MAP_FIXED_NOREPLACE) { throw refusal(request, .EEXIST) }
            revokeExecution(start, end)
        }
        let result = hostMap(request, at: start)
        if result < 0 && result >= -4095 {
            if replaces { forgetUnmapped(start, end) }
            throw GuestErrno(Int32(-result))
        }
        if replaces {
            forget(start, end)
        }
        note(request, start, end)
        return start
    }

    private func mapFree(_ original: MapRequest) throws(GuestErrno) -> UInt64 {
        var request = original
        // MAP_SHARED_VALIDATE knows no MAP_FIXED_NOREPLACE. What the region map calls free is free.
        let fixing: MapFlags = request.flags.sharing == .MAP_SHARED_VALIDATE ? .MAP_FIXED : .MAP_FIXED_NOREPLACE
        var limit = layout.mmapBase
        for _ in 0..<Self.placementTries {
            guard let length = mappedLength(request), let start = place(request, length, below: limit) else {
                throw refusal(request, .ENOMEM)
            }
            let result = hostMap(request, at: start, adding: fixing)
            if result >= 0 || result < -4095 {
                note(request, start, start + length)
                return start
            }
            if result == -Int(EEXIST) {
                // The host has grown a stack there, for an access of its own to guest memory.
                if !adoptGrowth(above: start) {
                    request.address = 0
                    limit = start
                }
            } else if result == -Int(EINVAL), request.granule == Arena.pageSize, let size = hugePageSize(request) {
                request.granule = size
            } else {
                throw GuestErrno(Int32(-result))
            }
        }
        throw .ENOMEM
    }

    private static let placementTries = 64

    /// The page size of a file on hugetlbfs, which has to be placed and sized by it; nil for every other file.
    private func hugePageSize(_ request: MapRequest) -> UInt64? {
        guard !request.isAnonymous else { return nil }
        var status = statfs()
        let result = withUnsafeMutablePointer(to: &status) {
            Host.raw(Int32(SYS_fstatfs), Int(request.fd), $0.argument)
        }
        let HUGETLBFS_MAGIC = 0x958458f6, size = UInt64(clamping: status.f_bsize)
        guard result == 0, Int(status.f_type) == HUGETLBFS_MAGIC, size > Arena.pageSize, size & (size - 1) == 0
        else { return nil }
        return size
    }

    // MARK: Placement

    /// get_unmapped_area(): a free address for `length` bytes. `limit` replaces the mmap base.
    private func place(_ request: MapRequest, _ length: UInt64, below limit: UInt64) -> UInt64? {
        let privateAnonymous = request.isAnonymous && request.flags.sharing == .MAP_PRIVATE
        let alignment = privateAnonymous && length >= Self.hugePage ? max(Self.hugePage, request.granule) : request.granule
        return freeRange(
            length, hint: request.address, alignment: alignment, granule: request.granule, flags: request.flags,
            below: limit)
    }

    /// A free range: at `hint` where that is free, else the highest below `limit`. `alignment` is wanted, `granule` needed.
    func freeRange(
        _ length: UInt64, hint: UInt64, alignment: UInt64, granule: UInt64 = Arena.pageSize, flags: MapFlags = [],
        below limit: UInt64
    ) -> UInt64? {
        let low32 = flags.has(.MAP_32BIT)
        // An address within the first page is none (round_hint_to_min()).
        if hint >= Arena.pageSize {
            let rounded = granule == Arena.pageSize ? hint : hint &+ (granule - 1)
            let start = max(rounded & ~(granule - 1), Arena.base)
            let end = low32 ? Layout.low32End : Arena.top
            if length <= end, start <= end - length, isClear(start, length) { return start }
        }
        if low32 {
            return regions.lowestGap(length, in: layout.low32Base, Layout.low32End, alignment: granule)
        }
        let low = flags.has(.MAP_ABOVE4G) ? 1 << 32 : Arena.base
        return regions.highestGap(length, in: low, limit, alignment: alignment)
            ?? regions.highestGap(length, in: low, limit, alignment: granule)
            ?? regions.lowestGap(length, in: Layout.bottomUpBase, Arena.top, alignment: granule)
    }

    /// Whether a mapping without MAP_FIXED may go there: nothing is there, nor would grow into it soon.
    private func isClear(_ start: UInt64, _ length: UInt64) -> Bool {
        guard let next = regions.region(endingAbove: start) else { return true }
        return start + length <= next.guardedStart
    }

    // MARK: Bookkeeping

    /// Enters a mapping that the host has just made where nothing is left in the region map.
    private func note(_ request: MapRequest, _ start: UInt64, _ end: UInt64) {
        var flags: RegionFlags = []
        switch request.flags.sharing {
        case .MAP_SHARED, .MAP_SHARED_VALIDATE: flags.insert(.shared)
        case .MAP_PRIVATE, nil: break
        }
        if request.flags.has(.MAP_GROWSDOWN) { flags.insert(.growsDown) }
        // Where a thread was born on addresses that held nothing, or that something replaces now.
        threadStacks.cancel(ThreadStacks.Span(start: start, end: end))
        if adviseHugePages(request, start, end) { flags.insert(.hugePages) }
        if futureLock == .onFault {
            let MLOCK_ONFAULT = 1
            _ = Host.raw(Int32(SYS_mlock2), Int(start), Int(end - start), MLOCK_ONFAULT)
        }
        regions.insert(
            Region(
                start: start, end: end, offset: request.isAnonymous ? 0 : request.offset,
                protection: effective(request.prot), kind: request.kind ?? (request.isAnonymous ? .anonymous : .file),
                flags: flags))
    }

    /// Large anonymous mappings get huge pages, whatever the host's default; thread stacks do not, as on Linux, and the heap
    /// stays one mapping.
    private func adviseHugePages(_ request: MapRequest, _ start: UInt64, _ end: UInt64) -> Bool {
        guard request.isAnonymous, request.flags.sharing == .MAP_PRIVATE, end - start >= Self.hugePage,
            request.kind != .heap, !request.flags.has([.MAP_STACK, .MAP_GROWSDOWN, .MAP_HUGETLB])
        else { return false }
        return Host.raw(Int32(SYS_madvise), Int(start), Int(end - start), Int(MADV_HUGEPAGE)) == 0
    }

    // MARK: munmap

    /// munmap(2). What overlaps a live thread's stack stays until that thread exits.
    public func munmap(address: UInt64, length: UInt64) throws(GuestErrno) {
        guard address & (Arena.pageSize - 1) == 0, address <= Arena.top, length > 0, length <= Arena.top - address
        else { throw .EINVAL }
        try unmapAroundStacks(address, address + Arena.pageUp(length))
    }

    /// Unmaps [start, end) with the lock held.
    func unmap(_ start: UInt64, _ end: UInt64) throws(GuestErrno) {
        try reserve()
        revokeExecution(start, end)
        try check(unmapOnHost(start, end - start))
        forget(start, end)
    }
}
