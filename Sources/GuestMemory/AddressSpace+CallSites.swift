import CShim
import Host
import LinuxABI

/// Hot system calls become jumps (x86-64). A `mov $number, %eax; syscall` in a program's private, read-only text (see `CallSite`) is rewritten
/// to an indirect jump through a slot of the window, a page at a fixed address whose upper half is again the `syscall` at the end: whoever jumps there makes the
/// call as before. What is written is this process's own copy of the page. Before anything changes at the site or in the window the
/// program's own bytes are put back.
extension AddressSpace {
    /// A sample: the call `number` was made from the site that ends at `returnAddress`. False where the site is none that can be rewritten.
    public func noteCall(_ number: UInt64, behind returnAddress: UInt64) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        guard !callSites.isOff else { return false }
        guard callSites.note(returnAddress) else { return true }
        return rewrite(UInt32(truncatingIfNeeded: number), returnAddress)
    }

    /// Puts all sites back and leaves the program's text alone from now on: it is looked at, or changed, as memory.
    public func keepCallSites() {
        lock.lock()
        defer { lock.unlock() }
        callSites.isOff = true
        restoreCalls(0, .max)
    }

    /// Whether a system call was rewritten at `address`, and what stands there now is no breakpoint. Waits for a change under way.
    public func isRewritten(_ address: UInt64) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        return callSites.knows(address) && Self.byte(at: address).map { $0 != Self.breakpoint } ?? false
    }

    /// Where the `syscall` instruction of the site is whose relay is at `address`; nil where none is.
    public func systemCall(relayedAt address: UInt64) -> UInt64? {
        lock.lock()
        defer { lock.unlock() }
        return callSites.site(withRelay: address).map { $0.returnAddress &- 2 }
    }

    /// The sites that are, or were, rewritten, by slot; for the caller of `hold`.
    public func forEachHeldCallSite(_ body: (_ slot: Int, CallSite) -> Void) {
        for (slot, entry) in callSites.entries.enumerated() { body(slot, entry.site) }
    }

    /// Before [start, end) changes, with the lock held: what stands there is the program's own again, and the window has gone.
    func prepareChange(_ start: UInt64, _ end: UInt64) {
        if callSites.entries.isEmpty { return }
        if callSites.isWindow(start, end) {
            callSites.isOff = true
            restoreCalls(0, .max)
            _ = Host.raw(Int32(SYS_munmap), Int(CallSites.window), Int(Arena.pageSize))
            regions.remove(CallSites.window, CallSites.window + Arena.pageSize)
            callSites.hasWindow = false
        } else {
            restoreCalls(start, end)
        }
    }

    // MARK: With the lock held

    private static let breakpoint: UInt8 = 0xcc

    private func rewrite(_ number: UInt32, _ returnAddress: UInt64) -> Bool {
        guard !callSites.isFull, let observer, let region = regions.region(containing: returnAddress &- 1), region.kind == .file || region.kind == .image,
            region.protection & (PROT_EXEC | PROT_WRITE) == PROT_EXEC, !region.flags.contains(.shared),
            let site = CallSite(of: number, returnAddress: returnAddress, Self.text(around: returnAddress)),
            Arena.pageDown(site.address) == Arena.pageDown(site.end - 1)
        else { return false }
        guard let text = ProcessText() else {
            callSites.isOff = true
            return false
        }
        defer { text.close() }
        guard callSites.hasWindow || mapWindow(observer) else {
            callSites.isOff = true
            return false
        }
        let slot = callSites.add(site)
        observer.callSiteChosen(slot, site)
        for bytes in site.jump(through: slot) where !change(text, to: bytes) {
            callSites.markRestored(slot)
            callSites.isOff = true
            return false
        }
        return true
    }

    private func restoreCalls(_ start: UInt64, _ end: UInt64) {
        let slots = callSites.slots(in: start, end)
        guard !slots.isEmpty, let text = ProcessText() else { return }
        defer { text.close() }
        let alone = observer?.runsAlone ?? true
        for slot in slots {
            let site = callSites.entries[slot].site
            // The guest may have dropped its copy of the page.
            if site.jump(through: slot).allSatisfy({ Self.stands($0) }) {
                for bytes in site.original(alone: alone) { _ = change(text, to: bytes) }
            }
            callSites.markRestored(slot)
        }
    }

    /// The text from `CallSite.before` bytes before `address` on, as far as the page of what is before goes; empty where it is not all there.
    private static func text(around address: UInt64) -> [UInt8] {
        let start = address &- CallSite.before, end = min(address &+ CallSite.behind, Arena.pageDown(address &- 1) &+ Arena.pageSize)
        guard start < address, end >= address, Arena.contains(GuestAddress(start), length: end - start) else { return [] }
        var bytes = [UInt8](repeating: 0, count: Int(end - start))
        // SAFETY: inside the arena; the routine survives faults.
        let left = bytes.withUnsafeMutableBytes { vmrun_copy($0.baseAddress, Arena.pointer(GuestAddress(start)), $0.count) }
        return left == 0 ? bytes : []
    }

    private static func byte(at address: UInt64) -> UInt8? {
        do throws(GuestErrno) { return try GuestAccess.read(UInt8.self, at: GuestAddress(address)) } catch { return nil }
    }

    private static func stands(_ bytes: CallSite.Bytes) -> Bool {
        (0..<bytes.count).allSatisfy {
            byte(at: bytes.address + UInt64($0)) == UInt8(truncatingIfNeeded: bytes.value >> (UInt64($0) * 8))
        }
    }

    /// Writes part of a site. Where other processors may execute it a breakpoint stands there meanwhile, which sends a vCPU to
    /// `isRewritten`, and all have seen it before the rest is written.
    private func change(_ text: ProcessText, to bytes: CallSite.Bytes) -> Bool {
        let (address, value) = (bytes.address, bytes.value)
        if observer?.runsAlone ?? true { return text.write(value, count: bytes.count, at: address) }
        return synchronize() && text.write(UInt64(Self.breakpoint), count: 1, at: address) && synchronize()
            && text.write(value >> 8, count: bytes.count - 1, at: address + 1) && synchronize() && text.write(value, count: 1, at: address)
    }

    private static let MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE = 1 << 5
    private static let MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE = 1 << 6

    /// All processors that execute this process forget what they have fetched ahead (membarrier(2)): each vCPU leaves and enters the guest.
    private func synchronize() -> Bool {
        if !callSites.isRegistered {
            callSites.isRegistered = true
            _ = Host.raw(Int32(SYS_membarrier), Self.MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0)
        }
        return Host.raw(Int32(SYS_membarrier), Self.MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0) == 0
    }

    /// The page of slots: a file in memory, so that nothing that a guest does to it by chance (madvise(2)) empties it.
    private func mapWindow(_ observer: any AddressSpaceObserver) -> Bool {
        guard Host.raw(Int32(SYS_membarrier), 0, 0) & Self.MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE != 0 else { return false }
        let start = CallSites.window, end = start + Arena.pageSize
        guard regions.isFree(start, end), regions.reserve(1) else { return false }
        let descriptor: Int32
        do throws(HostError) {
            descriptor = try Host.memoryFile("vmrun:call-sites")
        } catch { return false }
        defer { Host.close(descriptor) }
        var slots: [UInt8] = []
        for slot in 0..<CallSites.capacity {
            withUnsafeBytes(of: observer.target(ofSlot: slot).littleEndian) { slots.append(contentsOf: $0) }
        }
        do throws(HostError) { try Host.fill(memoryFile: descriptor, with: slots) } catch { return false }
        let result = Host.raw(
            Int32(SYS_mmap), Int(start), Int(Arena.pageSize), Int(PROT_READ), Int(MAP_SHARED | MAP_FIXED_NOREPLACE), Int(descriptor), 0)
        guard result == Int(start) else { return false }
        regions.insert(Region(start: start, end: end, protection: PROT_READ, kind: .file, flags: .shared))
        callSites.hasWindow = true
        return true
    }
}
