import CShim
import GuestMemory
import Host
import LinuxABI
import Process

extension SocketCalls {
    static func setsockopt(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let level = allowed(args.a1, args.a2)
        var value = Forwarding.checked(args.a3, count: args.a4, size: 1)
        if level == UInt64(SOL_SOCKET) && carriesFilter(args.a2) { value = copyFilter(thread, args.a3) }
        return thread.hostCall(Int(SYS_setsockopt), args.a0, level, args.a2, value, args.a4)
    }

    static func getsockopt(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let option = Int32(truncatingIfNeeded: args.a2)
        if Int32(truncatingIfNeeded: args.a1) == SOL_SOCKET && option == SO_PEERPIDFD { return try peerPidfd(thread, args) }
        let level = allowed(args.a1, args.a2)
        let length = thread.scratch.at(Scratch.structures)
        guard GuestAccess.tryCopyIn(length, from: args.a4, count: 4) else {
            return thread.hostCall(Int(SYS_getsockopt), args.a0, level, args.a2, args.a3, Forwarding.refused(args.a4))
        }
        // SO_GET_FILTER counts its length in instructions of eight bytes.
        let unit: UInt64 = level == UInt64(SOL_SOCKET) && option == SO_GET_FILTER ? 8 : 1
        let value = Forwarding.checked(args.a3, count: UInt64(length.load(as: UInt32.self)), size: unit)
        let result = thread.hostCall(Int(SYS_getsockopt), args.a0, level, args.a2, value, length.hostArgument)
        // The kernel tells the length before it finds that the value has no place.
        if result >= 0 || result == GuestErrno.EFAULT.result {
            try GuestAccess.copyOut(length, to: GuestAddress(args.a4), count: 4)
        }
        return result
    }

    /// The level of an option that may pass; else one that no protocol has, for which the kernel answers ENOPROTOOPT or
    /// whatever the socket says to that. Options with pointers in their structures do not pass, filters apart.
    private static func allowed(_ level: UInt64, _ option: UInt64) -> UInt64 {
        let name = Int32(truncatingIfNeeded: option)
        let passes =
            switch Int32(truncatingIfNeeded: level) {
            // netfilter's tables are at 64 and above; 80 is SO_ORIGINAL_DST.
            case 0: name < 64 || name == 80
            case 41: name != 64 && name != 65 && name != 68 && name != 69
            case SOL_SOCKET: true
            // TCP_ZEROCOPY_RECEIVE maps memory at an address.
            case 6: name != 35
            // PACKET_FANOUT_DATA may be a filter.
            case 263: name != 22
            // MPTCP_FULL_INFO has two addresses in its structure.
            case 284: name != 4
            // UDP, vsock, ICMPv6, CAN, UDP-Lite, raw, netlink, alg, TLS.
            case 17, 40, 58, 100...107, 136, 255, 270, 279, 282: true
            default: false
            }
        return passes ? level : 0x7fff_ff00
    }

    private static let SO_GET_FILTER: Int32 = 26
    private static let SO_PEERPIDFD: Int32 = 77

    /// SO_PEERPIDFD: a new descriptor, which is delivered as any option's value is, cut to the length given.
    private static func peerPidfd(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let room = try GuestAccess.read(Int32.self, at: GuestAddress(args.a4))
        if room < 0 { throw .EINVAL }
        let value = thread.scratch.at(Scratch.structures)
        let length = value + 4
        length.storeBytes(of: 4, as: Int32.self)
        let result = thread.hostCall(
            Int(SYS_getsockopt), args.a0, args.a1, args.a2, value.hostArgument, length.hostArgument)
        guard result == 0 else { return result }
        let admitted = Forwarding.newDescriptor(Int(value.load(as: Int32.self)))
        guard admitted >= 0 else { return admitted }
        let count = min(room, 4)
        do throws(GuestErrno) {
            try GuestAccess.copyOut(value, to: GuestAddress(args.a3), count: Int(count))
            try GuestAccess.write(count, at: GuestAddress(args.a4))
            return 0
        } catch {
            _ = Host.raw(Int32(SYS_close), admitted)
            throw error
        }
    }

    /// SO_ATTACH_FILTER and SO_ATTACH_REUSEPORT_CBPF.
    private static func carriesFilter(_ option: UInt64) -> Bool {
        let name = Int32(truncatingIfNeeded: option)
        return name == 26 || name == 51
    }

    /// struct sock_fprog with its program, both copied once. BPF_MAXINSNS instructions fit below the copy of the structure;
    /// the kernel refuses more before it looks at them.
    private static func copyFilter(_ thread: GuestThread, _ address: UInt64) -> UInt64 {
        let header = thread.scratch.at(Scratch.control)
        guard GuestAccess.tryCopyIn(header, from: address, count: 16) else { return Forwarding.refused(address) }
        let count = Int(header.load(as: UInt16.self))
        let program = header.load(fromByteOffset: 8, as: UInt64.self)
        guard program != 0 else { return header.hostArgument }
        let copy = thread.scratch.at(Scratch.vector)
        let isWhole = count <= 4096 && GuestAccess.tryCopyIn(copy, from: program, count: count &* 8)
        header.storeBytes(of: isWhole ? copy.hostArgument : Forwarding.refused(program), toByteOffset: 8, as: UInt64.self)
        return header.hostArgument
    }
}
