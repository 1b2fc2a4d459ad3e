import CShim
import GuestMemory
import LinuxABI
import Testing

@testable import GuestImage

/// xorshift64*: the same mutations in every run.
private struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_f491_4f6c_dd1d
    }
}

private let nasty: [UInt64] = [
    0, 1, 0xfff, 0x1000, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 32, Arena.top, 1 << 47, .max >> 1, 1 << 63,
    .max - 0xfff, .max,
]

/// One to four changes in the headers: a bit, a byte, or a whole field at its worst.
private func mutate(_ file: inout [UInt8], _ generator: inout Generator) {
    for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let range = Bool.random(using: &generator) ? 0..<64 : 64..<320
        let index = Int.random(in: range, using: &generator)
        switch UInt8.random(in: 0..<4, using: &generator) {
        case 0: file[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 1: file[index] = UInt8.random(in: .min ... .max, using: &generator)
        case 2:
            let value = nasty.randomElement(using: &generator) ?? 0
            withUnsafeBytes(of: value.littleEndian) { bytes in
                for (place, byte) in bytes.enumerated() { file[index & ~7 + place] = byte }
            }
        default:
            if Bool.random(using: &generator) { file.removeLast(Int.random(in: 0..<file.count - 320, using: &generator)) }
        }
    }
}

/// Whatever a file says, it is loaded or refused, and nothing is ever mapped outside the arena.
@Test(arguments: [false, true]) func mutatedProgramsAreLoadedOrRefused(dynamic: Bool) throws {
    vmrun_install_handlers()
    // Far from the addresses of other tests: what an accepted file has zeroed must not be theirs.
    let window: UInt64 = dynamic ? 0x3100_0000_0000 : 0x3300_0000_0000
    // Nothing to zero, since nothing but the stack is mapped: mutants that ask for it get EFAULT.
    var builder = ELFBuilder.program(base: window + 0x6700_0000, bss: 0, dynamic: dynamic)
    builder.addInterpreter(bytes("/ld.so\0"))
    let sound = builder.build()
    let opener = FakeOpener()
    var generator = Generator(state: dynamic ? 0x9e37_79b9 : 0x7f4a_7c15)
    var loaded = 0
    var refused = 0
    for round in 0..<3000 {
        var mutant = sound
        mutate(&mutant, &generator)
        // The program, its interpreter, or the interpreter of a sound program.
        opener.files["/p"] = round % 3 == 0 ? sound : mutant
        opener.files["/ld.so"] = round % 3 == 1 ? sound : mutant
        let mapper = FakeMapper(window: window, isReal: false)
        do throws(ImageError) {
            let program = try PreparedProgram.prepare(
                .path(bytes("/p")), argv: [[]], envp: [], opener: opener, registry: InterpreterRegistry(),
                limits: ArgumentLimits(stackLimit: 0))
            _ = try Loader.load(program, into: mapper, context: context())
            loaded += 1
        } catch {
            #expect(error.errno.number > 0)
            #expect(!error.sentence(program: []).isEmpty)
            refused += 1
        }
        for mapping in mapper.mappings {
            #expect(mapping.address >= 0x10000 && mapping.address % 4096 == 0)
            #expect(mapping.length > 0 && mapping.length % 4096 == 0)
            #expect(mapping.address <= Arena.top && mapping.length <= Arena.top - mapping.address)
            #expect((mapping.offset ?? 0) % 4096 == 0)
        }
    }
    #expect(refused > 500)
    #expect(loaded > 500)
    #expect(loaded + refused == 3000)
}

@Test func mutatedScriptsAreReadOrRefused() {
    var generator = Generator(state: 0x1234_5678)
    let alphabet: [UInt8] = [0, 9, 10, 32, 35, 33, 47, 97, 13, 255]
    for _ in 0..<3000 {
        var head = bytes("#!")
        for _ in 0..<Int.random(in: 0...260, using: &generator) {
            // Long runs of one byte are where the bounds are.
            let byte = alphabet.randomElement(using: &generator) ?? 0
            head += [UInt8](repeating: byte, count: Int.random(in: 1...60, using: &generator))
            if head.count > 300 { break }
        }
        let header = ScriptHeader(head: head)
        #expect(header?.interpreter.contains(10) != true)
        #expect((header?.interpreter.count ?? 0) < 256)
    }
}
