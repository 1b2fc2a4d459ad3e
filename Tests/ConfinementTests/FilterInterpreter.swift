import Confinement

/// What the kernel would do with one system call, by the rules of classic BPF (Documentation/networking/filter.rst). Nil where the program is
/// none: a jump or a load out of bounds, an unknown instruction, no end.
func run(
    _ program: FilterProgram, architecture: UInt32, number: UInt32, _ arguments: [UInt64] = []
) -> (answer: UInt32, steps: Int)? {
    var data = [UInt32](repeating: 0, count: 16)
    data[0] = number
    data[1] = architecture
    for (index, argument) in arguments.enumerated() {
        data[4 + 2 * index] = UInt32(truncatingIfNeeded: argument)
        data[5 + 2 * index] = UInt32(truncatingIfNeeded: argument >> 32)
    }
    var accumulator: UInt32 = 0
    var position = 0
    var steps = 0
    while program.instructions.indices.contains(position) {
        let instruction = program.instructions[position]
        position += 1
        steps += 1
        let condition: Bool
        switch instruction.code {
        case 0x20:
            guard instruction.operand % 4 == 0, instruction.operand < 64 else { return nil }
            accumulator = data[Int(instruction.operand / 4)]
            continue
        case 0x05:
            position += Int(instruction.operand)
            continue
        case 0x06: return (instruction.operand, steps)
        case 0x15: condition = accumulator == instruction.operand
        case 0x35: condition = accumulator >= instruction.operand
        case 0x45: condition = accumulator & instruction.operand != 0
        default: return nil
        }
        position += Int(condition ? instruction.whenTrue : instruction.whenFalse)
    }
    return nil
}

let allowed: UInt32 = 0x7fff_0000
let killed: UInt32 = 0x8000_0000
func refused(_ error: UInt32) -> UInt32 { 0x0005_0000 | error }
