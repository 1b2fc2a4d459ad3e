import CShim
import LinuxABI

/// What the resolver meets at a synthetic path (/proc, /dev). Paths are canonical absolute guest paths as bytes, without a
/// trailing slash.
public enum SyntheticKind {
    case directory
    /// `isWritable`: whether an open for writing may succeed; permission to read is as `stat` tells.
    case file(isWritable: Bool)
    /// A symbolic link with a textual target, followed like any other (`/proc/self`, `/proc/self/root`, `/dev/fd`).
    case symbolicLink(target: [UInt8])
    /// A link that leads to an object, not to a name (`/proc/self/fd/3`, `/proc/self/cwd`, `/proc/self/exe`): the host path
    /// to open it through, for instance `/proc/self/fd/3` of vmrun itself. The guest may name whatever lies below it, so it
    /// must never be a host directory outside the guest's view: `/proc/self/root` is a `symbolicLink` to `/`. A link to a
    /// synthetic object (`/proc/self/cwd` or `/proc/self/fd/3` while that is one) is a `symbolicLink` to its path.
    case magicLink(hostPath: [UInt8])
    /// A host file shown as it is at this place (`/dev/null`, `/proc/meminfo`): opened by its host path.
    case passThrough(hostPath: [UInt8])
    /// A host directory mounted here (`/dev/pts`, `/dev/shm`): its children are host files, reached through this host path.
    case hostDirectory(hostPath: [UInt8])
}

/// The tree of synthetic objects, as the resolver and the file-name calls see it. SyntheticFS implements it. Called from
/// any thread.
///
/// A synthetic directory's descriptor must not be a host directory (a memfd is right): the host then answers ENOTDIR to
/// whatever is looked up in it, which is what makes the resolver ask the tree. Ordinary lookups pay nothing.
public protocol SyntheticTree: AnyObject {
    /// Guest directories that are synthetic: `/proc`, `/dev`.
    var mountPoints: [[UInt8]] { get }
    /// The object at `path` (which begins with one of `mountPoints`), or nil where there is none (ENOENT). Called once for
    /// each component on the way, never below a `hostDirectory`.
    func kind(at path: [UInt8]) -> SyntheticKind?
    /// The guest path of an open synthetic descriptor (a directory or file opened by SyntheticFS), or nil for all others.
    func path(ofDescriptor descriptor: Int32) -> [UInt8]?
    /// The guest path of a host path that the tree shows somewhere (`/dev/pts/3`, `/dev/null`, files below a
    /// `hostDirectory`), or nil.
    func guestPath(ofHostPath path: [UInt8]) -> [UInt8]?
    /// Opens a `directory` or `file`, or with O_PATH|O_NOFOLLOW a link itself. `flags` are open(2)'s, as the guest gave
    /// them; O_CREAT, O_EXCL and O_DIRECTORY were dealt with. The descriptor is the lowest free number.
    func open(_ path: [UInt8], flags: Int32) throws(GuestErrno) -> Int32
    /// What stat(2) without following tells of the object at `path`, of every kind; ENOENT where there is none.
    func stat(_ path: [UInt8], into status: UnsafeMutablePointer<stat>) throws(GuestErrno)
    /// The text of a `symbolicLink` or `magicLink`, as readlink(2) shows it to the guest; EINVAL for other objects, and the
    /// host's errors where the process may not be looked at.
    func readlink(_ path: [UInt8]) throws(GuestErrno) -> [UInt8]
    /// Whether objects with this host st_dev may be shown with another identity, so that `patch` has to see them. Asked
    /// after every host stat: it must be a comparison or two.
    func mayPatch(device: UInt64) -> Bool
    /// Gives a host fstat(2) result of `descriptor` the identity the guest sees (st_dev, st_ino, st_blksize, and for
    /// synthetic objects mode, owner and size). False where nothing had to change.
    func patch(_ status: UnsafeMutablePointer<stat>, ofDescriptor descriptor: Int32) -> Bool
}
