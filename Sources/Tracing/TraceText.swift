import CShim

/// A line that grows: text in the forms that strace has for numbers, strings and errors.
public struct TraceText {
    public private(set) var content: [UInt8] = []

    public init() { content.reserveCapacity(160) }

    public mutating func text(_ text: StaticString) {
        text.withUTF8Buffer { content.append(contentsOf: $0) }
    }

    mutating func bytes(_ bytes: UnsafeBufferPointer<UInt8>) { content.append(contentsOf: bytes) }

    private mutating func cString(_ text: UnsafePointer<CChar>) {
        var position = 0
        while text[position] != 0 {
            content.append(UInt8(bitPattern: text[position]))
            position += 1
        }
    }

    public mutating func byte(_ byte: UInt8) { content.append(byte) }

    /// Digits of `value`, with zeros in front up to `width`.
    public mutating func unsigned(_ value: UInt64, base: UInt64 = 10, width: Int = 1) {
        var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
        withUnsafeMutableBytes(of: &digits) { digits in
            var rest = value
            var count = 0
            repeat {
                let digit = UInt8(truncatingIfNeeded: rest % base)
                digits[count] = digit < 10 ? 0x30 &+ digit : 0x57 &+ digit
                rest /= base
                count += 1
            } while (rest > 0 || count < width) && count < digits.count
            while count > 0 {
                count -= 1
                content.append(digits[count])
            }
        }
    }

    public mutating func signed(_ value: Int64) {
        if value < 0 { text("-") }
        unsigned(value.magnitude)
    }

    mutating func hexadecimal(_ value: UInt64) {
        text("0x")
        unsigned(value, base: 16)
    }

    /// As strace writes modes: with a leading zero, and at least two digits more.
    mutating func octal(_ value: UInt64) {
        text("0")
        unsigned(value, base: 8, width: 2)
    }

    mutating func pointer(_ value: UInt64) {
        if value == 0 { text("NULL") } else { hexadecimal(value) }
    }

    /// Nanoseconds as seconds and microseconds.
    public mutating func seconds(_ nanoseconds: UInt64) {
        unsigned(nanoseconds / 1_000_000_000)
        text(".")
        unsigned(nanoseconds % 1_000_000_000 / 1000, width: 6)
    }

    /// In quotes, what is not printable as C writes it; `isCut` adds the three points.
    mutating func quoted(_ string: some Sequence<UInt8>, isCut: Bool = false) {
        text("\"")
        // A short octal escape may not be followed by a digit: so one byte is kept back.
        var held: UInt8?
        for byte in string {
            if let previous = held { escaped(previous, isBeforeDigit: byte >= 0x30 && byte <= 0x39) }
            held = byte
        }
        if let held { escaped(held, isBeforeDigit: false) }
        text(isCut ? "\"..." : "\"")
    }

    private mutating func escaped(_ byte: UInt8, isBeforeDigit: Bool) {
        switch byte {
        case UInt8(ascii: "\""): text("\\\"")
        case UInt8(ascii: "\\"): text("\\\\")
        case 0x09: text("\\t")
        case 0x0a: text("\\n")
        case 0x0b: text("\\v")
        case 0x0c: text("\\f")
        case 0x0d: text("\\r")
        case 0x20...0x7e: content.append(byte)
        default:
            text("\\")
            unsigned(UInt64(byte), base: 8, width: isBeforeDigit ? 3 : 1)
        }
    }

    /// SIGINT and the like; a number that is no signal as it is.
    public mutating func signal(_ number: Int32) {
        switch number {
        case 29: text("SIGIO")
        case 1..<32: text("SIG"); signalAbbreviation(number)
        case 32: text("SIGRTMIN")
        case 33...64: text("SIGRT_"); unsigned(UInt64(number - 32))
        default: signed(Int64(number))
        }
    }

    private mutating func signalAbbreviation(_ number: Int32) {
        if let name = vmrun_signal_name(number) { cString(name) } else { unsigned(UInt64(number)) }
    }

    /// The signals of a mask; of more than two thirds those that are missing.
    mutating func signalSet(_ mask: UInt64) {
        let isInverted = mask.nonzeroBitCount >= 42
        if isInverted { text("~") }
        text("[")
        var isFirst = true
        for number in Int32(1)...64 where (mask >> UInt64(number - 1) & 1 != 0) != isInverted {
            if !isFirst { text(" ") }
            isFirst = false
            switch number {
            case 29: text("IO")
            case 1..<32: signalAbbreviation(number)
            case 32: text("RTMIN")
            default: text("RT_"); unsigned(UInt64(number - 32))
            }
        }
        text("]")
    }

    /// -1, the errno's name, and what it means.
    mutating func error(_ number: Int32) {
        text("-1 ")
        if let name = vmrun_errno_name(number) {
            cString(name)
        } else {
            text("ERRNO_")
            unsigned(UInt64(number.magnitude))
        }
        if let sentence = vmrun_errno_sentence(number) {
            text(" (")
            cString(sentence)
            text(")")
        }
    }

    /// Spaces up to a column, counted from `start`.
    mutating func pad(to column: Int, from start: Int) {
        while content.count - start < column { content.append(0x20) }
    }
}
