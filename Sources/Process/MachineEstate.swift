import CShim
import Host

/// Takes the end of a process's VM out of the way of whoever waits for that process. Closing a VM keeps KVM busy for half a millisecond, and a
/// process is not dead before its descriptors are closed. So one that ends leaves its VM to its parent over a socket; the parent closes
/// what has come when it is about to wait anyway.
///
/// The socket holds few. Where the parent does not wait, its children close theirs themselves. What lies in it when the parent ends, goes
/// with it.
struct MachineEstate {
    /// The parent's end. A fork child drops it with the VM.
    private let receiving: Int32
    /// The children's end, which they inherit.
    let sending: Int32

    /// Nil where the host refuses it.
    init?() {
        let pair: (receiving: Int32, sending: Int32)
        do throws(ForkIPCError) { pair = try ForkIPC.socketPair() } catch { return nil }
        // The least there is: it holds about six.
        var size: Int32 = 1
        _ = withUnsafeMutablePointer(to: &size) {
            Host.raw(Int32(SYS_setsockopt), Int(pair.sending), Int(SOL_SOCKET), Int(SO_SNDBUF), $0.argument, 4)
        }
        let moved = Host.raw(Int32(SYS_fcntl), Int(pair.receiving), Int(F_DUPFD_CLOEXEC), Int(InternalDescriptors.firstOfMachine))
        Host.close(pair.receiving)
        guard moved >= 0 else {
            Host.close(pair.sending)
            return nil
        }
        receiving = Int32(truncatingIfNeeded: moved)
        sending = pair.sending
    }

    /// Leaves a VM to the holder of the other end of `socket`, if there still is one and it has room.
    static func leave(_ machine: Int32, to socket: Int32) {
        let message = ForkIPCMessage()
        message.put(UInt8(0))
        message.attach(machine)
        _ = message.send(over: socket)
    }

    /// Closes one VM that has come. False where there is none. Without room for descriptors the kernel closes those that come, and no
    /// number of the guest's is used in between.
    func closeNext() -> Bool {
        var byte: UInt8 = 0
        let received = withUnsafeMutablePointer(to: &byte) {
            Host.raw(Int32(SYS_recvfrom), Int(receiving), $0.argument, 1, Int(ForkIPCMessage.doNotWait), 0, 0)
        }
        return received > 0
    }
}

extension GuestProcess {
    /// The socket over which children leave their VMs to this process; -1 for none. Made with the first child. A descriptor table
    /// that is another process's too is to hold nothing that nobody closes.
    func socketForChildren() -> Int32 {
        threadsLock.withLock {
            if estate == nil && !isHelper && !sharesDescriptors { estate = MachineEstate() }
            return estate?.sending ?? -1
        }
    }

    /// For a wait that may take time: asks `poll`, which does not wait, again and again while there are VMs of ended children to
    /// close. Its first result that is one; nil where only waiting is left.
    public func settleEstate(_ poll: () -> Int?) -> Int? {
        guard let estate = threadsLock.withLock({ estate }) else { return nil }
        while true {
            if let result = poll() { return result }
            guard estate.closeNext() else { return nil }
        }
    }
}
