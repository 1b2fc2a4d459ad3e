/// What the debugger sends, from the bytes of a stream: packets `$text#checksum`, and single bytes between them.
/// GDB manual, "Remote Protocol", Overview.
public struct PacketReader {
    public enum Event: Equatable {
        /// A packet's text, with nothing escaped any more.
        case packet([UInt8])
        /// The byte 3 between packets: the program is to be stopped.
        case interrupt
        case acknowledged
        /// The last packet has to be sent again.
        case rejected
        /// A packet with another checksum than it says.
        case damaged
        /// A packet longer than `longest`, of which nothing was kept.
        case tooLong
    }

    /// Bytes of a packet's text, escapes counted. The peer is told so (PacketSize).
    public static let longest = 0x4000

    private enum State {
        case between, text, firstDigit, secondDigit(UInt8?)
    }

    private var input: [UInt8] = []
    private var position = 0
    private var state = State.between
    private var text: [UInt8] = []
    private var sum: UInt8 = 0
    private var isTooLong = false

    public init() {}

    public mutating func append(_ bytes: some Collection<UInt8>) {
        if position == input.count {
            input.removeAll(keepingCapacity: true)
            position = 0
        }
        input.append(contentsOf: bytes)
    }

    /// The next event in what has come; nil until more has.
    public mutating func next() -> Event? {
        while position < input.count {
            let byte = input[position]
            position += 1
            if let event = take(byte) { return event }
        }
        return nil
    }

    private mutating func begin() {
        state = .text
        text.removeAll(keepingCapacity: true)
        sum = 0
        isTooLong = false
    }

    private mutating func take(_ byte: UInt8) -> Event? {
        switch state {
        case .between:
            switch byte {
            case UInt8(ascii: "$"): begin()
            case 3: return .interrupt
            case UInt8(ascii: "+"): return .acknowledged
            case UInt8(ascii: "-"): return .rejected
            default: break
            }
        case .text:
            if byte == UInt8(ascii: "#") {
                state = .firstDigit
            } else if byte == UInt8(ascii: "$") {
                // The end of the one before was lost.
                begin()
            } else {
                sum = sum &+ byte
                if text.count < Self.longest { text.append(byte) } else { isTooLong = true }
            }
        case .firstDigit:
            state = .secondDigit(Hexadecimal.digit(byte))
        case .secondDigit(let first):
            state = .between
            guard let first, let second = Hexadecimal.digit(byte), first << 4 | second == sum else { return .damaged }
            return isTooLong ? .tooLong : .packet(Self.unescaped(text))
        }
        return nil
    }

    /// `}` stands before a byte that is sent with bit 5 changed.
    private static func unescaped(_ text: [UInt8]) -> [UInt8] {
        guard text.contains(UInt8(ascii: "}")) else { return text }
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var isEscaped = false
        for byte in text {
            if isEscaped {
                result.append(byte ^ 0x20)
                isEscaped = false
            } else if byte == UInt8(ascii: "}") {
                isEscaped = true
            } else {
                result.append(byte)
            }
        }
        return result
    }
}

/// What is sent to the debugger.
public enum PacketWriter {
    /// The packet around a text in which binary data is escaped already.
    public static func packet(_ text: [UInt8]) -> [UInt8] {
        var packet: [UInt8] = [UInt8(ascii: "$")]
        packet.reserveCapacity(text.count + 4)
        packet.append(contentsOf: text)
        packet.append(UInt8(ascii: "#"))
        Hexadecimal.append(text.reduce(0, &+), to: &packet)
        return packet
    }

    /// Data as it stands in a packet: `#`, `$`, `*` and `}` have meanings there.
    public static func escaped(_ data: some Collection<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(data.count)
        for byte in data {
            switch byte {
            case UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "*"), UInt8(ascii: "}"):
                text.append(UInt8(ascii: "}"))
                text.append(byte ^ 0x20)
            default: text.append(byte)
            }
        }
        return text
    }
}
