import CShim
import GuestMemory
import Host
import LinuxABI
import Process
import Signals

/// Waiting for descriptors. Calls that swap the signal mask get a copy of it.
enum PollCalls {
    static func ppoll(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        withMask(thread, args.a3, size: args.a4) { mask in
            withTable(thread, args.a0, count: args.a1) { table, count in
                thread.hostCall(
                    Int(SYS_ppoll), table, count, Forwarding.checked(args.a2, WireStructure.timespec.size), mask, args.a4)
            }
        }
    }

    /// pselect6(2): the last argument is the address of a mask and its size.
    static func pselect6(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let count = Forwarding.fdCount(args.a0)
        let size = Forwarding.fdSetSize(count)
        let argument = thread.scratch.at(maskArgumentOffset)
        func select(_ argument: UInt64) -> Int {
            thread.hostCall(
                Int(SYS_pselect6), count, Forwarding.checked(args.a1, size), Forwarding.checked(args.a2, size),
                Forwarding.checked(args.a3, size), Forwarding.checked(args.a4, WireStructure.timespec.size), argument)
        }
        if args.a5 == 0 { return select(0) }
        guard GuestAccess.tryCopyIn(argument, from: args.a5, count: 16) else { return select(Forwarding.refused(args.a5)) }
        let maskSize = argument.load(fromByteOffset: 8, as: UInt64.self)
        return withMask(thread, argument.load(as: UInt64.self), size: maskSize) { mask in
            argument.storeBytes(of: mask, as: UInt64.self)
            return select(argument.hostArgument)
        }
    }

    static func epoll_pwait(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        withMask(thread, args.a4, size: args.a5) { mask in
            thread.hostCall(Int(SYS_epoll_pwait), args.a0, events(args), args.a2, args.a3, mask, args.a5)
        }
    }

    static func epoll_pwait2(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        withMask(thread, args.a4, size: args.a5) { mask in
            thread.hostCall(
                Int(SYS_epoll_pwait2), args.a0, events(args), args.a2,
                Forwarding.checked(args.a3, WireStructure.timespec.size), mask, args.a5)
        }
    }

    @inline(__always)
    private static func events(_ args: SyscallArguments) -> UInt64 {
        Forwarding.checked(args.a1, count: args.a2, size: WireStructure.epoll_event.size)
    }

    // MARK: signal masks

    private static let maskOffset = Scratch.structures
    private static let maskArgumentOffset = Scratch.structures + 8

    /// Runs `body` with the address of what the kernel gets for the mask at `address`: its copy. NULL stays NULL; a wrong size and a bad address are the kernel's to refuse, in its order.
    @inline(__always)
    private static func withMask(
        _ thread: GuestThread, _ address: UInt64, size: UInt64, _ body: (UInt64) -> Int
    ) -> Int {
        if address == 0 { return body(0) }
        let copy = thread.scratch.at(maskOffset)
        guard size == WireStructure.sigset.size, GuestAccess.tryCopyIn(copy, from: address, count: 8) else {
            return body(Forwarding.refused(address))
        }
        return thread.signals.withTemporaryMask(copy.load(as: UInt64.self), at: copy) { body(copy.hostArgument) }
    }

    // MARK: poll tables

    /// Runs `body` with a copy of the pollfd array in which vmrun's descriptors are numbers that are surely not open
    /// (POLLNVAL), then gives the guest the answers.
    @inline(__always)
    static func withTable(
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
        if count == 0 { return body(Forwarding.checked(address, 0), 0) }
        let size = count &* MemoryLayout<pollfd>.stride
        guard GuestAccess.tryCopyIn(copy, from: address, count: size) else {
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
