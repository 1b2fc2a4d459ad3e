import CShim
import Host

/// The st_dev of the host file systems whose objects the guest may see under another identity.
struct HostDevices {
    /// Where memfds live.
    let anonymous: UInt64
    let proc: UInt64
    let dev: UInt64
    let terminals: UInt64
    let sharedMemory: UInt64
    let system: UInt64

    init() {
        var name: (UInt8, UInt8) = (0x76, 0)
        let descriptor = withUnsafeMutablePointer(to: &name) {
            Host.raw(Int32(SYS_memfd_create), $0.argument, HostFlags.MFD_CLOEXEC)
        }
        var device: UInt64 = 0
        if descriptor >= 0 {
            let own = Int32(truncatingIfNeeded: descriptor)
            if let status = Host.status(of: own) { device = UInt64(status.st_dev) }
            HostFile.close(own)
        }
        anonymous = device
        proc = Self.device("/proc")
        dev = Self.device("/dev")
        terminals = Self.device("/dev/pts")
        sharedMemory = Self.device("/dev/shm")
        system = Self.device("/sys")
    }

    /// 0, which no file system has, where the host does not have the directory.
    private static func device(_ path: StaticString) -> UInt64 {
        var found = stat()
        return withUnsafeMutablePointer(to: &found) {
            HostFile.status([UInt8](path), into: $0) == 0 ? UInt64($0.pointee.st_dev) : 0
        }
    }

    func contains(_ device: UInt64) -> Bool {
        device == anonymous || device == proc || device == dev || device == terminals || device == sharedMemory
            || device == system
    }
}
