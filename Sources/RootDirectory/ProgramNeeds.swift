import CShim
import GuestImage

/// What a program file says it needs to run, by its first bytes.
enum ProgramNeeds {
    /// A `#!` script's interpreter.
    case script(interpreter: [UInt8])
    /// An ELF file and its PT_INTERP, where it has one.
    case elf(ELFMachine, loader: [UInt8]?)
    case unknown

    /// How much of a file is looked at.
    static let headSize = 65536

    init(head: [UInt8]) {
        if head.starts(with: "#!".utf8) {
            let words = head.dropFirst(2).prefix { $0 != 0x0a }.prefix(255).split { $0 == 0x20 || $0 == 0x09 }
            self = words.first.map { .script(interpreter: Array($0)) } ?? .unknown
        } else if let machine = ELFMachine(head: head) {
            self = .elf(machine, loader: Self.loader(head, machine))
        } else {
            self = .unknown
        }
    }

    /// elf(5): PT_INTERP's string. A file that is not sound has none.
    private static func loader(_ head: [UInt8], _ machine: ELFMachine) -> [UInt8]? {
        func number(_ offset: Int, _ size: Int) -> Int? {
            guard offset >= 0, offset <= head.count - size else { return nil }
            var value: UInt64 = 0
            for index in 0..<size {
                let byte = UInt64(head[offset + (machine.isBigEndian ? index : size - 1 - index)])
                value = value << 8 | byte
            }
            return value <= UInt64(headSize) ? Int(value) : nil
        }
        let wide = !machine.is32Bit
        guard let table = number(wide ? 32 : 28, wide ? 8 : 4), let size = number(wide ? 54 : 42, 2), size >= (wide ? 56 : 32),
            let count = number(wide ? 56 : 44, 2)
        else { return nil }
        for index in 0..<count {
            let entry = table + index * size
            guard let type = number(entry, 4), type == Int(PT_INTERP) else {
                if entry >= head.count { return nil }
                continue
            }
            guard let start = number(entry + (wide ? 8 : 4), wide ? 8 : 4), let length = number(entry + (wide ? 32 : 16), wide ? 8 : 4),
                length > 0, start + length <= head.count
            else { return nil }
            return Array(head[start..<(start + length)].prefix { $0 != 0 })
        }
        return nil
    }
}
