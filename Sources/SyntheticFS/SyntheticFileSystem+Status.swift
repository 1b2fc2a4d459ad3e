import CShim
import Host
import LinuxABI

/// stat(2) of synthetic objects: the host's own answer for the object they stand for, under the guest's identity.
extension SyntheticFileSystem {
    public func stat(_ path: [UInt8], into status: UnsafeMutablePointer<stat>) throws(GuestErrno) {
        guard let node = node(at: path) else { throw .ENOENT }
        let result = HostFile.status(node.hostPath, into: status)
        guard result == 0 else { throw GuestErrno(Int32(truncatingIfNeeded: -result)) }
        adjust(status, node)
        SyntheticIdentity.apply(path, to: status)
    }

    /// What differs between the host's object and the guest's: counts of things of which some are hidden.
    private func adjust(_ status: UnsafeMutablePointer<stat>, _ node: SyntheticNode) {
        guard case .directory(let directory) = node.content else {
            if case .link(let target) = node.content, node.hostPath.hasPrefix("/dev/") {
                status.pointee.st_size = numericCast(target.count)
            }
            return
        }
        switch directory {
        case .proc:
            status.pointee.st_nlink = numericCast(2 + names(in: directory).count { $0.kind == .directory })
        case .tasks(let process):
            status.pointee.st_nlink = numericCast(2 + threads(of: process).count)
        case .descriptors(let scope):
            // Linux tells the number of open descriptors here since 6.2, 0 before.
            if status.pointee.st_size > 0 { status.pointee.st_size = numericCast(descriptors(of: scope).count) }
        case .devices:
            status.pointee.st_nlink = 4
        default: break
        }
    }

    public func mayPatch(device: UInt64) -> Bool { devices.contains(device) }

    public func patch(_ status: UnsafeMutablePointer<stat>, ofDescriptor descriptor: Int32) -> Bool {
        guard devices.contains(UInt64(status.pointee.st_dev)), let text = HostFile.readlink(ofDescriptor: descriptor) else {
            return false
        }
        if let name = SyntheticName.parse(text) {
            patch(status, name.path, isDirectory: name.isDirectory)
            return true
        }
        let deleted = text.hasSuffix(SyntheticName.deletedSuffix)
        let path = deleted ? Array(text.dropLast(SyntheticName.deletedSuffix.utf8CodeUnitCount)) : text
        guard let shown = guestPath(ofHostPath: path) else { return false }
        // The name of a deleted file may be in use again: it keeps its own number.
        let inode = status.pointee.st_ino
        SyntheticIdentity.apply(shown, to: status)
        if deleted { status.pointee.st_ino = inode }
        return true
    }

    private func patch(_ status: UnsafeMutablePointer<stat>, _ path: [UInt8], isDirectory: Bool) {
        do throws(GuestErrno) {
            try stat(path, into: status)
        } catch {
            // The process is gone, the descriptor is not.
            status.pointee.st_mode = isDirectory ? UInt32(S_IFDIR) | 0o555 : UInt32(S_IFREG) | 0o444
            status.pointee.st_nlink = isDirectory ? 2 : 1
            status.pointee.st_size = 0
            status.pointee.st_blocks = 0
            SyntheticIdentity.apply(path, to: status)
        }
    }

    /// Makes a host statfs(2) result of a synthetic descriptor that of the file system it seems to be on. False where it is
    /// none; only those on tmpfs can be.
    public func patch(_ status: UnsafeMutablePointer<statfs>, ofDescriptor descriptor: Int32) -> Bool {
        guard let name = name(ofDescriptor: descriptor), let mount = mountPoints.first(where: { name.path.isWithin($0) })
        else { return false }
        return HostFile.with(mount) { Host.raw(Int32(SYS_statfs), $0, status.argument) } == 0
    }
}
