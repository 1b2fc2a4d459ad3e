import CShim
import Host

/// `--memory`: how much memory the members have together, and what happens when it is too much.
///
/// What counts is what a control group of the host's would count for them (memory.max): pages that are there, private ones and those of shared
/// mappings without a file, not addresses. So nothing is refused; the largest member dies by SIGKILL. Each member's watchdog
/// publishes what its process has. That counts pages twice that two of them share, after a fork for instance. So only where the sum is too
/// large is each member examined with shared pages divided among those who map them.
struct SessionMemory {
    let table: SessionTable

    /// How fast the room that is left may shrink, in bytes for each nanosecond.
    private static let fillingSpeed: UInt64 = 4
    private static let shortestPause: UInt64 = 2_000_000
    /// For who waits for somebody else's examination, or for a victim's end.
    private static let waitingPause: UInt64 = 5_000_000
    private static let pageSize: UInt64 = 4096

    /// Publishes what `process` has, and keeps the limit. In how many nanoseconds to call it again, at most.
    func enforce(for process: GuestProcess) -> UInt64 {
        let most = table.use.mostMemory
        guard most > 0, let index = table.find(process.pid) else { return .max }
        if process.isHelper {
            table.use.setPages(index, SessionUse.sharedPages)
            return .max
        }
        if let own = ProcessStat.residentMemory() { table.use.setPages(index, Int32(clamping: own / Self.pageSize)) }
        let sum = published
        if sum <= most { return Self.pause(until: most - sum) }

        let began = Clock.monotonic()
        guard table.use.beginExamination(at: began, again: began + 20 * Self.waitingPause) else { return Self.waitingPause }
        let (exact, largest) = examine()
        let ended = Clock.monotonic()
        // It makes the members' page faults wait: a fifth of the time at most.
        var pause = max(5 * (ended - began), Self.shortestPause)
        if exact > most {
            if let largest { kill(largest, session: process.session) }
            pause = max(pause, Self.waitingPause)
        } else {
            pause = max(pause, Self.pause(until: most - exact))
        }
        table.use.planExamination(at: ended + pause)
        return pause
    }

    /// In how many nanoseconds so many bytes may be used up.
    private static func pause(until room: UInt64) -> UInt64 { max(room / fillingSpeed, shortestPause) }

    /// At least what the members have, and what those had that have died since somebody was examined.
    private var published: UInt64 {
        var sum: UInt64 = 0
        for index in 0..<table.used where table.word(index).isMember {
            sum += UInt64(max(table.use.pages(index), 0)) * Self.pageSize
        }
        return sum
    }

    /// What the members have, and which has the most.
    private func examine() -> (sum: UInt64, largest: SlotWord?) {
        var sum: UInt64 = 0
        var largest: (word: SlotWord, bytes: UInt64)?
        for index in 0..<table.used {
            let word = table.word(index)
            guard word.isMember, table.use.pages(index) != SessionUse.sharedPages else { continue }
            guard isRunning(word) else {
                // It was killed, and cannot say so itself.
                table.use.setPages(index, 0)
                continue
            }
            let bytes = ProcessStat.share(of: word.pid) ?? UInt64(max(table.use.pages(index), 0)) * Self.pageSize
            sum += bytes
            if bytes > largest?.bytes ?? 0 { largest = (word, bytes) }
        }
        return (sum, largest?.word)
    }

    private func isRunning(_ word: SlotWord) -> Bool {
        guard let life = ProcessStat.life(word.pid) else { return false }
        return !life.isZombie && word.isFrom(life.startTick)
    }

    /// One at a time: its memory comes back before the next one is looked for.
    private func kill(_ member: SlotWord, session: Session) {
        let earlier = table.use.victim
        if earlier != .free && isRunning(earlier) {
            // Should whoever chose it have been killed before it could.
            _ = Host.raw(Int32(SYS_kill), Int(earlier.pid), Int(SIGKILL))
            return
        }
        table.use.victim = member
        Message.error(
            "memory: the session has more than \(table.use.mostMemory) bytes; process \(member.pid), which has the most, is killed")
        _ = Host.raw(Int32(SYS_kill), Int(member.pid), Int(SIGKILL))
    }
}
