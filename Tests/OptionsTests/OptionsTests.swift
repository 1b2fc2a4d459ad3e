import CommandLineOptions
import Testing

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

private func parse(_ words: String...) throws -> Options { try Options.parse(words.map(bytes)) }

/// The sentence of a command line that must be refused.
private func refusal(_ words: String...) -> String? {
    do throws(OptionError) {
        _ = try Options.parse(words.map(bytes))
        return nil
    } catch {
        return error.sentence
    }
}

@Test func programAndArguments() throws {
    let options = try parse("/bin/echo", "--help", "-n", "--")
    #expect(options.command == .run(program: bytes("/bin/echo"), arguments: [bytes("--help"), bytes("-n"), bytes("--")]))
    #expect(options.timeout == 0)
    #expect(options.sysroot == nil)
}

@Test func bothFormsOfValues() throws {
    var expected = Options(command: .run(program: bytes("sh"), arguments: []))
    expected.sysroot = bytes("/root")
    expected.timeout = 30
    expected.maxProcesses = 20
    expected.workingDirectory = bytes("/tmp=x")
    expected.usesHostFallback = true
    expected.clearsEnvironment = true
    #expect(
        try parse(
            "--sysroot", "/root", "--timeout", "30", "--max-processes", "20", "--workdir", "/tmp=x", "--host-fallback", "--clear-env", "sh")
            == expected)
    #expect(
        try parse(
            "--sysroot=/root", "--timeout=030", "--max-processes=20", "--workdir=/tmp=x", "--host-fallback", "--clear-env", "--", "sh")
            == expected)
}

@Test func doubleDashEndsTheOptions() throws {
    #expect(try parse("--", "--odd", "x").command == .run(program: bytes("--odd"), arguments: [bytes("x")]))
    #expect(try parse("--", "--", "x").command == .run(program: bytes("--"), arguments: [bytes("x")]))
    #expect(try parse("-", "x").command == .run(program: bytes("-"), arguments: [bytes("x")]))
}

@Test func lastSingleValueCountsAndValuesMayLookLikeOptions() throws {
    #expect(try parse("--sysroot=/a", "--sysroot=/b", "x").sysroot == bytes("/b"))
    #expect(try parse("--workdir", "--help", "x").workingDirectory == bytes("--help"))
}

@Test func binds() throws {
    let options = try parse("--bind", "/a", "--bind=src:/b", "--bind=/c:/d:ro", "x")
    #expect(
        options.binds == [
            Options.Bind(host: bytes("/a"), guest: bytes("/a"), isReadOnly: false),
            Options.Bind(host: bytes("src"), guest: bytes("/b"), isReadOnly: false),
            Options.Bind(host: bytes("/c"), guest: bytes("/d"), isReadOnly: true),
        ])
    #expect(refusal("--bind", "/a:/", "x")?.contains("--sysroot") == true)
    #expect(try parse("--read-only", "--sysroot", "/a", "x").isReadOnly)
    #expect(refusal("--read-only", "x")?.contains("--sysroot") == true)
    for bad in ["src", ":/b", "/a:", "/a::ro", "/a:b", "/a:ro", "/a:/b:rw", "/a:/b:", "/a:/b:ro:x", ":"] {
        #expect(refusal("--bind", bad, "x")?.contains("--bind " + bad) == true, "\(bad)")
    }
}

@Test func environment() throws {
    let options = try parse("--env", "A=b=c", "--env=B=", "--env", "HOME", "x")
    #expect(
        options.environment == [
            .set(name: bytes("A"), value: bytes("b=c")), .set(name: bytes("B"), value: []), .pass(name: bytes("HOME")),
        ])
    #expect(refusal("--env", "=x", "p") == "--env =x has an empty name")
}

@Test func timeoutsAreNonNegativeIntegers() throws {
    #expect(try parse("--timeout", "18446744073709551615", "x").timeout == .max)
    for bad in ["-1", "+1", "1.5", "ten", " 1", "1s", "0x10", "18446744073709551616"] {
        #expect(
            refusal("--timeout", bad, "x")
                == "--timeout takes a non-negative whole number of seconds, not " + bad)
    }
}

@Test func doctorIsACommandAlone() throws {
    #expect(try parse("doctor").command == .doctor)
    #expect(try parse("--", "doctor").command == .run(program: bytes("doctor"), arguments: []))
    #expect(try parse("--clear-env", "doctor", "x").command == .run(program: bytes("doctor"), arguments: [bytes("x")]))
    #expect(try parse("./doctor").command == .run(program: bytes("./doctor"), arguments: []))
    #expect(refusal("doctor", "x")?.contains("vmrun -- doctor") == true)
}

@Test func commandsThatAreOtherPrograms() throws {
    #expect(try parse("root", "create", "--sysroot").command == .companion(program: .root, words: [bytes("create"), bytes("--sysroot")]))
    #expect(try parse("oci").command == .companion(program: .oci, words: []))
    #expect(try parse("--", "root", "x").command == .run(program: bytes("root"), arguments: [bytes("x")]))
}

@Test func rootsToMake() throws {
    func made(_ words: String...) throws -> RootRequest.Creation? {
        guard case .create(let creation) = try RootRequest(words.map(bytes)) else { return nil }
        return creation
    }
    let plain = try #require(try made("create", "dir"))
    #expect(plain.directory == bytes("dir") && plain.suite == bytes("bookworm") && plain.architecture == nil && plain.mirror == nil)
    let full = try #require(
        try made("create", "--suite=sid", "dir", "--arch", "arm64", "--mirror", "http://x/y", "--include", "a,b", "--include=c"))
    #expect(full.directory == bytes("dir") && full.suite == bytes("sid") && full.architecture == bytes("arm64"))
    #expect(full.mirror == bytes("http://x/y") && full.packages == [bytes("a"), bytes("b"), bytes("c")])
    #expect(try made("create", "--", "--suite")?.directory == bytes("--suite"))
    for bad in [
        ["create"], ["create", "a", "b"], ["create", "a", "--suite", "-x"], ["create", "a", "--include", "a b"], ["create", "a", "--mirror", "/x"],
        ["create", "a", "--sysroot", "b"], ["check"], ["check", ""], [], ["destroy", "a"],
    ] {
        #expect(throws: OptionError.self, "\(bad)") { try RootRequest(bad.map(bytes)) }
    }
}

@Test func runtimeCommandLines() throws {
    let request = try RuntimeRequest(
        ["--root", "/s", "--log-format=json", "--systemd-cgroup", "create", "--bundle", "b", "--preserve-fds", "2", "--no-pivot", "id"].map(bytes))
    #expect(request.words == [bytes("create"), bytes("id")])
    #expect(request.stateRoot == bytes("/s") && request.bundle == bytes("b") && request.preservedDescriptors == 2 && request.logsJSON)
    #expect(try RuntimeRequest([bytes("--version")]).isVersion)
    #expect(throws: OptionError.self) { try RuntimeRequest(["create", "--preserve-fds", "-1"].map(bytes)) }
    #expect(throws: OptionError.self) { try RuntimeRequest(["create", "--sysroot", "/"].map(bytes)) }
}

@Test func everyOptionIsDescribed() {
    let options = OptionDescription.listed + CommandDescription.all.flatMap { $0.options }
    for option in options {
        let spelling = "\(option.spelling)"
        #expect(spelling.hasPrefix("--") && spelling.count > 3)
        #expect(!"\(option.summary)".isEmpty && !"\(option.summary)".hasSuffix("."), "\(spelling)")
        #expect("\(option.details)".isEmpty || "\(option.details)".hasSuffix("."), "\(spelling)")
    }
    let listed = OptionDescription.listed.map { "\($0.spelling)" }
    #expect(Set(listed).count == listed.count)
}

@Test func helpAndVersion() throws {
    #expect(try parse("--sysroot", "/x", "--help", "--bogus").command == .help)
    #expect(try parse("--version").command == .version)
    #expect(Options.versionText == "vmrun " + Options.version + "\n")
    for option in OptionDescription.listed { #expect(Options.usageText.contains("  \(option.spelling)")) }
    #expect(!Options.usageText.contains("--helper-fd"))
}

@Test func helpersNeedNoProgram() throws {
    let options = try parse("--helper-fd", "5000")
    #expect(options.helperDescriptor == 5000)
    #expect(refusal("--helper-fd", "-1")?.contains("--helper-fd") == true)
    #expect(refusal("--helper-fd", "2147483648")?.contains("descriptor") == true)
}

@Test func refusals() {
    #expect(refusal() == "no program given; vmrun --help shows how to call it")
    #expect(refusal("--clear-env") == "no program given; vmrun --help shows how to call it")
    #expect(refusal("--") == "no program given; vmrun --help shows how to call it")
    #expect(refusal("") == "the program's name is empty")
    #expect(refusal("--bogus=1", "x") == "unknown option --bogus; vmrun --help lists them")
    #expect(refusal("--SYSROOT", "/", "x") == "unknown option --SYSROOT; vmrun --help lists them")
    #expect(refusal("-x", "x") == "unknown option -x; vmrun --help lists them")
    #expect(refusal("--sysroot") == "option --sysroot needs a value")
    #expect(refusal("--sysroot=", "x") == "option --sysroot has an empty value")
    #expect(refusal("--sysroot", "", "x") == "option --sysroot has an empty value")
    #expect(refusal("--host-fallback=yes", "x") == "option --host-fallback takes no value")
    #expect(refusal("--help=x") == "option --help takes no value")
    #expect(OptionError.exitStatus == 125)
}

@Test func wordsNeedNotBeUTF8() throws {
    let options = try Options.parse([bytes("--sysroot=") + [0xff, 0xfe], [0x80]])
    #expect(options.sysroot == [0xff, 0xfe])
    #expect(options.command == .run(program: [0x80], arguments: []))
}

@Test func network() throws {
    #expect(try parse("x").hasNetwork)
    #expect(try parse("--net", "host", "x").hasNetwork)
    #expect(try !parse("--net=none", "x").hasNetwork)
    for value in ["None", "no", "host,none"] {
        #expect(refusal("--net", value, "x") == "--net takes host or none, not \(value)")
    }
}

@Test func confinementIsTheDefault() throws {
    #expect(try parse("x").isConfined)
    #expect(try !parse("--no-confine", "x").isConfined)
}

@Test func limits() throws {
    let options = try parse("--max-threads", "5", "--max-open-files=6", "--cpu-time", "7", "x")
    #expect((options.maxThreads, options.maxOpenFiles, options.processorTime) == (5, 6, 7))
    for name in ["--max-threads", "--max-open-files", "--max-processes"] {
        #expect(refusal(name, "-1", "x") == "\(name) takes a non-negative whole number, not -1")
    }
    for (text, bytes) in [("5", 5), ("3K", 3 << 10), ("512M", 512 << 20), ("2G", 2 << 30), ("1T", 1 << 40)] as [(String, UInt64)] {
        #expect(try parse("--memory", text, "x").memory == bytes)
        #expect(try parse("--max-output", text, "x").maxOutput == bytes)
    }
    for text in ["K", "5m", "-1", "1.5G", "16777216T", "5 M"] {
        #expect(refusal("--memory", text, "x") == "--memory takes a number of bytes, or one with K, M, G or T behind it, not \(text)")
    }
    #expect(refusal("--cpu-time", "1.5", "x") == "--cpu-time takes a non-negative whole number of seconds, not 1.5")
}

@Test func trace() throws {
    #expect(try parse("x").trace == nil)
    #expect(try parse("--trace", "x").trace == [])
    #expect(try parse("--trace", "x").command == .run(program: bytes("x"), arguments: []))
    #expect(try parse("--trace=open,%file", "x").trace == bytes("open,%file"))
    #expect(try parse("--trace", "-o", "f", "x").traceOutput == bytes("f"))
    #expect(try parse("--trace", "--trace-output=f", "--trace-size", "100", "x").traceSize == 100)
    #expect(refusal("--trace=", "x") == "option --trace has an empty value")
    #expect(refusal("-o", "f", "x") == "option --trace-output (-o) needs --trace")
    #expect(refusal("--trace", "--trace-size", "65537", "x") == "--trace-size takes at most 65536")
}

@Test func statistics() throws {
    #expect(try parse("x").statistics == nil)
    #expect(try parse("--stats", "x").statistics == .table)
    #expect(try parse("--stats=json", "x").statistics == .json)
    #expect(refusal("--stats=xml", "x") == "--stats takes json or no value, not xml")
}

@Test func debuggers() throws {
    #expect(try parse("--gdb", "1234", "sh").debugger == .port(host: 0x7f00_0001, 1234))
    #expect(try parse("--gdb", ":1234", "sh").debugger == .port(host: 0x7f00_0001, 1234))
    #expect(try parse("--gdb=10.0.0.1:0", "sh").debugger == .port(host: 0x0a00_0001, 0))
    #expect(try parse("--gdb", "./socket", "--gdb-stop-on-entry", "sh").debugger == .path(bytes("./socket")))
    #expect(try parse("--gdb", "1234", "--gdb-stop-on-entry", "sh").stopsOnEntry)
    for place in ["socket", "65536", "10.0.0:1", "10.0.0.256:1", "::1", "1:2:3", "-1"] {
        #expect(refusal("--gdb", place, "sh")?.contains(place) == true)
    }
    #expect(refusal("--gdb", "/" + String(repeating: "a", count: 107), "sh") != nil)
    #expect(refusal("--gdb-stop-on-entry", "sh") != nil)
}
