import CShim
import Host

/// How many descriptors one message carries: well below the kernel's SCM_MAX_FD, 253.
public let forkIPCDescriptorChunk = 120

/// What one vmrun image hands to another over a private socket pair: bytes, and descriptors with the numbers they are to have.
///
/// On a SOCK_SEQPACKET pair, in this order: a header, whose SCM_RIGHTS are the files that hold the bytes; then the
/// descriptors, in chunks of at most `forkIPCDescriptorChunk`, each with its own index, count and list of numbers. The sender
/// puts all of it into the socket's buffer before the receiver begins, so neither ever waits for the other.
public struct HandOver: Equatable {
    /// What the bytes are. A receiver takes one kind only.
    public enum Kind: UInt16 {
        case exec = 1
        case debugger = 2
    }

    public struct Descriptor: Equatable {
        /// The number that the receiver is to have it at.
        public var number: Int32
        /// The sender's number of it. In a hand-over that was received both are the same.
        public var descriptor: Int32

        public init(_ descriptor: Int32, at number: Int32) {
            self.number = number
            self.descriptor = descriptor
        }
    }

    public var kind: Kind
    public var bytes: [UInt8]
    /// FD_CLOEXEC goes along: each arrives with the flag that the sender's has.
    public var descriptors: [Descriptor]

    public init(kind: Kind, bytes: [UInt8], descriptors: [Descriptor]) {
        self.kind = kind
        self.bytes = bytes
        self.descriptors = descriptors
    }
}

/// Why a hand-over fails. Whichever side meets it has closed all that it had opened or received for it.
public enum ForkIPCError: Error, Equatable {
    /// The host refused a call, with this errno.
    case refused(Int32)
    /// Sender: this descriptor is not open.
    case staleDescriptor(Int32)
    /// Two descriptors, or the receiver's own, want this number.
    case numberTaken(Int32)
    /// Sender: more than the socket's buffer can be made to hold, or than a header may announce.
    case tooLarge
    case notASocket
    /// No message of this protocol, or one that is not expected here.
    case malformed
    case wrongVersion(UInt16)
    case wrongKind(UInt16)
    /// A message, or its control data, did not fit what this protocol allows.
    case oversized
    /// Messages end too early.
    case incomplete
    /// Something comes behind the last message.
    case trailing
    /// A chunk is not the one that is due: out of order, sent twice, or left out.
    case outOfOrder
    /// A message brought more or fewer descriptors than it announced.
    case wrongDescriptorCount
    /// The files do not hold as many bytes as announced.
    case wrongSize

    /// What is wrong, as the second half of a sentence.
    public var clause: String {
        switch self {
        case .refused(let number): "the host refused it (errno \(number))"
        case .staleDescriptor(let number): "descriptor \(number) is not open"
        case .numberTaken(let number): "the number \(number) is taken"
        case .tooLarge: "it is too large"
        case .notASocket: "that is no socket of vmrun's"
        case .malformed: "a message is malformed"
        case .wrongVersion(let version): "it has version \(version), of another vmrun"
        case .wrongKind(let kind): "it is of kind \(kind)"
        case .oversized: "a message is too long"
        case .incomplete: "it ends too early"
        case .trailing: "something follows its end"
        case .outOfOrder: "its parts are out of order"
        case .wrongDescriptorCount: "descriptors are missing or too many"
        case .wrongSize: "its content has another size than announced"
        }
    }
}

/// The protocol: how a `HandOver` is written to a socket and read from it.
public enum ForkIPC {
    /// Increased with every change of the layout; both sides are the same binary, so any other is an error.
    static let version: UInt16 = 1
    static let headerMagic: UInt32 = 0x6863_6d76
    static let chunkMagic: UInt32 = 0x6663_6d76
    /// More than any exec may be given: argv and envp have 6 MiB at most (execve(2)).
    static let largestBulk = 64 << 20
    static let largestTable = 1 << 20

    /// Magic, version, kind, size of the bytes, files that hold them, descriptors.
    static let headerSize = 24
    /// Magic, index, count; then for each descriptor its number and flags.
    static let chunkHeaderSize = 12
    static let entrySize = 8
    static let largestMessage = chunkHeaderSize + forkIPCDescriptorChunk * entrySize
    /// Bit of an entry's flags: FD_CLOEXEC.
    static let closesOnExec: UInt32 = 1

    /// A connected pair for one hand-over, both close-on-exec and in vmrun's window.
    public static func socketPair() throws(ForkIPCError) -> (receiving: Int32, sending: Int32) {
        let seqpacket = 5
        var ends: (Int32, Int32) = (-1, -1)
        let result = withUnsafeMutablePointer(to: &ends) {
            Host.raw(Int32(SYS_socketpair), Int(AF_UNIX), seqpacket | Int(O_CLOEXEC), 0, $0.argument)
        }
        guard result == 0 else { throw .refused(Int32(-result)) }
        let pair = (receiving: InternalDescriptors.adopt(ends.0), sending: InternalDescriptors.adopt(ends.1))
        guard pair.receiving >= 0, pair.sending >= 0 else {
            Host.close(pair.receiving)
            Host.close(pair.sending)
            throw .refused(EMFILE)
        }
        return pair
    }
}

/// One message: its data, and descriptors as SCM_RIGHTS, in buffers of its own, laid out for sendmsg(2) and recvmsg(2).
final class ForkIPCMessage {
    /// struct msghdr, and one struct iovec behind it.
    private static let headerSize = 56
    private static let controlHeaderSize = 16
    /// SCM_RIGHTS
    private static let rights: Int32 = 1
    // MSG_DONTWAIT, MSG_NOSIGNAL, MSG_CMSG_CLOEXEC, MSG_TRUNC, MSG_CTRUNC: enumeration constants of another type in each libc.
    static let doNotWait: Int32 = 0x40
    private static let noSignal: Int32 = 0x4000
    private static let closeOnExec: Int32 = 0x4000_0000
    private static let dataCut: Int32 = 0x20
    private static let controlCut: Int32 = 0x8
    /// CMSG_SPACE of a full chunk; exact, so that the kernel cuts off one descriptor more.
    private static let controlCapacity = controlHeaderSize + forkIPCDescriptorChunk * 4
    static let dataOffset = 128
    private static let controlOffset = 1152
    private static let size = 1664

    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: ForkIPCMessage.size, alignment: 16)
    private var length = 0
    private var descriptorCount = 0

    init() { buffer.initializeMemory(as: UInt8.self, repeating: 0) }

    deinit { buffer.deallocate() }

    private var data: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: buffer[Self.dataOffset..<Self.controlOffset])
    }

    private var control: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: buffer[Self.controlOffset...])
    }

    // MARK: Sending

    func put<Value: FixedWidthInteger>(_ value: Value) {
        data.storeBytes(of: value.littleEndian, toByteOffset: length, as: Value.self)
        length += MemoryLayout<Value>.size
    }

    func attach(_ descriptor: Int32) {
        control.storeBytes(of: descriptor, toByteOffset: Self.controlHeaderSize + descriptorCount * 4, as: Int32.self)
        descriptorCount += 1
    }

    /// 0 or -errno. Never waits, never raises SIGPIPE.
    func send(over socket: Int32) -> Int {
        let controlLength = Self.controlHeaderSize + descriptorCount * 4
        control.storeBytes(of: controlLength, as: Int.self)
        control.storeBytes(of: SOL_SOCKET, toByteOffset: 8, as: Int32.self)
        control.storeBytes(of: Self.rights, toByteOffset: 12, as: Int32.self)
        prepare(dataLength: length, controlLength: descriptorCount == 0 ? 0 : controlLength)
        let flags = Int(Self.doNotWait | Self.noSignal)
        return min(Host.raw(Int32(SYS_sendmsg), Int(socket), Int(bitPattern: buffer.baseAddress), flags), 0)
    }

    private func prepare(dataLength: Int, controlLength: Int) {
        let vector = buffer.baseAddress.map { $0 + Self.headerSize }
        buffer.storeBytes(of: 0, as: Int.self)
        buffer.storeBytes(of: 0, toByteOffset: 8, as: Int.self)
        buffer.storeBytes(of: Int(bitPattern: vector), toByteOffset: 16, as: Int.self)
        buffer.storeBytes(of: 1, toByteOffset: 24, as: Int.self)
        buffer.storeBytes(of: Int(bitPattern: control.baseAddress), toByteOffset: 32, as: Int.self)
        buffer.storeBytes(of: controlLength, toByteOffset: 40, as: Int.self)
        buffer.storeBytes(of: 0, toByteOffset: 48, as: Int.self)
        buffer.storeBytes(of: Int(bitPattern: data.baseAddress), toByteOffset: Self.headerSize, as: Int.self)
        buffer.storeBytes(of: dataLength, toByteOffset: Self.headerSize + 8, as: Int.self)
    }

    // MARK: Receiving

    /// What recvmsg(2) says of a message.
    struct Arrival {
        /// Bytes of data, or -errno.
        var result: Int
        /// All that came with it, whatever else is wrong; the caller's.
        var descriptors: [Int32] = []
        /// Data or descriptors did not fit.
        var isCut = false
        /// There is control data that is not one SCM_RIGHTS message.
        var isForeign = false
    }

    /// Takes the next message, without waiting.
    func receive(from socket: Int32) -> Arrival {
        prepare(dataLength: ForkIPC.largestMessage, controlLength: Self.controlCapacity)
        let flags = Int(Self.doNotWait | Self.closeOnExec)
        let result = Host.raw(Int32(SYS_recvmsg), Int(socket), Int(bitPattern: buffer.baseAddress), flags)
        length = 0
        var arrival = Arrival(result: result)
        guard result >= 0 else { return arrival }
        let answered = buffer.load(fromByteOffset: 48, as: Int32.self)
        arrival.isCut = answered & (Self.dataCut | Self.controlCut) != 0
        let controlLength = buffer.load(fromByteOffset: 40, as: Int.self)
        guard controlLength >= Self.controlHeaderSize else { return arrival }
        let messageLength = control.load(as: Int.self)
        guard messageLength >= Self.controlHeaderSize, messageLength <= controlLength,
            control.load(fromByteOffset: 8, as: Int32.self) == SOL_SOCKET,
            control.load(fromByteOffset: 12, as: Int32.self) == Self.rights
        else {
            arrival.isForeign = true
            return arrival
        }
        for offset in stride(from: Self.controlHeaderSize, to: messageLength, by: 4) {
            arrival.descriptors.append(control.load(fromByteOffset: offset, as: Int32.self))
        }
        arrival.isForeign = controlLength > (messageLength + 7) & ~7
        return arrival
    }

    /// The next value of the message; only as far as the caller knows it to reach.
    func next<Value: FixedWidthInteger>(_ type: Value.Type) -> Value {
        let value = data.loadUnaligned(fromByteOffset: length, as: Value.self)
        length += MemoryLayout<Value>.size
        return Value(littleEndian: value)
    }
}
