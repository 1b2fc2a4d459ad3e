import CShim
import Host
import LinuxABI

/// mprotect(2), pkey_mprotect(2) and remap_file_pages(2).
extension AddressSpace {
    private static let PROT_SEM: UInt64 = 0x8
    private static let PROT_GROWSDOWN: UInt64 = 0x0100_0000
    private static let PROT_GROWSUP: UInt64 = 0x0200_0000

    /// mprotect(2) and, with a key, pkey_mprotect(2). Where the range has a hole, what lies before it is changed.
    public func mprotect(address: UInt64, length: UInt64, prot: UInt64, pkey: Int32 = -1) throws(GuestErrno) {
        let growth = prot & (Self.PROT_GROWSDOWN | Self.PROT_GROWSUP)
        let known = UInt64(PROT_READ | PROT_WRITE | PROT_EXEC) | Self.PROT_SEM | growth
        guard growth != Self.PROT_GROWSDOWN | Self.PROT_GROWSUP, address & (Arena.pageSize - 1) == 0
        else { throw .EINVAL }
        if length == 0 { return }
        let wanted = address &+ Arena.pageUp(length)
        guard wanted > address else { throw .ENOMEM }
        guard prot & ~known == 0 else { throw .EINVAL }
        guard address < Arena.top else { throw .ENOMEM }
        let end = min(wanted, Arena.top)

        lock.lock()
        defer { lock.unlock() }
        try reserve()
        let growsDown = growth == Self.PROT_GROWSDOWN
        let start = growsDown ? regions.region(endingAbove: address).map { min($0.start, address) } ?? address : address
        let protection = effective(prot)
        if protection & PROT_EXEC == 0 { revokeExecution(start, end) } else { prepareChange(start, end) }
        let result = hostProtect(address, end, prot, pkey)
        if result < 0 {
            protectPiecewise(address, end, prot & ~growth, pkey)
            throw GuestErrno(Int32(-result))
        }
        regions.protect(start, end, protection)
        if end < wanted { throw .ENOMEM }
    }

    private func hostProtect(_ start: UInt64, _ end: UInt64, _ prot: UInt64, _ pkey: Int32) -> Int {
        pkey == -1
            ? Host.raw(Int32(SYS_mprotect), Int(start), Int(end - start), Int(prot))
            : Host.raw(Int32(SYS_pkey_mprotect), Int(start), Int(end - start), Int(prot), Int(pkey))
    }

    /// The host has changed what lies before a hole, or before a mapping that may not be changed so. Asked again for each
    /// region, it tells how far it came.
    private func protectPiecewise(_ start: UInt64, _ end: UInt64, _ prot: UInt64, _ pkey: Int32) {
        var cursor = start
        while cursor < end, let region = regions.region(containing: cursor) {
            let part = region.clipped(from: cursor, to: end)
            guard hostProtect(part.start, part.end, prot, pkey) >= 0 else { return }
            regions.protect(part.start, part.end, effective(prot))
            cursor = part.end
        }
    }

    /// remap_file_pages(2). The mapping keeps its place and its protection; only what it shows changes.
    public func remapFilePages(
        address: UInt64, size: UInt64, prot: UInt64, pageOffset: UInt64, flags: UInt64
    ) throws(GuestErrno) {
        let start = Arena.pageDown(address), length = Arena.pageDown(size)
        guard prot == 0, length > 0, start < Arena.top, length <= Arena.top - start else { throw .EINVAL }
        lock.lock()
        defer { lock.unlock() }
        try reserve()
        revokeExecution(start, start + length)
        try check(
            Host.raw(
                Int32(SYS_remap_file_pages), Int(start), Int(length), 0, Int(truncatingIfNeeded: pageOffset),
                Int(truncatingIfNeeded: flags)))
        regions.change(start, start + length) { region in
            if region.hasOffset { region.offset = pageOffset << 12 &+ (region.start - start) }
        }
    }
}
