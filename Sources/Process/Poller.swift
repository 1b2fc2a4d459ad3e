import CShim
import Host
import LinuxABI
import Machine
import Synchronization

/// Makes system calls of this process's guest threads without their leaving the guest: a host thread that looks, in turns, at what
/// the threads' vCPUs ask for. It polls only while calls come densely, stops soon after the last one, and keeps away for a while
/// where the processors have other work. A process has one, once it has shown that it can use it.
///
/// It makes the calls that neither wait nor are the calling thread's own (`SystemCallServer.serveForwarded`), and only while all
/// host threads of the process are alike to the kernel.
final class Poller {
    /// What it knows of one guest thread: a cache line.
    private struct Entry {
        static let size = 64
        var turn: Int32
        var use: Int32
        var thread: UnsafeMutableRawPointer?

        static let free: Int32 = 0
        static let reserved: Int32 = 1
        static let ready: Int32 = 2
    }

    private enum State {
        static let sleeping: Int32 = 0
        /// It is to wake up. Until it has, nobody may count on it.
        static let called: Int32 = 1
        static let polling: Int32 = 2
        static let starting: Int32 = 3
    }

    private static let capacity = 64
    private static let hostStackSize: UInt64 = 512 << 10
    /// Processor cycles without a call after which polling ends, some tens of microseconds.
    private static let quiet: UInt64 = 150_000
    /// Calls that are not farther apart than that, and so many of them, begin it.
    private static let dense: UInt64 = 200_000
    private static let denseCalls = 6
    /// Cycles between two looks that say that the processor was taken away.
    private static let interruption: UInt64 = 400_000
    /// How long it then stays away, at first and at most.
    private static let firstPenalty: UInt64 = 3_000_000
    private static let longestPenalty: UInt64 = 400_000_000
    /// So many calls in a row without an interruption make it forget the last ones.
    private static let goodCalls: UInt64 = 2000

    private unowned(unsafe) let process: GuestProcess
    private let entries: UnsafeMutableRawPointer
    /// A State.
    private let state = FutexWord(State.starting)
    fileprivate let host: UnsafeMutablePointer<vmrun_thread>
    private let used = Atomic<Int>(0)
    private let notBefore = Atomic<UInt64>(0)
    private let penalty = Atomic<UInt64>(Poller.firstPenalty)
    private let isRetired = Atomic<Bool>(false)

    /// Nil where no host thread can be had.
    private init?(_ process: GuestProcess) {
        self.process = process
        entries = .allocate(byteCount: Self.capacity * Entry.size, alignment: Entry.size)
        entries.initializeMemory(as: UInt8.self, repeating: 0, count: Self.capacity * Entry.size)
        host = .allocate(capacity: 1)
        host.initialize(to: vmrun_thread())
        host.pointee.limits = process.limits
        let result = vmrun_start_thread(
            { opaque in
                guard let opaque else { return }
                Unmanaged<Poller>.fromOpaque(opaque).takeRetainedValue().live()
            }, Unmanaged.passRetained(self).toOpaque(), Self.hostStackSize)
        if result != 0 {
            Unmanaged.passUnretained(self).release()
            return nil
        }
    }

    /// Waits until its host thread is one that /proc leaves out, which it is by its name.
    func awaitStart() { state.wait { $0 != State.starting } }

    deinit {
        entries.deallocate()
        state.free()
        host.deallocate()
    }

    private func entry(_ index: Int) -> UnsafeMutablePointer<Entry> {
        (entries + index * Entry.size).assumingMemoryBound(to: Entry.self)
    }

    private func turn(_ index: Int) -> CallTurn {
        // SAFETY: `turn` is the entry's first field; `host` lives as long as this object.
        CallTurn(
            word: (entries + index * Entry.size).assumingMemoryBound(to: Int32.self),
            poller: UnsafeRawPointer(host).advanced(by: MemoryLayout<vmrun_thread>.offset(of: \.tid) ?? 0)
                .assumingMemoryBound(to: Int32.self))
    }

    // MARK: The guest threads' side

    /// A poller for `process`, where it can use one: a second processor, and host threads that are all alike.
    static func make(for process: GuestProcess) -> Poller? {
        guard GuestCPU.forwardsCalls, process.speedUps.contains(.switchless), !process.isHelper, !process.isWatched, !process.hasUnlikeThreads,
            processors > 1
        else { return nil }
        return Poller(process)
    }

    private static var processors: Int {
        // A set with room for 8192 processors.
        withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 8) { set in
            let result = Host.raw(Int32(SYS_sched_getaffinity), 0, set.count, Int(bitPattern: set.baseAddress))
            return result <= 0 ? 1 : set.prefix(result).reduce(0) { $0 + $1.nonzeroBitCount }
        }
    }

    /// `thread`, which is out of the guest, takes part from now on. Its number here; nil where there is no room.
    func enter(_ thread: GuestThread) -> Int? {
        for index in 0..<Self.capacity {
            let entry = entry(index)
            guard vmrun_atomic_exchange_if(&entry.pointee.use, Entry.free, Entry.reserved) != 0 else { continue }
            entry.pointee.turn = Int32(VMRUN_TURN_HOST.rawValue)
            entry.pointee.thread = Unmanaged.passUnretained(thread).toOpaque()
            vmrun_atomic_store(&entry.pointee.use, Entry.ready)
            var known = used.load(ordering: .relaxed)
            while known <= index {
                let (done, seen) = used.compareExchange(expected: known, desired: index + 1, ordering: .acquiringAndReleasing)
                if done { break }
                known = seen
            }
            thread.cpu.join(turn(index))
            return index
        }
        return nil
    }

    /// The thread, which is out of the guest, takes part no more.
    func leave(_ thread: GuestThread, _ index: Int) {
        thread.cpu.join(nil)
        vmrun_atomic_store(&entry(index).pointee.use, Entry.free)
    }

    /// The same for a helper's thread, which has died wherever it was. Called by another.
    func bury(_ index: Int) {
        let turn = turn(index)
        while !turn.isTakenOver() { vmrun_pause() }
        vmrun_atomic_store(&entry(index).pointee.use, Entry.free)
    }

    var isPolling: Bool { state.value == State.polling }

    /// Calls come densely.
    func demand(_ now: UInt64) {
        guard state.value == State.sleeping, now >= notBefore.load(ordering: .relaxed), !isRetired.load(ordering: .relaxed)
        else { return }
        if state.exchange(State.sleeping, for: State.called) { state.wake() }
    }

    /// No calls are made here any more: the host threads are no longer alike.
    func retire() { isRetired.store(true, ordering: .sequentiallyConsistent) }

    /// Whether a call at `now`, after one at `last`, is one of a dense row of `streak`.
    @inline(__always)
    static func isDense(_ now: UInt64, after last: UInt64, streak: inout Int) -> Bool {
        streak = now &- last < dense ? streak + 1 : 0
        return streak >= denseCalls
    }

    /// Calls were not taken in time, or the processor was: it stays away for a while.
    fileprivate func stayAway(_ now: UInt64) {
        let length = penalty.load(ordering: .relaxed)
        notBefore.store(now &+ length, ordering: .relaxed)
        penalty.store(min(length * 2, Self.longestPenalty), ordering: .relaxed)
        _ = state.exchange(State.polling, for: State.sleeping)
    }

    // MARK: The poller's side

    private func live() {
        ThreadName(Carrier.parkedName).apply()
        // Every signal stays blocked, so that what is sent to the process stays pending for the guest's threads.
        vmrun_thread_attach(host)
        state.set(State.sleeping)
        while true {
            state.wait { $0 == State.called }
            state.store(State.polling)
            poll()
        }
    }

    private func poll() {
        var lastCall = vmrun_cycles()
        var lastLook = lastCall
        var calls: UInt64 = 0
        while isPolling {
            var served = 0
            for index in 0..<used.load(ordering: .relaxed) where look(index) { served += 1 }
            let now = vmrun_cycles()
            if served > 0 {
                lastCall = now
                calls += 1
                if calls == Self.goodCalls { penalty.store(Self.firstPenalty, ordering: .relaxed) }
            } else {
                if now &- lastLook > Self.interruption {
                    stayAway(now)
                    break
                }
                if now &- lastCall > Self.quiet {
                    _ = state.exchange(State.polling, for: State.sleeping)
                    break
                }
                vmrun_pause()
            }
            lastLook = now
        }
        // Those in the guest stop asking. Those outside it look at the state on their way in.
        for index in 0..<used.load(ordering: .relaxed) {
            withTurn(index) { $0.cpu.forwards = false }
            _ = look(index)
        }
    }

    /// Runs `body` where the thread is in the guest.
    @inline(__always)
    private func withTurn(_ index: Int, _ body: (GuestThread) -> Void) {
        let entry = entry(index)
        guard vmrun_atomic_load(&entry.pointee.use) == Entry.ready else { return }
        let turn = turn(index)
        guard turn.pollerTakes() else { return }
        // The thread cannot leave while the turn is here. It may have left before.
        if vmrun_atomic_load(&entry.pointee.use) == Entry.ready, let thread = entry.pointee.thread {
            body(Unmanaged<GuestThread>.fromOpaque(thread).takeUnretainedValue())
        }
        turn.pollerGivesUp()
    }

    /// Makes the call that a thread asks for, if it does.
    @inline(__always)
    private func look(_ index: Int) -> Bool {
        var found = false
        withTurn(index) { thread in
            guard let call = thread.cpu.takeCall() else { return }
            found = true
            guard !isRetired.load(ordering: .relaxed), !thread.isFiltered else { return thread.cpu.answerCall(nil) }
            thread.lastSystemCall = call.number
            host.pointee.served_tid = thread.tid
            let result = process.server.serveForwarded(thread, number: call.number, call.arguments)
            if host.pointee.captured != 0 { handOver(to: thread) }
            thread.cpu.answerCall(result == VMRUN_ERESTART ? nil : result)
        }
        return found
    }
}

extension Poller {
    /// A signal that was sent to the process has come to the poller, in the place of the thread whose call it makes.
    private func handOver(to thread: GuestThread) {
        thread.handedSignal = host.pointee.captured_info
        host.pointee.captured = 0
        vmrun_set_bits(&thread.host.pointee.requests, ThreadRequest.signal)
        _ = vmrun_kick(thread.tid)
    }
}

extension GuestThread {
    /// Whether the poller has handed over a signal that the thread has not yet seen.
    public var hasHandedSignal: Bool { host.pointee.requests & ThreadRequest.signal != 0 }

    /// Calls that programs make soon after they begin, and children after a fork, with results that are there already.
    private static let expectedCalls = [
        SYS_getpid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_rseq,
    ]

    /// Spares a program that begins, or a child, the exits for its first such calls.
    func prepareAnswers() {
        if isFiltered { return }
        for number in Self.expectedCalls.map({ UInt64($0) }) where cpu.fastPath(of: number) == .remember {
            let result = process.server.serve(self, number: number, SyscallArguments(0, 0, 0, 0, 0, 0))
            if result != VMRUN_ERESTART { cpu.remember(number, result) }
        }
    }

    /// After a call that left the guest though it might not have had to.
    @inline(__always)
    func noteServed(_ number: UInt64, _ result: Int) {
        switch cpu.fastPath(of: number) {
        case .exit: break
        case .remember: if result != VMRUN_ERESTART { keepAnswer(number, result) }
        case .forward: noteForwardable()
        }
    }

    private func keepAnswer(_ number: UInt64, _ result: Int) {
        cpu.remember(number, result)
        // Another thread may have bound this one meanwhile. Its own word is read behind what was written above.
        vmrun_set_bits(&host.pointee.filtered, 0)
        if isFiltered { cpu.forgetAnswers() }
    }

    @inline(__always)
    private func noteForwardable() {
        let now = vmrun_cycles()
        let isDense = Poller.isDense(now, after: lastForwardable, streak: &forwardableStreak) || callsExpected > 0
        lastForwardable = now
        if callsExpected > 0 { callsExpected -= 1 }
        if isDense || pollerPlace != nil { offerCalls(now, isDense: isDense) }
    }

    /// A program begins that makes a row of calls at once, as a dynamic loader does.
    func expectCalls() {
        guard !isFiltered, process.sharedPoller() != nil else { return }
        callsExpected = Self.callsOfLoader
    }

    /// Those that leave the guest while the poller wakes up, which it does more than once.
    private static let callsOfLoader = 12

    private func offerCalls(_ now: UInt64, isDense: Bool) {
        guard !hasOwnTables, ownFiles == nil, let poller = pollerPlace?.poller ?? process.sharedPoller() else {
            lackedPoller = true
            return
        }
        if pollerPlace == nil {
            guard let index = poller.enter(self) else { return }
            pollerPlace = (poller, index)
            seenExpired = cpu.expiredCalls
        }
        if cpu.expiredCalls != seenExpired {
            seenExpired = cpu.expiredCalls
            if poller.isPolling { poller.stayAway(now) }
        } else if isDense {
            poller.demand(now)
        }
        cpu.forwards = poller.isPolling
    }

    /// At the thread's end, and before it becomes unlike the others.
    func leavePoller() {
        if let place = pollerPlace { place.poller.leave(self, place.index) }
        pollerPlace = nil
    }
}
