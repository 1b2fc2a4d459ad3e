import LinuxABI
import Testing

@testable import GuestImage

private func defect(_ builder: ELFBuilder) -> ImageError.Defect? {
    guard case .defective(let defect)? = failure(of: builder.build()) else { return nil }
    return defect
}

private func image(_ builder: ELFBuilder) throws -> ELFImage {
    let file = try ProgramFile(descriptor: memoryFile(builder.build()))
    return try ELFImage(file: file, role: .program)
}

@Test func headersOfASoundProgram() throws {
    var builder = ELFBuilder.program()
    builder.headers[1].align = 0x20_0000
    builder.headers[0].align = 3
    let image = try image(builder)
    #expect(!image.isRelocatable)
    #expect(image.entry == 0x1234_5600_0100)
    #expect(image.segments.count == 2)
    #expect(image.segments[1].prot == 3)
    #expect(image.span == 0x1234_5600_0000..<0x1234_5600_6000)
    #expect(image.alignment == 0x20_0000)
    #expect(image.programHeaders == 0x1234_5600_0040)
    #expect(image.programHeaderCount == 3)
    #expect(image.interpreterPath == nil)
    #expect(!image.hasExecutableStack)
}

@Test func executableStackIsAskedFor() throws {
    var builder = ELFBuilder.program()
    builder.headers[2].flags = 7
    #expect(try image(builder).hasExecutableStack)
    builder.headers.removeLast()
    #expect(try !image(builder).hasExecutableStack)
}

@Test func identificationThatLinuxIgnores() throws {
    var builder = ELFBuilder.program()
    builder.ident = [0x7f, 0x45, 0x4c, 0x46] + [UInt8](repeating: 0xff, count: 12)
    #expect(try image(builder).segments.count == 2)
}

@Test func programHeadersAnywhereInTheFile() throws {
    var builder = ELFBuilder.program()
    let table = Array(builder.build()[64..<(64 + 3 * 56)])
    builder.headerOffset = 0x2345
    builder.count = 3
    builder.headers = []
    builder.content = [(0x2345, table)]
    let image = try image(builder)
    #expect(image.segments.count == 2)
    // No segment holds them: AT_PHDR is then the bare load bias.
    #expect(image.programHeaders == 0)
}

@Test func malformedHeaders() {
    var builder = ELFBuilder.program()
    builder.entrySize = 32
    #expect(defect(builder) == .badProgramHeaders)
    builder = .program()
    builder.count = 0
    #expect(defect(builder) == .badProgramHeaders)
    builder.count = 1171
    #expect(defect(builder) == .badProgramHeaders)
    builder.count = 0xffff
    #expect(defect(builder) == .badProgramHeaders)
    builder.count = 1170
    #expect(defect(builder) == .truncated)
    builder = .program()
    builder.headerOffset = .max
    #expect(defect(builder) == .badProgramHeaders)
    builder.headerOffset = 1 << 63
    #expect(defect(builder) == .badProgramHeaders)
    builder.headerOffset = 1 << 62
    #expect(defect(builder) == .truncated)
    builder = .program()
    builder.headers.removeFirst(2)
    #expect(defect(builder) == .noSegments)
    for type: UInt16 in [0, 1, 4, 0xff00] {
        builder.type = type
        #expect(defect(builder) == .notProgram(type: type))
    }
}

@Test func formats() {
    #expect(failure(of: []) == .unknownFormat)
    #expect(failure(of: bytes("\u{7f}EL")) == .unknownFormat)
    #expect(failure(of: bytes("echo hello\n")) == .unknownFormat)
    #expect(failure(of: bytes("\u{7f}ELF")) == .unknownFormat)
    // The header alone, and a part of it.
    let whole = ELFBuilder.program().build()
    #expect(failure(of: Array(whole[..<64])) == .defective(.truncated))
    #expect(failure(of: Array(whole[..<30])) == .defective(.badProgramHeaders))
}

@Test func foreignMachines() {
    var builder = ELFBuilder.program()
    builder.machine = 243
    #expect(defect(builder) == .wrongMachine(ELFMachine(243)))
    builder.machine = 3
    builder.ident[4] = 1
    #expect(defect(builder) == .wrongMachine(ELFMachine(3, is32Bit: true)))
    builder.machine = UInt16(22).byteSwapped
    builder.ident[4] = 2
    builder.ident[5] = 2
    #expect(defect(builder) == .wrongMachine(ELFMachine(22, isBigEndian: true)))
    builder = .program()
    builder.ident[4] = 1
    #expect(defect(builder) == .wrongMachine(ELFMachine(builder.machine, is32Bit: true)))
}

@Test func impossibleSegments() {
    func broken(_ change: (inout ELFBuilder) -> Void) -> ImageError.Defect? {
        var builder = ELFBuilder.program()
        change(&builder)
        return defect(builder)
    }
    #expect(broken { $0.headers[1].memorySize = 0x2ff } == .segmentLargerInFileThanInMemory)
    #expect(broken { $0.headers[1].address = .max - 0x1fff + 0x234 } == .absurdSegment)
    #expect(broken { $0.headers[1].memorySize = .max } == .absurdSegment)
    #expect(broken { $0.headers[1].memorySize = 1 << 48 } == .absurdSegment)
    #expect(broken { $0.headers[1].memorySize = 1 << 47 } == .outsideArena)
    #expect(broken { $0.headers[1].offset = .max - 0x10 } == .absurdSegment)
    #expect(broken { $0.headers[1].offset = (1 << 63) - 0x100 } == .absurdSegment)
    #expect(broken { $0.headers[1].offset = 0x1235 } == .misalignedSegment)
    #expect(broken { $0.headers[1].offset = 0x5234 } == .truncated)
    #expect(broken { $0.headers[1].offset = 0x2234 } == nil)
    #expect(broken { $0.headers[1].address = 0x1234_5600_0234 } == .overlappingSegments)
    #expect(broken { $0.headers[0].address = 0xf000 } == .outsideArena)
    #expect(broken { $0.entry = .max } == .absurdEntry)
}

@Test func theLastPageMayBeCutShort() throws {
    // The file ends inside the last page of the data segment: Linux fills the rest with zeroes.
    var builder = ELFBuilder.program()
    builder.size = 0x1300
    #expect(try image(builder).segments.count == 2)
    // Without one byte of that page it would be a SIGBUS.
    builder.size = 0x1000
    #expect(defect(builder) == .truncated)
}

@Test func segmentsThatShareAPageOrComeUnordered() throws {
    var builder = ELFBuilder.program()
    builder.headers[0].fileSize = 0x200
    builder.headers[0].memorySize = 0x200
    builder.headers[1].address = 0x1234_5600_0234
    #expect(try image(builder).segments.count == 2)
    builder.headers.swapAt(0, 1)
    #expect(try image(builder).span == 0x1234_5600_0000..<0x1234_5600_3000)
    builder.headers[1].memorySize = 0x300
    #expect(defect(builder) == .overlappingSegments)
}

@Test func emptySegmentsDoNotCount() throws {
    var builder = ELFBuilder.program()
    builder.headers.append(.init(offset: 0, address: 0x1234_5600_0800, fileSize: 0, memorySize: 0))
    #expect(try image(builder).segments.count == 2)
}

@Test func relocatableImagesMustFit() {
    var builder = ELFBuilder.program(dynamic: true)
    #expect(defect(builder) == nil)
    builder.headers[1].align = 1 << 50
    #expect(defect(builder) == .absurdSegment)
    builder = .program(dynamic: true)
    builder.headers[1].memorySize = 1 << 47
    #expect(defect(builder) == .absurdSegment)
}

@Test func manyHeaders() throws {
    var builder = ELFBuilder.program()
    builder.headers += [ELFBuilder.Header](repeating: .init(type: 4), count: 1000)
    builder.headers[0].offset = 0
    builder.size = 0x20000
    #expect(try image(builder).programHeaderCount == 1003)
}

@Test func sentencesSayWhatIsWrong() {
    let program = bytes("/bin/x")
    func sentence(_ error: ImageError) -> String { error.sentence(program: program) }
    #expect(
        sentence(.defective(.wrongMachine(ELFMachine(243))))
            .hasPrefix("cannot run /bin/x: it is built for riscv, and this machine runs "))
    #expect(sentence(.defective(.wrongMachine(ELFMachine(3, is32Bit: true)))).contains("32-bit i386"))
    #expect(
        sentence(.interpreterUnavailable(bytes("/lib64/ld-linux-x86-64.so.2"), .ENOENT))
            == "cannot run /bin/x: its interpreter /lib64/ld-linux-x86-64.so.2 cannot be opened: no such file")
    #expect(sentence(.defective(.truncated)) == "cannot run /bin/x: the file is truncated")
    #expect(sentence(.unavailable(GuestErrno(77))) == "cannot run /bin/x: error 77")
}

@Test func errorNumbersAndStatuses() {
    #expect(ImageError.unknownFormat.errno == .ENOEXEC)
    #expect(ImageError.unknownFormat.exitStatus == 126)
    #expect(ImageError.unavailable(.ENOENT).exitStatus == 127)
    #expect(ImageError.unavailable(.EACCES).exitStatus == 126)
    #expect(ImageError.interpreterDefective([], .notProgram(type: 1)).errno == .ELIBBAD)
    #expect(ImageError.tooManyInterpreters.errno == .ELOOP)
    #expect(ImageError.argumentsTooLong.errno == .E2BIG)
    #expect(ImageError.defective(.absurdSegment).isFatal)
    #expect(!ImageError.defective(.truncated).isFatal)
}
