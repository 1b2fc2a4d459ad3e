import CShim
import Host

extension ForkIPC {
    /// Takes the hand-over that was put into `socket`, and gives each descriptor its number. Strict: anything but exactly one
    /// hand-over of this kind is an error, and then no descriptor that came is left open. The socket stays open.
    public static func receive(_ kind: HandOver.Kind, from socket: Int32) throws(ForkIPCError) -> HandOver {
        let reception = Reception(socket: socket)
        do throws(ForkIPCError) {
            return try reception.run(kind)
        } catch {
            reception.closeAll()
            throw error
        }
    }
}

/// A hand-over that is coming in.
private final class Reception {
    private let socket: Int32
    private let message = ForkIPCMessage()
    /// Everything that has come, in order: the files that hold the bytes, then the descriptors.
    private var files: [Int32] = []
    private var descriptors: [Int32] = []
    /// What belongs to each of `descriptors`.
    private var numbers: [Int32] = []
    private var flags: [UInt32] = []

    init(socket: Int32) { self.socket = socket }

    func closeAll() {
        for descriptor in files { Host.close(descriptor) }
        for descriptor in descriptors { Host.close(descriptor) }
    }

    func run(_ kind: HandOver.Kind) throws(ForkIPCError) -> HandOver {
        let header = message.receive(from: socket)
        files = header.descriptors
        guard try length(of: header) == ForkIPC.headerSize, message.next(UInt32.self) == ForkIPC.headerMagic else {
            throw .malformed
        }
        let version = message.next(UInt16.self)
        guard version == ForkIPC.version else { throw .wrongVersion(version) }
        let givenKind = message.next(UInt16.self)
        guard givenKind == kind.rawValue else { throw .wrongKind(givenKind) }
        let size = message.next(UInt64.self)
        let fileCount = message.next(UInt32.self)
        let count = message.next(UInt32.self)
        guard size <= UInt64(ForkIPC.largestBulk), count <= UInt32(ForkIPC.largestTable) else { throw .oversized }
        guard files.count == Int(fileCount) else { throw .wrongDescriptorCount }

        var index: UInt32 = 0
        while descriptors.count < Int(count) {
            try takeChunk(index, due: min(Int(count) - descriptors.count, forkIPCDescriptorChunk))
            index += 1
        }
        try expectEnd()
        let bytes = try readFiles(Int(size))
        for position in descriptors.indices { try place(position) }
        return HandOver(
            kind: kind, bytes: bytes, descriptors: descriptors.map { HandOver.Descriptor($0, at: $0) })
    }

    /// The bytes of a message that may be one of this protocol.
    private func length(of arrival: ForkIPCMessage.Arrival) throws(ForkIPCError) -> Int {
        switch Int32(truncatingIfNeeded: -arrival.result) {
        case EAGAIN, 0: throw .incomplete
        case EBADF, ENOTSOCK, EOPNOTSUPP: throw .notASocket
        case let number where number > 0: throw .refused(number)
        default: break
        }
        guard !arrival.isCut else { throw .oversized }
        guard !arrival.isForeign else { throw .malformed }
        return arrival.result
    }

    private func takeChunk(_ index: UInt32, due: Int) throws(ForkIPCError) {
        let before = descriptors.count
        let arrival = message.receive(from: socket)
        descriptors += arrival.descriptors
        let length = try length(of: arrival)
        guard length >= ForkIPC.chunkHeaderSize, message.next(UInt32.self) == ForkIPC.chunkMagic else { throw .malformed }
        guard message.next(UInt32.self) == index else { throw .outOfOrder }
        let count = message.next(UInt32.self)
        guard count == UInt32(due), descriptors.count == before + due else { throw .wrongDescriptorCount }
        guard length == ForkIPC.chunkHeaderSize + due * ForkIPC.entrySize else { throw .malformed }
        for _ in 0..<due {
            numbers.append(message.next(Int32.self))
            flags.append(message.next(UInt32.self))
        }
    }

    /// Nothing more: the sender has gone, or has nothing to say.
    private func expectEnd() throws(ForkIPCError) {
        let arrival = message.receive(from: socket)
        descriptors += arrival.descriptors
        if arrival.result > 0 || !arrival.descriptors.isEmpty || arrival.isForeign { throw .trailing }
        if arrival.result < 0 && arrival.result != -Int(EAGAIN) { throw .refused(Int32(-arrival.result)) }
    }

    private func readFiles(_ size: Int) throws(ForkIPCError) -> [UInt8] {
        var isWhole = true
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            for file in files {
                while true {
                    let rest = UnsafeMutableBufferPointer(rebasing: buffer[count...])
                    // One byte more than announced would be read here.
                    if rest.isEmpty { break }
                    let part = Host.raw(Int32(SYS_read), Int(file), Int(bitPattern: rest.baseAddress), rest.count)
                    if part == -Int(EINTR) { continue }
                    if part <= 0 { break }
                    count += part
                }
            }
            isWhole = count == size
        }
        guard isWhole, !files.contains(where: hasMore) else { throw .wrongSize }
        for file in files { Host.close(file) }
        files = []
        return bytes
    }

    private func hasMore(_ file: Int32) -> Bool {
        var byte: UInt8 = 0
        return withUnsafeMutablePointer(to: &byte) { Host.raw(Int32(SYS_read), Int(file), $0.argument, 1) } > 0
    }

    /// Moves a descriptor to its number. One that came later may have landed there and makes room.
    private func place(_ position: Int) throws(ForkIPCError) {
        let number = numbers[position]
        let descriptor = descriptors[position]
        let closesOnExec = flags[position] & ForkIPC.closesOnExec != 0
        if number == descriptor {
            if !closesOnExec { try call(Int32(SYS_fcntl), Int(number), Int(F_SETFD), 0) }
            return
        }
        if Host.raw(Int32(SYS_fcntl), Int(number), Int(F_GETFD)) >= 0 {
            guard let other = descriptors[(position + 1)...].firstIndex(of: number) else { throw .numberTaken(number) }
            descriptors[other] = Int32(truncatingIfNeeded: try call(Int32(SYS_fcntl), Int(number), Int(F_DUPFD_CLOEXEC), 0))
            Host.close(number)
        }
        try call(Int32(SYS_dup3), Int(descriptor), Int(number), closesOnExec ? Int(O_CLOEXEC) : 0)
        Host.close(descriptor)
        descriptors[position] = number
    }

    @discardableResult
    private func call(_ number: Int32, _ a0: Int, _ a1: Int, _ a2: Int) throws(ForkIPCError) -> Int {
        let result = Host.raw(number, a0, a1, a2)
        if result < 0 { throw .refused(Int32(truncatingIfNeeded: -result)) }
        return result
    }
}
