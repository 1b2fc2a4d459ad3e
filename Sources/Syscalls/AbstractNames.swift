import CShim
import Host
import LinuxABI
import Process
import SyntheticFS

/// Abstract names of AF_UNIX sockets (unix(7)), which every process of the host's network namespace shares. In a session without a network each
/// gets a prefix of the session's, so that it meets names of the session only.
enum AbstractNames {
    /// Family and the zero byte.
    private static let nameOffset = 3
    /// struct sockaddr_un
    private static let largest = 110
    private static let digits = 5

    /// Makes an abstract name at `address` the host's, and answers its new length; nil where it is none. The name that the kernel
    /// would choose for a bind without one is chosen here. EINVAL for names that do not fit with the prefix.
    static func host(
        _ thread: GuestThread, _ address: UnsafeMutableRawPointer, length: Int, forBind: Bool
    ) throws(GuestErrno) -> Int? {
        guard length >= 2, length <= largest, address.load(as: UInt16.self) == UInt16(AF_UNIX) else { return nil }
        let isChosen = forBind && length == 2
        guard isChosen || length > 2 && address.load(fromByteOffset: 2, as: UInt8.self) == 0 else { return nil }
        let prefix = thread.process.session.abstractPrefix
        let name = address + nameOffset
        var count = length - nameOffset
        if isChosen {
            var random: UInt32 = 0
            _ = withUnsafeMutablePointer(to: &random) { Host.raw(Int32(SYS_getrandom), $0.argument, 4, 0) }
            for index in 0..<digits {
                let digit = UInt8(truncatingIfNeeded: random >> UInt32(4 * index)) & 0xf
                name.storeBytes(of: digit < 10 ? 0x30 + digit : 0x57 + digit, toByteOffset: index, as: UInt8.self)
            }
            address.storeBytes(of: 0, toByteOffset: 2, as: UInt8.self)
            count = digits
        }
        guard nameOffset + prefix.count + count <= largest else { throw .EINVAL }
        memmove(name + prefix.count, name, count)
        prefix.withUnsafeBytes { name.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(name), byteCount: $0.count) }
        return nameOffset + prefix.count + count
    }

    /// Makes a name that the host wrote the guest's again, and answers its length. Others stay: the kernel gives some by itself.
    static func guest(_ thread: GuestThread, _ address: UnsafeMutableRawPointer, length: Int32) -> Int32 {
        let prefix = thread.process.session.abstractPrefix
        let count = Int(length) - nameOffset - prefix.count
        guard count >= 0, Int(length) <= largest, address.load(as: UInt16.self) == UInt16(AF_UNIX),
            address.load(fromByteOffset: 2, as: UInt8.self) == 0,
            UnsafeRawBufferPointer(start: address + nameOffset, count: prefix.count).elementsEqual(prefix)
        else { return length }
        memmove(address + nameOffset, address + nameOffset + prefix.count, count)
        return Int32(nameOffset + count)
    }
}
