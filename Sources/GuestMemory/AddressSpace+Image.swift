import CShim
import Host
import LinuxABI

/// What the program loader asks of an address space that no guest thread runs in yet.
extension AddressSpace {
    /// A private file mapping of a program's segment at exactly [address, address + length).
    public func mapFile(
        address: UInt64, length: UInt64, prot: Int32, descriptor: Int32, offset: UInt64
    ) throws(GuestErrno) {
        try mapImage(
            MapRequest(
                address: address, length: length, prot: UInt64(prot), flags: [.MAP_PRIVATE, .MAP_FIXED], fd: descriptor,
                offset: offset, kind: .image))
    }

    /// Private zeroed memory of a program at exactly [address, address + length).
    public func mapAnonymous(address: UInt64, length: UInt64, prot: Int32) throws(GuestErrno) {
        try mapImage(
            MapRequest(
                address: address, length: length, prot: UInt64(prot),
                flags: [.MAP_PRIVATE, .MAP_FIXED, .MAP_ANONYMOUS], fd: -1, offset: 0))
    }

    /// The first thread's stack: `length` bytes below the layout's stack top, growing down as RLIMIT_STACK allows. Returns
    /// its end.
    public func mapStack(length: UInt64, prot: Int32) throws(GuestErrno) -> UInt64 {
        guard length < layout.stackTop else { throw .ENOMEM }
        try mapImage(
            MapRequest(
                address: layout.stackTop - Arena.pageUp(length), length: length, prot: UInt64(prot),
                flags: [.MAP_PRIVATE, .MAP_FIXED, .MAP_ANONYMOUS, .MAP_GROWSDOWN, .MAP_NORESERVE], fd: -1, offset: 0,
                kind: .stack))
        return layout.stackTop
    }

    private func mapImage(_ request: MapRequest) throws(GuestErrno) {
        lock.lock()
        defer { lock.unlock() }
        _ = try map(request)
    }

    /// A free range for a position-independent image, to be mapped before anything else is asked for: from the layout's base
    /// of programs up, or else, for an interpreter, the highest of the mmap region. `alignment` is a power of two.
    public func freeRange(
        length: UInt64, alignment: UInt64, forProgram: Bool
    ) throws(GuestErrno) -> UInt64 {
        let length = Arena.pageUp(length), alignment = max(alignment, Arena.pageSize)
        lock.lock()
        defer { lock.unlock() }
        let found = forProgram
            ? regions.lowestGap(length, in: layout.pieBase, Arena.top, alignment: alignment)
            : regions.highestGap(length, in: Arena.base, layout.mmapBase, alignment: alignment)
        guard let found else { throw .ENOMEM }
        return found
    }
}
