import CShim
import Host
import LinuxABI
import Sysroot
import Testing

@testable import SyntheticFS

private let me = "/proc/\(getpid())"

private final class Translator: PathTranslator {
    let files: FileSystemContext
    init(_ files: FileSystemContext) { self.files = files }

    func guestPath(fromHost path: [UInt8]) -> [UInt8]? {
        let shown = files.guestPath(ofHostPath: path)
        return shown == path ? nil : shown
    }

    func guestWorkingDirectory() throws(GuestErrno) -> [UInt8] { try files.guestWorkingDirectory() }
}

extension HostProcessTests {
    /// The tree as the resolver uses it, in a root that has no /proc or /dev of its own.
    @Suite final class ResolverTests {
        let root = "/tmp/synthetic-resolver-\(getpid())"
        let session = TestSession()
        let system: SyntheticFileSystem
        let files: FileSystemContext

        init() throws {
            mkdir(root, 0o755)
            close(creat(root + "/file", 0o644))
            session.executable = bytes("/file")
            system = session.makeFileSystem()
            files = try FileSystemContext(configuration: RootConfiguration(rootPath: bytes(root)), tree: system)
            system.translator = Translator(files)
        }

        deinit {
            chdir("/")
            unlink(root + "/file")
            rmdir(root)
        }

        private func open(_ path: String) throws -> Int32 {
            try files.withPathBytes(bytes(path)) { (path) throws(GuestErrno) in
                Int32(try self.files.open(path, from: AT_FDCWD, OpenRequest(flags: 0, mode: 0), attention: nil))
            }
        }

        private func read(_ path: String) throws -> String {
            let descriptor = try open(path)
            defer { close(descriptor) }
            if system.mayBeSynthetic(descriptor) { try system.prepareRead(descriptor, atStart: true) }
            return text(readAll(descriptor))
        }

        @Test func filesThroughLinks() throws {
            #expect(try read("/proc/self/status").contains("Pid:\t\(getpid())\n"))
            #expect(try read("/proc/thread-self/comm") == hostContents("/proc/thread-self/comm"))
            #expect(try read("/proc/mounts").contains("proc /proc proc "))
            #expect(try read("/proc/self/root/proc/sys/kernel/ostype") == "Linux\n")
            #expect(try read("/dev/null") == "")
            #expect(throws: GuestErrno.ENOENT) { try self.open("/proc/self/root/etc/passwd") }
            #expect(throws: GuestErrno.ENOENT) { try self.open("/dev/sda") }
            #expect(throws: GuestErrno.ENOTDIR) { try self.open("/proc/version/x") }
        }

        @Test func linksToObjects() throws {
            let file = try open("/file")
            defer { close(file) }
            #expect((try? system.readlink(bytes("\(me)/fd/\(file)"))).map(text) == "/file")
            let again = try open("/dev/fd/\(file)")
            defer { close(again) }
            #expect(files.guestPath(ofDescriptor: again).map(text) == "/file")
            let program = try open("/proc/self/exe")
            defer { close(program) }
            #expect(files.guestPath(ofDescriptor: program).map(text) == "/file")
            let status = try open("/proc/self/status")
            defer { close(status) }
            let reopened = try open("/dev/fd/\(status)")
            defer { close(reopened) }
            #expect(system.path(ofDescriptor: reopened).map(text) == "\(me)/status")
        }

        @Test func workingDirectoryInTheTree() throws {
            for path in ["/proc/self", "fd", "../.."] {
                try files.withPathBytes(bytes(path)) { (path) throws(GuestErrno) in try self.files.changeDirectory(path) }
                #expect(try system.readlink(bytes("\(me)/cwd")) == (files.guestWorkingDirectory()))
            }
            #expect(text(try files.guestWorkingDirectory()) == "/proc")
            #expect(try read("self/comm") == hostContents("/proc/self/comm"))
            #expect(try read("self/cwd/self/comm") == hostContents("/proc/self/comm"))
            #expect(throws: GuestErrno.ENOENT) { try self.open("../../etc/passwd") }
            #expect(try read("../file") == "")
            try files.withPathBytes(bytes("/")) { (path) throws(GuestErrno) in try self.files.changeDirectory(path) }
            #expect((try? system.readlink(bytes("\(me)/cwd"))).map(text) == "/")
        }
    }
}
