/// The report of a session, as a table for people or as JSON.
public struct StatisticsReport {
    private var text: [UInt8] = []
    private let now: UInt64
    /// What a number is called; nil where it is no call.
    private let name: (UInt32) -> StaticString?

    /// - Parameter now: the end, by the clock of the beginning.
    public init(now: UInt64, name: @escaping (UInt32) -> StaticString?) {
        self.now = now
        self.name = name
    }

    public mutating func make(isJSON: Bool) -> [UInt8] {
        var calls = Statistics.calls()
        // The longest first.
        calls.sort { $0.nanoseconds != $1.nanoseconds ? $0.nanoseconds > $1.nanoseconds : $0.number < $1.number }
        var sum = Statistics.CallCount(number: 0)
        for call in calls { sum.add(call) }
        text = []
        if isJSON { makeJSON(calls, sum) } else { makeTable(calls, sum) }
        return text
    }

    /// What is counted once, in the order of both reports: its names there, the table's with the spaces behind it.
    private static var totals: [(key: StaticString, title: StaticString, value: UInt64)] {
        [
            ("faults", "page faults       ", Statistics.events(.faults)),
            ("refused_accesses", "refused accesses  ", Statistics.events(.refusedAccesses)),
            ("chunks", "memory chunks     ", Statistics.events(.chunks)),
            ("forks", "forks             ", Statistics.events(.forks)),
            ("vforks", "vforks            ", Statistics.events(.vforks)),
            ("execs_in_place", "execs in place    ", Statistics.events(.execsInPlace)),
            ("execs_in_fresh_image", "execs, fresh image ", Statistics.events(.execs)),
            ("threads", "threads made      ", Statistics.events(.threads)),
            ("peak_memory_kib", "peak memory, KiB  ", Statistics.peak),
        ]
    }

    // MARK: JSON

    private mutating func makeJSON(_ calls: [Statistics.CallCount], _ sum: Statistics.CallCount) {
        put("{\"seconds\": ")
        seconds(now &- Statistics.beginning)
        put(", \"calls\": {")
        fields(sum)
        put("}, \"by_name\": [")
        for (index, call) in calls.enumerated() {
            put(index == 0 ? "\n  {\"name\": \"" : ",\n  {\"name\": \"")
            putName(call)
            put("\", ")
            fields(call)
            put("}")
        }
        put("]")
        for (index, total) in Self.totals.enumerated() {
            put(index == 0 ? ",\n \"" : ", \"")
            put(total.key)
            put("\": ")
            number(total.value)
        }
        put("}\n")
    }

    private mutating func fields(_ call: Statistics.CallCount) {
        put("\"count\": ")
        number(call.count)
        field("errors", call.errors)
        put(", \"seconds\": ")
        seconds(call.nanoseconds)
        field("in_guest", call.known)
        field("switchless", call.switchless)
        field("exits", call.exits)
    }

    private mutating func field(_ name: StaticString, _ value: UInt64) {
        put(", \"")
        put(name)
        put("\": ")
        number(value)
    }

    // MARK: Table

    private mutating func makeTable(_ calls: [Statistics.CallCount], _ sum: Statistics.CallCount) {
        put("    seconds     calls    errors  in guest switchless     exits  system call\n")
        for call in calls {
            row(call)
            putName(call)
            put("\n")
        }
        row(sum)
        put("total\n\n")
        put("elapsed seconds   ")
        seconds(now &- Statistics.beginning)
        for total in Self.totals {
            put("\n")
            put(total.title)
            number(total.value)
        }
        put("\n")
    }

    private mutating func row(_ call: Statistics.CallCount) {
        let start = text.count
        seconds(call.nanoseconds)
        alignRight(from: start, width: 11)
        column(call.count, 10)
        column(call.errors, 10)
        column(call.known, 10)
        column(call.switchless, 11)
        column(call.exits, 10)
        put("  ")
    }

    private mutating func column(_ value: UInt64, _ width: Int) {
        let start = text.count
        number(value)
        alignRight(from: start, width: width)
    }

    private mutating func alignRight(from start: Int, width: Int) {
        let missing = width - (text.count - start)
        if missing > 0 { text.insert(contentsOf: [UInt8](repeating: 0x20, count: missing), at: start) }
    }

    // MARK: Text

    private mutating func put(_ words: StaticString) { words.withUTF8Buffer { text.append(contentsOf: $0) } }

    private mutating func putName(_ call: Statistics.CallCount) {
        if let name = name(UInt32(call.number)) {
            put(name)
        } else {
            put("syscall_")
            number(UInt64(call.number))
        }
    }

    private mutating func number(_ value: UInt64) {
        let start = text.count
        var rest = value
        repeat {
            text.insert(0x30 &+ UInt8(rest % 10), at: start)
            rest /= 10
        } while rest > 0
    }

    private mutating func seconds(_ nanoseconds: UInt64) {
        number(nanoseconds / 1_000_000_000)
        put(".")
        let start = text.count
        number(nanoseconds % 1_000_000_000 / 1000)
        while text.count - start < 6 { text.insert(0x30, at: start) }
    }
}
