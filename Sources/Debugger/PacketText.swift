/// Reads a packet's text from its beginning. Nothing that the other side sends makes it fail but by answering nil.
struct PacketText {
    private let bytes: [UInt8]
    private(set) var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position >= bytes.count }
    var rest: [UInt8] { Array(bytes[position...]) }

    /// Goes over `text`, where it is next.
    mutating func skip(_ text: StaticString) -> Bool {
        let matches = text.withUTF8Buffer { wanted in
            bytes.count - position >= wanted.count && wanted.indices.allSatisfy { bytes[position + $0] == wanted[$0] }
        }
        if matches { position += text.utf8CodeUnitCount }
        return matches
    }

    /// A hexadecimal number, which fits.
    mutating func number() -> UInt64? {
        var result: UInt64 = 0
        var digits = 0
        while position < bytes.count, let digit = Hexadecimal.digit(bytes[position]) {
            guard result >> 60 == 0 else { return nil }
            result = result << 4 | UInt64(digit)
            position += 1
            digits += 1
        }
        return digits > 0 ? result : nil
    }

    /// The next byte.
    mutating func byte() -> UInt8? {
        guard position < bytes.count else { return nil }
        position += 1
        return bytes[position - 1]
    }

    /// What comes before `separator`, which is gone over, or before the end.
    mutating func word(before separator: UInt8) -> [UInt8] {
        let end = bytes[position...].firstIndex(of: separator) ?? bytes.count
        let word = Array(bytes[position..<end])
        position = min(end + 1, bytes.count)
        return word
    }

    /// Two numbers with a comma between, as an address and a length.
    mutating func pair() -> (UInt64, UInt64)? {
        guard let first = number(), skip(","), let second = number() else { return nil }
        return (first, second)
    }
}

enum Hexadecimal {
    static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    private static func character(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10 }

    static func append(_ byte: UInt8, to text: inout [UInt8]) {
        text.append(character(byte >> 4))
        text.append(character(byte & 15))
    }

    /// Two digits for each byte.
    static func text(of bytes: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2)
        for byte in bytes { append(byte, to: &text) }
        return text
    }

    /// The bytes that pairs of digits stand for; nil for anything else.
    static func bytes(of text: [UInt8]) -> [UInt8]? {
        guard text.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 2)
        var index = 0
        while index < text.count {
            guard let high = digit(text[index]), let low = digit(text[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
            index += 2
        }
        return bytes
    }

    /// A number without leading zeros.
    static func text(of number: UInt64) -> [UInt8] {
        var text: [UInt8] = []
        var shift = 60
        while shift > 0 && number >> UInt64(shift) == 0 { shift -= 4 }
        while shift >= 0 {
            text.append(character(UInt8(number >> UInt64(shift) & 15)))
            shift -= 4
        }
        return text
    }
}

extension [UInt8] {
    mutating func append(_ text: StaticString) { text.withUTF8Buffer { append(contentsOf: $0) } }
    mutating func append(number: UInt64) { append(contentsOf: Hexadecimal.text(of: number)) }

    init(_ text: StaticString) {
        self = []
        append(text)
    }
}
