import CShim
import GuestMemory
import Host
import LinuxABI
import Process

/// Waiting for descriptors. Calls that swap the signal mask get a copy of it without the signals that vmrun needs.
enum PollCalls {
    static func poll(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        withTable(thread, args.a0, count: args.a1) { table, count in
            thread.hostCall(Int(SYS_poll), table, count, args.a2)
        }
    }

    static func ppoll(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let mask = copyMask(thread, args.a3)
        return withTable(thread, args.a0, count: args.a1) { table, count in
            thread.hostCall(
                Int(SYS_ppoll), table, count, Forwarding.checked(args.a2, WireStructure.timespec.size), mask, args.a4)
        }
    }

    static func pselect6(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let count = Forwarding.fdCount(args.a0)
        let size = Forwarding.fdSetSize(count)
        return thread.hostCall(
            Int(SYS_pselect6), count, Forwarding.checked(args.a1, size), Forwarding.checked(args.a2, size),
            Forwarding.checked(args.a3, size), Forwarding.checked(args.a4, WireStructure.timespec.size),
            copyMaskArgument(thread, args.a5))
    }

    static func epoll_pwait(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        thread.hostCall(
            Int(SYS_epoll_pwait), args.a0,
            Forwarding.checked(args.a1, count: args.a2, size: WireStructure.epoll_event.size), args.a2, args.a3,
            copyMask(thread, args.a4), args.a5)
    }

    static func epoll_pwait2(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        thread.hostCall(
            Int(SYS_epoll_pwait2), args.a0,
            Forwarding.checked(args.a1, count: args.a2, size: WireStructure.epoll_event.size), args.a2,
            Forwarding.checked(args.a3, WireStructure.timespec.size), copyMask(thread, args.a4), args.a5)
    }

    // MARK: signal masks

    /// Bytes of scratch that copyMask and copyMaskArgument use.
    private static let maskOffset = Scratch.structures
    private static let maskArgumentOffset = Scratch.structures + 8

    /// The mask at `address`, copied less what must stay deliverable on the host: vmrun's kick and the faults of its own
    /// copies. NULL stays NULL. The size argument is the kernel's to check.
    private static func copyMask(_ thread: GuestThread, _ address: UInt64) -> UInt64 {
        if address == 0 { return 0 }
        let copy = thread.scratch.at(maskOffset)
        guard GuestAccess.tryCopyIn(copy, from: address, count: 8) else { return Forwarding.refused(address) }
        copy.storeBytes(of: copy.load(as: UInt64.self) & ~neverBlocked, as: UInt64.self)
        return copy.hostArgument
    }

    /// pselect6's last argument: the address of a mask and its size.
    private static func copyMaskArgument(_ thread: GuestThread, _ address: UInt64) -> UInt64 {
        if address == 0 { return 0 }
        let copy = thread.scratch.at(maskArgumentOffset)
        guard GuestAccess.tryCopyIn(copy, from: address, count: 16) else { return Forwarding.refused(address) }
        copy.storeBytes(of: copyMask(thread, copy.load(as: UInt64.self)), as: UInt64.self)
        return copy.hostArgument
    }

    /// SIGSEGV, SIGBUS and the kick: see vmrun_signal.h.
    private static let neverBlocked: UInt64 =
        1 << UInt64(SIGSEGV - 1) | 1 << UInt64(SIGBUS - 1) | 1 << UInt64(VMRUN_KICK_SIGNAL - 1)

    // MARK: poll tables

    /// Runs `body` with a copy of the pollfd array in which vmrun's descriptors are numbers that are surely not open
    /// (POLLNVAL), then gives the guest the answers.
    @inline(__always)
    private static func withTable(
        _ thread: GuestThread, _ address: UInt64, count: UInt64, _ body: (UInt64, UInt64) -> Int
    ) -> Int {
        let count = UInt64(UInt32(truncatingIfNeeded: count))
        // More than the limit on descriptors is EINVAL before the kernel looks at the array; its own limit is higher.
        guard count <= InternalDescriptors.openLimit else {
            return body(Forwarding.refused(address), UInt64(UInt32.max))
        }
        let size = Int(count) &* MemoryLayout<pollfd>.stride
        if size <= Scratch.structures { return onCopy(thread.scratch.at(Scratch.vector), address, Int(count), body) }
        let copy = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
        defer { copy.deallocate() }
        return onCopy(copy, address, Int(count), body)
    }

    @inline(__always)
    private static func onCopy(
        _ copy: UnsafeMutableRawPointer, _ address: UInt64, _ count: Int, _ body: (UInt64, UInt64) -> Int
    ) -> Int {
        let size = count &* MemoryLayout<pollfd>.stride
        guard count == 0 || GuestAccess.tryCopyIn(copy, from: address, count: size) else {
            return body(Forwarding.refused(address), UInt64(count))
        }
        let table = copy.assumingMemoryBound(to: pollfd.self)
        for index in 0..<count where InternalDescriptors.contains(table[index].fd) { table[index].fd = .max }
        let result = body(copy.hostArgument, UInt64(count))
        guard result >= 0 || result == GuestErrno.EINTR.result else { return result }
        // The kernel writes the revents and nothing else.
        for index in 0..<count {
            let revents = GuestAddress(address) + (index &* MemoryLayout<pollfd>.stride &+ 6)
            do throws(GuestErrno) {
                try GuestAccess.write(table[index].revents, at: revents)
            } catch {
                return error.result
            }
        }
        return result
    }
}
