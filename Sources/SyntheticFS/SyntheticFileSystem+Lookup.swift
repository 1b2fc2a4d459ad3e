import CShim
import Host

/// From a guest path to the object there.
extension SyntheticFileSystem {
    /// The object at a canonical path, or nil where there is none.
    func node(at path: [UInt8]) -> SyntheticNode? {
        var rest = path[...]
        guard rest.first == UInt8(ascii: "/") else { return nil }
        rest = rest.dropFirst()
        let top = rest.take(until: UInt8(ascii: "/"))
        let node: SyntheticNode?
        if top.equals("proc") {
            node = rest.isEmpty ? SyntheticNode(hostPath: path, content: .directory(.proc)) : procNode(path, below: rest)
        } else if top.equals("dev") {
            node = rest.isEmpty ? SyntheticNode(hostPath: path, content: .directory(.devices)) : deviceNode(path, rest)
        } else if top.equals("sys"), configuration.showsMachine {
            node = systemNode(path, .sys, rest)
        } else {
            node = nil
        }
        guard let node, HostFile.exists(node.hostPath) else { return nil }
        return node
    }

    private func deviceNode(_ path: [UInt8], _ name: ArraySlice<UInt8>) -> SyntheticNode? {
        switch DeviceEntries.find(name) {
        case .node: return SyntheticNode(hostPath: path, content: .device)
        case .link(let target): return SyntheticNode(hostPath: path, content: .link(target: [UInt8](target)))
        case .hostDirectory: return SyntheticNode(hostPath: path, content: .hostDirectory)
        case .sharedMemory:
            return SyntheticNode(hostPath: sharedMemory.hostPath, content: .hostDirectory)
        case nil: return nil
        }
    }

    private func procNode(_ path: [UInt8], below rest: ArraySlice<UInt8>) -> SyntheticNode? {
        var rest = rest
        let whole = rest
        let name = rest.take(until: UInt8(ascii: "/"))
        if let number = name.decimal {
            guard let scope = scope(ofNumber: number) else { return nil }
            return rest.isEmpty
                ? SyntheticNode(hostPath: path, content: .directory(.process(scope)))
                : processNode(path, scope, rest)
        }
        if rest.isEmpty, let target = linkTarget(name) {
            return SyntheticNode(hostPath: path, content: .link(target: target))
        }
        if whole.equals("sys/vm/mmap_min_addr") { return SyntheticNode(hostPath: path, content: .system(.lowestAddress)) }
        if whole.equals("locks") { return SyntheticNode(hostPath: path, content: .system(.fileLocks)) }
        return systemNode(path, .proc, whole)
    }

    /// An object that belongs to no process, by its path below the mount point.
    private func systemNode(_ path: [UInt8], _ mount: SystemMount, _ below: ArraySlice<UInt8>) -> SyntheticNode? {
        switch below.isEmpty ? .directory : mount.entries.find(below) {
        case .file: return SyntheticNode(hostPath: path, content: .hostFile)
        case .directory: return SyntheticNode(hostPath: path, content: .directory(.system(mount, Array(below))))
        case .tree: return treeNode(path)
        case nil: return nil
        }
    }

    /// An object of a host tree: what every user may read. Of links those that lead to another tree of the view.
    func treeNode(_ path: [UInt8]) -> SyntheticNode? {
        guard !isHidden(path), let mode = HostFile.mode(path) else { return nil }
        switch mode & UInt32(S_IFMT) {
        case UInt32(S_IFDIR):
            return mode & 0o005 == 0o005 ? SyntheticNode(hostPath: path, content: .directory(.tree(path))) : nil
        case UInt32(S_IFREG):
            return mode & 0o004 != 0 ? SyntheticNode(hostPath: path, content: .hostFile) : nil
        case UInt32(S_IFLNK):
            guard let target = HostFile.readlink(path), let directory = path[...].splitLast?.directory else { return nil }
            let place = target.first == UInt8(ascii: "/") ? target : Array(directory) + [UInt8(ascii: "/")] + target
            var below = place.lexicallyNormalized[...]
            guard below.hasPrefix(SystemMount.sys.prefix), configuration.showsMachine else { return nil }
            below = below.dropFirst(SystemMount.sys.prefix.utf8CodeUnitCount)
            return SystemEntries.sys.find(below) == .tree ? SyntheticNode(hostPath: path, content: .link(target: target)) : nil
        default: return nil
        }
    }

    /// Without a network there is no state of one: `/proc/PID/net` has AF_UNIX sockets only.
    private func isHidden(_ path: [UInt8]) -> Bool {
        guard !session.hasNetwork, path.hasPrefix("/proc/"), !path.hasPrefix("/proc/sys/") else { return false }
        let names = path.split(separator: UInt8(ascii: "/"))
        guard let net = names.firstIndex(where: { $0.equals("net") }) else { return false }
        return net + 1 < names.count && !names[net + 1].equals("unix")
    }

    /// The links of /proc itself.
    static let procLinks: [StaticString] = ["self", "thread-self", "mounts", "net"]

    private func linkTarget(_ name: ArraySlice<UInt8>) -> [UInt8]? {
        if name.equals("mounts") { return [UInt8]("self/mounts") }
        if name.equals("net") { return [UInt8]("self/net") }
        let isThread = name.equals("thread-self")
        guard isThread || name.equals("self") else { return nil }
        var target: [UInt8] = []
        target.append(decimal: ownProcess)
        if isThread {
            target.append("/task/")
            target.append(decimal: askingThread)
        }
        return target
    }

    /// The thread whose call this is; another host thread may be making it.
    var askingThread: Int32 {
        vmrun_thread_self()?.pointee.served_tid ?? Int32(truncatingIfNeeded: Host.raw(Int32(SYS_gettid)))
    }

    /// What /proc has under a number: a process, or the process of a thread.
    private func scope(ofNumber number: Int32) -> ProcessScope? {
        if isMember(number) { return ProcessScope(process: number, thread: nil) }
        guard let process = session.process(ofGuestThread: number) else { return nil }
        return ProcessScope(process: process, thread: number, isByThread: true)
    }

    func isMember(_ process: Int32) -> Bool {
        process > 0 && (process == ownProcess || session.isMember(process))
    }

    private func processNode(_ path: [UInt8], _ scope: ProcessScope, _ below: ArraySlice<UInt8>) -> SyntheticNode? {
        var rest = below
        let name = rest.take(until: UInt8(ascii: "/"))
        guard let entry = ProcessEntry.find(name, inThread: scope.isTask) else { return nil }
        if rest.isEmpty {
            return SyntheticNode(hostPath: path, content: content(of: entry, scope))
        }
        switch entry.content {
        case .taskDirectory:
            guard let thread = rest.take(until: UInt8(ascii: "/")).decimal,
                session.isGuestThread(thread, of: scope.process)
            else { return nil }
            let threadScope = ProcessScope(process: scope.process, thread: thread)
            return rest.isEmpty
                ? SyntheticNode(hostPath: path, content: .directory(.process(threadScope)))
                : processNode(path, threadScope, rest)
        case .descriptorDirectory:
            guard let descriptor = rest.decimal, !InternalDescriptors.contains(descriptor) else { return nil }
            return SyntheticNode(hostPath: path, content: .hostLink)
        case .descriptorInfoDirectory:
            guard let descriptor = rest.decimal, !InternalDescriptors.contains(descriptor) else { return nil }
            return SyntheticNode(hostPath: path, content: .descriptorInfo(scope, descriptor))
        case .namespaceDirectory:
            return rest.contains(UInt8(ascii: "/")) ? nil : SyntheticNode(hostPath: path, content: .hostLink)
        case .mappedFileDirectory: return isMapping(rest) ? SyntheticNode(hostPath: path, content: .hostLink) : nil
        case .tree:
            if name.equals("net") && rest.equals("unix") {
                return SyntheticNode(hostPath: path, content: .system(.unixSockets))
            }
            return treeNode(path)
        default: return nil
        }
    }

    /// Whether a name in map_files, `START-END`, is that of a mapping of the guest's.
    func isMapping(_ name: ArraySlice<UInt8>) -> Bool {
        var rest = name
        guard let start = rest.takeHex(), rest.first == UInt8(ascii: "-") else { return false }
        rest = rest.dropFirst()
        guard let end = rest.takeHex(), rest.isEmpty, start < end else { return false }
        return start >= configuration.arena.lowerBound && end <= configuration.arena.upperBound
    }

    func content(of entry: ProcessEntry, _ scope: ProcessScope) -> SyntheticNode.Content {
        switch entry.content {
        case .host: .hostFile
        case .hostWritable: .hostWritable
        case .generated(let file): .generated(scope, file)
        case .taskDirectory: .directory(.tasks(scope.process))
        case .descriptorDirectory: .directory(.descriptors(scope))
        case .descriptorInfoDirectory: .directory(.descriptorInfos(scope))
        case .namespaceDirectory: .directory(.namespaces(scope))
        case .mappedFileDirectory: .directory(.mappedFiles(scope))
        case .tree: .directory(.tree(scope.path(entry.name)))
        case .addressed(let file): .addressed(file)
        case .executable: .executable(scope.process)
        case .workingDirectory: .workingDirectory(scope)
        case .root: .link(target: [UInt8]("/"))
        }
    }
}
