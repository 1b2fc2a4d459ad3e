import CShim
import Host

/// What the guest has made of files' owners, modes and device numbers under `--fakeroot`, in memory that all processes of a session share.
///
/// Only what differs from what the host's file says is in it. A file is known by its device, its inode and, where the file
/// system tells, the time of its birth: the next file with that inode number is another one.
///
/// Entries are chained in buckets and never taken out; one that says nothing any more waits for its file to be changed again. An entry is
/// whole before one compare-and-exchange puts it at the head of its chain, and every change is one store: so there are
/// no locks, and a process that is killed at any instruction loses one unused entry at most.
public final class OwnershipTable {
    /// A file's identity.
    public struct File: Equatable {
        public var device: UInt64
        public var inode: UInt64
        /// Nanoseconds since the epoch; 0 where the file system does not know.
        public var birth: UInt64

        public init(device: UInt64, inode: UInt64, birth: UInt64) {
            self.device = device
            self.inode = inode
            self.birth = birth
        }
    }

    /// What is known of a file. Nil: what the host says.
    public struct Record: Equatable {
        public struct Owner: Equatable {
            public var user: UInt32
            public var group: UInt32

            public init(user: UInt32, group: UInt32) {
                self.user = user
                self.group = group
            }
        }

        public struct Mode: Equatable {
            /// st_mode, type included: a device is a plain file on the host.
            public var mode: UInt16
            /// st_rdev in the kernel's 32-bit encoding.
            public var device: UInt32

            public init(mode: UInt16, device: UInt32 = 0) {
                self.mode = mode
                self.device = device
            }
        }

        public var owner: Owner?
        public var mode: Mode?

        public init(owner: Owner? = nil, mode: Mode? = nil) {
            self.owner = owner
            self.mode = mode
        }
    }

    // The memory: a header, the heads of the chains, the entries. It is sparse.
    private static let bucketCount = 1 << 16
    private static let entryCapacity = 1 << 22
    private static let headsOffset = 4096
    private static let entriesOffset = headsOffset + bucketCount * 8
    private static let entrySize = 48
    private static let size = entriesOffset + entryCapacity * entrySize

    /// Words of an entry.
    private enum Word {
        static let device = 0, inode = 1, birth = 2, next = 3, owner = 4, mode = 5
    }

    /// An owner word that says nothing. As an owner it would be user and group -1, which no file can have.
    private static let noOwner = UInt64.max
    private static let modeIsKnown: UInt64 = 1 << 16

    public let descriptor: Int32
    private let base: UnsafeMutableRawPointer

    /// An empty table.
    public init() throws(HostError) {
        descriptor = try Host.memoryFile("vmrun-ownership")
        try Host.resize(memoryFile: descriptor, to: Self.size)
        base = try Host.map(memoryFile: descriptor, size: Self.size)
    }

    /// The table behind an inherited descriptor.
    public init(descriptor: Int32) throws(HostError) {
        self.descriptor = descriptor
        base = try Host.map(memoryFile: descriptor, size: Self.size)
    }

    deinit { _ = Host.raw(Int32(SYS_munmap), Int(bitPattern: base), Self.size) }

    // MARK: Questions

    /// Whether nothing was ever remembered.
    public var isEmpty: Bool { vmrun_atomic_load64(counter) == 0 }

    public func record(of file: File) -> Record {
        guard let index = find(file) else { return Record() }
        let owner = vmrun_atomic_load64(entry(index) + Word.owner)
        let mode = vmrun_atomic_load64(entry(index) + Word.mode)
        return Record(
            owner: owner == Self.noOwner
                ? nil
                : Record.Owner(user: UInt32(truncatingIfNeeded: owner), group: UInt32(truncatingIfNeeded: owner >> 32)),
            mode: mode & Self.modeIsKnown == 0
                ? nil
                : Record.Mode(mode: UInt16(truncatingIfNeeded: mode), device: UInt32(truncatingIfNeeded: mode >> 32)))
    }

    // MARK: Changes

    /// Remembers the owner, or forgets it (nil). False where there is no room.
    public func set(owner: Record.Owner?, of file: File) -> Bool {
        store(owner.map { UInt64($0.user) | UInt64($0.group) << 32 } ?? Self.noOwner, at: Word.owner, of: file, unless: owner == nil)
    }

    /// Remembers mode and device number, or forgets them (nil). False where there is no room.
    public func set(mode: Record.Mode?, of file: File) -> Bool {
        store(
            mode.map { UInt64($0.mode) | Self.modeIsKnown | UInt64($0.device) << 32 } ?? 0, at: Word.mode, of: file,
            unless: mode == nil)
    }

    /// Forgets a file that is gone.
    public func forget(_ file: File) {
        _ = set(owner: nil, of: file)
        _ = set(mode: nil, of: file)
    }

    private func store(_ value: UInt64, at word: Int, of file: File, unless saysNothing: Bool) -> Bool {
        if let index = find(file) {
            vmrun_atomic_store64(entry(index) + word, value)
            return true
        }
        return saysNothing || add(file, word, value)
    }

    // MARK: Entries

    /// How many entries were taken. Entry n has the number n + 1 in chains, whose end is 0.
    private var counter: UnsafeMutablePointer<UInt64> { base.assumingMemoryBound(to: UInt64.self) }

    private func entry(_ number: UInt64) -> UnsafeMutablePointer<UInt64> {
        (base + Self.entriesOffset + Int(number - 1) * Self.entrySize).assumingMemoryBound(to: UInt64.self)
    }

    private func head(of file: File) -> UnsafeMutablePointer<UInt64> {
        var hash = file.inode &* 0x9e37_79b9_7f4a_7c15
        hash = (hash ^ hash >> 32 ^ file.birth ^ file.device) &* 0x9e37_79b9_7f4a_7c15
        let bucket = Int(hash >> 48) & (Self.bucketCount - 1)
        return (base + Self.headsOffset + bucket * 8).assumingMemoryBound(to: UInt64.self)
    }

    private func find(_ file: File) -> UInt64? { find(file, from: vmrun_atomic_load64(head(of: file)), to: 0) }

    /// The file's entry in a chain from `first` up to, and without, `end`.
    private func find(_ file: File, from first: UInt64, to end: UInt64) -> UInt64? {
        var number = first
        while number != end, number != 0, number <= UInt64(Self.entryCapacity) {
            let entry = entry(number)
            if entry[Word.inode] == file.inode && entry[Word.device] == file.device && entry[Word.birth] == file.birth {
                return number
            }
            number = entry[Word.next]
        }
        return nil
    }

    private func add(_ file: File, _ word: Int, _ value: UInt64) -> Bool {
        var number: UInt64
        repeat {
            number = vmrun_atomic_load64(counter)
            if number >= UInt64(Self.entryCapacity) { return false }
        } while vmrun_atomic_exchange_if64(counter, number, number + 1) == 0
        let mine = number + 1
        let entry = entry(mine)
        entry[Word.device] = file.device
        entry[Word.inode] = file.inode
        entry[Word.birth] = file.birth
        entry[Word.owner] = Self.noOwner
        entry[Word.mode] = 0
        entry[word] = value
        let head = head(of: file)
        var searched: UInt64 = 0
        while true {
            let first = vmrun_atomic_load64(head)
            if let other = find(file, from: first, to: searched) {
                // Another process was faster. The entry just made is lost.
                vmrun_atomic_store64(self.entry(other) + word, value)
                return true
            }
            searched = first
            entry[Word.next] = first
            if vmrun_atomic_exchange_if64(head, first, mine) != 0 { return true }
        }
    }
}
