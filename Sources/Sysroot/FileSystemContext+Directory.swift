import CShim
import Host
import LinuxABI

extension FileSystemContext {
    /// chdir(2).
    public func changeDirectory(_ path: PathBytes) throws(GuestErrno) {
        switch try object(path, from: AT_FDCWD, followLast: true, flags: VMRUN_O_DIRECTORY) {
        case .synthetic(let path, _): try enterSyntheticDirectory(path)
        case .descriptor(let descriptor):
            defer { Host.close(descriptor) }
            let result = enterHostDirectory(descriptor)
            if result < 0 { throw GuestErrno(Int32(-result)) }
        }
    }

    /// fchdir(2).
    public func changeDirectory(to descriptor: Int32) throws(GuestErrno) {
        guard descriptor >= 0, !InternalDescriptors.contains(descriptor) else { throw .EBADF }
        let result = enterHostDirectory(descriptor)
        if result == 0 { return }
        guard result == -Int(ENOTDIR), let path = tree?.path(ofDescriptor: descriptor),
            case .directory? = tree?.kind(at: path)
        else { throw GuestErrno(Int32(-result)) }
        try enterSyntheticDirectory(path)
    }

    /// chroot(2). `isPermitted` tells whether the caller has CAP_SYS_CHROOT; the path's own errors come first, as in Linux.
    public func changeRoot(_ path: PathBytes, isPermitted: Bool) throws(GuestErrno) {
        let object = try object(path, from: AT_FDCWD, followLast: true, flags: VMRUN_O_DIRECTORY)
        // A root without real directories would serve nobody.
        guard case .descriptor(let descriptor) = object else { throw .EPERM }
        defer { Host.close(descriptor) }
        if !isPermitted { throw .EPERM }
        try setRoot(descriptor)
    }
}
