import CShim
import GuestMemory
import Host
import LinuxABI
import Process
import Sysroot

/// Opening files.
extension PathCalls {
    /// open(2).
    static func open(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try open(thread, AT_FDCWD, args.a0, OpenRequest(lenientFlags: UInt64(flags(args.a1)), mode: args.a2))
    }

    /// openat(2).
    static func openat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try open(
            thread, descriptor(args.a0), args.a1, OpenRequest(lenientFlags: UInt64(flags(args.a2)), mode: args.a3))
    }

    /// creat(2).
    static func creat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let flags = UInt64(O_CREAT | O_WRONLY | O_TRUNC)
        return try open(thread, AT_FDCWD, args.a0, OpenRequest(lenientFlags: flags, mode: args.a1))
    }

    /// openat2(2): a longer open_how must be zero beyond what is known here (E2BIG).
    static func openat2(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        var how = open_how()
        try withUnsafeMutableBytes(of: &how) { (bytes) throws(GuestErrno) in
            try copyStructure(bytes, at: args.a2, size: args.a3, least: bytes.count)
        }
        let request = OpenRequest(exactFlags: how.flags, mode: how.mode, resolve: how.resolve)
        return try open(thread, descriptor(args.a0), args.a1, request)
    }

    /// copy_struct_from_user(): the kernel's rule for structures that grow.
    static func copyStructure(
        _ bytes: UnsafeMutableRawBufferPointer, at address: UInt64, size: UInt64, least: Int
    ) throws(GuestErrno) {
        guard let base = bytes.baseAddress, size >= UInt64(least) else { throw .EINVAL }
        guard size <= Arena.pageSize else { throw .E2BIG }
        try GuestAccess.copyIn(base, from: GuestAddress(address), count: min(Int(size), bytes.count))
        var offset = bytes.count
        while offset < Int(size) {
            guard try GuestAccess.read(UInt8.self, at: GuestAddress(address) + offset) == 0 else { throw .E2BIG }
            offset += 1
        }
    }

    @inline(__always)
    private static func open(
        _ thread: GuestThread, _ directory: Int32, _ address: UInt64, _ request: OpenRequest
    ) throws(GuestErrno) -> Int {
        let path = try path(thread, address)
        if request.modifies { return try openToModify(thread, directory, path, request) }
        return try open(thread, directory, path, request)
    }

    /// An open after which the file may be written. ETXTBSY where it is a program that a member runs: the host knows only that
    /// vmrun runs.
    private static func openToModify(
        _ thread: GuestThread, _ directory: Int32, _ path: PathBytes, _ request: OpenRequest
    ) throws(GuestErrno) -> Int {
        // Whoever executes the file must not find it open for writing, however shortly.
        let mustBeNew = request.flags & Int(O_CREAT) != 0 && request.flags & Int(O_EXCL) != 0
        if !mustBeNew, isRunning(thread, directory, path, followLast: request.followsLast) {
            return try refuseToModify(thread, directory, path, request)
        }
        let result = try open(thread, directory, path, request)
        // It may have come there meanwhile.
        guard result >= 0, isRunning(thread, descriptor: Int32(truncatingIfNeeded: result)) else { return result }
        _ = Host.raw(Int32(SYS_close), result)
        throw .ETXTBSY
    }

    /// The error of such an open: what the kernel has to say of path and permission comes first.
    private static func refuseToModify(
        _ thread: GuestThread, _ directory: Int32, _ path: PathBytes, _ request: OpenRequest
    ) throws(GuestErrno) -> Int {
        let kept = VMRUN_O_DIRECTORY | VMRUN_O_NOFOLLOW | Int(O_CLOEXEC)
        let found = try open(
            thread, directory, path,
            OpenRequest(flags: request.flags & kept | VMRUN_O_PATH, mode: 0, resolve: request.resolve))
        if found < 0 { return found }
        defer { _ = Host.raw(Int32(SYS_close), found) }
        let reads = request.flags & Int(O_ACCMODE) == Int(O_RDONLY) || request.flags & Int(O_ACCMODE) == Int(O_RDWR)
        let allowed = "".withCString {
            Host.raw(
                Int32(SYS_faccessat2), found, $0.argument, Int(W_OK | (reads ? R_OK : 0)),
                Int(VMRUN_AT_EMPTY_PATH | VMRUN_AT_EACCESS))
        }
        return allowed < 0 ? allowed : GuestErrno.ETXTBSY.result
    }

    @inline(__always)
    private static func open(
        _ thread: GuestThread, _ directory: Int32, _ path: PathBytes, _ request: OpenRequest
    ) throws(GuestErrno) -> Int {
        try withUnsafePointer(to: &thread.host.pointee.attention) { (attention) throws(GuestErrno) in
            try thread.files.open(path, from: directory, request, attention: attention)
        }
    }

    /// truncate(2).
    static func truncate(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let length = Int(truncatingIfNeeded: args.a1)
        if length < 0 { throw .EINVAL }
        let target = try target(thread, AT_FDCWD, try path(thread, args.a0), followLast: true)
        if case .synthetic = target { return try truncateSynthetic(thread, target) }
        if case .descriptor(let descriptor, _) = target, isRunning(thread, descriptor: descriptor) {
            // What the kernel has to say first.
            return try changeByPath(thread, target) {
                let result = Host.raw(Int32(SYS_faccessat2), Int(AT_FDCWD), $0, Int(W_OK), Int(VMRUN_AT_EACCESS))
                return result < 0 ? result : GuestErrno.ETXTBSY.result
            }
        }
        return try changeByPath(thread, target) { Host.raw(Int32(SYS_truncate), $0, length) }
    }

    /// procfs takes the call where the file may be written, and does nothing. Devices have no length.
    private static func truncateSynthetic(_ thread: GuestThread, _ target: Target) throws(GuestErrno) -> Int {
        var status = CShim.stat()
        try fill(&status, thread, target)
        let type = status.st_mode & mode_t(S_IFMT)
        if type == mode_t(S_IFDIR) { throw .EISDIR }
        if type != mode_t(S_IFREG) { throw .EINVAL }
        return isAllowed(status, Int(W_OK), isEffective: true) ? 0 : -Int(EACCES)
    }
}
