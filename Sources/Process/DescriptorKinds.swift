import CShim
import Host
import Synchronization

/// What stands behind a process's descriptors, as far as it decides whether a transfer on one may wait. Asked once for each descriptor,
/// and again after a call that may have put something else there. A kind that is out of date, because a call closes what another is
/// about to use, makes the poller wait or leave a call to its thread; what the call does stays the same.
public final class DescriptorKinds {
    public enum Kind: Int32 {
        /// Not asked yet.
        case unknown
        /// Files, directories and devices on which nobody waits for anybody.
        case storage
        case pipe
        case device
        case other
    }

    /// Descriptors from here on are asked about each time.
    private static let capacity = 1024
    private static let kindBits: Int32 = 7
    /// Above the kind: how often it was forgotten, so that an answer that comes late is not kept.
    private static let version: Int32 = 8

    /// The address of a word for each descriptor; 0 while nobody asks, `untrusted` added once another process may close them.
    private let table = Atomic<UInt>(0)
    private static let untrusted: UInt = 1

    private var words: UnsafeMutablePointer<Int32>? {
        let address = table.load(ordering: .acquiring)
        return address & Self.untrusted == 0 ? UnsafeMutablePointer(bitPattern: address) : nil
    }

    /// Begins to remember. By one thread at a time.
    func begin() {
        guard table.load(ordering: .relaxed) == 0 else { return }
        let words = UnsafeMutablePointer<Int32>.allocate(capacity: Self.capacity)
        words.initialize(repeating: 0, count: Self.capacity)
        let (isFirst, _) = table.compareExchange(expected: 0, desired: UInt(bitPattern: words), ordering: .acquiringAndReleasing)
        if !isFirst { words.deallocate() }
    }

    /// Another process has the same descriptors from now on, and does not tell when it closes one.
    func distrust() { _ = table.bitwiseOr(Self.untrusted, ordering: .sequentiallyConsistent) }

    /// Forgets all, in a fork child, which has descriptors of its own and no second thread.
    func reset() {
        let address = table.exchange(0, ordering: .relaxed) & ~Self.untrusted
        UnsafeMutablePointer<Int32>(bitPattern: address)?.deallocate()
    }

    deinit { reset() }

    public func kind(of descriptor: Int32) -> Kind {
        guard let words, descriptor >= 0, descriptor < Self.capacity else { return Self.ask(descriptor) }
        let word = words + Int(descriptor)
        let seen = vmrun_atomic_load(word)
        if let known = Kind(rawValue: seen & Self.kindBits), known != .unknown { return known }
        let kind = Self.ask(descriptor)
        if kind != .unknown { _ = vmrun_atomic_exchange_if(word, seen, seen & ~Self.kindBits | kind.rawValue) }
        return kind
    }

    /// After a call that may have closed `descriptor`.
    public func forget(_ descriptor: Int32) {
        guard let words, descriptor >= 0, descriptor < Self.capacity else { return }
        let word = words + Int(descriptor)
        vmrun_atomic_store(word, (vmrun_atomic_load(word) & ~Self.kindBits) &+ Self.version)
    }

    /// After a call that may have closed those from `first` to `last`.
    public func forget(from first: UInt32, through last: UInt32) {
        guard words != nil, first < Self.capacity, first <= last else { return }
        for descriptor in first...min(last, UInt32(Self.capacity) - 1) { forget(Int32(descriptor)) }
    }

    /// `unknown` where there is no such descriptor.
    private static func ask(_ descriptor: Int32) -> Kind {
        guard let status = Host.status(of: descriptor) else { return .unknown }
        switch status.st_mode & UInt32(S_IFMT) {
        case UInt32(S_IFREG): return isOfProc(descriptor, status) ? .other : .storage
        case UInt32(S_IFDIR), UInt32(S_IFBLK): return .storage
        case UInt32(S_IFIFO): return .pipe
        case UInt32(S_IFCHR): return isOfMemory(device: UInt64(status.st_rdev)) ? .storage : .device
        default: return .other
        }
    }

    /// Files of procfs look at who reads or writes them: some are the calling thread's own (timerslack_ns).
    private static func isOfProc(_ descriptor: Int32, _ status: stat) -> Bool {
        // File systems without a disk have devices of major number 0.
        if status.st_dev >> 8 & 0xfff != 0 { return false }
        let procMagic = 0x9fa0
        var system = statfs()
        let result = withUnsafeMutablePointer(to: &system) { Host.raw(Int32(SYS_fstatfs), Int(descriptor), $0.argument) }
        return result == 0 && Int(system.f_type) == procMagic
    }

    /// Whether st_rdev is that of null, zero, full or urandom (the kernel's Documentation/admin-guide/devices.txt).
    private static func isOfMemory(device: UInt64) -> Bool {
        switch device {
        case 0x103, 0x105, 0x107, 0x109: return true
        default: return false
        }
    }
}
