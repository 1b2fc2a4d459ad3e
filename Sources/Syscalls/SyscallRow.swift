import LinuxABI

/// How well a system call is served; printed in docs/syscalls.md.
public enum SupportLevel: UInt8 {
    /// As Linux, errors included.
    case full
    /// Part of it; the note says which part is missing and what it answers.
    case partial
    /// Refused by policy with the errno that the note names.
    case refused
    /// Not there: ENOSYS, as a kernel without it answers.
    case absent
}

/// One system call: what it is called, what its arguments are, how well it is served and by whom. Rows are constant data:
/// the compiler lays the tables out in the binary, nothing runs at start-up.
public struct SyscallRow {
    /// The number on the guest's architecture; in the table's text, that of x86-64.
    public internal(set) var number: UInt16
    public let name: StaticString
    public let kinds: (ArgumentKind, ArgumentKind, ArgumentKind, ArgumentKind, ArgumentKind, ArgumentKind)
    public let handler: Handler
    public let level: SupportLevel
    /// One line: what is missing and which errno it answers, or why the call is refused. Empty for `full`.
    public let note: StaticString

    @inline(__always)
    init(
        _ number: UInt16, _ name: StaticString, _ a0: ArgumentKind = .none, _ a1: ArgumentKind = .none,
        _ a2: ArgumentKind = .none, _ a3: ArgumentKind = .none, _ a4: ArgumentKind = .none,
        _ a5: ArgumentKind = .none, by handler: Handler = .forward, _ level: SupportLevel = .full,
        _ note: StaticString = ""
    ) {
        self.number = number
        self.name = name
        kinds = (a0, a1, a2, a3, a4, a5)
        self.handler = handler
        self.level = level
        self.note = note
    }

    /// The kind of argument `index` (0...5).
    @inlinable
    public func kind(_ index: Int) -> ArgumentKind {
        switch index {
        case 0: kinds.0
        case 1: kinds.1
        case 2: kinds.2
        case 3: kinds.3
        case 4: kinds.4
        default: kinds.5
        }
    }
}
