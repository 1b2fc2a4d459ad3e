import CShim
import Glibc
import Host
import SyntheticFS
import Testing

@testable import Process

/// Processes that tests make hold the session's descriptor, as a forked member does.
private func child(_ body: () -> Int32) -> Int32 {
    let pid = Int32(vmrun_fork())
    if pid == 0 { _exit(body()) }
    return pid
}

private func sleeper() -> Int32 {
    child {
        while true { pause() }
    }
}

@discardableResult
private func reap(_ pid: Int32) -> Int32 {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) == -1 && errno == EINTR {}
    return status >> 8 & 0xff
}

private func end(_ pid: Int32) {
    kill(pid, SIGKILL)
    reap(pid)
}

/// A process that has nothing to do with any session.
private func stranger() -> Int32 {
    let pid = Int32(vmrun_fork())
    if pid == 0 {
        _ = Host.raw(Int32(SYS_close_range), 3, Int(UInt32.max), 0)
        raise(SIGSTOP)
        while true { pause() }
    }
    // It is none before it has closed what it inherited.
    _ = Host.raw(Int32(SYS_wait4), Int(pid), 0, Int(WUNTRACED), 0)
    return pid
}

private func waitForEnd(_ pid: Int32) {
    var info = siginfo_t()
    waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT)
}

/// One after the other: they count what the process has.
@Suite(.serialized) struct SessionTests {
    @Test func aChildIsReservedCommittedAndRemoved() throws {
        let table = try SessionTable(limit: 2)
        let place = try #require(table.reserve())
        #expect(table.members().isEmpty)
        #expect(table.isForking([getpid()]))
        let pid = sleeper()
        #expect(!table.isMember(pid))
        #expect(table.commit(place, pid))
        #expect(table.commit(place, pid), "the second of the two who commit finds it done")
        #expect(table.isMember(pid))
        #expect(table.members() == [pid])
        #expect(!table.isForking([getpid()]))
        kill(pid, SIGKILL)
        waitForEnd(pid)
        #expect(table.isMember(pid), "a zombie is a member until it is reaped")
        table.remove(pid)
        #expect(table.isMember(pid))
        reap(pid)
        #expect(!table.isMember(pid))
        table.remove(pid)
        #expect(table.word(0) == .free)
    }

    @Test func anAbortedReservationLeavesNothing() throws {
        let table = try SessionTable(limit: 1)
        for _ in 0..<10_000 {
            let place = try #require(table.reserve())
            #expect(table.reserve() == nil)
            table.abort(place)
        }
        #expect(table.word(0) == .free)
    }

    @Test func theLimitIsExact() throws {
        let table = try SessionTable(limit: 3)
        var pids: [Int32] = []
        for _ in 0..<3 {
            let place = try #require(table.reserve())
            pids.append(sleeper())
            #expect(table.commit(place, pids[pids.count - 1]))
        }
        #expect(table.reserve() == nil)
        // A zombie counts, a reaped one does not, whoever reaped it.
        kill(pids[1], SIGKILL)
        waitForEnd(pids[1])
        #expect(table.reserve() == nil)
        reap(pids[1])
        #expect(table.reserve() != nil)
        #expect(table.reserve() == nil)
        end(pids[0])
        end(pids[2])
    }

    @Test func aFullTableIsFullAndGetsEmptyAgain() throws {
        let table = try SessionTable(limit: .max)
        var places: [SessionTable.Reservation] = []
        while let place = table.reserve() { places.append(place) }
        #expect(places.count == SessionTable.capacity)
        for place in places { table.abort(place) }
        #expect(table.reserve() != nil)
    }

    @Test func whoDiesWithAReservationLeavesARoomThatIsFound() throws {
        let table = try SessionTable(limit: 1)
        let creator = child { table.reserve() == nil ? 1 : 0 }
        #expect(reap(creator) == 0)
        #expect(table.word(0).isReserved)
        #expect(table.reserve() != nil)
    }

    @Test func aChildWhoseCreatorDiedTakesItsPlaceItself() throws {
        let table = try SessionTable(limit: 4)
        var ends: (Int32, Int32) = (0, 0)
        withUnsafeMutablePointer(to: &ends) { _ = Host.raw(Int32(SYS_pipe2), $0.argument, 0) }
        let creator = child {
            guard let place = table.reserve() else { return 1 }
            let grandchild = child {
                while getppid() == reserver(of: table) { usleep(1000) }
                var answer: Int32 = table.commit(place, getpid()) ? getpid() : -1
                write(ends.1, &answer, 4)
                while true { pause() }
            }
            return grandchild > 0 ? 0 : 1
        }
        #expect(reap(creator) == 0)
        var pid: Int32 = 0
        #expect(read(ends.0, &pid, 4) == 4)
        #expect(pid > 0)
        #expect(table.isMember(pid))
        kill(pid, SIGKILL)
        close(ends.0)
        close(ends.1)
    }

    /// Who reserved the first slot.
    private func reserver(of table: SessionTable) -> Int32 { table.word(0).pid }

    @Test func aPlaceThatWasTakenAgainIsNoPlace() throws {
        let table = try SessionTable(limit: 1)
        let place = try #require(table.reserve())
        table.dropReservations()
        let pid = sleeper()
        let other = try #require(table.reserve())
        let second = sleeper()
        #expect(table.commit(other, second))
        #expect(!table.commit(place, pid))
        #expect(!table.isMember(pid))
        #expect(table.isMember(second))
        end(pid)
        end(second)
    }

    @Test func aPidThatCameBackIsNoMember() throws {
        let table = try SessionTable(limit: 4)
        let place = try #require(table.reserve())
        let pid = stranger()
        let life = try #require(ProcessStat.life(pid))
        // As though another process of this number had been made long ago.
        #expect(table.commit(place, pid, at: life.startTick - 1))
        #expect(!table.isMember(pid))
        #expect(table.members().isEmpty)
        // The new one becomes a member: the old entry goes, and there is one only.
        let again = try #require(table.reserve())
        #expect(again.index != place.index)
        #expect(table.commit(again, pid, at: life.startTick))
        #expect(table.isMember(pid))
        #expect(table.word(place.index) == .free)
        #expect(table.members().count == 1)
        end(pid)
    }

    /// Thread A reserves; its child ends and is removed; thread B takes the slot in the same tick; A commits late.
    @Test func aLateCommitTakesNobodysPlace() throws {
        let table = try SessionTable(limit: 1)
        for _ in 0..<100 {
            let first = try #require(table.reserve())
            #expect(table.commit(first, 4_000_001))
            table.remove(4_000_001)
            let second = try #require(table.reserve())
            #expect(second.index == first.index)
            #expect(!table.commit(first, 4_000_001))
            #expect(table.commit(second, 4_000_002))
            table.remove(4_000_002)
        }
    }

    @Test func timesMayComeRound() {
        #expect(SlotWord.member(1, at: 100).isFrom(100))
        #expect(!SlotWord.member(1, at: 100).isFrom(101))
        #expect(SlotWord.member(1, at: 1 << 32 + 5).isFrom(1 << 32 - 5))
        #expect(!SlotWord.member(1, at: 1 << 32 - 5).isFrom(1 << 32 + 5))
        #expect(SlotWord.member(1, at: 7).isYounger(than: .member(1, at: 6)))
        #expect(SlotWord.member(4_194_303, at: .max).pid == 4_194_303)
        #expect(SlotWord.reserved(by: 4_194_303, number: 255, at: 0).pid == 4_194_303)
    }

    @Test func theDeadAreSweptBeforeTheTableGrows() throws {
        let table = try SessionTable(limit: .max)
        var highest = 0
        for _ in 0..<300 {
            let place = try #require(table.reserve())
            highest = max(highest, place.index)
            let pid = child { 0 }
            _ = table.commit(place, pid)
            // Nobody tells the table.
            reap(pid)
        }
        #expect(highest < 64)
    }

    @Test func manyCreatorsAtOnce() throws {
        let table = try SessionTable(limit: 40)
        _ = Host.raw(Int32(SYS_prctl), Int(PR_SET_CHILD_SUBREAPER), 1)
        defer { _ = Host.raw(Int32(SYS_prctl), Int(PR_SET_CHILD_SUBREAPER), 0) }
        // Some are killed in the middle of whatever they do.
        let creators = (0..<8).map { number in
            child {
                for round in 0..<(number < 4 ? 400 : 100_000) {
                    guard let place = table.reserve() else { continue }
                    if round % 5 == 0 {
                        table.abort(place)
                        continue
                    }
                    let pid = child { table.commit(place, getpid()) ? 0 : 1 }
                    if !table.commit(place, pid) && reap(pid) != 0 { return 1 }
                    reap(pid)
                    table.remove(pid)
                }
                return 0
            }
        }
        usleep(50_000)
        for pid in creators[4...] {
            kill(pid, SIGKILL)
            usleep(10_000)
        }
        for pid in creators[..<4] { #expect(reap(pid) == 0) }
        // And what the killed ones had made.
        while waitpid(-1, nil, 0) > 0 || errno == EINTR {}
        table.sweep()
        for index in 0..<40 { #expect(table.word(index) == .free) }
    }

    @Test func aRecordIsNeverTorn() throws {
        let table = try SessionTable(limit: 1)
        let place = try #require(table.reserve())
        func record(_ value: UInt64) -> ProcessRecord {
            var record = ProcessRecord()
            record.argStart = value
            record.executableInode = value
            record.caughtSignals = value
            return record
        }
        func path(_ value: UInt64) -> [UInt8] {
            [UInt8](repeating: UInt8(truncatingIfNeeded: value), count: Int(value % 4000) + 1)
        }
        #expect(table.records.read(place.index) == nil)
        table.records.write(place.index, record(1), path: path(1))
        let writer = child {
            var value: UInt64 = 1
            while true {
                value += 1
                if value % 3 == 0 {
                    table.records.write(place.index, record(value), path: path(value))
                } else {
                    table.records.update(place.index) { $0.heapEnd = value }
                }
            }
        }
        var torn = 0
        for round in 0..<20_000 {
            // Also while the writer stands somewhere in the middle, and when it is dead.
            if round == 10_000 { kill(writer, SIGSTOP) }
            if round == 15_000 { end(writer) }
            guard let shown = table.records.read(place.index) else {
                torn += 1
                continue
            }
            let value = shown.record.argStart
            if shown.record.executableInode != value || shown.record.caughtSignals != value || shown.path != path(value) {
                torn += 1
            }
        }
        #expect(torn == 0)
    }

    // MARK: Session

    @Test func aMemberPublishesWhatOthersRead() throws {
        let session = try Session()
        var record = ProcessRecord()
        record.argStart = 7
        #expect(session.enter(getpid(), record: record, executable: Array("/bin/one".utf8)))
        #expect(session.isMember(getpid()))
        #expect(session.record(of: getpid())?.argStart == 7)
        #expect(session.executablePath(of: getpid()) == Array("/bin/one".utf8))
        // Another program by exec: the same member.
        record.argStart = 8
        #expect(session.enter(getpid(), record: record, executable: Array("/bin/other".utf8)))
        #expect(session.members() == [getpid()])
        #expect(session.record(of: getpid())?.argStart == 8)
        session.update(getpid()) { $0.heapEnd = 9 }
        #expect(session.record(of: getpid())?.heapEnd == 9)
        #expect(session.executablePath(of: getpid()) == Array("/bin/other".utf8))
        #expect(session.record(of: 1) == nil)
        #expect(session.executablePath(of: 1) == nil)
    }

    @Test func aChildHasItsParentsRecordFromTheBeginning() throws {
        let session = try Session()
        var record = ProcessRecord()
        record.argStart = 7
        let place = try #require(session.reserve(record: record, executable: Array("/bin/one".utf8)))
        let pid = sleeper()
        #expect(session.commit(place, pid))
        #expect(session.record(of: pid)?.argStart == 7)
        #expect(session.executablePath(of: pid) == Array("/bin/one".utf8))
        end(pid)
        session.remove(pid)
        #expect(session.record(of: pid) == nil)
    }

    @Test func parentsOutsideAreInit() throws {
        let session = try Session()
        #expect(session.enter(getpid(), record: ProcessRecord(), executable: []))
        #expect(session.visibleParent(getpid(), of: 4_000_000) == getpid())
        #expect(session.visibleParent(getppid(), of: getpid()) == getppid(), "who started the session")
        let outside = stranger()
        #expect(session.visibleParent(outside, of: getpid()) == 1)
        #expect(session.visibleParent(getppid(), of: 4_000_000) == 1)
        #expect(session.visibleParent(0, of: getpid()) == 0)
        end(outside)
    }

    @Test func aRunningProgramIsKnownByItsFile() throws {
        let session = try Session()
        var record = ProcessRecord()
        record.executableDevice = 3
        record.executableInode = 4
        let place = try #require(session.reserve(record: record, executable: []))
        #expect(!session.runs(device: 3, inode: 4))
        let pid = sleeper()
        session.commit(place, pid)
        #expect(session.runs(device: 3, inode: 4))
        #expect(!session.runs(device: 3, inode: 5))
        #expect(!session.runs(device: 4, inode: 4))
        kill(pid, SIGKILL)
        waitForEnd(pid)
        #expect(!session.runs(device: 3, inode: 4), "a zombie runs nothing")
        reap(pid)
        #expect(!session.runs(device: 3, inode: 4))
    }

    @Test func threadsOfAllMembersAreCountedTogether() throws {
        let table = try SessionTable(limit: 8)
        defer { close(table.descriptor) }
        table.use.mostThreads = 3
        let first = try #require(table.reserve())
        #expect(table.commit(first, getpid()))
        #expect(table.addThread(first.index))
        let second = try #require(table.reserve())
        #expect(table.areThreadsWithinLimit)
        #expect(!table.addThread(first.index))
        let third = try #require(table.reserve())
        #expect(!table.areThreadsWithinLimit)
        table.abort(third)
        #expect(table.areThreadsWithinLimit)
        table.use.addThreads(first.index, -1)
        #expect(table.addThread(first.index))
        table.abort(second)
        #expect(table.addThread(first.index))
        #expect(!table.addThread(first.index))
    }

    @Test func processorTimeIsSharedOut() throws {
        let session = try Session(limit: 2)
        defer { close(session.descriptor) }
        // Without a limit nothing is too much.
        #expect(session.charge(500_000_000))
        session.mostProcessorTime = 2
        #expect(session.mostProcessorTime == 2)
        #expect(session.charge(1_500_000_000))
        #expect(!session.charge(1))
        #expect(session.isFirstToNotice())
        #expect(!session.isFirstToNotice())
        session.mostProcessorTime = .max
        #expect(session.charge(1 << 60))
    }

    /// One at a time looks at all members' memory; one that was killed over it is replaced.
    @Test func memoryIsExaminedByOne() throws {
        let table = try SessionTable(limit: 2)
        defer { close(table.descriptor) }
        #expect(table.use.beginExamination(at: 100, again: 200))
        #expect(!table.use.beginExamination(at: 150, again: 250))
        #expect(table.use.beginExamination(at: 200, again: 300))
        table.use.planExamination(at: 220)
        #expect(!table.use.beginExamination(at: 219, again: 400))
        #expect(table.use.beginExamination(at: 220, again: 400))
        #expect(table.use.victim == .free)
        table.use.victim = .member(7, at: 9)
        #expect(table.use.victim == .member(7, at: 9))
        table.use.setPages(1, 5)
        #expect(table.use.pages(1) == 5 && table.use.pages(0) == 0 && table.use.threads(1) == 0)
    }

    @Test func whatMayBeWrittenIsSharedOut() throws {
        let table = try SessionTable(limit: 3)
        let other = try SessionTable(descriptor: table.descriptor)
        table.output.most = 100
        #expect(other.output.take(60) == 60)
        #expect(table.output.take(60) == 40)
        // What was not written is there again, for whoever waits for it.
        let pid = child { other.output.take(5) == 5 ? 7 : 1 }
        usleep(20_000)
        table.output.settle(taken: 40, written: 10)
        #expect(reap(pid) == 7)
        table.output.settle(taken: 5, written: 5)
        table.output.settle(taken: 60, written: 60)
        #expect(table.output.take(.max) == 25)
        table.output.settle(taken: 25, written: 25)
        #expect(table.output.take(1) == 0)
    }

    @Test func whatIsWrittenToIsKnown() throws {
        let table = try SessionTable(limit: 1)
        var given: [Int32] = [0, 0], own: [Int32] = [0, 0]
        #expect(pipe(&given) == 0 && pipe(&own) == 0)
        defer { for end in given + own { close(end) } }
        table.output.noteGiven(given[1])
        let again = dup(given[1]), file = try Host.memoryFile("output"), null = open("/dev/null", O_WRONLY)
        defer { for end in [again, file, null] { close(end) } }
        table.output.noteGiven(null)
        #expect(table.output.counts(given[1]) && table.output.counts(again) && table.output.counts(file))
        #expect(!table.output.counts(own[1]) && !table.output.counts(null) && !table.output.counts(-1))
    }

    @Test func nothingLeaks() throws {
        func descriptors() -> Int {
            (0..<4096).filter { fcntl(Int32($0), F_GETFD) >= 0 }.count
        }
        let before = descriptors()
        for _ in 0..<100 {
            let session = try Session(limit: 2)
            defer { close(session.descriptor) }
            #expect(session.enter(getpid(), record: ProcessRecord(), executable: []))
            for _ in 0..<100 {
                let place = try #require(session.reserve(record: ProcessRecord(), executable: []))
                #expect(session.reserve(record: ProcessRecord(), executable: []) == nil)
                session.abort(place)
            }
        }
        #expect(descriptors() == before)
    }
}
