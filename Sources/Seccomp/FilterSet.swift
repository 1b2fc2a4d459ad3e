/// The filters of a thread, as seccomp(2) stacks them. Never changes; a thread that installs another one has another set.
public final class FilterSet {
    /// Newest first, each with a number of its own.
    private let entries: [(filter: SystemCallFilter, identity: UInt64)]

    /// MAX_INSNS_PER_PATH, and what each filter costs of it besides its instructions.
    private static let mostInstructions = 32768
    private static let filterPenalty = 4

    private init(_ entries: [(filter: SystemCallFilter, identity: UInt64)]) { self.entries = entries }

    /// `filter` before all of `older`. Nil where they are too many (ENOMEM).
    ///
    /// - Parameter identity: a number that no other filter of the process has.
    public static func make(_ filter: SystemCallFilter, identity: UInt64, before older: FilterSet?) -> FilterSet? {
        let old = older?.entries ?? []
        let total = old.reduce(filter.translatedCount) { $0 + $1.filter.translatedCount + filterPenalty }
        return total > mostInstructions ? nil : FilterSet([(filter, identity)] + old)
    }

    public var count: Int { entries.count }

    /// Oldest first.
    public var filters: [SystemCallFilter] { entries.reversed().map { $0.filter } }

    /// Whether a thread with this set has all that `other` has, and has installed the rest since: `other` is nil, or an ancestor.
    public func descends(from other: FilterSet?) -> Bool {
        guard let other else { return true }
        let skipped = entries.count - other.entries.count
        return skipped >= 0 && entries[skipped].identity == other.entries[0].identity
    }

    /// All filters are asked; the most severe answer counts, of equal ones the newest filter's.
    public func answer(_ data: SystemCallData) -> SystemCallAnswer {
        var result = SystemCallAnswer.allowed
        for entry in entries {
            let answer = entry.filter.answer(data)
            if SystemCallAnswer.severity(answer) < SystemCallAnswer.severity(result) { result = answer }
        }
        return SystemCallAnswer(result)
    }
}

/// What becomes of a call that a filter has looked at.
public enum SystemCallAnswer: Equatable {
    case allow
    /// The call is not made; -errno, or 0, is its result.
    case refuse(Int32)
    /// The call is not made; SIGSYS with this si_errno comes in its place.
    case trap(Int32)
    case killThread
    case killProcess

    static let allowed: UInt32 = 0x7fff_0000
    private static let actionMask: UInt32 = 0xffff_0000
    private static let dataMask: UInt32 = 0xffff
    private static let ENOSYS: Int32 = 38
    private static let MAX_ERRNO: Int32 = 4095

    /// The lower the more severe: the kernel compares signed numbers.
    static func severity(_ answer: UInt32) -> Int32 { Int32(bitPattern: answer & actionMask) }

    /// A SECCOMP_RET value. What wants a tracer or a supervisor, which nobody is, answers ENOSYS as Linux does then; what is unknown
    /// kills the process. What wants a line in the host's log is allowed without.
    init(_ value: UInt32) {
        let data = Int32(value & Self.dataMask)
        switch value & Self.actionMask {
        case 0x7fff_0000, 0x7ffc_0000: self = .allow
        case 0x7ff0_0000, 0x7fc0_0000: self = .refuse(Self.ENOSYS)
        case 0x0005_0000: self = .refuse(min(data, Self.MAX_ERRNO))
        case 0x0003_0000: self = .trap(data)
        case 0: self = .killThread
        default: self = .killProcess
        }
    }

    /// Whether SECCOMP_GET_ACTION_AVAIL knows the action.
    public static func isKnown(_ action: UInt32) -> Bool {
        switch action {
        case 0x7fff_0000, 0x7ffc_0000, 0x7ff0_0000, 0x0005_0000, 0x0003_0000, 0, 0x8000_0000: true
        default: false
        }
    }
}
