import CShim
import GuestMemory
import Host
import LinuxABI
import Process
import Sysroot

/// Asking about files: status, access rights, link texts, file systems.
extension PathCalls {
    // MARK: stat

    /// stat(2).
    static func stat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try status(thread, AT_FDCWD, try path(thread, args.a0), args.a1, 0)
    }

    /// lstat(2).
    static func lstat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try status(thread, AT_FDCWD, try path(thread, args.a0), args.a1, VMRUN_AT_SYMLINK_NOFOLLOW)
    }

    /// newfstatat(2), which libc calls fstatat.
    static func newfstatat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let flags = flags(args.a3)
        let path = try pathOrNull(thread, args.a1, flags)
        try check(flags, allowed: VMRUN_AT_SYMLINK_NOFOLLOW | VMRUN_AT_NO_AUTOMOUNT | VMRUN_AT_EMPTY_PATH)
        return try status(thread, descriptor(args.a0), path, args.a2, flags)
    }

    /// A path argument that may be NULL where it may be empty (Linux 6.11).
    static func pathOrNull(_ thread: GuestThread, _ address: UInt64, _ flags: Int) throws(GuestErrno) -> PathBytes {
        guard address == 0, flags & VMRUN_AT_EMPTY_PATH != 0, let start = thread.scratch.path.baseAddress else {
            return try path(thread, address)
        }
        start[0] = 0
        return PathBytes(start: start, count: 0)
    }

    @inline(__always)
    private static func status(
        _ thread: GuestThread, _ directory: Int32, _ path: PathBytes, _ address: UInt64, _ flags: Int
    ) throws(GuestErrno) -> Int {
        var status = CShim.stat()
        let files = thread.files
        if path.isEmpty && flags & VMRUN_AT_EMPTY_PATH != 0 && directory != AT_FDCWD {
            try fill(&status, thread, .descriptor(directory, isOwned: false))
            return try deliver(status, address)
        }
        if let direct = files.directDirectory(path, from: directory) {
            let result = hostStatus(direct, path.start.argument, &status, VMRUN_AT_SYMLINK_NOFOLLOW)
            if result == 0 {
                let isLink = status.st_mode & mode_t(S_IFMT) == mode_t(S_IFLNK)
                if isLink && flags & VMRUN_AT_SYMLINK_NOFOLLOW == 0 {
                    try fill(&status, thread, try target(thread, directory, path, followLast: true, isLink: true))
                    return try deliver(status, address)
                }
                if !mayPatch(files, status) { return try deliver(status, address) }
            } else if files.isFinal(result, in: direct) {
                return result
            }
        }
        try fill(&status, thread, try target(thread, directory, path, flags))
        return try deliver(status, address)
    }

    /// What stat(2) tells of an object; releases it.
    static func fill(_ status: inout stat, _ thread: GuestThread, _ target: Target) throws(GuestErrno) {
        defer { target.release() }
        let files = thread.files
        switch target {
        case .descriptor(let descriptor, _):
            let result = hostStatus(descriptor, empty, &status, VMRUN_AT_EMPTY_PATH)
            if result < 0 { throw GuestErrno(Int32(-result)) }
            if mayPatch(files, status) { _ = files.tree?.patch(&status, ofDescriptor: descriptor) }
        case .synthetic(let path, _):
            guard let tree = files.tree else { throw .ENOENT }
            try tree.stat(path, into: &status)
        }
    }

    @inline(__always)
    private static func hostStatus(_ directory: Int32, _ path: Int, _ status: inout stat, _ flags: Int) -> Int {
        withUnsafeMutablePointer(to: &status) {
            Host.raw(Int32(SYS_newfstatat), Int(directory), path, $0.argument, flags)
        }
    }

    // MARK: running programs

    /// Whether the open file is a program that a member runs.
    static func isRunning(_ thread: GuestThread, descriptor: Int32) -> Bool {
        var status = CShim.stat()
        return hostStatus(descriptor, empty, &status, VMRUN_AT_EMPTY_PATH) == 0 && isRunning(thread, status)
    }

    /// Whether a path leads to one.
    static func isRunning(_ thread: GuestThread, _ directory: Int32, _ path: PathBytes, followLast: Bool) -> Bool {
        let files = thread.files
        if let direct = files.directDirectory(path, from: directory) {
            var status = CShim.stat()
            let result = hostStatus(direct, path.start.argument, &status, VMRUN_AT_SYMLINK_NOFOLLOW)
            if result == 0 && status.st_mode & mode_t(S_IFMT) != mode_t(S_IFLNK) { return isRunning(thread, status) }
            if result < 0 && files.isFinal(result, in: direct) { return false }
        }
        guard let target = try? target(thread, directory, path, followLast: followLast),
            case .descriptor(let descriptor, _) = target
        else { return false }
        defer { target.release() }
        return isRunning(thread, descriptor: descriptor)
    }

    private static func isRunning(_ thread: GuestThread, _ status: stat) -> Bool {
        status.st_mode & mode_t(S_IFMT) == mode_t(S_IFREG)
            && thread.process.session.runs(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    @inline(__always)
    private static func mayPatch(_ files: FileSystemContext, _ status: stat) -> Bool {
        files.tree?.mayPatch(device: UInt64(status.st_dev)) ?? false
    }

    @inline(__always)
    private static func deliver(_ status: stat, _ address: UInt64) throws(GuestErrno) -> Int {
        try GuestAccess.write(status, at: GuestAddress(address))
        return 0
    }

    // MARK: statx

    /// statx(2).
    static func statx(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let flags = flags(args.a2)
        let mask = UInt32(truncatingIfNeeded: args.a3)
        let path = try pathOrNull(thread, args.a1, flags)
        let reserved: UInt32 = 0x8000_0000
        if mask & reserved != 0 || flags & VMRUN_AT_STATX_SYNC_TYPE == VMRUN_AT_STATX_SYNC_TYPE { throw .EINVAL }
        try check(
            flags,
            allowed: VMRUN_AT_SYMLINK_NOFOLLOW | VMRUN_AT_NO_AUTOMOUNT | VMRUN_AT_EMPTY_PATH | VMRUN_AT_STATX_SYNC_TYPE)
        var extended = CShim.statx()
        var isFollowedLink = false
        let directory = descriptor(args.a0)
        let files = thread.files
        if let direct = files.directDirectory(path, from: directory) {
            // The type is needed in any case, to see what is to be followed.
            let result = hostStatus(
                direct, path.start.argument, &extended, flags | VMRUN_AT_SYMLINK_NOFOLLOW, mask | UInt32(STATX_TYPE))
            if result == 0 {
                let isLink = Int32(extended.stx_mode) & S_IFMT == S_IFLNK
                isFollowedLink = isLink && flags & VMRUN_AT_SYMLINK_NOFOLLOW == 0
                if !isFollowedLink && !mayPatch(files, extended) { return try deliver(extended, args.a4) }
            } else if files.isFinal(result, in: direct) {
                return result
            }
        }
        let target =
            isFollowedLink
            ? try target(thread, directory, path, followLast: true, isLink: true)
            : try target(thread, directory, path, flags)
        guard case .descriptor(let descriptor, _) = target else {
            var status = CShim.stat()
            try fill(&status, thread, target)
            extended.stx_mask = UInt32(STATX_BASIC_STATS)
            extend(&extended, with: status)
            return try deliver(extended, args.a4)
        }
        defer { target.release() }
        let hostFlags = (flags & (VMRUN_AT_STATX_SYNC_TYPE | VMRUN_AT_NO_AUTOMOUNT)) | VMRUN_AT_EMPTY_PATH
        let result = hostStatus(descriptor, empty, &extended, hostFlags, mask)
        if result < 0 { return result }
        if mayPatch(files, extended) {
            var status = CShim.stat()
            if hostStatus(descriptor, empty, &status, VMRUN_AT_EMPTY_PATH) == 0,
                files.tree?.patch(&status, ofDescriptor: descriptor) ?? false
            {
                extend(&extended, with: status)
            }
        }
        return try deliver(extended, args.a4)
    }

    @inline(__always)
    private static func hostStatus(
        _ directory: Int32, _ path: Int, _ status: inout statx, _ flags: Int, _ mask: UInt32
    ) -> Int {
        withUnsafeMutablePointer(to: &status) {
            Host.raw(Int32(SYS_statx), Int(directory), path, flags, Int(mask), $0.argument)
        }
    }

    @inline(__always)
    private static func mayPatch(_ files: FileSystemContext, _ status: statx) -> Bool {
        files.tree?.mayPatch(device: makeDevice(status.stx_dev_major, status.stx_dev_minor)) ?? false
    }

    @inline(__always)
    private static func deliver(_ status: statx, _ address: UInt64) throws(GuestErrno) -> Int {
        try GuestAccess.write(status, at: GuestAddress(address))
        return 0
    }

    /// The kernel's encoding of st_dev: new_encode_dev().
    private static func makeDevice(_ major: UInt32, _ minor: UInt32) -> UInt64 {
        let (major, minor) = (UInt64(major), UInt64(minor))
        return (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xff) << 12 | (major & ~0xfff) << 32
    }

    private static func major(_ device: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: (device >> 8 & 0xfff) | (device >> 32 & ~0xfff))
    }

    private static func minor(_ device: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: (device & 0xff) | (device >> 12 & ~0xff))
    }

    private static func extend(_ extended: inout statx, with status: stat) {
        extended.stx_blksize = UInt32(truncatingIfNeeded: status.st_blksize)
        extended.stx_nlink = UInt32(truncatingIfNeeded: status.st_nlink)
        extended.stx_uid = status.st_uid
        extended.stx_gid = status.st_gid
        extended.stx_mode = UInt16(truncatingIfNeeded: status.st_mode)
        extended.stx_ino = UInt64(status.st_ino)
        extended.stx_size = UInt64(truncatingIfNeeded: status.st_size)
        extended.stx_blocks = UInt64(truncatingIfNeeded: status.st_blocks)
        extended.stx_atime = timestamp(status.st_atim)
        extended.stx_mtime = timestamp(status.st_mtim)
        extended.stx_ctime = timestamp(status.st_ctim)
        extended.stx_dev_major = major(UInt64(status.st_dev))
        extended.stx_dev_minor = minor(UInt64(status.st_dev))
        extended.stx_rdev_major = major(UInt64(status.st_rdev))
        extended.stx_rdev_minor = minor(UInt64(status.st_rdev))
    }

    private static func timestamp(_ time: timespec) -> statx_timestamp {
        var result = statx_timestamp()
        result.tv_sec = Int64(time.tv_sec)
        result.tv_nsec = UInt32(truncatingIfNeeded: time.tv_nsec)
        return result
    }

    // MARK: access

    /// access(2).
    static func access(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try access(thread, AT_FDCWD, args.a0, args.a1, 0)
    }

    /// faccessat(2) as the kernel has it: no flags.
    static func faccessat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try access(thread, descriptor(args.a0), args.a1, args.a2, 0)
    }

    /// faccessat2(2).
    static func faccessat2(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try access(thread, descriptor(args.a0), args.a1, args.a2, flags(args.a3))
    }

    private static func access(
        _ thread: GuestThread, _ directory: Int32, _ address: UInt64, _ mode: UInt64, _ flags: Int
    ) throws(GuestErrno) -> Int {
        let mode = self.flags(mode)
        try check(mode, allowed: Int(R_OK | W_OK | X_OK))
        try check(flags, allowed: VMRUN_AT_EACCESS | VMRUN_AT_SYMLINK_NOFOLLOW | VMRUN_AT_EMPTY_PATH)
        let target = try target(thread, directory, try path(thread, address), flags)
        let effective = flags & VMRUN_AT_EACCESS
        guard case .descriptor(let descriptor, _) = target else {
            return try syntheticAccess(thread, target, mode, effective)
        }
        defer { target.release() }
        let result = Host.raw(
            Int32(SYS_faccessat2), Int(descriptor), empty, mode, effective | VMRUN_AT_EMPTY_PATH)
        if result == 0 && mode & Int(W_OK) != 0 && isStoredReadOnly(thread, descriptor) { throw .EROFS }
        return result
    }

    /// Whether writing to the object would change a file system that must not be changed. Devices, pipes and sockets are written
    /// to wherever they are named.
    static func isStoredReadOnly(_ thread: GuestThread, _ descriptor: Int32) -> Bool {
        guard thread.files.isReadOnly(descriptor: descriptor) else { return false }
        var status = CShim.stat()
        let type = hostStatus(descriptor, empty, &status, VMRUN_AT_EMPTY_PATH) == 0 ? status.st_mode : 0
        return [S_IFREG, S_IFDIR, S_IFLNK].contains { type & mode_t(S_IFMT) == mode_t($0) }
    }

    private static func syntheticAccess(
        _ thread: GuestThread, _ target: Target, _ mode: Int, _ effective: Int
    ) throws(GuestErrno) -> Int {
        if case .synthetic(_, .passThrough(let hostPath)) = target {
            let terminated = hostPath + [0]
            return terminated.withUnsafeBytes {
                Host.raw(Int32(SYS_faccessat2), Int(AT_FDCWD), Int(bitPattern: $0.baseAddress), mode, effective)
            }
        }
        // root may do everything, but what nobody may write here stays unwritten.
        if mode & Int(W_OK) != 0, case .synthetic(_, .file(isWritable: false)) = target { throw .EACCES }
        var status = CShim.stat()
        try fill(&status, thread, target)
        return isAllowed(status, mode, isEffective: effective != 0) ? 0 : -Int(EACCES)
    }

    /// The classic permission check, by the ids of the calling thread.
    static func isAllowed(_ status: stat, _ mode: Int, isEffective: Bool) -> Bool {
        let user = Host.raw(Int32(isEffective ? SYS_geteuid : SYS_getuid))
        let group = Host.raw(Int32(isEffective ? SYS_getegid : SYS_getgid))
        let bits = Int(status.st_mode)
        if user == 0 {
            return mode & Int(X_OK) == 0 || bits & 0o111 != 0 || bits & Int(S_IFMT) == Int(S_IFDIR)
        }
        let shift = Int(status.st_uid) == user ? 6 : Int(status.st_gid) == group ? 3 : 0
        return mode & ~(bits >> shift) & 7 == 0
    }

    // MARK: readlink

    /// readlink(2).
    static func readlink(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try readlink(thread, AT_FDCWD, args.a0, args.a1, args.a2)
    }

    /// readlinkat(2).
    static func readlinkat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try readlink(thread, descriptor(args.a0), args.a1, args.a2, args.a3)
    }

    private static func readlink(
        _ thread: GuestThread, _ directory: Int32, _ address: UInt64, _ output: UInt64, _ room: UInt64
    ) throws(GuestErrno) -> Int {
        let room = Int(Int32(truncatingIfNeeded: room))
        if room <= 0 { throw .EINVAL }
        let path = try path(thread, address)
        let hostOutput = buffer(output, UInt64(room))
        let files = thread.files
        if let direct = files.directDirectory(path, from: directory) {
            let result = Host.raw(Int32(SYS_readlinkat), Int(direct), path.start.argument, hostOutput, room)
            if files.isFinal(result, in: direct) { return result }
        }
        // An empty path asks for the link behind an O_PATH descriptor, without any flag.
        let target =
            path.isEmpty
            ? try descriptorTarget(thread, directory) : try target(thread, directory, path, followLast: false)
        defer { target.release() }
        switch target {
        case .descriptor(let descriptor, _):
            let result = Host.raw(Int32(SYS_readlinkat), Int(descriptor), empty, hostOutput, room)
            return result == -Int(ENOENT) && !path.isEmpty ? -Int(EINVAL) : result
        case .synthetic(let link, _):
            guard let tree = files.tree else { throw .ENOENT }
            let text: [UInt8]
            do throws(GuestErrno) { text = try tree.readlink(link) } catch {
                throw path.isEmpty && error == .EINVAL ? .ENOENT : error
            }
            let count = min(text.count, room)
            try deliver(text, count: count, to: output)
            return count
        }
    }

    // MARK: statfs

    /// statfs(2).
    static func statfs(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let target = try target(thread, AT_FDCWD, try path(thread, args.a0), followLast: true)
        defer { target.release() }
        var status = CShim.statfs()
        let result: Int
        switch target {
        case .descriptor(let descriptor, _):
            result = withUnsafeMutablePointer(to: &status) {
                Host.raw(Int32(SYS_fstatfs), Int(descriptor), $0.argument)
            }
        case .synthetic(let path, _):
            // The file system that the guest believes to see there.
            guard let mount = thread.files.syntheticMountPoint(of: path) else { throw .ENOENT }
            result = withUnsafeMutablePointer(to: &status) { status in
                (mount + [0]).withUnsafeBufferPointer {
                    Host.raw(Int32(SYS_statfs), Int(bitPattern: $0.baseAddress), status.argument)
                }
            }
        }
        if result < 0 { return result }
        try GuestAccess.write(status, at: GuestAddress(args.a1))
        return 0
    }
}
