import CShim
import Host
import LinuxABI

/// An existing object that a path led to.
public enum PathObject {
    /// An O_PATH descriptor, close-on-exec; the caller closes it.
    case descriptor(Int32)
    /// An object of the synthetic tree; a link only where it was not to be followed.
    case synthetic([UInt8], SyntheticKind)
}

/// One resolution of one path, component by component in text, with the host kernel asked as late as possible.
///
/// Where the walk is is `anchor`, an open directory, and `done`, a path below it that names no `..`. The host sees only that
/// pair, always with RESOLVE_NO_SYMLINKS, so it can go nowhere but down from the anchor, whatever is renamed meanwhile. A
/// symbolic link in the way shows as ELOOP; then its text takes its place. `..` is undone in the text once the host has said
/// that what it leaves is a directory. Mounts are met by comparing canonical guest paths.
struct PathWalk: ~Copyable {
    /// Where the components ended.
    enum Landing {
        /// At `done` below `anchor`, which may or may not exist.
        case host
        /// At a synthetic object.
        case synthetic([UInt8], SyntheticKind)
        /// At the object that a followed magic link leads to, reached through this host path.
        case magic([UInt8])
    }

    /// What the path's end demands of the last component.
    private enum Ending { case any, slash, dot }

    /// As in Linux: symbolic links in one resolution.
    private static let mostLinks = 40
    /// Tries that were in vain because the tree changed under them.
    private static let mostRaces = 64
    private static let resolveDown = UInt64(RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_IN_ROOT)

    private let files: FileSystemContext
    private let start: Int32
    private let followLast: Bool
    /// The guest's own RESOLVE_* flags (openat2).
    private let resolve: UInt64
    private let usesFallback: Bool

    private var anchor: Int32
    private var ownsAnchor = false
    private var anchorIsFile = false
    /// Where the anchor is, as seen from the root of the whole view; nil: not asked yet.
    private var base: Location?
    private var done: [UInt8] = []
    /// So many bytes of `done` the host has said to be a directory that may be searched; -1: not even the anchor was asked about.
    private var verified = -1
    /// The walk is at this synthetic directory, and not at `anchor` and `done`.
    private var synthetic: [UInt8]? = nil
    private var rest: [UInt8]
    private var next = 0
    private var ending = Ending.any
    private var hasBegun = false
    /// The host was already asked for the whole path, and answered ELOOP.
    private var hasLink: Bool
    private var links = 0
    private var races = 0

    /// `directory` is where a relative path starts: a descriptor or AT_FDCWD. With `usesFallback` paths are looked up on the
    /// host, as far as mounts allow. `hasLink`: the host found a symbolic link in the path, which has no `..` and no mount.
    init(
        _ files: FileSystemContext, path: [UInt8], from directory: Int32, followLast: Bool, resolve: UInt64 = 0,
        usesFallback: Bool = false, hasLink: Bool = false
    ) {
        self.files = files
        self.start = directory
        self.followLast = followLast
        self.resolve = resolve
        self.usesFallback = usesFallback
        self.hasLink = hasLink
        rest = path
        anchor = directory
    }

    deinit { if ownsAnchor { Host.close(anchor) } }

    // MARK: - Going on in the text

    /// Takes up the remaining components.
    mutating func land() throws(GuestErrno) -> Landing {
        if !hasBegun { try begin() }
        while let component = nextComponent() {
            let isLast = next == rest.count
            if isDot(component) {
                if isLast { ending = .dot }
                continue
            }
            if isDotDot(component) {
                // The kernel refuses both ends alike.
                if isLast { ending = .dot }
                try ascend(component)
                continue
            }
            if let here = synthetic {
                if let landing = try descend(here, component, isLast) { return landing }
                continue
            }
            if anchorIsFile { throw .ENOTDIR }
            if try enterMount(component) { continue }
            if !done.isEmpty { done.append(slash) }
            done.append(contentsOf: rest[component])
        }
        if let here = synthetic { return .synthetic(here, .directory) }
        if anchorIsFile && ending != .any { throw .ENOTDIR }
        return .host
    }

    private mutating func begin() throws(GuestErrno) {
        hasBegun = true
        let isAbsolute = rest.first == slash
        if isAbsolute && resolve & UInt64(RESOLVE_BENEATH) != 0 { throw .EXDEV }
        if isAbsolute && resolve & UInt64(RESOLVE_IN_ROOT) == 0 { return goToRoot() }
        try goToStart()
        if usesFallback, synthetic == nil {
            guard case .inside(let path) = location() else { throw .ENOENT }
            goTo(path)
        }
    }

    private mutating func goToStart() throws(GuestErrno) {
        setAnchor(start, nil)
        if start == AT_FDCWD {
            synthetic = files.syntheticWorkingDirectory
        } else if let tree = files.tree, let path = tree.path(ofDescriptor: start) {
            // What is not there any more was a directory of a process.
            guard let kind = tree.kind(at: path) else { throw .ESRCH }
            guard case .directory = kind else { throw .ENOTDIR }
            synthetic = path
        }
    }

    private mutating func goToRoot() {
        let root = files.rootPath
        if usesFallback { return goTo(root) }
        setAnchor(files.rootDescriptor, .inside(root))
    }

    private mutating func setAnchor(_ descriptor: Int32, _ location: Location?, owned: Bool = false, isFile: Bool = false) {
        if ownsAnchor { Host.close(anchor) }
        anchor = descriptor
        ownsAnchor = owned
        anchorIsFile = isFile
        base = location
        done = []
        verified = -1
        synthetic = nil
    }

    /// Goes to a canonical path of the whole view.
    private mutating func goTo(_ path: [UInt8]) {
        let mount = files.mounts.mount(containing: path)
        let below = Array(path[mount.path.count...].drop { $0 == slash })
        enter(mount)
        if mount.isSynthetic {
            // Host directories in the tree are found again from above.
            rest = below + [slash] + rest[next...]
            next = 0
        } else {
            done = below
        }
    }

    private mutating func enter(_ mount: Mount) {
        let isRoot = mount.path.isEmpty
        let descriptor = isRoot && usesFallback ? files.mounts.fallbackDescriptor : mount.descriptor
        setAnchor(descriptor, .inside(mount.path), isFile: mount.isFile)
        if mount.isSynthetic { synthetic = mount.path }
    }

    private mutating func nextComponent() -> Range<Int>? {
        while next < rest.count && rest[next] == slash { next += 1 }
        guard next < rest.count else { return nil }
        let first = next
        while next < rest.count && rest[next] != slash { next += 1 }
        let end = next
        while next < rest.count && rest[next] == slash { next += 1 }
        if next == rest.count && next > end && ending == .any { ending = .slash }
        return first..<end
    }

    private func isDot(_ range: Range<Int>) -> Bool { range.count == 1 && rest[range.lowerBound] == dot }

    private func isDotDot(_ range: Range<Int>) -> Bool {
        range.count == 2 && rest[range.lowerBound] == dot && rest[range.lowerBound + 1] == dot
    }

    /// Where the anchor is.
    private mutating func location() -> Location {
        if let base { return base }
        let found = files.location(of: anchor)
        base = found
        return found
    }

    /// The canonical path of where the walk is; nil outside the view.
    private mutating func path() -> [UInt8]? {
        if let synthetic { return synthetic }
        guard case .inside(let path) = location() else { return nil }
        return done.isEmpty ? path : path + [slash] + done
    }

    // MARK: - Steps

    /// `..`: up, but not above the root.
    private mutating func ascend(_ component: Range<Int>) throws(GuestErrno) {
        if try isAtFloor() { return }
        if let here = synthetic { return try goToParent(of: here) }
        if anchorIsFile { throw .ENOTDIR }
        // A link found on the way is put before `..`, which is then still to come.
        let afterwards = next
        next = component.lowerBound
        guard try verifyDone() else { return }
        next = afterwards
        if !done.isEmpty {
            done.removeLast(done.count - (done.lastIndex(of: slash) ?? 0))
            // What led to a directory is one too.
            verified = done.count
            return
        }
        switch location() {
        case .inside(let path): try goToParent(of: path)
        case .deleted: throw .ENOENT
        case .tooDeep: try goUpOnHost()
        // What lies above is nobody's: as at a root.
        case .outside: return
        }
    }

    /// Leaves a directory whose name is too long to be told by the host's own `..`: it is no root, so its parent is in the view
    /// as it is itself.
    private mutating func goUpOnHost() throws(GuestErrno) {
        let result = HostPath.withStaticPath("..") {
            Host.raw(
                Int32(SYS_openat), Int(anchor), $0.argument,
                VMRUN_O_PATH | VMRUN_O_DIRECTORY | VMRUN_O_NOFOLLOW | Int(O_CLOEXEC))
        }
        if result < 0 { throw GuestErrno(Int32(-result)) }
        setAnchor(Int32(result), nil, owned: true)
    }

    private mutating func goToParent(of path: [UInt8]) throws(GuestErrno) {
        let before = files.mounts.mount(containing: path).path
        goTo(CanonicalPath.parent(path))
        if resolve & UInt64(RESOLVE_NO_XDEV) != 0, let now = self.path(),
            files.mounts.mount(containing: now).path != before
        {
            throw .EXDEV
        }
    }

    /// Whether `..` stays where it is: at the guest's root, or with RESOLVE_IN_ROOT at the start.
    private mutating func isAtFloor() throws(GuestErrno) -> Bool {
        let scoped = resolve & UInt64(RESOLVE_BENEATH | RESOLVE_IN_ROOT) != 0
        let root = files.rootPath
        // Without chroot and scope only an anchor can be the root.
        if !scoped && root.isEmpty && !done.isEmpty { return false }
        guard let here = path() else {
            if scoped && done.isEmpty && resolve & UInt64(RESOLVE_BENEATH) != 0 { throw .EXDEV }
            return false
        }
        if scoped, case .inside(let floor) = files.location(of: start), here == floor {
            if resolve & UInt64(RESOLVE_BENEATH) != 0 { throw .EXDEV }
            return true
        }
        return here.isEmpty || here == root
    }

    /// Asks the host whether `done` is a directory that may be searched. False where a link was found and spliced instead.
    private mutating func verifyDone() throws(GuestErrno) -> Bool {
        if done.count <= verified { return true }
        if done.isEmpty {
            try verifyAnchor()
            return true
        }
        let before = ending
        ending = .dot
        let result = openHost(flags: VMRUN_O_PATH | VMRUN_O_DIRECTORY | Int(O_CLOEXEC), mode: 0)
        ending = before
        if result >= 0 {
            Host.close(Int32(result))
            verified = done.count
            return true
        }
        guard result == -Int(ELOOP) else { throw GuestErrno(Int32(-result)) }
        return try !spliceFirstLink(followLast: true)
    }

    private mutating func verifyAnchor() throws(GuestErrno) {
        var status = stat()
        let result = withUnsafeMutablePointer(to: &status) { status in
            HostPath.withStaticPath(".") {
                Host.raw(Int32(SYS_newfstatat), Int(anchor), $0.argument, status.argument, VMRUN_AT_SYMLINK_NOFOLLOW)
            }
        }
        if result < 0 { throw GuestErrno(Int32(-result)) }
        verified = 0
    }

    /// Enters the mount at this component, if there is one.
    private mutating func enterMount(_ component: Range<Int>) throws(GuestErrno) -> Bool {
        let mounts = files.mounts
        let isName = rest.withUnsafeBufferPointer { bytes in
            bytes.baseAddress.map { mounts.mayBeMount($0 + component.lowerBound, component.count) } ?? false
        }
        guard isName, let here = path(), let mount = mounts.mount(at: here + [slash] + rest[component]) else { return false }
        if resolve & UInt64(RESOLVE_NO_XDEV) != 0 { throw .EXDEV }
        enter(mount)
        return true
    }

    /// One component down in the synthetic tree; the landing where it ends there.
    private mutating func descend(
        _ here: [UInt8], _ component: Range<Int>, _ isLast: Bool
    ) throws(GuestErrno) -> Landing? {
        if try enterMount(component) { return nil }
        let child = here + [slash] + rest[component]
        guard let kind = files.tree?.kind(at: child) else { throw .ENOENT }
        let follows = !isLast || mustFollow(followLast)
        switch kind {
        case .directory:
            synthetic = child
        case .file, .passThrough:
            if !isLast || ending != .any { throw .ENOTDIR }
            return .synthetic(child, kind)
        case .symbolicLink(let target):
            guard follows else { return .synthetic(child, kind) }
            try splice(target)
        case .magicLink(let hostPath):
            guard follows else { return .synthetic(child, kind) }
            try countLink()
            if resolve & UInt64(RESOLVE_NO_MAGICLINKS) != 0 { throw .ELOOP }
            if resolve & UInt64(RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_NO_XDEV) != 0 { throw .EXDEV }
            if isLast && ending == .any { return .magic(hostPath) }
            setAnchor(try files.openHostDirectory(hostPath), nil, owned: true)
        case .hostDirectory(let hostPath):
            if resolve & UInt64(RESOLVE_NO_XDEV) != 0 { throw .EXDEV }
            setAnchor(try files.openHostDirectory(hostPath), .inside(child), owned: true)
        }
        return nil
    }

    // MARK: - Symbolic links

    private mutating func countLink() throws(GuestErrno) {
        links += 1
        if links > Self.mostLinks || resolve & UInt64(RESOLVE_NO_SYMLINKS) != 0 { throw .ELOOP }
    }

    /// Puts a link's text in front of what remains.
    private mutating func splice(_ target: [UInt8]) throws(GuestErrno) {
        try countLink()
        if target.isEmpty { throw .ENOENT }
        // The text has room behind it: `readLink` reads into a buffer for the longest.
        var spliced = target
        if next < rest.count {
            spliced.append(slash)
            spliced.append(contentsOf: rest[next...])
        }
        rest = spliced
        next = 0
        guard target[0] == slash else { return }
        if resolve & UInt64(RESOLVE_BENEATH) != 0 { throw .EXDEV }
        if resolve & UInt64(RESOLVE_IN_ROOT) != 0 { try goToStart() } else { goToRoot() }
    }

    /// After ELOOP: finds the first symbolic link in `done` and splices it. False where the last component is the only one
    /// and is not to be followed, so that ELOOP is the answer.
    ///
    /// The host answers ELOOP for every beginning of the path that goes through the link, so its place is found by halving. The
    /// first and the last component are tried before: links like `/lib` and `libc.so` are the usual ones.
    mutating func spliceFirstLink(followLast: Bool) throws(GuestErrno) -> Bool {
        races += 1
        if races > Self.mostRaces { throw .ELOOP }
        let firstEnd = done.firstIndex(of: slash) ?? done.count
        if done.isEmpty || (firstEnd == done.count && !followLast) { return false }
        if let target = linkText(anchor, upTo: firstEnd) {
            try splice(target, from: 0, to: firstEnd)
            return true
        }
        // The link ends behind `low` and not behind `high`.
        var low = firstEnd
        var high = followLast ? done.count : done.lastIndex(of: slash) ?? firstEnd
        var end = high
        while low < high {
            switch try probe(upTo: end) {
            case .link(let target):
                let slashBefore = done[..<end].lastIndex(of: slash) ?? 0
                try splice(target, from: slashBefore, to: end)
                return true
            case .noLink: low = end
            case .throughLink: high = done[..<end].lastIndex(of: slash) ?? low
            }
            end = Self.boundary(in: done, between: low, and: high)
        }
        // No link any more, where one is looked for at the end too: the tree changed, so another try is due.
        return followLast
    }

    /// What the host says of a beginning of `done`.
    private enum Probe {
        case link([UInt8])
        case noLink
        /// A component before its last one is a link.
        case throughLink
    }

    private mutating func probe(upTo end: Int) throws(GuestErrno) -> Probe {
        var how = open_how()
        how.flags = UInt64(VMRUN_O_PATH | VMRUN_O_NOFOLLOW | Int(O_CLOEXEC))
        how.resolve = Self.resolveDown
        let anchor = anchor
        let result = withDone(upTo: end) { FileSystemContext.openat2(anchor, $0.argument, &how, nil) }
        if result == -Int(ELOOP) { return .throughLink }
        if result < 0 { throw GuestErrno(Int32(-result)) }
        defer { Host.close(Int32(result)) }
        return HostPath.withStaticPath("") { HostPath.readLink(Int32(result), $0) }.map { .link($0) } ?? .noLink
    }

    /// The end of the component in the middle of those that end behind `low` and not behind `high`; `high` where there is none but
    /// that.
    private static func boundary(in text: [UInt8], between low: Int, and high: Int) -> Int {
        guard low < high else { return high }
        let middle = low + (high - low) / 2
        if let before = text[(low + 1)..<(middle + 1)].lastIndex(of: slash) { return before }
        return text[(middle + 1)..<high].firstIndex(of: slash) ?? high
    }

    private mutating func linkText(_ directory: Int32, upTo end: Int) -> [UInt8]? {
        withDone(upTo: end) { HostPath.readLink(directory, $0) }
    }

    /// Calls `body` with the beginning of `done` as a NUL-terminated path.
    private mutating func withDone<Result>(upTo end: Int, _ body: (UnsafePointer<CChar>) -> Result) -> Result {
        let isWhole = end == done.count
        if isWhole { done.append(0) } else { done[end] = 0 }
        defer { if isWhole { done.removeLast() } else { done[end] = slash } }
        return done.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { fatalError("no path") }
            return body(base.assumingMemoryBound(to: CChar.self))
        }
    }

    /// Puts the text of the link that stands in `done` between a slash at `start` (or the beginning) and `end` in its place.
    private mutating func splice(_ target: [UInt8], from start: Int, to end: Int) throws(GuestErrno) {
        if end < done.count {
            var behind = Array(done[(end + 1)...])
            if next < rest.count { behind.append(slash) }
            rest.replaceSubrange(0..<next, with: behind)
            next = 0
        }
        done.removeLast(done.count - start)
        verified = start
        try splice(target)
    }

    // MARK: - The host's turn

    /// Opens where the walk landed on the host: the kernel's result.
    mutating func openHost(
        flags: Int, mode: UInt64, attention: UnsafePointer<UInt32>? = nil
    ) -> Int {
        if hasLink {
            hasLink = false
            return -Int(ELOOP)
        }
        if anchorIsFile { return files.reopen(anchor, flags: flags, mode: mode, attention: attention) }
        var how = open_how()
        how.flags = UInt64(bitPattern: Int64(flags))
        how.mode = mode
        how.resolve = Self.resolveDown | (resolve & UInt64(RESOLVE_NO_XDEV))
        let count = done.count
        if done.isEmpty { done.append(dot) }
        switch ending {
        case .any: break
        case .slash: done.append(slash)
        case .dot:
            done.append(slash)
            done.append(dot)
        }
        done.append(0)
        defer { done.removeLast(done.count - count) }
        return done.withUnsafeBytes {
            FileSystemContext.openat2(anchor, Int(bitPattern: $0.baseAddress), &how, attention)
        }
    }

    /// The object that the path names.
    mutating func openObject(flags: Int = 0) throws(GuestErrno) -> PathObject {
        while true {
            switch try land() {
            case .synthetic(let path, let kind):
                if case .directory = kind { return .synthetic(path, kind) }
                if flags & VMRUN_O_DIRECTORY != 0 { throw .ENOTDIR }
                return .synthetic(path, kind)
            case .magic(let hostPath):
                return .descriptor(try files.openHostObject(hostPath, flags: flags))
            case .host:
                let follows = mustFollow(followLast)
                let result = openHost(
                    flags: VMRUN_O_PATH | Int(O_CLOEXEC) | flags | (follows ? 0 : VMRUN_O_NOFOLLOW), mode: 0)
                if result >= 0 { return .descriptor(Int32(result)) }
                guard result == -Int(ELOOP), try spliceFirstLink(followLast: follows) else {
                    throw GuestErrno(Int32(-result))
                }
            }
        }
    }

    /// Whether a link at the end is followed: the path's end can demand it.
    func mustFollow(_ followLast: Bool) -> Bool { followLast || ending != .any }

    /// Whether what the walk landed at may not be changed.
    mutating func isReadOnly() -> Bool {
        guard files.mounts.hasReadOnly, synthetic == nil else { return false }
        // A descriptor of the guest's tells only by itself which tree it is in.
        if ownsAnchor || anchor == start { return files.isReadOnly(descriptor: anchor) }
        guard let here = path() else { return false }
        let mount = files.mounts.mount(containing: here)
        return mount.readOnly || (usesFallback && mount.path.isEmpty)
    }
}
