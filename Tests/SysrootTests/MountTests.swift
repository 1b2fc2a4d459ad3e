import CShim
import Glibc
import Host
import LinuxABI
import Testing

@testable import Sysroot

/// A synthetic tree as small as can be: /proc with every kind of object.
final class FakeTree: SyntheticTree {
    let hostDirectory: String
    /// What `/proc/magic` leads to.
    var magic = ""

    init(hostDirectory: String) { self.hostDirectory = hostDirectory }

    var mountPoints: [[UInt8]] { [Array("/proc".utf8)] }

    func kind(at path: [UInt8]) -> SyntheticKind? {
        switch String(decoding: path, as: UTF8.self) {
        case "/proc", "/proc/7": .directory
        case "/proc/self": .symbolicLink(target: Array("7".utf8))
        case "/proc/root": .symbolicLink(target: Array("/".utf8))
        case "/proc/7/status": .file(isWritable: false)
        case "/proc/magic": .magicLink(hostPath: Array(magic.utf8))
        case "/proc/null": .passThrough(hostPath: Array("/dev/null".utf8))
        case "/proc/host": .hostDirectory(hostPath: Array(hostDirectory.utf8))
        default: nil
        }
    }

    func path(ofDescriptor descriptor: Int32) -> [UInt8]? {
        guard let text = HostPath.textOfDescriptor(descriptor), text.starts(with: Array("/memfd:/proc".utf8)) else {
            return nil
        }
        return Array(text.dropFirst(7).dropLast(10))
    }

    func guestPath(ofHostPath path: [UInt8]) -> [UInt8]? {
        guard CanonicalPath.isWithin(path, Array(hostDirectory.utf8)) else { return nil }
        return Array("/proc/host".utf8) + path[hostDirectory.utf8.count...]
    }

    func open(_ path: [UInt8], flags: Int32) throws(GuestErrno) -> Int32 {
        let descriptor = (path + [0]).withUnsafeBytes {
            Int32(Host.raw(Int32(SYS_memfd_create), Int(bitPattern: $0.baseAddress), 0))
        }
        _ = path.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        return descriptor
    }

    func stat(_ path: [UInt8], into status: UnsafeMutablePointer<stat>) throws(GuestErrno) { throw .ENOENT }
    func readlink(_ path: [UInt8]) throws(GuestErrno) -> [UInt8] { throw .EINVAL }
    func mayPatch(device: UInt64) -> Bool { false }
    func patch(_ status: UnsafeMutablePointer<stat>, ofDescriptor descriptor: Int32) -> Bool { false }
}

private func descriptor(_ context: FileSystemContext, _ path: String) -> Int32 {
    let result = try? context.withPathBytes(Array(path.utf8)) { (path) throws(GuestErrno) in
        try context.open(path, from: AT_FDCWD, OpenRequest(lenientFlags: 0, mode: 0), attention: nil)
    }
    return Int32(result ?? -1)
}

@Test func syntheticObjectsAreMetWhereverThePathComesFrom() {
    let tree = populated()
    mkdir(tree.base + "/shm", 0o755)
    tree.outside("shm/file", "SHM")
    symlink("/a/file", tree.base + "/shm/link")
    tree.link("p", "/proc")
    tree.link("a/q", "../proc/self/status")
    tree.directory("proc")
    tree.file("proc/hidden", "hidden")
    let fake = FakeTree(hostDirectory: tree.base + "/shm")
    let context = tree.context(tree: fake)
    for path in [
        "/proc/7/status", "/proc/self/status", "/p/7/status", "/a/q", "/a/../proc/./7//status", "/proc/../p/self/status",
        "/proc/root/proc/7/status", "/proc/host/../7/status",
    ] {
        #expect(context.looked(path) == .content("synthetic /proc/7/status"), "\(path)")
        #expect(context.opened(path) == .content("/proc/7/status"), "\(path)")
    }
    #expect(context.looked("/proc/self", follow: false) == .content("synthetic /proc/self"))
    #expect(context.looked("/proc/self/", follow: false) == .content("synthetic /proc/7"))
    #expect(context.opened("/proc/hidden") == .error(ENOENT))
    #expect(context.opened("/proc/7/status/") == .error(ENOTDIR))
    #expect(context.opened("/proc/7/status/x") == .error(ENOTDIR))
    #expect(context.opened("/proc/..") == .content("dir"))
    #expect(context.opened("/proc/../a/file") == .content("A"))
    #expect(context.opened("/proc/root/a/file") == .content("A"))
    #expect(context.opened("/proc/null", O_RDWR) == .content(""))
    #expect(context.opened("/proc/new", O_RDWR | O_CREAT) == .error(ENOENT))
    #expect(context.opened("/proc/7", O_RDWR) == .error(EISDIR))
    #expect(context.opened("/proc/self", O_RDONLY | O_NOFOLLOW) == .error(ELOOP))

    #expect(context.opened("/proc/host/file") == .content("SHM"))
    #expect(context.opened("/proc/host/link") == .content("A"))
    #expect(context.opened("/proc/host/../../a/file") == .content("A"))
    #expect(context.opened("/proc/host/new", O_RDWR | O_CREAT) == .content(""))
    let shm = descriptor(context, "/proc/host")
    defer { close(shm) }
    #expect(context.path(of: shm) == "/proc/host")
    #expect(context.opened("file", from: shm) == .content("SHM"))
    #expect(context.opened("../7/status", from: shm) == .content("/proc/7/status"))
    #expect(context.opened("../../../../secret", from: shm) == .error(ENOENT))

    #expect(context.made("/proc") == EEXIST)
    #expect(context.made("/proc/new") == ENOENT)
    #expect(context.changed("/proc", .removeDirectory) { _, _ in 0 } == EBUSY)
    #expect(context.changed("/proc", .unlink) { _, _ in 0 } == EISDIR)
    #expect(context.changed("/p/7", .removeDirectory) { _, _ in 0 } == EPERM)
}

@Test func syntheticDirectoriesServeAsStarts() throws {
    let tree = populated()
    let context = tree.context(tree: FakeTree(hostDirectory: tree.base))
    let proc = descriptor(context, "/proc")
    let status = descriptor(context, "/proc/7/status")
    defer {
        close(proc)
        close(status)
    }
    #expect(context.path(of: proc) == "/proc")
    #expect(context.opened("7/status", from: proc) == .content("/proc/7/status"))
    #expect(context.opened("../a/file", from: proc) == .content("A"))
    #expect(context.opened("x", from: status) == .error(ENOTDIR))
    #expect(context.looked("self", follow: false, from: proc) == .content("synthetic /proc/self"))
    #expect(context.made("x", from: proc) == ENOENT)
}

@Test func magicLinksLeadToObjects() {
    let tree = populated()
    let fake = FakeTree(hostDirectory: tree.base)
    let context = tree.context(tree: fake)
    let file = Glibc.open(tree.root + "/a/file", O_RDONLY)
    let directory = Glibc.open(tree.root + "/a/b", O_RDONLY)
    var pipes: [Int32] = [0, 0]
    pipe(&pipes)
    defer { for descriptor in [file, directory, pipes[0], pipes[1]] { close(descriptor) } }
    fake.magic = "/proc/self/fd/\(file)"
    #expect(context.opened("/proc/magic") == .content("A"))
    #expect(context.opened("/proc/magic", O_RDONLY | O_NOFOLLOW) == .error(ELOOP))
    #expect(context.opened("/proc/magic/") == .error(ENOTDIR))
    #expect(context.looked("/proc/magic", follow: false) == .content("synthetic /proc/magic"))
    fake.magic = "/proc/self/fd/\(directory)"
    #expect(context.opened("/proc/magic/c/deep") == .content("deep"))
    #expect(context.opened("/proc/magic/../file") == .content("A"))
    #expect(context.opened("/proc/magic/abs") == .content("A"))
    fake.magic = "/proc/self/fd/\(pipes[1])"
    #expect(context.opened("/proc/magic", O_WRONLY) != .error(ENOENT))
    #expect(context.path(of: pipes[0])?.hasPrefix("pipe:[") == true)
}

@Test func bindsAreTreesOfTheirOwn() {
    let tree = populated()
    mkdir(tree.base + "/data", 0o755)
    mkdir(tree.base + "/data/sub", 0o755)
    tree.outside("data/file", "D")
    tree.outside("secret", "SECRET")
    tree.outside("single", "SINGLE")
    symlink("../secret", tree.base + "/data/escape")
    symlink("/a/file", tree.base + "/data/absolute")
    let context = tree.context(binds: [
        .init(tree.base + "/data", "/mnt/d"), .init(tree.base + "/data", "/lib/ro/", readOnly: true),
        .init(tree.base + "/single", "/a/file2"),
    ])
    // The sysroot has no /mnt: the bind is there all the same.
    #expect(context.opened("/mnt/d/file") == .content("D"))
    #expect(context.opened("/mnt/d/../d/file") == .content("D"))
    #expect(context.opened("/mnt/d/..") == .error(ENOENT))
    #expect(context.opened("/mnt/d/sub/../file") == .content("D"))
    #expect(context.opened("/mnt/d/escape") == .error(ENOENT))
    #expect(context.opened("/mnt/d/absolute") == .content("A"))
    #expect(context.opened("/mnt/d/../../a/file") == .error(ENOENT))
    #expect(context.opened("/mnt/d/new", O_RDWR | O_CREAT) == .content(""))
    #expect(context.made("/mnt/d") == ENOENT)
    #expect(context.made("/mnt") == 0)
    #expect(context.made("/mnt/d") == EEXIST)
    #expect(context.made("/mnt/d/made") == 0)

    // Bound below the link /lib, so it is at /usr/lib/ro.
    for path in ["/lib/ro", "/usr/lib/ro"] {
        #expect(context.opened(path + "/file") == .content("D"))
        #expect(context.opened(path + "/../libc.so") == .content("libc"))
        #expect(context.opened(path + "/file", O_RDWR) == .error(EROFS))
        #expect(context.opened(path + "/file", O_RDONLY | O_TRUNC) == .error(EROFS))
        #expect(context.opened(path + "/file", O_RDONLY | O_CREAT) == .content("D"))
        #expect(context.opened(path + "/file", O_RDONLY | O_CREAT | O_EXCL) == .error(EEXIST))
        #expect(context.opened(path + "/other", O_RDONLY | O_CREAT) == .error(EROFS))
        #expect(context.opened(path + "/other", O_RDWR) == .error(ENOENT))
        #expect(context.opened(path, O_RDWR | O_DIRECTORY | Int32(VMRUN_O_TMPFILE_BIT)) == .error(EROFS))
        #expect(context.made(path + "/x") == EROFS)
        #expect(context.made(path + "/sub") == EEXIST)
        #expect(context.changed(path + "/file", .unlink) { _, _ in 0 } == EROFS)
    }
    let readOnly = descriptor(context, "/usr/lib/ro/sub")
    let writable = descriptor(context, "/mnt/d")
    defer {
        close(readOnly)
        close(writable)
    }
    #expect(context.made("x", from: readOnly) == EROFS)
    #expect(context.opened("x", O_RDWR | O_CREAT, from: readOnly) == .error(EROFS))
    #expect(context.opened("../file", O_RDWR, from: readOnly) == .error(EROFS))

    #expect(context.opened("/a/file2") == .content("SINGLE"))
    #expect(context.opened("/a/b/../file2", O_RDWR) == .content("SINGLE"))
    #expect(context.opened("/a/file2/") == .error(ENOTDIR))
    #expect(context.opened("/a/file2/x") == .error(ENOTDIR))
    #expect(context.opened("/a/file2/..") == .error(ENOTDIR))
    #expect(context.looked("/a/file2", follow: false) == .content("SINGLE"))
    #expect(context.changed("/a/file2", .unlink) { _, _ in 0 } == EBUSY)
}

/// Names of mounts at other places, and mounts by ways that do not show it.
@Test func mountsAreMetByEveryWayAndNowhereElse() {
    let tree = populated()
    tree.outside("secret", "SECRET")
    mkdir(tree.base + "/data", 0o755)
    tree.outside("data/file", "D")
    for path in ["proc", "a/proc", "a/proc/7", "a/b/proc", "mnt", "mnt/d", "a/mnt", "a/mnt/d"] { tree.directory(path) }
    tree.file("a/proc/7/status", "a plain file")
    tree.file("a/mnt/d/file", "plain")
    tree.file("mnt/d/file", "hidden below the bind")
    tree.link("a/b/m", "/mnt")
    tree.link("m", "mnt/../mnt")
    tree.link("a/b/root", "/")
    let context = tree.context(
        binds: [.init(tree.base + "/data", "/mnt/d")], tree: FakeTree(hostDirectory: tree.base + "/data"))
    for path in ["/a/proc/7/status", "/a/b/../proc/7/status", "/a//proc/7/status", "/a/./proc/./7/status", "/../a/proc/7/status"] {
        #expect(context.opened(path) == .content("a plain file"), "\(path)")
    }
    for path in ["/proc/7/status", "//proc/7/status", "/./proc/7/status", "/a/../proc/7/status", "/a/b/root/proc/7/status", "/../proc/7/status"] {
        #expect(context.looked(path) == .content("synthetic /proc/7/status"), "\(path)")
    }
    for path in ["/a/mnt/d/file", "/a/b/../mnt/d/file", "/a/mnt//d/file"] {
        #expect(context.opened(path) == .content("plain"), "\(path)")
    }
    for path in [
        "/mnt/d/file", "/mnt//d/file", "/mnt/./d/file", "/a/../mnt/d/file", "/a/b/m/d/file", "/m/d/file", "/m/../mnt/d/file",
        "/a/mnt/../../mnt/d/file",
    ] {
        #expect(context.opened(path) == .content("D"), "\(path)")
        #expect(context.looked(path) == .content("D"), "\(path)")
    }
    for path in ["/mnt/d/../../secret", "/mnt/d/../../../secret", "/a/../mnt/d/../../secret"] {
        #expect(context.opened(path) == .error(ENOENT), "\(path)")
    }
    // The mount is met from each directory above it too, where it is a name or two.
    for (above, name) in [("/mnt", "d/file"), ("/", "mnt/d/file"), ("/a", "../mnt/d/file"), ("/a/mnt", "../../mnt/d/file")] {
        let start = descriptor(context, above)
        defer { close(start) }
        #expect(context.opened(name, from: start) == .content("D"), "\(above) \(name)")
    }
    let a = descriptor(context, "/a")
    defer { close(a) }
    #expect(context.opened("mnt/d/file", from: a) == .content("plain"))
    #expect(context.opened("proc/7/status", from: a) == .content("a plain file"))
    // So it is where the guest's root is another directory.
    try? context.withPathBytes(Array("/mnt".utf8)) { (path) throws(GuestErrno) in
        try context.changeRoot(path, isPermitted: true)
    }
    #expect(context.opened("/d/file") == .content("D"))
    #expect(context.opened("/../d/file") == .content("D"))
    #expect(context.opened("/d/../d/file") == .content("D"))
    #expect(context.opened("/d/../../a/file") == .error(ENOENT))
}

@Test func fallbackShowsTheHostAndChangesNothingThere() {
    let tree = populated()
    tree.outside("host", "HOST")
    mkdir(tree.base + "/dir", 0o755)
    let context = tree.context(fallback: true)
    #expect(context.opened("/a/file") == .content("A"))
    #expect(context.opened(tree.base + "/host") == .content("HOST"))
    #expect(context.opened(tree.base + "/dir/../host") == .content("HOST"))
    #expect(context.looked(tree.base + "/host") == .content("HOST"))
    #expect(context.opened(tree.base + "/host", O_RDWR) == .error(EROFS))
    #expect(context.opened(tree.base + "/new", O_RDWR | O_CREAT) == .error(ENOENT))
    #expect(context.made(tree.base + "/new") == ENOENT)
    let directory = descriptor(context, tree.base + "/dir")
    defer { close(directory) }
    #expect(context.path(of: directory) == tree.base + "/dir")
    #expect(context.opened("../host", from: directory) == .content("HOST"))
    #expect(context.opened("new", O_RDWR | O_CREAT, from: directory) == .error(EROFS))
    #expect(context.made("new", from: directory) == EROFS)
    #expect(context.opened("/made", O_RDWR | O_CREAT) == .content(""))
}

@Test func theHostsOwnProcfsIsNowhere() {
    let tree = populated()
    tree.directory("proc")
    let context = tree.context(binds: [
        .init("/", "/host"), .init("/proc", "/p"), .init("/proc/self", "/self", readOnly: true),
    ])
    #expect(context.opened("/host/etc/passwd") != .error(ENOENT))
    for path in [
        "/host/proc/self/mem", "/host/proc/1/root", "/p/self/mem", "/p/self/cwd", "/self/mem",
        "/host/etc/../proc/self/fd",
    ] {
        #expect(context.opened(path) == .error(ENOENT), "\(path)")
        #expect(context.looked(path, follow: false) == .error(ENOENT), "\(path)")
    }
    let fallback = tree.context(fallback: true)
    #expect(fallback.opened("/proc/self/mem") == .error(ENOENT))
    let text = "22 1 0:20 / /a\\040b/proc rw,nosuid shared:5 - proc proc rw\n23 1 0:21 / /sys rw - sysfs sysfs rw\n24 1 8:1 / / rw - ext4 /dev/proc rw\n"
    #expect(HostMounts.parse(Array(text.utf8)) == [Array("/a b/proc".utf8)])
}
