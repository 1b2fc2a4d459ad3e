import CShim
import Host

/// What `--stats` counts, in memory that all processes of a session share: so what one has counted is there however it ends. Nothing is counted
/// without the option, which costs a load and a branch where something happens that takes microseconds.
///
/// Calls are counted in stripes by thread, so that threads seldom meet in a cache line.
public enum Statistics {
    /// What happens less often than calls.
    public enum Event: Int, CaseIterable {
        /// Page faults that reached vmrun, and those of them that the host's mm refused.
        case faults, refusedAccesses
        /// Pieces of memory that were shown to KVM.
        case chunks
        case forks, vforks, threads
        /// Programs that were executed in the process that was there, and in a fresh image.
        case execsInPlace, execs
    }

    /// How a call was served.
    public enum Way: Int {
        case exit, switchless, known
    }

    /// Numbers from here up are counted as one.
    public static let numbers = 512
    private static let stripes = 64
    static let eventsOffset = 64
    private static let callsOffset = 4096
    /// For each number of a stripe: calls by way, errors, nanoseconds.
    private static let wordsOfCall = 5
    private static let stripeSize = numbers * wordsOfCall * 8
    public static let size = callsOffset + stripes * stripeSize

    enum Header {
        static let beginning = 0
        static let peak = 8
        static let isReported = 16
        static let form = 24
    }

    /// nil: nothing is counted. Set before there is a second thread.
    nonisolated(unsafe) public private(set) static var base: UnsafeMutableRawPointer?

    /// Memory of `size` bytes, zero at first.
    public static func use(_ memory: UnsafeMutableRawPointer) { base = memory }

    public static var isOn: Bool { base != nil }

    private static func word(_ offset: Int, _ base: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UInt64> {
        (base + offset).assumingMemoryBound(to: UInt64.self)
    }

    @inline(__always)
    public static func count(_ event: Event) {
        guard let base else { return }
        vmrun_atomic_add64(word(eventsOffset + event.rawValue * 8, base), 1)
    }

    /// A system call of the thread `tid` has been served.
    public static func count(call number: UInt32, of tid: Int32, _ way: Way, nanoseconds: UInt64, isError: Bool) {
        guard let base else { return }
        let index = Int(min(number, UInt32(numbers - 1)))
        let first = callsOffset + Int(UInt32(bitPattern: tid) % UInt32(stripes)) * stripeSize + index * wordsOfCall * 8
        vmrun_atomic_add64(word(first + way.rawValue * 8, base), 1)
        if isError { vmrun_atomic_add64(word(first + 24, base), 1) }
        vmrun_atomic_add64(word(first + 32, base), nanoseconds)
    }

    /// The calling process, or one that it has waited for, has had so much memory.
    public static func notePeak() {
        guard let base else { return }
        for who in [RUSAGE_SELF_NUMBER, RUSAGE_CHILDREN_NUMBER] {
            var usage = rusage()
            _ = withUnsafeMutablePointer(to: &usage) { Host.raw(Int32(SYS_getrusage), who, $0.argument) }
            let peak = UInt64(clamping: usage.ru_maxrss)
            let place = word(Header.peak, base)
            while true {
                let seen = vmrun_atomic_load64(place)
                if seen >= peak || vmrun_atomic_exchange_if64(place, seen, peak) != 0 { break }
            }
        }
    }

    private static let RUSAGE_SELF_NUMBER = 0
    private static let RUSAGE_CHILDREN_NUMBER = -1

    /// When the session began, by the monotonic clock, and in which form it reports.
    public static func begin(at time: UInt64, isJSON: Bool) {
        guard let base else { return }
        word(Header.beginning, base).pointee = time
        word(Header.form, base).pointee = isJSON ? 1 : 0
    }

    public static var isJSON: Bool { base.map { word(Header.form, $0).pointee != 0 } ?? false }

    /// True once in a session, for the one who reports.
    public static func isFirstToReport() -> Bool {
        guard let base else { return false }
        return vmrun_atomic_exchange_if((base + Header.isReported).assumingMemoryBound(to: Int32.self), 0, 1) != 0
    }

    // MARK: Reading

    /// What was counted of one system call.
    struct CallCount {
        var number: Int
        var exits: UInt64 = 0
        var switchless: UInt64 = 0
        var known: UInt64 = 0
        var errors: UInt64 = 0
        var nanoseconds: UInt64 = 0

        var count: UInt64 { exits &+ switchless &+ known }

        mutating func add(_ other: CallCount) {
            exits &+= other.exits
            switchless &+= other.switchless
            known &+= other.known
            errors &+= other.errors
            nanoseconds &+= other.nanoseconds
        }
    }

    static func events(_ event: Event) -> UInt64 { base.map { word(eventsOffset + event.rawValue * 8, $0).pointee } ?? 0 }

    static var peak: UInt64 { base.map { word(Header.peak, $0).pointee } ?? 0 }

    static var beginning: UInt64 { base.map { word(Header.beginning, $0).pointee } ?? 0 }

    /// All stripes together, only calls that were made.
    static func calls() -> [CallCount] {
        guard let base else { return [] }
        var result: [CallCount] = []
        for number in 0..<numbers {
            var sum = CallCount(number: number)
            for stripe in 0..<stripes {
                let first = callsOffset + stripe * stripeSize + number * wordsOfCall * 8
                sum.add(
                    CallCount(
                        number: number, exits: word(first, base).pointee, switchless: word(first + 8, base).pointee,
                        known: word(first + 16, base).pointee, errors: word(first + 24, base).pointee,
                        nanoseconds: word(first + 32, base).pointee))
            }
            if sum.count > 0 { result.append(sum) }
        }
        return result
    }
}
