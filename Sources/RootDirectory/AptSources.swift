import Host

/// Where a machine's apt has its packages from: sources.list(5).
public struct AptSources {
    private struct Source {
        let address: [UInt8]
        let suites: [[UInt8]]
        let components: [[UInt8]]
    }

    private var sources: [Source] = []

    public init() {}

    /// Adds the one-line entries of a file.
    public mutating func add(list text: [UInt8]) {
        for line in Self.lines(text) {
            var words: [[UInt8]] = []
            var isOption = false
            for word in Self.words(line.prefix { $0 != UInt8(ascii: "#") }) {
                if word.first == UInt8(ascii: "[") { isOption = true }
                if !isOption { words.append(word) }
                if word.last == UInt8(ascii: "]") { isOption = false }
            }
            guard words.count > 3, words[0].elementsEqual("deb".utf8) else { continue }
            sources.append(Source(address: words[1], suites: [words[2]], components: Array(words[3...])))
        }
    }

    /// Adds the stanzas of a file in the deb822 format.
    public mutating func add(stanzas text: [UInt8]) {
        var fields: [(name: [UInt8], words: [[UInt8]])] = []
        for line in Self.lines(text) + [[]] {
            if line.first == UInt8(ascii: "#") { continue }
            if Self.words(line).isEmpty {
                add(fields)
                fields = []
            } else if line.first == UInt8(ascii: " ") || line.first == UInt8(ascii: "\t") {
                if !fields.isEmpty { fields[fields.count - 1].words += Self.words(line) }
            } else if let colon = line.firstIndex(of: UInt8(ascii: ":")) {
                let name = line[..<colon].map { $0 >= UInt8(ascii: "A") && $0 <= UInt8(ascii: "Z") ? $0 + 32 : $0 }
                fields.append((name, Self.words(line[(colon + 1)...])))
            }
        }
    }

    private mutating func add(_ fields: [(name: [UInt8], words: [[UInt8]])]) {
        func field(_ name: StaticString) -> [[UInt8]] {
            for entry in fields where name.withUTF8Buffer({ $0.elementsEqual(entry.name) }) { return entry.words }
            return []
        }
        let isOff = field("enabled").contains { $0.elementsEqual("no".utf8) }
        guard !isOff, field("types").contains(where: { $0.elementsEqual("deb".utf8) }) else { return }
        for address in field("uris") {
            sources.append(Source(address: address, suites: field("suites"), components: field("components")))
        }
    }

    /// The mirror for a suite: one that has it, else one of whole Debian. Nil where there is neither.
    public func mirror(for suite: [UInt8]) -> [UInt8]? {
        let main = sources.filter { $0.components.contains { $0.elementsEqual("main".utf8) } && $0.address.starts(with: "http".utf8) }
        if let source = main.first(where: { $0.suites.contains(suite) }) { return source.address }
        return main.first {
            let address = $0.address.last == UInt8(ascii: "/") ? $0.address.dropLast() : $0.address[...]
            return address.suffix(7).elementsEqual("/debian".utf8)
        }?.address
    }

    private static func lines(_ text: [UInt8]) -> [ArraySlice<UInt8>] {
        text.split(separator: 0x0a, omittingEmptySubsequences: false)
    }

    private static func words(_ line: ArraySlice<UInt8>) -> [[UInt8]] {
        line.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }.map { Array($0) }
    }
}

extension AptSources {
    /// This machine's.
    static var host: AptSources {
        var sources = AptSources()
        let folder = Array("/etc/apt/".utf8)
        if let text = HostFile.contents(folder + Array("sources.list".utf8)) { sources.add(list: text) }
        let parts = folder + Array("sources.list.d".utf8)
        for name in (HostFile.names(in: parts) ?? []).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            let path = parts + [UInt8(ascii: "/")] + name
            if name.suffix(5).elementsEqual(".list".utf8), let text = HostFile.contents(path) { sources.add(list: text) }
            if name.suffix(8).elementsEqual(".sources".utf8), let text = HostFile.contents(path) { sources.add(stanzas: text) }
        }
        return sources
    }
}
