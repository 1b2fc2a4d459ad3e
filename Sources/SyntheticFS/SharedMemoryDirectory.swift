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

    /// Removes it with all it holds. For the end of the session.
    public func remove() {
        guard isPrivate else { return }
        removeTree(hostPath, depth: 0)
    }

    private func removeTree(_ path: [UInt8], depth: Int) {
        // Whoever nests deeper than this keeps the directory.
        guard depth < 64, let names = try? HostFile.list(path) else { return }
        for name in names {
            var child = path
            child.append(UInt8(ascii: "/"))
            child.append(contentsOf: name)
            let result = HostFile.withPath(child) { Host.raw(Int32(SYS_unlinkat), Int(AT_FDCWD), $0, 0) }
            if result == -Int(EISDIR) { removeTree(child, depth: depth + 1) }
        }
        _ = HostFile.withPath(path) { Host.raw(Int32(SYS_unlinkat), Int(AT_FDCWD), $0, Int(AT_REMOVEDIR)) }
    }
}
