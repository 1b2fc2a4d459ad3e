import CShim
import Glibc
import LinuxABI
import Testing

@testable import Sysroot

extension FileSystemContext {
    fileprivate func changed(to path: String) -> Int32 {
        do {
            try withPathBytes(Array(path.utf8)) { (path) throws(GuestErrno) in try self.changeDirectory(path) }
            return 0
        } catch { return error.number }
    }

    fileprivate var here: String? {
        (try? guestWorkingDirectory()).map { String(decoding: $0, as: UTF8.self) }
    }

    fileprivate func rooted(at path: String, isPermitted: Bool = true) -> Int32 {
        do {
            try withPathBytes(Array(path.utf8)) { (path) throws(GuestErrno) in
                try self.changeRoot(path, isPermitted: isPermitted)
            }
            return 0
        } catch { return error.number }
    }
}

/// One test, because the working directory is the process's.
@Test func workingDirectoryAndRoot() throws {
    let tree = populated()
    let context = tree.context(tree: FakeTree(hostDirectory: tree.base + "/none"))
    let before = Glibc.open(".", O_RDONLY | O_DIRECTORY)
    defer {
        fchdir(before)
        close(before)
    }
    #expect(context.here == "(unreachable)" + String(cString: getcwd(nil, 0)))
    #expect(context.changed(to: "/lib") == 0)
    #expect(context.here == "/usr/lib")
    #expect(context.opened("libc.so") == .content("libc"))
    #expect(context.opened("../../a/file") == .content("A"))
    #expect(context.opened("../../../../a/file") == .content("A"))
    #expect(context.changed(to: "..") == 0)
    #expect(context.here == "/usr")
    #expect(context.changed(to: "../..") == 0)
    #expect(context.here == "/")
    #expect(context.changed(to: "a/file") == ENOTDIR)
    #expect(context.changed(to: "nope") == ENOENT)

    #expect(context.changed(to: "proc/self") == 0)
    #expect(context.here == "/proc/7")
    #expect(context.opened("status") == .content("/proc/7/status"))
    #expect(context.opened(".") == .content("/proc/7"))
    #expect(context.opened("../../a/file") == .content("A"))
    #expect(context.opened("a/file") == .error(ENOENT))
    #expect(context.made("x") == ENOENT)
    #expect(context.currentConfiguration.syntheticWorkingDirectory == Array("/proc/7".utf8))
    let copy = try context.copy(sharesDescriptors: false)
    #expect(copy.here == "/proc/7")
    #expect(context.changed(to: "../..") == 0)
    #expect(context.here == "/")
    #expect(context.opened("a/file") == .content("A"))

    tree.directory("gone")
    #expect(context.changed(to: "/gone") == 0)
    rmdir(tree.root + "/gone")
    #expect(throws: GuestErrno.ENOENT) { try context.guestWorkingDirectory() }
    #expect(context.opened("x") == .error(ENOENT))

    #expect(context.changed(to: "/a/b") == 0)
    #expect(context.rooted(at: "/nope") == ENOENT)
    #expect(context.rooted(at: "/a/file") == ENOTDIR)
    #expect(context.rooted(at: "/a", isPermitted: false) == EPERM)
    #expect(context.rooted(at: "/a") == 0)
    #expect(context.here == "/b")
    #expect(context.opened("/file") == .content("A"))
    #expect(context.opened("/../../file") == .content("A"))
    #expect(context.opened("../../../file") == .content("A"))
    #expect(context.opened("/usr") == .error(ENOENT))
    #expect(context.opened("/up/up/up/file") == .content("A"))
    #expect(context.opened("/b/../../usr") == .error(ENOENT))
    #expect(context.currentConfiguration.chrootPath == Array("/a".utf8))
    var configuration = context.currentConfiguration
    configuration.binds = []
    let again = try? FileSystemContext(configuration: configuration, tree: nil)
    #expect(again?.opened("/file") == .content("A"))
    // As the next image does: by the descriptors, whatever the paths lead to by then.
    configuration = context.currentConfiguration
    configuration.descriptors = configuration.descriptors.map { dup($0) }
    configuration.rootPath = Array("/nowhere".utf8)
    #expect((try? FileSystemContext(configuration: configuration, tree: nil))?.opened("/file") == .content("A"))
    configuration.descriptors.removeLast()
    #expect((try? FileSystemContext(configuration: configuration, tree: nil)) == nil)
    #expect(context.rooted(at: "/b") == 0)
    #expect(context.opened("/c/deep") == .content("deep"))
    #expect(context.currentConfiguration.chrootPath == Array("/a/b".utf8))
}
