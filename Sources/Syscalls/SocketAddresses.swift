import CShim
import GuestMemory
import Host
import LinuxABI
import Process

/// Socket addresses on their way between guest and host. Those of AF_UNIX name files, so their paths are resolved in the
/// guest's root.
enum SocketAddresses {
    /// struct sockaddr_storage: the kernel refuses longer ones (EINVAL).
    static let capacity = 128
    /// Where a call's address is in scratch, and behind it the int with its length.
    static let offset = Scratch.structures + 64
    static let lengthOffset = offset + capacity

    /// An address as the host call gets it, and what must be closed after the call.
    struct HostAddress {
        var pointer: UInt64
        var length: UInt64
        var parent: Int32 = -1
        /// A directory that the path of a bind begins at, instead of the working directory; -1: none.
        var origin: Int32 = -1

        /// Closes the directory that the address goes through.
        @inline(__always)
        func release() {
            if parent >= 0 { _ = Host.raw(Int32(SYS_close), Int(parent)) }
        }
    }

    /// Copies the guest's address once and makes it the host's. A length or pointer that is no good is left to the kernel.
    /// Throws what the resolution of a path throws, after the kernel's own check of the descriptor.
    static func host(
        _ thread: GuestThread, descriptor: UInt64, _ address: UInt64, length: UInt64, forBind: Bool
    ) throws(GuestErrno) -> HostAddress {
        let count = Int(Int32(truncatingIfNeeded: length))
        let copy = thread.scratch.at(offset)
        guard count > 0, count <= capacity, GuestAccess.tryCopyIn(copy, from: address, count: count) else {
            return HostAddress(pointer: count == 0 ? address : Forwarding.refused(address), length: length)
        }
        if !thread.process.session.hasNetwork, let scoped = try AbstractNames.host(thread, copy, length: count, forBind: forBind) {
            return HostAddress(pointer: copy.hostArgument, length: UInt64(scoped))
        }
        let unchanged = HostAddress(pointer: copy.hostArgument, length: UInt64(count))
        guard isPath(copy, count) else { return unchanged }
        guard try domain(thread, descriptor) == Int32(AF_UNIX) else {
            // Another family refuses the address without looking at the path; so that no exchange of the descriptor can
            // make it a host path, there is none.
            for index in 2..<count { copy.storeBytes(of: 0, toByteOffset: index, as: UInt8.self) }
            return unchanged
        }
        return try PathCalls.hostSocketAddress(thread, copy, length: count, forBind: forBind)
    }

    /// Whether an address is AF_UNIX with a file's path: neither unnamed nor abstract.
    private static func isPath(_ address: UnsafeMutableRawPointer, _ length: Int) -> Bool {
        length > 2 && address.load(as: UInt16.self) == UInt16(AF_UNIX)
            && address.load(fromByteOffset: 2, as: UInt8.self) != 0
    }

    /// The socket's address family; EBADF and ENOTSOCK come from here.
    private static func domain(_ thread: GuestThread, _ descriptor: UInt64) throws(GuestErrno) -> Int32 {
        let value = thread.scratch.at(Scratch.structures)
        value.storeBytes(of: 4, toByteOffset: 4, as: Int32.self)
        let result = Host.raw(
            Int32(SYS_getsockopt), Int(Int32(truncatingIfNeeded: descriptor)), Int(SOL_SOCKET), Int(SO_DOMAIN),
            value.argument, (value + 4).argument)
        if result < 0 { throw GuestErrno(Int32(truncatingIfNeeded: -result)) }
        return value.load(as: Int32.self)
    }

    /// The scratch buffer for an address that the host writes; its length is at `lengthOffset`.
    static func prepareOutput(_ thread: GuestThread) -> (address: UInt64, length: UInt64) {
        let length = thread.scratch.at(lengthOffset)
        length.storeBytes(of: Int32(capacity), as: Int32.self)
        return (thread.scratch.at(offset).hostArgument, length.hostArgument)
    }

    /// Gives the guest the address that the host wrote, cut to the room behind `lengthAddress`, and its whole length.
    static func deliver(_ thread: GuestThread, to address: UInt64, lengthAddress: UInt64) throws(GuestErrno) {
        let room = try GuestAccess.read(Int32.self, at: GuestAddress(lengthAddress))
        if room < 0 { throw .EINVAL }
        let length = try deliver(thread, to: address, room: room, length: thread.scratch.at(lengthOffset).load(as: Int32.self))
        try GuestAccess.write(length, at: GuestAddress(lengthAddress))
    }

    /// As above where the caller knows the room; answers the whole length.
    static func deliver(
        _ thread: GuestThread, to address: UInt64, room: Int32, length: Int32
    ) throws(GuestErrno) -> Int32 {
        let copy = thread.scratch.at(offset)
        var length = min(max(length, 0), Int32(capacity))
        if !thread.process.session.hasNetwork { length = AbstractNames.guest(thread, copy, length: length) }
        if isPath(copy, Int(length)) {
            length = Int32(truncatingIfNeeded: PathCalls.guestSocketAddress(thread, copy, length: Int(length)))
        }
        let count = Int(min(room, length))
        if count > 0 { try GuestAccess.copyOut(copy, to: GuestAddress(address), count: count) }
        return length
    }
}
