import CShim
import Host
import LinuxABI

extension FileSystemContext {
    /// openat2(2). With `attention` (the calling guest thread's) a signal for the guest ends it, and the result is
    /// VMRUN_ERESTART.
    @inline(__always)
    static func openat2(
        _ directory: Int32, _ path: Int, _ how: inout open_how, _ attention: UnsafePointer<UInt32>?
    ) -> Int {
        withUnsafeMutablePointer(to: &how) { how in
            guard let attention else {
                return Host.raw(
                    Int32(SYS_openat2), Int(directory), path, how.argument, MemoryLayout<open_how>.size)
            }
            return interruptible(
                attention, Int32(SYS_openat2), Int(directory), path, how.argument, MemoryLayout<open_how>.size)
        }
    }

    @inline(__always)
    private static func interruptible(
        _ attention: UnsafePointer<UInt32>, _ number: Int32, _ a0: Int, _ a1: Int, _ a2: Int, _ a3: Int
    ) -> Int {
        var arguments = (
            UInt64(bitPattern: Int64(a0)), UInt64(bitPattern: Int64(a1)), UInt64(bitPattern: Int64(a2)),
            UInt64(bitPattern: Int64(a3)), UInt64(0), UInt64(0)
        )
        return withUnsafePointer(to: &arguments) { tuple in
            // SAFETY: a tuple of six words is laid out as an array of six.
            tuple.withMemoryRebound(to: UInt64.self, capacity: 6) {
                vmrun_interruptible_syscall(attention, Int(number), $0)
            }
        }
    }

    /// openat(2) of a host path that vmrun itself chose; links in it are followed.
    static func openHostPath(
        _ path: [UInt8], flags: Int, mode: UInt64 = 0, attention: UnsafePointer<UInt32>? = nil
    ) -> Int {
        let terminated = path + [0]
        return terminated.withUnsafeBytes { bytes in
            let address = Int(bitPattern: bytes.baseAddress)
            guard let attention else {
                return Host.raw(Int32(SYS_openat), Int(AT_FDCWD), address, flags, Int(mode))
            }
            return interruptible(attention, Int32(SYS_openat), Int(AT_FDCWD), address, flags, Int(mode))
        }
    }

    /// A new open of the object behind `descriptor`.
    func reopen(_ descriptor: Int32, flags: Int, mode: UInt64, attention: UnsafePointer<UInt32>?) -> Int {
        HostPath.withDescriptorLink(descriptor) { path in
            let flags = flags & ~VMRUN_O_NOFOLLOW
            guard let attention else {
                return Host.raw(Int32(SYS_openat), Int(AT_FDCWD), path.argument, flags, Int(mode))
            }
            return Self.interruptible(attention, Int32(SYS_openat), Int(AT_FDCWD), path.argument, flags, Int(mode))
        }
    }

    /// An O_PATH descriptor of a host object that the synthetic tree leads to.
    func openHostObject(_ path: [UInt8], flags: Int = 0) throws(GuestErrno) -> Int32 {
        let result = Self.openHostPath(path, flags: VMRUN_O_PATH | Int(O_CLOEXEC) | flags)
        guard result >= 0 else { throw GuestErrno(Int32(-result)) }
        return Int32(result)
    }

    func openHostDirectory(_ path: [UInt8]) throws(GuestErrno) -> Int32 {
        try openHostObject(path, flags: VMRUN_O_DIRECTORY)
    }

    /// An O_PATH descriptor of the directory at a path of the whole view.
    func openDirectory(_ path: [UInt8]) throws(GuestErrno) -> Int32 {
        var walk = PathWalk(self, path: path, from: AT_FDCWD, followLast: true)
        guard case .descriptor(let descriptor) = try walk.openObject(flags: VMRUN_O_DIRECTORY) else { throw .EPERM }
        return descriptor
    }
}
