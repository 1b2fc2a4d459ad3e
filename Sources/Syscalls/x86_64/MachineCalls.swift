#if arch(x86_64)
import CShim
import GuestMemory
import LinuxABI
import Machine
import Process

/// Calls about the processor's own state.
enum MachineCalls {
    private static let setGS: UInt64 = 0x1001
    private static let setFS: UInt64 = 0x1002
    private static let getFS: UInt64 = 0x1003
    private static let getGS: UInt64 = 0x1004
    private static let getCPUID: UInt64 = 0x1011
    private static let setCPUID: UInt64 = 0x1012

    /// arch_prctl(2). Shadow stacks, tagged addresses and the like answer EINVAL, as a processor without them.
    static func arch_prctl(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        switch args.a0 {
        case setFS, setGS:
            // TASK_SIZE_MAX of the host: a base outside the arena is odd but allowed.
            guard args.a1 < 0x7fff_ffff_f000 else { throw .EPERM }
            if args.a0 == setFS { thread.cpu.fsBase = args.a1 } else { thread.cpu.gsBase = args.a1 }
            return 0
        case getFS:
            try GuestAccess.write(thread.cpu.fsBase, at: GuestAddress(args.a1))
            return 0
        case getGS:
            try GuestAccess.write(thread.cpu.gsBase, at: GuestAddress(args.a1))
            return 0
        case getCPUID: return 1
        case setCPUID:
            if args.a1 != 0 { return 0 }
            throw .ENODEV
        default: throw .EINVAL
        }
    }
}
#endif
