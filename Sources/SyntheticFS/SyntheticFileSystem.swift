import CShim
import Host
import LinuxABI
import Sysroot

/// /proc and /dev as the guest sees them.
///
/// Every object stands for one of the host's at the same path, which gives its mode, owner and times and decides whether it
/// exists. Contents are the host's own file where it says nothing of vmrun, and generated otherwise: then the descriptor is
/// a memfd whose name tells the guest path, so that any descriptor can be recognised, whatever way it travelled, and no
/// table has to be kept.
public final class SyntheticFileSystem: SyntheticTree {
    let session: any SessionDirectory
    let configuration: SyntheticConfiguration
    let devices: HostDevices
    @usableFromInline let flags: DescriptorFlags
    public let sharedMemory: SharedMemoryDirectory
    /// Turns host paths in links and maps into guest paths. Set once, before the guest runs; the resolver, which refers to
    /// this object itself, is it.
    public var translator: (any PathTranslator)?

    /// Recognises the synthetic ones among the descriptors that the process began with.
    public init(
        configuration: SyntheticConfiguration, session: any SessionDirectory, sharedMemory: SharedMemoryDirectory
    ) {
        self.configuration = configuration
        self.session = session
        self.sharedMemory = sharedMemory
        devices = HostDevices()
        flags = DescriptorFlags()
        noteInheritedDescriptors()
    }

    /// In a fork child that does not share its parent's descriptors.
    public func keepOwnDescriptorFlags() { flags.keepOwn() }

    public var mountPoints: [[UInt8]] { configuration.mountPoints }

    /// The calling process. Never kept: a vfork child shares this object with its parent.
    var ownProcess: Int32 { Int32(truncatingIfNeeded: Host.raw(Int32(SYS_getpid))) }

    public func kind(at path: [UInt8]) -> SyntheticKind? {
        guard let node = node(at: path) else { return nil }
        switch node.content {
        case .directory: return .directory
        // The host's files are opened here, so that no guest writes to the host's settings through them.
        case .hostFile, .generated, .descriptorInfo, .system, .addressed: return .file(isWritable: isWritable(node))
        case .hostWritable, .device: return .passThrough(hostPath: node.hostPath)
        case .hostDirectory: return .hostDirectory(hostPath: node.hostPath)
        case .link(let target): return .symbolicLink(target: target)
        case .executable(let process):
            guard let hostPath = executableHostPath(process) else {
                return session.executablePath(of: process).map { .symbolicLink(target: $0) }
            }
            return .magicLink(hostPath: hostPath)
        case .workingDirectory(let scope):
            guard let path = syntheticWorkingDirectory(of: scope.process) else {
                return .magicLink(hostPath: node.hostPath)
            }
            return .symbolicLink(target: path)
        case .hostLink:
            // What the host does not tell it does not open either, and says why.
            guard let text = HostFile.readlink(node.hostPath) else { return .magicLink(hostPath: node.hostPath) }
            // Opening it anew goes through the tree: the host's link would give away the memfd, or a host file of /proc for
            // writing.
            if let path = SyntheticName.path(ofLinkText: text) { return .symbolicLink(target: path) }
            if text.hasPrefix("/proc/") && self.node(at: text) != nil { return .symbolicLink(target: text) }
            return .magicLink(hostPath: node.hostPath)
        }
    }

    /// Whether an open for writing may succeed.
    func isWritable(_ node: SyntheticNode) -> Bool {
        switch node.content {
        case .addressed(let file): file == .memory
        // Each process has its own only.
        case .generated(let scope, .coredumpFilter): scope.process == ownProcess
        default: false
        }
    }

    /// The working directory of a process where it is synthetic: the host's own is parked elsewhere then.
    private func syntheticWorkingDirectory(of process: Int32) -> [UInt8]? {
        guard process == ownProcess else { return session.syntheticWorkingDirectory(of: process) }
        guard let path = try? translator?.guestWorkingDirectory(), case .directory? = node(at: path)?.content else {
            return nil
        }
        return path
    }

    /// Where a member's program can be reached whatever became of its name.
    func executableHostPath(_ process: Int32) -> [UInt8]? {
        guard let descriptor = session.record(of: process)?.executableDescriptor, descriptor >= 0 else { return nil }
        var path = ProcessScope(process: process, thread: nil).path("fd/")
        path.append(decimal: descriptor)
        return path
    }

    public func readlink(_ path: [UInt8]) throws(GuestErrno) -> [UInt8] {
        guard let node = node(at: path) else { throw .ENOENT }
        switch node.content {
        case .link(let target): return target
        case .executable(let process):
            // As the kernel does, the link follows renames of the program.
            if let hostPath = executableHostPath(process) {
                let text = try hostLinkText(hostPath)
                let shown = guestLinkText(text)
                if shown != text || configuration.root.count == 1 { return shown }
            }
            guard let path = session.executablePath(of: process) else { throw .ENOENT }
            return path
        case .workingDirectory(let scope):
            if let path = syntheticWorkingDirectory(of: scope.process) { return path }
            return guestLinkText(try hostLinkText(node.hostPath))
        case .hostLink: return guestLinkText(try hostLinkText(node.hostPath))
        default: throw .EINVAL
        }
    }

    private func hostLinkText(_ path: [UInt8]) throws(GuestErrno) -> [UInt8] {
        do throws(HostError) { return try HostFile.linkText(path) } catch { throw GuestErrno(error.number) }
    }

    /// The text of a host link (/proc/PID/fd/N, cwd, exe) as the guest reads it. What has no name in the guest's view
    /// keeps its text, as the kernel shows what lies outside a process's root: a pipe, a socket, a file passed in from
    /// elsewhere.
    func guestLinkText(_ text: [UInt8]) -> [UInt8] {
        guard text.first == UInt8(ascii: "/") else { return text }
        if let path = SyntheticName.path(ofLinkText: text) { return path }
        let deleted = text.hasSuffix(SyntheticName.deletedSuffix)
        let path = deleted ? Array(text.dropLast(SyntheticName.deletedSuffix.utf8CodeUnitCount)) : text
        guard var shown = guestPath(ofHostPath: path) ?? translator?.guestPath(fromHost: path) else { return text }
        if deleted { shown.append(SyntheticName.deletedSuffix) }
        return shown
    }

    public func guestPath(ofHostPath path: [UInt8]) -> [UInt8]? {
        if path.isWithin(sharedMemory.hostPath) {
            var shown = [UInt8]("/dev/shm")
            shown.append(contentsOf: path[sharedMemory.hostPath.count...])
            return shown
        }
        if path.isWithin([UInt8]("/dev/pts")) { return path }
        guard mountPoints.contains(where: { path.isWithin($0) }), node(at: path) != nil else { return nil }
        return path
    }
}
