import CShim
import Host
import Process

/// Whom a guest may name by a number: the processes of its session, and its own threads.
enum Membership {
    /// Whether `pid` is a process of the session or a thread of the caller's process.
    static func reaches(_ thread: GuestThread, _ pid: Int32) -> Bool {
        if pid == thread.process.pid || pid == thread.tid || thread.process.session.isMember(pid) { return true }
        return thread.process.hasThread(pid)
    }

    /// `pid` where it is 0, negative or reachable; else an id that no process has (ESRCH).
    @inline(__always)
    static func checked(_ thread: GuestThread, _ pid: UInt64) -> UInt64 {
        let number = Int32(truncatingIfNeeded: pid)
        return number <= 0 || reaches(thread, number) ? pid : Forwarding.impossiblePID
    }

    /// Who gets a descriptor's signals (F_SETOWN): a process, or a process group where negative.
    static func reachesOwner(_ thread: GuestThread, _ owner: Int32) -> Bool {
        // INT_MIN names nobody, which is for the kernel to say.
        owner == 0 || owner == .min || reaches(thread, abs(owner))
    }
}
