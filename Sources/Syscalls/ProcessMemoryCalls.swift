import CShim
import GuestMemory
import LinuxABI
import Process

/// Memory of other processes: members of the session only, and there the arena only. A member's guest addresses are its
/// host addresses too.
enum ProcessMemoryCalls {
    static func process_vm_readv(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        transfer(thread, Int(SYS_process_vm_readv), args)
    }

    static func process_vm_writev(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        transfer(thread, Int(SYS_process_vm_writev), args)
    }

    private static func transfer(_ thread: GuestThread, _ number: Int, _ args: SyscallArguments) -> Int {
        let target = Membership.checked(thread, args.a0)
        if thread.process.hasThread(Int32(truncatingIfNeeded: target)) { thread.process.memory.keepCallSites() }
        let local = Forwarding.iovec(args.a1, count: args.a2, scratch: thread.scratch.data)
        let space = UnsafeMutableRawBufferPointer(
            start: thread.scratch.at(Scratch.control), count: Scratch.controlCapacity)
        let remote = Forwarding.iovec(args.a3, count: args.a4, scratch: space)
        return thread.hostCall(number, target, local, args.a2, remote, args.a4, args.a5)
    }
}
