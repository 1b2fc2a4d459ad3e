import CShim
import Host

/// A terminal for the container, whose other side goes to the engine: `--console-socket`.
enum Console {
    /// From the kernel's asm-generic/ioctls.h: the C library's have types that Swift does not take.
    private static let unlock = 0x4004_5431
    private static let peer = 0x5441
    private static let takeControl = 0x540e
    private static let setSize = 0x5414

    /// Makes a terminal the calling session's, and its descriptors 0 to 2; sends the other side.
    static func open(sendingTo socket: [UInt8], size: (rows: UInt16, columns: UInt16)?, owner: UInt64) throws(RuntimeError) {
        let master = HostFile.open(Array("/dev/ptmx".utf8), O_RDWR | O_NOCTTY)
        guard master >= 0 else { throw RuntimeError("/dev/ptmx cannot be opened (errno \(-master)), so there is no terminal") }
        var off: Int32 = 0
        _ = withUnsafeMutablePointer(to: &off) { Host.raw(Int32(SYS_ioctl), master, unlock, $0.argument) }
        let terminal = Host.raw(Int32(SYS_ioctl), master, peer, Int(O_RDWR | O_NOCTTY | O_CLOEXEC))
        guard terminal >= 0 else { throw RuntimeError("the terminal cannot be opened (errno \(-terminal))") }
        if let size {
            var words: (UInt16, UInt16, UInt16, UInt16) = (size.rows, size.columns, 0, 0)
            _ = withUnsafeMutablePointer(to: &words) { Host.raw(Int32(SYS_ioctl), terminal, setSize, $0.argument) }
        }
        if owner != 0 { _ = Host.raw(Int32(SYS_fchown), terminal, Int(owner), -1) }
        try send(master, to: socket)
        for descriptor in 0...2 { _ = Host.raw(Int32(SYS_dup3), terminal, descriptor, 0) }
        _ = Host.raw(Int32(SYS_ioctl), 0, takeControl, 0)
    }

    /// One descriptor in one message, unix(7).
    private static func send(_ descriptor: Int, to path: [UInt8]) throws(RuntimeError) {
        let socket = Host.raw(Int32(SYS_socket), Int(AF_UNIX), Int(SOCK_STREAM.rawValue) | Int(O_CLOEXEC), 0)
        var address = [UInt8](repeating: 0, count: 110)
        guard socket >= 0, path.count < 108 else { throw RuntimeError("--console-socket: the path is too long for a socket's") }
        address[0] = UInt8(AF_UNIX)
        for (index, byte) in path.enumerated() { address[2 + index] = byte }
        let connected = address.withUnsafeBytes {
            Host.raw(Int32(SYS_connect), socket, Int(bitPattern: $0.baseAddress), path.count + 3)
        }
        guard connected == 0 else { throw RuntimeError("--console-socket \(HostFile.text(path)) takes no connection (errno \(-connected))") }

        // struct cmsghdr with SCM_RIGHTS and one int, padded.
        let control: [UInt64] = [20, UInt64(SOL_SOCKET) | 1 << 32, UInt64(descriptor)]
        let name = Array("/dev/ptmx".utf8)
        let sent = name.withUnsafeBytes { data -> Int in
            let vector: [UInt64] = [UInt64(UInt(bitPattern: data.baseAddress)), UInt64(data.count)]
            return vector.withUnsafeBytes { vector in
                control.withUnsafeBytes { control in
                    let message: [UInt64] = [
                        0, 0, UInt64(UInt(bitPattern: vector.baseAddress)), 1, UInt64(UInt(bitPattern: control.baseAddress)), 24, 0,
                    ]
                    return message.withUnsafeBytes { Host.raw(Int32(SYS_sendmsg), socket, Int(bitPattern: $0.baseAddress), 0) }
                }
            }
        }
        _ = Host.raw(Int32(SYS_close), socket)
        guard sent > 0 else { throw RuntimeError("the terminal cannot be sent to --console-socket (errno \(-sent))") }
    }
}
