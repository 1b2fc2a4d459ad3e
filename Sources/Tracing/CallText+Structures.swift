import LinuxABI

/// Strings, buffers, and structures of the common calls.
extension CallText {
    // MARK: Strings and buffers

    mutating func string(_ address: UInt64, limit: Int) {
        guard address != 0, let (bytes, isWhole) = memory.string(at: address, limit: limit) else { return line.pointer(address) }
        line.quoted(bytes, isCut: !isWhole)
    }

    /// A buffer of `length` bytes, cut.
    mutating func buffer(_ address: UInt64, _ length: UInt64) {
        let shown = Int(min(length, UInt64(limit)))
        guard address != 0, let bytes = memory.bytes(at: address, count: shown) else { return line.pointer(address) }
        line.quoted(bytes.content, isCut: length > UInt64(shown))
    }

    /// A buffer of which the call has filled as much as it answers; a name that ends with a NUL is shown without it.
    mutating func filled(_ address: UInt64, _ size: UInt64, _ outcome: Outcome?) {
        let count = min(size, UInt64(clamping: outcome?.number ?? 0))
        if case .output(1) = description.kind(0) {
            // getcwd(2); random bytes have their flags behind the length.
            if description.kind(2) == .none { return string(address, limit: 4096) }
            if description.kind(2) == .shown(.randomFlags) { return randomBytes(address, count) }
        }
        buffer(address, count)
    }

    private mutating func randomBytes(_ address: UInt64, _ count: UInt64) {
        let shown = Int(min(count, UInt64(limit)))
        guard let bytes = memory.bytes(at: address, count: shown) else { return line.pointer(address) }
        line.text("\"")
        for byte in bytes.content {
            line.text("\\x")
            line.unsigned(UInt64(byte), base: 16, width: 2)
        }
        line.text(count > UInt64(shown) ? "\"..." : "\"")
    }

    mutating func strings(_ address: UInt64) {
        guard address != 0, memory.word(at: address) != nil else { return line.pointer(address) }
        line.text("[")
        var position = address
        for index in 0..<Self.mostElements {
            guard let pointer = memory.word(at: position), pointer != 0 else { break }
            if index > 0 { line.text(", ") }
            if index == Self.mostElements - 1 { line.text("...") } else { string(pointer, limit: limit) }
            position &+= 8
        }
        line.text("]")
    }

    mutating func environment(_ address: UInt64) {
        line.pointer(address)
        guard address != 0 else { return }
        var count: UInt64 = 0
        while count < 1 << 16, let pointer = memory.word(at: address &+ count &* 8), pointer != 0 { count += 1 }
        line.text(" /* ")
        line.unsigned(count)
        line.text(count == 1 ? " var */" : " vars */")
    }

    private static let mostElements = 33

    // MARK: Arrays

    mutating func array(_ structure: WireStructure, _ address: UInt64, _ count: UInt64) {
        guard address != 0 else { return line.pointer(address) }
        guard isKnown(structure), memory.bytes(at: address, count: Int(min(1, count) * structure.size)) != nil else {
            return line.pointer(address)
        }
        line.text("[")
        for index in 0..<min(count, UInt64(Self.mostElements)) {
            if index > 0 { line.text(", ") }
            if index == UInt64(Self.mostElements) - 1 { line.text("..."); break }
            element(structure, address &+ index &* structure.size)
        }
        line.text("]")
    }

    /// An iovec array. Of buffers that the call fills, `total` bytes are filled.
    mutating func vectors(_ address: UInt64, _ count: UInt64, total: UInt64) {
        guard address != 0, count <= 1024, memory.bytes(at: address, count: Int(count) * 16) != nil else {
            return line.pointer(address)
        }
        var rest = total
        line.text("[")
        for index in 0..<count {
            guard let vector = memory.bytes(at: address &+ index &* 16, count: 16) else { break }
            if index > 0 { line.text(", ") }
            if index == UInt64(Self.mostElements) - 1 { line.text("..."); break }
            line.text("{iov_base=")
            let length = min(vector.u64(8), rest)
            if length == 0 && vector.u64(8) > 0 { line.text("\"\"") } else { buffer(vector.u64(0), length) }
            rest -= min(length, rest)
            line.text(", iov_len=")
            line.unsigned(vector.u64(8))
            line.text("}")
        }
        line.text("]")
    }

    mutating func descriptorSet(_ address: UInt64, _ count: UInt64) {
        let number = min(max(0, Int(Int32(truncatingIfNeeded: count))), 65536)
        guard address != 0, let bytes = memory.bytes(at: address, count: (number + 63) / 64 * 8) else { return line.pointer(address) }
        line.text("[")
        var isFirst = true
        for index in 0..<number where bytes.content[index / 8] >> UInt8(index % 8) & 1 != 0 {
            if !isFirst { line.text(" ") }
            isFirst = false
            line.unsigned(UInt64(index))
        }
        line.text("]")
    }

    // MARK: Structures

    private func isKnown(_ structure: WireStructure) -> Bool {
        switch structure {
        case .int, .long, .timespec, .timeval, .itimerval, .itimerspec, .stat, .statfs, .statx, .open_how, .pollfd, .epoll_event,
            .fd_pair, .msghdr, .mmsghdr, .sigset, .sigaction, .siginfo, .stack_t, .utsname, .rusage, .rlimit, .sched_param,
            .clone_args, .sigset_argument, .sembuf:
            true
        default: false
        }
    }

    mutating func structure(_ structure: WireStructure, _ address: UInt64) {
        // The size of a mask is an argument that is always eight.
        guard address != 0, isKnown(structure), memory.bytes(at: address, count: Int(structure.size)) != nil else {
            return line.pointer(address)
        }
        switch structure {
        // Alone in an array's brackets.
        case .int, .long, .sched_param:
            line.text("[")
            element(structure, address)
            line.text("]")
        default: element(structure, address)
        }
    }

    /// A structure that can be read.
    private mutating func element(_ structure: WireStructure, _ address: UInt64) {
        guard let fields = memory.bytes(at: address, count: Int(structure.size)) else { return line.pointer(address) }
        switch structure {
        case .int, .sched_param: line.signed(fields.i32(0))
        case .long: line.signed(fields.i64(0))
        case .timespec: time(fields, 0, "tv_nsec")
        case .timeval: time(fields, 0, "tv_usec")
        case .itimerval: interval(fields, "tv_usec")
        case .itimerspec: interval(fields, "tv_nsec")
        case .stat: status(fields)
        case .statx: extendedStatus(fields)
        case .statfs: fileSystem(fields)
        case .open_how: openHow(fields)
        case .pollfd: pollDescriptor(fields)
        case .epoll_event: epollEvent(fields)
        case .fd_pair:
            line.text("[")
            line.signed(fields.i32(0))
            line.text(", ")
            line.signed(fields.i32(4))
            line.text("]")
        case .msghdr: message(fields)
        case .mmsghdr:
            line.text("{msg_hdr=")
            message(fields)
            field(", msg_len=", UInt64(fields.u32(56)))
            line.text("}")
        case .sigset: line.signalSet(fields.u64(0))
        case .sigset_argument:
            line.text("{")
            self.structure(.sigset, fields.u64(0))
            field(", ", fields.u64(8))
            line.text("}")
        case .sigaction: action(fields)
        case .siginfo: line.signalInformation(SignalFields(fields))
        case .stack_t:
            line.text("{ss_sp=")
            line.pointer(fields.u64(0))
            line.text(", ss_flags=")
            NameSets.stackFlags.write(fields.u32(8), to: &line)
            field(", ss_size=", fields.u64(16))
            line.text("}")
        case .utsname:
            line.text("{sysname=")
            name(fields, 0)
            line.text(", nodename=")
            name(fields, 65)
            line.text(", ...}")
        case .rusage:
            line.text("{ru_utime=")
            time(fields, 0, "tv_usec")
            line.text(", ru_stime=")
            time(fields, 16, "tv_usec")
            line.text(", ...}")
        case .rlimit:
            line.text("{rlim_cur=")
            limit(fields.u64(0))
            line.text(", rlim_max=")
            limit(fields.u64(8))
            line.text("}")
        case .clone_args: cloneStructure(fields)
        case .sembuf:
            field("{sem_num=", fields.u16(0))
            line.text(", sem_op=")
            line.signed(Int64(Int16(truncatingIfNeeded: fields.u16(2))))
            field(", sem_flg=", fields.u16(4))
            line.text("}")
        default: line.pointer(address)
        }
    }

    private mutating func field(_ name: StaticString, _ value: UInt64) {
        line.text(name)
        line.unsigned(value)
    }

    private mutating func name(_ fields: Fields, _ offset: Int) {
        line.quoted(fields.content[offset..<(offset + 65)].prefix { $0 != 0 })
    }

    private mutating func limit(_ value: UInt64) {
        if value == .max {
            line.text("RLIM64_INFINITY")
        } else if value > 1024 && value % 1024 == 0 {
            line.unsigned(value / 1024)
            line.text("*1024")
        } else {
            line.unsigned(value)
        }
    }

    private mutating func time(_ fields: Fields, _ offset: Int, _ fraction: StaticString) {
        let nanoseconds = fields.i64(offset + 8)
        // utimensat(2).
        if nanoseconds == 0x3fff_ffff { return line.text("UTIME_NOW") }
        if nanoseconds == 0x3fff_fffe { return line.text("UTIME_OMIT") }
        line.text("{tv_sec=")
        line.signed(fields.i64(offset))
        line.text(", ")
        line.text(fraction)
        line.text("=")
        line.signed(nanoseconds)
        line.text("}")
    }

    /// Two times in an array.
    mutating func times(_ address: UInt64, _ fraction: StaticString) {
        guard address != 0, let fields = memory.bytes(at: address, count: 32) else { return line.pointer(address) }
        line.text("[")
        time(fields, 0, fraction)
        line.text(", ")
        time(fields, 16, fraction)
        line.text("]")
    }

    private mutating func interval(_ fields: Fields, _ fraction: StaticString) {
        line.text("{it_interval=")
        time(fields, 0, fraction)
        line.text(", it_value=")
        time(fields, 16, fraction)
        line.text("}")
    }

    private mutating func fileMode(_ mode: UInt64) {
        NameSets.fileTypes.write(mode & 0xf000, to: &line)
        line.text("|")
        line.octal(mode & 0xfff)
    }

    private mutating func status(_ fields: Fields) {
        let mode = fields.u32(ArchitectureCalls.statusMode), device = fields.u64(ArchitectureCalls.statusDevice), size = fields.i64(48)
        line.text("{st_mode=")
        fileMode(mode)
        if mode & 0xf000 == 0x2000 || mode & 0xf000 == 0x6000 {
            line.text(", st_rdev=makedev(0x")
            line.unsigned(device >> 8 & 0xfff, base: 16)
            line.text(", 0x")
            line.unsigned(device & 0xff | device >> 12 & 0xf_ff00, base: 16)
            line.text(")")
        } else {
            line.text(", st_size=")
            line.signed(size)
        }
        line.text(", ...}")
    }

    private mutating func extendedStatus(_ fields: Fields) {
        line.text("{stx_mask=")
        Notation.statusMask.names?.write(fields.u32(0), to: &line)
        line.text(", stx_mode=")
        fileMode(fields.u16(28))
        field(", stx_size=", fields.u64(40))
        line.text(", ...}")
    }

    private mutating func fileSystem(_ fields: Fields) {
        line.text("{f_type=")
        line.hexadecimal(fields.u64(0))
        field(", f_bsize=", fields.u64(8))
        field(", f_blocks=", fields.u64(16))
        line.text(", ...}")
    }

    private mutating func openHow(_ fields: Fields) {
        line.text("{flags=")
        Notation.openFlags.names?.write(fields.u64(0), to: &line)
        if fields.u64(8) != 0 {
            line.text(", mode=")
            line.octal(fields.u64(8))
        }
        line.text(", resolve=")
        if fields.u64(16) == 0 { line.text("0") } else { line.hexadecimal(fields.u64(16)) }
        line.text("}")
    }

    private mutating func pollDescriptor(_ fields: Fields) {
        line.text("{fd=")
        line.signed(fields.i32(0))
        if fields.i32(0) >= 0 {
            line.text(", events=")
            NameSets.pollEvents.write(fields.u16(4), to: &line)
        }
        line.text("}")
    }

    private mutating func epollEvent(_ fields: Fields) {
        let data = Int(WireStructure.epoll_event.size) - 8
        line.text("{events=")
        NameSets.epollEvents.write(fields.u32(0), to: &line)
        field(", data={u32=", fields.u32(data))
        field(", u64=", fields.u64(data))
        line.text("}}")
    }

    private mutating func message(_ fields: Fields) {
        line.text("{msg_name=")
        socketAddress(fields.u64(0), fields.u32(8))
        field(", msg_namelen=", fields.u32(8))
        line.text(", msg_iov=")
        vectors(fields.u64(16), fields.u64(24), total: .max)
        field(", msg_iovlen=", fields.u64(24))
        if fields.u64(40) > 0 {
            line.text(", msg_control=")
            line.pointer(fields.u64(32))
        }
        field(", msg_controllen=", fields.u64(40))
        line.text(", msg_flags=")
        Notation.messageFlags.names?.write(fields.u32(48), to: &line)
        line.text("}")
    }

    private mutating func action(_ fields: Fields) {
        line.text("{sa_handler=")
        switch fields.u64(0) {
        case 0: line.text("SIG_DFL")
        case 1: line.text("SIG_IGN")
        default: line.hexadecimal(fields.u64(0))
        }
        line.text(", sa_mask=")
        line.signalSet(fields.u64(24))
        line.text(", sa_flags=")
        NameSets.actionFlags.write(fields.u64(8), to: &line)
        if fields.u64(8) & 0x400_0000 != 0 {
            line.text(", sa_restorer=")
            line.hexadecimal(fields.u64(16))
        }
        line.text("}")
    }

    private mutating func cloneStructure(_ fields: Fields) {
        let flags = fields.u64(0)
        line.text("{flags=")
        if flags == 0 { line.text("0") } else { Notation.cloneFlags.names?.write(flags, to: &line) }
        if flags & 0x1000 != 0 { line.text(", pidfd="); line.pointer(fields.u64(8)) }
        if flags & 0x120_0000 != 0 { line.text(", child_tid="); line.pointer(fields.u64(16)) }
        if flags & 0x10_0000 != 0 { line.text(", parent_tid="); line.pointer(fields.u64(24)) }
        line.text(", exit_signal=")
        let signal = Int32(truncatingIfNeeded: fields.u64(32))
        if signal == 0 { line.text("0") } else { line.signal(signal) }
        line.text(", stack=")
        line.pointer(fields.u64(40))
        line.text(", stack_size=")
        if fields.u64(48) == 0 { line.text("0") } else { line.hexadecimal(fields.u64(48)) }
        if flags & 0x8_0000 != 0 { line.text(", tls="); line.pointer(fields.u64(56)) }
        line.text("}")
    }
}
