import CShim
import Host
import LinuxABI
import Testing

@testable import SyntheticFS

private let me = "/proc/\(getpid())"

private func status(_ system: SyntheticFileSystem, _ path: String) throws -> CShim.stat {
    var result = CShim.stat()
    try withUnsafeMutablePointer(to: &result) { (pointer) throws(GuestErrno) in
        try system.stat(bytes(path), into: pointer)
    }
    return result
}

private func status(_ system: SyntheticFileSystem, _ descriptor: Int32) -> CShim.stat {
    var result = CShim.stat()
    fstat(descriptor, &result)
    withUnsafeMutablePointer(to: &result) { _ = system.patch($0, ofDescriptor: descriptor) }
    return result
}

/// They look at the test process's own descriptors and working directory, so they run one after the other.
@Suite(.serialized) enum HostProcessTests {}

extension HostProcessTests {
    @Suite struct SystemTests {
        let session = TestSession()
        let system: SyntheticFileSystem

        init() { system = session.makeFileSystem() }

        @Test func unknownNamesAreNotThere() {
            for path in [
                "/proc/nothing", "/proc/1x", "/proc/01", "/proc/2147483647", "\(me)/nothing", "\(me)/fd/x", "\(me)/fd/9999",
                "\(me)/task/1", "\(me)/stack", "\(me)/syscall", "\(me)/status/x", "\(me)/ns/nothing",
                "\(me)/map_files/0-1000", "\(me)/net/nothing", "/proc/sys/net/nothing", "/sys/kernel",
                "/proc/kcore", "/proc/sys/kernel/nothing", "/proc/sy", "/dev/sda",
                "/dev/null/x", "/elsewhere", "/proc/sys/kernel/hostname/x",
            ] {
                #expect(system.kind(at: bytes(path)) == nil, "\(path)")
            }
            #expect(throws: GuestErrno.ENOENT) { try system.open(bytes("/proc/nothing"), flags: O_RDONLY) }
        }

        @Test func processesOutsideTheSessionAreNotThere() {
            #expect(system.kind(at: bytes("/proc/\(getppid())/status")) == nil)
            session.members_.append(getppid())
            #expect(system.kind(at: bytes("/proc/\(getppid())/status")) != nil)
        }

        @Test func selfLeadsToTheProcess() {
            #expect((try? system.readlink(bytes("/proc/self"))).map(text) == "\(getpid())")
            #expect((try? system.readlink(bytes("/proc/thread-self"))).map(text)?.hasPrefix("\(getpid())/task/") == true)
            #expect((try? system.readlink(bytes("/dev/fd"))).map(text) == "/proc/self/fd")
            #expect((try? system.readlink(bytes("\(me)/root"))).map(text) == "/")
            #expect((try? system.readlink(bytes("\(me)/exe"))).map(text) == "/bin/program")
            guard case .symbolicLink = system.kind(at: bytes("\(me)/root")) else {
                Issue.record("root must not lead to the host's")
                return
            }
        }

        @Test func identity() throws {
            var seen: Set<UInt64> = []
            for path in ["/proc", "/proc/self", me, "\(me)/status", "\(me)/fd", "/proc/meminfo", "/dev/null", "/dev/shm"] {
                let found = try status(system, path)
                #expect(UInt64(found.st_dev) == SyntheticIdentity.device)
                #expect(UInt64(found.st_ino) == FNV1a.hash(bytes(path)))
                #expect(found.st_blksize == 4096)
                seen.insert(UInt64(found.st_ino))
                guard found.st_mode & UInt32(S_IFMT) != UInt32(S_IFLNK) else { continue }
                let descriptor = try system.open(bytes(path), flags: O_RDONLY | O_NOFOLLOW)
                defer { close(descriptor) }
                let opened = status(system, descriptor)
                #expect(opened.st_dev == found.st_dev && opened.st_ino == found.st_ino, "\(path)")
                #expect(opened.st_mode == found.st_mode, "\(path)")
                // An open fd directory counts itself.
                if !path.hasSuffix("/fd") { #expect(opened.st_size == found.st_size) }
            }
            #expect(seen.count == 8)
        }

        @Test func modesAreTheHosts() throws {
            for name in ["", "/status", "/fd", "/environ", "/exe", "/fd/0", "/task", "/oom_score_adj"] {
                var host = CShim.stat()
                lstat("\(me)\(name)", &host)
                let found = try status(system, "\(me)\(name)")
                #expect(found.st_mode == host.st_mode && found.st_uid == host.st_uid && found.st_rdev == host.st_rdev)
            }
            #expect(try status(system, "/dev/null").st_mode & UInt32(S_IFMT) == UInt32(S_IFCHR))
            #expect(try status(system, "/dev/fd").st_size == 13)
        }

        @Test func readsAtOffsets() throws {
            let descriptor = try system.open(bytes("\(me)/limits"), flags: O_RDONLY)
            defer { close(descriptor) }
            try system.prepareRead(descriptor, atStart: true)
            let whole = readAll(descriptor)
            #expect(text(whole) == (try hostContents("\(me)/limits")))
            #expect(lseek(descriptor, 0, SEEK_SET) == 0)
            #expect(readAll(descriptor, step: 7) == whole)
            var buffer = [UInt8](repeating: 0, count: 16)
            #expect(pread(descriptor, &buffer, 16, 40) == 16)
            #expect(Array(whole[40..<56]) == buffer)
        }

        @Test func readingAgainFromTheStartReadsAnew() throws {
            let descriptor = try system.open(bytes("\(me)/status"), flags: O_RDONLY)
            defer { close(descriptor) }
            #expect(system.mayBeSynthetic(descriptor))
            // Nothing is made before it is read, wherever that begins.
            #expect(readAll(descriptor).isEmpty)
            try system.prepareRead(descriptor, atStart: false)
            #expect(!text(readAll(descriptor)).contains("FDSize:\t1024\n"))
            let high = dup2(0, 600)
            defer { close(high) }
            lseek(descriptor, 0, SEEK_SET)
            try system.prepareRead(descriptor, atStart: true)
            #expect(text(readAll(descriptor)).contains("FDSize:\t1024\n"))
            // Not in the middle.
            close(high)
            lseek(descriptor, 10, SEEK_SET)
            try system.prepareRead(descriptor, atStart: false)
            #expect(text(readAll(descriptor)).contains("FDSize:\t1024\n"))
        }

        @Test func noOneWrites() throws {
            let descriptor = try system.open(bytes("\(me)/status"), flags: O_RDONLY)
            defer { close(descriptor) }
            #expect(write(descriptor, "x", 1) == -1)
            for path in ["\(me)/status", "/proc/sys/kernel/hostname", "/proc/meminfo"] {
                #expect(throws: GuestErrno.EACCES) { try system.open(bytes(path), flags: O_WRONLY) }
                #expect(throws: GuestErrno.EACCES) { try system.open(bytes(path), flags: O_RDONLY | O_TRUNC) }
            }
            #expect(throws: GuestErrno.EISDIR) { try system.open(bytes(me), flags: O_RDWR) }
            // Nor through the descriptor's link, which leads back to the path.
            guard case .symbolicLink(let target) = system.kind(at: bytes("\(me)/fd/\(descriptor)")) else {
                Issue.record("not a link")
                return
            }
            #expect(text(target) == "\(me)/status")
            let system_ = try system.open(bytes("/proc/sys/kernel/ostype"), flags: O_RDONLY)
            defer { close(system_) }
            guard case .symbolicLink(let target) = system.kind(at: bytes("\(me)/fd/\(system_)")) else {
                Issue.record("not a link")
                return
            }
            #expect(text(target) == "/proc/sys/kernel/ostype")
        }

        @Test func writableOnesPass() {
            for name in ["comm", "oom_score_adj", "timerslack_ns", "clear_refs"] {
                guard case .passThrough(let path) = system.kind(at: bytes("\(me)/\(name)")) else {
                    Issue.record("\(name)")
                    continue
                }
                #expect(text(path) == "\(me)/\(name)")
            }
            for (name, writable) in [("mem", true), ("coredump_filter", true), ("pagemap", false), ("stat", false), ("sched", false)] {
                guard case .file(let isWritable) = system.kind(at: bytes("\(me)/\(name)")) else {
                    Issue.record("\(name)")
                    continue
                }
                #expect(isWritable == writable, "\(name)")
            }
        }

        @Test func whatAWriteChanges() throws {
            let filter = try system.open(bytes("\(me)/coredump_filter"), flags: O_RDWR)
            let memory = try system.open(bytes("\(me)/mem"), flags: O_RDWR)
            let status = try system.open(bytes("\(me)/status"), flags: O_RDONLY)
            defer { for descriptor in [filter, memory, status] { close(descriptor) } }
            guard case .coredumpFilter = system.written(filter) else { Issue.record("coredump_filter"); return }
            guard case .memory = system.written(memory) else { Issue.record("mem"); return }
            #expect(system.written(status) == nil)
            session.processRecord.coredumpFilter = 0x1f
            #expect(try contents(system, "\(me)/coredump_filter") == "0000001f\n")
            #expect(throws: GuestErrno.EACCES) { try system.open(bytes("\(me)/pagemap"), flags: O_RDWR) }
        }

        @Test func memoryByAddresses() throws {
            let descriptor = try system.open(bytes("\(me)/mem"), flags: O_RDONLY)
            defer { close(descriptor) }
            guard let object = try system.prepareRead(descriptor, atStart: true) else { Issue.record("mem"); return }
            #expect(object.file == .memory)
            #expect(object.memoryLength(at: 0, 10) == nil)
            #expect(object.memoryLength(at: 0xffff, 10) == nil)
            #expect(object.memoryLength(at: 0x1_0000, 10) == 10)
            #expect(object.memoryLength(at: 0x7fff_ffff_fffe, 10) == 2)
            #expect(object.memoryLength(at: 0x8000_0000_0000, 10) == nil)
            let pages = try system.open(bytes("\(me)/task/\(getpid())/pagemap"), flags: O_RDONLY)
            defer { close(pages) }
            guard let map = try system.prepareRead(pages, atStart: true), let host = try map.open(writing: false) else {
                Issue.record("pagemap")
                return
            }
            defer { close(host) }
            #expect(map.file == .pageMap)
            let here = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 4096)
            defer { here.deallocate() }
            here[0] = 1
            var entry: UInt64 = 0
            let offset = UInt64(UInt(bitPattern: here.baseAddress)) / 4096 * 8
            try withUnsafeMutableBytes(of: &entry) { (bytes) throws(GuestErrno) in
                #expect(try map.readPageMap(host, at: offset, into: bytes) == 8)
                #expect(throws: GuestErrno.EINVAL) { try map.readPageMap(host, at: 4, into: bytes) }
                #expect(try map.readPageMap(host, at: 0x7fff_ffff_f000 / 512, into: bytes) == 0)
            }
            // Present, and no frame number.
            #expect(entry >> 63 == 1 && entry << 9 == 0)
        }

        @Test func addressedObjectsByPath() {
            let arena: Range<UInt64> = 0..<1
            for path in ["/proc/5/mem", "/proc/5/task/6/pagemap", "/proc/5/pagemap"] {
                #expect(AddressedObject(path: bytes(path), arena: arena) != nil, "\(path)")
            }
            for path in ["/proc/mem", "/proc/self/mem", "/proc/5/mem/x", "/proc/5/task/mem", "/proc/5/fd/mem", "/dev/mem", "/proc/5"] {
                #expect(AddressedObject(path: bytes(path), arena: arena) == nil, "\(path)")
            }
        }

        @Test func treesShowWhatEveryUserMayRead() throws {
            #expect(try contents(system, "/proc/sys/net/core/somaxconn") == hostContents("/proc/sys/net/core/somaxconn"))
            #expect(try names(system, "/proc/sys/net").contains("ipv4"))
            // Secret, or for writing only.
            for path in ["/proc/sys/net/ipv4/tcp_fastopen_key", "/proc/sys/net/ipv4/route/flush", "\(me)/net/nf_conntrack"] {
                #expect(system.kind(at: bytes(path)) == nil, "\(path)")
            }
            #expect(throws: GuestErrno.EACCES) { try system.open(bytes("/proc/sys/net/core/somaxconn"), flags: O_WRONLY) }
        }

        @Test func withoutANetworkThereIsNoStateOfOne() throws {
            session.hasNetwork = false
            #expect(try names(system, "\(me)/net").sorted() == [".", "..", "unix"])
            for path in ["\(me)/net/dev", "\(me)/net/stat", "\(me)/task/\(getpid())/net/tcp"] {
                #expect(system.kind(at: bytes(path)) == nil, "\(path)")
            }
            #expect(system.kind(at: bytes("/proc/sys/net/core/somaxconn")) != nil)
        }

        @Test func theMachineInARoot() throws {
            let system = session.makeFileSystem(showsMachine: true)
            let cpus = "/sys/devices/system/cpu"
            #expect(system.mountPoints.contains(bytes("/sys")))
            #expect(try contents(system, cpus + "/online") == hostContents(cpus + "/online"))
            #expect(try names(system, "/sys").dropFirst(2).sorted() == ["devices", "kernel"])
            #expect(try names(system, "/sys/devices").dropFirst(2) == ["system"])
            for path in ["/sys/class", "/sys/kernel/debug", cpus + "/nothing", cpus + "/cpu0/subsystem"] {
                #expect(system.kind(at: bytes(path)) == nil, "\(path)")
            }
            #expect(throws: GuestErrno.EACCES) { try system.open(bytes(cpus + "/online"), flags: O_WRONLY) }
            #expect(UInt64(try status(system, cpus).st_ino) == FNV1a.hash(bytes(cpus)))
        }

        @Test func namespacesAndMappedFiles() throws {
            #expect(try names(system, "\(me)/ns").contains("pid"))
            #expect(try system.readlink(bytes("\(me)/ns/pid")) == HostFile.linkText(bytes("\(me)/ns/pid")))
            guard case .magicLink = system.kind(at: bytes("\(me)/ns/pid")) else { Issue.record("ns/pid"); return }
            let mapped = try names(system, "\(me)/map_files").dropFirst(2)
            #expect(!mapped.isEmpty && mapped.allSatisfy { system.kind(at: bytes("\(me)/map_files/\($0)")) != nil })
        }

        @Test func directoriesList() throws {
            let top = try names(system, "/proc")
            #expect(top.starts(with: [".", ".."]))
            for name in ["self", "thread-self", "meminfo", "sys", "mounts", "net", "\(getpid())"] {
                #expect(top.contains(name))
            }
            #expect(Set(top).count == top.count)
            #expect(top.filter { Int32($0) != nil } == ["\(getpid())"])
            for path in ["/proc", "/proc/sys", "/proc/sys/kernel", me, "\(me)/task/\(getpid())", "\(me)/net", "/dev"] {
                for name in try names(system, path).dropFirst(2) {
                    #expect(system.kind(at: bytes("\(path)/\(name)")) != nil, "\(path)/\(name)")
                }
            }
            #expect(try names(system, "\(me)/task").contains("\(getpid())"))
            #expect(try names(system, "/dev").contains("null"))
        }

        @Test func smallBuffersAndCookies() throws {
            let whole = try names(system, me)
            #expect(try names(system, me, bufferSize: 48) == whole)
            #expect(throws: GuestErrno.EINVAL) { try names(system, me, bufferSize: 23) }
            let descriptor = try system.open(bytes(me), flags: O_RDONLY | O_DIRECTORY)
            defer { close(descriptor) }
            #expect(throws: GuestErrno.EISDIR) { try system.prepareRead(descriptor, atStart: true) }
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 100, alignment: 8)
            defer { buffer.deallocate() }
            _ = try system.getdents64(descriptor, into: buffer)
            let cookie = lseek(descriptor, 0, SEEK_CUR)
            let rest = try names(system, descriptor)
            lseek(descriptor, cookie, SEEK_SET)
            #expect(try names(system, descriptor) == rest)
            lseek(descriptor, 0, SEEK_SET)
            #expect(try names(system, descriptor) == whole)
        }

        @Test func descriptorsOfTheProcess() throws {
            let directory = try system.open(bytes("\(me)/fd"), flags: O_RDONLY)
            defer { close(directory) }
            #expect(try names(system, directory).contains("\(directory)"))
            #expect((try? system.readlink(bytes("\(me)/fd/\(directory)"))).map(text) == "\(me)/fd")
            #expect(system.path(ofDescriptor: directory).map(text) == "\(me)/fd")
            #expect(system.path(ofDescriptor: 0) == nil)
            let info = try contents(system, "\(me)/fdinfo/\(directory)")
            #expect(info.contains("ino:\t\(FNV1a.hash(bytes("\(me)/fd")))\n"))
            // A descriptor is recognised whatever way it came, once that was noted.
            let ways: [(Int32) -> Void] = [{ system.noteDuplicate($0, of: directory) }, { system.noteReceived($0) }]
            for (index, note) in ways.enumerated() {
                // A number that nothing synthetic had before.
                let copy = dup2(directory, Int32(700 + index))
                defer { close(copy) }
                #expect(!system.mayBeSynthetic(copy))
                note(copy)
                #expect(system.mayBeSynthetic(copy))
                #expect(system.path(ofDescriptor: copy).map(text) == "\(me)/fd")
                #expect(session.makeFileSystem().path(ofDescriptor: copy).map(text) == "\(me)/fd")
            }
        }

        @Test func linkTexts() {
            let cases = [
                ("pipe:[123]", "pipe:[123]"), ("socket:[1]", "socket:[1]"),
                ("anon_inode:[eventpoll]", "anon_inode:[eventpoll]"),
                ("/root-of-guest/etc/passwd", "/etc/passwd"), ("/root-of-guest/a (deleted)", "/a (deleted)"),
                ("/memfd:shm (deleted)", "/memfd:shm (deleted)"), ("/memfd:vmrun:/proc/5/maps (deleted)", "/proc/5/maps"),
                ("/dev/null", "/dev/null"), ("/dev/pts/3", "/dev/pts/3"), ("/proc/meminfo", "/proc/meminfo"),
                ("/elsewhere", "/elsewhere"),
            ]
            for (host, guest) in cases { #expect(text(system.guestLinkText(bytes(host))) == guest) }
        }

        @Test func workingDirectory() {
            let host = HostFile.readlink(bytes("/proc/self/cwd"))
            #expect((try? system.readlink(bytes("\(me)/cwd"))) == host)
            session.directory = bytes("/proc")
            #expect((try? system.readlink(bytes("\(me)/cwd"))).map(text) == "/proc")
        }

        @Test func dataOfTheProcess() throws {
            let space = UnsafeMutablePointer<UInt8>.allocate(capacity: 32)
            defer { space.deallocate() }
            let start = UInt64(UInt(bitPattern: space))
            for (index, byte) in bytes("sh\0-c\0A=1\0B=2\0").enumerated() { space[index] = byte }
            session.processRecord.argStart = start
            session.processRecord.argEnd = start + 6
            session.processRecord.envStart = start + 6
            session.processRecord.envEnd = start + 14
            #expect(try contents(system, "\(me)/cmdline") == "sh\0-c\0")
            #expect(try contents(system, "\(me)/environ") == "A=1\0B=2\0")
            // setproctitle(3) writes on into the environment.
            for (index, byte) in bytes("a title\0").enumerated() { space[index] = byte }
            #expect(try contents(system, "\(me)/cmdline") == "a title\0")
            session.processRecord.argEnd = start
            #expect(try contents(system, "\(me)/cmdline") == "")
        }

        @Test func auxiliaryVector() throws {
            let words: [UInt64] = [2, 100, 101, 0, 102, 0, 6, 4096, 33, 77, 0, 0, 55, 55]
            let space = UnsafeMutablePointer<UInt64>.allocate(capacity: words.count)
            defer { space.deallocate() }
            for (index, word) in words.enumerated() { space[index] = word }
            session.processRecord.stackStart = UInt64(UInt(bitPattern: space))
            for (count, expected) in [(14, 48), (12, 48), (11, 0), (3, 0), (0, 0)] {
                session.processRecord.argStart = UInt64(UInt(bitPattern: space + count))
                let vector = try contents(system, "\(me)/auxv")
                #expect(vector.utf8.count == expected)
                if expected > 0 { #expect(vector.utf8.first == 6) }
            }
        }

        @Test func everyFileReads() throws {
            func walk(_ path: String) throws {
                switch system.kind(at: bytes(path)) {
                case .directory:
                    for name in try names(system, path).dropFirst(2) where name != "pts" && name != "shm" {
                        try walk("\(path)/\(name)")
                    }
                case .file:
                    do throws(GuestErrno) { close(try system.open(bytes(path), flags: O_RDONLY)) } catch {
                        #expect(error == .EACCES || error == .ENOENT || error == .EPERM || error == .EINVAL, "\(path)")
                    }
                default: break
                }
                // Descriptors listed may be closed by now.
                if !path.contains("/fd") { _ = try status(system, path) }
            }
            try walk("/proc")
            try walk("/dev")
            #expect(try contents(system, "\(me)/mounts").contains(" / "))
            #expect(try contents(system, "\(me)/stat").hasPrefix("\(getpid()) ("))
            #expect(try contents(system, "\(me)/smaps").contains("Rss:"))
            #expect(try contents(system, "/proc/sys/vm/mmap_min_addr") == "65536\n")
            #expect(try contents(system, "/proc/version") == hostContents("/proc/version"))
        }

        @Test func goneProcess() throws {
            let child = vmrun_fork()
            if child == 0 {
                pause()
                _exit(0)
            }
            let pid = Int32(child)
            session.members_.append(pid)
            let file = try system.open(bytes("/proc/\(pid)/status"), flags: O_RDONLY)
            let directory = try system.open(bytes("/proc/\(pid)"), flags: O_RDONLY)
            defer {
                close(file)
                close(directory)
            }
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
            #expect(throws: GuestErrno.ESRCH) { try system.prepareRead(file, atStart: true) }
            #expect(status(system, file).st_mode == UInt32(S_IFREG) | 0o444)
            #expect(status(system, directory).st_mode == UInt32(S_IFDIR) | 0o555)
            #expect(system.kind(at: bytes("/proc/\(pid)")) == nil)
        }

        @Test func privateSharedMemory() throws {
            let directory = SharedMemoryDirectory(sessionName: 0x7465_7374 << 32 | UInt64(UInt32(bitPattern: getpid())))
            directory.make()
            defer { directory.release() }
            let system = session.makeFileSystem(sharedMemory: directory)
            guard case .hostDirectory(let path) = system.kind(at: bytes("/dev/shm")) else {
                Issue.record("no /dev/shm")
                return
            }
            #expect(try status(system, "/dev/shm").st_mode == UInt32(S_IFDIR) | 0o1777)
            let descriptor = creat(text(path) + "/sem.x", 0o600)
            #expect(descriptor >= 0)
            defer { close(descriptor) }
            let found = status(system, descriptor)
            #expect(UInt64(found.st_dev) == SyntheticIdentity.device)
            #expect(UInt64(found.st_ino) == FNV1a.hash(bytes("/dev/shm/sem.x")))
            #expect((try? system.readlink(bytes("\(me)/fd/\(descriptor)"))).map(text) == "/dev/shm/sem.x")
            directory.release()
            #expect(access(text(path), F_OK) == -1)
        }

        @Test func sharedMemoryOfTheDeadIsRemoved() throws {
            func made(_ name: UInt64) -> SharedMemoryDirectory {
                let directory = SharedMemoryDirectory(sessionName: name << 32 | UInt64(UInt32(bitPattern: getpid())))
                directory.make()
                close(creat(text(directory.hostPath) + "/sem.x", 0o600))
                return directory
            }
            let abandoned = made(1)
            // A child has it too.
            let child = Int32(vmrun_fork())
            if child == 0 {
                while true { pause() }
            }
            close(abandoned.lock)
            let used = made(2)
            defer { used.release() }
            #expect(access(text(abandoned.hostPath), F_OK) == 0, "a process has it still")
            kill(child, SIGKILL)
            waitpid(child, nil, 0)
            let next = made(3)
            defer { next.release() }
            #expect(access(text(abandoned.hostPath), F_OK) == -1)
            #expect(access(text(used.hostPath), F_OK) == 0)
        }
    }
}
