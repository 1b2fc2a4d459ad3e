import CShim
import Host
import LinuxABI

/// Regions that grow down (MAP_GROWSDOWN). The host grows them when it accesses them itself; KVM does not.
extension AddressSpace {
    /// Extends a region that grows down to `address`, where Linux would: within RLIMIT_STACK, and not into the guard gap
    /// above the mapping below. True where `address` is mapped now.
    public func growStack(at address: UInt64) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        guard Arena.contains(GuestAddress(address)), let stack = regions.region(endingAbove: address) else { return false }
        // Mapped by now, by another thread; where the host disagrees the fault is real.
        if stack.start <= address { return isMappedOnHost(Arena.pageDown(address)) }
        guard stack.flags.contains(.growsDown) else { return false }
        // Further than asked: finding the address of each fault costs several exits.
        let page = Arena.pageDown(address)
        let ahead = max(stack.end - stack.start, Self.smallestGrowth)
        if page > ahead + Arena.base, stack.start < page + ahead, grow(stack, to: page - ahead) { return true }
        return grow(stack, to: page)
    }

    private static let smallestGrowth: UInt64 = 128 << 10

    private func grow(_ stack: Region, to page: UInt64) -> Bool {
        guard regions.isFree(page, stack.start), regions.reserve(1) else { return false }
        var byte: UInt8 = 0
        // SAFETY: the page is in the arena and the routine survives faults. The access is what makes the host grow the stack,
        // by its own rules.
        _ = vmrun_copy(&byte, Arena.pointer(GuestAddress(page)), 1)
        guard isMappedOnHost(page) else { return false }
        extend(stack, to: page)
        return true
    }

    private func extend(_ stack: Region, to start: UInt64) {
        var part = stack
        part.end = stack.start
        part.start = start
        regions.insert(part)
    }

    /// Takes over what the host has grown the first stack above `address` by. False where it has not.
    func adoptGrowth(above address: UInt64) -> Bool {
        guard let stack = regions.region(endingAbove: address), stack.flags.contains(.growsDown),
            stack.start > address, regions.reserve(1)
        else { return false }
        var start = stack.start
        while start > Arena.base, regions.isFree(start - Arena.pageSize, start),
            isMappedOnHost(start - Arena.pageSize)
        {
            start -= Arena.pageSize
        }
        guard start < stack.start else { return false }
        extend(stack, to: start)
        return true
    }
}
