extension Options {
    /// Parses the words behind vmrun's own name. Options end at the first word that is none, or behind `--`; --help and
    /// --version end the parsing where they stand.
    public static func parse(_ words: [[UInt8]]) throws(OptionError) -> Options {
        if let command = try command(words) { return Options(command: command) }
        var options = Options(command: .help)
        var reader = OptionReader(words, group: nil)
        while let (name, spelling, value) = try reader.next() {
            switch name {
            case .sysroot: options.sysroot = value
            case .bind: options.binds.append(try bind(value))
            case .readOnly: options.isReadOnly = true
            case .hostFallback: options.usesHostFallback = true
            case .timeout: options.timeout = try count(value, spelling, of: " of seconds")
            case .maxProcesses: options.maxProcesses = try count(value, spelling)
            case .maxThreads: options.maxThreads = try count(value, spelling)
            case .maxOpenFiles: options.maxOpenFiles = try count(value, spelling)
            case .cpuTime: options.processorTime = try count(value, spelling, of: " of seconds")
            case .maxOutput: options.maxOutput = try size(value, spelling)
            case .memory: options.memory = try size(value, spelling)
            case .env: options.environment.append(try environmentChange(value))
            case .clearEnv: options.clearsEnvironment = true
            case .workdir: options.workingDirectory = value
            case .interp: options.interpreters.append(try interpreter(value))
            case .user: options.user = try user(value)
            case .fakeRoot: options.isFakeRoot = true
            case .noFastSyscalls: options.hasFastSystemCalls = false
            case .noSwitchless: options.isSwitchless = false
            case .noPatch: options.rewritesCalls = false
            case .net: options.hasNetwork = try network(value)
            case .noConfine: options.isConfined = false
            case .stats: options.statistics = try statisticsForm(value)
            case .trace: options.trace = value
            case .traceOutput: options.traceOutput = value
            case .traceSize: options.traceSize = try count(value, spelling, of: " of bytes", most: 65536)
            case .gdb: options.debugger = try debuggerPlace(value)
            case .gdbStopOnEntry: options.stopsOnEntry = true
            case .version: return Options(command: .version)
            case .help: return Options(command: .help)
            case .helperFd: options.helperDescriptor = try descriptor(value, spelling)
            case .suite, .architecture, .mirror, .include: break
            case .bundle, .stateRoot, .pidFile, .consoleSocket, .preserveFds, .force, .all, .log, .logFormat, .systemdCgroup, .noPivot,
                .noNewKeyring:
                break
            }
        }
        guard !options.stopsOnEntry || options.debugger != nil else {
            throw OptionError("--gdb-stop-on-entry needs --gdb, which says where gdb finds the program")
        }
        guard let program = reader.operands.first else {
            // A helper's program comes with the exec plan.
            if options.helperDescriptor != nil {
                options.command = .run(program: [], arguments: [])
                return options
            }
            throw OptionError("no program given; vmrun --help shows how to call it")
        }
        guard !program.isEmpty else { throw OptionError("the program's name is empty") }
        if options.isReadOnly && options.sysroot == nil { throw OptionError("--read-only needs a --sysroot that is to be read only") }
        if options.trace == nil && options.traceOutput != nil { throw OptionError("option --trace-output (-o) needs --trace") }
        options.command = .run(program: program, arguments: Array(reader.operands.dropFirst()))
        return options
    }

    private static let equals = UInt8(ascii: "=")
    private static let colon = UInt8(ascii: ":")
    private static let slash = UInt8(ascii: "/")

    private static func bind(_ value: [UInt8]) throws(OptionError) -> Bind {
        let parts = value.split(separator: colon, maxSplits: 2, omittingEmptySubsequences: false)
        let host = parts[0]
        let guest = parts.count > 1 ? parts[1] : host
        guard !host.isEmpty, !guest.isEmpty else {
            throw OptionError("--bind " + text(value[...]) + " has an empty path; the form is HOST[:GUEST[:ro]]")
        }
        guard guest.first == slash else {
            throw OptionError("--bind " + text(value[...]) + " needs an absolute path in the guest")
        }
        guard guest.contains(where: { $0 != slash }) else {
            throw OptionError("--bind " + text(value[...]) + " would hide the guest's root; --sysroot says what that is")
        }
        if parts.count > 2 {
            guard parts[2].elementsEqual("ro".utf8) else {
                throw OptionError(
                    "--bind " + text(value[...]) + " ends in something other than ro; the form is HOST[:GUEST[:ro]]")
            }
        }
        return Bind(host: Array(host), guest: Array(guest), isReadOnly: parts.count > 2)
    }

    private static func interpreter(_ value: [UInt8]) throws(OptionError) -> Interpreter {
        let parts = value.split(separator: equals, maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty else {
            throw OptionError("--interp " + text(value[...]) + " names no machine; the form is MACHINE=GUESTPATH")
        }
        guard parts[1].first == slash else {
            throw OptionError("--interp " + text(value[...]) + " needs an absolute path in the guest")
        }
        return Interpreter(machine: Array(parts[0]), path: Array(parts[1]))
    }

    private static func user(_ value: [UInt8]) throws(OptionError) -> User {
        let parts = value.split(separator: colon, maxSplits: 1, omittingEmptySubsequences: false)
        guard !parts[0].isEmpty, parts.count == 1 || !parts[1].isEmpty else {
            throw OptionError("--user " + text(value[...]) + " has an empty part; the form is USER[:GROUP]")
        }
        return User(user: Array(parts[0]), group: parts.count > 1 ? Array(parts[1]) : nil)
    }

    private static func count(
        _ value: [UInt8], _ spelling: ArraySlice<UInt8>, of unit: String = "", most: UInt64 = .max
    ) throws(OptionError) -> UInt64 {
        guard let result = number(value) else {
            throw OptionError(text(spelling) + " takes a non-negative whole number" + unit + ", not " + text(value[...]))
        }
        guard result <= most else { throw OptionError(text(spelling) + " takes at most \(most)") }
        return result
    }

    /// Bytes, or with a letter behind the number units of 1024, 1024² and so on.
    private static func size(_ value: [UInt8], _ spelling: ArraySlice<UInt8>) throws(OptionError) -> UInt64 {
        let units = Array("KMGT".utf8)
        let unit = value.last.flatMap { units.firstIndex(of: $0) }
        if let count = number(unit == nil ? value : value.dropLast()) {
            let (bytes, overflows) = count.multipliedReportingOverflow(by: unit.map { 1 << (10 * UInt64($0 + 1)) } ?? 1)
            if !overflows { return bytes }
        }
        throw OptionError(text(spelling) + " takes a number of bytes, or one with K, M, G or T behind it, not " + text(value[...]))
    }

    private static func network(_ value: [UInt8]) throws(OptionError) -> Bool {
        if value.elementsEqual("host".utf8) { return true }
        if value.elementsEqual("none".utf8) { return false }
        throw OptionError("--net takes host or none, not " + text(value[...]))
    }

    private static func statisticsForm(_ value: [UInt8]) throws(OptionError) -> StatisticsForm {
        if value.isEmpty { return .table }
        guard value.elementsEqual("json".utf8) else { throw OptionError("--stats takes json or no value, not " + text(value[...])) }
        return .json
    }

    /// A path has a slash, which neither a port nor a host's address has.
    private static func debuggerPlace(_ value: [UInt8]) throws(OptionError) -> DebuggerPlace {
        if value.contains(slash) {
            // struct sockaddr_un, with its closing NUL.
            guard value.count < 108 else { throw OptionError("--gdb " + text(value[...]) + " is too long for the name of a socket") }
            return .path(value)
        }
        let parts = value.split(separator: colon, maxSplits: 1, omittingEmptySubsequences: false)
        let port = parts.last.flatMap { number(Array($0)) }.flatMap { UInt16(exactly: $0) }
        let host = parts.count > 1 && !parts[0].isEmpty ? address(parts[0]) : 0x7f00_0001
        guard let port, let host else {
            throw OptionError("--gdb takes a port, an IPv4 address with a port as 127.0.0.1:1234, or a path with a slash, not " + text(value[...]))
        }
        return .port(host: host, port)
    }

    /// An IPv4 address in dotted decimal, in the host's order of bytes.
    private static func address(_ text: ArraySlice<UInt8>) -> UInt32? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var result: UInt32 = 0
        for part in parts {
            guard let value = number(Array(part)), value < 256 else { return nil }
            result = result << 8 | UInt32(value)
        }
        return result
    }

    private static func environmentChange(_ value: [UInt8]) throws(OptionError) -> EnvironmentChange {
        guard let end = value.firstIndex(of: equals) else { return .pass(name: value) }
        guard end > 0 else { throw OptionError("--env " + text(value[...]) + " has an empty name") }
        return .set(name: Array(value[..<end]), value: Array(value[(end + 1)...]))
    }

    private static func descriptor(_ value: [UInt8], _ spelling: ArraySlice<UInt8>) throws(OptionError) -> Int32 {
        guard let number = number(value), number <= UInt64(Int32.max) else {
            throw OptionError("option " + text(spelling) + " takes a descriptor number")
        }
        return Int32(number)
    }

    /// Decimal digits only; nil for anything else, also where the number is too large.
    static func number(_ digits: some Collection<UInt8>) -> UInt64? {
        guard !digits.isEmpty else { return nil }
        var result: UInt64 = 0
        for digit in digits {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
            let (tens, overflows) = result.multipliedReportingOverflow(by: 10)
            let (sum, carries) = tens.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
            guard !overflows, !carries else { return nil }
            result = sum
        }
        return result
    }

    static func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }
}
