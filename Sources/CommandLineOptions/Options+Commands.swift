extension Options {
    /// The command that these words call; nil where the first is none of them.
    static func command(_ words: [[UInt8]]) throws(OptionError) -> Command? {
        guard let first = words.first else { return nil }
        if first.elementsEqual("doctor".utf8) {
            guard words.count == 1 else {
                throw OptionError("vmrun doctor takes no arguments; to run a program of that name: vmrun -- doctor")
            }
            return .doctor
        }
        if first.elementsEqual("root".utf8) { return try root(words) }
        return nil
    }

    private static func root(_ words: [[UInt8]]) throws(OptionError) -> Command {
        if words.count > 1, words[1].elementsEqual("create".utf8) { return .rootCreate(try rootRequest(Array(words[2...]))) }
        if words.count > 1, words[1].elementsEqual("check".utf8) {
            guard words.count > 2, !words[2].isEmpty else { throw OptionError("vmrun root check needs the directory to look at") }
            return .rootCheck(directory: words[2], programs: Array(words[3...]))
        }
        throw OptionError("vmrun root is called as root create or root check; to run a program of that name: vmrun -- root")
    }

    private static func rootRequest(_ words: [[UInt8]]) throws(OptionError) -> RootRequest {
        var request = RootRequest()
        var reader = OptionReader(words, group: .rootCreate)
        while true {
            while let (name, _, value) = try reader.next() {
                switch name {
                case .suite: request.suite = try packageWord(value, "the name of a Debian release")
                case .architecture: request.architecture = try packageWord(value, "Debian's name of a processor")
                case .mirror: request.mirror = try mirror(value)
                case .include:
                    for package in value.split(separator: UInt8(ascii: ",")) {
                        request.packages.append(try packageWord(Array(package), "the name of a package"))
                    }
                default: break
                }
            }
            guard let word = reader.operand() else { break }
            guard request.directory.isEmpty else {
                throw OptionError("vmrun root create makes one directory, not " + text(request.directory[...]) + " and " + text(word[...]))
            }
            request.directory = word
        }
        guard !request.directory.isEmpty else { throw OptionError("vmrun root create needs the directory to make") }
        return request
    }

    private static func mirror(_ value: [UInt8]) throws(OptionError) -> [UInt8] {
        for scheme in ["http://", "https://", "file:/"] where value.starts(with: scheme.utf8) { return value }
        throw OptionError("--mirror " + text(value[...]) + " is no URL; the form is http://HOST/PATH, https://HOST/PATH or file:///PATH")
    }

    /// A word that becomes part of another program's command line: it must be no option there, and no list.
    private static func packageWord(_ value: [UInt8], _ meaning: String) throws(OptionError) -> [UInt8] {
        let isLetter = { (byte: UInt8) in
            byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") || byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
                || byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
        }
        guard let first = value.first, isLetter(first), value.allSatisfy({ isLetter($0) || "+-.:_".utf8.contains($0) }) else {
            throw OptionError(text(value[...]) + " is not " + meaning)
        }
        return value
    }
}
