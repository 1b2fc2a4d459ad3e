import CShim
import Host
import LinuxABI

/// Files whose offsets are addresses of a process's memory, so that no text stands for them: each read and write is served
/// by the host's file of the same name, as far as the address is the guest's.
public enum AddressedFile {
    /// /proc/PID/mem, proc_pid_mem(5).
    case memory
    /// /proc/PID/pagemap, proc_pid_pagemap(5): eight bytes for each page.
    case pageMap
}

/// An open `AddressedFile`.
public struct AddressedObject {
    public let file: AddressedFile
    let hostPath: [UInt8]
    private let arena: Range<UInt64>

    private static let pageSize: UInt64 = 4096
    private static let entrySize: UInt64 = 8
    /// What pagemap ends at.
    private static let highestAddress = TaskSize.value
    /// What an entry says beyond the frame number, which is the host's own business: soft-dirty, exclusive, write-protected, guard,
    /// file or shared, swapped, present.
    private static let shownBits: UInt64 = ~0 << 55

    /// Nil for all other paths. Whether the process is still there does not matter.
    init?(path: [UInt8], arena: Range<UInt64>) {
        var rest = path[...]
        guard rest.hasPrefix("/proc/") else { return nil }
        rest = rest.dropFirst("/proc/".utf8.count)
        guard rest.take(until: UInt8(ascii: "/")).decimal != nil else { return nil }
        if rest.hasPrefix("task/") {
            rest = rest.dropFirst("task/".utf8.count)
            guard rest.take(until: UInt8(ascii: "/")).decimal != nil else { return nil }
        }
        if rest.equals("mem") {
            file = .memory
        } else if rest.equals("pagemap") {
            file = .pageMap
        } else {
            return nil
        }
        hostPath = path
        self.arena = arena
    }

    /// The host's file in vmrun's window, for one call; the caller closes it. Nil where the process is gone, and then there is
    /// nothing to read. Errors are those of the open.
    public func open(writing: Bool) throws(GuestErrno) -> Int32? {
        do throws(HostError) {
            return try HostFile.openInternal(hostPath, flags: writing ? O_WRONLY : O_RDONLY)
        } catch {
            if error.number == ENOENT || error.number == ESRCH { return nil }
            throw GuestErrno(error.number)
        }
    }

    /// How much of `length` bytes of memory from `offset` on is the guest's; nil where nothing is mapped there (EIO).
    public func memoryLength(at offset: UInt64, _ length: Int) -> Int? {
        guard arena.contains(offset) else { return nil }
        return Int(min(UInt64(length), arena.upperBound - offset))
    }

    /// Fills `buffer` with the entries that begin at `offset`; 0 at the end, EINVAL where either is not a multiple of 8.
    public func readPageMap(
        _ descriptor: Int32, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(GuestErrno) -> Int {
        guard offset % Self.entrySize == 0, UInt64(buffer.count) % Self.entrySize == 0 else { throw .EINVAL }
        let end = Self.highestAddress / Self.pageSize * Self.entrySize
        guard offset < end, let base = buffer.baseAddress else { return 0 }
        let count = Int(min(UInt64(buffer.count), end - offset))
        // Outside the arena nothing is the guest's, so nothing is there.
        memset(base, 0, count)
        let first = max(offset, arena.lowerBound / Self.pageSize * Self.entrySize)
        let last = min(offset + UInt64(count), arena.upperBound / Self.pageSize * Self.entrySize)
        guard first < last else { return count }
        let place = base + Int(first - offset)
        let read = Host.raw(Int32(SYS_pread64), Int(descriptor), Int(bitPattern: place), Int(last - first), Int(first))
        guard read >= 0 else { throw GuestErrno(Int32(truncatingIfNeeded: -read)) }
        for position in stride(from: 0, to: read & ~7, by: 8) {
            let entry = place.load(fromByteOffset: position, as: UInt64.self)
            place.storeBytes(of: entry & Self.shownBits, toByteOffset: position, as: UInt64.self)
        }
        return count
    }
}
