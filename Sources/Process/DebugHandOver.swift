import CShim
import Debugger
import Host

/// What a vmrun image knows of its debugger before it begins: from the command line, or from the image before it.
public struct DebugHandOver: Equatable {
    /// The socket that debuggers connect to, -1 where there is no debugger.
    public private(set) var listener: Int32 = -1
    /// The one that is connected, -1 for none.
    public private(set) var connection: Int32 = -1
    public private(set) var stopsOnEntry = false
    var agreement = DebugSession.Agreement()
    var passed = SignalSet()
    /// `DebugTarget.formerProcess`.
    var formerProcess: Int32 = 0
    /// The debugger has seen the process stop. `openFiles`: what it has opened there.
    private(set) var isStopped = false
    private(set) var openFiles: [DebugSession.OpenFile] = []

    public init() {}

    public init(listener: Int32, stopsOnEntry: Bool) {
        self.listener = listener
        self.stopsOnEntry = stopsOnEntry
    }

    init(listener: Int32, connection: Int32, _ agreement: DebugSession.Agreement, _ passed: SignalSet) {
        self.listener = listener
        self.connection = connection
        self.agreement = agreement
        self.passed = passed
    }

    /// What is no descriptor, for the exec plan.
    var words: [UInt64] { listener < 0 ? [] : [agreement.bits, passed.bits, UInt64(UInt32(bitPattern: formerProcess))] }

    /// For a child that stands still.
    func stopped(_ openFiles: [DebugSession.OpenFile]) -> DebugHandOver {
        var result = self
        result.isStopped = true
        result.openFiles = openFiles
        return result
    }

    init?(listener: Int32, connection: Int32, words: [UInt64]) {
        self.listener = listener
        self.connection = connection
        if listener < 0 { return }
        guard words.count == 3 else { return nil }
        agreement.bits = words[0]
        passed = SignalSet(bits: words[1])
        formerProcess = Int32(truncatingIfNeeded: words[2])
    }

    // MARK: To a fork child

    /// Where it finds the first of the descriptors: above what a VM has that has just been made.
    private static var firstNumber: Int32 { InternalDescriptors.firstOfMachine &+ 640 }

    func send(over socket: Int32) throws(ForkIPCError) {
        var bytes: [UInt8] = []
        for word in words + openFiles.map({ $0.handle }) { withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) } }
        let descriptors = [listener, connection] + openFiles.map { $0.descriptor }
        try ForkIPC.send(
            HandOver(
                kind: .debugger, bytes: bytes,
                descriptors: descriptors.enumerated().map { HandOver.Descriptor($1, at: Self.firstNumber &+ Int32($0)) }),
            over: socket)
    }

    static func receive(from socket: Int32) throws(ForkIPCError) -> DebugHandOver {
        let received = try ForkIPC.receive(.debugger, from: socket)
        let words = stride(from: 0, to: received.bytes.count & ~7, by: 8).map { start in
            (0..<8).reduce(UInt64(0)) { $0 | UInt64(received.bytes[start + $1]) << UInt64($1 * 8) }
        }
        let numbers = received.descriptors.map { $0.number }
        guard words.count >= 3, numbers.count == words.count - 1,
            let handOver = DebugHandOver(listener: numbers[0], connection: numbers[1], words: Array(words[..<3]))
        else {
            for number in numbers { Host.close(number) }
            throw .malformed
        }
        return handOver.stopped(
            zip(words[3...], numbers[2...]).map { DebugSession.OpenFile(handle: $0, descriptor: $1) })
    }
}

/// The socket on which a debugger is waited for.
public struct DebugSocket {
    /// In the part of vmrun's window that a fork child drops.
    public let descriptor: Int32
    /// As gdb's "target remote" takes it.
    public let name: [UInt8]

    /// TCP, on one of the host's addresses.
    public static func listen(host: UInt32, port: UInt16) throws(HostError) -> DebugSocket {
        let descriptor = try socket(AF_INET)
        var on: Int32 = 1
        _ = withUnsafeMutablePointer(to: &on) {
            Host.raw(Int32(SYS_setsockopt), Int(descriptor), Int(SOL_SOCKET), Int(SO_REUSEADDR), $0.argument, 4)
        }
        // struct sockaddr_in: family, and port and address in the network's order.
        var address = [UInt8](repeating: 0, count: 16)
        address[0] = UInt8(AF_INET)
        address[2] = UInt8(port >> 8)
        address[3] = UInt8(truncatingIfNeeded: port)
        for index in 0..<4 { address[4 + index] = UInt8(truncatingIfNeeded: host >> UInt32(24 - index * 8)) }
        try bind(descriptor, address)
        var length: UInt32 = 16
        _ = address.withUnsafeMutableBytes { bytes in
            withUnsafeMutablePointer(to: &length) {
                Host.raw(Int32(SYS_getsockname), Int(descriptor), Int(bitPattern: bytes.baseAddress), $0.argument)
            }
        }
        let actual = UInt16(address[2]) << 8 | UInt16(address[3])
        let name = "\(host >> 24).\(host >> 16 & 255).\(host >> 8 & 255).\(host & 255):\(actual)"
        return DebugSocket(descriptor: descriptor, name: Array(name.utf8))
    }

    /// A socket in the host's file system, which only this user may connect to. One that nobody listens on any more is replaced.
    public static func listen(path: [UInt8]) throws(HostError) -> DebugSocket {
        let descriptor = try socket(AF_UNIX)
        let address = [UInt8(AF_UNIX), 0] + path + [0]
        let mask = Host.raw(Int32(SYS_umask), 0o177)
        defer { _ = Host.raw(Int32(SYS_umask), mask) }
        do throws(HostError) { try bind(descriptor, address) } catch {
            guard error.number == EADDRINUSE, isDeserted(address) else { throw error }
            _ = HostFile.with(path) { Host.raw(Int32(SYS_unlinkat), Int(AT_FDCWD), $0, 0) }
            try bind(descriptor, address)
        }
        return DebugSocket(descriptor: descriptor, name: path)
    }

    private static func isDeserted(_ address: [UInt8]) -> Bool {
        let probe = Host.raw(Int32(SYS_socket), Int(AF_UNIX), Int(SOCK_STREAM_NUMBER | SOCK_CLOEXEC_NUMBER), 0)
        guard probe >= 0 else { return false }
        defer { _ = Host.raw(Int32(SYS_close), probe) }
        let result = address.withUnsafeBytes { Host.raw(Int32(SYS_connect), probe, Int(bitPattern: $0.baseAddress), $0.count) }
        return result == -Int(ECONNREFUSED)
    }

    private static let SOCK_STREAM_NUMBER = 1
    private static let SOCK_CLOEXEC_NUMBER = 0o2000000

    private static func socket(_ family: Int32) throws(HostError) -> Int32 {
        let result = try Host.call(Int32(SYS_socket), Int(family), SOCK_STREAM_NUMBER | SOCK_CLOEXEC_NUMBER, 0)
        let descriptor = InternalDescriptors.adoptForMachine(Int32(truncatingIfNeeded: result))
        if descriptor < 0 { throw HostError(EMFILE) }
        return descriptor
    }

    private static func bind(_ descriptor: Int32, _ address: [UInt8]) throws(HostError) {
        let result = address.withUnsafeBytes {
            Host.raw(Int32(SYS_bind), Int(descriptor), Int(bitPattern: $0.baseAddress), $0.count)
        }
        if result < 0 { throw HostError(Int32(-result)) }
        try Host.call(Int32(SYS_listen), Int(descriptor), 1)
    }

    /// The next debugger's connection. Small answers are not to wait for more, and a debugger that takes nothing is given up.
    static func accept(_ listener: Int32) -> Int32 {
        let result = Host.raw(Int32(SYS_accept4), Int(listener), 0, 0, SOCK_CLOEXEC_NUMBER)
        guard result >= 0 else { return -1 }
        let connection = InternalDescriptors.adoptForMachine(Int32(truncatingIfNeeded: result))
        guard connection >= 0 else { return -1 }
        var on: Int32 = 1
        _ = withUnsafeMutablePointer(to: &on) {
            // TCP_NODELAY. A socket of another kind refuses it.
            Host.raw(Int32(SYS_setsockopt), Int(connection), Int(IPPROTO_TCP_NUMBER), 1, $0.argument, 4)
        }
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        _ = withUnsafeMutablePointer(to: &patience) {
            Host.raw(
                Int32(SYS_setsockopt), Int(connection), Int(SOL_SOCKET), Int(SO_SNDTIMEO), $0.argument, MemoryLayout<timeval>.size)
        }
        return connection
    }

    private static let IPPROTO_TCP_NUMBER = 6
}
