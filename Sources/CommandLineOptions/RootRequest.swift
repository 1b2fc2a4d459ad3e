/// The command line of vmrun-root.
public enum RootRequest {
    case create(Creation)
    /// What a directory lacks, for these programs besides /bin/sh.
    case check(directory: [UInt8], programs: [[UInt8]])

    /// What `create` is to make. Nil: what this machine has itself.
    public struct Creation {
        public var directory: [UInt8] = []
        public var suite: [UInt8] = Array("bookworm".utf8)
        public var architecture: [UInt8]? = nil
        public var mirror: [UInt8]? = nil
        public var packages: [[UInt8]] = []
    }

    public init(_ words: [[UInt8]]) throws(OptionError) {
        if let command = words.first, command.elementsEqual("create".utf8) {
            self = .create(try Self.creation(Array(words[1...])))
        } else if let command = words.first, command.elementsEqual("check".utf8) {
            guard words.count > 1, !words[1].isEmpty else { throw OptionError("vmrun root check needs the directory to look at") }
            self = .check(directory: words[1], programs: Array(words[2...]))
        } else {
            throw OptionError("vmrun root is called as root create or root check; to run a program of that name: vmrun -- root")
        }
    }

    private static func creation(_ words: [[UInt8]]) throws(OptionError) -> Creation {
        var request = Creation()
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
                throw OptionError("vmrun root create makes one directory, not " + Options.text(request.directory[...]) + " and " + Options.text(word[...]))
            }
            request.directory = word
        }
        guard !request.directory.isEmpty else { throw OptionError("vmrun root create needs the directory to make") }
        return request
    }

    private static func mirror(_ value: [UInt8]) throws(OptionError) -> [UInt8] {
        for scheme in ["http://", "https://", "file:/"] where value.starts(with: scheme.utf8) { return value }
        throw OptionError("--mirror " + Options.text(value[...]) + " is no URL; the form is http://HOST/PATH, https://HOST/PATH or file:///PATH")
    }

    /// A word that becomes part of another program's command line: it must be no option there, and no list.
    private static func packageWord(_ value: [UInt8], _ meaning: String) throws(OptionError) -> [UInt8] {
        let isLetter = { (byte: UInt8) in
            byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") || byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
                || byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
        }
        guard let first = value.first, isLetter(first), value.allSatisfy({ isLetter($0) || "+-.:_".utf8.contains($0) }) else {
            throw OptionError(Options.text(value[...]) + " is not " + meaning)
        }
        return value
    }
}
