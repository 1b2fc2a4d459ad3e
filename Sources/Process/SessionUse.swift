import CShim

/// What a session uses of what is limited, in memory that its members share: threads and memory by slot, and processor time.
struct SessionUse {
    static let size = pagesOffset + SessionTable.capacity * 4

    private enum Header {
        static let mostThreads = 0
        static let isOver = 4
        static let mostTime = 8
        static let time = 16
        static let mostMemory = 24
        static let nextExamination = 32
        static let victim = 40
    }

    private static let countsOffset = 64
    private static let pagesOffset = countsOffset + SessionTable.capacity * 4

    let base: UnsafeMutableRawPointer

    // MARK: Threads

    /// 0: no limit. Set before there is a second member, as the other one.
    var mostThreads: Int {
        get { Int(base.load(fromByteOffset: Header.mostThreads, as: Int32.self)) }
        nonmutating set { base.storeBytes(of: Int32(clamping: newValue), toByteOffset: Header.mostThreads, as: Int32.self) }
    }

    private func count(_ index: Int) -> UnsafeMutablePointer<Int32> {
        (base + Self.countsOffset + index * 4).assumingMemoryBound(to: Int32.self)
    }

    /// How many threads the member in a slot has.
    func threads(_ index: Int) -> Int { max(0, Int(vmrun_atomic_load(count(index)))) }

    func setThreads(_ index: Int, _ value: Int32) { vmrun_atomic_store(count(index), value) }

    func addThreads(_ index: Int, _ change: Int32) {
        while true {
            let seen = vmrun_atomic_load(count(index))
            if vmrun_atomic_exchange_if(count(index), seen, seen &+ change) != 0 { return }
        }
    }

    // MARK: Processor time

    /// Nanoseconds; 0: no limit.
    var mostTime: UInt64 {
        get { base.load(fromByteOffset: Header.mostTime, as: UInt64.self) }
        nonmutating set { base.storeBytes(of: newValue, toByteOffset: Header.mostTime, as: UInt64.self) }
    }

    private var time: UnsafeMutablePointer<UInt64> { (base + Header.time).assumingMemoryBound(to: UInt64.self) }

    /// Adds nanoseconds that a member has used. Whether there is some left.
    func charge(_ nanoseconds: UInt64) -> Bool {
        while true {
            let seen = vmrun_atomic_load64(time)
            let next = seen &+ nanoseconds
            if vmrun_atomic_exchange_if64(time, seen, next) != 0 { return mostTime == 0 || next <= mostTime }
        }
    }

    private var over: UnsafeMutablePointer<Int32> { (base + Header.isOver).assumingMemoryBound(to: Int32.self) }

    /// True once in a session: for the one who says which limit ends it.
    func isFirstToNotice() -> Bool { vmrun_atomic_exchange_if(over, 0, 1) != 0 }

    /// Whether there is somebody who has said so.
    var isOver: Bool { vmrun_atomic_load(over) != 0 }
}

// MARK: Memory

extension SessionUse {
    /// Bytes; 0: no limit.
    var mostMemory: UInt64 {
        get { base.load(fromByteOffset: Header.mostMemory, as: UInt64.self) }
        nonmutating set { base.storeBytes(of: newValue, toByteOffset: Header.mostMemory, as: UInt64.self) }
    }

    /// Of a member whose memory is its parent's: a vfork helper's.
    static let sharedPages: Int32 = -1

    private func pageCount(_ index: Int) -> UnsafeMutablePointer<Int32> {
        (base + Self.pagesOffset + index * 4).assumingMemoryBound(to: Int32.self)
    }

    /// How many pages the member in a slot had when it last looked.
    func pages(_ index: Int) -> Int32 { vmrun_atomic_load(pageCount(index)) }

    func setPages(_ index: Int, _ value: Int32) { vmrun_atomic_store(pageCount(index), value) }

    /// When the members' memory is to be examined next, in nanoseconds of CLOCK_MONOTONIC. A time, so that whoever is killed while
    /// examining keeps nobody else from it for long.
    private var nextExamination: UnsafeMutablePointer<UInt64> {
        (base + Header.nextExamination).assumingMemoryBound(to: UInt64.self)
    }

    /// True for one of those who ask when it is time; the others need not ask before `again`.
    func beginExamination(at now: UInt64, again: UInt64) -> Bool {
        let due = vmrun_atomic_load64(nextExamination)
        return now >= due && vmrun_atomic_exchange_if64(nextExamination, due, again) != 0
    }

    func planExamination(at time: UInt64) { vmrun_atomic_store64(nextExamination, time) }

    /// The member that is being killed, or the last one that was.
    var victim: SlotWord {
        get { SlotWord(raw: vmrun_atomic_load64((base + Header.victim).assumingMemoryBound(to: UInt64.self))) }
        nonmutating set { vmrun_atomic_store64((base + Header.victim).assumingMemoryBound(to: UInt64.self), newValue.raw) }
    }
}

extension SessionTable {
    /// Counts one more thread of the member in a slot. False where that is more than all may have together.
    ///
    /// The count goes up before it is compared, so that no two of them take the last place; both may then be refused.
    func addThread(_ index: Int) -> Bool {
        guard use.mostThreads > 0 else { return true }
        use.addThreads(index, 1)
        if areThreadsWithinLimit { return true }
        use.addThreads(index, -1)
        return false
    }

    /// Whether there are no more than there may be. Those of the dead count only until somebody asks.
    var areThreadsWithinLimit: Bool {
        guard use.mostThreads > 0 else { return true }
        if threads(exactly: false) <= use.mostThreads { return true }
        sweep()
        return threads(exactly: true) <= use.mostThreads
    }

    private func threads(exactly: Bool) -> Int {
        var sum = 0
        for index in 0..<used {
            let word = word(index)
            if word == .free { continue }
            // What is killed leaves its count behind until it is reaped.
            if exactly, word.isMember, ProcessStat.life(word.pid)?.isZombie ?? true { continue }
            sum += use.threads(index)
        }
        return sum
    }
}
