import CShim
import GuestMemory
import Host
import LinuxABI
import Process
import Sysroot

/// Making, moving and removing names.
extension PathCalls {
    /// Makes the call on the entry that (directory, path) names.
    @inline(__always)
    private static func withEntry(
        _ thread: GuestThread, _ directory: Int32, _ path: PathBytes, _ purpose: EntryPurpose,
        _ body: (_ parent: Int, _ name: Int) throws(GuestErrno) -> Int
    ) throws(GuestErrno) -> Int {
        let entry = try thread.files.entry(path, from: directory, purpose: purpose)
        defer { entry.close() }
        return try body(Int(entry.parent), entry.name.argument)
    }

    // MARK: making

    /// mkdir(2).
    static func mkdir(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try mkdir(thread, AT_FDCWD, args.a0, args.a1)
    }

    /// mkdirat(2).
    static func mkdirat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try mkdir(thread, descriptor(args.a0), args.a1, args.a2)
    }

    private static func mkdir(
        _ thread: GuestThread, _ directory: Int32, _ address: UInt64, _ mode: UInt64
    ) throws(GuestErrno) -> Int {
        try withEntry(thread, directory, try path(thread, address), .create) { parent, name in
            Host.raw(Int32(SYS_mkdirat), parent, name, flags(mode))
        }
    }

    /// mknod(2).
    static func mknod(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try mknod(thread, AT_FDCWD, args.a0, args.a1, args.a2)
    }

    /// mknodat(2).
    static func mknodat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try mknod(thread, descriptor(args.a0), args.a1, args.a2, args.a3)
    }

    /// The memory and terminal devices that the guest has in its own `/dev` anyway, as mknod(2) numbers them. Console, tty and ptmx
    /// are 5:1, 5:0 and 5:2.
    private static let harmlessDevices = [0x103, 0x105, 0x107, 0x108, 0x109, 0x500, 0x501, 0x502]

    /// Devices are refused (EPERM), whoever asks: through one the guest would reach the host's hardware. Those that show
    /// it nothing new are the host's to grant; an overlay's white-out, device 0:0, is none.
    private static func mknod(
        _ thread: GuestThread, _ directory: Int32, _ address: UInt64, _ mode: UInt64, _ device: UInt64
    ) throws(GuestErrno) -> Int {
        let mode = flags(mode) & 0xffff
        let type = mode & Int(S_IFMT)
        let device = flags(device)
        let isDevice =
            type == Int(S_IFBLK) || (type == Int(S_IFCHR) && device != 0 && !harmlessDevices.contains(device))
        return try withEntry(thread, directory, try path(thread, address), .create) { parent, name in
            guard isDevice else { return Host.raw(Int32(SYS_mknodat), parent, name, mode, device) }
            var status = CShim.stat()
            let found = withUnsafeMutablePointer(to: &status) {
                Host.raw(Int32(SYS_newfstatat), parent, name, $0.argument, VMRUN_AT_SYMLINK_NOFOLLOW)
            }
            return found == 0 ? -Int(EEXIST) : -Int(EPERM)
        }
    }

    /// symlink(2).
    static func symlink(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try symlink(thread, args.a0, AT_FDCWD, args.a1)
    }

    /// symlinkat(2).
    static func symlinkat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try symlink(thread, args.a0, descriptor(args.a1), args.a2)
    }

    private static func symlink(
        _ thread: GuestThread, _ text: UInt64, _ directory: Int32, _ address: UInt64
    ) throws(GuestErrno) -> Int {
        let text = try secondPath(thread, text)
        if text.isEmpty { throw .ENOENT }
        return try withEntry(thread, directory, try path(thread, address), .create) { parent, name in
            Host.raw(Int32(SYS_symlinkat), text.start.argument, parent, name)
        }
    }

    // MARK: linking

    /// link(2).
    static func link(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try link(thread, AT_FDCWD, args.a0, AT_FDCWD, args.a1, 0)
    }

    /// linkat(2).
    static func linkat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let flags = flags(args.a4)
        try check(flags, allowed: VMRUN_AT_SYMLINK_FOLLOW | VMRUN_AT_EMPTY_PATH)
        return try link(thread, descriptor(args.a0), args.a1, descriptor(args.a2), args.a3, flags)
    }

    private static func link(
        _ thread: GuestThread, _ oldDirectory: Int32, _ old: UInt64, _ newDirectory: Int32, _ new: UInt64, _ flags: Int
    ) throws(GuestErrno) -> Int {
        let files = thread.files
        let old = try path(thread, old)
        let new = try secondPath(thread, new)
        let isBare = old.isEmpty && flags & VMRUN_AT_EMPTY_PATH != 0
        let endsWithSlash = old.count > 0 && old.start[old.count - 1] == CChar(bitPattern: UInt8(ascii: "/"))
        if !isBare && flags & VMRUN_AT_SYMLINK_FOLLOW == 0 && !endsWithSlash {
            return try withEntry(thread, oldDirectory, old, .keep) { (oldParent, oldName) throws(GuestErrno) in
                try withEntry(thread, newDirectory, new, .create) { (parent, name) throws(GuestErrno) in
                    if files.areOnDifferentMounts(Int32(oldParent), Int32(parent)) { throw .EXDEV }
                    return Host.raw(Int32(SYS_linkat), oldParent, oldName, parent, name, 0)
                }
            }
        }
        let target =
            isBare ? try descriptorTarget(thread, oldDirectory) : try target(thread, oldDirectory, old, followLast: true)
        defer { target.release() }
        return try withEntry(thread, newDirectory, new, .create) { (parent, name) throws(GuestErrno) in
            guard case .descriptor(let descriptor, _) = target else { throw .EXDEV }
            if files.areOnDifferentMounts(descriptor, Int32(parent)) { throw .EXDEV }
            // With an empty path the kernel wants a capability; the guest's request is passed on as it is.
            if isBare {
                return Host.raw(Int32(SYS_linkat), Int(descriptor), empty, parent, name, VMRUN_AT_EMPTY_PATH)
            }
            return HostPath.withDescriptorLink(descriptor) {
                Host.raw(Int32(SYS_linkat), Int(AT_FDCWD), $0.argument, parent, name, VMRUN_AT_SYMLINK_FOLLOW)
            }
        }
    }

    // MARK: removing

    /// rmdir(2).
    static func rmdir(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try unlink(thread, AT_FDCWD, args.a0, VMRUN_AT_REMOVEDIR)
    }

    /// unlink(2).
    static func unlink(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try unlink(thread, AT_FDCWD, args.a0, 0)
    }

    /// unlinkat(2).
    static func unlinkat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let flags = flags(args.a2)
        try check(flags, allowed: VMRUN_AT_REMOVEDIR)
        return try unlink(thread, descriptor(args.a0), args.a1, flags)
    }

    private static func unlink(
        _ thread: GuestThread, _ directory: Int32, _ address: UInt64, _ flags: Int
    ) throws(GuestErrno) -> Int {
        try withEntry(thread, directory, try path(thread, address), flags == 0 ? .unlink : .removeDirectory) { parent, name in
            Host.raw(Int32(SYS_unlinkat), parent, name, flags)
        }
    }

    // MARK: renaming

    /// rename(2).
    static func rename(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try rename(thread, AT_FDCWD, args.a0, AT_FDCWD, args.a1, 0)
    }

    /// renameat(2).
    static func renameat(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try rename(thread, descriptor(args.a0), args.a1, descriptor(args.a2), args.a3, 0)
    }

    /// renameat2(2).
    static func renameat2(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let flags = flags(args.a4)
        try check(flags, allowed: VMRUN_RENAME_NOREPLACE | VMRUN_RENAME_EXCHANGE | VMRUN_RENAME_WHITEOUT)
        let exchanges = flags & VMRUN_RENAME_EXCHANGE != 0
        if exchanges && flags & (VMRUN_RENAME_NOREPLACE | VMRUN_RENAME_WHITEOUT) != 0 { throw .EINVAL }
        return try rename(thread, descriptor(args.a0), args.a1, descriptor(args.a2), args.a3, flags)
    }

    private static func rename(
        _ thread: GuestThread, _ oldDirectory: Int32, _ old: UInt64, _ newDirectory: Int32, _ new: UInt64, _ flags: Int
    ) throws(GuestErrno) -> Int {
        let files = thread.files
        let old = try path(thread, old)
        let new = try secondPath(thread, new)
        return try withEntry(thread, oldDirectory, old, .rename) { (oldParent, oldName) throws(GuestErrno) in
            try withEntry(thread, newDirectory, new, .rename) { (parent, name) throws(GuestErrno) in
                if files.areOnDifferentMounts(Int32(oldParent), Int32(parent)) { throw .EXDEV }
                return Host.raw(Int32(SYS_renameat2), oldParent, oldName, parent, name, flags)
            }
        }
    }
}
