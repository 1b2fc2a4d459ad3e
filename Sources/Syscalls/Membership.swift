import CShim
import Host
import Process
import SyntheticFS

/// Whom a guest may name by a number: the processes of its session, and their threads.
enum Membership {
    /// Whether `pid` is a process or a thread of the session.
    static func reaches(_ thread: GuestThread, _ pid: Int32) -> Bool {
        if pid == thread.process.pid || pid == thread.tid || thread.process.session.isMember(pid) { return true }
        return thread.process.hasThread(pid) || process(thread, ofThread: pid) != nil
    }

    /// The member that `tid`, the id of another thread than its first, belongs to.
    static func process(_ thread: GuestThread, ofThread tid: Int32) -> Int32? {
        if thread.process.hasThread(tid) { return thread.process.pid }
        let session = thread.process.session
        guard let process = Session.process(ofThread: tid), process != thread.process.pid else { return nil }
        return session.isMember(process) && session.isGuestThread(tid, of: process) ? process : nil
    }

    /// Whether a member is in the process group.
    static func hasMember(_ thread: GuestThread, group: Int32) -> Bool {
        if isIn(thread.process.pid, group) { return true }
        return thread.process.session.members().contains { isIn($0, group) }
    }

    static func isIn(_ pid: Int32, _ group: Int32) -> Bool {
        Host.raw(Int32(SYS_getpgid), Int(pid)) == Int(group)
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
        if owner == 0 || owner == .min { return true }
        return owner > 0 ? reaches(thread, owner) : reaches(thread, group: -owner)
    }

    /// Whether all of a process group are members. A pipeline's group may hold processes of the host beside vmrun.
    static func reaches(_ thread: GuestThread, group: Int32) -> Bool {
        let processes = HostProcesses.all().filter { isIn($0, group) }
        return !processes.isEmpty
            && processes.allSatisfy { $0 == thread.process.pid || thread.process.session.isMember($0) }
    }

    /// Whether a pidfd, which may have come from outside, names a member. Where it is no pidfd the kernel says so.
    static func reaches(_ thread: GuestThread, pidfd: Int32) -> Bool {
        guard let pid = Session.process(ofPidfd: pidfd) else { return true }
        return pid <= 0 || reaches(thread, pid)
    }
}
