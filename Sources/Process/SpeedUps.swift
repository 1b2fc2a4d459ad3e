import Machine

/// What may be done to make system calls cheap. Each can be switched off, to tell whether a fault is its; what the guest sees is the same.
public struct SpeedUps: OptionSet {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Answers and forwarding in the code behind `syscall` (--no-fast-syscalls).
    public static let fastPaths = SpeedUps(rawValue: 1)
    /// A poller (--no-switchless).
    public static let switchless = SpeedUps(rawValue: 2)
    /// Jumps in the place of hot system calls (--no-patch).
    public static let rewriting = SpeedUps(rawValue: 4)

    /// What becomes of a system call before it leaves the guest.
    func path(of number: UInt32, _ server: any SystemCallServer) -> FastPath {
        contains(.fastPaths) ? server.fastPath(number) : .exit
    }

    public static let all: SpeedUps = [.fastPaths, .switchless, .rewriting]
}
