import LinuxABI

/// One system call as a line, in the form of strace(1). What the call reads is written before it is made, what it fills after: `begin`, then
/// `end`. Nothing of the program's memory is believed to be readable.
public struct CallText {
    public var line = TraceText()
    let description: Description
    let arguments: SyscallArguments
    let memory: TracedMemory
    /// How many bytes of a buffer are shown.
    let limit: Int
    private var start: Int
    private var next = 0
    /// What an int that the call changes was before.
    private var intBefore: Int64?

    /// What the system call table says of the call.
    public struct Description {
        public let name: StaticString
        public let kinds: (ArgumentKind, ArgumentKind, ArgumentKind, ArgumentKind, ArgumentKind, ArgumentKind)
        /// Whether the buffers of an iovec are filled by the call rather than read.
        public let fillsVectors: Bool

        public init(
            name: StaticString,
            kinds: (ArgumentKind, ArgumentKind, ArgumentKind, ArgumentKind, ArgumentKind, ArgumentKind), fillsVectors: Bool
        ) {
            self.name = name
            self.kinds = kinds
            self.fillsVectors = fillsVectors
        }

        func kind(_ index: Int) -> ArgumentKind {
            switch index {
            case 0: kinds.0
            case 1: kinds.1
            case 2: kinds.2
            case 3: kinds.3
            case 4: kinds.4
            case 5: kinds.5
            default: .none
            }
        }
    }

    /// What a call's result is.
    public enum Outcome {
        case value(Int64)
        /// A positive errno.
        case error(Int32)
        /// A signal came first: the call is made again, or ends with EINTR.
        case restarted
        /// The call does not come back.
        case none

        /// As system calls answer.
        public init(result: Int) {
            self = result < 0 && result >= -4095 ? .error(Int32(-result)) : .value(Int64(result))
        }
    }

    public init(_ description: Description, _ arguments: SyscallArguments, line: TraceText, memory: TracedMemory, limit: Int) {
        self.description = description
        self.arguments = arguments
        self.line = line
        self.memory = memory
        self.limit = limit
        start = line.content.count
    }

    /// The name, and the arguments up to the first one that the call fills.
    public mutating func begin() {
        remember()
        line.text(description.name)
        line.text("(")
        if case .shown(.cloneFlags) = description.kind(0), case .address = description.kind(1) {
            cloneArguments()
            next = 6
            return
        }
        while next < 6, !isFilled(next) { argument(nil) }
    }

    /// The other arguments, and the result.
    public mutating func end(_ outcome: Outcome) {
        while next < 6 { argument(outcome) }
        line.text(")")
        line.pad(to: 39, from: start)
        line.text(" = ")
        switch outcome {
        case .value(let value): result(value)
        case .error(let number): line.error(number)
        case .restarted: line.text("? ERESTARTSYS (To be restarted if SA_RESTART is set)")
        case .none: line.text("?")
        }
    }

    /// Before the call is made, where it may not come back: a line that says that it has begun. What follows is another one, behind `line`.
    public mutating func interrupt(resumingIn line: TraceText) -> TraceText {
        while next < 6 { argument(nil) }
        return pause(resumingIn: line)
    }

    /// The same for a call that comes back: what it fills is for the line that follows.
    public mutating func pause(resumingIn line: TraceText) -> TraceText {
        var begun = self.line
        begun.text(" <unfinished ...>\n")
        self.line = line
        start = line.content.count
        self.line.text("<... ")
        self.line.text(description.name)
        self.line.text(" resumed>")
        return begun
    }

    /// Whether the call may change what an argument points to before anybody has seen it.
    private func isFilled(_ index: Int) -> Bool {
        switch description.kind(index) {
        case .output, .writes, .writesArray, .outputMessage, .socketAddressOutput: true
        case .updates(.int), .updates(.msghdr): true
        case .iovec: description.fillsVectors
        case .shown(.directoryEntries), .shown(.waitStatus), .shown(.requestArgument): true
        case .shown(.optionValue): description.kind(4) == .updates(.int)
        default: false
        }
    }

    private mutating func argument(_ outcome: Outcome?) {
        let index = next
        next += 1
        let kind = description.kind(index)
        guard kind != .none, isPresent(kind, index) else { return }
        if index > 0 { line.text(", ") }
        let value = arguments[index]
        // What was not filled is an address.
        if isFilled(index), value == 0 || !(outcome?.isSuccess ?? false) { return line.pointer(value) }
        write(kind, value, index, outcome)
    }

    /// Some arguments mean something only together with others.
    private func isPresent(_ kind: ArgumentKind, _ index: Int) -> Bool {
        switch kind {
        case .shown(.createMode): Self.mayCreate(arguments[index - 1])
        case .shown(.fcntlArgument): FcntlForm(arguments[1]) != .none
        case .shown(.futexArgument): FutexForm(arguments[1]).shows(index)
        case .shown(.controlArgument): index <= Self.controlArguments(arguments[0])
        // mremap(2)'s new address, with MREMAP_FIXED.
        case .address where index == 4: arguments[3] & 2 != 0
        default: true
        }
    }

    private static func mayCreate(_ flags: UInt64) -> Bool { flags & 0x40 != 0 || flags & 0x400000 != 0 }

    private mutating func write(_ kind: ArgumentKind, _ value: UInt64, _ index: Int, _ outcome: Outcome?) {
        switch kind {
        case .none: break
        case .value: number(value)
        case .fd, .newFD, .fdCount, .pid: line.signed(Int64(Int32(truncatingIfNeeded: value)))
        case .directoryFD: directory(value)
        case .path: string(value, limit: Self.longestPath)
        case .string: string(value, limit: max(limit, 255))
        case .input(let length): buffer(value, arguments[Int(length)])
        case .output(let length): filled(value, arguments[Int(length)], outcome)
        case .reads(let structure), .writes(let structure), .updates(let structure):
            if structure == .int, case .updates = kind {
                changedInt(value, index)
            } else {
                self.structure(structure, value)
            }
        case .readsArray(let structure, let count), .updatesArray(let structure, let count):
            array(structure, value, UInt64(UInt32(truncatingIfNeeded: arguments[Int(count)])))
        case .writesArray(.byte, let count): filled(value, arguments[Int(count)], outcome)
        case .writesArray(let structure, let count):
            let most = UInt64(UInt32(truncatingIfNeeded: arguments[Int(count)]))
            array(structure, value, min(most, UInt64(clamping: outcome?.number ?? 0)))
        case .iovec(let count):
            vectors(value, arguments[Int(count)], total: description.fillsVectors ? UInt64(clamping: outcome?.number ?? 0) : .max)
        case .fdSet(let count): descriptorSet(value, arguments[Int(count)])
        case .socketAddress(let length): socketAddress(value, UInt64(UInt32(truncatingIfNeeded: arguments[Int(length)])))
        case .socketAddressOutput(let length):
            let known = memory.bytes(at: arguments[Int(length)], count: 4)?.u32(0) ?? 0
            socketAddress(value, min(known, UInt64(clamping: intBefore ?? 128)))
        case .inputMessage, .outputMessage, .nodeMask, .range, .address, .special: line.pointer(value)
        case .signal: line.signal(Int32(truncatingIfNeeded: value))
        case .shown(let notation): shown(notation, value, index, outcome)
        }
    }

    private static let longestPath = 4096

    private mutating func shown(_ notation: Notation, _ value: UInt64, _ index: Int, _ outcome: Outcome?) {
        switch notation {
        case .hexadecimal: if value == 0 { line.text("0") } else { line.hexadecimal(value) }
        case .mode, .createMode: mode(value)
        case .device: line.hexadecimal(value)
        case .pointer: line.pointer(value)
        case .strings: strings(value)
        case .environment: environment(value)
        case .directoryEntries: directoryEntries(value, UInt64(clamping: outcome?.number ?? 0))
        case .waitStatus: if outcome?.number == 0 { line.pointer(value) } else { waitStatus(value) }
        case .timespecPair: times(value, "tv_nsec")
        case .timevalPair: times(value, "tv_usec")
        case .fcntlArgument: fcntlArgument(value)
        case .requestArgument: requestArgument(value)
        case .futexArgument: futexArgument(value, index)
        case .controlArgument: controlArgument(value)
        case .optionValue: optionValue(value)
        case .socketOption: socketOption(value)
        case .socketProtocol: socketProtocol(value)
        case .protection, .openFlags: notation.names?.write(value & 0xffff_ffff, to: &line)
        case .cloneFlags: cloneFlags(value)
        default: notation.names?.write(UInt64(UInt32(truncatingIfNeeded: value)), to: &line)
        }
    }

    // MARK: Results

    private mutating func result(_ value: Int64) {
        switch description.kind(0) {
        // A call whose first argument is a place in memory answers one.
        case .address, .range:
            if value == 0 { line.text("0") } else { line.hexadecimal(UInt64(bitPattern: value)) }
        case .shown(.mode): mode(UInt64(bitPattern: value))
        default: if !hasNamedResult(value) { number(UInt64(bitPattern: value)) }
        }
        switch (description.kind(0), description.kind(1)) {
        case (_, .shown(.fcntlCommand)): fcntlResult(value)
        case (.updatesArray(.pollfd, let count), _): pollResult(value, arguments[Int(count)])
        case (.fdCount, _): selectResult(value)
        default: break
        }
    }

    /// A number that may be meant as a 32-bit one.
    mutating func number(_ value: UInt64) {
        let signed = Int64(bitPattern: value)
        if value >> 32 == 0 && value & 0x8000_0000 != 0 && value > 0xffff_f000 {
            line.signed(Int64(Int32(truncatingIfNeeded: value)))
        } else {
            line.signed(signed)
        }
    }

    private mutating func mode(_ value: UInt64) {
        if value & 0xf000 != 0 {
            NameSets.fileTypes.write(value & 0xf000, to: &line)
            line.text("|")
        }
        line.octal(value & ~0xf000)
    }

    private mutating func directory(_ value: UInt64) {
        let number = Int32(truncatingIfNeeded: value)
        if number == -100 { line.text("AT_FDCWD") } else { line.signed(Int64(number)) }
    }

    /// The value of an int that the call has changed, and what it was where that is another one.
    private mutating func changedInt(_ address: UInt64, _ index: Int) {
        guard let now = memory.bytes(at: address, count: 4)?.i32(0) else { return line.pointer(address) }
        line.text("[")
        if let before = intBefore, before != now {
            line.signed(before)
            line.text(" => ")
        }
        line.signed(now)
        line.text("]")
    }

    /// What a changing int was.
    private mutating func remember() {
        for index in 0..<6 {
            if case .updates(.int) = description.kind(index) {
                intBefore = memory.bytes(at: arguments[index], count: 4)?.i32(0)
            }
        }
    }

    // MARK: clone(2)

    private mutating func cloneFlags(_ value: UInt64) {
        let signal = Int32(truncatingIfNeeded: value & 0xff)
        if value & ~0xff != 0 { Notation.cloneFlags.names?.write(value & ~0xff, to: &line) }
        if signal != 0 || value == 0 {
            if value & ~0xff != 0 { line.text("|") }
            if signal == 0 { line.text("0") } else { line.signal(signal) }
        }
    }

    /// Under names, since architectures differ in their order.
    private mutating func cloneArguments() {
        let flags = arguments.a0
        let (tls, child) = ArchitectureCalls.cloneTail(arguments)
        line.text("child_stack=")
        line.pointer(arguments.a1)
        line.text(", flags=")
        cloneFlags(flags & 0xffff_ffff)
        if flags & 0x10_1000 != 0 {
            line.text(", parent_tid=")
            line.pointer(arguments.a2)
        }
        if flags & 0x8_0000 != 0 {
            line.text(", tls=")
            line.pointer(tls)
        }
        if flags & 0x120_0000 != 0 {
            line.text(", child_tidptr=")
            line.pointer(child)
        }
    }
}

extension CallText.Outcome {
    var number: Int64? {
        if case .value(let value) = self { return value }
        return nil
    }

    var isSuccess: Bool { number != nil }
}
