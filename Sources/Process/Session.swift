import CShim
import Host
import SyntheticFS

/// The processes of one vmrun session, in memory that all of them share: who belongs, and what /proc shows of them. Nobody
/// can be relied on to clean up after a SIGKILL, so an entry counts only while the pid it names has the start time it holds.
public final class Session: SessionDirectory {
    private static let capacity = 4096
    private static let headerSize = 4096
    private static let slotSize = 4608
    private static let size = headerSize + capacity * slotSize
    private static let executableOffset = 256
    private static let executableCapacity = slotSize - executableOffset

    // Offsets in a slot.
    private static let pidOffset = 0
    private static let startTimeOffset = 8
    private static let recordOffset = 16
    private static let executableLengthOffset = 240

    public let descriptor: Int32
    private let base: UnsafeMutableRawPointer

    /// A new session with no process in it.
    public init() throws(HostError) {
        descriptor = try Host.memoryFile("vmrun-session")
        try Host.call(Int32(SYS_ftruncate), Int(descriptor), Self.size)
        base = try Self.map(descriptor)
        _ = Host.raw(Int32(SYS_getrandom), Int(bitPattern: base + 8), 8, 0)
    }

    /// The session that a parent image hands over.
    public init(descriptor: Int32) throws(HostError) {
        self.descriptor = descriptor
        base = try Self.map(descriptor)
    }

    private static func map(_ descriptor: Int32) throws(HostError) -> UnsafeMutableRawPointer {
        let address = try Host.call(
            Int32(SYS_mmap), 0, size, Int(PROT_READ | PROT_WRITE), Int(MAP_SHARED | MAP_NORESERVE), Int(descriptor), 0)
        guard let pointer = UnsafeMutableRawPointer(bitPattern: address) else { throw HostError(ENOMEM) }
        return pointer
    }

    /// Pid of the session's first process.
    public var firstProcess: Int32 {
        get { base.load(fromByteOffset: 0, as: Int32.self) }
        set { base.storeBytes(of: newValue, toByteOffset: 0, as: Int32.self) }
    }

    /// A number that names the session and cannot be guessed.
    public var name: UInt64 { base.load(fromByteOffset: 8, as: UInt64.self) }

    // MARK: Slots

    private func slot(_ index: Int) -> UnsafeMutableRawPointer { base + Self.headerSize + index * Self.slotSize }

    private func word(_ index: Int) -> UnsafeMutablePointer<Int32> {
        (slot(index) + Self.pidOffset).assumingMemoryBound(to: Int32.self)
    }

    /// Open addressing by pid; -1 marks a slot that was used and is free again.
    private func find(_ pid: Int32) -> Int? {
        var index = Int(UInt32(bitPattern: pid)) % Self.capacity
        for _ in 0..<Self.capacity {
            let held = vmrun_atomic_load(word(index))
            if held == pid { return index }
            if held == 0 { return nil }
            index = (index + 1) % Self.capacity
        }
        return nil
    }

    private func claim(_ pid: Int32) -> Int? {
        var index = Int(UInt32(bitPattern: pid)) % Self.capacity
        for _ in 0..<Self.capacity {
            let held = vmrun_atomic_load(word(index))
            if held == pid { return index }
            if held <= 0 || !isAlive(index, held) {
                if vmrun_atomic_exchange_if(word(index), held, pid) != 0 { return index }
            }
            index = (index + 1) % Self.capacity
        }
        return nil
    }

    private func isAlive(_ index: Int, _ pid: Int32) -> Bool {
        let recorded = slot(index).load(fromByteOffset: Self.startTimeOffset, as: UInt64.self)
        guard let now = ProcessStat.startTime(pid) else { return false }
        return recorded == 0 || recorded == now
    }

    /// Enters a new child with what it has in common with its parent, so that it is there when fork returns. The start time is
    /// the child's own to fill in, since reading it costs more than the rest of the entry.
    public func add(_ pid: Int32, record: ProcessRecord, executable: [UInt8]) {
        if find(pid) != nil { return }
        guard let index = claim(pid) else { return }
        slot(index).storeBytes(of: 0, toByteOffset: Self.startTimeOffset, as: UInt64.self)
        publish(pid, record: record, executable: executable)
    }

    /// Enters the calling process with its start time and what it publishes.
    public func addSelf(_ pid: Int32, record: ProcessRecord, executable: [UInt8]) {
        guard let index = find(pid) ?? claim(pid) else { return }
        publish(pid, record: record, executable: executable)
        slot(index).storeBytes(of: ProcessStat.startTime(pid) ?? 0, toByteOffset: Self.startTimeOffset, as: UInt64.self)
    }

    /// Takes `pid` out: it has been reaped.
    public func remove(_ pid: Int32) {
        guard let index = find(pid) else { return }
        vmrun_atomic_store(word(index), -1)
    }

    /// Whether `pid` is a living (or not yet reaped) process of this session.
    public func isMember(_ pid: Int32) -> Bool {
        guard pid > 0, let index = find(pid) else { return false }
        return isAlive(index, pid)
    }

    public func members() -> [Int32] {
        var result: [Int32] = []
        for index in 0..<Self.capacity {
            let pid = vmrun_atomic_load(word(index))
            if pid > 0 && isAlive(index, pid) { result.append(pid) }
        }
        return result
    }

    // MARK: Records

    /// Publishes what /proc shows of `pid`.
    private func publish(_ pid: Int32, record: ProcessRecord, executable: [UInt8]) {
        guard let index = find(pid) else { return }
        let target = slot(index)
        target.storeBytes(of: record, toByteOffset: Self.recordOffset, as: ProcessRecord.self)
        let length = min(executable.count, Self.executableCapacity)
        for position in 0..<length {
            target.storeBytes(of: executable[position], toByteOffset: Self.executableOffset + position, as: UInt8.self)
        }
        target.storeBytes(of: Int32(length), toByteOffset: Self.executableLengthOffset, as: Int32.self)
    }

    /// Changes what a member published.
    public func update(_ pid: Int32, _ change: (inout ProcessRecord) -> Void) {
        guard let index = find(pid) else { return }
        change(&(slot(index) + Self.recordOffset).assumingMemoryBound(to: ProcessRecord.self).pointee)
    }

    public func record(of pid: Int32) -> ProcessRecord? {
        guard let index = find(pid) else { return nil }
        return slot(index).load(fromByteOffset: Self.recordOffset, as: ProcessRecord.self)
    }

    public func executablePath(of pid: Int32) -> [UInt8]? {
        guard let index = find(pid) else { return nil }
        let length = Int(slot(index).load(fromByteOffset: Self.executableLengthOffset, as: Int32.self))
        guard length >= 0, length <= Self.executableCapacity else { return nil }
        let bytes = UnsafeRawBufferPointer(start: slot(index) + Self.executableOffset, count: length)
        return Array(bytes)
    }

    /// Host threads of a guest process are its guest threads, but for parked carriers and the watchdog's, which vmrun names,
    /// and the one by which newer kernels have each VM recover huge pages, which KVM names.
    public func isGuestThread(_ thread: Int32, of pid: Int32) -> Bool {
        guard thread != pid else { return true }
        return Host.withFileStart("/proc/\(pid)/task/\(thread)/comm", capacity: 32) { name -> Bool? in
            !name.starts(with: "kvm-nx-lpage-re".utf8) && !name.starts(with: Watchdog.threadName.utf8)
                && !Carrier.parkedName.withUTF8Buffer { name.starts(with: $0) }
        } ?? false
    }

    /// The host's mask is the guest's, but for the signals that vmrun never blocks.
    public func blockedSignals(ofThread thread: Int32, of pid: Int32) -> UInt64? { nil }

    public func syntheticWorkingDirectory(of pid: Int32) -> [UInt8]? { nil }
}
