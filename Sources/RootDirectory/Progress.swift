import CShim
import Host

/// One line on a terminal that says what is being done; nothing where standard error is none.
struct Progress {
    private let isTerminal: Bool
    private var line: [UInt8] = []

    /// Narrow enough for every terminal.
    private static let width = 78

    init() {
        var size = [UInt16](repeating: 0, count: 4)
        isTerminal = size.withUnsafeMutableBytes { Host.raw(Int32(SYS_ioctl), 2, Int(TIOCGWINSZ), Int(bitPattern: $0.baseAddress)) } == 0
    }

    /// Shows the last whole line of what a tool says.
    mutating func follow(_ output: ArraySlice<UInt8>) {
        guard isTerminal else { return }
        for byte in output {
            if byte == 0x0a || byte == 0x0d {
                if !line.isEmpty { show(text(line)) }
                line = []
            } else if byte >= 0x20 && line.count < 200 {
                line.append(byte)
            }
        }
    }

    func show(_ sentence: String) {
        guard isTerminal else { return }
        let shown = Array(sentence.utf8).prefix(Self.width)
        HostFile.append((Array("\r\u{1b}[K".utf8) + shown)[...], to: 2)
    }

    func clear() {
        if isTerminal { HostFile.append(Array("\r\u{1b}[K".utf8)[...], to: 2) }
    }
}
