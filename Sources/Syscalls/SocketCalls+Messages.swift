import CShim
import GuestMemory
import Host
import LinuxABI
import Process

/// Messages with their nested pointers: name, iovec and ancillary data are copied once, checked, and the copies passed on.
extension SocketCalls {
    static func sendmsg(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try send(thread, args, isOne: true) { $1($0) }
    }

    static func recvmsg(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try receive(thread, args.a0, args.a1, args.a2)
    }

    static func sendmmsg(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try send(thread, args, isOne: false) { $1($0) }
    }

    /// Sends one message by `call`, which gets it with all copied and checked, and what makes the host call.
    typealias Sender = (inout MessageHeader, (MessageHeader) -> Int) -> Int

    /// sendmsg(2); sendmmsg(2), a loop of it as the kernel has it.
    @inline(__always)
    static func send(_ thread: GuestThread, _ args: SyscallArguments, isOne: Bool, by call: Sender) throws(GuestErrno) -> Int {
        isOne
            ? try send(thread, args.a0, args.a1, args.a2, by: call)
            : try sendMany(thread, args, by: call)
    }

    @inline(__always)
    private static func sendMany(_ thread: GuestThread, _ args: SyscallArguments, by call: Sender) throws(GuestErrno) -> Int {
        let count = min(Int(UInt32(truncatingIfNeeded: args.a2)), Forwarding.largestVector)
        if count == 0 { return thread.hostCall(Int(SYS_sendmmsg), args.a0, 0, 0, args.a3) }
        var done = 0
        while done < count {
            let entry = GuestAddress(args.a1) + done * Int(WireStructure.mmsghdr.size)
            do throws(GuestErrno) {
                let result = try send(thread, args.a0, entry.raw, args.a3, by: call)
                if result < 0 { return done > 0 ? done : result }
                try GuestAccess.write(UInt32(truncatingIfNeeded: result), at: entry + Int(WireStructure.msghdr.size))
            } catch {
                if done > 0 { return done }
                throw error
            }
            done += 1
        }
        return done
    }

    /// recvmmsg(2): a loop of recvmsg; the time-out is looked at after each message, as the kernel does.
    static func recvmmsg(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        var timeout: Timeout? = nil
        if args.a4 != 0 { timeout = try Timeout(at: args.a4) }
        let count = Int(UInt32(truncatingIfNeeded: args.a2))
        if count == 0 { return thread.hostCall(Int(SYS_recvmmsg), args.a0, 0, 0, args.a3, 0) }
        var flags = args.a3
        var done = 0
        var failure = 0
        while done < count {
            let entry = GuestAddress(args.a1) + done &* Int(WireStructure.mmsghdr.size)
            do throws(GuestErrno) {
                failure = try receive(thread, args.a0, entry.raw, flags & ~MSG_WAITFORONE)
                if failure < 0 { break }
                try GuestAccess.write(UInt32(truncatingIfNeeded: failure), at: entry + Int(WireStructure.msghdr.size))
            } catch {
                failure = error.result
                break
            }
            done += 1
            if flags & MSG_WAITFORONE != 0 { flags |= MSG_DONTWAIT }
            if let timeout, timeout.isOver { break }
        }
        if let timeout, done > 0 { try timeout.store(at: args.a4) }
        return done > 0 ? done : failure
    }

    private static let MSG_DONTWAIT: UInt64 = 0x40
    private static let MSG_WAITFORONE: UInt64 = 0x1_0000
    private static let MSG_CTRUNC: UInt32 = 0x8

    // MARK: one message

    @inline(__always)
    private static func send(
        _ thread: GuestThread, _ descriptor: UInt64, _ address: UInt64, _ flags: UInt64, by call: Sender
    ) throws(GuestErrno) -> Int {
        guard var header = MessageHeader(thread, at: address) else {
            return thread.hostCall(Int(SYS_sendmsg), descriptor, Forwarding.refused(address), flags)
        }
        var name = SocketAddresses.HostAddress(pointer: 0, length: 0)
        if header.name != 0 && header.nameLength > 0 {
            name = try SocketAddresses.host(
                thread, descriptor: descriptor, header.name,
                length: UInt64(min(header.nameLength, Int32(SocketAddresses.capacity))), forBind: false)
            header.name = name.pointer
            header.nameLength = Int32(truncatingIfNeeded: name.length)
        }
        defer { name.release() }
        prepareVector(thread, &header)
        try prepareControl(thread, &header)
        return call(&header) { thread.hostCall(Int(SYS_sendmsg), descriptor, $0.store(thread), flags) }
    }

    /// The ancillary data of a message to be sent, copied. More than vmrun's copy holds is more than the kernel's
    /// optmem_max allows: ENOBUFS.
    private static func prepareControl(_ thread: GuestThread, _ header: inout MessageHeader) throws(GuestErrno) {
        guard header.controlLength > 0 else { return }
        let copy = thread.scratch.at(Scratch.control)
        if header.controlLength > UInt64(Scratch.controlCapacity) {
            header.controlLength = UInt64(Int64.max)
        } else if GuestAccess.tryCopyIn(copy, from: header.control, count: Int(header.controlLength)) {
            ControlMessages.hideInternal(copy, length: Int(header.controlLength))
            try PeerCredentials.claim(thread, copy, length: Int(header.controlLength))
            header.control = copy.hostArgument
        } else {
            header.control = Forwarding.refused(header.control)
        }
    }

    private static func prepareVector(_ thread: GuestThread, _ header: inout MessageHeader) {
        // Too many elements are EMSGSIZE; the kernel's count is a size_t here.
        if header.vectorCount > UInt64(Forwarding.largestVector) { return header.vector = Forwarding.refused(header.vector) }
        header.vector = Forwarding.iovec(header.vector, count: header.vectorCount, scratch: thread.scratch.data)
    }

    private static func receive(
        _ thread: GuestThread, _ descriptor: UInt64, _ address: UInt64, _ flags: UInt64
    ) throws(GuestErrno) -> Int {
        guard let guest = MessageHeader(thread, at: address) else {
            return thread.hostCall(Int(SYS_recvmsg), descriptor, Forwarding.refused(address), flags)
        }
        var header = guest
        if guest.name != 0 && guest.nameLength >= 0 {
            header.name = SocketAddresses.prepareOutput(thread).address
            header.nameLength = Int32(SocketAddresses.capacity)
        }
        prepareVector(thread, &header)
        let control = thread.scratch.at(Scratch.control)
        // Without a place for them the kernel drops control messages, and what they carry.
        header.control = guest.control == 0 ? 0 : control.hostArgument
        header.controlLength = min(guest.controlLength, UInt64(Scratch.controlCapacity))

        let host = header.store(thread)
        let result = thread.hostCall(Int(SYS_recvmsg), descriptor, host, flags)
        guard result >= 0 else { return result }

        let answer = thread.scratch.at(MessageHeader.offset)
        var written = answer.load(fromByteOffset: MessageHeader.flagsOffset, as: UInt32.self)
        let received = min(
            answer.load(fromByteOffset: MessageHeader.controlLengthOffset, as: UInt64.self), header.controlLength)
        var kept = ControlMessages.admit(control, length: Int(received))
        if UInt64(kept) < received { written |= MSG_CTRUNC }
        PeerCredentials.show(thread, control, length: kept)
        // As in the kernel, ancillary data that cannot be delivered fail nothing: they are cut off.
        if kept > 0 && !deliver(control, kept, to: guest.control) {
            ControlMessages.forEachDescriptor(control, length: kept) {
                _ = Host.raw(Int32(SYS_close), Int($0))
                written |= MSG_CTRUNC
            }
            kept = 0
        }
        do throws(GuestErrno) {
            if guest.name != 0 {
                let length = answer.load(fromByteOffset: 8, as: Int32.self)
                let whole = try SocketAddresses.deliver(thread, to: guest.name, room: guest.nameLength, length: length)
                try GuestAccess.write(whole, at: GuestAddress(address) + 8)
            }
            try GuestAccess.write(written, at: GuestAddress(address) + MessageHeader.flagsOffset)
            try GuestAccess.write(UInt64(kept), at: GuestAddress(address) + MessageHeader.controlLengthOffset)
        } catch {
            ControlMessages.forEachDescriptor(control, length: kept) { _ = Host.raw(Int32(SYS_close), Int($0)) }
            throw error
        }
        ControlMessages.forEachDescriptor(control, length: kept) { SyntheticCalls.noteReceived(thread, $0) }
        return result
    }

    private static func deliver(_ control: UnsafeMutableRawPointer, _ count: Int, to address: UInt64) -> Bool {
        do throws(GuestErrno) {
            try GuestAccess.copyOut(control, to: GuestAddress(address), count: count)
            return true
        } catch {
            return false
        }
    }
}
