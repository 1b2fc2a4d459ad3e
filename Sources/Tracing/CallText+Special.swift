import LinuxABI

/// What a fcntl(2) command's third argument is.
enum FcntlForm {
    case none, number, descriptorFlags, fileFlags, lock, pointer

    init(_ command: UInt64) {
        switch UInt32(truncatingIfNeeded: command) {
        // F_GETFD, F_GETFL, F_GETOWN, F_GETSIG, F_GETLEASE, F_GETPIPE_SZ, F_GET_SEALS.
        case 1, 3, 9, 11, 1025, 1032, 1034: self = .none
        case 2: self = .descriptorFlags
        case 4: self = .fileFlags
        case 5, 6, 7, 36, 37, 38: self = .lock
        // F_SETOWN_EX, F_GETOWN_EX.
        case 15, 16: self = .pointer
        default: self = .number
        }
    }
}

/// Which arguments a futex(2) operation has.
struct FutexForm {
    private let operation: UInt64

    init(_ operation: UInt64) { self.operation = operation & 0x7f }

    /// Whether argument `index` means something.
    func shows(_ index: Int) -> Bool {
        switch index {
        case 2: !(6...8).contains(operation) && operation != 13
        case 3: hasTimeout || hasSecondCount
        case 4: (3...5).contains(operation) || operation == 11 || operation == 12
        default: hasBits || operation == 4 || operation == 5 || operation == 12
        }
    }

    /// FUTEX_WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2.
    var hasTimeout: Bool { operation == 0 || operation == 6 || operation == 9 || operation == 11 || operation == 13 }
    /// FUTEX_REQUEUE, CMP_REQUEUE, WAKE_OP, CMP_REQUEUE_PI.
    private var hasSecondCount: Bool { (3...5).contains(operation) || operation == 12 }
    /// FUTEX_WAIT_BITSET, WAKE_BITSET.
    var hasBits: Bool { operation == 9 || operation == 10 }
}

/// Arguments whose meaning is in another one.
extension CallText {
    mutating func fcntlArgument(_ value: UInt64) {
        switch FcntlForm(arguments[1]) {
        case .none: break
        case .number: number(value)
        case .descriptorFlags: NameSets.descriptorFlags.write(value, to: &line)
        case .fileFlags: Notation.openFlags.names?.write(value & 0xffff_ffff, to: &line)
        case .pointer: line.pointer(value)
        case .lock:
            guard let fields = memory.bytes(at: value, count: 32) else { return line.pointer(value) }
            line.text("{l_type=")
            switch fields.u16(0) {
            case 0: line.text("F_RDLCK")
            case 1: line.text("F_WRLCK")
            case 2: line.text("F_UNLCK")
            default: line.unsigned(fields.u16(0))
            }
            line.text(", l_whence=")
            Notation.seekFrom.names?.write(fields.u16(2), to: &line)
            line.text(", l_start=")
            line.signed(fields.i64(8))
            line.text(", l_len=")
            line.signed(fields.i64(16))
            line.text("}")
        }
    }

    /// fcntl(2)'s flags are a number and their names.
    mutating func hasNamedResult(_ value: Int64) -> Bool {
        guard description.kind(1) == .shown(.fcntlCommand), value > 0, arguments.a1 == 1 || arguments.a1 == 3 else { return false }
        line.hexadecimal(UInt64(bitPattern: value))
        return true
    }

    mutating func fcntlResult(_ value: Int64) {
        switch UInt32(truncatingIfNeeded: arguments[1]) {
        case 1 where value > 0:
            line.text(" (flags ")
            NameSets.descriptorFlags.write(UInt64(value), to: &line)
            line.text(")")
        case 3:
            line.text(" (flags ")
            Notation.openFlags.names?.write(UInt64(bitPattern: value), to: &line)
            line.text(")")
        default: break
        }
    }

    mutating func requestArgument(_ value: UInt64) {
        switch UInt32(truncatingIfNeeded: arguments[1]) {
        // FIONREAD, FIONBIO, TIOCGPGRP, TIOCSPGRP, TIOCGPTN, TIOCSPTLCK, TIOCGSID, TIOCOUTQ.
        case 0x541b, 0x5421, 0x540f, 0x5410, 0x8004_5430, 0x4004_5431, 0x5429, 0x5411: structure(.int, value)
        // TIOCGWINSZ, TIOCSWINSZ.
        case 0x5413, 0x5414:
            guard let fields = memory.bytes(at: value, count: 8) else { return line.pointer(value) }
            line.text("{ws_row=")
            line.unsigned(fields.u16(0))
            line.text(", ws_col=")
            line.unsigned(fields.u16(2))
            line.text(", ws_xpixel=")
            line.unsigned(fields.u16(4))
            line.text(", ws_ypixel=")
            line.unsigned(fields.u16(6))
            line.text("}")
        default: if value < 4096 { line.unsigned(value) } else { line.pointer(value) }
        }
    }

    mutating func futexArgument(_ value: UInt64, _ index: Int) {
        let form = FutexForm(arguments[1])
        switch index {
        case 3 where form.hasTimeout: structure(.timespec, value)
        case 4: line.pointer(value)
        case 5 where form.hasBits:
            if UInt32(truncatingIfNeeded: value) == .max { line.text("FUTEX_BITSET_MATCH_ANY") } else { line.hexadecimal(value) }
        case 5: line.hexadecimal(value)
        default: line.signed(Int64(Int32(truncatingIfNeeded: value)))
        }
    }

    /// How many arguments a prctl(2) option has behind itself.
    static func controlArguments(_ option: UInt64) -> Int {
        switch UInt32(truncatingIfNeeded: option) {
        // PR_GET_DUMPABLE, PR_GET_KEEPCAPS, PR_GET_SECCOMP, PR_GET_SECUREBITS, PR_GET_TIMERSLACK.
        case 3, 7, 21, 27, 30: 0
        // PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, NAME, CAPBSET, PR_SET_SECUREBITS, PR_SET_TIMERSLACK, CHILD_SUBREAPER.
        case 1, 2, 4, 8, 15, 16, 23, 24, 28, 29, 36, 37: 1
        default: 4
        }
    }

    mutating func controlArgument(_ value: UInt64) {
        // PR_SET_NAME.
        if arguments.a0 == 15 { return string(value, limit: 16) }
        if value < 4096 { line.unsigned(value) } else { line.hexadecimal(value) }
    }

    // MARK: Sockets

    /// It has a name in the internet's families only.
    mutating func socketProtocol(_ value: UInt64) {
        let family = UInt32(truncatingIfNeeded: arguments.a0)
        if family == 2 || family == 10 {
            Notation.socketProtocol.names?.write(UInt64(UInt32(truncatingIfNeeded: value)), to: &line)
        } else {
            number(value)
        }
    }

    mutating func socketOption(_ value: UInt64) {
        if UInt32(truncatingIfNeeded: arguments[1]) == 1 {
            Notation.socketOption.names?.write(UInt64(UInt32(truncatingIfNeeded: value)), to: &line)
        } else {
            number(value)
        }
    }

    mutating func optionValue(_ value: UInt64) {
        let length: UInt64
        if case .updates = description.kind(4) {
            length = memory.bytes(at: arguments[4], count: 4)?.u32(0) ?? 0
        } else {
            length = UInt64(UInt32(truncatingIfNeeded: arguments[4]))
        }
        if length == 4 { structure(.int, value) } else { buffer(value, length) }
    }

    mutating func socketAddress(_ address: UInt64, _ length: UInt64) {
        guard address != 0, length >= 2, length <= 128, let fields = memory.bytes(at: address, count: Int(length)) else {
            return line.pointer(address)
        }
        line.text("{sa_family=")
        Notation.addressFamily.names?.write(fields.u16(0), to: &line)
        let bytes = fields.content
        switch fields.u16(0) {
        case 1 where length > 2:
            line.text(", sun_path=")
            if bytes[2] == 0 {
                line.text("@")
                line.quoted(bytes[3...])
            } else {
                line.quoted(bytes[2...].prefix { $0 != 0 })
            }
        case 2 where length >= 8:
            line.text(", sin_port=htons(")
            line.unsigned(UInt64(bytes[2]) << 8 | UInt64(bytes[3]))
            line.text("), sin_addr=inet_addr(\"")
            for index in 4..<8 {
                if index > 4 { line.text(".") }
                line.unsigned(UInt64(bytes[index]))
            }
            line.text("\")")
        case 10 where length >= 24:
            line.text(", sin6_port=htons(")
            line.unsigned(UInt64(bytes[2]) << 8 | UInt64(bytes[3]))
            line.text("), sin6_addr=\"")
            // All eight groups: the short form is for people who type.
            for index in stride(from: 8, to: 24, by: 2) {
                if index > 8 { line.text(":") }
                line.unsigned(UInt64(bytes[index]) << 8 | UInt64(bytes[index + 1]), base: 16)
            }
            line.text("\"")
        case 16 where length >= 12:
            line.text(", nl_pid=")
            line.unsigned(fields.u32(4))
            line.text(", nl_groups=")
            line.unsigned(fields.u32(8))
        default:
            if length > 2 {
                line.text(", sa_data=")
                line.quoted(bytes[2...].prefix(14))
            }
        }
        line.text("}")
    }

    // MARK: Waiting

    mutating func waitStatus(_ address: UInt64) {
        guard let status = memory.bytes(at: address, count: 4)?.u32(0) else { return line.pointer(address) }
        let signal = Int32(truncatingIfNeeded: status & 0x7f)
        line.text("[{")
        if signal == 0 {
            line.text("WIFEXITED(s) && WEXITSTATUS(s) == ")
            line.unsigned(status >> 8 & 0xff)
        } else if status == 0xffff {
            line.text("WIFCONTINUED(s)")
        } else if signal == 0x7f {
            line.text("WIFSTOPPED(s) && WSTOPSIG(s) == ")
            line.signal(Int32(truncatingIfNeeded: status >> 8 & 0xff))
        } else {
            line.text("WIFSIGNALED(s) && WTERMSIG(s) == ")
            line.signal(signal)
            if status & 0x80 != 0 { line.text(" && WCOREDUMP(s)") }
        }
        line.text("}]")
    }

    mutating func directoryEntries(_ address: UInt64, _ size: UInt64) {
        line.pointer(address)
        // Both forms of record have their length at 16.
        var count: UInt64 = 0
        var position: UInt64 = 0
        while position < size, let length = memory.bytes(at: address &+ position &+ 16, count: 2)?.u16(0), length > 0 {
            count += 1
            position &+= length
        }
        line.text(" /* ")
        line.unsigned(count)
        line.text(count == 1 ? " entry */" : " entries */")
    }

    mutating func pollResult(_ value: Int64, _ count: UInt64) {
        guard value > 0 else { return line.text(" (Timeout)") }
        line.text(" ([")
        var isFirst = true
        for index in 0..<min(count, 1024) {
            guard let fields = memory.bytes(at: arguments.a0 &+ index &* 8, count: 8) else { break }
            if fields.u16(6) == 0 { continue }
            if !isFirst { line.text(", ") }
            isFirst = false
            line.text("{fd=")
            line.signed(fields.i32(0))
            line.text(", revents=")
            NameSets.pollEvents.write(fields.u16(6), to: &line)
            line.text("}")
        }
        line.text("])")
    }

    mutating func selectResult(_ value: Int64) {
        guard value > 0 else { return line.text(" (Timeout)") }
        line.text(" (")
        var isFirst = true
        for index in 1...3 where arguments[index] != 0 {
            guard let bytes = memory.bytes(at: arguments[index], count: (Int(min(arguments.a0 & 0xffff_ffff, 65536)) + 63) / 64 * 8),
                bytes.content.contains(where: { $0 != 0 })
            else { continue }
            if !isFirst { line.text(", ") }
            isFirst = false
            line.text(index == 1 ? "in " : index == 2 ? "out " : "except ")
            descriptorSet(arguments[index], arguments.a0)
        }
        // What is left of the time, which only these two calls say.
        if arguments.a4 != 0, case .updates(let structure) = description.kind(4) {
            line.text(isFirst ? "left " : ", left ")
            self.structure(structure, arguments.a4)
        }
        line.text(")")
    }
}
