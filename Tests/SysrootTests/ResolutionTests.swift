import CShim
import Glibc
import LinuxABI
import Testing

@testable import Sysroot

/// A tree with every kind of way in it.
func populated() -> TestTree {
    let tree = TestTree()
    for path in ["a", "a/b", "a/b/c", "empty", "usr", "usr/lib"] { tree.directory(path) }
    tree.file("a/file", "A")
    tree.file("a/b/c/deep", "deep")
    tree.file("usr/lib/libc.so", "libc")
    tree.link("lib", "usr/lib")
    tree.link("a/up", "..")
    tree.link("a/tofile", "file")
    tree.link("a/b/abs", "../file")
    tree.link("dangling", "a/new")
    tree.link("dangling2", "nowhere/new")
    tree.link("loop", "loop2")
    tree.link("loop2", "loop")
    tree.link("slashed", "a/")
    tree.link("fileslashed", "a/file/")
    tree.link("chain", "lib/../lib/../lib")
    tree.link("dotted", "a/b/.")
    // For tests by a user who is not root.
    tree.directory("closed", mode: 0)
    tree.directory("listed", mode: 0o444)
    tree.link("through", "closed/../a/file")
    return tree
}

private let relativePaths = [
    "a", "a/", "a//b", "a/./b", "a/b/..", "a/b/../file", "a/file", "a/file/", "a/file/.", "a/file/..", "a/file/x", "nope",
    "nope/", "nope/x", "nope/..", "lib", "lib/", "lib/libc.so", "lib/libc.so/", "lib/../libc.so", "lib/../lib/libc.so",
    "a/up", "a/up/a/file", "a/tofile", "a/tofile/", "a/b/abs", "dangling", "dangling/", "dangling2", "dangling2/", "loop",
    "loop/x", "loop/", "slashed", "slashed/file", "slashed/b/c/deep", "fileslashed", "chain/libc.so", "chain", "dotted",
    "dotted/c/deep", ".", "./", "./a", "a/b/c/../../b/c/deep", "a/..//a/./b/c/.", "dangling/..", "a/b/c/deep/../deep", "closed",
    "closed/", "closed/.", "closed/..", "closed/x", "closed/../a/file", "listed/.", "listed/..", "listed/x", "through",
]

@Test func opensAgreeWithTheHost() {
    let flagSets: [Int32] = [
        O_RDONLY, O_WRONLY, O_RDONLY | O_DIRECTORY, O_RDONLY | O_NOFOLLOW, O_RDONLY | O_NOFOLLOW | O_DIRECTORY,
        Int32(VMRUN_O_PATH), Int32(VMRUN_O_PATH) | O_NOFOLLOW, O_RDWR | O_CREAT, O_RDWR | O_CREAT | O_EXCL,
        O_RDWR | O_CREAT | O_NOFOLLOW, O_WRONLY | O_TRUNC, O_RDONLY | O_CREAT | O_DIRECTORY,
        O_RDWR | O_DIRECTORY | Int32(VMRUN_O_TMPFILE_BIT), O_RDONLY | Int32(VMRUN_O_TMPFILE_BIT),
    ]
    let shared = populated()
    let sharedContext = shared.context()
    for flags in flagSets {
        let changes = flags & (O_CREAT | O_TRUNC) != 0
        for path in relativePaths {
            // Where the tree changes each side gets its own.
            let (mine, theirs) = changes ? (populated(), populated()) : (shared, shared)
            let context = changes ? mine.context() : sharedContext
            let expected = hostOpen(theirs.root + "/" + path, flags)
            #expect(context.opened("/" + path, flags) == expected, "\(path) \(flags)")
            #expect(mine.exists("a/new") == theirs.exists("a/new"), "\(path) \(flags)")
            if flags & O_CREAT == 0 {
                let directory = Glibc.open(mine.root, O_RDONLY | O_DIRECTORY)
                #expect(context.opened(path, flags, from: directory) == expected, "\(path) \(flags) by descriptor")
                close(directory)
            }
        }
    }
}

@Test func lookupsAgreeWithTheHost() {
    let tree = populated()
    let context = tree.context()
    for path in relativePaths {
        for follow in [true, false] {
            var status = stat()
            let full = tree.root + "/" + path
            let result = fstatat(AT_FDCWD, full, &status, follow ? 0 : Int32(VMRUN_AT_SYMLINK_NOFOLLOW))
            let isLink = result == 0 && status.st_mode & S_IFMT == S_IFLNK
            let expected: Outcome =
                result != 0 ? .error(errno) : isLink ? .content("link") : hostOpen(full, O_RDONLY)
            #expect(context.looked("/" + path, follow: follow) == expected, "\(path) follow \(follow)")
        }
    }
}

@Test func entriesAgreeWithTheHost() {
    let calls: [(String, EntryPurpose, (Int32, UnsafePointer<CChar>) -> Int32)] = [
        ("mkdir", .create, { mkdirat($0, $1, 0o755) }),
        ("mknod", .create, { mknodat($0, $1, S_IFIFO | 0o644, 0) }),
        ("symlink", .create, { symlinkat("x", $0, $1) }),
        ("unlink", .unlink, { unlinkat($0, $1, 0) }),
        ("rmdir", .removeDirectory, { unlinkat($0, $1, Int32(VMRUN_AT_REMOVEDIR)) }),
        ("rename", .rename, { renameat($0, $1, $0, "renamed") }),
    ]
    for (name, purpose, call) in calls {
        for path in relativePaths + ["a/b/c/.", "a/b/..", "empty", "empty/", "a/new", "a/new/", "/", "a/tofile/x"] {
            let (mine, theirs) = (populated(), populated())
            let result = mine.context().changed("/" + path, purpose, call)
            #expect(result == changedOnHost(theirs.root, path, call), "\(name) \(path)")
        }
    }
}

/// The call on a parent that the host resolves.
private func changedOnHost(_ root: String, _ path: String, _ call: (Int32, UnsafePointer<CChar>) -> Int32) -> Int32 {
    if path == "/" { return call(AT_FDCWD, "/") == 0 ? 0 : errno }
    var copy = Array((root + "/" + path).utf8CString)
    return copy.withUnsafeMutableBufferPointer { buffer in
        let bytes = PathBytes(start: buffer.baseAddress!, count: buffer.count - 1)
        let last = bytes.lastComponent
        buffer[last.start - 1] = 0
        let parent = Glibc.open(buffer.baseAddress!, O_RDONLY | O_DIRECTORY)
        if parent < 0 { return errno }
        defer { close(parent) }
        return call(parent, buffer.baseAddress! + last.start) == 0 ? 0 : errno
    }
}

/// Every place that a link can have in a deep path, alone and with others.
@Test func linksInDeepPathsAreFoundWhereverTheyAre() {
    let tree = TestTree()
    let names = ["one", "t", "three", "4444444444", "f", "sixth"]
    for count in 1...names.count { tree.directory(names[..<count].joined(separator: "/")) }
    tree.file(names.joined(separator: "/") + "/file", "deep")
    var links: [String] = []
    for index in names.indices {
        // Beside each directory a link to it; the last two by other ways.
        let above = names[..<index].joined(separator: "/")
        let target = index < 4 ? names[index] : index == 4 ? "/" + names[...4].joined(separator: "/") : "../f/sixth/."
        links.append("link\(index)")
        tree.link((above.isEmpty ? "" : above + "/") + links[index], target)
    }
    tree.link(names.joined(separator: "/") + "/last", "file")
    let context = tree.context()
    for choice in 0..<(1 << names.count) {
        let directories = names.indices.map { choice >> $0 & 1 == 0 ? names[$0] : links[$0] }.joined(separator: "/")
        for name in ["file", "last", "last/", "../sixth/last", "nothing", "last/x"] {
            let path = directories + "/" + name
            #expect(context.opened("/" + path) == absoluteOnHost(tree, path, O_RDONLY), "\(path)")
            let noFollow = O_RDONLY | O_NOFOLLOW
            #expect(context.opened("/" + path, noFollow) == absoluteOnHost(tree, path, noFollow), "\(path) not followed")
        }
    }
}

/// What the host itself finds at a path below the root, its absolute links taken as the guest's.
private func absoluteOnHost(_ tree: TestTree, _ path: String, _ flags: Int32) -> Outcome {
    let root = Glibc.open(tree.root, O_RDONLY | O_DIRECTORY)
    defer { close(root) }
    var how = open_how(flags: UInt64(flags), mode: 0, resolve: UInt64(RESOLVE_IN_ROOT))
    while true {
        let result = path.withCString { FileSystemContext.openat2(root, Int(bitPattern: $0), &how, nil) }
        // Something was renamed somewhere while the kernel was at a `..`: other tests do nothing else.
        if result == -Int(EAGAIN) { continue }
        return result < 0 ? .error(Int32(-result)) : outcome(of: Int32(result))
    }
}

@Test func nothingAboveTheRootCanBeNamed() {
    let tree = populated()
    tree.outside("secret", "SECRET")
    mkdir(tree.base + "/other", 0o755)
    tree.outside("other/secret", "SECRET")
    tree.link("out", tree.base + "/secret")
    tree.link("up", "../secret")
    tree.link("upup", "a/../../../../../../../../secret")
    tree.link("outdir", "..")
    tree.link("etc", "/a")
    tree.link("a/b/c/root", "/")
    let context = tree.context()
    let paths = [
        "/../secret", "/a/../../secret", "/out", "/up", "/upup", "/outdir/secret", "/outdir/../secret",
        "/a/b/c/../../../../secret", "/a/b/c/root/../secret", "/a/b/c/root/../../secret",
    ]
    for path in paths {
        #expect(context.opened(path) == .error(ENOENT), "\(path)")
        #expect(context.looked(path) == .error(ENOENT), "\(path)")
    }
    #expect(context.opened("/etc/file") == .content("A"))
    #expect(context.opened("/a/b/c/root/a/file") == .content("A"))
    #expect(context.opened("/..") == .content("dir"))
    #expect(context.opened("/../a/file") == .content("A"))
    #expect(context.made("/../made") == 0)
    #expect(tree.exists("made"))
    #expect(!tree.exists("../made"))

    let inside = Glibc.open(tree.root + "/a/b", O_RDONLY | O_DIRECTORY)
    defer { close(inside) }
    #expect(context.opened("../../../secret", from: inside) == .error(ENOENT))
    #expect(context.opened("../../../a/file", from: inside) == .content("A"))
    // A directory that is not in the view has nothing above it.
    let elsewhere = Glibc.open(tree.base + "/other", O_RDONLY | O_DIRECTORY)
    defer { close(elsewhere) }
    #expect(context.opened("../other/secret", from: elsewhere) == .error(ENOENT))
    #expect(context.opened("../secret", from: elsewhere) == .content("SECRET"))
}

@Test func badStartsAndPaths() {
    let tree = populated()
    let context = tree.context()
    #expect(context.opened("") == .error(ENOENT))
    #expect(context.opened("a", from: 987) == .error(EBADF))
    #expect(context.opened("a", from: -3) == .error(EBADF))
    #expect(context.opened("/a/file", from: 987) == .content("A"))
    let file = Glibc.open(tree.root + "/a/file", O_RDONLY)
    defer { close(file) }
    #expect(context.opened("a", from: file) == .error(ENOTDIR))
    #expect(context.opened("..", from: file) == .error(ENOTDIR))
    let long = String(repeating: "x", count: 256)
    #expect(context.opened("/" + long) == .error(ENAMETOOLONG))
    #expect(context.opened("/a/../" + long) == .error(ENAMETOOLONG))
    // 40 links are followed, 41 are not.
    for index in 0..<41 { tree.link("link\(index)", index == 0 ? "a" : "link\(index - 1)") }
    #expect(context.opened("/link39/file") == .content("A"))
    #expect(context.opened("/link40/file") == .error(ELOOP))
}

@Test func guestResolveFlagsHold() {
    let tree = populated()
    let context = tree.context()
    tree.link("a/root", "/a/file")
    let a = Glibc.open(tree.root + "/a", O_RDONLY | O_DIRECTORY)
    defer { close(a) }
    let cases: [(String, Int32)] = [
        ("file", RESOLVE_BENEATH), ("b/../file", RESOLVE_BENEATH), ("../a/file", RESOLVE_BENEATH), ("/a", RESOLVE_BENEATH),
        ("root", RESOLVE_BENEATH), ("tofile", RESOLVE_BENEATH), ("up", RESOLVE_BENEATH), ("b/abs", RESOLVE_BENEATH),
        ("tofile", RESOLVE_NO_SYMLINKS), ("file", RESOLVE_NO_SYMLINKS), ("b/../file", RESOLVE_NO_SYMLINKS),
        ("up/a/file", RESOLVE_NO_SYMLINKS), ("file", RESOLVE_NO_XDEV), ("../a/file", RESOLVE_NO_XDEV),
        ("/file", RESOLVE_IN_ROOT), ("../file", RESOLVE_IN_ROOT), ("up/file", RESOLVE_IN_ROOT), ("b/abs", RESOLVE_IN_ROOT),
        ("root", RESOLVE_IN_ROOT),
    ]
    for (path, resolve) in cases {
        var how = open_how(flags: UInt64(O_RDONLY), mode: 0, resolve: UInt64(resolve))
        // While anybody on the machine renames, the kernel may answer EAGAIN to a path with "..": openat2(2).
        var result = -Int(EAGAIN)
        while result == -Int(EAGAIN) {
            result = path.withCString { FileSystemContext.openat2(a, Int(bitPattern: $0), &how, nil) }
        }
        let expected: Outcome = result < 0 ? .error(Int32(-result)) : outcome(of: Int32(result))
        var shown = Outcome.error(EAGAIN)
        while shown == .error(EAGAIN) { shown = context.opened(path, from: a, resolve: UInt64(resolve)) }
        #expect(shown == expected, "\(path) \(resolve)")
    }
}

@Test func creationWhileDirectoriesMoveStaysInside() {
    let tree = TestTree()
    for path in ["x", "x/y", "x/y/z"] { tree.directory(path) }
    tree.link("link", tree.base)
    let context = tree.context()
    let root = tree.root
    let stop = Flag()
    let worker = Worker {
        while !stop.isSet {
            rename(root + "/x/y", root + "/y")
            rename(root + "/link", root + "/x/y")
            rename(root + "/x/y", root + "/link")
            rename(root + "/y", root + "/x/y")
        }
    }
    var made = 0
    for index in 0..<3000 {
        if context.made("/x/y/m\(index)") == 0 { made += 1 }
        _ = context.opened("/x/y/z/../f\(index)", O_RDWR | O_CREAT)
        _ = context.opened("/x/y/g\(index)", O_RDWR | O_CREAT)
    }
    stop.set()
    worker.join()
    #expect(made > 0)
    for index in 0..<3000 {
        for name in ["m", "f", "g"] where tree.exists("../\(name)\(index)") { Issue.record("\(name)\(index)") }
    }
}

@Test func renamesWhileResolvingFindNothingOutside() {
    let tree = TestTree()
    tree.outside("secret", "SECRET")
    for path in ["x", "x/y", "x/y/z", "other"] { tree.directory(path) }
    tree.file("x/secret", "in")
    tree.link("link", tree.base)
    let context = tree.context()
    let root = tree.root
    let stop = Flag()
    let worker = Worker {
        while !stop.isSet {
            // y becomes a link to the outside, moves to the top, and comes back.
            rename(root + "/x/y", root + "/other/y")
            rename(root + "/link", root + "/x/y")
            rename(root + "/x/y", root + "/link")
            rename(root + "/other/y", root + "/y")
            rename(root + "/y", root + "/x/y")
        }
    }
    var found: [String: Int] = [:]
    for _ in 0..<3000 {
        for path in ["/x/y/z/../../secret", "/x/y/secret", "/x/y/../secret", "/x/y/z/../../../secret"] {
            found["\(context.opened(path))", default: 0] += 1
        }
    }
    stop.set()
    worker.join()
    #expect(found["content(SECRET)"] == nil, "\(found)")
    #expect(found["content(in)"] != nil, "\(found)")
}

/// Where a directory goes out of the root while the host is at its `..`, what is above must not be reached.
@Test func directoriesThatLeaveTheRootTakeNobodyAlong() {
    let tree = TestTree()
    tree.outside("secret", "SECRET")
    mkdir(tree.base + "/outside", 0o755)
    tree.outside("outside/secret", "SECRET")
    for path in ["x", "x/y", "x/y/z"] { tree.directory(path) }
    tree.file("x/secret", "in")
    let context = tree.context()
    let base = tree.base
    let stop = Flag()
    let worker = Worker {
        while !stop.isSet {
            rename(base + "/root/x/y", base + "/outside/y")
            rename(base + "/outside/y", base + "/root/x/y")
        }
    }
    var found: [String: Int] = [:]
    // A long stay, so that the directory leaves meanwhile.
    let wandering = "/x/y/z" + String(repeating: "/../z", count: 600)
    for _ in 0..<1000 {
        for path in [wandering + "/../../secret", wandering + "/../../../secret", "/x/y/z/../../secret", "/x/y/../secret"] {
            found["\(context.opened(path))", default: 0] += 1
            found["\(context.looked(path))", default: 0] += 1
        }
    }
    stop.set()
    worker.join()
    #expect(found["content(SECRET)"] == nil, "\(found)")
    #expect(found["content(in)"] != nil, "\(found)")
}

/// What a direct call has found to be a link may be anything by the time the walk looks.
@Test func linksThatChangeAfterTheyWereSeen() {
    let tree = populated()
    tree.outside("secret", "SECRET")
    tree.link("out", tree.base + "/secret")
    let context = tree.context()
    let root = Glibc.open(tree.root, O_RDONLY | O_DIRECTORY)
    defer { close(root) }
    func seen(_ path: String) -> Outcome {
        do {
            let object = try context.withPathBytes(Array(path.utf8)) { (path) throws(GuestErrno) in
                try context.object(path, from: root, followLast: true, isLink: true)
            }
            guard case .descriptor(let descriptor) = object else { return .content("synthetic") }
            defer { close(descriptor) }
            return hostOpen("/proc/self/fd/\(descriptor)", O_RDONLY)
        } catch { return .error(error.number) }
    }
    #expect(seen("lib") == .content("dir"))
    #expect(seen("a") == .content("dir"))
    #expect(seen("nope") == .error(ENOENT))
    #expect(seen("loop") == .error(ELOOP))
    #expect(seen("out") == .error(ENOENT))
}

@Test func configurationSurvivesItsEncoding() throws {
    var configuration = RootConfiguration(
        rootPath: Array("/r".utf8), binds: [.init("/h", "/g", readOnly: true)], isReadOnly: true, hostFallback: true,
        chrootPath: Array("/c".utf8), syntheticWorkingDirectory: Array("/proc".utf8))
    configuration.hiddenPaths = [Array("/x".utf8)]
    let bytes = configuration.encoded()
    let decoded = try #require(RootConfiguration(decoding: bytes))
    #expect(decoded.encoded() == bytes)
    #expect(decoded.binds.count == 1 && decoded.binds[0].readOnly && decoded.isReadOnly && decoded.hostFallback)
    #expect(decoded.hiddenPaths == [Array("/x".utf8)])
    let hidden = 4 + 4 + 2
    for count in 0..<bytes.count where count != bytes.count - hidden {
        #expect(RootConfiguration(decoding: Array(bytes[0..<count])) == nil)
    }
}
