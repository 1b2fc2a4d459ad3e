import CShim
import GuestMemory
import Host
import LinuxABI
import Testing

@testable import GuestImage

private func byte(_ address: UInt64) throws -> UInt8 { try GuestAccess.read(UInt8.self, at: GuestAddress(address)) }
private func word(_ address: UInt64) throws -> UInt64 { try GuestAccess.read(UInt64.self, at: GuestAddress(address)) }
private func string(_ address: UInt64) throws -> String {
    text(try GuestAccess.readBytes(at: GuestAddress(address), limit: 1 << 20))
}

/// Each test has 1 TiB of guest addresses for itself, so that they can run at the same time.
private func window(_ index: UInt64) -> UInt64 { 0x1000_0000_0000 + index << 40 }

@Test func fixedProgramsAreMappedAndZeroed() throws {
    let base: UInt64 = 0x1234_5600_0000
    let opener = FakeOpener()
    opener.files["/p"] = ELFBuilder.program(base: base).build()
    let mapper = FakeMapper(window: window(0), isReal: true)
    let state = try Loader.load(try prepare("/p", argv: ["p"], opener: opener), into: mapper, context: context())
    #expect(
        Array(mapper.mappings.dropFirst()) == [
            .init(address: base, length: 0x1000, prot: 5, offset: 0),
            .init(address: base + 0x3000, length: 0x1000, prot: 3, offset: 0x1000),
            .init(address: base + 0x4000, length: 0x2000, prot: 3, offset: nil),
        ])
    #expect(state.entry == base + 0x100)
    #expect(state.executableEntry == base + 0x100)
    #expect(state.executableBase == 0)
    #expect(state.interpreterBase == 0)
    #expect(mapper.breakStart == base + 0x6000)
    #expect(state.brkStart == base + 0xb000)
    #expect(state.codeRange == base..<base + 0x1000)
    #expect(state.dataRange == base + 0x3234..<base + 0x3534)
    #expect(try byte(base + 0x3234) == 0xee)
    #expect(try byte(base + 0x3533) == 0xee)
    // Zero from the end of the data to the end of the page, then on in fresh pages.
    for address in base + 0x3534..<base + 0x4010 { #expect(try byte(address) == 0) }
    #expect(try byte(base + 0x5fff) == 0)
}

@Test func tailsStayWhereNothingIsToBeZeroed() throws {
    let base: UInt64 = 0x1234_5700_0000
    let opener = FakeOpener()
    opener.files["/same"] = ELFBuilder.program(base: base, bss: 0).build()
    var builder = ELFBuilder.program(base: base + 0x10000)
    builder.headers[1].flags = 4
    opener.files["/read-only"] = builder.build()
    let mapper = FakeMapper(window: window(1), isReal: true)
    _ = try Loader.load(try prepare("/same", argv: [], opener: opener), into: mapper, context: context())
    #expect(try byte(base + 0x3534) == 0xee)
    // Linux ignores that it cannot clear a page without write permission, and gives writable pages behind it.
    let other = FakeMapper(window: window(2), isReal: true)
    _ = try Loader.load(try prepare("/read-only", argv: [], opener: opener), into: other, context: context())
    #expect(try byte(base + 0x13534) == 0xee)
    #expect(other.mappings.last == .init(address: base + 0x14000, length: 0x2000, prot: 3, offset: nil))
}

@Test func segmentsWithoutFileContent() throws {
    let base: UInt64 = 0x1234_5800_0000
    var builder = ELFBuilder.program(base: base)
    builder.headers[1].fileSize = 0
    builder.headers[1].memorySize = 0x10
    builder.headers[1].flags = 7
    let opener = FakeOpener()
    opener.files["/p"] = builder.build()
    let mapper = FakeMapper(window: window(3), isReal: true)
    _ = try Loader.load(try prepare("/p", argv: [], opener: opener), into: mapper, context: context())
    #expect(mapper.mappings.last == .init(address: base + 0x3000, length: 0x1000, prot: 7, offset: nil))
    #expect(mapper.breakStart == base + 0x4000)
}

@Test func relocatableProgramsAndTheirInterpreters() throws {
    let opener = FakeOpener()
    var builder = ELFBuilder.program(dynamic: true)
    builder.addInterpreter(bytes("/ld.so\0"))
    builder.headers[1].align = 0x20_0000
    opener.files["/p"] = builder.build()
    opener.files["/ld.so"] = ELFBuilder.program(dynamic: true).build()
    let mapper = FakeMapper(window: window(4), isReal: true)
    mapper.programBase += 0x5000
    let base = mapper.programBase
    let top = mapper.nextFree
    let state = try Loader.load(try prepare("/p", argv: [], opener: opener), into: mapper, context: context())
    let bias = (base + 0x1f_ffff) & ~0x1f_ffff
    #expect(state.executableBase == bias)
    #expect(state.interpreterBase == top - 0x6000)
    #expect(state.entry == top - 0x6000 + 0x100)
    #expect(state.executableEntry == bias + 0x100)
    #expect(mapper.breakStart == bias + 0x6000)
    #expect(state.auxiliaryVector.value(of: AuxiliaryKey.base) == top - 0x6000)
    #expect(state.auxiliaryVector.value(of: AuxiliaryKey.entry) == bias + 0x100)
    #expect(state.auxiliaryVector.value(of: AuxiliaryKey.phdr) == bias + 0x40)
}

@Test func staticRelocatableProgramsLeaveTheBreakItsPlace() throws {
    let opener = FakeOpener()
    opener.files["/p"] = ELFBuilder.program(dynamic: true).build()
    let mapper = FakeMapper(window: window(5), isReal: true)
    let top = mapper.nextFree
    let state = try Loader.load(try prepare("/p", argv: [], opener: opener), into: mapper, context: context())
    #expect(state.executableBase == top - 0x6000)
    #expect(mapper.breakStart == mapper.programBase)
}

@Test func biasIsAlignedWhereverTheFirstSegmentBegins() throws {
    var builder = ELFBuilder.program(dynamic: true)
    for index in 0..<2 {
        builder.headers[index].address += 0x1_2345_6000
        builder.headers[index].align = 0x10_0000
    }
    builder.entry += 0x1_2345_6000
    let opener = FakeOpener()
    opener.files["/p"] = builder.build()
    let mapper = FakeMapper(window: window(6), isReal: true)
    let state = try Loader.load(try prepare("/p", argv: [], opener: opener), into: mapper, context: context())
    #expect(state.executableBase % 0x10_0000 == 0)
    #expect(state.entry == state.executableBase &+ builder.entry)
    #expect(mapper.mappings[1].address == state.executableBase &+ 0x1_2345_6000)
}

@Test func imagesLinkedHighMoveDown() throws {
    var builder = ELFBuilder.program(dynamic: true)
    for index in 0..<2 { builder.headers[index].address += 0x7fff_0000_0000 }
    builder.entry += 0x7fff_0000_0000
    let opener = FakeOpener()
    opener.files["/p"] = builder.build()
    let mapper = FakeMapper(window: window(11), isReal: true)
    let top = mapper.nextFree
    let state = try Loader.load(try prepare("/p", argv: [], opener: opener), into: mapper, context: context())
    #expect(state.entry == top - 0x6000 + 0x100)
    #expect(state.codeRange == top - 0x6000..<top - 0x5000)
}

@Test func entriesOutsideTheArenaAreRefused() throws {
    var builder = ELFBuilder.program(dynamic: true)
    builder.entry = 1 << 47
    let opener = FakeOpener()
    opener.files["/p"] = builder.build()
    let mapper = FakeMapper(window: window(12), isReal: true)
    #expect(throws: ImageError.mappingFailed(.EINVAL)) {
        try Loader.load(try prepare("/p", argv: [], opener: opener), into: mapper, context: context())
    }
}

@Test func stackSizesAndProtections() throws {
    let opener = FakeOpener()
    var builder = ELFBuilder.program(base: 0x1234_5900_0000, bss: 0)
    opener.files["/p"] = builder.build()
    builder.headers[2].flags = 7
    opener.files["/x"] = builder.build()
    func stack(_ path: String, _ limit: UInt64, _ index: UInt64) throws -> FakeMapper.Mapping? {
        let mapper = FakeMapper(window: window(index), isReal: true)
        let program = try prepare(path, argv: [], opener: opener, limits: ArgumentLimits(stackLimit: limit))
        let state = try Loader.load(program, into: mapper, context: context())
        #expect(state.stackRange.upperBound == mapper.stackTop)
        return mapper.mappings.first
    }
    #expect(try stack("/p", 8 << 20, 7)?.length == 8 << 20)
    #expect(try stack("/p", 8 << 20, 7)?.prot == 3)
    #expect(try stack("/x", (8 << 20) + 1, 7)?.length == (8 << 20) + 4096)
    #expect(try stack("/x", 8 << 20, 7)?.prot == 7)
    #expect(try stack("/p", .max, 7)?.length == 1 << 30)
    #expect(try stack("/p", 0, 7)?.length ?? 0 >= 128 << 10)
}

@Test func programsOverTheStackAreRefused() throws {
    let mapper = FakeMapper(window: window(8), isReal: false)
    let opener = FakeOpener()
    opener.files["/p"] = ELFBuilder.program(base: mapper.stackTop - 0x3000).build()
    #expect(throws: ImageError.mappingFailed(.EEXIST)) {
        try Loader.load(try prepare("/p", argv: [], opener: opener), into: mapper, context: context())
    }
}

@Test func initialStackAsLinuxLaysItOut() throws {
    let opener = FakeOpener()
    opener.files["/bin/p"] = ELFBuilder.program(base: 0x1234_5a00_0000, bss: 0).build()
    for (argv, envp) in [
        (["p", "two", ""], ["A=1", "BB=22"]), (["p"], []), (["p", "x"], ["A=1"]),
        ([], ["LONG=" + String(repeating: "x", count: 5000)]),
    ] {
        for offset: UInt64 in [0, 1, 15, 16, 4097, 8191] {
            let mapper = FakeMapper(window: window(9), isReal: true)
            let program = try prepare("/bin/p", argv: argv, envp: envp, opener: opener)
            let state = try Loader.load(program, into: mapper, context: context(offset: offset))
            try check(state, argv: argv.isEmpty ? [""] : argv, envp: envp, offset: offset)
        }
    }
}

private func check(_ state: StartState, argv: [String], envp: [String], offset: UInt64) throws {
    let top = state.stackRange.upperBound
    var position = state.stackPointer
    func next() throws -> UInt64 {
        defer { position += 8 }
        return try word(position)
    }
    #expect(position % 16 == 0)
    #expect(try next() == UInt64(argv.count))
    // The strings lie next to each other, the first one lowest.
    var expected = state.argStart
    for argument in argv {
        let address = try next()
        #expect(address == expected)
        #expect(try string(address) == argument)
        expected += UInt64(argument.utf8.count) + 1
    }
    #expect(try next() == 0)
    #expect(expected == state.argEnd)
    #expect(state.envStart == state.argEnd)
    for variable in envp {
        let address = try next()
        #expect(address == expected)
        #expect(try string(address) == variable)
        expected += UInt64(variable.utf8.count) + 1
    }
    #expect(try next() == 0)
    #expect(expected == state.envEnd)
    // execfn ends one null word below the top.
    #expect(try string(expected) == "/bin/p")
    #expect(expected + 7 + 8 == top)
    #expect(try word(top - 8) == 0)

    var vector: [UInt64] = []
    repeat {
        vector.append(try next())
        vector.append(try next())
    } while vector[vector.count - 2] != 0
    #expect(vector == state.auxiliaryVector)
    #expect(
        stride(from: 0, to: vector.count, by: 2).map { vector[$0] }
            == [33, 51, 16, 6, 17, 3, 4, 5, 7, 8, 9, 11, 12, 13, 14, 23, 25, 26, 31, 15, 27, 28, 0])
    #expect(vector.value(of: AuxiliaryKey.execfn) == expected)
    #expect(vector.value(of: AuxiliaryKey.uid) == 1)
    #expect(vector.value(of: AuxiliaryKey.egid) == 4)
    #expect(vector.value(of: AuxiliaryKey.secure) == 0)
    #expect(vector.value(of: AuxiliaryKey.phnum) == 3)
    #expect(vector.value(of: AuxiliaryKey.sysinfoEhdr) == 0x7fff_0000)
    let random = try #require(vector.value(of: AuxiliaryKey.random))
    #expect(try word(random) == 0x1122_3344_5566_7788)
    #expect(try word(random + 8) == 0x99aa_bbcc_ddee_ff00)
    let platform = try #require(vector.value(of: AuxiliaryKey.platform))
    #expect(try string(platform) == GuestArchitecture.platform.description)
    // The platform string ends where the aligned, moved stack begins; the random bytes lie below it without a gap.
    let platformEnd = platform + UInt64(GuestArchitecture.platform.utf8CodeUnitCount) + 1
    #expect(platformEnd == (state.argStart - offset) & ~15)
    #expect(random + 16 == platform)
    #expect(random - position < 16)
}

extension [UInt64] {
    /// The value of a key of an auxiliary vector.
    func value(of key: UInt64) -> UInt64? {
        for index in stride(from: 0, to: count - 1, by: 2) where self[index] == key { return self[index + 1] }
        return nil
    }
}

@Test func argumentsAreReadFromTheGuest() throws {
    let base = window(10)
    let address = Host.raw(
        Int32(SYS_mmap), Int(base), 0x2000, Int(PROT_READ | PROT_WRITE), Int(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED), -1)
    #expect(address == Int(base))
    defer { _ = Host.raw(Int32(SYS_munmap), Int(base), 0x2000) }
    vmrun_install_handlers()
    try GuestAccess.write(base + 0x100, at: GuestAddress(base))
    try GuestAccess.write(base + 0x102, at: GuestAddress(base + 8))
    try GuestAccess.write(UInt64(0x64_0063_6261), at: GuestAddress(base + 0x100))
    var budget = 100
    let strings = try ArgumentLimits.readStrings(at: GuestAddress(base), budget: &budget)
    #expect(strings.map(text) == ["abc", "c"])
    #expect(budget == 100 - 4 - 2 - 16)
    budget = 21
    #expect(throws: GuestErrno.E2BIG) { try ArgumentLimits.readStrings(at: GuestAddress(base), budget: &budget) }
    budget = 100
    #expect(try ArgumentLimits.readStrings(at: .null, budget: &budget) == [])
    #expect(throws: GuestErrno.EFAULT) {
        try ArgumentLimits.readStrings(at: GuestAddress(base + 0x100), budget: &budget)
    }
    #expect(throws: GuestErrno.EFAULT) {
        try ArgumentLimits.readStrings(at: GuestAddress(base + 0x2000), budget: &budget)
    }
}
