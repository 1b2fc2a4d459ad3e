import CShim
import GuestMemory
import LinuxABI
import Process

/// futex(2) and its newer relatives. The words are the guest's own memory, at the same addresses on the host, so the
/// kernel's queues are the guest's.
enum FutexCalls {
    static func futex(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        var timeout = args.a3
        var second = args.a4
        if let operation = FutexOperation(argument: args.a1) {
            if operation.inheritsPriority { thread.process.noteUnlikeThreads() }
            if operation.hasTimeout { timeout = Forwarding.checked(timeout, WireStructure.timespec.size) }
            if operation.hasSecondFutex { second = Forwarding.checked(second, WireStructure.int.size) }
        }
        return thread.hostCall(
            Int(SYS_futex), Forwarding.checked(args.a0, WireStructure.int.size), args.a1, args.a2, timeout, second, args.a5)
    }

    /// futex_waitv(2): at most FUTEX_WAITV_MAX words.
    static func futex_waitv(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let waiters = copyWaiters(thread, args.a0, count: UInt32(truncatingIfNeeded: args.a1))
        return thread.hostCall(
            Int(SYS_futex_waitv), waiters, args.a1, args.a2, Forwarding.checked(args.a3, WireStructure.timespec.size), args.a4)
    }

    /// futex_requeue(2): two words, the one to leave and the one to wait at.
    static func futex_requeue(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        thread.hostCall(SyscallNumber.futex_requeue, copyWaiters(thread, args.a0, count: 2), args.a1, args.a2, args.a3)
    }

    private static let FUTEX_WAITV_MAX: UInt32 = 128

    /// The array of futex_waitv structures, copied once with each word's address checked. Where there are too many, the
    /// kernel says so before it looks at them, and so it does of none.
    private static func copyWaiters(_ thread: GuestThread, _ address: UInt64, count: UInt32) -> UInt64 {
        let size = Int(WireStructure.futex_waitv.size)
        let copy = thread.scratch.at(Scratch.vector)
        if address == 0 { return 0 }
        guard count <= FUTEX_WAITV_MAX, GuestAccess.tryCopyIn(copy, from: address, count: Int(count) &* size) else {
            return Forwarding.refused(address)
        }
        for index in 0..<Int(count) {
            let offset = index &* size &+ 8
            let word = copy.load(fromByteOffset: offset, as: UInt64.self)
            copy.storeBytes(of: Forwarding.checked(word, WireStructure.int.size), toByteOffset: offset, as: UInt64.self)
        }
        return copy.hostArgument
    }
}
