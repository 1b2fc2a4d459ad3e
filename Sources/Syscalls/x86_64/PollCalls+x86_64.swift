#if arch(x86_64)
import CShim
import LinuxABI
import Process

extension PollCalls {
    static func poll(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        withTable(thread, args.a0, count: args.a1) { table, count in
            thread.hostCall(Int(SYS_poll), table, count, args.a2)
        }
    }
}
#endif
