import CShim
import Host
import LinuxABI
import Process
import Sysroot

/// AF_UNIX addresses that name files. The host gets one that goes through a descriptor of vmrun's, so that no other path
/// than the one resolved here can be meant.
extension PathCalls {
    private static let pathOffset = 2
    /// sizeof(sun_path); the last byte need not be a NUL.
    private static let pathCapacity = 108
    private static let descriptorLink: [UInt8] = Array("/proc/thread-self/fd/".utf8)

    /// Makes the guest's address in `address` (`length` bytes, with room for a whole sockaddr_un; a file's path) the host's.
    /// `forBind`: the path's last component is to be made. The caller releases the result after the call.
    static func hostSocketAddress(
        _ thread: GuestThread, _ address: UnsafeMutableRawPointer, length: Int, forBind: Bool
    ) throws(GuestErrno) -> SocketAddresses.HostAddress {
        let count = pathLength(address, length)
        if length > pathOffset + pathCapacity { throw .EINVAL }
        guard let start = thread.scratch.path.baseAddress else { throw .ENOMEM }
        memcpy(start, address + pathOffset, count)
        start[count] = 0
        let path = PathBytes(start: start, count: count)
        return forBind ? try bindAddress(thread, address, length, path) : try connectAddress(thread, address, path)
    }

    /// Bytes of a path that ends at a NUL or with the address.
    private static func pathLength(_ address: UnsafeMutableRawPointer, _ length: Int) -> Int {
        strnlen((address + pathOffset).assumingMemoryBound(to: CChar.self), max(length - pathOffset, 0))
    }

    private static func connectAddress(
        _ thread: GuestThread, _ address: UnsafeMutableRawPointer, _ path: PathBytes
    ) throws(GuestErrno) -> SocketAddresses.HostAddress {
        switch try target(thread, AT_FDCWD, path, followLast: true) {
        case .descriptor(let descriptor, _):
            let link = address + pathOffset
            let count = HostPath.writeDescriptorLink(descriptor, link.assumingMemoryBound(to: CChar.self))
            return hostAddress(address, count, descriptor)
        case .synthetic(_, .passThrough(let hostPath)):
            if hostPath.count > pathCapacity { throw .ENAMETOOLONG }
            write(hostPath, address)
            return hostAddress(address, hostPath.count, -1)
        case .synthetic: throw .ECONNREFUSED
        }
    }

    private static func bindAddress(
        _ thread: GuestThread, _ address: UnsafeMutableRawPointer, _ length: Int, _ path: PathBytes
    ) throws(GuestErrno) -> SocketAddresses.HostAddress {
        let files = thread.files
        let entry: PathEntry
        do throws(GuestErrno) {
            entry = try files.entry(path, from: AT_FDCWD, purpose: .create)
        } catch {
            throw error == .EEXIST ? .EADDRINUSE : error
        }
        // A name in the working directory is the host's own.
        if entry.parent == AT_FDCWD { return hostAddress(address, path.count, -1) }
        let name = PathBytes(start: entry.name, count: strlen(entry.name)).bytes
        let host = hostName(thread, address, entry.parent, name, guest: path.bytes)
        write(host.path, address)
        var result = hostAddress(address, host.path.count, entry.ownsParent ? entry.parent : -1)
        if host.isRelative { result.origin = entry.parent }
        return result
    }

    /// The host path of a socket to be made as `name` in `parent`: one that stands for the guest's name and for no other.
    /// Through the descriptor, or where that is too long relative to it. Superfluous slashes and dots tell apart what would
    /// be the same.
    private static func hostName(
        _ thread: GuestThread, _ address: UnsafeMutableRawPointer, _ parent: Int32, _ name: [UInt8], guest: [UInt8]
    ) -> (path: [UInt8], isRelative: Bool) {
        let link = (address + pathOffset).assumingMemoryBound(to: CChar.self)
        let count = HostPath.writeDescriptorLink(parent, link)
        let prefix = PathBytes(start: link, count: count).bytes + [slash]
        for (start, isRelative) in [(prefix, false), ([dot, slash], true)] {
            // The plainest first: a relative name as it is.
            var variant = isRelative ? -1 : 0
            while true {
                let path = (variant < 0 ? [] : start + detour(variant)) + name
                if path.count > pathCapacity { break }
                if thread.process.session.claimSocketName(host: path, guest: guest) { return (path, isRelative) }
                variant += 1
            }
        }
        return (name, true)
    }

    private static let slash: UInt8 = 0x2f
    private static let dot: UInt8 = 0x2e

    /// The `number`th of the texts that lead nowhere between two components: the digits of `number` in the bijective binary
    /// system, `/` and `./`.
    private static func detour(_ number: Int) -> [UInt8] {
        var text: [UInt8] = []
        var rest = number
        while rest > 0 {
            text += rest % 2 == 1 ? [slash] : [dot, slash]
            rest = (rest - 1) / 2
        }
        return text
    }

    private static func write(_ path: [UInt8], _ address: UnsafeMutableRawPointer) {
        path.withUnsafeBytes { bytes in
            // SAFETY: callers checked that the path fits in sun_path.
            if let base = bytes.baseAddress { memcpy(address + pathOffset, base, bytes.count) }
        }
    }

    private static func hostAddress(
        _ address: UnsafeMutableRawPointer, _ count: Int, _ parent: Int32
    ) -> SocketAddresses.HostAddress {
        SocketAddresses.HostAddress(
            pointer: UInt64(UInt(bitPattern: address)), length: UInt64(pathOffset + count), parent: parent)
    }

    /// Makes an address that the host wrote (a file's path) the guest's; its new length. What other sessions bound is known by
    /// its last component only.
    static func guestSocketAddress(_ thread: GuestThread, _ address: UnsafeMutableRawPointer, length: Int) -> Int {
        let files = thread.files
        let count = pathLength(address, length)
        let start = (address + pathOffset).assumingMemoryBound(to: CChar.self)
        let host = PathBytes(start: start, count: count).bytes
        let guest: [UInt8]
        if let name = thread.process.session.socketName(host: host) {
            guest = name
        } else if host.first != slash {
            return length
        } else if host.starts(with: descriptorLink) {
            guest = Array(host[((host.lastIndex(of: slash) ?? 0) + 1)...])
        } else {
            guest = files.guestPath(fromHost: host) ?? host
        }
        if guest.count > pathCapacity { return length }
        write(guest, address)
        // The kernel counts the NUL behind the path, where there is room for one.
        (address + pathOffset + guest.count).storeBytes(of: 0, as: UInt8.self)
        return pathOffset + guest.count + 1
    }
}
