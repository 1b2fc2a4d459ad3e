import LinuxABI
import Testing

@testable import Tracing

/// A program's memory: pieces at addresses.
private struct Program {
    var pieces: [(address: UInt64, bytes: [UInt8])] = []

    var memory: TracedMemory {
        let pieces = pieces
        return TracedMemory { address, buffer in
            for index in 0..<buffer.count {
                let wanted = address &+ UInt64(index)
                // Memory ends where a page does.
                guard let piece = pieces.first(where: { wanted >= $0.address && wanted - $0.address < 4096 }) else { return false }
                let offset = Int(wanted - piece.address)
                buffer[index] = offset < piece.bytes.count ? piece.bytes[offset] : 0
            }
            return true
        }
    }
}

private func words(_ values: UInt64...) -> [UInt8] {
    values.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) } }
}

private typealias Kinds = (ArgumentKind, ArgumentKind, ArgumentKind, ArgumentKind, ArgumentKind, ArgumentKind)

/// The whole line of a call, without the blanks that align its result.
private func line(
    _ name: StaticString, _ kinds: Kinds, _ arguments: [UInt64], _ result: Int, _ program: Program = Program(), limit: Int = 32,
    fillsVectors: Bool = false, before: Program? = nil
) -> String {
    var registers = SyscallArguments(0, 0, 0, 0, 0, 0)
    for (index, value) in arguments.enumerated() { registers[index] = value }
    let description = CallText.Description(name: name, kinds: kinds, fillsVectors: fillsVectors)
    var call = CallText(description, registers, line: TraceText(), memory: program.memory, limit: limit)
    call.begin()
    call.end(CallText.Outcome(result: result))
    return String(decoding: call.line.content, as: UTF8.self).split(separator: " ").joined(separator: " ")
}

private let atCurrent: UInt64 = UInt64(UInt32(bitPattern: -100))

@Test func namesOfFlags() {
    let kinds: Kinds = (.directoryFD, .path, .shown(.openFlags), .shown(.createMode), .none, .none)
    let program = Program(pieces: [(0x1000, Array("/etc/passwd\0".utf8))])
    #expect(line("openat", kinds, [atCurrent, 0x1000, 0x80000], 3, program) == #"openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3"#)
    #expect(
        line("openat", kinds, [5, 0x1000, 0x241, 0o644], -2, program)
            == #"openat(5, "/etc/passwd", O_WRONLY|O_CREAT|O_TRUNC, 0644) = -1 ENOENT (No such file or directory)"#)
    let map: Kinds = (.address, .value, .shown(.protection), .shown(.mapFlags), .fd, .shown(.hexadecimal))
    #expect(
        line("mmap", map, [0, 8192, 3, 0x22, .max, 0], 0x7f00_0000_1000)
            == "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000001000")
    #expect(
        line("mmap", map, [0x1000, 1, 0, 0x812, 3, 0x2000], 0x1000)
            == "mmap(0x1000, 1, PROT_NONE, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3, 0x2000) = 0x1000")
    #expect(line("unlinkat", (.directoryFD, .path, .shown(.atFlags), .none, .none, .none), [3, 0, 0x80000200], -14)
        == "unlinkat(3, NULL, AT_REMOVEDIR|0x80000000) = -1 EFAULT (Bad address)")
    #expect(line("access", (.path, .shown(.accessMode), .none, .none, .none, .none), [0x1000, 0], 0, program)
        == #"access("/etc/passwd", F_OK) = 0"#)
    #expect(line("access", (.path, .shown(.accessMode), .none, .none, .none, .none), [0x1000, 6], 0, program)
        == #"access("/etc/passwd", R_OK|W_OK) = 0"#)
    #expect(line("umask", (.shown(.mode), .none, .none, .none, .none, .none), [0o77], 0o22) == "umask(077) = 022")
}

@Test func buffersAreCutAndEscaped() {
    let read: Kinds = (.fd, .output(2), .value, .none, .none, .none)
    let program = Program(pieces: [(0x1000, [0x7f] + Array("ELF\u{2}\u{1}\n\"\\".utf8) + Array(repeating: 0, count: 60) + Array("1".utf8))])
    #expect(line("read", read, [3, 0x1000, 100], 9, program) == #"read(3, "\177ELF\2\1\n\"\\", 100) = 9"#)
    #expect(line("read", read, [3, 0x1000, 100], 12, program, limit: 10) == #"read(3, "\177ELF\2\1\n\"\\\0"..., 100) = 12"#)
    #expect(line("read", read, [3, 0x1000, 100], -9, program) == "read(3, 0x1000, 100) = -1 EBADF (Bad file descriptor)")
    #expect(line("read", read, [3, 0x9000, 100], 10, program) == "read(3, 0x9000, 100) = 10")
    let digits = Program(pieces: [(0x1000, [0, 0x31, 1, 0x61])])
    #expect(line("write", (.fd, .input(2), .value, .none, .none, .none), [1, 0x1000, 4], 4, digits) == #"write(1, "\0001\1a", 4) = 4"#)
    // The length is the program's: nothing of that size is read.
    #expect(line("write", (.fd, .input(2), .value, .none, .none, .none), [1, 0x1ff0, .max], -14, digits) == "write(1, 0x1ff0, -1) = -1 EFAULT (Bad address)")
}

@Test func structures() {
    let rlimit = Program(pieces: [(0x1000, words(8 << 20, .max))])
    #expect(
        line("prlimit64", (.pid, .shown(.resource), .reads(.rlimit), .writes(.rlimit), .none, .none), [0, 3, 0, 0x1000], 0, rlimit)
            == "prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0")
    let action = Program(pieces: [(0x1000, words(0x4000, 0x1400_0000, 0x5000, 1 << 1 | 1 << 33))])
    #expect(
        line("rt_sigaction", (.signal, .reads(.sigaction), .writes(.sigaction), .value, .none, .none), [2, 0x1000, 0, 8], 0, action)
            == "rt_sigaction(SIGINT, {sa_handler=0x4000, sa_mask=[INT RT_2], sa_flags=SA_RESTORER|SA_RESTART, sa_restorer=0x5000}, NULL, 8) = 0")
    let mask = Program(pieces: [(0x1000, words(~(3 << 31)))])
    #expect(
        line("rt_sigprocmask", (.shown(.maskChange), .reads(.sigset), .writes(.sigset), .value, .none, .none), [0, 0x1000, 0, 8], 0, mask)
            == "rt_sigprocmask(SIG_BLOCK, ~[RTMIN RT_1], NULL, 8) = 0")
    let status = Program(pieces: [(0x1000, words(0x2b00))])
    let wait: Kinds = (.pid, .shown(.waitStatus), .shown(.waitFlags), .writes(.rusage), .none, .none)
    #expect(
        line("wait4", wait, [.max, 0x1000, 1, 0], 77, status)
            == "wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 43}], WNOHANG, NULL) = 77")
    #expect(line("wait4", wait, [.max, 0x1000, 1, 0], 0, status) == "wait4(-1, 0x1000, WNOHANG, NULL) = 0")
    let polled = Program(pieces: [(0x1000, words(3 | 1 << 32 | 0x11 << 48))])
    #expect(
        line("poll", (.updatesArray(.pollfd, count: 1), .value, .value, .none, .none, .none), [0x1000, 1, UInt64(UInt32.max)], 1, polled)
            == "poll([{fd=3, events=POLLIN}], 1, -1) = 1 ([{fd=3, revents=POLLIN|POLLHUP}])")
    #expect(
        line("poll", (.updatesArray(.pollfd, count: 1), .value, .value, .none, .none, .none), [0x9000, 1, 0], 0)
            == "poll(0x9000, 1, 0) = 0 (Timeout)")
    let vector = Program(pieces: [(0x1000, words(0x2000, 2, 0x2002, 3)), (0x2000, Array("abcde".utf8))])
    #expect(
        line("writev", (.fd, .iovec(count: 2), .value, .none, .none, .none), [1, 0x1000, 2], 5, vector)
            == #"writev(1, [{iov_base="ab", iov_len=2}, {iov_base="cde", iov_len=3}], 2) = 5"#)
    #expect(
        line("readv", (.fd, .iovec(count: 2), .value, .none, .none, .none), [1, 0x1000, 2], 3, vector, fillsVectors: true)
            == #"readv(1, [{iov_base="ab", iov_len=2}, {iov_base="c", iov_len=3}], 2) = 3"#)
}

@Test func socketAddresses() {
    let kinds: Kinds = (.fd, .socketAddress(2), .value, .none, .none, .none)
    let internet = Program(pieces: [(0x1000, [2, 0, 0, 80, 127, 0, 0, 1] + Array(repeating: 0, count: 8))])
    #expect(
        line("connect", kinds, [3, 0x1000, 16], -111, internet)
            == #"connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = -1 ECONNREFUSED (Connection refused)"#)
    let local = Program(pieces: [(0x1000, [1, 0] + Array("/run/x\0\0".utf8))])
    #expect(line("bind", kinds, [3, 0x1000, 10], 0, local) == #"bind(3, {sa_family=AF_UNIX, sun_path="/run/x"}, 10) = 0"#)
    #expect(line("bind", kinds, [3, 0x1000, 1], -22, local) == "bind(3, 0x1000, 1) = -1 EINVAL (Invalid argument)")
    #expect(line("bind", kinds, [3, 0x1000, 3], 0, local) == #"bind(3, {sa_family=AF_UNIX, sun_path="/"}, 3) = 0"#)
}

@Test func argumentsByOthers() {
    let futex: Kinds = (
        .shown(.pointer), .shown(.futexOperation), .shown(.futexArgument), .shown(.futexArgument), .shown(.futexArgument),
        .shown(.futexArgument)
    )
    #expect(line("futex", futex, [0x1000, 0x81, 1, 9, 9, 9], 1) == "futex(0x1000, FUTEX_WAKE_PRIVATE, 1) = 1")
    #expect(
        line("futex", futex, [0x1000, 0x189, 5, 0, 9, UInt64(UInt32.max)], -110)
            == "futex(0x1000, FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 5, NULL, FUTEX_BITSET_MATCH_ANY) = -1 ETIMEDOUT (Connection timed out)")
    let fcntl: Kinds = (.fd, .shown(.fcntlCommand), .shown(.fcntlArgument), .none, .none, .none)
    #expect(line("fcntl", fcntl, [3, 2, 1], 0) == "fcntl(3, F_SETFD, FD_CLOEXEC) = 0")
    #expect(line("fcntl", fcntl, [3, 3, 77], 0x802) == "fcntl(3, F_GETFL) = 0x802 (flags O_RDWR|O_NONBLOCK)")
    #expect(line("fcntl", fcntl, [3, 0, 10], 10) == "fcntl(3, F_DUPFD, 10) = 10")
    let program = Program(pieces: [(0x1000, words(0x2000, 0x2003, 0)), (0x2000, Array("ls\0-l\0".utf8))])
    #expect(
        line("execve", (.path, .shown(.strings), .shown(.environment), .none, .none, .none), [0x2000, 0x1000, 0x1008], -13, program)
            == #"execve("ls", ["ls", "-l"], 0x1008 /* 1 var */) = -1 EACCES (Permission denied)"#)
    #if arch(x86_64)
    let clone: Kinds = (.shown(.cloneFlags), .address, .writes(.int), .writes(.int), .address, .none)
    #expect(
        line("clone", clone, [0x1200011, 0, 0, 0x1234, 0], 99)
            == "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x1234) = 99")
    #endif
}

/// Whatever the registers and the memory hold, a line comes out.
@Test func nothingIsBelieved() {
    var state: UInt64 = 0x9e37_79b9_7f4a_7c15
    func random() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
    let structures = WireStructure.allCases
    for _ in 0..<2000 {
        let program = Program(pieces: [(0x1000, (0..<600).map { _ in UInt8(truncatingIfNeeded: random() % 7 == 0 ? random() : 0) })])
        func kind() -> ArgumentKind {
            let structure = structures[Int(random() % UInt64(structures.count))]
            let other = UInt8(random() % 6)
            switch random() % 16 {
            case 0: return .input(other)
            case 1: return .output(other)
            case 2: return .reads(structure)
            case 3: return .writes(structure)
            case 4: return .updates(structure)
            case 5: return .readsArray(structure, count: other)
            case 6: return .writesArray(structure, count: other)
            case 7: return .updatesArray(structure, count: other)
            case 8: return .iovec(count: other)
            case 9: return .fdSet(count: other)
            case 10: return .socketAddress(other)
            case 11: return .socketAddressOutput(other)
            case 12: return .path
            default:
                let notations = Notation.allCases
                let notation = notations[Int(random() % UInt64(notations.count))]
                return notation == .createMode ? .value : .shown(notation)
            }
        }
        let values = (0..<6).map { _ in
            switch random() % 4 {
            case 0: random()
            case 1: random() % 64
            default: 0x1000 &+ random() % 4300
            }
        }
        let result = random() % 3 == 0 ? -Int(random() % 200) : Int(truncatingIfNeeded: random() >> 1)
        let text = line("call", (kind(), kind(), kind(), kind(), kind(), kind()), values, result, program, fillsVectors: random() % 2 == 0)
        #expect(text.hasPrefix("call("))
    }
}

@Test func signals() {
    func text(_ bytes: [UInt8]) -> String {
        var line = TraceText()
        let whole = bytes + Array(repeating: 0, count: 128 - bytes.count)
        whole.withUnsafeBytes { line.signalInformation(SignalFields(bytes: $0)) }
        return String(decoding: line.content, as: UTF8.self)
    }
    #expect(text(words(11, 1, 0x10)) == "{si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x10}")
    #expect(text(words(17, 1, 5 | 1000 << 32, 3)) == "{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=5, si_uid=1000, si_status=3}")
    #expect(text(words(15, 0, 7)) == "{si_signo=SIGTERM, si_code=SI_USER, si_pid=7, si_uid=0}")
}

@Test func settingsTravel() throws {
    var settings = TraceSettings()
    settings.limit = 7
    settings.beginning = 12345
    settings.selection = .none
    settings.selection.insert(3)
    settings.selection.insert(470)
    settings.name = Array("trace.%p.txt".utf8)
    settings.descriptor = 4096
    let copy = try #require(TraceSettings(words: settings.words, descriptor: 4096, name: settings.name))
    #expect(copy == settings)
    #expect(copy.selection.contains(3) && copy.selection.contains(470) && !copy.selection.contains(4) && !copy.selection.contains(9999))
    #expect(copy.fileName(of: 55) == Array("trace.55.txt".utf8))
    #expect(TraceSettings(words: [], descriptor: 0, name: []) == nil)
    #expect(TraceSettings(words: settings.words + [0], descriptor: 0, name: []) == nil)
}
