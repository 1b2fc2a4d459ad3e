import CShim
import GuestMemory
import LinuxABI
import Testing

@testable import GuestImage

private func withInterpreter(_ path: [UInt8] = bytes("/ld.so\0")) -> FakeOpener {
    var builder = ELFBuilder.program()
    builder.addInterpreter(path)
    let opener = FakeOpener()
    opener.files["/p"] = builder.build()
    return opener
}

@Test func interpretersAreOpened() throws {
    let opener = withInterpreter()
    var interpreter = ELFBuilder.program(dynamic: true)
    interpreter.addInterpreter(bytes("/ignored\0"))
    opener.files["/ld.so"] = interpreter.build()
    let program = try prepare("/p", argv: ["p"], opener: opener)
    #expect(program.interpreter?.image.isRelocatable == true)
    #expect(opener.opened == ["/p", "/ld.so"])
}

@Test func onlyTheFirstInterpreterCounts() throws {
    var builder = ELFBuilder.program()
    builder.addInterpreter(bytes("/a\0"))
    builder.addInterpreter(bytes("/b\0"))
    builder.content.removeFirst()
    builder.content.append((0x900, bytes("/a\0")))
    builder.headers[3].offset = 0x900
    let opener = FakeOpener()
    opener.files["/p"] = builder.build()
    #expect(failure("/p", opener: opener) == .interpreterUnavailable(bytes("/a"), .ENOENT))
}

@Test func interpreterNames() {
    #expect(
        failure("/p", opener: withInterpreter(bytes("/a\0b\0"))) == .interpreterUnavailable(bytes("/a"), .ENOENT))
    #expect(failure("/p", opener: withInterpreter(bytes("\0\0"))) == .interpreterUnavailable([], .EACCES))
    #expect(failure("/p", opener: withInterpreter(bytes("/a"))) == .defective(.badInterpreterName))
    #expect(failure("/p", opener: withInterpreter([0])) == .defective(.badInterpreterName))
    var builder = ELFBuilder.program()
    builder.addInterpreter(bytes("/a\0"))
    builder.headers[3].fileSize = 4097
    #expect(failure(of: builder.build()) == .defective(.badInterpreterName))
    builder.headers[3].fileSize = 4096
    builder.headers[3].offset = 0x2800
    #expect(failure(of: builder.build()) == .unavailable(.EIO))
    builder.headers[3].offset = 1 << 63
    #expect(failure(of: builder.build()) == .unavailable(.EINVAL))
}

@Test func unusableInterpreters() {
    let opener = withInterpreter()
    func errno(_ content: [UInt8]) -> GuestErrno? {
        opener.files["/ld.so"] = content
        return failure("/p", opener: opener)?.errno
    }
    #expect(errno([]) == .EIO)
    #expect(errno(bytes("#!/bin/sh\n")) == .EIO)
    #expect(errno([UInt8](repeating: 1, count: 64)) == .ELIBBAD)
    var builder = ELFBuilder.program(dynamic: true)
    builder.machine = 243
    #expect(errno(builder.build()) == .ELIBBAD)
    builder = .program(dynamic: true)
    builder.entrySize = 1
    #expect(errno(builder.build()) == .ELIBBAD)
    opener.errors["/ld.so"] = .EACCES
    #expect(failure("/p", opener: opener) == .interpreterUnavailable(bytes("/ld.so"), .EACCES))
}

@Test func namesOfTheProcess() throws {
    let opener = FakeOpener()
    opener.files["/some/a-rather-long-program-name"] = ELFBuilder.program().build()
    let program = try prepare("/some/a-rather-long-program-name", argv: [], opener: opener)
    #expect(text(program.comm) == "a-rather-long-p")
    #expect(program.argv == [[]])
    #expect(text(program.execfn) == "/some/a-rather-long-program-name")
}

@Test func execveatOnDescriptors() throws {
    let opener = FakeOpener()
    opener.files["/0"] = ELFBuilder.program().build()
    func prepare(_ content: [UInt8], path: String = "", closesOnExec: Bool) throws(ImageError) -> PreparedProgram {
        try PreparedProgram.prepare(
            .descriptor(
                opener.open(content, path: "/dir/file"), name: bytes("/dev/fd/7" + path), closesOnExec: closesOnExec,
                isNameless: path.isEmpty),
            argv: [bytes("x")], envp: [], opener: opener, registry: InterpreterRegistry(), limits: usualLimits)
    }
    var program = try prepare(ELFBuilder.program().build(), closesOnExec: true)
    #expect(text(program.execfn) == "/dev/fd/7")
    #expect(text(program.comm) == "file")
    program = try prepare(ELFBuilder.program().build(), path: "/a/b", closesOnExec: true)
    #expect(text(program.execfn) == "/dev/fd/7/a/b")
    #expect(text(program.comm) == "b")
    program = try prepare(bytes("#!/0\n"), closesOnExec: false)
    #expect(program.argv.map(text) == ["/0", "/dev/fd/7"])
    #expect(text(program.comm) == "0")
    #expect(throws: ImageError.scriptInaccessible) { try prepare(bytes("#!/0\n"), closesOnExec: true) }
}

@Test func argumentLimits() {
    let opener = FakeOpener()
    opener.files["/p"] = ELFBuilder.program().build()
    let longest = [UInt8](repeating: 0x61, count: 131_071)
    #expect(failure("/p", argv: [longest], envp: [longest], opener: opener) == nil)
    #expect(failure("/p", argv: [longest + [0x61]], opener: opener) == .argumentsTooLong)
    #expect(failure("/p", argv: [], envp: [longest + [0x61]], opener: opener) == .argumentsTooLong)

    // 2 MiB of an 8 MiB stack: 15 strings of 128 KiB and their 15 pointers, the name, and what is left for one more.
    let fifteen = [[UInt8]](repeating: longest, count: 15)
    let left = (2 << 20) - 15 * 131_072 - 16 * 8 - 3
    #expect(failure("/p", argv: fifteen + [[UInt8](repeating: 0x61, count: left - 1)], opener: opener) == nil)
    #expect(
        failure("/p", argv: fifteen + [[UInt8](repeating: 0x61, count: left)], opener: opener) == .argumentsTooLong)

    #expect(ArgumentLimits(stackLimit: .max).total == 6 << 20)
    #expect(ArgumentLimits(stackLimit: 0).total == 131_072)
    #expect(ArgumentLimits(stackLimit: 4 << 20).total == 1 << 20)
    #expect(ArgumentLimits(stackLimit: 0).stringBudget(argc: 16383, envc: 0) == 8)
    #expect(ArgumentLimits(stackLimit: 0).stringBudget(argc: 16384, envc: 0) == nil)
}

@Test func scriptsCountTowardsTheLimit() {
    let opener = FakeOpener()
    opener.files["/0"] = ELFBuilder.program().build()
    opener.files["/s"] = bytes("#!/0\n")
    let limits = ArgumentLimits(stackLimit: 0)
    // One pointer, "/s" as execfn, the argument's NUL; then argv[0] gives way to "/0" and "/s".
    let most = 131_072 - 8 - 3 - 1
    func result(_ size: Int) -> ImageError? {
        failure("/s", argv: [[], [UInt8](repeating: 0x61, count: size)], opener: opener, limits: limits)
    }
    #expect(result(most - 8 - 6) == nil)
    #expect(result(most - 8 - 5) == .argumentsTooLong)
}

@Test func plansFromAnotherProcess() throws {
    let opener = withInterpreter()
    let executable = memoryFile(opener.files["/p"] ?? [])
    let program = try PreparedProgram(
        executable: executable, interpreter: memoryFile(ELFBuilder.program(dynamic: true).build()), argv: [bytes("p")],
        envp: [], execfn: bytes("/p"), executablePath: bytes("/p"), comm: bytes("p"), auxiliaryFlags: 0, limits: usualLimits)
    #expect(program.interpreter != nil)
    #expect(throws: ImageError.unknownFormat) {
        try PreparedProgram(
            executable: memoryFile([1]), interpreter: nil, argv: [], envp: [], execfn: [], executablePath: [], comm: [],
            auxiliaryFlags: 0, limits: usualLimits)
    }
}
