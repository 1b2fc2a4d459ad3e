import CShim

let slash: UInt8 = 0x2f
let dot: UInt8 = 0x2e

/// A path as the guest gave it: NUL-terminated bytes in a buffer of the caller's, which outlives the call it is used in and
/// may be changed by it.
public struct PathBytes {
    public let start: UnsafeMutablePointer<CChar>
    /// Without the NUL.
    public let count: Int

    public init(start: UnsafeMutablePointer<CChar>, count: Int) {
        self.start = start
        self.count = count
    }

    @inline(__always)
    public var isEmpty: Bool { count == 0 }

    @inline(__always)
    public var isAbsolute: Bool { start[0] == CChar(bitPattern: slash) }

    /// A copy to work on.
    public var bytes: [UInt8] { Self.copy(start, count) }

    static func copy(_ start: UnsafePointer<CChar>, _ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            // SAFETY: the source holds `count` bytes, the destination has room for them.
            if count > 0, let base = buffer.baseAddress { memcpy(base, start, count) }
            filled = count
        }
    }

    /// Where the last component begins, and where it ends before trailing slashes; (0, 0) for a path of slashes alone.
    var lastComponent: (start: Int, end: Int) {
        var end = count
        while end > 0 && start[end - 1] == CChar(bitPattern: slash) { end -= 1 }
        var first = end
        while first > 0 && start[first - 1] != CChar(bitPattern: slash) { first -= 1 }
        return (first, end)
    }
}

/// Canonical absolute guest paths: `/a/b`, and the empty path for the root.
enum CanonicalPath {
    /// Whether `prefix` is `path` or an ancestor of it.
    static func isWithin(_ path: [UInt8], _ prefix: [UInt8]) -> Bool {
        guard path.count >= prefix.count, path.count == prefix.count || path[prefix.count] == slash else { return false }
        return path.prefix(prefix.count).elementsEqual(prefix)
    }

    /// Without its last component.
    static func parent(_ path: [UInt8]) -> [UInt8] {
        guard let last = path.lastIndex(of: slash) else { return [] }
        return Array(path[0..<last])
    }

    static func lastComponent(_ path: [UInt8]) -> [UInt8] {
        guard let last = path.lastIndex(of: slash) else { return path }
        return Array(path[(last + 1)...])
    }

    /// Takes out empty components and `.`, and `..` with what it undoes, by the text alone.
    static func normalized(_ path: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        for component in path.split(separator: slash) {
            if component.elementsEqual([dot]) { continue }
            if component.elementsEqual([dot, dot]) {
                result = parent(result)
            } else {
                result.append(slash)
                result.append(contentsOf: component)
            }
        }
        return result
    }

    /// As the guest is shown it.
    static func shown(_ path: [UInt8]) -> [UInt8] { path.isEmpty ? [slash] : path }
}
