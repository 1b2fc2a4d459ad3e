import CShim
import Host

/// The host directory that the guest sees as /dev/shm. With a sysroot it is private to the session.
///
/// Every process of the session has it open with a shared flock(2), by inheritance, so the kernel knows whether one is left. The
/// last one to exit removes it. Where a signal ended the last one, nobody can: the next session that starts removes what it
/// finds unlocked.
public final class SharedMemoryDirectory {
    public let hostPath: [UInt8]
    /// Whether it belongs to the session alone.
    public let isPrivate: Bool
    /// The open directory with the lock, -1 for none. In vmrun's window; an exec hands it on.
    public private(set) var lock: Int32

    private static let parent = [UInt8]("/dev/shm")
    private static let prefix = [UInt8]("vmrun-")

    /// The host's own /dev/shm.
    public init() {
        hostPath = Self.parent
        isPrivate = false
        lock = -1
    }

    /// A private one. `sessionName` is the same in all processes of the session and cannot be guessed by others; `lock` is what
    /// the first process's `make` left.
    public init(sessionName: UInt64, lock: Int32 = -1) {
        var path = Self.parent
        path.append(UInt8(ascii: "/"))
        path.append(contentsOf: Self.prefix)
        path.append(hex: sessionName, digits: 16)
        hostPath = path
        isPrivate = true
        self.lock = lock
    }

    /// Makes and locks the directory, once in a session, and removes those of sessions that are no more. Errors show when it is
    /// used.
    public func make() {
        guard isPrivate else { return }
        removeAbandoned()
        // Somebody else's sweep may come between the two steps, and then they are made again.
        for _ in 0..<8 {
            let made = HostFile.with(hostPath) { Host.raw(Int32(SYS_mkdirat), Int(AT_FDCWD), $0, 0o700) }
            guard made == 0 else { return }
            // Everyone in the session may use it, as its users see it from /dev/shm; mkdir applied the umask.
            _ = HostFile.with(hostPath) { Host.raw(Int32(SYS_fchmodat), Int(AT_FDCWD), $0, 0o1777) }
            guard let directory = try? HostFile.openInternal(hostPath, flags: Self.directoryFlags) else { continue }
            if Host.raw(Int32(SYS_flock), Int(directory), Int(LOCK_SH)) == 0, isStill(directory) {
                lock = directory
                return
            }
            HostFile.close(directory)
        }
    }

    /// For the orderly end of a process: the last one removes the directory with all it holds.
    public func release() {
        guard isPrivate, lock >= 0 else { return }
        HostFile.close(lock)
        lock = -1
        Self.removeIfAbandoned(Array(hostPath.dropFirst(Self.parent.count + 1)))
    }

    /// How /proc/locks names what is locked, empty for nothing.
    var lockName: [UInt8] {
        guard lock >= 0, let status = Host.status(of: lock) else { return [] }
        // st_dev as the kernel packs it for user space (new_encode_dev).
        let device = UInt64(status.st_dev)
        var name: [UInt8] = []
        name.append(hex: device >> 8 & 0xfff, digits: 2)
        name.append(UInt8(ascii: ":"))
        name.append(hex: device & 0xff | device >> 12 & 0xfff00, digits: 2)
        name.append(UInt8(ascii: ":"))
        name.append(decimal: UInt64(status.st_ino))
        return name
    }

    private static let directoryFlags = O_RDONLY | Int32(VMRUN_O_DIRECTORY) | Int32(VMRUN_O_NOFOLLOW) | O_CLOEXEC

    /// Whether the path still leads to the open directory.
    private func isStill(_ directory: Int32) -> Bool {
        var named = stat()
        let found = withUnsafeMutablePointer(to: &named) { HostFile.status(hostPath, into: $0) }
        guard found == 0, let open = Host.status(of: directory) else { return false }
        return named.st_ino == open.st_ino && named.st_dev == open.st_dev
    }

    private func removeAbandoned() {
        for name in (try? HostFile.list(Self.parent)) ?? []
        where name.count == Self.prefix.count + 16 && name.starts(with: Self.prefix) {
            Self.removeIfAbandoned(name)
        }
    }

    /// Removes a session's directory that nobody has locked. Its last users may still be changing it, so no name is followed
    /// and nothing is reached but through the directory it was found in.
    private static func removeIfAbandoned(_ name: [UInt8]) {
        guard let parent = try? HostFile.openInternal(parent, flags: directoryFlags) else { return }
        defer { HostFile.close(parent) }
        let result = HostFile.with(name) {
            Host.raw(Int32(SYS_openat), Int(parent), $0, Int(directoryFlags))
        }
        guard result >= 0 else { return }
        let directory = InternalDescriptors.adopt(Int32(truncatingIfNeeded: result))
        guard directory >= 0 else { return }
        defer { HostFile.close(directory) }
        if Host.raw(Int32(SYS_flock), Int(directory), Int(LOCK_EX | LOCK_NB)) == 0 {
            removeTree(parent, name, depth: 0)
        }
    }

    private static func removeTree(_ parent: Int32, _ name: [UInt8], depth: Int) {
        let flags = Int(O_RDONLY | O_CLOEXEC) | VMRUN_O_DIRECTORY | VMRUN_O_NOFOLLOW
        let result = HostFile.with(name) { Host.raw(Int32(SYS_openat), Int(parent), $0, flags) }
        // Whoever nests deeper than this keeps the directory.
        guard result >= 0, depth < 64 else { return }
        let directory = Int32(result)
        defer { HostFile.close(directory) }
        for child in HostFile.names(in: directory) ?? [] {
            let removed = HostFile.with(child) { Host.raw(Int32(SYS_unlinkat), Int(directory), $0, 0) }
            if removed == -Int(EISDIR) { removeTree(directory, child, depth: depth + 1) }
        }
        _ = HostFile.with(name) { Host.raw(Int32(SYS_unlinkat), Int(parent), $0, Int(VMRUN_AT_REMOVEDIR)) }
    }
}
