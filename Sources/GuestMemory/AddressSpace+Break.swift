import CShim
import Host
import LinuxABI

/// brk(2).
extension AddressSpace {
    /// Begins the break at or above `start`, the end of the program, moved up as arch_randomize_brk() does. `data` is the
    /// size of the program's data segment, which counts for RLIMIT_DATA. Returns where the break is.
    @discardableResult
    public func setBreak(start: UInt64, data: UInt64 = 0) -> UInt64 {
        lock.lock()
        defer { lock.unlock() }
        breakStart = Arena.pageUp(start) &+ layout.breakOffset
        breakEnd = breakStart
        programData = data
        return breakStart
    }

    /// The heap: [start, break).
    public var heap: (start: UInt64, end: UInt64) {
        lock.lock()
        defer { lock.unlock() }
        return (breakStart, breakEnd)
    }

    /// brk(2): the break as it is afterwards, which is the old one where it could not be moved.
    public func brk(_ wanted: UInt64) -> UInt64 {
        lock.lock()
        defer { lock.unlock() }
        guard wanted >= breakStart, breakStart > 0, wanted <= Arena.top - Arena.pageSize, isWithinDataLimit(wanted)
        else { return breakEnd }
        let old = Arena.pageUp(breakEnd), new = Arena.pageUp(wanted)
        if new < old {
            do throws(GuestErrno) { try unmap(new, old) } catch { return breakEnd }
        } else if new > old {
            guard growHeap(old, new) else { return breakEnd }
        }
        breakEnd = wanted
        return wanted
    }

    /// check_data_rlimit()
    private func isWithinDataLimit(_ wanted: UInt64) -> Bool {
        var limit = rlimit()
        let RLIMIT_DATA = 2
        let result = withUnsafeMutablePointer(to: &limit) {
            Host.raw(Int32(SYS_prlimit64), 0, RLIMIT_DATA, 0, $0.argument)
        }
        let size = (wanted - breakStart).addingReportingOverflow(programData)
        return result < 0 || (!size.overflow && size.partialValue <= UInt64(limit.rlim_cur))
    }

    private func growHeap(_ old: UInt64, _ new: UInt64) -> Bool {
        prepareChange(old, new + Arena.pageSize)
        // One page is kept free below the next mapping, more below one that grows down.
        if let next = regions.region(endingAbove: old), new + Arena.pageSize > next.guardedStart { return false }
        let request = MapRequest(
            address: old, length: new - old, prot: UInt64(PROT_READ | PROT_WRITE),
            flags: [.MAP_FIXED_NOREPLACE, .MAP_ANONYMOUS, .MAP_PRIVATE], fd: -1, offset: 0, kind: .heap)
        do throws(GuestErrno) { _ = try map(request) } catch { return false }
        return true
    }
}
