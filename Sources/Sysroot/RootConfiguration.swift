/// What makes up a guest's view of the file system, as options say it and as a new process image gets it from its parent.
/// Paths are bytes; host paths are absolute.
public struct RootConfiguration {
    /// `--bind HOST[:GUEST[:ro]]`.
    public struct Bind {
        public var hostPath: [UInt8]
        public var guestPath: [UInt8]
        public var readOnly: Bool

        public init(hostPath: [UInt8], guestPath: [UInt8], readOnly: Bool) {
            self.hostPath = hostPath
            self.guestPath = guestPath
            self.readOnly = readOnly
        }
    }

    /// The host directory that is the guest's `/`.
    public var rootPath: [UInt8]
    public var binds: [Bind]
    /// Whether the guest may change nothing in the root; binds may all the same.
    public var isReadOnly: Bool
    /// Whether paths that the root does not hold are looked up on the host.
    public var hostFallback: Bool
    /// The directory that the guest made its root with chroot(2), a path in the view described above; empty for none.
    public var chrootPath: [UInt8]
    /// The working directory where it is synthetic; empty where it is the host process's own.
    public var syntheticWorkingDirectory: [UInt8]

    /// What the paths name, opened by the image before this one: the user who runs by now might not be allowed to open it. In
    /// this order: the root, the guest's root (another one after chroot(2)), the host's `/` where that is the fallback, the
    /// binds, whose guest paths are canonical then. Empty: the paths are to be opened. Not part of the encoding.
    public var descriptors: [Int32] = []

    /// Guest paths where the host has procfs mounted inside the view: nothing is found there. nil: not looked for yet.
    var hiddenPaths: [[UInt8]]? = nil

    public init(
        rootPath: [UInt8], binds: [Bind] = [], isReadOnly: Bool = false, hostFallback: Bool = false, chrootPath: [UInt8] = [],
        syntheticWorkingDirectory: [UInt8] = []
    ) {
        self.rootPath = rootPath
        self.binds = binds
        self.isReadOnly = isReadOnly
        self.hostFallback = hostFallback
        self.chrootPath = chrootPath
        self.syntheticWorkingDirectory = syntheticWorkingDirectory
    }

    /// The bytes that `init(decoding:)` reads back: each path with its length (32 bits, little endian) before it.
    public func encoded() -> [UInt8] {
        var bytes: [UInt8] = [hostFallback ? 1 : 0, isReadOnly ? 1 : 0]
        Self.append(rootPath, to: &bytes)
        Self.append(chrootPath, to: &bytes)
        Self.append(syntheticWorkingDirectory, to: &bytes)
        Self.append(UInt32(truncatingIfNeeded: binds.count), to: &bytes)
        for bind in binds {
            bytes.append(bind.readOnly ? 1 : 0)
            Self.append(bind.hostPath, to: &bytes)
            Self.append(bind.guestPath, to: &bytes)
        }
        if let hiddenPaths {
            Self.append(UInt32(truncatingIfNeeded: hiddenPaths.count), to: &bytes)
            for path in hiddenPaths { Self.append(path, to: &bytes) }
        }
        return bytes
    }

    /// Nil where the bytes are not what `encoded` makes.
    public init?(decoding bytes: [UInt8]) {
        var position = 0
        guard let fallback = Self.flag(bytes, &position), let isReadOnly = Self.flag(bytes, &position), let root = Self.path(bytes, &position),
            let chroot = Self.path(bytes, &position), let directory = Self.path(bytes, &position),
            let bindCount = Self.count(bytes, &position)
        else { return nil }
        self.init(
            rootPath: root, isReadOnly: isReadOnly, hostFallback: fallback, chrootPath: chroot, syntheticWorkingDirectory: directory)
        for _ in 0..<bindCount {
            guard let readOnly = Self.flag(bytes, &position), let host = Self.path(bytes, &position),
                let guest = Self.path(bytes, &position)
            else { return nil }
            binds.append(Bind(hostPath: host, guestPath: guest, readOnly: readOnly))
        }
        if position == bytes.count { return }
        guard let hiddenCount = Self.count(bytes, &position) else { return nil }
        var hidden: [[UInt8]] = []
        for _ in 0..<hiddenCount {
            guard let path = Self.path(bytes, &position) else { return nil }
            hidden.append(path)
        }
        hiddenPaths = hidden
        if position != bytes.count { return nil }
    }

    private static func append(_ number: UInt32, to bytes: inout [UInt8]) {
        for shift in [0, 8, 16, 24] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: number >> shift)) }
    }

    private static func append(_ path: [UInt8], to bytes: inout [UInt8]) {
        append(UInt32(truncatingIfNeeded: path.count), to: &bytes)
        bytes.append(contentsOf: path)
    }

    private static func flag(_ bytes: [UInt8], _ position: inout Int) -> Bool? {
        guard position < bytes.count, bytes[position] <= 1 else { return nil }
        position += 1
        return bytes[position - 1] == 1
    }

    private static func count(_ bytes: [UInt8], _ position: inout Int) -> Int? {
        guard bytes.count - position >= 4 else { return nil }
        var count = 0
        for index in 0..<4 { count |= Int(bytes[position + index]) << (8 * index) }
        position += 4
        return count
    }

    private static func path(_ bytes: [UInt8], _ position: inout Int) -> [UInt8]? {
        guard let count = count(bytes, &position), count <= bytes.count - position else { return nil }
        position += count
        return Array(bytes[(position - count)..<position])
    }
}
