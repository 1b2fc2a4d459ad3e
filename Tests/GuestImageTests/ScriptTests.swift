import LinuxABI
import Testing

@testable import GuestImage

private func header(_ line: String) -> String? {
    guard let header = ScriptHeader(head: bytes(line)) else { return nil }
    return text(header.interpreter) + (header.argument.map { "|" + text($0) } ?? "")
}

@Test func scriptLines() {
    #expect(header("#!/bin/sh\necho") == "/bin/sh")
    #expect(header("#! \t/bin/sh \t\necho") == "/bin/sh")
    #expect(header("#!/bin/sh") == "/bin/sh")
    #expect(header("#!/bin/sh -e") == "/bin/sh|-e")
    #expect(header("#!/bin/sh\t -e  -x y \t\n") == "/bin/sh|-e  -x y")
    #expect(header("#!/bin/sh\r\n") == "/bin/sh\r")
    #expect(header("#!sh\n") == "sh")
    #expect(header("#!/bin/sh\0junk -x\n") == "/bin/sh")
    #expect(header("#!/bin/sh -x\0junk\n") == "/bin/sh|-x")
    #expect(header("#!\n/bin/sh") == nil)
    #expect(header("#!   \n/bin/sh") == nil)
    #expect(header("#!" + String(repeating: " ", count: 300)) == nil)
    // A NUL where the name should be: an empty name, which open_exec() refuses.
    #expect(header("#!") == "")
}

@Test func scriptNamesThatMayBeCut() {
    // 256 bytes are all that counts; a name that reaches their end may go on behind it.
    #expect(header("#!/" + String(repeating: "a", count: 252) + "\n")?.utf8.count == 253)
    #expect(header("#!/" + String(repeating: "a", count: 253) + "\n") == nil)
    #expect(header("#!/" + String(repeating: "a", count: 252))?.utf8.count == 253)
    #expect(header("#!/" + String(repeating: "a", count: 300)) == nil)
    // A cut argument is passed on as it is; the last byte of the buffer is lost.
    #expect(header("#!/b " + String(repeating: "x", count: 300)) == "/b|" + String(repeating: "x", count: 250))
}

private func nested(_ depth: Int) -> FakeOpener {
    let opener = FakeOpener()
    opener.files["/0"] = ELFBuilder.program().build()
    for level in 0..<depth { opener.files["/\(level + 1)"] = bytes("#!/\(level) arg\(level + 1)\n") }
    return opener
}

@Test func argumentsOfAScript() throws {
    let program = try prepare("/1", argv: ["name", "x", "y"], envp: ["A=b"], opener: nested(1))
    #expect(program.argv.map(text) == ["/0", "arg1", "/1", "x", "y"])
    #expect(program.envp.map(text) == ["A=b"])
    #expect(text(program.execfn) == "/1")
    #expect(text(program.comm) == "1")
    #expect(text(program.executablePath) == "/real/0")
}

@Test func scriptsNestFiveDeep() throws {
    let opener = nested(6)
    let program = try prepare("/5", argv: [], opener: opener)
    #expect(
        program.argv.map(text) == ["/0", "arg1", "/1", "arg2", "/2", "arg3", "/3", "arg4", "/4", "arg5", "/5"])
    #expect(opener.opened == ["/5", "/4", "/3", "/2", "/1", "/0"])
    #expect(failure("/6", opener: opener) == .tooManyInterpreters)
}

@Test func scriptFailures() {
    let opener = FakeOpener()
    opener.files["/gone"] = bytes("#!/nowhere\n")
    #expect(failure("/gone", opener: opener) == .scriptInterpreterUnavailable(bytes("/nowhere"), .ENOENT))
    opener.files["/noexec"] = bytes("#!/text\n")
    opener.files["/text"] = bytes("text")
    #expect(failure("/noexec", opener: opener) == .scriptInterpreterUnknownFormat(bytes("/text")))
    opener.errors["/text"] = .EACCES
    #expect(failure("/noexec", opener: opener)?.errno == .EACCES)
    opener.files["/empty"] = bytes("#!")
    #expect(failure("/empty", opener: opener)?.errno == .EACCES)
    opener.files["/blank"] = bytes("#! \n")
    #expect(failure("/blank", opener: opener) == .badScript)
    var foreign = ELFBuilder.program()
    foreign.machine = 243
    opener.files["/foreign"] = foreign.build()
    opener.files["/script"] = bytes("#!/foreign")
    #expect(
        failure("/script", opener: opener)
            == .scriptInterpreterDefective(bytes("/foreign"), .wrongMachine(ELFMachine(243))))
    opener.files["/loop"] = bytes("#!/loop\n")
    #expect(failure("/loop", opener: opener)?.errno == .ELOOP)
}
