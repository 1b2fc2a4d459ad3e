import Testing

@testable import Seccomp

private func statement(_ code: UInt16, _ operand: UInt32 = 0) -> FilterInstruction { FilterInstruction(code: code, operand: operand) }

private func jump(_ code: UInt16, _ operand: UInt32, _ whenTrue: UInt8, _ whenFalse: UInt8) -> FilterInstruction {
    FilterInstruction(code: code, whenTrue: whenTrue, whenFalse: whenFalse, operand: operand)
}

private let allow: UInt32 = 0x7fff_0000

/// What a filter answers that ends with the accumulator.
private func result(_ instructions: [FilterInstruction], number: UInt32 = 0) -> UInt32? {
    SystemCallFilter(instructions + [statement(0x16)])?.answer(SystemCallData(number: number, architecture: 7, instructionPointer: 0x1_0000_0002, (0x3_0000_0004, 5, 6, 7, 8, .max)))
}

@Test func loadsTheCall() {
    #expect(result([statement(0x20, 0)], number: 77) == 77)
    #expect(result([statement(0x20, 4)]) == 7)
    #expect([8, 12, 16, 20, 24, 56, 60].map { result([statement(0x20, $0)]) } == [2, 1, 4, 3, 5, .max, .max])
    #expect(result([statement(0x80)]) == 64)
    #expect(result([statement(0x81), statement(0x87)]) == 64)
}

@Test func computes() {
    let cases: [(UInt16, UInt32, UInt32)] = [
        (0x04, 10, 17), (0x14, 10, .max - 2), (0x24, 3, 21), (0x34, 2, 3), (0x44, 8, 15), (0x54, 5, 5), (0x64, 4, 112), (0x74, 1, 3),
        (0xa4, 5, 2),
    ]
    for (code, operand, expected) in cases {
        #expect(result([statement(0x00, 7), statement(code, operand)]) == expected)
        #expect(result([statement(0x01, operand), statement(0x00, 7), statement(code | 8)]) == expected)
    }
    #expect(result([statement(0x00, 7), statement(0x84)]) == 0 &- 7)
    // A shift by a register takes five bits; a division by one that is zero ends it.
    #expect(result([statement(0x01, 33), statement(0x00, 7), statement(0x6c)]) == 14)
    #expect(result([statement(0x00, 7), statement(0x3c)]) == 0)
    #expect(result([statement(0x00, 9), statement(0x02, 15), statement(0x00, 1), statement(0x61, 15), statement(0x87)]) == 9)
    #expect(result([statement(0x01, 9), statement(0x03, 0), statement(0x60, 0)]) == 9)
}

@Test func jumps() {
    let cases: [(UInt16, UInt32, Bool)] = [
        (0x15, 7, true), (0x15, 8, false), (0x25, 6, true), (0x25, 7, false), (0x35, 7, true), (0x35, 8, false), (0x45, 4, true), (0x45, 8, false),
    ]
    for (code, operand, holds) in cases {
        for isRegister in [false, true] {
            let answer = result([
                statement(0x01, operand), statement(0x00, 7), jump(isRegister ? code | 8 : code, operand, 1, 0), statement(0x06, 1), statement(0x06, 2),
            ])
            #expect(answer == (holds ? 2 : 1))
        }
    }
    #expect(result([statement(0x05, 1), statement(0x06, 1), statement(0x00, 5)]) == 5)
}

@Test func refusesWhatIsNoProgram() {
    let end = statement(0x06, allow)
    #expect(SystemCallFilter([]) == nil && SystemCallFilter([statement(0x20, 0)]) == nil)
    #expect(SystemCallFilter([end]) != nil)
    #expect(SystemCallFilter(Array(repeating: end, count: 4096)) != nil && SystemCallFilter(Array(repeating: end, count: 4097)) == nil)
    for instruction in [
        statement(0x20, 64), statement(0x20, 3), statement(0x28, 0), statement(0x30, 0), statement(0x40, 0), statement(0x60, 0), statement(0x61, 1),
        statement(0x02, 16), statement(0x34, 0), statement(0x94, 3), statement(0x64, 32), statement(0x74, 32), statement(0x05, 1),
        jump(0x15, 0, 1, 0), jump(0x1d, 0, 0, 1), statement(0xffff), statement(0x0e), statement(0x8c),
    ] {
        #expect(SystemCallFilter([instruction, end]) == nil)
    }
    let load = statement(0x60, 1), store = statement(0x02, 1)
    #expect(SystemCallFilter([jump(0x15, 0, 0, 1), store, load, end]) == nil)
    #expect(SystemCallFilter([jump(0x15, 0, 1, 0), store, store, load, end]) != nil)
    #expect(SystemCallFilter([statement(0x05, 1), store, load, end]) == nil)
}

/// Any program that is accepted ends, whatever is in it.
@Test func randomProgramsEnd() {
    var state: UInt64 = 88_172_645_463_325_252
    func next() -> UInt32 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return UInt32(truncatingIfNeeded: state >> 16)
    }
    var accepted = 0
    for _ in 0..<20000 {
        var program: [FilterInstruction] = []
        for _ in 0..<Int(next() % 8) {
            program.append(jump(UInt16(next() & 0xbf), next() % 3 == 0 ? next() : next() % 70, UInt8(next() % 4), UInt8(next() % 4)))
        }
        guard let filter = SystemCallFilter(program + [statement(0x16)]) else { continue }
        accepted += 1
        _ = filter.answer(SystemCallData(number: next(), architecture: next(), (UInt64(next()), 1, 2, 3, 4, 5)))
    }
    #expect(accepted > 1000)
}

@Test func theMostSevereAnswerCounts() throws {
    func filter(_ answer: UInt32) throws -> SystemCallFilter { try #require(SystemCallFilter([statement(0x06, answer)])) }
    let data = SystemCallData(number: 1, architecture: 2)
    func answer(_ values: [UInt32]) throws -> SystemCallAnswer {
        var set: FilterSet?
        for (identity, value) in values.enumerated() { set = FilterSet.make(try filter(value), identity: UInt64(identity), before: set) }
        return try #require(set).answer(data)
    }
    #expect(try answer([allow]) == .allow)
    #expect(try answer([0x7ffc_0000]) == .allow)
    #expect(try answer([0x0005_0001, 0x0005_0002]) == .refuse(2))
    #expect(try answer([0x0005_0001, 0x7ff0_0000]) == .refuse(1))
    #expect(try answer([0x0003_0009, 0x0005_0002]) == .trap(9))
    #expect(try answer([0x0005_ffff]) == .refuse(4095))
    #expect(try answer([0x7ff0_0000]) == .refuse(38) && answer([0x7fc0_0000]) == .refuse(38))
    #expect(try answer([0, 0x0003_0000]) == .killThread)
    #expect(try answer([0, 0x8000_0000, 0]) == .killProcess)
    #expect(try answer([0x1234_0000]) == .killProcess)
}

@Test func setsDescend() throws {
    let filter = try #require(SystemCallFilter([statement(0x06, allow)]))
    let first = try #require(FilterSet.make(filter, identity: 1, before: nil))
    let second = try #require(FilterSet.make(filter, identity: 2, before: first))
    let other = try #require(FilterSet.make(filter, identity: 3, before: first))
    #expect(second.descends(from: nil) && second.descends(from: first) && second.descends(from: second))
    #expect(!first.descends(from: second) && !other.descends(from: second))
    #expect(second.count == 2 && second.filters.count == 2)

    let large = try #require(SystemCallFilter(Array(repeating: statement(0x06, allow), count: 4096)))
    var set: FilterSet?
    var count = 0
    while let next = FilterSet.make(large, identity: UInt64(10 + count), before: set) { (set, count) = (next, count + 1) }
    #expect(count == 3)
}
