/// What becomes of a system call before it leaves the guest. Only x86-64 has more than one way.
public enum FastPath {
    /// It leaves the guest.
    case exit
    /// Its answer does not change while the thread's vCPU remembers it: once it has been given, the guest finds it by itself.
    case remember
    /// The poller may make it, on a host thread of its own, while the vCPU waits in the guest.
    case forward
}
