import CShim
import Host

/// The host directory that the guest sees as /dev/shm. With a sysroot it is private to the session: made when first
/// needed, by whichever process comes first, and removed by the session's first process at the end.
public final class SharedMemoryDirectory {
    public let hostPath: [UInt8]
    /// Whether it belongs to the session alone.
    public let isPrivate: Bool

    /// The host's own /dev/shm.
    public init() {
        hostPath = [UInt8]("/dev/shm")
        isPrivate = false
    }

    /// A private one. `sessionName` is the same in all processes of the session and cannot be guessed by others.
    public init(sessionName: UInt64) {
        var path = [UInt8]("/dev/shm/vmrun-")
        path.append(hex: sessionName, digits: 16)
        hostPath = path
        isPrivate = true
    }

    /// Makes the directory where it does not exist yet. Errors show when it is used.
    func prepare() {
        guard isPrivate, !HostFile.exists(hostPath) else { return }
        HostFile.withPath(hostPath) { path in
            guard Host.raw(Int32(SYS_mkdirat), Int(AT_FDCWD), path, 0o700) == 0 else { return }
            // Everyone in the session may use it, as its users see it from /dev/shm; mkdir applied the umask.
            _ = Host.raw(Int32(SYS_fchmodat), Int(AT_FDCWD), path, 0o1777)
        }
    }

    /// Removes it with all it holds. For the end of the session; members may still be changing it, so no name is followed
    /// and nothing is reached but through the directory it was found in.
    public func remove() {
        guard isPrivate else { return }
        let parent = HostFile.open([UInt8]("/dev/shm"), flags: O_RDONLY | Int32(VMRUN_O_DIRECTORY) | O_CLOEXEC)
        guard parent >= 0 else { return }
        removeTree(Int32(parent), Array(hostPath.dropFirst("/dev/shm/".utf8.count)), depth: 0)
        HostFile.close(Int32(parent))
    }

    private func removeTree(_ parent: Int32, _ name: [UInt8], depth: Int) {
        let flags = Int(O_RDONLY | O_CLOEXEC) | VMRUN_O_DIRECTORY | VMRUN_O_NOFOLLOW
        let result = HostFile.withPath(name) { Host.raw(Int32(SYS_openat), Int(parent), $0, flags) }
        // Whoever nests deeper than this keeps the directory.
        guard result >= 0, depth < 64 else { return }
        let directory = Int32(result)
        defer { HostFile.close(directory) }
        for child in HostFile.names(in: directory) ?? [] {
            let removed = HostFile.withPath(child) { Host.raw(Int32(SYS_unlinkat), Int(directory), $0, 0) }
            if removed == -Int(EISDIR) { removeTree(directory, child, depth: depth + 1) }
        }
        _ = HostFile.withPath(name) { Host.raw(Int32(SYS_unlinkat), Int(parent), $0, Int(VMRUN_AT_REMOVEDIR)) }
    }
}
