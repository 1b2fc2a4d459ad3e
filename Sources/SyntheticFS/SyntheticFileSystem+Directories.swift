import CShim
import Host
import LinuxABI

/// What synthetic directories hold.
extension SyntheticFileSystem {
    /// What an entry is, as far as a listing tells.
    enum EntryKind {
        case directory, file, link, device

        /// The DT_* value.
        var type: UInt8 {
            switch self {
            case .directory: 4
            case .file: 8
            case .link: 10
            case .device: 2
            }
        }
    }

    typealias Listing = [(name: [UInt8], kind: EntryKind)]

    /// The records of a directory, `.` and `..` first.
    func records(of directory: SyntheticNode.Directory, _ path: [UInt8]) throws(GuestErrno) -> [UInt8] {
        let parent = path[...].splitLast.map { Array($0.directory) } ?? []
        var entries = [
            DirectoryRecords.Entry(name: [UInt8]("."), inode: SyntheticIdentity.inode(path), type: EntryKind.directory.type),
            DirectoryRecords.Entry(
                name: [UInt8](".."), inode: SyntheticIdentity.inode(parent.isEmpty ? [UInt8]("/") : parent),
                type: EntryKind.directory.type),
        ]
        for entry in try listing(directory) {
            entries.append(
                DirectoryRecords.Entry(
                    name: entry.name, inode: SyntheticIdentity.inode(entry.name, in: path), type: entry.kind.type))
        }
        return DirectoryRecords.pack(entries)
    }

    /// As `names`, with the errors of what may not be read.
    private func listing(_ directory: SyntheticNode.Directory) throws(GuestErrno) -> Listing {
        if case .descriptors(let scope) = directory {
            do throws(HostError) { _ = try HostFile.list(scope.path("fd")) } catch { throw GuestErrno(error.number) }
        }
        return names(in: directory)
    }

    func names(in directory: SyntheticNode.Directory) -> Listing {
        switch directory {
        case .proc:
            var names = systemNames(in: [])
            for link in Self.procLinks { names.append(([UInt8](link), .link)) }
            for process in members() {
                var name: [UInt8] = []
                name.append(decimal: process)
                names.append((name, .directory))
            }
            return names
        case .system(let path): return systemNames(in: path)
        case .process(let scope): return processNames(scope)
        case .tasks(let process):
            return threads(of: process).map { (decimalName($0), .directory) }
        case .descriptors(let scope): return descriptors(of: scope).map { (decimalName($0), .link) }
        case .descriptorInfos(let scope): return descriptors(of: scope).map { (decimalName($0), .file) }
        case .network(let scope):
            let present = (try? HostFile.list(scope.path("net"))) ?? []
            var names: Listing = []
            for file in ProcessEntry.network where present.contains(where: { $0.equals(file) }) {
                names.append(([UInt8](file), .file))
            }
            return names
        case .devices:
            var names: Listing = []
            for entry in DeviceEntries.all {
                var path = [UInt8]("/dev/")
                path.append(entry.name)
                let kind: EntryKind
                switch entry.content {
                case .node: kind = .device
                case .link: kind = .link
                case .hostDirectory, .sharedMemory: kind = .directory
                }
                if HostFile.exists(path) { names.append(([UInt8](entry.name), kind)) }
            }
            return names
        }
    }

    private func decimalName(_ number: Int32) -> [UInt8] {
        var name: [UInt8] = []
        name.append(decimal: number)
        return name
    }

    /// The members, the calling process in any case.
    private func members() -> [Int32] {
        var members = session.members()
        let own = ownProcess
        if !members.contains(own) { members.append(own) }
        members.sort()
        return members
    }

    private func systemNames(in path: [UInt8]) -> Listing {
        var names: Listing = []
        var directory = [UInt8]("/proc/")
        directory.append(contentsOf: path)
        let present = (try? HostFile.list(directory)) ?? []
        for entry in SystemEntries.names(in: path[...]) where present.contains(entry.name) {
            names.append((entry.name, entry.match == .file ? .file : .directory))
        }
        return names
    }

    private func processNames(_ scope: ProcessScope) -> Listing {
        let present = (try? HostFile.list(scope.path)) ?? []
        var names: Listing = []
        for entry in ProcessEntry.all
        where entry.isShown(inThread: scope.thread != nil) && present.contains(where: { $0.equals(entry.name) }) {
            let kind: EntryKind
            switch entry.content {
            case .host, .hostWritable, .generated: kind = .file
            case .executable, .workingDirectory, .root: kind = .link
            case .taskDirectory, .descriptorDirectory, .descriptorInfoDirectory, .networkDirectory: kind = .directory
            }
            names.append(([UInt8](entry.name), kind))
        }
        return names
    }

    /// The guest threads of a member, ascending.
    func threads(of process: Int32) -> [Int32] {
        let names = (try? HostFile.list(ProcessScope(process: process, thread: nil).path("task"))) ?? []
        var threads: [Int32] = []
        for name in names {
            if let thread = name[...].decimal, session.isGuestThread(thread, of: process) { threads.append(thread) }
        }
        threads.sort()
        return threads
    }

    /// The guest's descriptors of a process, ascending.
    func descriptors(of scope: ProcessScope) -> [Int32] {
        let names = (try? HostFile.list(scope.path("fd"))) ?? []
        var descriptors: [Int32] = []
        for name in names {
            if let number = name[...].decimal, !InternalDescriptors.contains(number) { descriptors.append(number) }
        }
        descriptors.sort()
        return descriptors
    }
}
