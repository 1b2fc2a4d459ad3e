import CShim
import FakeRoot
import GuestImage
import Host
import SyntheticFS
import Tracing

/// Descriptors of vmrun's for `--stats`.
public struct SessionStatistics: Equatable {
    /// The memory of `Statistics`.
    public let descriptor: Int32
    /// The standard error that vmrun was started with, -1 for none.
    public let output: Int32

    public init(descriptor: Int32, output: Int32) {
        self.descriptor = descriptor
        self.output = output
    }
}

/// The processes of one vmrun session, and what `/proc` shows of them, in memory that all of them share.
public final class Session: SessionDirectory {
    private let table: SessionTable
    /// Translators for foreign programs, as the command line named them. Set once, before the program runs.
    var interpreters = InterpreterRegistry()
    /// What the guest has made of files' owners; nil but under `--fakeroot`. Set once, as the registry.
    public var ownership: OwnershipTable?
    /// What `--stats` needs; nil without it. Set once, as the registry.
    public var statistics: SessionStatistics?
    /// What `--trace` asks for; nil without it. Set once, as the registry.
    public var trace: TraceSettings?

    /// A session that the calling process begins, with at most `limit` processes; 0: as many as there is room for.
    public init(limit: UInt64 = 0) throws(HostError) {
        table = try SessionTable(limit: limit == 0 ? .max : Int(clamping: limit))
        table.firstProcess = Int32(truncatingIfNeeded: Host.raw(Int32(SYS_getpid)))
        table.starter = Int32(truncatingIfNeeded: Host.raw(Int32(SYS_getppid)))
    }

    /// The session that a parent image hands over.
    public init(descriptor: Int32) throws(HostError) {
        table = try SessionTable(descriptor: descriptor)
    }

    public var descriptor: Int32 { table.descriptor }
    /// Whether members may have other sockets than AF_UNIX ones. Set once, before the program runs.
    public var hasNetwork: Bool {
        get { !table.isIsolated }
        set { table.isIsolated = !newValue }
    }
    /// Pid of the session's first process.
    public var firstProcess: Int32 { table.firstProcess }
    /// A number that names the session and cannot be guessed.
    public var name: UInt64 { table.name }

    // MARK: Limits

    /// How many threads all members may have together, 0: no limit. Set once, before the program runs, as the next one.
    public var mostThreads: UInt64 {
        get { UInt64(table.use.mostThreads) }
        set { table.use.mostThreads = Int(clamping: newValue) }
    }

    /// Seconds of processor time that all members may use together, 0: no limit.
    public var mostProcessorTime: UInt64 {
        get { table.use.mostTime / 1_000_000_000 }
        set {
            let (nanoseconds, overflows) = newValue.multipliedReportingOverflow(by: 1_000_000_000)
            table.use.mostTime = overflows ? .max : nanoseconds
        }
    }

    /// Bytes of memory that all members may have together, 0: no limit.
    public var mostMemory: UInt64 {
        get { table.use.mostMemory }
        set { table.use.mostMemory = newValue }
    }

    /// What all members may write together, and have written.
    public var output: SessionOutput { table.output }

    /// What looks after `mostMemory`.
    var memoryUse: SessionMemory { SessionMemory(table: table) }

    /// Counts one more thread of a member; false where there may be none (EAGAIN).
    func addThread(_ pid: Int32) -> Bool {
        guard table.use.mostThreads > 0, let index = table.find(pid) else { return true }
        return table.addThread(index)
    }

    /// One thread of a member has ended.
    func removeThread(_ pid: Int32) {
        if table.use.mostThreads > 0, let index = table.find(pid) { table.use.addThreads(index, -1) }
    }

    /// Adds nanoseconds of processor time that a member has used; false where the session has used too much.
    func charge(_ nanoseconds: UInt64) -> Bool { table.use.charge(nanoseconds) }

    /// True once, for the member that says so.
    func isFirstToNotice() -> Bool { table.use.isFirstToNotice() }

    /// Whether a member has said that the session ends.
    var isOver: Bool { table.use.isOver }

    // MARK: Life cycle

    /// A place in the session for a child that is not made yet.
    public struct Place {
        fileprivate let reservation: SessionTable.Reservation
    }

    /// Keeps a place for a child of the calling process, which has this record in common with it. Nil where the session is
    /// full (EAGAIN).
    func reserve(record: ProcessRecord, executable: [UInt8]) -> Place? {
        guard let reservation = table.reserve() else { return nil }
        guard table.areThreadsWithinLimit else {
            table.abort(reservation)
            return nil
        }
        publish(reservation.index, record, executable)
        return Place(reservation: reservation)
    }

    /// There is no child.
    func abort(_ place: Place) { table.abort(place.reservation) }

    /// The child `pid` has been made. Called by its parent and by itself, so that each finds it a member.
    @discardableResult
    func commit(_ place: Place, _ pid: Int32) -> Bool { table.commit(place.reservation, pid) }

    /// Enters the calling process, or publishes the program that it has become by an exec. False where the session is full.
    func enter(_ pid: Int32, record: ProcessRecord, executable: [UInt8]) -> Bool {
        table.dropReservations()
        if let index = table.find(pid) {
            table.use.setThreads(index, 1)
            table.use.setPages(index, 0)
            publish(index, record, executable)
            return true
        }
        guard let place = reserve(record: record, executable: executable) else { return false }
        return commit(place, pid)
    }

    /// Takes `pid` out: it has been reaped.
    public func remove(_ pid: Int32) { table.remove(pid) }

    private func publish(_ index: Int, _ record: ProcessRecord, _ executable: [UInt8]) {
        table.records.write(index, record, path: executable)
        table.setInode(index, record.executableInode)
    }

    // MARK: Members

    /// Whether `pid` is a living (or not yet reaped) process of this session.
    public func isMember(_ pid: Int32) -> Bool { pid > 0 && table.isMember(pid) }

    public func members() -> [Int32] { table.members() }

    /// Whether one of `processes` is making a child that is no member yet.
    public func isForking(_ processes: [Int32]) -> Bool { table.isForking(processes) }

    /// Whether a member runs the file with this identity: it must not be written (ETXTBSY).
    public func runs(device: UInt64, inode: UInt64) -> Bool { table.runs(device: device, inode: inode) }

    public func visibleParent(_ parent: Int32, of process: Int32) -> Int32 {
        if parent <= 1 || isMember(parent) { return parent }
        return process == firstProcess && parent == table.starter ? parent : 1
    }

    // MARK: Records

    /// Changes what a member published. One thread of that member at a time.
    func update(_ pid: Int32, _ change: (inout ProcessRecord) -> Void) {
        if let index = table.find(pid) { table.records.update(index, change) }
    }

    public func record(of pid: Int32) -> ProcessRecord? { read(pid)?.record }

    /// Who a member is by its own account.
    public func credentials(of pid: Int32) -> FakeCredentials.Summary? { record(of: pid)?.credentials }

    public func executablePath(of pid: Int32) -> [UInt8]? { read(pid)?.path }

    private func read(_ pid: Int32) -> (record: ProcessRecord, path: [UInt8])? {
        guard let index = table.find(pid) else { return nil }
        let word = table.word(index)
        let found = table.records.read(index)
        // The slot may have become another's meanwhile.
        return table.word(index) == word && word.pid == pid ? found : nil
    }

    // MARK: Sockets

    /// The name under which a member bound the AF_UNIX socket that the host knows under the path `host`.
    public func socketName(host: [UInt8]) -> [UInt8]? { table.socketNames.name(host: host) }

    /// Makes the host path stand for the guest's; false where it stands for another.
    public func claimSocketName(host: [UInt8], guest: [UInt8]) -> Bool {
        table.socketNames.claim(host: host, guest: guest)
    }

    // MARK: Threads

    /// The process that a host thread belongs to, whoever's it is.
    public static func process(ofThread thread: Int32) -> Int32? { ProcessStat.process(ofThread: thread) }

    /// The process that a pidfd names, whoever's it is: -1 where it is gone, nil where the descriptor is no pidfd.
    public static func process(ofPidfd descriptor: Int32) -> Int32? { ProcessStat.process(ofPidfd: descriptor) }

    /// Host threads of a guest process are its guest threads, but for parked carriers and the watchdog's, which vmrun names,
    /// and the one by which newer kernels have each VM recover huge pages, which KVM names.
    public func isGuestThread(_ thread: Int32, of pid: Int32) -> Bool {
        guard thread != pid else { return true }
        return Host.withFileStart("/proc/\(pid)/task/\(thread)/comm", capacity: 32) { name -> Bool? in
            !name.starts(with: "kvm-nx-lpage-re".utf8) && !name.starts(with: Watchdog.threadName.utf8)
                && !Carrier.parkedName.withUTF8Buffer { name.starts(with: $0) }
        } ?? false
    }

    public func process(ofGuestThread thread: Int32) -> Int32? {
        guard let process = Self.process(ofThread: thread), isMember(process), isGuestThread(thread, of: process) else {
            return nil
        }
        return process
    }

    /// The host's mask is the guest's, but for the signals that vmrun never blocks.
    public func blockedSignals(ofThread thread: Int32, of pid: Int32) -> UInt64? { nil }

    public func syntheticWorkingDirectory(of pid: Int32) -> [UInt8]? { nil }
}
