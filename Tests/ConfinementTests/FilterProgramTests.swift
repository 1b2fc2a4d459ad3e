import Confinement
import Testing

private let native: UInt32 = 7
private let never = FilterProgram.Frequent(0xffff_0000, argument: 0, value: 0)

private func answer(_ program: FilterProgram, _ number: UInt32, _ arguments: UInt64...) -> UInt32? {
    run(program, architecture: native, number: number, arguments)?.answer
}

@Test func whatNoRuleNamesIsKilled() {
    let program = FilterProgram(architecture: native, rules: [.init(3, .allow), .init(4, .allow), .init(9, .refuse(38))], frequent: never)
    for number in [0, 1, 2, 5, 8, 10, 0x4000_0003, 0xffff_ffff] as [UInt32] { #expect(answer(program, number) == killed) }
    for number in [3, 4] as [UInt32] { #expect(answer(program, number) == allowed) }
    #expect(answer(program, 9) == refused(38))
    #expect(run(FilterProgram(architecture: native, rules: [], frequent: never), architecture: native, number: 0)?.answer == killed)
}

@Test func numbersOfAnotherArchitectureAreKilled() {
    let program = FilterProgram(
        architecture: native, rules: (0..<500).map { .init($0, .allow) }, frequent: .init(16, argument: 1, value: 5))
    for other in [0, 6, 8, 0x4000_0003] as [UInt32] {
        #expect(run(program, architecture: other, number: 3)?.answer == killed)
        #expect(run(program, architecture: other, number: 16, [0, 5])?.answer == killed)
    }
}

@Test func argumentsAreLookedAt() {
    let program = FilterProgram(
        architecture: native,
        rules: [
            .init(1, .allowWithout(bits: 0x7e02_0080, argument: 0)), .init(2, .allowValues([5, 3, 4, 0xffff_ffff, 0], argument: 2)),
            .init(3, .allow),
        ], frequent: never)
    #expect(answer(program, 1, 0x4100) == allowed)
    #expect(answer(program, 1, 0x4180) == killed)
    #expect(answer(program, 1, 0x4000_0000) == killed)
    // The kernel looks at the low half, too.
    #expect(answer(program, 1, 0x7e02_0080_0000_0000) == allowed)
    for value in [0, 3, 4, 5, 0xffff_ffff, 0x1_0000_0003] as [UInt64] { #expect(answer(program, 2, 9, 9, value) == allowed) }
    for value in [1, 2, 6, 0xffff_fffe, 0x1_0000_0001] as [UInt64] { #expect(answer(program, 2, 3, 3, value) == killed) }
    #expect(answer(program, 3, 1, 1, 1) == allowed)
}

@Test func theFirstRuleForANumberCounts() {
    let program = FilterProgram(
        architecture: native, rules: [.init(7, .refuse(1)), .init(2, .allow), .init(7, .allow), .init(2, .kill)], frequent: never)
    #expect(answer(program, 7) == refused(1))
    #expect(answer(program, 2) == allowed)
}

@Test func theFrequentCallIsFoundFirst() {
    let program = FilterProgram(
        architecture: native, rules: [.init(16, .allowValues(Array(100..<300) + [5], argument: 1)), .init(17, .allow)],
        frequent: .init(16, argument: 1, value: 5))
    let found = run(program, architecture: native, number: 16, [0, 5])
    #expect(found?.answer == allowed)
    #expect((found?.steps ?? .max) <= 8)
    #expect(answer(program, 16, 0, 100) == allowed)
    #expect(answer(program, 16, 0, 99) == killed)
    #expect(answer(program, 17, 0, 99) == allowed)
}

/// Every rule is found wherever it stands, also where jumps are longer than an instruction can say.
@Test func rulesAreFoundAmongMany() {
    var generator = SystemRandomNumberGenerator()
    for round in 0..<40 {
        var verdicts: [UInt32: FilterVerdict] = [:]
        for _ in 0..<(round * 20) {
            let verdict: FilterVerdict =
                switch UInt32.random(in: 0..<4, using: &generator) {
                case 0: .allow
                case 1: .refuse(UInt16.random(in: 1..<4000, using: &generator))
                case 2: .allowWithout(bits: 1 << UInt32.random(in: 0..<32, using: &generator), argument: 1)
                default: .allowValues([UInt32.random(in: 0..<9, using: &generator), 77, .max], argument: 2)
                }
            verdicts[UInt32.random(in: 0..<1000, using: &generator)] = verdict
        }
        let program = FilterProgram(
            architecture: native, rules: verdicts.map { .init($0.key, $0.value) }.shuffled(using: &generator), frequent: never)
        #expect(program.instructions.count < 4096)
        for number in 0..<1001 as Range<UInt32> {
            let arguments = [0, UInt64.random(in: 0...UInt64.max, using: &generator), UInt64.random(in: 0..<9, using: &generator)]
            let expected =
                switch verdicts[number] {
                case nil, .kill: killed
                case .allow: allowed
                case .refuse(let error): refused(UInt32(error))
                case .allowWithout(let bits, _): UInt32(truncatingIfNeeded: arguments[1]) & bits == 0 ? allowed : killed
                case .allowValues(let values, _): values.contains(UInt32(truncatingIfNeeded: arguments[2])) ? allowed : killed
                }
            #expect(run(program, architecture: native, number: number, arguments)?.answer == expected)
        }
    }
}
