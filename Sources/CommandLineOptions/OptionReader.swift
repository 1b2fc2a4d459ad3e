/// Takes options from the front of a command line: `--name VALUE`, `--name=VALUE`, `--name`, `-n VALUE`.
struct OptionReader {
    private let words: [[UInt8]]
    private let group: OptionDescription.Group?
    private var index = 0
    private var hasEnded = false

    private static let dash = UInt8(ascii: "-")
    private static let equals = UInt8(ascii: "=")

    /// The options of this command, or of running a program.
    init(_ words: [[UInt8]], group: OptionDescription.Group?) {
        self.words = words
        self.group = group
    }

    /// What has not been taken.
    var operands: ArraySlice<[UInt8]> { words[index...] }

    /// Takes the next word, which is no option.
    mutating func operand() -> [UInt8]? {
        guard index < words.count else { return nil }
        index += 1
        return words[index - 1]
    }

    /// Takes the next option, with an empty value where it takes none. Nil where the next word is no option, and behind `--`.
    mutating func next() throws(OptionError) -> (name: OptionName, spelling: ArraySlice<UInt8>, value: [UInt8])? {
        guard !hasEnded, index < words.count else { return nil }
        let word = words[index]
        guard word.first == Self.dash, word.count > 1 else { return nil }
        index += 1
        if word == [Self.dash, Self.dash] {
            hasEnded = true
            return nil
        }
        let end = word.firstIndex(of: Self.equals) ?? word.endIndex
        let spelling = word[..<end]
        guard let name = OptionName.spelt(spelling, in: group) else {
            throw OptionError("unknown option " + Options.text(spelling) + "; vmrun --help lists them")
        }
        guard name.description.takesValue else {
            if end == word.endIndex { return (name, spelling, []) }
            guard name.description.isValueOptional else { throw OptionError("option " + Options.text(spelling) + " takes no value") }
            return (name, spelling, try Self.nonEmpty(Array(word[(end + 1)...]), spelling))
        }
        var value: [UInt8] = []
        if end < word.endIndex {
            value = Array(word[(end + 1)...])
        } else {
            guard let next = operand() else { throw OptionError("option " + Options.text(spelling) + " needs a value") }
            value = next
        }
        return (name, spelling, try Self.nonEmpty(value, spelling))
    }

    private static func nonEmpty(_ value: [UInt8], _ spelling: ArraySlice<UInt8>) throws(OptionError) -> [UInt8] {
        if value.isEmpty { throw OptionError("option " + Options.text(spelling) + " has an empty value") }
        return value
    }
}
