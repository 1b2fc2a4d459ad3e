import CShim
import GuestMemory
import Host
import LinuxABI
import Machine

extension GuestThread {
    /// clone in all its forms. The result is the child's id in the parent; the child runs on by itself, with 0.
    public func clone(_ request: CloneRequest) throws(GuestErrno) -> Int {
        try request.validate()
        if request.has(CloneRequest.thread) { return try startThread(request) }
        if request.has(CloneRequest.vm) { return try startHelper(request) }
        return try fork(request)
    }

    /// The context that a child starts from: the parent's behind its system call, with result 0 and the request's stack and TLS.
    func childContext(_ request: CloneRequest) throws(GuestErrno) -> UserContext {
        var context: UserContext
        do throws(MachineFailure) { context = try UserContext(cpu) } catch { throw .ENOMEM }
        context.setResult(0)
        if request.stackPointer != 0 { context.setStackPointer(request.stackPointer) }
        if request.has(CloneRequest.setTLS) { context.setThreadPointer(request.tls) }
        return context
    }

    /// A child's own first steps: the ids that it is to find in its memory.
    func takeIDs(_ request: CloneRequest) {
        setClearChildTid(request.has(CloneRequest.childClearTid) ? request.childTid : 0)
        if request.has(CloneRequest.childSetTid) { try? GuestAccess.write(tid, at: GuestAddress(request.childTid)) }
    }
}

/// CLONE_PIDFD, so that what can fail fails before there is a child.
struct PidfdRequest {
    private let address: GuestAddress
    /// PIDFD_THREAD, which is O_EXCL.
    private static let threadFlag = 0o200

    /// Nil where none is asked for. EFAULT where the number cannot be stored, EMFILE where there is none, EINVAL where the host knows
    /// no descriptors of threads (before Linux 6.9).
    init?(_ request: CloneRequest, caller: GuestThread) throws(GuestErrno) {
        guard request.has(CloneRequest.pidfdFlag) else { return nil }
        address = GuestAddress(request.pidfd)
        try GuestAccess.write(GuestAccess.read(Int32.self, at: address), at: address)
        let isThread = request.has(CloneRequest.thread)
        let probe = InternalDescriptors.admit(
            Host.raw(
                Int32(SYS_pidfd_open), Int(isThread ? caller.tid : caller.process.pid), isThread ? Self.threadFlag : 0))
        if probe < 0 { throw GuestErrno(Int32(-probe)) }
        Host.close(Int32(truncatingIfNeeded: probe))
    }

    /// Makes the descriptor of a child that cannot be reaped yet.
    func open(_ id: Int32, isThread: Bool = false) {
        let descriptor = Host.raw(Int32(SYS_pidfd_open), Int(id), isThread ? Self.threadFlag : 0)
        if descriptor >= 0 { try? GuestAccess.write(Int32(truncatingIfNeeded: descriptor), at: address) }
    }
}

/// A pipe on which a process waits until another lets go of its end, by closing it or by dying.
struct Gate {
    let readEnd: Int32
    let writeEnd: Int32

    /// Both ends are among those that a fork child drops: a child of another thread must not hold the gate.
    init() throws(GuestErrno) {
        let ends: (reading: Int32, writing: Int32)
        do throws(HostError) { ends = try Host.pipe() } catch { throw GuestErrno(error.number) }
        readEnd = InternalDescriptors.adoptForMachine(ends.reading)
        writeEnd = InternalDescriptors.adoptForMachine(ends.writing)
        if readEnd < 0 || writeEnd < 0 {
            close()
            throw .EMFILE
        }
    }

    func open() { Host.close(writeEnd) }

    /// Waits until nobody holds the write end any more, and gives the read end back. The caller has closed its own write end.
    func pass() {
        var byte: UInt8 = 0
        var result: Int
        repeat {
            result = withUnsafeMutablePointer(to: &byte) { Host.raw(Int32(SYS_read), Int(readEnd), $0.argument, 1) }
        } while result > 0 || result == -Int(EINTR)
        Host.close(readEnd)
    }

    func close() {
        Host.close(readEnd)
        Host.close(writeEnd)
    }
}
