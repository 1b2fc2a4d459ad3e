import CShim
import GuestMemory
import Host
import LinuxABI
import Process

/// Sockets, apart from messages (`SocketCalls+Messages`) and options (`SocketCalls+Options`).
enum SocketCalls {
    /// socket(2). Families whose calls carry pointers in places that nothing here knows are not there: EAFNOSUPPORT. The
    /// kernel asks a netlink socket's maker for the right to change something, too: the host's network is only looked at.
    static func socket(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let family = family(args.a0, thread)
        guard Int32(truncatingIfNeeded: family) == AF_NETLINK else {
            return Forwarding.newDescriptor(thread.hostCall(Int(SYS_socket), family, args.a1, args.a2))
        }
        return HostCapabilities.without(HostCapabilities.CAP_NET_ADMIN) {
            Forwarding.newDescriptor(thread.hostCall(Int(SYS_socket), family, args.a1, args.a2))
        }
    }

    /// socketpair(2)
    static func socketpair(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let result = thread.hostCall(
            Int(SYS_socketpair), family(args.a0, thread), args.a1, args.a2, thread.scratch.at(Scratch.structures).hostArgument)
        return try DescriptorCalls.deliverPair(thread, result, to: args.a3)
    }

    /// An address family that is served, or one that no kernel has.
    private static func family(_ argument: UInt64, _ thread: GuestThread) -> UInt64 {
        let network: HostCalls.Network = thread.process.session.hasNetwork ? .host : .none
        return AddressFamilies.isServed(UInt32(truncatingIfNeeded: argument), in: network) ? argument : UInt64(AddressFamilies.impossible)
    }

    static func bind(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let address = try SocketAddresses.host(thread, descriptor: args.a0, args.a1, length: args.a2, forBind: true)
        defer { address.release() }
        if address.origin >= 0 {
            return vmrun_bind_in_directory(
                address.origin, Int32(truncatingIfNeeded: args.a0), UnsafeRawPointer(bitPattern: UInt(address.pointer)),
                UInt32(truncatingIfNeeded: address.length))
        }
        return thread.hostCall(Int(SYS_bind), args.a0, address.pointer, address.length)
    }

    static func connect(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let address = try SocketAddresses.host(thread, descriptor: args.a0, args.a1, length: args.a2, forBind: false)
        defer { address.release() }
        return thread.hostCall(Int(SYS_connect), args.a0, address.pointer, address.length)
    }

    static func accept(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try accept(thread, args, flags: 0)
    }

    static func accept4(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try accept(thread, args, flags: args.a3)
    }

    private static func accept(
        _ thread: GuestThread, _ args: SyscallArguments, flags: UInt64
    ) throws(GuestErrno) -> Int {
        if args.a1 == 0 {
            return Forwarding.newDescriptor(thread.hostCall(Int(SYS_accept4), args.a0, 0, 0, flags))
        }
        let output = SocketAddresses.prepareOutput(thread)
        let result = Forwarding.newDescriptor(
            thread.hostCall(Int(SYS_accept4), args.a0, output.address, output.length, flags))
        guard result >= 0 else { return result }
        do throws(GuestErrno) {
            try SocketAddresses.deliver(thread, to: args.a1, lengthAddress: args.a2)
            return result
        } catch {
            _ = Host.raw(Int32(SYS_close), result)
            throw error
        }
    }

    static func getsockname(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try name(thread, Int(SYS_getsockname), args)
    }

    static func getpeername(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        try name(thread, Int(SYS_getpeername), args)
    }

    private static func name(_ thread: GuestThread, _ number: Int, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let output = SocketAddresses.prepareOutput(thread)
        let result = thread.hostCall(number, args.a0, output.address, output.length)
        guard result == 0 else { return result }
        try SocketAddresses.deliver(thread, to: args.a1, lengthAddress: args.a2)
        return 0
    }

    static func sendto(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let buffer = Forwarding.checked(args.a1, args.a2)
        if args.a4 == 0 { return thread.hostCall(Int(SYS_sendto), args.a0, buffer, args.a2, args.a3, 0, args.a5) }
        let address = try SocketAddresses.host(thread, descriptor: args.a0, args.a4, length: args.a5, forBind: false)
        defer { address.release() }
        return thread.hostCall(Int(SYS_sendto), args.a0, buffer, args.a2, args.a3, address.pointer, address.length)
    }

    static func recvfrom(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let buffer = Forwarding.checked(args.a1, args.a2)
        if args.a4 == 0 { return thread.hostCall(Int(SYS_recvfrom), args.a0, buffer, args.a2, args.a3, 0, 0) }
        let output = SocketAddresses.prepareOutput(thread)
        let result = thread.hostCall(
            Int(SYS_recvfrom), args.a0, buffer, args.a2, args.a3, output.address, output.length)
        guard result >= 0 else { return result }
        try SocketAddresses.deliver(thread, to: args.a4, lengthAddress: args.a5)
        return result
    }
}
