import CShim
import FakeRoot
import GuestMemory
import Host
import LinuxABI
import Process
import SyntheticFS
import Sysroot

/// What the guest is told of files.
extension FakeRootCall {
    // MARK: stat

    /// stat(2), lstat(2), fstat(2), newfstatat(2).
    func status() throws(GuestErrno) -> Int {
        let output = GuestAddress(row.handler == .newfstatat ? arguments.a2 : arguments.a1)
        if ownership.isEmpty {
            let result = plain()
            if result != 0 { return result }
            var status = try GuestAccess.read(stat.self, at: output)
            Self.showOwn(&status)
            try GuestAccess.write(status, at: output)
            return 0
        }
        let target = try statusTarget()
        var file: FileStatus? = nil
        if case .descriptor(let descriptor, _) = target {
            do throws(GuestErrno) { file = try FileStatus(descriptor: descriptor, in: ownership) } catch {
                target.release()
                throw error
            }
        }
        var status = CShim.stat()
        try PathCalls.fill(&status, thread, target)
        if let file { file.apply(to: &status) } else { Self.showOwn(&status) }
        try GuestAccess.write(status, at: output)
        return 0
    }

    private func statusTarget() throws(GuestErrno) -> PathCalls.Target {
        switch row.handler {
        case .fstat:
            let descriptor = PathCalls.descriptor(arguments.a0)
            if descriptor < 0 { throw .EBADF }
            return try PathCalls.descriptorTarget(thread, descriptor)
        case .newfstatat:
            let flags = PathCalls.flags(arguments.a3)
            let path = try PathCalls.pathOrNull(thread, arguments.a1, flags)
            try PathCalls.check(
                flags, allowed: VMRUN_AT_SYMLINK_NOFOLLOW | VMRUN_AT_NO_AUTOMOUNT | VMRUN_AT_EMPTY_PATH)
            return try PathCalls.target(thread, directory, path, flags)
        default:
            return try PathCalls.target(
                thread, AT_FDCWD, try PathCalls.path(thread, arguments.a0), followLast: row.handler == .stat)
        }
    }

    /// Whom a file of which nothing is remembered belongs to.
    private static func showOwn(_ status: inout stat) {
        status.st_uid = FileStatus.shownUser(status.st_uid)
        status.st_gid = FileStatus.shownGroup(status.st_gid)
    }

    /// statx(2). The kernel may tell more than it was asked for, and what a file is known by is always asked for.
    func statx() throws(GuestErrno) -> Int {
        var wanted = arguments
        wanted.a3 |= UInt64(STATX_BASIC_STATS) | UInt64(STATX_BTIME)
        let result = plain(wanted)
        if result != 0 { return result }
        let output = GuestAddress(arguments.a4)
        var status = try GuestAccess.read(CShim.statx.self, at: output)
        try namedFile(status).apply(to: &status)
        try GuestAccess.write(status, at: output)
        return 0
    }

    /// The file that an answer of statx(2) is about. Those in /dev/shm are shown under another identity than they have.
    private func namedFile(_ status: statx) throws(GuestErrno) -> FileStatus {
        if status.stx_dev_major == 0 && status.stx_dev_minor == SyntheticIdentity.deviceMinor && !ownership.isEmpty {
            let flags = PathCalls.flags(arguments.a2)
            let target = try PathCalls.target(thread, directory, try PathCalls.pathOrNull(thread, arguments.a1, flags), flags)
            defer { target.release() }
            if case .descriptor(let descriptor, _) = target { return try FileStatus(descriptor: descriptor, in: ownership) }
        }
        return FileStatus(status, in: ownership)
    }

    // MARK: access

    /// access(2), faccessat(2), faccessat2(2).
    func access(_ directory: Int32, _ address: UInt64, _ mode: UInt64, _ flags: Int) throws(GuestErrno) -> Int {
        let mode = PathCalls.flags(mode)
        try PathCalls.check(mode, allowed: Int(R_OK | W_OK | X_OK))
        try PathCalls.check(flags, allowed: VMRUN_AT_EACCESS | VMRUN_AT_SYMLINK_NOFOLLOW | VMRUN_AT_EMPTY_PATH)
        let target = try PathCalls.target(thread, directory, try PathCalls.path(thread, address), flags)
        guard case .descriptor(let descriptor, _) = target else {
            target.release()
            return plain()
        }
        defer { target.release() }
        let file = try FileStatus(descriptor: descriptor, in: ownership)
        guard file.allows(mode, credentials, isEffective: flags & VMRUN_AT_EACCESS != 0) else { throw .EACCES }
        if mode & Int(W_OK) != 0 && PathCalls.isStoredReadOnly(thread, descriptor) { throw .EROFS }
        return 0
    }
}
