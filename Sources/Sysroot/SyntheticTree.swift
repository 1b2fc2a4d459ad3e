/// What the resolver meets at a synthetic path (/proc, /dev). Paths are canonical absolute guest paths as bytes, without a
/// trailing slash.
public enum SyntheticKind {
    case directory
    case file
    /// A symbolic link with a textual target, followed like any other (`/proc/self`, `/dev/fd`).
    case symbolicLink(target: [UInt8])
    /// A link that leads to an object, not to a name (`/proc/self/fd/3`, `/proc/self/cwd`, `/proc/self/exe`): the host path
    /// to open it through, for instance `/proc/self/fd/3` of vmrun itself.
    case magicLink(hostPath: [UInt8])
    /// A host file shown as it is at this place (`/dev/null`, `/proc/meminfo`): opened by its host path.
    case passThrough(hostPath: [UInt8])
    /// A host directory mounted here (`/dev/pts`, `/dev/shm`): its children are host files, reached through this host path.
    case hostDirectory(hostPath: [UInt8])
}

/// The tree of synthetic objects, as the resolver sees it. SyntheticFS implements it.
public protocol SyntheticTree: AnyObject {
    /// The object at `path` (which begins with one of `mountPoints`), or nil where there is none (ENOENT).
    func kind(at path: [UInt8]) -> SyntheticKind?
    /// Guest directories that are synthetic: `/proc`, `/dev`.
    var mountPoints: [[UInt8]] { get }
    /// The guest path of an open synthetic descriptor (a directory or file opened by SyntheticFS), or nil for all others.
    func path(ofDescriptor descriptor: Int32) -> [UInt8]?
}
