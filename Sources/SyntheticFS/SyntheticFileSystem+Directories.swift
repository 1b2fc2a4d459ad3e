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
        let restricted: [UInt8]?
        switch directory {
        case .descriptors(let scope): restricted = scope.path("fd")
        case .namespaces(let scope): restricted = scope.path("ns")
        case .mappedFiles(let scope): restricted = scope.path("map_files")
        default: restricted = nil
        }
        if let restricted {
            do throws(HostError) { _ = try HostFile.list(restricted) } catch { throw GuestErrno(error.number) }
        }
        return names(in: directory)
    }

    func names(in directory: SyntheticNode.Directory) -> Listing {
        switch directory {
        case .proc:
            var names = systemNames(.proc, in: [])
            for link in Self.procLinks { names.append(([UInt8](link), .link)) }
            for process in members() {
                var name: [UInt8] = []
                name.append(decimal: process)
                names.append((name, .directory))
            }
            return names
        case .system(let mount, let path): return systemNames(mount, in: path)
        case .tree(let path): return treeNames(path)
        case .process(let scope): return processNames(scope)
        case .tasks(let process):
            return threads(of: process).map { (decimalName($0), .directory) }
        case .descriptors(let scope): return descriptors(of: scope).map { (decimalName($0), .link) }
        case .descriptorInfos(let scope): return descriptors(of: scope).map { (decimalName($0), .file) }
        case .namespaces(let scope): return ((try? HostFile.list(scope.path("ns"))) ?? []).map { ($0, .link) }
        case .mappedFiles(let scope):
            return ((try? HostFile.list(scope.path("map_files"))) ?? []).filter { isMapping($0[...]) }.map { ($0, .link) }
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

    private func treeNames(_ path: [UInt8]) -> Listing {
        ((try? HostFile.list(path)) ?? []).compactMap { name in
            guard let node = treeNode(path + [UInt8(ascii: "/")] + name) else { return nil }
            switch node.content {
            case .directory: return (name, .directory)
            case .link: return (name, .link)
            default: return (name, .file)
            }
        }
    }

    private func systemNames(_ mount: SystemMount, in path: [UInt8]) -> Listing {
        var names: Listing = []
        var directory = [UInt8](mount.prefix)
        directory.append(contentsOf: path)
        let present = (try? HostFile.list(directory)) ?? []
        for entry in mount.entries.names(in: path[...]) where present.contains(entry.name) {
            names.append((entry.name, entry.match == .file ? .file : .directory))
        }
        return names
    }

    private func processNames(_ scope: ProcessScope) -> Listing {
        let present = (try? HostFile.list(scope.path)) ?? []
        var names: Listing = []
        for entry in ProcessEntry.all
        where entry.isShown(inThread: scope.isTask) && present.contains(where: { $0.equals(entry.name) }) {
            let kind: EntryKind
            switch entry.content {
            case .host, .hostWritable, .generated, .addressed: kind = .file
            case .executable, .workingDirectory, .root: kind = .link
            case .taskDirectory, .descriptorDirectory, .descriptorInfoDirectory, .namespaceDirectory, .mappedFileDirectory,
                .tree:
                kind = .directory
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
