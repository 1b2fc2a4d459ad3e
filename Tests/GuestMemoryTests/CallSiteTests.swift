import CShim
import Host
import LinuxABI
import Testing

@testable import GuestMemory

/// `mov $110, %eax; syscall; ret`.
private let code: [UInt8] = [0xb8, 0x6e, 0, 0, 0, 0x0f, 0x05, 0xc3]
private let word = code.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
private let window: UInt64 = 0x050f_0000

/// glibc's read(2): no number to be found, and padding behind the RET.
private let reader: [UInt8] = [
    0x31, 0xc0, 0x0f, 0x05, 0x48, 0x3d, 0, 0xf0, 0xff, 0xff, 0x77, 0x5b, 0xc3, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0,
]

/// The end of glibc's syscall(2): `mov %r9, %r8; mov 8(%rsp), %r9; syscall; ret`.
private let function: [UInt8] = [0x4d, 0x89, 0xc8, 0x4c, 0x8b, 0x4c, 0x24, 0x08, 0x0f, 0x05, 0xc3]

/// The site of `number` whose call ends `end` bytes into `text`, which stands at 0x1000 behind a RET.
private func site(_ number: UInt32 = 110, _ text: [UInt8] = code, end: Int = 7, behind byte: UInt8 = 0xc3) -> CallSite? {
    let before = [UInt8](repeating: byte, count: 10) + text
    return CallSite(of: number, returnAddress: 0x1000 + UInt64(end), Array(before[end...]))
}

@Test func recognisesSites() throws {
    let found = try #require(site())
    #expect(found.address == 0x1000 && found.returnAddress == 0x1007 && found.number == 110 && found.relay == nil)
    #expect(found.original(alone: true).map(\.value) == [word & 0xff_ffff_ffff])
    // What follows does not matter; each byte of the two instructions does, and the number that the call was made with.
    #expect(site(110, Array(code.dropLast())) != nil)
    for byte in 0..<7 {
        var other = code
        other[byte] ^= 1
        #expect(site(110, other) == nil)
    }
    #expect(site(111) == nil)
    // mov $110, %r8d; mov $110, %ax; movl $110, -0x48(%rsp); and too little to look at.
    for byte: UInt8 in [0x41, 0x48, 0x66, 0x24] { #expect(site(behind: byte) == nil) }
    #expect(CallSite(of: 110, returnAddress: 0x1007, []) == nil)
}

@Test func recognisesReaders() throws {
    let found = try #require(site(0, reader, end: 4))
    #expect(found.address == 0x1000 && found.returnAddress == 0x1004 && found.relay == 0x100d)
    for byte in reader.indices where byte != 11 {
        var other = reader
        other[byte] ^= 0x80
        #expect(site(0, other, end: 4) == nil)
    }
    #expect(site(1, reader, end: 4) == nil)
    #expect(site(0, Array(reader.dropLast()), end: 4) == nil)
    // The other paddings that have room; one that has not.
    let start = Array(reader.prefix(13))
    #expect(site(0, start + [0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0], end: 4) != nil)
    #expect(site(0, start + [0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0], end: 4) != nil)
    #expect(site(0, start + [0x0f, 0x1f, 0x80, 0, 0, 0, 0], end: 4) != nil)
    #expect(site(0, start + [0x0f, 0x1f, 0x44, 0, 0, 0x90, 0x90], end: 4) == nil)

    let jump = found.jump(through: 3)
    #expect(jump.map(\.address) == [0x100d, 0x1000] && jump.map(\.count) == [7, 2])
    #expect(jump[0].value == CallSite.jump(slot: 3) && jump[1].value == 0x0beb)
    let alone = found.original(alone: true)
    #expect(alone.map(\.address) == [0x1000, 0x100d] && alone.map(\.value) == [0xc031, 0x84_1f0f_2e66])
    // xor %eax, %eax; jmp to the `syscall`.
    let shared = found.original(alone: false)
    #expect(shared[1].value == 0xf1eb_c031 && shared[1].count == 4)
    let target: UInt64 = 0x100d + 4 - 15
    #expect(target == found.returnAddress - 2)
}

@Test func recognisesFunctions() throws {
    for number: UInt32 in [0, 110, .max] {
        let found = try #require(site(number, function, end: 10))
        #expect(found.address == 0x1003 && found.returnAddress == 0x100a && found.relay == nil)
        #expect(found.jump(through: 3).map(\.value) == [CallSite.jump(slot: 3)])
        #expect(found.original(alone: true).map(\.value) == [CallSite.load] && found.original(alone: false).map(\.count) == [5])
    }
    for byte in 0..<10 {
        var other = function
        other[byte] ^= 1
        #expect(site(110, other, end: 10) == nil)
    }
}

@Test func jumpsEndInTheirSystemCall() {
    for slot in [0, 1, CallSites.capacity - 1] {
        let bytes = CallSite.jump(slot: slot)
        #expect(bytes & 0xff_ffff == 0x25_24ff)
        #expect(bytes >> 24 == window + UInt64(slot) * 8)
        #expect(bytes >> 40 == 0x050f)
    }
}

@Test func sitesAreCountedAndFound() throws {
    var sites = CallSites()
    let answers = (0...CallSites.wantedSamples).map { _ in sites.note(0x1000) }
    #expect(answers.map { $0 ? 1 : 0 } == (0...CallSites.wantedSamples).map { $0 == CallSites.wantedSamples - 1 ? 1 : 0 })
    // Sites that share a place in the table take it from each other: nothing comes of many that are seen once.
    let rivals = (0..<200).map { sites.note(0x5000 + UInt64($0)) }
    #expect(!rivals.contains(true))

    let found = try #require(site())
    let slot = sites.add(found)
    #expect(slot == 0)
    #expect(sites.slots(in: 0x1006, 0x3000) == [0])
    #expect(sites.slots(in: 0x500, 0x1001) == [0])
    #expect(sites.slots(in: 0x1007, 0x3000) == [])
    #expect(sites.slots(in: 0x500, 0x1000) == [])
    sites.markRestored(0)
    #expect(sites.slots(in: 0, .max) == [])
    #expect(sites.site(withRelay: 0x1000) == nil)
    #expect(sites.knows(0x1000) && !sites.knows(0x1001))
    while !sites.isFull { _ = sites.add(found) }
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
    private func mapCode(_ code: [UInt8] = code, prot: Int32 = PROT_READ | PROT_EXEC, flags: UInt64 = 2) throws -> UInt64 {
        let file = try Host.memoryFile("code")
        defer { Host.close(file) }
        try Host.fill(memoryFile: file, with: [UInt8](repeating: 0xc3, count: 16) + code)
        return try 16 + space.mmap(address: 0, length: 4096, prot: UInt64(prot), flags: flags, fd: file, offset: 0)
    }

    private func heat(_ site: UInt64, number: UInt64 = 110, length: UInt64 = 7) -> Bool {
        var isUseful = true
        for _ in 0..<CallSites.wantedSamples { isUseful = space.noteCall(number, behind: site + length) && isUseful }
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
        #expect(try bytes(first) & 0xff_ffff_ffff_ffff == CallSite.jump(slot: 0))
        #expect(try bytes(second) & 0xff_ffff_ffff_ffff == CallSite.jump(slot: 1))
        #expect(try bytes(second) >> 40 == word >> 40)
        #expect(try bytes(window + 8) == 0x7d00_0000_0001)
        #expect(space.isRewritten(first) && !space.isRewritten(first + 1))

        try space.mprotect(address: second - 16, length: 4096, prot: UInt64(PROT_READ | PROT_WRITE | PROT_EXEC))
        #expect(try bytes(second) == word)
        #expect(try bytes(first) != word)
        try space.mprotect(address: first - 16, length: 4096, prot: UInt64(PROT_READ))
        #expect(try bytes(first) == word)
    }

    @Test(arguments: [true, false]) func rewritesReaders(isAlone: Bool) throws {
        let machines = Machines()
        machines.isAlone = isAlone
        space.observer = machines
        let site = try mapCode(reader), first = try bytes(site), second = try bytes(site + 13)
        #expect(heat(site, number: 0, length: 4))
        #expect(try bytes(site) == first & ~0xffff | 0x0beb)
        #expect(try bytes(site + 13) & 0xff_ffff_ffff_ffff == CallSite.jump(slot: 0))
        #expect(space.systemCall(relayedAt: site + 13) == site + 2)
        #expect(space.isRewritten(site) && space.isRewritten(site + 13))
        try space.mprotect(address: site - 16, length: 4096, prot: UInt64(PROT_READ | PROT_WRITE))
        #expect(try bytes(site) == first)
        #expect(try bytes(site + 13) & 0xffff_ffff == (isAlone ? second & 0xffff_ffff : 0xf1eb_c031))
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
        #expect(!heat(program + 1) && !heat(program + 4096 - 16 - 4) && !heat(0x3000_0000) && !heat(.max - 7) && !heat(program, number: 39))
        #expect(try bytes(writable) == word)
    }
}
