import CShim
import GuestMemory
import Host
import LinuxABI
import Process

/// Calls that make or close descriptors and need more than a check of the result.
enum DescriptorCalls {
    /// pipe(2)
    static func pipe(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let result = thread.hostCall(Int(SYS_pipe2), thread.scratch.at(Scratch.structures).hostArgument, 0)
        return try deliverPair(thread, result, to: args.a0)
    }

    /// pipe2(2)
    static func pipe2(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let result = thread.hostCall(Int(SYS_pipe2), thread.scratch.at(Scratch.structures).hostArgument, args.a1)
        return try deliverPair(thread, result, to: args.a0)
    }

    /// Hands the two descriptors that a host call left in scratch to the guest, or closes both: EMFILE where its limit does
    /// not allow one of them, EFAULT where they cannot be delivered.
    static func deliverPair(_ thread: GuestThread, _ result: Int, to address: UInt64) throws(GuestErrno) -> Int {
        guard result == 0 else { return result }
        let pair = thread.scratch.at(Scratch.structures)
        let first = pair.load(as: Int32.self)
        let second = pair.load(fromByteOffset: 4, as: Int32.self)
        do throws(GuestErrno) {
            if UInt64(max(first, second)) >= InternalDescriptors.openLimit { throw .EMFILE }
            try GuestAccess.copyOut(pair, to: GuestAddress(address), count: 8)
            return 0
        } catch {
            _ = Host.raw(Int32(SYS_close), Int(first))
            _ = Host.raw(Int32(SYS_close), Int(second))
            throw error
        }
    }

    /// pidfd_getfd(2), of members. A number of vmrun's is no descriptor there either: the window begins at the same number in the
    /// whole session.
    static func pidfd_getfd(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        guard Membership.reaches(thread, pidfd: Int32(truncatingIfNeeded: args.a0)) else { throw .ESRCH }
        let result = thread.hostCall(Int(SYS_pidfd_getfd), args.a0, Forwarding.descriptor(args.a1), args.a2)
        let descriptor = Forwarding.newDescriptor(result)
        if descriptor >= 0 { SyntheticCalls.noteReceived(thread, Int32(truncatingIfNeeded: descriptor)) }
        return descriptor
    }

    private static let CLOSE_RANGE_UNSHARE: UInt64 = 2
    private static let CLOSE_RANGE_CLOEXEC: UInt64 = 4

    /// close_range(2): vmrun's descriptors are all above the guest's, so the range is cut where they begin.
    static func close_range(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let first = UInt32(truncatingIfNeeded: args.a0)
        let last = UInt32(truncatingIfNeeded: args.a1)
        let limit = UInt32(bitPattern: InternalDescriptors.base)
        if args.a2 == CLOSE_RANGE_UNSHARE || args.a2 == CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC, first <= last {
            // vmrun must know of it, as with unshare(2).
            try thread.unshare(UInt64(CLONE_FILES))
        }
        defer { thread.process.descriptorKinds.forget(from: first, through: last) }
        if first > last || last < limit { return thread.hostCall(Int(SYS_close_range), args.a0, args.a1, args.a2) }
        // Nothing of the guest's in it: a range that no table reaches leaves the check of the flags to the kernel.
        if first >= limit { return thread.hostCall(Int(SYS_close_range), UInt64(UInt32.max), UInt64(UInt32.max), args.a2) }
        return thread.hostCall(Int(SYS_close_range), UInt64(first), UInt64(limit &- 1), args.a2)
    }
}
