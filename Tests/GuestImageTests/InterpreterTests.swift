import LinuxABI
import Testing

@testable import GuestImage

private let riscv = ELFMachine(243)

/// /native, /script (interpreted by /foreign), and /foreign, a program for riscv64.
private func opener(flagged elfClass: UInt8 = 2) -> FakeOpener {
    let opener = FakeOpener()
    opener.files["/native"] = ELFBuilder.program().build()
    var foreign = ELFBuilder.program()
    foreign.machine = 243
    foreign.ident[4] = elfClass
    opener.files["/foreign"] = foreign.build()
    opener.files["/script"] = bytes("#!/foreign -q")
    return opener
}

private func registry(_ entries: (String, String)...) -> InterpreterRegistry {
    var registry = InterpreterRegistry()
    for (name, path) in entries {
        let isKnown = registry.register(bytes(name), path: bytes(path))
        #expect(isKnown)
    }
    return registry
}

@Test func machinesHaveQemusNames() {
    #expect(ELFMachine(named: bytes("aarch64")) == ELFMachine(183))
    #expect(ELFMachine(named: bytes("i386")) == ELFMachine(3, is32Bit: true))
    #expect(ELFMachine(named: bytes("ppc64le")) == ELFMachine(21))
    #expect(ELFMachine(named: bytes("mipsn32el")) == ELFMachine(8, is32Bit: true, isN32: true))
    #expect(ELFMachine(named: bytes("arm64")) == nil)
    #expect(ELFMachine(named: []) == nil)
    #expect(ELFMachine(183).name?.description == "aarch64")
    #expect(ELFMachine(50).name == nil)
    #expect(ELFMachine(named: bytes("x86_64"))?.isNative == true)
}

@Test func machinesAreReadFromHeaders() {
    func machine(_ number: UInt16, elfClass: UInt8, data: UInt8, flags: UInt8 = 0) -> String? {
        var head = ELFBuilder.program().build()
        head[4] = elfClass
        head[5] = data
        let big = data == 2
        head[18] = UInt8(truncatingIfNeeded: big ? number >> 8 : number)
        head[19] = UInt8(truncatingIfNeeded: big ? number : number >> 8)
        for offset in 36..<40 { head[offset] = 0 }
        head[big ? 39 : 36] = flags
        return ELFMachine(head: head)?.name?.description
    }
    #expect(machine(40, elfClass: 1, data: 1) == "arm")
    #expect(machine(40, elfClass: 1, data: 2) == "armeb")
    #expect(machine(183, elfClass: 2, data: 2) == "aarch64_be")
    #expect(machine(8, elfClass: 1, data: 2) == "mips")
    #expect(machine(8, elfClass: 1, data: 2, flags: 0x20) == "mipsn32")
    #expect(machine(8, elfClass: 1, data: 1, flags: 0x20) == "mipsn32el")
    #expect(machine(8, elfClass: 2, data: 1, flags: 0x20) == "mips64el")
    #expect(ELFMachine(head: bytes("\u{7f}ELF")) == nil)
    #expect(ELFMachine(head: bytes("#!/bin/sh")) == nil)
}

@Test func translatorsRunForeignPrograms() throws {
    let opener = opener()
    let registry = registry(("riscv64", "/nowhere"), ("riscv64", "/native"), ("arm", "/arm"))
    var program = try prepare("/foreign", argv: ["f", "x"], opener: opener, registry: registry)
    #expect(program.argv.map(text) == ["/native", "/foreign", "x"])
    #expect(program.auxiliaryFlags == 0)
    #expect(text(program.execfn) == "/foreign")
    #expect(text(program.comm) == "foreign")
    #expect(text(program.executablePath) == "/real/native")
    program = try prepare("/script", argv: ["f", "x"], opener: opener, registry: registry)
    #expect(program.argv.map(text) == ["/native", "/foreign", "-q", "/script", "x"])
}

@Test func argumentZeroIsKeptForThoseWhoKnow() throws {
    for path in ["/usr/bin/qemu-riscv64-static", "/opt/qemu-x", "/a/riscv64-binfmt-P"] {
        let opener = opener()
        opener.files[path] = opener.files["/native"]
        let registry = registry(("riscv64", path))
        var program = try prepare("/foreign", argv: ["f", "x"], opener: opener, registry: registry)
        #expect(program.argv.map(text) == [path, "/foreign", "f", "x"])
        #expect(program.auxiliaryFlags == 1)
        program = try prepare("/script", argv: ["f", "x"], opener: opener, registry: registry)
        #expect(program.argv.map(text) == [path, "/foreign", "/foreign", "-q", "/script", "x"])
    }
}

@Test func translatorsAreFoundWhereTheyAreInstalled() throws {
    let places = ["/usr/bin/qemu-riscv64-static", "/usr/bin/qemu-riscv64", "/usr/libexec/qemu-binfmt/riscv64-binfmt-P"]
    for (index, path) in places.enumerated() {
        let opener = opener()
        for place in places[index...] { opener.files[place] = opener.files["/native"] }
        opener.hostFiles[places[0]] = opener.files["/native"]
        let program = try prepare("/foreign", argv: ["f"], opener: opener)
        #expect(program.argv.map(text) == [path, "/foreign", "f"])
        #expect(text(program.executablePath) == "/real" + path)
    }
}

@Test func theHostsTranslatorIsTheLastResort() throws {
    let opener = opener()
    let path = "/usr/bin/qemu-riscv64-static"
    // One that needs a loader would look for it in the guest's root; one for another machine is none.
    var dynamic = ELFBuilder.program()
    dynamic.addInterpreter(bytes("/native\0"))
    opener.hostFiles[path] = dynamic.build()
    opener.files[path] = opener.files["/foreign"]
    #expect(failure("/foreign", opener: opener) == .defective(.wrongMachine(riscv)))
    opener.hostFiles[path] = opener.files["/native"]
    let program = try prepare("/foreign", argv: ["f"], opener: opener)
    #expect(program.argv.map(text) == [path, "/foreign", "f"])
    #expect(text(program.executablePath) == path)
}

@Test func aRegisteredTranslatorIsNotReplacedByAFoundOne() {
    let opener = opener()
    opener.files["/usr/bin/qemu-riscv64-static"] = opener.files["/native"]
    let named = registry(("riscv64", "/nowhere"))
    #expect(failure("/foreign", opener: opener, registry: named) == .scriptInterpreterUnavailable(bytes("/nowhere"), .ENOENT))
    // A translator that is itself foreign is translated in turn, until that is too deep.
    let circular = registry(("riscv64", "/foreign"))
    #expect(failure("/foreign", opener: opener, registry: circular) == .tooManyInterpreters)
}

@Test func withoutATranslatorItIsNoProgram() {
    #expect(failure("/foreign", opener: opener())?.errno == .ENOEXEC)
    #expect(failure("/script", opener: opener())?.errno == .ENOEXEC)
    let sentence = failure("/foreign", opener: opener())?.sentence(program: bytes("/foreign")) ?? ""
    #expect(sentence.contains("--interp riscv64=PATH"))
    // The other word size is another machine.
    let registry = registry(("riscv64", "/native"))
    #expect(
        failure("/foreign", opener: opener(flagged: 1), registry: registry)
            == .defective(.wrongMachine(ELFMachine(243, is32Bit: true))))
}

@Test func registriesTravel() {
    var before = registry(("arm", "/arm"), ("aarch64", "/a b"))
    #expect(InterpreterRegistry(words: before.words) == before)
    #expect(InterpreterRegistry(words: []) == InterpreterRegistry())
    #expect(InterpreterRegistry(words: [bytes("arm")]) == nil)
    #expect(InterpreterRegistry(words: [bytes("arm64"), bytes("/x")]) == nil)
    let (ownName, otherName) = ELFMachine(62).isNative ? ("x86_64", "z80") : ("aarch64", "z80")
    let takesOwn = before.register(bytes(ownName), path: bytes("/x"))
    let takesOther = before.register(bytes(otherName), path: bytes("/x"))
    #expect(!takesOwn && !takesOther)
}
