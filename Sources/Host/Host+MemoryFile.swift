import CShim

/// Memfds. RLIMIT_FSIZE, setrlimit(2), counts for them too, and the kernel ends a process that exceeds it by SIGXFSZ. A guest
/// may set it as it likes, and what vmrun writes for itself is not the guest's doing: so the limit is raised meanwhile as far
/// as it goes. Where that is not far enough the error is EFBIG.
extension Host {
    /// A memfd in vmrun's window, close-on-exec. `name` shows in /proc/PID/fd only.
    public static func memoryFile(_ name: StaticString) throws(HostError) -> Int32 {
        let result = try call(Int32(SYS_memfd_create), Int(bitPattern: name.utf8Start), Int(MFD_CLOEXEC))
        let descriptor = InternalDescriptors.adopt(Int32(truncatingIfNeeded: result))
        if descriptor < 0 { throw HostError(EMFILE) }
        return descriptor
    }

    /// Writes `bytes` to the start of a memfd.
    public static func fill(memoryFile descriptor: Int32, with bytes: [UInt8]) throws(HostError) {
        let limit = FileSizeLimit.raised(to: bytes.count)
        defer { limit.restore() }
        guard limit.suffices else { throw HostError(EFBIG) }
        var done = 0
        while done < bytes.count {
            let written = bytes.withUnsafeBytes {
                raw(Int32(SYS_pwrite64), Int(descriptor), Int(bitPattern: $0.baseAddress) + done, bytes.count - done, done)
            }
            if written == -Int(EINTR) { continue }
            guard written > 0 else { throw HostError(written < 0 ? Int32(-written) : ENOSPC) }
            done += written
        }
    }

    /// ftruncate(2) of a memfd.
    public static func resize(memoryFile descriptor: Int32, to size: Int) throws(HostError) {
        let limit = FileSizeLimit.raised(to: size)
        defer { limit.restore() }
        guard limit.suffices else { throw HostError(EFBIG) }
        try call(Int32(SYS_ftruncate), Int(descriptor), size)
    }

    /// The first `size` bytes of a memfd, for reading and writing, as all who map them see them.
    public static func map(memoryFile descriptor: Int32, size: Int) throws(HostError) -> UnsafeMutableRawPointer {
        let address = try call(
            Int32(SYS_mmap), 0, size, Int(PROT_READ | PROT_WRITE), Int(MAP_SHARED | MAP_NORESERVE), Int(descriptor), 0)
        guard let pointer = UnsafeMutableRawPointer(bitPattern: address) else { throw HostError(ENOMEM) }
        return pointer
    }

    /// The soft limit in bytes.
    public static var fileSizeLimit: UInt64 { UInt64(FileSizeLimit.current().rlim_cur) }
}

private struct FileSizeLimit {
    private let before: rlimit
    private let isRaised: Bool
    let suffices: Bool

    private static let resource = 1

    static func current() -> rlimit {
        var limit = rlimit()
        withUnsafeMutablePointer(to: &limit) { _ = Host.raw(Int32(SYS_prlimit64), 0, resource, 0, $0.argument) }
        return limit
    }

    static func raised(to size: Int) -> FileSizeLimit {
        let before = current()
        let enough = rlim_t(size)
        if before.rlim_cur >= enough { return FileSizeLimit(before: before, isRaised: false, suffices: true) }
        // Beyond the hard limit it needs CAP_SYS_RESOURCE.
        let isSet = set(rlimit(rlim_cur: enough, rlim_max: max(enough, before.rlim_max)))
        return FileSizeLimit(before: before, isRaised: isSet, suffices: isSet)
    }

    func restore() {
        if isRaised { _ = Self.set(before) }
    }

    private static func set(_ limit: rlimit) -> Bool {
        var limit = limit
        return withUnsafeMutablePointer(to: &limit) { Host.raw(Int32(SYS_prlimit64), 0, resource, $0.argument, 0) } == 0
    }
}
