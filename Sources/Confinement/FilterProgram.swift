import Seccomp

/// What the filter does with a call of one number, or with one value of an argument.
public enum FilterVerdict: Equatable {
    case allow
    /// The process ends at once (SECCOMP_RET_KILL_PROCESS).
    case kill
    /// The call is not made, and answers this errno.
    case refuse(UInt16)
    /// Allowed where none of these bits is set in the low half of an argument; otherwise killed.
    case allowWithout(bits: UInt32, argument: Int)
    /// Allowed where the low half of an argument is one of these values; otherwise killed.
    case allowValues([UInt32], argument: Int)
}

/// A system call filter as seccomp(2) takes it: every number that no rule names is killed, and so is every call by the numbers of
/// another architecture.
///
/// The kernel finds out by itself which numbers are allowed whatever their arguments are (since Linux 5.11), and does not run the program
/// for those. For the others the way through it is a binary search.
public struct FilterProgram {
    public struct Rule {
        public let number: UInt32
        public let verdict: FilterVerdict

        public init(_ number: UInt32, _ verdict: FilterVerdict) {
            self.number = number
            self.verdict = verdict
        }
    }

    /// A call that is made so often that the program asks for it first.
    public struct Frequent {
        let number: UInt32
        let argument: Int
        let value: UInt32

        /// The call `number` with this value in an argument, which some rule allows.
        public init(_ number: UInt32, argument: Int, value: UInt32) {
            self.number = number
            self.argument = argument
            self.value = value
        }
    }

    public private(set) var instructions: [FilterInstruction]

    /// Rules in any order. Where two name the same number the first one counts.
    public init(architecture: UInt32, rules: [Rule], frequent: Frequent) {
        instructions = [
            Self.load(Self.architectureOffset), Self.jump(.equal, architecture, whenTrue: 1, whenFalse: 0), Self.end(Self.kill),
            Self.load(Self.numberOffset), Self.jump(.equal, frequent.number, whenTrue: 0, whenFalse: 4),
            Self.loadArgument(frequent.argument), Self.jump(.equal, frequent.value, whenTrue: 0, whenFalse: 1),
            Self.end(Self.allow), Self.load(Self.numberOffset),
        ]
        instructions.reserveCapacity(1024)
        search(Self.segments(rules)[...])
    }

    // MARK: Search

    /// From `start` up to the next segment's.
    private struct Segment {
        let start: UInt32
        let verdict: FilterVerdict
    }

    /// The whole range of 32 bits, without gaps; neighbours of one plain verdict are one segment.
    private static func segments(_ rules: [Rule]) -> [Segment] {
        // By number, and then by place.
        let order = rules.indices.map { UInt64(rules[$0].number) << 32 | UInt64($0) }.sorted()
        var result: [Segment] = []
        result.reserveCapacity(rules.count + 1)
        func add(_ start: UInt32, _ verdict: FilterVerdict) {
            if let last = result.last?.verdict, last.isPlain, last == verdict { return }
            result.append(Segment(start: start, verdict: verdict))
        }
        var next: UInt64 = 0
        for key in order where key >> 32 >= next {
            let rule = rules[Int(UInt32(truncatingIfNeeded: key))]
            if UInt64(rule.number) > next { add(UInt32(next), .kill) }
            add(rule.number, rule.verdict)
            next = UInt64(rule.number) + 1
        }
        if next <= UInt64(UInt32.max) { add(UInt32(next), .kill) }
        return result
    }

    private static func values(_ list: [UInt32]) -> [Segment] { segments(list.map { Rule($0, .allow) }) }

    /// Appends what finds the segment of the value that is loaded, and does what it says.
    private mutating func search(_ segments: ArraySlice<Segment>) {
        guard segments.count > 1 else {
            if let last = segments.first { append(last.verdict) }
            return
        }
        let middle = segments.startIndex + segments.count / 2
        let place = instructions.count
        // A jump that skips too much for its byte goes by way of one that does nothing else.
        instructions.append(Self.jump(.greaterOrEqual, segments[middle].start, whenTrue: 0, whenFalse: 1))
        instructions.append(FilterInstruction(code: Code.jumpAlways, operand: 0))
        search(segments[..<middle])
        let skipped = instructions.count - place - 2
        if let short = UInt8(exactly: skipped) {
            instructions.remove(at: place + 1)
            instructions[place] = Self.jump(.greaterOrEqual, segments[middle].start, whenTrue: short, whenFalse: 0)
        } else {
            instructions[place + 1].operand = UInt32(skipped)
        }
        search(segments[middle...])
    }

    private mutating func append(_ verdict: FilterVerdict) {
        switch verdict {
        case .allow: instructions.append(Self.end(Self.allow))
        case .kill: instructions.append(Self.end(Self.kill))
        case .refuse(let error): instructions.append(Self.end(Self.refusal | UInt32(error)))
        case .allowWithout(let bits, let argument):
            instructions.append(Self.loadArgument(argument))
            instructions.append(Self.jump(.hasBit, bits, whenTrue: 1, whenFalse: 0))
            instructions.append(Self.end(Self.allow))
            instructions.append(Self.end(Self.kill))
        case .allowValues(let list, let argument):
            instructions.append(Self.loadArgument(argument))
            search(Self.values(list)[...])
        }
    }

    // MARK: Instructions

    // linux/bpf_common.h, linux/seccomp.h
    private enum Code {
        static let loadAbsolute: UInt16 = 0x20
        static let jumpAlways: UInt16 = 0x05
        static let answer: UInt16 = 0x06
    }

    private enum Condition: UInt16 {
        case equal = 0x15
        case greaterOrEqual = 0x35
        case hasBit = 0x45
    }

    private static let kill: UInt32 = 0x8000_0000
    private static let refusal: UInt32 = 0x0005_0000
    private static let allow: UInt32 = 0x7fff_0000
    // struct seccomp_data
    private static let numberOffset: UInt32 = 0
    private static let architectureOffset: UInt32 = 4
    private static let argumentsOffset: UInt32 = 16

    private static func load(_ offset: UInt32) -> FilterInstruction {
        FilterInstruction(code: Code.loadAbsolute, operand: offset)
    }

    /// The low half, on both architectures the first.
    private static func loadArgument(_ index: Int) -> FilterInstruction { load(argumentsOffset + UInt32(index) * 8) }

    private static func jump(_ condition: Condition, _ operand: UInt32, whenTrue: UInt8, whenFalse: UInt8) -> FilterInstruction {
        FilterInstruction(code: condition.rawValue, whenTrue: whenTrue, whenFalse: whenFalse, operand: operand)
    }

    private static func end(_ answer: UInt32) -> FilterInstruction { FilterInstruction(code: Code.answer, operand: answer) }
}

extension FilterVerdict {
    /// Whether it looks at nothing but the number.
    fileprivate var isPlain: Bool {
        switch self {
        case .allow, .kill, .refuse: true
        case .allowWithout, .allowValues: false
        }
    }
}
