/// A filter as seccomp(2) takes it: a classic BPF program over struct seccomp_data, which answers a SECCOMP_RET value.
///
/// Follows bpf_check_classic() and seccomp_check_filter() of Linux for what a program may be, and
/// Documentation/networking/filter.rst for what its instructions do.
public struct SystemCallFilter: Equatable {
    /// BPF_MAXINSNS.
    public static let mostInstructions = 4096
    /// BPF_MEMWORDS.
    private static let memoryWords: UInt32 = 16

    public let instructions: [FilterInstruction]

    /// Nil where the kernel would say EINVAL: an unknown instruction, a jump or a load out of bounds, a memory word read before
    /// it is written, a division by the constant zero, no end.
    public init?(_ instructions: [FilterInstruction]) {
        guard (1...Self.mostInstructions).contains(instructions.count), let last = instructions.last,
            last.code == Code.answer || last.code == Code.answerAccumulator
        else { return nil }
        for (index, instruction) in instructions.enumerated() {
            guard Self.isValid(instruction, behind: instructions.count - index - 1) else { return nil }
        }
        guard Self.writesBeforeReading(instructions) else { return nil }
        self.instructions = instructions
    }

    /// - Parameter behind: how many instructions follow.
    private static func isValid(_ instruction: FilterInstruction, behind: Int) -> Bool {
        let operand = instruction.operand
        switch instruction.code {
        case Code.loadAbsolute: return operand < SystemCallData.size && operand % 4 == 0
        case Code.loadMemory, Code.loadMemoryIndex, Code.store, Code.storeIndex: return operand < memoryWords
        case Code.jumpAlways: return Int(operand) < behind
        case Code.divide: return operand != 0
        case Code.shiftLeft, Code.shiftRight: return operand < 32
        case Code.loadLength, Code.loadLengthIndex, Code.loadConstant, Code.loadConstantIndex, Code.answer, Code.answerAccumulator,
            Code.toIndex, Code.fromIndex, Code.negate:
            return true
        case Code.add, Code.subtract, Code.multiply, Code.or, Code.and, Code.xor, Code.add | Code.index, Code.subtract | Code.index,
            Code.multiply | Code.index, Code.divide | Code.index, Code.or | Code.index, Code.and | Code.index, Code.xor | Code.index,
            Code.shiftLeft | Code.index, Code.shiftRight | Code.index:
            return true
        case Code.ifEqual, Code.ifGreater, Code.ifGreaterOrEqual, Code.ifAnyBit, Code.ifEqual | Code.index, Code.ifGreater | Code.index,
            Code.ifGreaterOrEqual | Code.index, Code.ifAnyBit | Code.index:
            return Int(instruction.whenTrue) < behind && Int(instruction.whenFalse) < behind
        default: return false
        }
    }

    /// Whether each memory word is written on every way to where it is read. Jumps lead forward only.
    private static func writesBeforeReading(_ instructions: [FilterInstruction]) -> Bool {
        var reaching = [UInt16](repeating: .max, count: instructions.count)
        var written: UInt16 = 0
        for (index, instruction) in instructions.enumerated() {
            written &= reaching[index]
            let bit = UInt16(1) << UInt16(instruction.operand & (memoryWords - 1))
            switch instruction.code {
            case Code.store, Code.storeIndex: written |= bit
            case Code.loadMemory, Code.loadMemoryIndex:
                if written & bit == 0 { return false }
            case Code.jumpAlways:
                reaching[index + 1 + Int(instruction.operand)] &= written
                written = .max
            case let code where code & Code.classMask == Code.jumpAlways:
                reaching[index + 1 + Int(instruction.whenTrue)] &= written
                reaching[index + 1 + Int(instruction.whenFalse)] &= written
                written = .max
            default: break
            }
        }
        return true
    }

    /// How many instructions Linux turns the program into (bpf_convert_filter() in net/core/filter.c), by which it counts.
    var translatedCount: Int {
        instructions.reduce(Self.prologue) { $0 + Self.translatedCount($1) }
    }

    private static let prologue = 3

    private static func translatedCount(_ instruction: FilterInstruction) -> Int {
        switch instruction.code {
        case Code.answer: return 2
        case Code.divide | Code.index: return 5
        case Code.jumpAlways: return 1
        case let code where code & Code.classMask == Code.jumpAlways:
            // A constant that would be sign-extended comes by way of a register. There are no jumps with two targets.
            let constant = code & Code.index == 0 && instruction.operand > Int32.max ? 1 : 0
            let isInvertible = code & ~Code.index != Code.ifAnyBit
            return constant + (instruction.whenFalse == 0 || (instruction.whenTrue == 0 && isInvertible) ? 1 : 2)
        default: return 1
        }
    }

    /// The SECCOMP_RET value for one call. A division by zero answers 0, SECCOMP_RET_KILL_THREAD.
    public func answer(_ data: SystemCallData) -> UInt32 {
        var accumulator: UInt32 = 0, index: UInt32 = 0
        return withUnsafeTemporaryAllocation(of: UInt32.self, capacity: Int(Self.memoryWords)) { memory in
            var position = 0
            while position < instructions.count {
                let instruction = instructions[position]
                position += 1
                let operand = instruction.operand
                switch instruction.code {
                case Code.loadAbsolute: accumulator = data.word(at: operand)
                case Code.loadLength: accumulator = SystemCallData.size
                case Code.loadLengthIndex: index = SystemCallData.size
                case Code.loadConstant: accumulator = operand
                case Code.loadConstantIndex: index = operand
                case Code.loadMemory: accumulator = memory[Int(operand)]
                case Code.loadMemoryIndex: index = memory[Int(operand)]
                case Code.store: memory[Int(operand)] = accumulator
                case Code.storeIndex: memory[Int(operand)] = index
                case Code.toIndex: index = accumulator
                case Code.fromIndex: accumulator = index
                case Code.answer: return operand
                case Code.answerAccumulator: return accumulator
                case Code.jumpAlways: position += Int(operand)
                case let code where code & Code.classMask == Code.jumpAlways:
                    let isTaken = Self.holds(code & ~Code.index, accumulator, code & Code.index == 0 ? operand : index)
                    position += Int(isTaken ? instruction.whenTrue : instruction.whenFalse)
                case let code:
                    guard let result = Self.compute(code & ~Code.index, accumulator, code & Code.index == 0 ? operand : index) else {
                        return 0
                    }
                    accumulator = result
                }
            }
            return 0
        }
    }

    @inline(__always)
    private static func holds(_ condition: UInt16, _ accumulator: UInt32, _ operand: UInt32) -> Bool {
        switch condition {
        case Code.ifEqual: accumulator == operand
        case Code.ifGreater: accumulator > operand
        case Code.ifGreaterOrEqual: accumulator >= operand
        default: accumulator & operand != 0
        }
    }

    /// Nil for a division by zero.
    @inline(__always)
    private static func compute(_ operation: UInt16, _ accumulator: UInt32, _ operand: UInt32) -> UInt32? {
        switch operation {
        case Code.add: accumulator &+ operand
        case Code.subtract: accumulator &- operand
        case Code.multiply: accumulator &* operand
        case Code.divide: operand == 0 ? nil : accumulator / operand
        case Code.or: accumulator | operand
        case Code.and: accumulator & operand
        case Code.xor: accumulator ^ operand
        case Code.shiftLeft: accumulator &<< operand
        case Code.shiftRight: accumulator &>> operand
        default: 0 &- accumulator
        }
    }

    /// linux/bpf_common.h and linux/filter.h.
    private enum Code {
        static let loadConstant: UInt16 = 0x00
        static let loadConstantIndex: UInt16 = 0x01
        static let loadAbsolute: UInt16 = 0x20
        static let loadMemory: UInt16 = 0x60
        static let loadMemoryIndex: UInt16 = 0x61
        static let loadLength: UInt16 = 0x80
        static let loadLengthIndex: UInt16 = 0x81
        static let store: UInt16 = 0x02
        static let storeIndex: UInt16 = 0x03
        static let add: UInt16 = 0x04
        static let subtract: UInt16 = 0x14
        static let multiply: UInt16 = 0x24
        static let divide: UInt16 = 0x34
        static let or: UInt16 = 0x44
        static let and: UInt16 = 0x54
        static let shiftLeft: UInt16 = 0x64
        static let shiftRight: UInt16 = 0x74
        static let negate: UInt16 = 0x84
        static let xor: UInt16 = 0xa4
        static let jumpAlways: UInt16 = 0x05
        static let ifEqual: UInt16 = 0x15
        static let ifGreater: UInt16 = 0x25
        static let ifGreaterOrEqual: UInt16 = 0x35
        static let ifAnyBit: UInt16 = 0x45
        static let answer: UInt16 = 0x06
        static let answerAccumulator: UInt16 = 0x16
        static let toIndex: UInt16 = 0x07
        static let fromIndex: UInt16 = 0x87
        /// The operand is the index register (BPF_X).
        static let index: UInt16 = 0x08
        static let classMask: UInt16 = 0x07
    }
}
