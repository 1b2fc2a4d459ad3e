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

    /// Ends the process where the host does not tell: what is not known for the host's would be shown to the guest as it is.
    init() {
        var name: (UInt8, UInt8) = (0x76, 0)
        let descriptor = withUnsafeMutablePointer(to: &name) {
            Host.raw(Int32(SYS_memfd_create), $0.argument, HostFlags.MFD_CLOEXEC)
        }
        let own = Int32(truncatingIfNeeded: descriptor)
        guard own >= 0, let status = Host.status(of: own) else {
            Message.fail("the host gives no memory file (errno \(-min(own, 0)))")
        }
        HostFile.close(own)
        anonymous = UInt64(status.st_dev)
        proc = Self.device("/proc")
        dev = Self.device("/dev")
        terminals = Self.device("/dev/pts")
        sharedMemory = Self.device("/dev/shm")
        system = Self.device("/sys")
    }

    /// 0, which no file system has, where the host does not have the directory.
    private static func device(_ path: StaticString) -> UInt64 {
        var found = stat()
        let result = withUnsafeMutablePointer(to: &found) { HostFile.status([UInt8](path), into: $0) }
        if result == -Int(ENOMEM) { Message.fail("the host does not say what \(path.description) is (errno \(-result))") }
        return result == 0 ? UInt64(found.st_dev) : 0
    }

    func contains(_ device: UInt64) -> Bool {
        device == anonymous || device == proc || device == dev || device == terminals || device == sharedMemory
            || device == system
    }
}
