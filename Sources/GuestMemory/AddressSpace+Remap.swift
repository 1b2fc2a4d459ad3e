import CShim
import Host
import LinuxABI

/// mremap(2). The host never chooses an address: a mapping that has to move gets a free range, by MREMAP_FIXED.
extension AddressSpace {
    /// mremap(2): where the mapping is afterwards.
    public func mremap(
        address: UInt64, oldLength: UInt64, newLength: UInt64, flags rawFlags: UInt64, newAddress: UInt64
    ) throws(GuestErrno) -> UInt64 {
        let flags = RemapFlags(rawValue: rawFlags)
        let old = Arena.pageUp(oldLength), new = Arena.pageUp(newLength)
        guard flags.isSubset(of: .all), address & (Arena.pageSize - 1) == 0, new > 0, new <= Arena.top
        else { throw .EINVAL }
        let directed = !flags.isDisjoint(with: [.MREMAP_FIXED, .MREMAP_DONTUNMAP])
        if directed {
            guard newAddress <= Arena.top - new, newAddress & (Arena.pageSize - 1) == 0, flags.contains(.MREMAP_MAYMOVE),
                !flags.contains(.MREMAP_DONTUNMAP) || old == new,
                !(address < newAddress + new && newAddress < address &+ old)
            else { throw .EINVAL }
        }
        let transaction = threadStacks.begin(vacated(address, old, directed ? 0 : new, flags))
        lock.lock()
        defer { lock.unlock() }
        defer { threadStacks.end(transaction) }
        guard let source = regions.region(containing: address) else { throw .EFAULT }
        guard old <= Arena.top - address else { throw old > new && !directed ? .EINVAL : .EFAULT }
        try reserve()
        var move = Move(
            from: address, old: old, to: address, new: new, flags: flags, source: source, transaction: transaction)
        if flags.contains(.MREMAP_FIXED) {
            guard newAddress >= Arena.base else { throw .EPERM }
            move.to = newAddress
            return try perform(move)
        }
        if !directed {
            if new <= old { return try shrink(move) }
            if let grown = try growInPlace(move) { return grown }
        }
        let alignment = new >= Self.hugePage ? Self.hugePage : Arena.pageSize
        guard
            let free = freeRange(
                new, hint: directed ? newAddress : 0, alignment: alignment, below: layout.mmapBase)
        else { throw .ENOMEM }
        move.to = free
        return try perform(move)
    }

    /// What the call unmaps of its source: all, unless `kept` bytes of it may stay.
    private func vacated(_ start: UInt64, _ old: UInt64, _ kept: UInt64, _ flags: RemapFlags) -> ThreadStacks.Span {
        guard start < Arena.top, old <= Arena.top - start, !flags.contains(.MREMAP_DONTUNMAP) else { return .empty }
        return ThreadStacks.Span(start: kept > old ? start : start + kept, end: start + old)
    }

    /// [from, from + old) becomes [to, to + new).
    private struct Move {
        let from, old: UInt64
        var to: UInt64
        let new: UInt64
        let flags: RemapFlags
        /// The region that holds `from`.
        let source: Region
        /// Over what is unmapped of [from, from + old), if any is.
        let transaction: ThreadStacks.Transaction
        var keepsSource: Bool { flags.contains(.MREMAP_DONTUNMAP) || old == 0 }

        func onHost(_ flags: RemapFlags) -> Int {
            Host.raw(Int32(SYS_mremap), Int(from), Int(old), Int(new), Int(flags.rawValue), Int(to))
        }
    }

    private func shrink(_ move: Move) throws(GuestErrno) -> UInt64 {
        if !move.transaction.overlaps.isEmpty {
            try carryOut(move.transaction)
            return move.from
        }
        let start = move.from + move.new, end = move.from + move.old
        revokeExecution(start, end)
        let result = move.onHost(move.flags)
        if result < 0 && result >= -4095 {
            forgetUnmapped(start, end)
            throw GuestErrno(Int32(-result))
        }
        forget(start, end)
        return move.from
    }

    /// nil where there is no room, but the mapping may move.
    private func growInPlace(_ move: Move) throws(GuestErrno) -> UInt64? {
        let start = move.from + move.old
        let mayMove = move.flags.contains(.MREMAP_MAYMOVE)
        if move.old > 0, move.new <= Arena.top - move.from, regions.isFree(start, move.from + move.new) {
            let result = move.onHost([])
            if result >= 0 || result < -4095 {
                var added = move.source
                added.start = start
                added.end = move.from + move.new
                if added.hasOffset { added.offset &+= start - move.source.start }
                regions.insert(added)
                return move.from
            }
            if !mayMove || result != -Int(ENOMEM) { throw GuestErrno(Int32(-result)) }
        }
        if mayMove { return nil }
        // An old length of zero duplicates a mapping, which only a shared one allows.
        throw move.old == 0 && !move.source.flags.contains(.shared) ? .EINVAL : .ENOMEM
    }

    private func perform(_ move: Move) throws(GuestErrno) -> UInt64 {
        let target = (start: move.to, end: move.to + move.new)
        revokeExecution(target.start, target.end)
        revokeExecution(move.from, move.from + move.old)
        let result = move.onHost(move.flags.union([.MREMAP_MAYMOVE, .MREMAP_FIXED]))
        if result < 0 && result >= -4095 {
            // Linux unmaps the target, and what the mapping shrinks by, before it finds that it cannot go on.
            forgetUnmapped(target.start, target.end)
            if move.old > move.new { forgetUnmapped(move.from + move.new, move.from + move.old) }
            throw GuestErrno(Int32(-result))
        }
        forget(target.start, target.end)
        carryRegions(move)
        if !move.keepsSource { commitMoved(move.transaction) }
        return move.to
    }

    /// Enters the regions of the source at the target, the last one as much longer as the mapping grew.
    private func carryRegions(_ move: Move) {
        // A duplicate takes its attributes from the one page at its source.
        let end = move.from + (move.old == 0 ? Arena.pageSize : min(move.old, move.new))
        var cursor = move.from
        while cursor < end, let region = regions.region(endingAbove: cursor), region.start < end {
            var part = region.clipped(from: cursor, to: end)
            cursor = part.end
            part.start = part.start - move.from + move.to
            part.end = cursor == end ? move.to + move.new : part.end - move.from + move.to
            if !part.hasOffset { part.kind = .anonymous }
            regions.insert(part)
        }
    }
}
