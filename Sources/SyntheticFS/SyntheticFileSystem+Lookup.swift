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
        if let process = name.decimal {
            guard isMember(process) else { return nil }
            let scope = ProcessScope(process: process, thread: nil)
            return rest.isEmpty
                ? SyntheticNode(hostPath: path, content: .directory(.process(scope)))
                : processNode(path, scope, rest)
        }
        if rest.isEmpty, let target = linkTarget(name) {
            return SyntheticNode(hostPath: path, content: .link(target: target))
        }
        switch SystemEntries.find(whole) {
        case .file:
            let isLowestAddress = whole.equals("sys/vm/mmap_min_addr")
            return SyntheticNode(hostPath: path, content: isLowestAddress ? .lowestAddress : .hostFile)
        case .directory: return SyntheticNode(hostPath: path, content: .directory(.system(Array(whole))))
        case nil: return nil
        }
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
            target.append(decimal: Int32(truncatingIfNeeded: Host.raw(Int32(SYS_gettid))))
        }
        return target
    }

    func isMember(_ process: Int32) -> Bool {
        process > 0 && (process == ownProcess || session.isMember(process))
    }

    private func processNode(_ path: [UInt8], _ scope: ProcessScope, _ below: ArraySlice<UInt8>) -> SyntheticNode? {
        var rest = below
        let name = rest.take(until: UInt8(ascii: "/"))
        guard let entry = ProcessEntry.find(name, inThread: scope.thread != nil) else { return nil }
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
            return SyntheticNode(hostPath: path, content: .descriptor(scope, descriptor))
        case .descriptorInfoDirectory:
            guard let descriptor = rest.decimal, !InternalDescriptors.contains(descriptor) else { return nil }
            return SyntheticNode(hostPath: path, content: .descriptorInfo(scope, descriptor))
        case .networkDirectory:
            for file in ProcessEntry.network where rest.equals(file) {
                return SyntheticNode(hostPath: path, content: rest.equals("unix") ? .unixSockets : .hostFile)
            }
            return nil
        default: return nil
        }
    }

    func content(of entry: ProcessEntry, _ scope: ProcessScope) -> SyntheticNode.Content {
        switch entry.content {
        case .host: .hostFile
        case .hostWritable: .hostWritable
        case .generated(let file): .generated(scope, file)
        case .taskDirectory: .directory(.tasks(scope.process))
        case .descriptorDirectory: .directory(.descriptors(scope))
        case .descriptorInfoDirectory: .directory(.descriptorInfos(scope))
        case .networkDirectory: .directory(.network(scope))
        case .executable: .executable(scope.process)
        case .workingDirectory: .workingDirectory(scope)
        case .root: .link(target: [UInt8]("/"))
        }
    }
}
