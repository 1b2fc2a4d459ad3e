import CShim
import GuestMemory
import Host
import LinuxABI

/// How much argv and envp may hold: execve(2), "Limits on size of arguments and environment", as bprm_stack_limits() and
/// copy_strings() in fs/exec.c compute it.
public struct ArgumentLimits {
    /// The soft RLIMIT_STACK in bytes, which exec takes once: it sizes the new stack too.
    public let stackLimit: UInt64

    /// MAX_ARG_STRLEN: one string, its NUL included.
    public static let longestString = 32 * 4096
    private static let leastTotal: UInt64 = 131_072
    private static let usualStack: UInt64 = 8 << 20

    public init(stackLimit: UInt64) { self.stackLimit = stackLimit }

    /// The limits of the calling process.
    public static func current() -> ArgumentLimits {
        var limit = rlimit()
        let result = withUnsafeMutablePointer(to: &limit) {
            Host.raw(Int32(SYS_prlimit64), 0, resourceStack, 0, $0.argument)
        }
        return ArgumentLimits(stackLimit: result == 0 ? UInt64(limit.rlim_cur) : usualStack)
    }

    /// RLIMIT_STACK, an enumeration constant of another type in each libc.
    private static let resourceStack = 3

    /// Bytes that strings and pointers may take together.
    public var total: UInt64 { max(min(Self.usualStack / 4 * 3, stackLimit / 4), Self.leastTotal) }

    /// Bytes left for strings (execfn, argv, envp, each with its NUL) beside the pointers to them. Nil: E2BIG already.
    public func stringBudget(argc: Int, envc: Int) -> Int? {
        let pointers = UInt64(max(argc, 1) &+ envc) &* 8
        return pointers < total ? Int(total - pointers) : nil
    }

    /// Reads argv or envp out of guest memory: a NULL-terminated array of strings; a null `address` is an empty array, as
    /// Linux has it. `budget` is what strings and pointers may still take, and shrinks. EFAULT, E2BIG.
    public static func readStrings(at address: GuestAddress, budget: inout Int) throws(GuestErrno) -> [[UInt8]] {
        var strings: [[UInt8]] = []
        guard address != .null else { return strings }
        while true {
            let pointer = try GuestAccess.read(UInt64.self, at: address + strings.count * 8)
            if pointer == 0 { return strings }
            let string: [UInt8]
            do throws(GuestErrno) {
                string = try GuestAccess.readBytes(at: GuestAddress(pointer), limit: longestString)
            } catch {
                throw error == .ENAMETOOLONG ? .E2BIG : error
            }
            budget -= string.count + 1 + 8
            if budget < 0 { throw .E2BIG }
            strings.append(string)
        }
    }
}
