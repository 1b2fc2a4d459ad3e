import Statistics
import Testing

/// What is counted is one process's: one test.
@Test func reports() throws {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: Statistics.size, alignment: 4096)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: Statistics.size)
    // Nothing is counted before there is memory for it.
    Statistics.count(.forks)
    Statistics.use(memory)
    Statistics.begin(at: 1_000_000_000, isJSON: true)
    #expect(Statistics.isJSON)
    for tid in Int32(1)...200 { Statistics.count(call: 0, of: tid, .exit, nanoseconds: 10_000, isError: tid % 2 == 0) }
    Statistics.count(call: 1, of: -5, .switchless, nanoseconds: 7_000_000, isError: false)
    Statistics.count(call: 39, of: 3, .known, nanoseconds: 0, isError: false)
    // All that are no calls together.
    Statistics.count(call: .max, of: 3, .exit, nanoseconds: 0, isError: true)
    Statistics.count(call: 4000, of: 3, .exit, nanoseconds: 0, isError: true)
    Statistics.count(.chunks)
    Statistics.count(.chunks)
    Statistics.count(.threads)

    let names: [UInt32: StaticString] = [0: "read", 1: "write", 39: "getpid"]
    var report = StatisticsReport(now: 3_500_000_000) { names[$0] }
    let json = String(decoding: report.make(isJSON: true), as: UTF8.self)
    #expect(json.hasPrefix(#"{"seconds": 2.500000, "calls": {"count": 204, "errors": 102, "seconds": 0.009000, "in_guest": 1, "switchless": 1, "exits": 202}"#))
    #expect(json.contains(#"{"name": "read", "count": 200, "errors": 100, "seconds": 0.002000, "in_guest": 0, "switchless": 0, "exits": 200}"#))
    #expect(json.contains(#"{"name": "syscall_511", "count": 2, "errors": 2,"#))
    #expect(json.contains(#""chunks": 2, "forks": 0, "vforks": 0, "execs_in_place": 0, "execs_in_fresh_image": 0, "threads": 1"#))
    #expect(json.hasSuffix("}\n"))

    let table = String(decoding: report.make(isJSON: false), as: UTF8.self).split(separator: "\n")
    // The longest first.
    #expect(table[1] == "   0.007000         1         0         0          1         0  write")
    #expect(table[2] == "   0.002000       200       100         0          0       200  read")
    #expect(table.contains("memory chunks     2"))

    #expect(Statistics.isFirstToReport())
    #expect(!Statistics.isFirstToReport())
    Statistics.notePeak()
    #expect(!String(decoding: report.make(isJSON: true), as: UTF8.self).contains("\"peak_memory_kib\": 0"))
}
