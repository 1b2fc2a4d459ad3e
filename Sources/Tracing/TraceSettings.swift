/// Which system calls a trace shows, by number.
public struct CallSelection: Equatable {
    /// One bit for each number.
    public private(set) var words: InlineArray<8, UInt64>

    public static let all = CallSelection(word: .max)
    public static let none = CallSelection(word: 0)

    private init(word: UInt64) { words = InlineArray(repeating: word) }

    public init?(words list: ArraySlice<UInt64>) {
        guard list.count == 8 else { return nil }
        words = InlineArray(repeating: 0)
        for (index, word) in list.enumerated() { words[index] = word }
    }

    public var list: [UInt64] { (0..<8).map { words[$0] } }

    /// Numbers beyond the last bit are those of calls that are not there: `all` shows them too.
    public func contains(_ number: UInt32) -> Bool {
        number < 512 ? words[Int(number / 64)] >> UInt64(number % 64) & 1 != 0 : words[7] >> 63 != 0
    }

    public mutating func insert(_ number: UInt32) {
        if number < 512 { words[Int(number / 64)] |= 1 << UInt64(number % 64) }
    }

    public mutating func invert() {
        for index in 0..<8 { words[index] = ~words[index] }
    }

    public static func == (left: CallSelection, right: CallSelection) -> Bool { left.list == right.list }
}

/// What `--trace` asks for, as each process of the session knows it.
public struct TraceSettings: Equatable {
    public var selection = CallSelection.all
    /// How many bytes of a buffer are shown.
    public var limit = 32
    /// CLOCK_MONOTONIC in nanoseconds, at the session's start: times are shown from there.
    public var beginning: UInt64 = 0
    /// Where lines go: a file; or a directory, where each process has a file of its own. One of vmrun's descriptors.
    public var descriptor: Int32 = -1
    /// The file's name in that directory, with %p for the process; empty where lines go to one file.
    public var name: [UInt8] = []

    public init() {}

    /// All but descriptor and name.
    public var words: [UInt64] { [UInt64(limit), beginning] + selection.list }

    public init?(words: [UInt64], descriptor: Int32, name: [UInt8]) {
        guard words.count == 10, let selection = CallSelection(words: words[2...]), words[0] <= Self.mostLimit else { return nil }
        limit = Int(words[0])
        beginning = words[1]
        self.selection = selection
        self.descriptor = descriptor
        self.name = name
    }

    public static let mostLimit: UInt64 = 1 << 16

    public var isFilePerProcess: Bool { !name.isEmpty }

    /// The file of process `pid`.
    public func fileName(of pid: Int32) -> [UInt8] {
        var result = TraceText()
        var position = 0
        while position < name.count {
            if name[position] == UInt8(ascii: "%"), position + 1 < name.count, name[position + 1] == UInt8(ascii: "p") {
                result.signed(Int64(pid))
                position += 2
            } else {
                result.byte(name[position])
                position += 1
            }
        }
        return result.content
    }
}
