import CShim
import GuestImage
import GuestMemory
import Host
import LinuxABI
import Process
import SyntheticFS
import Sysroot

/// Making, becoming, ending and awaiting processes and threads.
enum ProcessCalls {
    // MARK: clone

    static func fork(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        var request = CloneRequest(flags: 0)
        request.exitSignal = UInt64(SIGCHLD)
        return try thread.clone(request)
    }

    static func vfork(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        var request = CloneRequest(flags: UInt64(CLONE_VM | CLONE_VFORK))
        request.exitSignal = UInt64(SIGCHLD)
        return try thread.clone(request)
    }

    /// clone(2). The order of its last two arguments is the architecture's.
    static func clone(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let exitSignalMask: UInt64 = 0xff
        var request = CloneRequest(flags: args.a0 & 0xffff_ffff & ~exitSignalMask)
        request.exitSignal = args.a0 & exitSignalMask
        request.stackPointer = args.a1
        request.parentTid = args.a2
        request.pidfd = args.a2
        (request.childTid, request.tls) = args.childTidAndTLS
        return try thread.clone(request)
    }

    /// The kernel's struct clone_args, all versions.
    private struct CloneArguments {
        var flags, pidfd, childTid, parentTid, exitSignal, stack, stackSize, tls: UInt64
        var setTid, setTidSize, cgroup: UInt64
    }

    static func clone3(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let firstVersion: UInt64 = 64
        let known = UInt64(MemoryLayout<CloneArguments>.size)
        guard args.a1 >= firstVersion else { throw .EINVAL }
        guard args.a1 <= Arena.pageSize else { throw .E2BIG }
        var given = CloneArguments(
            flags: 0, pidfd: 0, childTid: 0, parentTid: 0, exitSignal: 0, stack: 0, stackSize: 0, tls: 0, setTid: 0,
            setTidSize: 0, cgroup: 0)
        try withUnsafeMutableBytes(of: &given) { (bytes) throws(GuestErrno) in
            guard let base = bytes.baseAddress else { return }
            try GuestAccess.copyIn(base, from: GuestAddress(args.a0), count: Int(min(args.a1, known)))
        }
        var offset = known
        while offset < args.a1 {
            guard try GuestAccess.read(UInt8.self, at: GuestAddress(args.a0) + Int(offset)) == 0 else { throw .E2BIG }
            offset += 1
        }
        let known3: UInt64 = 0x2_ffff_ff00 | 0xff
        guard given.flags & ~(known3 | 0x1_0000_0000) == 0, given.exitSignal <= 64,
            given.flags & UInt64(CLONE_DETACHED | 0xff) & ~UInt64(CLONE_NEWTIME) == 0,
            given.flags & UInt64(CLONE_THREAD | CLONE_PARENT) == 0 || given.exitSignal == 0,
            (given.stack == 0) == (given.stackSize == 0)
        else { throw .EINVAL }
        guard given.setTidSize <= 32, (given.setTid == 0) == (given.setTidSize == 0) else { throw .EINVAL }
        let intoCgroup = given.flags & 0x2_0000_0000 != 0
        if intoCgroup && (given.cgroup > UInt64(Int32.max) || args.a1 < known) { throw .EINVAL }
        if given.setTidSize > 0 { throw try refusalToChoose(given.setTid, count: given.setTidSize) }
        if intoCgroup { throw isCgroup(Int32(truncatingIfNeeded: given.cgroup)) ? .EACCES : .EBADF }
        if given.stack != 0 && !Arena.contains(GuestAddress(given.stack), length: given.stackSize) { throw .EINVAL }

        var request = CloneRequest(flags: given.flags)
        request.exitSignal = given.exitSignal
        request.stackPointer = given.stack == 0 ? 0 : given.stack &+ given.stackSize
        request.stackBase = given.stack
        request.stackSize = given.stackSize
        request.parentTid = given.parentTid
        request.childTid = given.childTid
        request.pidfd = given.pidfd
        request.tls = given.tls
        return try thread.clone(request)
    }

    /// Choosing pids is for the owner of a pid namespace. What no process can be called is found before that.
    private static func refusalToChoose(_ identifiers: UInt64, count: UInt64) throws(GuestErrno) -> GuestErrno {
        var first: Int32 = 0
        for index in 0..<Int(count) {
            let identifier = try GuestAccess.read(Int32.self, at: GuestAddress(identifiers) + index * 4)
            if index == 0 { first = identifier }
        }
        return first < 1 || first >= maximalPid ? .EINVAL : .EPERM
    }

    /// /proc/sys/kernel/pid_max: pids are below it.
    private static var maximalPid: Int32 {
        let limit = Host.withFileStart("/proc/sys/kernel/pid_max", capacity: 32) { text -> Int32? in
            var value: Int32 = 0
            for byte in text {
                guard byte >= 0x30, byte <= 0x39, value < 1 << 24 else { break }
                value = value * 10 + Int32(byte - 0x30)
            }
            return value
        }
        return limit ?? .max
    }

    /// Whether a descriptor is a control group's directory. Putting a child there is for its owner.
    private static func isCgroup(_ descriptor: Int32) -> Bool {
        var status = statfs()
        let result = withUnsafeMutablePointer(to: &status) {
            Host.raw(Int32(SYS_fstatfs), Int(descriptor), $0.argument)
        }
        let CGROUP2_SUPER_MAGIC = 0x6367_7270
        return result == 0 && Int(status.f_type) == CGROUP2_SUPER_MAGIC
    }

    // MARK: exec

    static func execve(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let path = try GuestAccess.readBytes(at: GuestAddress(args.a0), limit: 4096)
        if path.isEmpty { throw .ENOENT }
        let (argv, envp) = try readVectors(thread, path, args.a1, args.a2)
        return try thread.execute(.path(path), argv: argv, envp: envp)
    }

    static func execveat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let directory = Int32(truncatingIfNeeded: args.a0)
        let flags = Int32(truncatingIfNeeded: args.a4)
        guard flags & ~(Int32(VMRUN_AT_EMPTY_PATH) | AT_SYMLINK_NOFOLLOW) == 0 else { throw .EINVAL }
        let path = try GuestAccess.readBytes(at: GuestAddress(args.a1), limit: 4096)
        let (argv, envp) = try readVectors(thread, directory == AT_FDCWD ? path : [], args.a2, args.a3)
        if path.isEmpty && flags & Int32(VMRUN_AT_EMPTY_PATH) == 0 { throw .ENOENT }
        let follows = flags & AT_SYMLINK_NOFOLLOW == 0
        if path.first == UInt8(ascii: "/") || (directory == AT_FDCWD && !path.isEmpty) {
            if follows { return try thread.execute(.path(path), argv: argv, envp: envp) }
        }
        let source = try thread.executableSource(directory: directory, path: path, followLast: follows)
        return try thread.execute(source, argv: argv, envp: envp)
    }

    private static func readVectors(
        _ thread: GuestThread, _ path: [UInt8], _ argv: UInt64, _ envp: UInt64
    ) throws(GuestErrno) -> ([[UInt8]], [[UInt8]]) {
        var budget = Int(clamping: ArgumentLimits.current().total)
        do throws(GuestErrno) {
            let arguments = try ArgumentLimits.readStrings(at: GuestAddress(argv), budget: &budget)
            let environment = try ArgumentLimits.readStrings(at: GuestAddress(envp), budget: &budget)
            return (arguments, environment)
        } catch {
            // Linux opens the file first, and says what is wrong with that.
            if !path.isEmpty { Host.close(try ProgramFiles(thread.files).openExecutable(path: path)) }
            throw error
        }
    }

    // MARK: exit

    static func exit(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        thread.end(Int32(truncatingIfNeeded: args.a0))
        return 0
    }

    static func exit_group(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        thread.process.exitGroup(Int32(truncatingIfNeeded: args.a0))
    }

    // MARK: wait

    static func wait4(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        var status: Int32 = 0
        var usage = rusage()
        let result = withUnsafeMutablePointer(to: &status) { statusPointer in
            withUnsafeMutablePointer(to: &usage) { usagePointer in
                func wait(_ options: UInt64) -> Int {
                    thread.hostCall(
                        Int(SYS_wait4), args.a0, UInt64(UInt(bitPattern: statusPointer)), options,
                        args.a3 == 0 ? 0 : UInt64(UInt(bitPattern: usagePointer)))
                }
                if args.a2 & WNOHANG_FLAG != 0 { return wait(args.a2) }
                return thread.process.settleEstate {
                    let result = wait(args.a2 | WNOHANG_FLAG)
                    return result == 0 ? nil : result
                } ?? wait(args.a2)
            }
        }
        guard result > 0 else { return result }
        let isStop = status & 0xff == 0x7f
        if !isStop && status != 0xffff { thread.process.session.remove(Int32(truncatingIfNeeded: result)) }
        if args.a1 != 0 { try GuestAccess.write(status, at: GuestAddress(args.a1)) }
        if args.a3 != 0 { try GuestAccess.writeStructure(usage, at: GuestAddress(args.a3)) }
        return result
    }

    static func waitid(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let idType = Int32(truncatingIfNeeded: args.a0)
        let pidfdType: Int32 = 3
        if idType == pidfdType && InternalDescriptors.contains(Int32(truncatingIfNeeded: args.a1)) { throw .EBADF }
        var info = siginfo_t()
        var usage = rusage()
        let result = withUnsafeMutablePointer(to: &info) { infoPointer in
            withUnsafeMutablePointer(to: &usage) { usagePointer in
                func wait(_ options: UInt64) -> Int {
                    thread.hostCall(
                        Int(SYS_waitid), args.a0, args.a1, UInt64(UInt(bitPattern: infoPointer)), options,
                        args.a4 == 0 ? 0 : UInt64(UInt(bitPattern: usagePointer)))
                }
                if args.a3 & WNOHANG_FLAG != 0 { return wait(args.a3) }
                return thread.process.settleEstate {
                    let result = wait(args.a3 | WNOHANG_FLAG)
                    return result == 0 && child(infoPointer.pointee) == 0 ? nil : result
                } ?? wait(args.a3)
            }
        }
        guard result == 0 else { return result }
        let pid = child(info)
        let ended = info.si_code == CLD_EXITED_CODE || info.si_code == CLD_KILLED_CODE || info.si_code == CLD_DUMPED_CODE
        let keeps = Int32(truncatingIfNeeded: args.a3) & WNOWAIT_FLAG != 0
        if pid > 0 && ended && !keeps { thread.process.session.remove(pid) }
        if args.a2 != 0 {
            // The kernel writes these fields only, and zeroes where nothing was found.
            try withUnsafeBytes(of: info) { (bytes) throws(GuestErrno) in
                guard let base = bytes.baseAddress else { return }
                try GuestAccess.copyOut(base, to: GuestAddress(args.a2), count: 28)
            }
        }
        if args.a4 != 0 && pid > 0 { try GuestAccess.writeStructure(usage, at: GuestAddress(args.a4)) }
        return 0
    }

    /// si_pid, at byte 16 of a SIGCHLD siginfo.
    private static func child(_ info: siginfo_t) -> Int32 {
        withUnsafeBytes(of: info) { $0.load(fromByteOffset: 16, as: Int32.self) }
    }

    private static let WNOHANG_FLAG: UInt64 = 1
    private static let CLD_EXITED_CODE: Int32 = 1
    private static let CLD_KILLED_CODE: Int32 = 2
    private static let CLD_DUMPED_CODE: Int32 = 3
    private static let WNOWAIT_FLAG: Int32 = 0x0100_0000

    // MARK: Groups and thread registers

    /// setpgid(2): oneself and one's children, into a group that a member is in (EPERM); the host decides the rest.
    static func setpgid(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let pid = Int32(truncatingIfNeeded: args.a0)
        let group = Int32(truncatingIfNeeded: args.a1)
        if pid > 0 && pid != thread.process.pid && !thread.process.session.isMember(pid) { throw .ESRCH }
        if pid > 0 && group >= 0 && pid != thread.process.pid, thread.process.session.record(of: pid)?.hasExecuted == true {
            return groupOfExecuted(thread, args, pid)
        }
        let isOwnGroup = group == (pid == 0 ? thread.process.pid : pid)
        if pid >= 0 && group > 0 && !isOwnGroup && !Membership.hasMember(thread, group: group) {
            // The host says what is wrong with the pid, which comes first.
            let result = thread.hostCall(Int(SYS_setpgid), args.a0, UInt64(UInt32(Int32.max)))
            return result
        }
        return thread.hostCall(Int(SYS_setpgid), args.a0, args.a1)
    }

    /// setpgid(2) of another process that has executed a program, which the host does not know: EACCES where it is a child in the
    /// caller's own session. ESRCH and EPERM come before that.
    private static func groupOfExecuted(_ thread: GuestThread, _ args: SyscallArguments, _ pid: Int32) -> Int {
        // A group that cannot be: the host says what is wrong with the process.
        let result = thread.hostCall(Int(SYS_setpgid), args.a0, UInt64(UInt32(Int32.max)))
        guard result == GuestErrno.EPERM.result else { return result }
        let isOwnSession = Host.raw(Int32(SYS_getsid), Int(pid)) == Host.raw(Int32(SYS_getsid), 0)
        return isOwnSession ? GuestErrno.EACCES.result : result
    }

    static func set_tid_address(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        thread.setClearChildTid(args.a0)
        return Int(thread.tid)
    }

    static func set_robust_list(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try thread.setRobustList(args.a0, length: args.a1)
        return 0
    }

    static func get_robust_list(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        var head = thread.robustList
        var length: UInt64 = 24
        let target = Int32(truncatingIfNeeded: args.a0)
        if target == 0 || target == thread.tid {
            try GuestAccess.write(length, at: GuestAddress(args.a2))
            try GuestAccess.write(head, at: GuestAddress(args.a1))
            return 0
        }
        let result = withUnsafeMutablePointer(to: &head) { headPointer in
            withUnsafeMutablePointer(to: &length) { lengthPointer in
                thread.hostCall(
                    Int(SYS_get_robust_list), Membership.checked(thread, args.a0), UInt64(UInt(bitPattern: headPointer)),
                    UInt64(UInt(bitPattern: lengthPointer)))
            }
        }
        if result < 0 { return result }
        try GuestAccess.write(length, at: GuestAddress(args.a2))
        try GuestAccess.write(head, at: GuestAddress(args.a1))
        return 0
    }
}
