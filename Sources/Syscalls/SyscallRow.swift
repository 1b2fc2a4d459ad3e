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

/// What one argument is, which is what generic forwarding needs to check it. Numbers in the cases are indices of other
/// arguments. No kind says whether NULL is allowed: nothing is mapped below the arena, so the host kernel decides on NULL
/// exactly as it would for the guest.
public enum ArgumentKind: Equatable {
    case none
    /// A plain number: passed as it is.
    case value
    /// A file descriptor: vmrun's own give EBADF.
    case fd
    /// A descriptor or AT_FDCWD.
    case directoryFD
    /// A descriptor number that the guest chooses for a new descriptor.
    case newFD
    /// select(2)'s count of descriptors: vmrun's own are beyond it.
    case fdCount
    /// A path; only handlers serve it.
    case path
    /// A NUL-terminated name that the kernel reads and that is no path.
    case string
    /// A buffer that the kernel reads or writes; the argument with this index has its length as a size_t.
    case input(UInt8)
    case output(UInt8)
    /// A structure that the kernel reads, writes, or both.
    case reads(WireStructure)
    case writes(WireStructure)
    case updates(WireStructure)
    /// As many of them as the int or unsigned int in another argument says.
    case readsArray(WireStructure, count: UInt8)
    case writesArray(WireStructure, count: UInt8)
    case updatesArray(WireStructure, count: UInt8)
    /// An iovec array with its count; every element is checked, and the checked copy is what the kernel gets.
    case iovec(count: UInt8)
    /// A System V message: a long, then as many bytes as another argument says.
    case inputMessage(UInt8)
    case outputMessage(UInt8)
    /// An fd_set for the given count of descriptors.
    case fdSet(count: UInt8)
    /// A NUMA node mask of the given number of bits.
    case nodeMask(bits: UInt8)
    /// The start of an address range, whose length another argument has; the range must be the guest's.
    case range(UInt8)
    /// A socket address that the kernel reads, with its length, or writes, behind a pointer to its length.
    case socketAddress(UInt8)
    case socketAddressOutput(UInt8)
    /// A guest address that is not dereferenced by the call.
    case address
    /// A process or thread id: members of the session only.
    case pid
    case signal
    /// A pointer whose meaning depends on other arguments: a handler checks it.
    case special
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
