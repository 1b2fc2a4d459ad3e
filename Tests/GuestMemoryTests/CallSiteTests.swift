import CShim
import Host
import LinuxABI
import Testing

@testable import GuestMemory

/// `mov $110, %eax; syscall; ret`.
private let code: [UInt8] = [0xb8, 0x6e, 0, 0, 0, 0x0f, 0x05, 0xc3]
private let word = code.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
private let window: UInt64 = 0x050f_0000

@Test func recognisesSites() {
    #expect(CallSite(word, at: 0x1000)?.number == 110)
    #expect(CallSite(word, at: 0x1000)?.returnAddress == 0x1007)
    #expect(CallSite(word, at: 0x1000)?.original == word & 0xff_ffff_ffff)
    // What follows does not matter; each byte of the two instructions does.
    #expect(CallSite(word ^ 0xff << 56, at: 0) != nil)
    for byte: UInt64 in [0, 5, 6] { #expect(CallSite(word ^ 1 << (byte * 8), at: 0) == nil) }
    #expect(CallSite(word | 0xffff_ffff << 8, at: 0)?.number == .max)
}

@Test func jumpsEndInTheirSystemCall() {
    for slot in [0, 1, CallSites.capacity - 1] {
        let bytes = CallSite.jump(slot: slot) | word & ~0xff_ffff_ffff
        #expect(bytes & 0xff_ffff == 0x25_24ff)
        #expect(bytes >> 24 & 0xffff_ffff == window + UInt64(slot) * 8)
        #expect(bytes >> 40 & 0xffff == 0x050f)
    }
}

@Test func sitesAreCountedAndFound() throws {
    var sites = CallSites()
    let answers = (0...CallSites.wantedSamples).map { _ in sites.note(0x1000) }
    #expect(answers.map { $0 ? 1 : 0 } == (0...CallSites.wantedSamples).map { $0 == CallSites.wantedSamples - 1 ? 1 : 0 })
    // Sites that share a place in the table take it from each other: nothing comes of many that are seen once.
    let rivals = (0..<200).map { sites.note(0x5000 + UInt64($0)) }
    #expect(!rivals.contains(true))

    let site = try #require(CallSite(word, at: 0x2000))
    let slot = sites.add(site)
    #expect(slot == 0)
    #expect(sites.slots(in: 0x2006, 0x3000) == [0])
    #expect(sites.slots(in: 0x1000, 0x2001) == [0])
    #expect(sites.slots(in: 0x2007, 0x3000) == [])
    #expect(sites.slots(in: 0x1000, 0x2000) == [])
    sites.markRestored(0)
    #expect(sites.slots(in: 0, .max) == [])
    #expect(sites.knows(0x2000) && !sites.knows(0x2001))
    while !sites.isFull { _ = sites.add(site) }
    #expect(sites.entries.count == CallSites.capacity)
}

private final class Machines: AddressSpaceObserver {
    var isAlone = true
    var chosen: [CallSite] = []
    func executeRevoked(start: UInt64, end: UInt64) {}
    var runsAlone: Bool { isAlone }
    func target(ofSlot slot: Int) -> UInt64 { 0x7d00_0000_0000 + UInt64(slot) }
    func callSiteChosen(_ slot: Int, _ site: CallSite) {
        #expect(slot == chosen.count)
        chosen.append(site)
    }
}

extension AddressSpaceTests {
    private func mapCode(prot: Int32 = PROT_READ | PROT_EXEC, flags: UInt64 = 2) throws -> UInt64 {
        let file = try Host.memoryFile("code")
        defer { Host.close(file) }
        try Host.fill(memoryFile: file, with: code + [UInt8](repeating: 0xc3, count: 4096 - code.count))
        return try space.mmap(address: 0, length: 4096, prot: UInt64(prot), flags: flags, fd: file, offset: 0)
    }

    private func heat(_ site: UInt64) -> Bool {
        var isUseful = true
        for _ in 0..<CallSites.wantedSamples { isUseful = space.noteCall(behind: site + 7) && isUseful }
        return isUseful
    }

    private func bytes(_ address: UInt64) throws -> UInt64 { try GuestAccess.read(UInt64.self, at: GuestAddress(address)) }

    @Test(arguments: [true, false]) func rewritesAndRestores(isAlone: Bool) throws {
        let machines = Machines()
        machines.isAlone = isAlone
        space.observer = machines
        let first = try mapCode(), second = try mapCode()
        #expect(heat(first) && heat(second))
        #expect(machines.chosen.map(\.address) == [first, second])
        #expect(try bytes(first) & 0xff_ffff_ffff == CallSite.jump(slot: 0))
        #expect(try bytes(second) & 0xff_ffff_ffff == CallSite.jump(slot: 1))
        #expect(try bytes(second) >> 40 == word >> 40)
        #expect(try bytes(window + 8) == 0x7d00_0000_0001)
        #expect(space.isRewritten(first) && !space.isRewritten(first + 1))

        try space.mprotect(address: second, length: 4096, prot: UInt64(PROT_READ | PROT_WRITE | PROT_EXEC))
        #expect(try bytes(second) == word)
        #expect(try bytes(first) != word)
        try space.mprotect(address: first, length: 4096, prot: UInt64(PROT_READ))
        #expect(try bytes(first) == word)
    }

    @Test func theWindowGivesWay() throws {
        space.observer = Machines()
        let site = try mapCode()
        #expect(heat(site))
        #expect(
            try space.mmap(
                address: window, length: 4096, prot: UInt64(PROT_READ | PROT_WRITE), flags: 0x10_0022, fd: -1, offset: 0) == window)
        #expect(try bytes(site) == word)
        #expect(try bytes(window) == 0)
        #expect(!heat(site))
    }

    @Test func textThatIsLookedAtStays() throws {
        space.observer = Machines()
        let site = try mapCode()
        #expect(heat(site))
        space.keepCallSites()
        #expect(try bytes(site) == word)
        #expect(!heat(site))
    }

    @Test func leavesOtherPlacesAlone() throws {
        space.observer = Machines()
        let writable = try mapCode(prot: PROT_READ | PROT_WRITE | PROT_EXEC), shared = try mapCode(flags: 1)
        let data = try mapCode(prot: PROT_READ), program = try mapCode()
        #expect(!heat(writable) && !heat(shared) && !heat(data))
        // No site, across pages, nothing mapped, outside the arena.
        #expect(!heat(program + 1) && !heat(program + 4092) && !heat(0x3000_0000) && !heat(.max - 7))
        #expect(try bytes(writable) == word)
    }
}
