#if arch(arm64)
import LinuxABI
import Process

// Calls of x86-64 that this architecture has no number for: nothing leads here.

extension PollCalls {
    static func poll(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
}

enum MachineCalls {
    static func arch_prctl(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .ENOSYS }
}
#endif
