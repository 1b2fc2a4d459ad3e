import CShim
import Host

/// One tree in the guest's view: the root, a bind, or a synthetic directory.
struct Mount {
    /// Where it is: a canonical guest path, empty for the root.
    let path: [UInt8]
    /// O_PATH, in vmrun's window; -1 for a synthetic tree.
    let descriptor: Int32
    /// What the kernel calls the mounted object: without a trailing slash, so empty for `/`.
    let hostPath: [UInt8]
    let readOnly: Bool
    /// A bind of something that is not a directory.
    let isFile: Bool

    var isSynthetic: Bool { descriptor < 0 }
}

/// What lies where in the guest's view. Built once per process image and never changed afterwards, so that every thread
/// reads it without a lock.
final class MountTable {
    /// The root comes first.
    private(set) var mounts: [Mount]
    private(set) var hasReadOnly = false
    /// More than one host tree: links and renames between them are EXDEV.
    private(set) var hasBinds = false
    /// The host's `/` where paths that the root does not hold are looked up there, otherwise -1.
    let fallbackDescriptor: Int32
    /// All mount paths, and the set of the first bytes of their last components: most components are told apart by that.
    private var paths: [[UInt8]] = []
    private var firstBytes: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    /// Takes over `root` and `fallback` (the host's `/`, or -1), which `open` made.
    init(root: Int32, isReadOnly: Bool, fallback: Int32) throws(HostError) {
        mounts = [
            Mount(path: [], descriptor: root, hostPath: try Self.hostPath(of: root), readOnly: isReadOnly, isFile: false)
        ]
        fallbackDescriptor = fallback
        hasReadOnly = isReadOnly || fallback >= 0
    }

    deinit {
        for mount in mounts where !mount.isSynthetic { Host.close(mount.descriptor) }
        if fallbackDescriptor >= 0 { Host.close(fallbackDescriptor) }
    }

    /// Shows the synthetic tree at `path`, in place of what was there. Where the tree knows nothing of the path, nothing is
    /// there.
    func addSynthetic(_ path: [UInt8]) {
        remove(path)
        add(Mount(path: path, descriptor: -1, hostPath: [], readOnly: false, isFile: false))
    }

    /// Shows the host file or directory behind `descriptor`, which it takes over, at the canonical guest path `path`, in place
    /// of what was there.
    func addBind(_ path: [UInt8], descriptor: Int32, readOnly: Bool) throws(HostError) {
        guard !path.isEmpty else { throw HostError(EINVAL) }
        remove(path)
        add(
            Mount(
                path: path, descriptor: descriptor, hostPath: try Self.hostPath(of: descriptor), readOnly: readOnly,
                isFile: !HostObject.isDirectory(descriptor)))
        hasReadOnly = hasReadOnly || readOnly
        hasBinds = true
    }

    private func remove(_ path: [UInt8]) {
        for mount in mounts where mount.path == path && !mount.isSynthetic { Host.close(mount.descriptor) }
        mounts.removeAll { $0.path == path }
    }

    private func add(_ mount: Mount) {
        mounts.append(mount)
        guard let first = CanonicalPath.lastComponent(mount.path).first else { return }
        paths.append(mount.path)
        let bit: UInt64 = 1 << UInt64(first & 63)
        switch first >> 6 {
        case 0: firstBytes.0 |= bit
        case 1: firstBytes.1 |= bit
        case 2: firstBytes.2 |= bit
        default: firstBytes.3 |= bit
        }
    }

    /// Whether a mount may be where a path leads whose last components are `text` (`count` bytes, without a slash before), if none
    /// of them is a symbolic link: a mount's path ends so. `last`: where in it the last one begins.
    @inline(__always)
    func mayBeMount(_ text: UnsafePointer<UInt8>, _ count: Int, last: Int = 0) -> Bool {
        let first = text[last]
        let word: UInt64
        switch first >> 6 {
        case 0: word = firstBytes.0
        case 1: word = firstBytes.1
        case 2: word = firstBytes.2
        default: word = firstBytes.3
        }
        guard word >> UInt64(first & 63) & 1 != 0 else { return false }
        return isEndOfMount(text, count)
    }

    private func isEndOfMount(_ text: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        for path in paths where path.count > count && path[path.count - count - 1] == slash {
            let isEnd = path.withUnsafeBufferPointer { bytes in
                // SAFETY: the path is longer than `count`.
                bytes.baseAddress.map { memcmp($0 + (bytes.count - count), text, count) == 0 } ?? false
            }
            if isEnd { return true }
        }
        return false
    }

    /// The mount at exactly this canonical guest path.
    func mount(at path: [UInt8]) -> Mount? { mounts.first { $0.path == path } }

    /// The mount that a canonical guest path lies in.
    func mount(containing path: [UInt8]) -> Mount { mounts[index(containing: path)] }

    private func index(containing path: [UInt8]) -> Int {
        var best = 0
        for index in mounts.indices.dropFirst()
        where mounts[index].path.count > mounts[best].path.count && CanonicalPath.isWithin(path, mounts[index].path) {
            best = index
        }
        return best
    }

    /// The host tree that a host path lies in (the innermost, where one holds another), or nil for one outside the view.
    /// Where one host directory is shown twice a descriptor does not tell through which it came: the read-only one wins.
    func index(containingHostPath path: [UInt8]) -> Int? {
        var best: Int? = nil
        for index in mounts.indices {
            let mount = mounts[index]
            if mount.isSynthetic || !CanonicalPath.isWithin(path, mount.hostPath) { continue }
            if let best {
                let length = mounts[best].hostPath.count
                if length > mount.hostPath.count || (length == mount.hostPath.count && !mount.readOnly) { continue }
            }
            best = index
        }
        return best
    }

    /// Every place in the view where a host tree beginning at one of `hostPaths` shows, as a whole or in part.
    func guestPaths(ofHostTrees hostPaths: [[UInt8]]) -> [[UInt8]] {
        var result: [[UInt8]] = []
        for hostPath in hostPaths {
            for mount in mounts where !mount.isSynthetic {
                if CanonicalPath.isWithin(hostPath, mount.hostPath) {
                    result.append(mount.path + hostPath[mount.hostPath.count...])
                } else if CanonicalPath.isWithin(mount.hostPath, hostPath) {
                    result.append(mount.path)
                }
            }
            if fallbackDescriptor >= 0 { result.append(hostPath) }
        }
        return result.filter { !$0.isEmpty && !mount(containing: $0).isSynthetic }
    }

    /// Opens a host object (O_PATH) into vmrun's window.
    static func open(_ path: [UInt8], flags: Int = 0) throws(HostError) -> Int32 {
        let terminated = path + [0]
        let result = terminated.withUnsafeBytes {
            Host.raw(
                Int32(SYS_openat), Int(AT_FDCWD), Int(bitPattern: $0.baseAddress),
                VMRUN_O_PATH | Int(O_CLOEXEC) | flags, 0)
        }
        guard result >= 0 else { throw HostError(Int32(-result)) }
        return InternalDescriptors.adopt(Int32(result))
    }

    private static func hostPath(of descriptor: Int32) throws(HostError) -> [UInt8] {
        guard let path = HostPath.ofDescriptor(descriptor) else { throw HostError(ENOENT) }
        return path == [slash] ? [] : path
    }
}
