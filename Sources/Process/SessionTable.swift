import CShim
import Host
import SyntheticFS

/// Who belongs to a session, in shared memory.
///
/// The life of a slot: `reserve` (before the fork), then `abort` (the fork failed) or `commit` (the child is there; parent
/// and child both call it, the first one does it), then `remove` (reaped). Any process can be killed between any two steps.
/// What it leaves is found by `sweep`: a slot counts only while its pid is the process that it names. No locks.
///
/// How a process is known again: every member has the session's memfd open under the same number, which kcmp(2) tells.
/// Where it does not (a zombie has no descriptors, an exec is under way, another user's process may not be asked), the
/// process must have started no later than the time in its word, when it was certainly alive: whoever gets its pid later
/// starts later.
final class SessionTable {
    /// How many processes a session can have.
    static let capacity = 4096

    // Offsets in the memory: a header, the index, the records, the names of sockets.
    private static let indexOffset = 4096
    /// A word and the inode of the program.
    private static let entrySize = 16
    private static let recordsOffset = indexOffset + capacity * entrySize
    private static let socketNamesOffset = recordsOffset + capacity * SessionRecords.slotSize
    private static let useOffset = (socketNamesOffset + SessionSocketNames.size + 63) & ~63
    private static let outputOffset = (useOffset + SessionUse.size + 63) & ~63
    private static let size = outputOffset + SessionOutput.size

    private enum Header {
        static let firstProcess = 0
        static let starter = 4
        static let name = 8
        static let limit = 16
        /// No slot from here up was ever used.
        static let used = 20
        /// Counts reservations.
        static let number = 24
        static let isolation = 28
    }

    /// A slot kept for a child.
    struct Reservation {
        let index: Int
        fileprivate let word: SlotWord
    }

    let descriptor: Int32
    let records: SessionRecords
    let socketNames: SessionSocketNames
    let use: SessionUse
    let output: SessionOutput
    private let base: UnsafeMutableRawPointer

    /// An empty table for at most `limit` processes.
    init(limit: Int) throws(HostError) {
        descriptor = try Host.memoryFile("vmrun-session")
        try Host.resize(memoryFile: descriptor, to: Self.size)
        base = try Host.map(memoryFile: descriptor, size: Self.size)
        records = SessionRecords(base: base + Self.recordsOffset)
        socketNames = SessionSocketNames(base: base + Self.socketNamesOffset)
        use = SessionUse(base: base + Self.useOffset)
        output = SessionOutput(base: base + Self.outputOffset)
        _ = Host.raw(Int32(SYS_getrandom), Int(bitPattern: base + Header.name), 8, 0)
        base.storeBytes(of: Int32(min(max(limit, 1), Self.capacity)), toByteOffset: Header.limit, as: Int32.self)
    }

    /// The table behind an inherited descriptor.
    init(descriptor: Int32) throws(HostError) {
        self.descriptor = descriptor
        base = try Host.map(memoryFile: descriptor, size: Self.size)
        records = SessionRecords(base: base + Self.recordsOffset)
        socketNames = SessionSocketNames(base: base + Self.socketNamesOffset)
        use = SessionUse(base: base + Self.useOffset)
        output = SessionOutput(base: base + Self.outputOffset)
    }

    deinit { _ = Host.raw(Int32(SYS_munmap), Int(bitPattern: base), Self.size) }

    // MARK: Header

    /// Pid of the session's first process.
    var firstProcess: Int32 {
        get { base.load(fromByteOffset: Header.firstProcess, as: Int32.self) }
        set { base.storeBytes(of: newValue, toByteOffset: Header.firstProcess, as: Int32.self) }
    }

    /// The process that started it: the one outside whose pid the guest may see, as its first process's parent.
    var starter: Int32 {
        get { base.load(fromByteOffset: Header.starter, as: Int32.self) }
        set { base.storeBytes(of: newValue, toByteOffset: Header.starter, as: Int32.self) }
    }

    /// Whether the session has no network. Set before there is a second member.
    var isIsolated: Bool {
        get { base.load(fromByteOffset: Header.isolation, as: Int32.self) != 0 }
        set { base.storeBytes(of: newValue ? 1 : 0, toByteOffset: Header.isolation, as: Int32.self) }
    }

    /// A number that names the session and cannot be guessed.
    var name: UInt64 { base.load(fromByteOffset: Header.name, as: UInt64.self) }

    /// How many processes there may be. So many slots are used, which makes the limit exact without a count.
    private var limit: Int { Int(base.load(fromByteOffset: Header.limit, as: Int32.self)) }

    private var usedWord: UnsafeMutablePointer<Int32> {
        (base + Header.used).assumingMemoryBound(to: Int32.self)
    }

    /// Slots that were ever used are below this.
    var used: Int { min(max(Int(vmrun_atomic_load(usedWord)), 0), Self.capacity) }

    /// Before the slot below `end` is taken, so that nobody who is killed in between leaves one that no search finds.
    private func raiseUsed(to end: Int) {
        while true {
            let seen = vmrun_atomic_load(usedWord)
            if Int(seen) >= end || vmrun_atomic_exchange_if(usedWord, seen, Int32(end)) != 0 { return }
        }
    }

    /// Two threads of one process may reserve one slot in the same tick, one after the other: their words must differ.
    private func nextNumber() -> UInt8 {
        let counter = (base + Header.number).assumingMemoryBound(to: Int32.self)
        while true {
            let seen = vmrun_atomic_load(counter)
            if vmrun_atomic_exchange_if(counter, seen, seen &+ 1) != 0 { return UInt8(truncatingIfNeeded: seen) }
        }
    }

    // MARK: Index

    private func entry(_ index: Int) -> UnsafeMutablePointer<UInt64> {
        (base + Self.indexOffset + index * Self.entrySize).assumingMemoryBound(to: UInt64.self)
    }

    func word(_ index: Int) -> SlotWord { SlotWord(raw: vmrun_atomic_load64(entry(index))) }

    private func exchange(_ index: Int, _ expected: SlotWord, _ desired: SlotWord) -> Bool {
        vmrun_atomic_exchange_if64(entry(index), expected.raw, desired.raw) != 0
    }

    /// The inode of the slot's program, so that a search for it touches no record.
    func setInode(_ index: Int, _ inode: UInt64) { vmrun_atomic_store64(entry(index) + 1, inode) }

    // MARK: Life cycle

    /// A slot for a child of the calling process; nil where the session is full.
    func reserve() -> Reservation? {
        let own = Self.ownProcess
        let mine = SlotWord.reserved(by: own, number: nextNumber(), at: SlotWord.now())
        var hasSwept = false
        while true {
            for index in 0..<limit {
                // Slots of the dead are taken again before the table grows, now and then: searches stay short.
                if !hasSwept, index >= 64, index == used, index & (index - 1) == 0 { break }
                guard word(index) == .free else { continue }
                raiseUsed(to: index + 1)
                guard exchange(index, .free, mine) else { continue }
                use.setThreads(index, 1)
                use.setPages(index, 0)
                return Reservation(index: index, word: mine)
            }
            if hasSwept { return nil }
            sweep()
            hasSwept = true
        }
    }

    /// Gives back a reserved slot.
    func abort(_ reservation: Reservation) {
        _ = exchange(reservation.index, reservation.word, .free)
    }

    /// Makes `pid`, which exists, the member of a reserved slot. False where the slot is another's: whoever reserved it was
    /// killed in the middle of its fork, and it was taken again.
    func commit(_ reservation: Reservation, _ pid: Int32, at tick: UInt64 = SlotWord.now()) -> Bool {
        let index = reservation.index
        if exchange(index, reservation.word, .member(pid, at: tick)) {
            // An older process of this number is gone.
            forEachMember(pid) { other, word in
                if other != index { _ = exchange(other, word, .free) }
            }
            return true
        }
        let seen = word(index)
        return seen.isMember && seen.pid == pid
    }

    /// Frees the slot of a member that was reaped.
    func remove(_ pid: Int32) {
        forEachMember(pid) { index, word in
            if !isAlive(word) { _ = exchange(index, word, .free) }
        }
    }

    /// Frees what the calling process's threads had reserved when an exec ended them.
    func dropReservations() {
        let own = Self.ownProcess
        for index in 0..<used {
            let word = word(index)
            if word.isReserved && word.pid == own { _ = exchange(index, word, .free) }
        }
    }

    /// Frees the slots of the dead.
    func sweep() {
        for index in 0..<used {
            let word = word(index)
            if word != .free && !isAlive(word) { _ = exchange(index, word, .free) }
        }
    }

    // MARK: Questions

    /// The slot of a member, alive or not.
    func find(_ pid: Int32) -> Int? {
        var found: (index: Int, word: SlotWord)?
        forEachMember(pid) { index, word in
            if found.map({ word.isYounger(than: $0.word) }) ?? true { found = (index, word) }
        }
        return found?.index
    }

    /// Whether `pid` is a process of the session that was not reaped yet.
    func isMember(_ pid: Int32) -> Bool {
        guard let index = find(pid) else { return false }
        let word = word(index)
        return word.pid == pid && isAlive(word)
    }

    /// All members, by pid.
    func members() -> [Int32] {
        var result: [Int32] = []
        for index in 0..<used {
            let word = word(index)
            if word.isMember && isAlive(word) { result.append(word.pid) }
        }
        return result
    }

    /// Whether one of `processes` is making a child whose slot says nothing of it yet. A child of one that has ended in the
    /// middle of its fork will find its place taken away.
    func isForking(_ processes: [Int32]) -> Bool {
        var found = false
        for index in 0..<used {
            let word = word(index)
            guard word.isReserved && processes.contains(word.pid) else { continue }
            if let life = ProcessStat.life(word.pid), !life.isZombie, word.isFrom(life.startTick) {
                found = true
            } else {
                _ = exchange(index, word, .free)
            }
        }
        return found
    }

    /// Whether some member that has not ended runs the program with this identity.
    func runs(device: UInt64, inode: UInt64) -> Bool {
        for index in 0..<used where vmrun_atomic_load64(entry(index) + 1) == inode {
            let word = word(index)
            guard word.isMember, let record = records.read(index)?.record, record.executableInode == inode,
                record.executableDevice == device, let life = ProcessStat.life(word.pid)
            else { continue }
            if !life.isZombie && word.isFrom(life.startTick) { return true }
        }
        return false
    }

    private func forEachMember(_ pid: Int32, _ body: (Int, SlotWord) -> Void) {
        for index in 0..<used {
            let word = word(index)
            if word.isMember && word.pid == pid { body(index, word) }
        }
    }

    /// Whether the process that `word` names is there, be it as a zombie.
    func isAlive(_ word: SlotWord) -> Bool {
        let own = Self.ownProcess
        if word.pid == own { return true }
        if word.isMember {
            let kcmpFile = 0
            let result = Host.raw(
                Int32(SYS_kcmp), Int(own), Int(word.pid), kcmpFile, Int(descriptor), Int(descriptor))
            if result == 0 { return true }
            if result == -Int(ESRCH) { return false }
        }
        guard let life = ProcessStat.life(word.pid) else { return false }
        return word.isFrom(life.startTick)
    }

    private static var ownProcess: Int32 { Int32(truncatingIfNeeded: Host.raw(Int32(SYS_getpid))) }
}
