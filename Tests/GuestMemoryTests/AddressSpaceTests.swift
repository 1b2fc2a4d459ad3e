import CShim
import Host
import LinuxABI
import Testing

@testable import GuestMemory

private let page = Arena.pageSize
private let rw = UInt64(PROT_READ | PROT_WRITE)
private let rx = UInt64(PROT_READ | PROT_EXEC)
private let anonymous: UInt64 = 0x22
private let fixed: UInt64 = 0x10
private let noReplace: UInt64 = 0x100000
private let growsDown: UInt64 = 0x100

private final class Revocations: AddressSpaceObserver {
    var ranges: [Range<UInt64>] = []
    func executeRevoked(start: UInt64, end: UInt64) { ranges.append(start..<end) }
    var runsAlone: Bool { true }
    func target(ofSlot slot: Int) -> UInt64 { UInt64(slot) }
    func callSiteChosen(_ slot: Int, _ site: CallSite) {}
}

/// Spaces share the one arena there is, so one test runs at a time and leaves it empty.
@Suite(.serialized) final class AddressSpaceTests {
    let space = AddressSpace(layout: .fixed(stackLimit: 8 << 20))

    init() { vmrun_install_handlers() }

    deinit { try? space.reset(layout: space.layout) }

    private func map(
        _ length: UInt64, at address: UInt64 = 0, prot: UInt64 = rw, flags: UInt64 = anonymous, fd: Int32 = -1,
        offset: UInt64 = 0
    ) throws -> UInt64 {
        try space.mmap(address: address, length: length, prot: prot, flags: flags, fd: fd, offset: offset)
    }

    private func poke(_ address: UInt64, _ value: UInt8) throws { try GuestAccess.write(value, at: GuestAddress(address)) }
    private func peek(_ address: UInt64) throws -> UInt8 { try GuestAccess.read(UInt8.self, at: GuestAddress(address)) }

    // MARK: Placement

    @Test func mappingsGoTopDown() throws {
        let first = try map(page), second = try map(3 * page)
        #expect(first == space.layout.mmapBase - page)
        #expect(second == first - 3 * page)
        #expect(space.regionCount == 1)
        try space.munmap(address: first, length: page)
        #expect(try map(page) == first)
        try poke(first, 7)
        #expect(try peek(first) == 7)
    }

    @Test func freeHintsAreHonouredExactly() throws {
        for hint: UInt64 in [0x40_0000, Arena.base, 0x1234_5000, 0x7000_0000_0000 / 2] {
            #expect(try map(page, at: hint) == hint)
        }
        #expect(try map(page, at: 0x2000_0123) == 0x2000_0000)
        // Linux rounds a hint below mmap_min_addr up to it.
        try space.munmap(address: Arena.base, length: page)
        #expect(try map(page, at: 0x1000) == Arena.base)
    }

    @Test func hintsDoNotDisturbUnhintedMappings() throws {
        let first = try map(page)
        let low = try map(16 * page, at: 0x40_0000)
        #expect(try map(page) == first - page)
        try space.munmap(address: low, length: 16 * page)
        #expect(try map(16 * page, at: 0x40_0000) == low)
        #expect(try map(page) == first - 2 * page)
    }

    @Test func collidingAndImpossibleHintsAreMoved() throws {
        let taken = try map(4 * page, at: 0x40_0000)
        let moved = try map(page, at: taken + page)
        #expect(moved == space.layout.mmapBase - page)
        #expect(try map(2 * page, at: taken - page) == moved - 2 * page)
        #expect(try map(page, at: Arena.top) == moved - 3 * page)
        #expect(try map(page, at: .max - page) == moved - 4 * page)
    }

    #if arch(x86_64)
    @Test func low32() throws {
        let flags = anonymous | 0x40
        #expect(try map(page, flags: flags) == 0x4000_0000)
        #expect(try map(page, flags: flags) == 0x4000_1000)
        #expect(try map(page, at: 0x2000_0000, flags: flags) == 0x2000_0000)
        #expect(try map(page, at: 0x7fff_f000, flags: flags) == 0x7fff_f000)
        #expect(try map(page, at: 0x8000_0000, flags: flags) == 0x4000_2000)
        #expect(throws: GuestErrno.ENOMEM) { try map(1 << 30, flags: flags) }
    }
    #endif

    @Test func largeMappingsAreAlignedForHugePages() throws {
        _ = try map(page)
        let large = try map(4 << 20)
        #expect(large & (AddressSpace.hugePage - 1) == 0)
        #expect(space.region(containing: large)?.flags.contains(.hugePages) == true)
        let stack = try map(8 << 20, flags: anonymous | 0x20000)
        #expect(space.region(containing: stack)?.flags.contains(.hugePages) == false)
        let small = try map(page)
        #expect(space.region(containing: small)?.flags.contains(.hugePages) == false)
    }

    @Test func fullRegionGoesOnElsewhere() throws {
        let layout = space.layout
        _ = try map(layout.mmapBase - Arena.base, at: Arena.base, prot: 0, flags: anonymous | fixed | 0x4000)
        #expect(try map(page) >= layout.mmapBase)
        #expect(throws: GuestErrno.ENOMEM) { try map(Arena.top - Arena.base, flags: anonymous | 0x4000) }
    }

    @Test func layoutsLeaveRoomForTheStack() {
        for _ in 0..<200 {
            let layout = Layout.randomized(stackLimit: 8 << 20)
            #expect(layout.stackTop < Arena.top && layout.stackTop > Arena.top - (17 << 30))
            #expect(layout.stackTop - layout.mmapBase >= 128 << 20)
            #expect(layout.mmapBase > Arena.top - (2 << 40))
            #expect(layout.pieBase >= 0x3800_0000_0000 && layout.pieBase < 0x3a00_0000_0000)
            #expect((layout.stackTop | layout.mmapBase | layout.pieBase | layout.breakOffset) & (page - 1) == 0)
            #expect(Layout.randomized(stackLimit: .max).mmapBase > 1 << 40)
        }
        #expect(Layout.randomized(stackLimit: 8 << 20) != Layout.randomized(stackLimit: 8 << 20))
    }

    // MARK: Fixed

    @Test func fixedReplaces() throws {
        let start = try map(4 * page)
        try poke(start + page, 9)
        #expect(try map(page, at: start + page, flags: anonymous | fixed) == start + page)
        #expect(try peek(start + page) == 0)
        #expect(space.regionCount == 1)
        #expect(throws: GuestErrno.EEXIST) { try map(page, at: start, flags: anonymous | noReplace) }
        try space.munmap(address: start, length: page)
        #expect(try map(page, at: start, flags: anonymous | noReplace) == start)
    }

    /// The host is the oracle: what fails natively fails alike, with the address arguments of the arena.
    @Test func mmapErrorsAreTheHosts() throws {
        let readOnly = Int32(Host.raw(Int32(SYS_openat), -100, Int(bitPattern: strdup("/proc/self/exe")), 0, 0))
        let address: UInt64 = 0x1000_0000
        let cases: [(UInt64, UInt64, UInt64, UInt64, Int32, UInt64)] = [
            (address, 0, rw, anonymous, -1, 0), (address, 0, rw, 2, -1, 0), (address, page, rw, 0x20, -1, 0),
            (address, page, rw, 2, -1, 0), (address, page, rw, 2, 12345, 1), (address, page, rw, 2, 12345, 0),
            (address, page, rw, 1, readOnly, 0), (address, page, rw, 3, readOnly, 0),
            (address, page, 1, 3 | 0x80000, readOnly, 0), (address, page, 1, 3 | noReplace, readOnly, 0),
            (address, .max, rw, anonymous, -1, 0), (address, .max - page, rw, anonymous, -1, 0),
            (address + 1, page, rw, anonymous | fixed, -1, 0), (.max - 4095, page, rw, anonymous | fixed, -1, 0),
            (.max - 4095, page, rw, 2 | fixed, 12345, 0), (address + 1, page, rw, 2 | fixed, 12345, 0),
            (address, page, rw, anonymous | 0x01 | growsDown, -1, 0), (address, page, rw, 0x23, -1, 0),
            (address, page, rw, 2, readOnly, .max - 4095), (1 << 63, page, rw, anonymous | fixed, -1, 0),
            (address, page, rw, anonymous, -1, 17), (address, 1 << 62, rw, 2, 12345, 0),
        ]
        for (index, arguments) in cases.enumerated() {
            let (address, length, prot, flags, fd, offset) = arguments
            let native = Host.raw(
                Int32(SYS_mmap), Int(truncatingIfNeeded: address), Int(truncatingIfNeeded: length), Int(prot), Int(flags),
                Int(fd), Int(truncatingIfNeeded: offset))
            #expect(native < 0 && native > -4096, "case \(index) must fail natively")
            var ours = 0
            do throws(GuestErrno) {
                _ = try space.mmap(address: address, length: length, prot: prot, flags: flags, fd: fd, offset: offset)
            } catch { ours = error.result }
            #expect(ours == native, "case \(index)")
        }
        #expect(throws: GuestErrno.EPERM) { try map(page, at: 0, flags: anonymous | fixed) }
        #expect(throws: GuestErrno.ENOMEM) { try map(2 * page, at: Arena.top - page, flags: anonymous | fixed) }
        #expect(space.regionCount == 0)
        _ = Host.raw(Int32(SYS_close), Int(readOnly))
    }

    @Test func sharedValidate() throws {
        let fd = Int32(Host.raw(Int32(SYS_memfd_create), Int(bitPattern: strdup("x")), 0))
        _ = Host.raw(Int32(SYS_ftruncate), Int(fd), Int(8 * page))
        let start = try map(page, flags: 3, fd: fd, offset: page)
        let region = space.region(containing: start)
        #expect(region?.kind == .file && region?.offset == page && region?.flags.contains(.shared) == true)
        // The next file page below joins it.
        #expect(try map(page, flags: 3, fd: fd) == start - page)
        #expect(space.regionCount == 1)
        _ = Host.raw(Int32(SYS_close), Int(fd))
    }

    // MARK: munmap

    @Test func munmapErrors() throws {
        let start = try map(2 * page)
        #expect(throws: GuestErrno.EINVAL) { try space.munmap(address: start + 1, length: page) }
        #expect(throws: GuestErrno.EINVAL) { try space.munmap(address: start, length: 0) }
        #expect(throws: GuestErrno.EINVAL) { try space.munmap(address: Arena.top + page, length: page) }
        #expect(throws: GuestErrno.EINVAL) { try space.munmap(address: start, length: .max) }
        try space.munmap(address: start + page, length: 1)
        #expect(throws: GuestErrno.EFAULT) { try peek(start + page) }
        try space.munmap(address: start + page, length: page)
        try space.munmap(address: 0, length: page)
        #expect(space.regionCount == 1)
    }

    // MARK: mprotect

    @Test func mprotectSplitsAndMerges() throws {
        let start = try map(4 * page)
        try space.mprotect(address: start + page, length: page, prot: 0)
        #expect(space.regionCount == 3)
        #expect(throws: GuestErrno.EFAULT) { try peek(start + page) }
        try space.mprotect(address: start + page, length: 1, prot: rw)
        #expect(space.regionCount == 1)
    }

    @Test func mprotectErrorsAndHoles() throws {
        let start = try map(4 * page)
        try space.munmap(address: start + 2 * page, length: page)
        #expect(throws: GuestErrno.ENOMEM) { try space.mprotect(address: start, length: 4 * page, prot: 1) }
        // Linux changes what lies before the hole.
        #expect(space.region(containing: start)?.protection == PROT_READ)
        #expect(space.region(containing: start + 3 * page)?.protection == PROT_READ | PROT_WRITE)
        #expect(throws: GuestErrno.EINVAL) { try space.mprotect(address: start + 1, length: page, prot: 1) }
        #expect(throws: GuestErrno.EINVAL) { try space.mprotect(address: start, length: page, prot: 0x300_0001) }
        #expect(throws: GuestErrno.EINVAL) { try space.mprotect(address: start, length: page, prot: 0x40) }
        #expect(throws: GuestErrno.ENOMEM) { try space.mprotect(address: start, length: .max - start, prot: 1) }
        #expect(throws: GuestErrno.ENOMEM) { try space.mprotect(address: Arena.top, length: page, prot: 1) }
        #expect(throws: GuestErrno.EINVAL) { try space.mprotect(address: start, length: page, prot: 0x100_0001) }
        try space.mprotect(address: start, length: 0, prot: 0x40)
    }

    @Test func mprotectStopsAtWhatMayNotBeChanged() throws {
        let fd = Int32(Host.raw(Int32(SYS_openat), -100, Int(bitPattern: strdup("/proc/self/exe")), 0, 0))
        let start = try map(3 * page)
        _ = try map(page, at: start + page, prot: 1, flags: 0x11, fd: fd)
        try space.mprotect(address: start, length: page, prot: 1)
        #expect(throws: GuestErrno.EACCES) { try space.mprotect(address: start, length: 3 * page, prot: rw) }
        #expect(space.region(containing: start)?.protection == Int32(rw))
        #expect(space.region(containing: start + page)?.protection == PROT_READ)
        _ = Host.raw(Int32(SYS_close), Int(fd))
    }

    // MARK: Execution

    @Test func observerLearnsBeforeExecutionEnds() throws {
        let observer = Revocations()
        space.observer = observer
        defer { space.observer = nil }
        let code = try map(4 * page, prot: rx)
        let data = try map(page)
        try space.munmap(address: data, length: page)
        #expect(observer.ranges.isEmpty)
        try space.mprotect(address: code, length: page, prot: rw)
        #expect(observer.ranges == [code..<code + page])
        _ = try map(page, at: code + page, flags: anonymous | fixed)
        #expect(observer.ranges.last == code + page..<code + 2 * page)
        let moved = try space.mremap(
            address: code + 2 * page, oldLength: page, newLength: page, flags: 3, newAddress: 0x5000_0000)
        #expect(observer.ranges.last == code + 2 * page..<code + 3 * page)
        try space.munmap(address: moved, length: page)
        #expect(observer.ranges.last == moved..<moved + page)
        #expect(observer.ranges.count == 4)
    }

    @Test func executablePagesOfABlock() throws {
        let block: UInt64 = 0x1000_0000
        _ = try map(AddressSpace.hugePage, at: block - page, prot: rx)
        var words = [UInt64](repeating: .max, count: 8)
        #expect(!words.withUnsafeMutableBufferPointer { buffer in
            space.hold()
            defer { space.release() }
            return space.heldExecutablePages(ofBlock: block + 5, buffer.baseAddress!)
        })
        #expect(words == [.max, .max, .max, .max, .max, .max, .max, .max >> 1])
        _ = try map(page, at: block + AddressSpace.hugePage - page, prot: rx)
        #expect(words.withUnsafeMutableBufferPointer { buffer in
            space.hold()
            defer { space.release() }
            return space.heldExecutablePages(ofBlock: block, buffer.baseAddress!)
        })
        space.readImpliesExec = true
        let data = try map(page)
        #expect(space.region(containing: data)?.protection == Int32(rw) | PROT_EXEC)
    }

    // MARK: mremap

    @Test func mremapGrowsInPlaceOrMoves() throws {
        let start = try map(page, at: 0x1000_0000)
        try poke(start, 3)
        #expect(try space.mremap(address: start, oldLength: page, newLength: 3 * page, flags: 0, newAddress: 0) == start)
        #expect(space.region(containing: start)?.end == start + 3 * page)
        _ = try map(page, at: start + 3 * page, prot: 1)
        #expect(throws: GuestErrno.ENOMEM) {
            try space.mremap(address: start, oldLength: 3 * page, newLength: 4 * page, flags: 0, newAddress: 0)
        }
        let moved = try space.mremap(address: start, oldLength: 3 * page, newLength: 4 * page, flags: 1, newAddress: 0)
        #expect(moved == space.layout.mmapBase - 4 * page)
        #expect(try peek(moved) == 3)
        #expect(space.region(containing: start) == nil)
        #expect(space.region(containing: moved)?.end == moved + 4 * page)
        #expect(try space.mremap(address: moved, oldLength: 4 * page, newLength: page, flags: 0, newAddress: 0) == moved)
        #expect(space.region(containing: moved + page) == nil)
        #expect(throws: GuestErrno.EFAULT) { try peek(moved + page) }
    }

    /// What mremap(2) takes away from under a live thread waits for it, as with munmap(2).
    @Test func mremapOfALiveStack() throws {
        let start = try map(8 * page, at: 0x1000_0000)
        space.registerStack(thread: 1, stack: start, size: 8 * page)
        try poke(start + 7 * page, 7)
        #expect(
            try space.mremap(address: start, oldLength: 8 * page, newLength: 6 * page, flags: 0, newAddress: 0) == start)
        #expect(try peek(start + 7 * page) == 7)
        try poke(start, 3)
        let target: UInt64 = 0x2000_0000
        #expect(
            try space.mremap(address: start, oldLength: 6 * page, newLength: 6 * page, flags: 3, newAddress: target)
                == target)
        #expect(try peek(target) == 3)
        // Taken, but nothing is there.
        #expect(throws: GuestErrno.EFAULT) { try peek(start) }
        #expect(try map(page, at: start) != start)
        space.threadExiting(1)
        #expect(try map(8 * page, at: start) == start)
        #expect(try peek(start + 7 * page) == 0)
        #expect(try peek(target) == 3)
    }

    /// MAP_FIXED replaces a stack at once, and what it put there outlives the thread.
    @Test func mappingsOverALiveStack() throws {
        let start = try map(8 * page, at: 0x1000_0000)
        space.registerStack(thread: 1, stack: start, size: 8 * page)
        try poke(start, 7)
        #expect(try map(page, at: start, flags: anonymous | fixed) == start)
        #expect(try peek(start) == 0)
        try space.munmap(address: start, length: page)
        #expect(space.region(containing: start) == nil)
        try space.munmap(address: start, length: 8 * page)
        #expect(space.region(containing: start + page) != nil)
        #expect(try map(2 * page, at: start + 2 * page, flags: anonymous | fixed) == start + 2 * page)
        space.threadExiting(1)
        #expect(space.region(containing: start + page) == nil)
        #expect(space.region(containing: start + 2 * page)?.end == start + 4 * page)
        #expect(space.regionCount == 1)
    }

    /// Where nothing was when a thread was born there, a later mapping is no stack.
    @Test func aStackThatIsNotThere() throws {
        let start: UInt64 = 0x1000_0000
        space.registerStack(thread: 1, stack: start, size: 8 * page)
        #expect(try map(page, at: start) == start)
        try space.munmap(address: start, length: page)
        #expect(space.region(containing: start) == nil)
    }

    @Test func mremapFixedAndDontUnmap() throws {
        let start = try map(2 * page), target: UInt64 = 0x2000_0000
        try poke(start, 5)
        _ = try map(2 * page, at: target, prot: 1)
        #expect(try space.mremap(address: start, oldLength: 2 * page, newLength: page, flags: 3, newAddress: target) == target)
        #expect(try peek(target) == 5)
        #expect(space.region(containing: start) == nil && space.region(containing: start + page) == nil)
        #expect(space.region(containing: target)?.end == target + page)
        #expect(space.region(containing: target + page)?.protection == PROT_READ)
        let copy = try space.mremap(address: target, oldLength: page, newLength: page, flags: 5, newAddress: 0)
        #expect(copy == space.layout.mmapBase - page)
        #expect(try peek(copy) == 5)
        #expect(try peek(target) == 0)
        let hinted = try space.mremap(address: copy, oldLength: page, newLength: page, flags: 5, newAddress: 0x3000_0000)
        #expect(hinted == 0x3000_0000)
    }

    @Test func mremapDuplicatesSharedMappings() throws {
        let start = try map(2 * page, flags: 0x21)
        try poke(start + page, 4)
        let copy = try space.mremap(address: start, oldLength: 0, newLength: 2 * page, flags: 1, newAddress: 0)
        #expect(try peek(copy + page) == 4)
        #expect(space.region(containing: start) != nil && space.region(containing: copy + page) != nil)
        let plain = try map(page)
        #expect(throws: GuestErrno.EINVAL) {
            try space.mremap(address: plain, oldLength: 0, newLength: page, flags: 1, newAddress: 0)
        }
    }

    @Test func mremapErrorsAreTheHosts() throws {
        let start = try map(4 * page, at: 0x1000_0000)
        let cases: [(UInt64, UInt64, UInt64, UInt64, UInt64)] = [
            (start, page, page, 8, 0), (start + 1, page, page, 0, 0), (start, page, 0, 0, 0), (start, page, .max, 1, 0),
            (start, page, page, 2, 0x2000_0000), (start, page, page, 3, 0x2000_0001), (start, page, page, 3, start),
            (start, 2 * page, page, 5, 0), (start, page, page, 4, 0), (0x3000_0000, page, page, 1, 0),
            (start, 8 * page, 9 * page, 1, 0), (start, 0, page, 0, 0), (start, page, page, 3, .max - 4095),
        ]
        for (index, arguments) in cases.enumerated() {
            let (address, old, new, flags, target) = arguments
            let native = Host.raw(
                Int32(SYS_mremap), Int(address), Int(truncatingIfNeeded: old), Int(truncatingIfNeeded: new), Int(flags),
                Int(truncatingIfNeeded: target))
            var ours = 0
            do throws(GuestErrno) {
                _ = try space.mremap(address: address, oldLength: old, newLength: new, flags: flags, newAddress: target)
            } catch { ours = error.result }
            #expect(ours == native, "case \(index)")
        }
    }

    // MARK: brk

    @Test func brkGrowsShrinksAndZeroes() throws {
        let start = space.setBreak(start: 0x50_0001)
        #expect(start == 0x50_1000)
        #expect(space.brk(0) == start)
        #expect(space.brk(start + 10) == start + 10)
        try poke(start, 1)
        #expect(space.brk(start + 3 * page) == start + 3 * page)
        try poke(start + 2 * page, 2)
        #expect(space.region(containing: start)?.kind == .heap)
        #expect(space.brk(start + page) == start + page)
        #expect(throws: GuestErrno.EFAULT) { try peek(start + 2 * page) }
        #expect(space.brk(start + 3 * page) == start + 3 * page)
        #expect(try peek(start + 2 * page) == 0)
        #expect(try peek(start) == 1)
        #expect(space.brk(start - page) == start + 3 * page)
        #expect(space.brk(start) == start)
        #expect(space.region(containing: start) == nil)
    }

    @Test func brkStopsBelowTheNextMapping() throws {
        let start = space.setBreak(start: 0x50_0000)
        _ = try map(page, at: start + 8 * page)
        #expect(space.brk(start + 7 * page) == start + 7 * page)
        #expect(space.brk(start + 8 * page) == start + 7 * page)
        #expect(space.brk(start + 20 * page) == start + 7 * page)
        #expect(space.brk(.max) == start + 7 * page)
        #expect(space.brk(Arena.top + page) == start + 7 * page)
        #expect(space.heap == (start, start + 7 * page))
    }

    @Test func brkObeysTheDataLimit() throws {
        var old = rlimit()
        getrlimit(__rlimit_resource_t(2), &old)
        defer { setrlimit(__rlimit_resource_t(2), &old) }
        let start = space.setBreak(start: 0x50_0000, data: page)
        var tight = rlimit(rlim_cur: rlim_t(1 << 30), rlim_max: old.rlim_max)
        setrlimit(__rlimit_resource_t(2), &tight)
        #expect(space.brk(start + (1 << 30)) == start)
        #expect(space.brk(start + page) == start + page)
    }

    // MARK: Stacks that grow

    @Test func stacksGrowOnDemand() throws {
        let end = try space.mapStack(length: 32 * page, prot: Int32(rw))
        #expect(end == space.layout.stackTop)
        let start = end - 32 * page
        #expect(space.region(containing: start)?.kind == .stack)
        #expect(space.growStack(at: start - 10))
        try poke(start - 10, 1)
        #expect(space.region(containing: start - 10)?.end == end)
        // RLIMIT_STACK bounds it.
        #expect(!space.growStack(at: end - (1 << 32)))
        #expect(!space.growStack(at: 0x40_0000))
        #expect(!space.growStack(at: 0))
        let plain = try map(page, at: 0x40_0000)
        #expect(space.growStack(at: plain))
        #expect(!space.growStack(at: plain - 1))
    }

    @Test func hostGrowthIsAdopted() throws {
        let stack = try map(page, at: 0x1000_0000, flags: anonymous | fixed | growsDown)
        // The host grows it for an access of its own, here one of the test's.
        try poke(stack - 3 * page, 1)
        // By the guard gap the region map would not place anything there; a hint or MAP_FIXED_NOREPLACE may name it.
        #expect(throws: GuestErrno.EEXIST) { try map(page, at: stack - 3 * page, flags: anonymous | noReplace) }
        #expect(space.adoptGrowth(above: stack - 3 * page))
        #expect(space.region(containing: stack - 3 * page) != nil)
        #expect(!space.adoptGrowth(above: stack - 4 * page))
        try space.mprotect(address: stack, length: page, prot: 0x100_0001)
        #expect(space.region(containing: stack - 3 * page)?.protection == PROT_READ)
    }

    // MARK: Shared memory

    @Test func sharedMemorySegments() throws {
        let identifier = Int32(Host.raw(Int32(SYS_shmget), 0, Int(3 * page), 0o1600))
        guard identifier >= 0 else { return }
        defer { _ = Host.raw(Int32(SYS_shmctl), Int(identifier), 0, 0) }
        let first = try space.shmat(identifier: identifier, address: 0, flags: 0)
        let second = try space.shmat(identifier: identifier, address: 0x1000_0123, flags: 0o20000 | 0o10000)
        #expect(first == space.layout.mmapBase - 3 * page)
        #expect(second == 0x1000_0000)
        try poke(first, 8)
        #expect(try peek(second) == 8)
        #expect(throws: GuestErrno.EINVAL) { try space.shmat(identifier: identifier, address: second, flags: 0) }
        #expect(throws: GuestErrno.EINVAL) { try space.shmat(identifier: identifier, address: 0, flags: 0o40000) }
        #expect(throws: GuestErrno.EINVAL) { try space.shmat(identifier: identifier, address: 5, flags: 0) }
        #expect(throws: GuestErrno.EINVAL) { try space.shmat(identifier: -1, address: 0, flags: 0) }
        #expect(try space.shmat(identifier: identifier, address: second, flags: 0o40000) == second)
        try space.munmap(address: second, length: page)
        _ = try map(page, at: second)
        #expect(throws: GuestErrno.EINVAL) { try space.shmdt(address: second + page) }
        try space.shmdt(address: second)
        #expect(space.region(containing: second) != nil)
        #expect(space.region(containing: second + page) == nil)
        try space.shmdt(address: first)
        #expect(throws: GuestErrno.EINVAL) { try space.shmdt(address: first) }
    }

    // MARK: Ranges

    @Test func forwardedRangesEndAtTheArena() throws {
        let start = try map(page)
        #expect(try space.forward(Int32(SYS_madvise), address: start, length: page, 4) == 0)
        #expect(throws: GuestErrno.EINVAL) { try space.forward(Int32(SYS_madvise), address: start, length: page, 999) }
        #expect(throws: GuestErrno.ENOMEM) { try space.forward(Int32(SYS_madvise), address: Arena.top, length: page, 4) }
        #expect(throws: GuestErrno.EINVAL) {
            try space.forward(Int32(SYS_madvise), address: Arena.top + 1, length: page, 4)
        }
        #expect(throws: GuestErrno.EINVAL) { try space.forward(Int32(SYS_madvise), address: start, length: .max, 999) }
        #expect(throws: GuestErrno.EINVAL) { try space.madvise(address: start, length: .max, advice: 4) }
        #expect(throws: GuestErrno.EINVAL) { try space.madvise(address: start, length: 0 &- start, advice: 4) }
        #expect(throws: GuestErrno.ENOMEM) { try space.forward(Int32(SYS_msync), address: start, length: 0 &- start, 4, wrapped: .ENOMEM) }
        #expect(try space.forward(Int32(SYS_msync), address: start, length: .max, 4, wrapped: .ENOMEM) == 0)
        try space.checkRange(address: start, length: page)
        #expect(throws: GuestErrno.ENOMEM) { try space.checkRange(address: start, length: .max) }
    }

    @Test func mlockallIsForTheGuestAlone() throws {
        let start = try map(page)
        #expect(throws: GuestErrno.EINVAL) { try space.lockAll(flags: 0) }
        #expect(throws: GuestErrno.EINVAL) { try space.lockAll(flags: 4) }
        #expect(throws: GuestErrno.EINVAL) { try space.lockAll(flags: 8) }
        try space.lockAll(flags: 3)
        #expect(try peek(start) == 0)
        let later = try map(page)
        #expect(space.isMappedOnHost(later))
        try space.unlockAll()
        #expect(space.futureLock == .none)
    }

    @Test func adviceOnForkIsKept() throws {
        let start = try map(4 * page)
        #expect(try space.madvise(address: start, length: 3 * page, advice: 10) == 0)
        #expect(try space.madvise(address: start + page, length: page, advice: 11) == 0)
        #expect(throws: GuestErrno.EPERM) { try space.madvise(address: start, length: page, advice: 100) }
        #expect(throws: GuestErrno.EINVAL) { try space.madvise(address: start, length: page, advice: 999) }
        space.prepareFork()
        space.childAfterFork(survivor: 1, identifier: 1)
        #expect(space.region(containing: start) == nil)
        #expect(space.region(containing: start + page) != nil)
        #expect(space.region(containing: start + 2 * page) == nil)
        #expect(space.region(containing: start + 3 * page) != nil)
    }

    // MARK: Life

    /// Whoever is killed while it changes the map may leave any part of the tree without the rest.
    @Test func aBrokenMapIsMadeAnew() throws {
        let three = try map(3 * page), low = try map(8 * page, at: 0x40_0000)
        _ = try space.mprotect(address: low + page, length: page, prot: rx)
        _ = try space.madvise(address: low + 4 * page, length: page, advice: UInt64(MADV_DONTFORK))
        _ = try map(page, at: 0x60_0000, flags: anonymous | growsDown)
        let shared = try map(page, at: 0x70_0000, flags: 0x21)
        space.setBreak(start: 0x50_0000)
        _ = space.brk(0x50_2000)
        func regions() -> [Region] {
            var result: [Region] = []
            space.forEachRegion { result.append($0) }
            return result
        }
        let whole = regions()
        #expect(whole.contains { $0.start == shared && $0.flags.contains(.shared) })
        space.regions.nodes[Int(space.regions.root)].left = 0
        space.regions.nodes[Int(space.regions.root)].right = space.regions.root
        space.rebuildRegions()
        #expect(regions() == whole)
        // What the host has done, and the map has not been told.
        _ = Host.raw(Int32(SYS_munmap), Int(three), Int(page))
        let unknown: UInt64 = 0x30_0000
        _ = Host.raw(Int32(SYS_mmap), Int(unknown), Int(2 * page), Int(PROT_READ), Int(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE), -1, 0)
        space.regions.root = 0
        space.rebuildRegions()
        #expect(space.region(containing: three) == nil)
        #expect(space.region(containing: three + page)?.end == three + 3 * page)
        #expect(space.region(containing: unknown) == Region(start: unknown, end: unknown + 2 * page, protection: PROT_READ))
        #expect(try map(page) == three)
    }

    @Test func linesOfMapsAreRead() {
        func mapping(_ text: String) -> HostMapping? { HostMapping(Array(text.utf8)[...]) }
        let file = mapping("7f00-8100 r-xp 00002000 fe:01 1234                       /usr/lib/a b")
        #expect(file?.start == 0x7f00 && file?.end == 0x8100 && file?.offset == 0x2000 && file?.isFile == true && file?.isShared == false)
        #expect(file?.protection == PROT_READ | PROT_EXEC)
        #expect(mapping("1000-2000 -w-s 00000000 00:00 0 ")?.isShared == true)
        for text in ["", "1000-2000", "2000-1000 r--p 0 00:00 0", "1000-2000 r- 0 00:00 0", "x-2000 r--p 0 00:00 0", "11112222333344445-f r--p 0 0 0"] {
            #expect(mapping(text) == nil)
        }
    }

    @Test func resetGivesEverythingBack() throws {
        let start = try map(page)
        space.setBreak(start: 0x50_0000)
        _ = space.brk(0x50_1000)
        try space.reset(layout: .randomized(stackLimit: 8 << 20))
        #expect(space.regionCount == 0)
        #expect(!space.isMappedOnHost(start))
        #expect(!space.isMappedOnHost(0x50_0000))
        #expect(space.brk(0x50_1000) == 0)
    }

    @Test func imagesAndInterpretersStayApart() throws {
        let program = try space.freeRange(length: 5 * page, alignment: 1 << 21, forProgram: true)
        #expect(program == space.layout.pieBase)
        try space.mapAnonymous(address: program, length: 5 * page, prot: 0)
        let interpreter = try space.freeRange(length: 5 * page, alignment: page, forProgram: false)
        #expect(interpreter == space.layout.mmapBase - 5 * page)
        #expect(throws: GuestErrno.ENOMEM) {
            try space.freeRange(length: Arena.top, alignment: page, forProgram: true)
        }
    }
}
