import CShim
import Glibc
import Host
import LinuxABI

@testable import Sysroot

/// A directory on the host that goes away with the object, and a context whose root is the directory `root` in it.
final class TestTree {
    let base: String
    var root: String { base + "/root" }

    init() {
        var template = Array("/tmp/vmrun-sysroot-XXXXXX".utf8CString)
        base = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
        directory("")
    }

    deinit { remove(base) }

    private func remove(_ path: String) {
        if rmdir(path) == 0 || unlink(path) == 0 { return }
        guard let stream = opendir(path) else { return }
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { remove(path + "/" + name) }
        }
        closedir(stream)
        rmdir(path)
    }

    func directory(_ path: String, mode: mode_t = 0o755) { mkdir(root + "/" + path, mode) }

    func link(_ path: String, _ target: String) { symlink(target, root + "/" + path) }

    func file(_ path: String, _ text: String = "") { Self.write(root + "/" + path, text) }

    func outside(_ path: String, _ text: String = "") { Self.write(base + "/" + path, text) }

    func exists(_ path: String) -> Bool { access(root + "/" + path, F_OK) == 0 }

    private static func write(_ path: String, _ text: String) {
        let descriptor = Glibc.open(path, O_CREAT | O_WRONLY | O_TRUNC, 0o644)
        _ = text.withCString { Glibc.write(descriptor, $0, strlen($0)) }
        close(descriptor)
    }

    func context(
        binds: [RootConfiguration.Bind] = [], fallback: Bool = false, tree: (any SyntheticTree)? = nil
    ) -> FileSystemContext {
        try! FileSystemContext(
            configuration: RootConfiguration(rootPath: Array(root.utf8), binds: binds, hostFallback: fallback),
            tree: tree)
    }
}

extension RootConfiguration.Bind {
    init(_ host: String, _ guest: String, readOnly: Bool = false) {
        self.init(hostPath: Array(host.utf8), guestPath: Array(guest.utf8), readOnly: readOnly)
    }
}

/// What a call came to, in a form that prints and compares.
enum Outcome: Equatable, CustomStringConvertible {
    case content(String)
    case error(Int32)

    var description: String {
        switch self {
        case .content(let text): "content(\(text))"
        case .error(let number): "error(\(String(cString: strerror(number))))"
        }
    }
}

/// What a descriptor is: the text of a file, `dir` for a directory, and so on. Closes it.
func outcome(of descriptor: Int32) -> Outcome {
    defer { close(descriptor) }
    var status = stat()
    fstat(descriptor, &status)
    switch status.st_mode & S_IFMT {
    case S_IFDIR: return .content("dir")
    case S_IFLNK: return .content("link")
    default: break
    }
    var buffer = [CChar](repeating: 0, count: 256)
    let count = pread(descriptor, &buffer, 255, 0)
    return .content(count < 0 ? "object" : String(cString: buffer))
}

func hostOpen(_ path: String, _ flags: Int32) -> Outcome {
    let descriptor = Glibc.open(path, flags, 0o644)
    return descriptor < 0 ? .error(errno) : outcome(of: descriptor)
}

extension FileSystemContext {
    func opened(
        _ path: String, _ flags: Int32 = O_RDONLY, mode: UInt64 = 0o644, from directory: Int32 = AT_FDCWD,
        resolve: UInt64 = 0
    ) -> Outcome {
        do {
            var request = OpenRequest(lenientFlags: UInt64(UInt32(bitPattern: flags)), mode: mode)
            request.resolve = resolve
            let result = try withPathBytes(Array(path.utf8)) { (path) throws(GuestErrno) in
                try self.open(path, from: directory, request, attention: nil)
            }
            return outcome(of: Int32(result))
        } catch { return .error(error.number) }
    }

    func looked(_ path: String, follow: Bool = true, from directory: Int32 = AT_FDCWD) -> Outcome {
        do {
            let object = try withPathBytes(Array(path.utf8)) { (path) throws(GuestErrno) in
                try self.object(path, from: directory, followLast: follow)
            }
            switch object {
            case .descriptor(let descriptor):
                // O_PATH cannot be read: its own name serves.
                defer { close(descriptor) }
                var status = stat()
                fstat(descriptor, &status)
                if status.st_mode & S_IFMT == S_IFLNK { return .content("link") }
                return hostOpen("/proc/self/fd/\(descriptor)", O_RDONLY)
            case .synthetic(let path, _): return .content("synthetic " + String(decoding: path, as: UTF8.self))
            }
        } catch { return .error(error.number) }
    }

    /// The call on the entry that a path names, as a handler makes it: 0 or the errno.
    func changed(
        _ path: String, _ purpose: EntryPurpose, from directory: Int32 = AT_FDCWD,
        _ body: (Int32, UnsafePointer<CChar>) -> Int32
    ) -> Int32 {
        do {
            return try withPathBytes(Array(path.utf8)) { (path) throws(GuestErrno) in
                let entry = try self.entry(path, from: directory, purpose: purpose)
                defer { entry.close() }
                return body(entry.parent, entry.name) == 0 ? 0 : errno
            }
        } catch { return error.number }
    }

    func made(_ path: String, from directory: Int32 = AT_FDCWD) -> Int32 {
        changed(path, .create, from: directory) { mkdirat($0, $1, 0o755) }
    }

    func path(of descriptor: Int32) -> String? {
        guestPath(ofDescriptor: descriptor).map { String(decoding: $0, as: UTF8.self) }
    }
}
