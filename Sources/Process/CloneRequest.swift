import CShim
import LinuxABI

/// What clone(2), clone3(2), fork(2) and vfork(2) ask for, in one form.
public struct CloneRequest {
    /// CLONE_* without the exit signal.
    public var flags: UInt64
    public var exitSignal: UInt64 = 0
    /// The child's stack pointer, 0 for the parent's.
    public var stackPointer: UInt64 = 0
    /// The stack's lowest address and size as clone3 gives them, 0 for legacy clone.
    public var stackBase: UInt64 = 0
    public var stackSize: UInt64 = 0
    public var parentTid: UInt64 = 0
    public var childTid: UInt64 = 0
    public var pidfd: UInt64 = 0
    public var tls: UInt64 = 0

    public init(flags: UInt64) { self.flags = flags }

    static let vm: UInt64 = 0x100
    static let fs: UInt64 = 0x200
    static let files: UInt64 = 0x400
    static let sighand: UInt64 = 0x800
    static let pidfdFlag: UInt64 = 0x1000
    static let vfork: UInt64 = 0x4000
    static let parent: UInt64 = 0x8000
    static let thread: UInt64 = 0x10000
    static let newNamespace: UInt64 = 0x20000
    static let newIPC: UInt64 = 0x800_0000
    static let newUser: UInt64 = 0x1000_0000
    static let newPID: UInt64 = 0x2000_0000
    /// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, NEWTIME.
    public static let newNamespaceMask: UInt64 = 0x7e02_0080
    static let sysvsem: UInt64 = 0x40000
    static let setTLS: UInt64 = 0x80000
    static let parentSetTid: UInt64 = 0x100000
    static let childClearTid: UInt64 = 0x200000
    static let detached: UInt64 = 0x400000
    static let childSetTid: UInt64 = 0x1000000
    static let io: UInt64 = 0x8000_0000
    static let clearSighand: UInt64 = 0x1_0000_0000

    func has(_ flag: UInt64) -> Bool { flags & flag != 0 }

    /// What the host kernel is asked for as the guest asks for it.
    static let hostFlags = fs | files | sighand | parent | sysvsem | io

    /// kernel/fork.c's rules on combinations, in its order. Namespaces are refused as to an unprivileged caller.
    func validate() throws(GuestErrno) {
        if has(Self.clearSighand) && has(Self.sighand) { throw .EINVAL }
        // One word cannot receive both.
        if has(Self.pidfdFlag) && has(Self.parentSetTid) && pidfd == parentTid { throw .EINVAL }
        if has(Self.newNamespace) && has(Self.fs) { throw .EINVAL }
        if has(Self.newUser) && has(Self.fs) { throw .EINVAL }
        if has(Self.thread) && !has(Self.sighand) { throw .EINVAL }
        if has(Self.sighand) && !has(Self.vm) { throw .EINVAL }
        if has(Self.thread) && flags & (Self.newUser | Self.newPID) != 0 { throw .EINVAL }
        if has(Self.pidfdFlag) && has(Self.detached) { throw .EINVAL }
        if has(Self.newIPC) && has(Self.sysvsem) { throw .EINVAL }
        if flags & Self.newNamespaceMask != 0 { throw .EPERM }
        if has(Self.setTLS) && !Self.isThreadPointer(tls) { throw .EPERM }
    }
}
