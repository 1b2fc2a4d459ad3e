/// Text as the kernel writes it: bytes, since neither paths nor /proc need be UTF-8.
extension Array where Element == UInt8 {
    init(_ text: StaticString) {
        self = []
        append(text)
    }

    mutating func append(_ text: StaticString) {
        // SAFETY: a static string of ASCII has this representation and lives as long as the program.
        append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func append(decimal value: UInt64) {
        var divisor: UInt64 = 1
        while value / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            append(UInt8(truncatingIfNeeded: value / divisor % 10) + 0x30)
            divisor /= 10
        }
    }

    /// A number that is never negative where it is printed: pids, descriptors.
    mutating func append(decimal value: Int32) {
        append(decimal: UInt64(Swift.max(value, 0)))
    }

    /// At least `digits` hexadecimal digits.
    mutating func append(hex value: UInt64, digits: Int) {
        var shift = 60
        while shift > 0 && value >> UInt64(shift) == 0 && shift >= digits * 4 { shift -= 4 }
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 0xf
            append(digit < 10 ? 0x30 + digit : 0x57 + digit)
            shift -= 4
        }
    }

    /// The number right-aligned in `width` columns.
    mutating func append(decimal value: UInt64, width: Int) {
        var digits: [UInt8] = []
        digits.append(decimal: value)
        for _ in 0..<Swift.max(width - digits.count, 0) { append(0x20) }
        append(contentsOf: digits)
    }

    func hasPrefix(_ text: StaticString) -> Bool { self[...].hasPrefix(text) }
    func equals(_ text: StaticString) -> Bool { count == text.utf8CodeUnitCount && hasPrefix(text) }

    func hasSuffix(_ text: StaticString) -> Bool {
        count >= text.utf8CodeUnitCount && self[(count - text.utf8CodeUnitCount)...].hasPrefix(text)
    }

    /// An absolute path without `.` and `..`, by its text alone.
    var lexicallyNormalized: [UInt8] {
        var result: [UInt8] = []
        for component in split(separator: UInt8(ascii: "/")) where !component.equals(".") {
            if component.equals("..") {
                result = Array(result[..<(result.lastIndex(of: UInt8(ascii: "/")) ?? 0)])
            } else {
                result.append(UInt8(ascii: "/"))
                result.append(contentsOf: component)
            }
        }
        return result
    }

    /// Whether this is `directory` or something below it.
    func isWithin(_ directory: [UInt8]) -> Bool {
        if directory.count == 1 { return first == UInt8(ascii: "/") }
        guard count >= directory.count, self[..<directory.count].elementsEqual(directory) else { return false }
        return count == directory.count || self[directory.count] == UInt8(ascii: "/")
    }
}

extension ArraySlice where Element == UInt8 {
    func hasPrefix(_ text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        guard count >= length else { return false }
        for index in 0..<length where self[startIndex + index] != text.utf8Start[index] { return false }
        return true
    }

    func equals(_ text: StaticString) -> Bool { count == text.utf8CodeUnitCount && hasPrefix(text) }

    /// A number of decimal digits only, without sign or leading zeros, that is an Int32: how /proc spells pids and
    /// descriptors.
    var decimal: Int32? {
        guard let first, count <= 10, first != 0x30 || count == 1, allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
            let value = number
        else { return nil }
        return Int32(exactly: value)
    }

    /// The decimal number at the beginning, after blanks; nil without one.
    var number: UInt64? {
        var value: UInt64 = 0
        var digits = 0
        for byte in self {
            if digits == 0 && (byte == 0x20 || byte == 0x09) { continue }
            guard byte >= 0x30 && byte <= 0x39 else { break }
            value = value &* 10 &+ UInt64(byte - 0x30)
            digits += 1
        }
        return digits > 0 ? value : nil
    }

    /// Takes the hexadecimal number at the beginning off.
    mutating func takeHex() -> UInt64? {
        var value: UInt64 = 0
        var digits = 0
        while let byte = first {
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x61...0x66: digit = byte - 0x57
            default: return digits > 0 ? value : nil
            }
            value = value << 4 | UInt64(digit)
            digits += 1
            removeFirst()
        }
        return digits > 0 ? value : nil
    }

    /// Takes a first line off, without its newline; nil at the end.
    mutating func takeLine() -> ArraySlice<UInt8>? { isEmpty ? nil : take(until: 0x0a) }

    /// Takes everything before `separator` off, and the separator itself.
    mutating func take(until separator: UInt8) -> ArraySlice<UInt8> {
        let end = firstIndex(of: separator) ?? endIndex
        let taken = self[startIndex..<end]
        self = end < endIndex ? self[(end + 1)...] : self[endIndex...]
        return taken
    }

    /// The last component of a path and what stands before it.
    var splitLast: (directory: ArraySlice<UInt8>, name: ArraySlice<UInt8>)? {
        guard let slash = lastIndex(of: UInt8(ascii: "/")) else { return nil }
        return (self[startIndex..<slash], self[(slash + 1)...])
    }
}
