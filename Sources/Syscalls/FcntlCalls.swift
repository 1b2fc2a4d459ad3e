import CShim
import GuestMemory
import Host
import LinuxABI
import Process

/// fcntl(2), by command: what the third argument is depends on it.
enum FcntlCalls {
    private static let flockSize: UInt64 = 32
    private static let ownerSize: UInt64 = 8

    static func fcntl(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        guard let command = FcntlCommand(rawValue: UInt32(truncatingIfNeeded: args.a1)) else {
            // No kernel knows this one either: EBADF or EINVAL.
            return call(thread, args, UInt64(UInt32.max))
        }
        switch command {
        case .F_DUPFD, .F_DUPFD_CLOEXEC:
            // The kernel refuses a lower bound beyond its own limit, which is higher than the guest's.
            let bound = UInt64(UInt32(truncatingIfNeeded: args.a2))
            let passed = bound >= InternalDescriptors.openLimit ? UInt64(UInt32.max) : bound
            let result = Forwarding.newDescriptor(call(thread, args, passed))
            if result >= 0 { SyntheticCalls.noteDuplicate(thread, result, of: args.a0) }
            return result

        case .F_GETLK, .F_SETLK, .F_SETLKW, .F_OFD_GETLK, .F_OFD_SETLK, .F_OFD_SETLKW:
            return call(thread, args, Forwarding.checked(args.a2, flockSize))

        case .F_SETOWN:
            let reachable = Membership.reachesOwner(thread, Int32(truncatingIfNeeded: args.a2))
            return call(thread, args, reachable ? args.a2 : Forwarding.impossiblePID)

        case .F_SETOWN_EX: return setOwner(thread, args)

        case .F_GETOWN_EX, .F_GETOWNER_UIDS:
            return call(thread, args, Forwarding.checked(args.a2, ownerSize))

        case .F_GET_RW_HINT, .F_SET_RW_HINT, .F_GET_FILE_RW_HINT, .F_SET_FILE_RW_HINT:
            return call(thread, args, Forwarding.checked(args.a2, WireStructure.long.size))

        case .F_DUPFD_QUERY:
            return call(thread, args, Forwarding.descriptor(args.a2))

        case .F_GETFD, .F_SETFD, .F_GETFL, .F_SETFL, .F_GETOWN, .F_SETSIG, .F_GETSIG, .F_SETLEASE, .F_GETLEASE, .F_NOTIFY,
            .F_CREATED_QUERY, .F_CANCELLK, .F_SETPIPE_SZ, .F_GETPIPE_SZ, .F_ADD_SEALS, .F_GET_SEALS:
            return call(thread, args, args.a2)
        }
    }

    /// F_SETOWN_EX: the process or group is read once, and must be reachable.
    private static func setOwner(_ thread: GuestThread, _ args: SyscallArguments) -> Int {
        let copy = thread.scratch.at(Scratch.structures)
        guard GuestAccess.tryCopyIn(copy, from: args.a2, count: Int(ownerSize)) else {
            return call(thread, args, Forwarding.refused(args.a2))
        }
        let groupType: Int32 = 2
        let isGroup = copy.load(as: Int32.self) == groupType
        let pid = copy.load(fromByteOffset: 4, as: Int32.self)
        if pid > 0 && !(isGroup ? Membership.reaches(thread, group: pid) : Membership.reaches(thread, pid)) {
            copy.storeBytes(of: Int32(truncatingIfNeeded: Forwarding.impossiblePID), toByteOffset: 4, as: Int32.self)
        }
        return call(thread, args, copy.hostArgument)
    }

    @inline(__always)
    private static func call(_ thread: GuestThread, _ args: SyscallArguments, _ argument: UInt64) -> Int {
        thread.hostCall(Int(SYS_fcntl), args.a0, args.a1, argument)
    }
}
