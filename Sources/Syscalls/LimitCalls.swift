import CShim
import GuestMemory
import Host
import LinuxABI
import Process
import SyntheticFS

/// Resource limits and priorities. The limits are the host process's own, but for RLIMIT_NOFILE: the host's is higher than
/// the guest's, with vmrun's descriptors in between.
enum LimitCalls {
    private static let RLIMIT_NOFILE: UInt32 = 7

    static func getrlimit(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        // NULL is EFAULT here, after the check of the resource.
        try limit(thread, pid: 0, resource: args.a0, new: 0, old: args.a1 == 0 ? Forwarding.refused(0) : args.a1)
    }

    static func setrlimit(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        if args.a1 == 0 { throw .EFAULT }
        return try limit(thread, pid: 0, resource: args.a0, new: args.a1, old: 0)
    }

    static func prlimit64(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try limit(thread, pid: args.a0, resource: args.a1, new: args.a2, old: args.a3)
    }

    /// prlimit(2), which the older two are cases of.
    private static func limit(
        _ thread: GuestThread, pid: UInt64, resource: UInt64, new: UInt64, old: UInt64
    ) throws(GuestErrno) -> Int {
        let target = Int32(truncatingIfNeeded: pid)
        let reachable = target <= 0 || Membership.reaches(thread, target)
        let number = UInt32(truncatingIfNeeded: resource)
        guard number == RLIMIT_NOFILE, reachable else {
            return thread.hostCall(
                Int(SYS_prlimit64), reachable ? pid : Forwarding.impossiblePID, resource,
                Forwarding.checked(new, WireStructure.rlimit.size), Forwarding.checked(old, WireStructure.rlimit.size))
        }
        let isOwn = target == 0 || Int(target) == Host.raw(Int32(SYS_getpid))
        return isOwn ? try ownDescriptorLimit(thread, new: new, old: old) : try otherDescriptorLimit(thread, pid, new: new, old: old)
    }

    /// RLIMIT_NOFILE of this process. The host's own stays: it covers vmrun's descriptors.
    private static func ownDescriptorLimit(
        _ thread: GuestThread, new: UInt64, old: UInt64
    ) throws(GuestErrno) -> Int {
        let wanted = new == 0 ? nil : try GuestAccess.read(DescriptorLimit.self, at: GuestAddress(new))
        let present = DescriptorLimit(soft: InternalDescriptors.guestLimit, hard: DescriptorLimit.hard)
        if let wanted {
            if wanted.soft > wanted.hard { throw .EINVAL }
            // Beyond the hard limit lie vmrun's descriptors, so no privilege helps.
            if wanted.hard > present.hard { throw .EPERM }
            InternalDescriptors.limits = vmrun_descriptor_limits(soft: wanted.soft, hard: wanted.hard)
            thread.process.updateRecord { record in
                record.openFilesLimit = wanted.soft
                record.openFilesHardLimit = wanted.hard
            }
        }
        if old != 0 { try GuestAccess.write(present, at: GuestAddress(old)) }
        return 0
    }

    /// RLIMIT_NOFILE of another member, as it published it. Only itself can change it.
    private static func otherDescriptorLimit(
        _ thread: GuestThread, _ pid: UInt64, new: UInt64, old: UInt64
    ) throws(GuestErrno) -> Int {
        if new != 0 { throw .EPERM }
        // Whether the caller may see it is for the host to say.
        let allowed = thread.hostCall(Int(SYS_prlimit64), pid, UInt64(RLIMIT_NOFILE), 0, 0)
        guard allowed == 0, old != 0 else { return allowed }
        guard let record = thread.process.session.record(of: Int32(truncatingIfNeeded: pid)) else { throw .ESRCH }
        let value = DescriptorLimit(soft: record.openFilesLimit, hard: record.openFilesHardLimit)
        try GuestAccess.write(value, at: GuestAddress(old))
        return 0
    }

    /// struct rlimit64 for RLIMIT_NOFILE.
    private struct DescriptorLimit: BitwiseCopyable {
        var soft: UInt64
        var hard: UInt64

        static var hard: UInt64 {
            min(InternalDescriptors.guestHardLimit, UInt64(UInt32(bitPattern: InternalDescriptors.base)))
        }
    }

    /// getrusage(2). Of a thread, what it has used itself, not what its host thread used for others before.
    static func getrusage(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let RUSAGE_THREAD: UInt32 = 1
        guard UInt32(truncatingIfNeeded: args.a0) == RUSAGE_THREAD else {
            return thread.hostCall(Int(SYS_getrusage), args.a0, Forwarding.checked(args.a1, WireStructure.rusage.size))
        }
        var usage = rusage()
        let result = withUnsafeMutablePointer(to: &usage) { thread.hostCall(Int(SYS_getrusage), args.a0, UInt64(UInt(bitPattern: $0))) }
        guard result == 0 else { return result }
        thread.earlierUsage.subtract(from: &usage)
        try GuestAccess.writeStructure(usage, at: GuestAddress(args.a1))
        return 0
    }

    // MARK: priorities

    /// setpriority(2): processes of the session only.
    static func setpriority(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try set(thread, Int(SYS_setpriority), args, first: 0)
    }

    /// ioprio_set(2), likewise.
    static func ioprio_set(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try set(thread, Int(SYS_ioprio_set), args, first: 1)
    }

    /// Sets a priority of a process, or of those members that are in a group. `first` is the number that means a process; the
    /// next mean a group and a user, whose other processes are not the guest's to change.
    private static func set(
        _ thread: GuestThread, _ number: Int, _ args: SyscallArguments, first: UInt32
    ) throws(GuestErrno) -> Int {
        let kind = UInt32(truncatingIfNeeded: args.a0)
        if kind == first &+ 2 { throw .EPERM }
        thread.process.noteUnlikeThreads()
        guard kind == first &+ 1 else {
            return thread.hostCall(number, args.a0, Membership.checked(thread, args.a1), args.a2)
        }
        let wanted = Int32(truncatingIfNeeded: args.a1)
        let group = wanted == 0 ? Int32(truncatingIfNeeded: Host.raw(Int32(SYS_getpgid), 0)) : wanted
        // As Linux: all that can be set are set, and the last failure is the answer.
        var answer = -Int(ESRCH)
        for pid in thread.process.session.members() where Membership.isIn(pid, group) {
            let result = thread.hostCall(number, UInt64(first), UInt64(UInt32(bitPattern: pid)), args.a2)
            if result < 0 || answer == -Int(ESRCH) { answer = result }
        }
        return answer
    }
}
