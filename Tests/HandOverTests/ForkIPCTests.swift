import CShim
import Host
import Testing

@testable import Process

/// Descriptors are the process's own: what is counted in one test must not be opened by another.
@Suite(.serialized) struct ForkIPCTests {
    init() {
        // Room for a thousand descriptors twice.
        var limit = rlimit()
        withUnsafeMutablePointer(to: &limit) {
            _ = Host.raw(Int32(SYS_prlimit64), 0, 7, 0, $0.argument)
            $0.pointee.rlim_cur = min($0.pointee.rlim_max, 8192)
            _ = Host.raw(Int32(SYS_prlimit64), 0, 7, $0.argument, 0)
        }
    }

    // MARK: Tools

    /// Numbers of all open descriptors.
    static func open() -> [Int32] { (0..<8192).filter { Host.raw(Int32(SYS_fcntl), $0, Int(F_GETFD)) >= 0 }.map { Int32($0) } }

    static func closesOnExec(_ descriptor: Int32) -> Bool {
        Host.raw(Int32(SYS_fcntl), Int(descriptor), Int(F_GETFD)) & Int(FD_CLOEXEC) != 0
    }

    static func offset(_ descriptor: Int32) -> Int { Host.raw(Int32(SYS_lseek), Int(descriptor), 0, Int(SEEK_CUR)) }

    /// An open file that can be told from others by its offset.
    static func file(offset: Int) -> Int32 {
        let descriptor = "t".withCString { Int32(Host.raw(Int32(SYS_memfd_create), Int(bitPattern: $0), 0)) }
        _ = Host.raw(Int32(SYS_lseek), Int(descriptor), offset, Int(SEEK_SET))
        return descriptor
    }

    /// What `body` gets for a fresh pair; afterwards the same descriptors are open as before.
    static func withPair(_ body: (_ receiving: Int32, _ sending: Int32) -> Void) {
        let before = open()
        guard let pair = try? ForkIPC.socketPair() else {
            Issue.record("no socket pair")
            return
        }
        body(pair.receiving, pair.sending)
        Host.close(pair.receiving)
        Host.close(pair.sending)
        #expect(open() == before)
    }

    static func failure(_ socket: Int32) -> ForkIPCError? {
        do throws(ForkIPCError) {
            _ = try ForkIPC.receive(.exec, from: socket)
            return nil
        } catch {
            return error
        }
    }

    static func sendFailure(_ handOver: HandOver, _ socket: Int32) -> ForkIPCError? {
        do throws(ForkIPCError) {
            try ForkIPC.send(handOver, over: socket)
            return nil
        } catch {
            return error
        }
    }

    /// A header with `files` as its files.
    static func header(
        magic: UInt32 = ForkIPC.headerMagic, version: UInt16 = ForkIPC.version, kind: UInt16 = 1, size: UInt64 = 0,
        fileCount: Int? = nil, count: Int, files: [Int32] = []
    ) -> ForkIPCMessage {
        let message = ForkIPCMessage()
        message.put(magic)
        message.put(version)
        message.put(kind)
        message.put(size)
        message.put(UInt32(fileCount ?? files.count))
        message.put(UInt32(count))
        for file in files { message.attach(file) }
        return message
    }

    static func chunk(
        magic: UInt32 = ForkIPC.chunkMagic, _ index: Int, numbers: [Int32], count: Int? = nil, with descriptors: [Int32]
    ) -> ForkIPCMessage {
        let message = ForkIPCMessage()
        message.put(magic)
        message.put(UInt32(index))
        message.put(UInt32(count ?? numbers.count))
        for number in numbers {
            message.put(number)
            message.put(UInt32(0))
        }
        for descriptor in descriptors { message.attach(descriptor) }
        return message
    }

    /// What receiving these messages fails with.
    static func failure(of messages: [ForkIPCMessage]) -> ForkIPCError? {
        var result: ForkIPCError? = nil
        withPair { receiving, sending in
            for message in messages { #expect(message.send(over: sending) == 0) }
            result = failure(receiving)
        }
        return result
    }

    // MARK: Whole hand-overs

    @Test(arguments: [0, 1, 119, 120, 121, 240, 241, 1000]) func descriptorsArrive(count: Int) throws {
        let before = Self.open()
        var sent: [HandOver.Descriptor] = []
        for index in 0..<count {
            let descriptor = Self.file(offset: index * 3 + 1)
            if index % 2 == 0 { _ = Host.raw(Int32(SYS_fcntl), Int(descriptor), Int(F_SETFD), Int(FD_CLOEXEC)) }
            sent.append(HandOver.Descriptor(descriptor, at: Int32(5000 + (index * 7) % 1000)))
        }
        let bytes = (0..<(count * 100)).map { UInt8(truncatingIfNeeded: $0) }
        let pair = try ForkIPC.socketPair()
        try ForkIPC.send(HandOver(kind: .exec, bytes: bytes, descriptors: sent), over: pair.sending)
        // The socket has its own: the sender's may go.
        for entry in sent { Host.close(entry.descriptor) }
        Host.close(pair.sending)
        let handOver = try ForkIPC.receive(.exec, from: pair.receiving)
        #expect(handOver.bytes == bytes)
        #expect(handOver.descriptors.map { $0.number } == sent.map { $0.number })
        #expect(handOver.descriptors.map { $0.descriptor } == sent.map { $0.number })
        for (index, entry) in sent.enumerated() {
            #expect(Self.offset(entry.number) == index * 3 + 1)
            #expect(Self.closesOnExec(entry.number) == (index % 2 == 0))
        }
        Host.close(pair.receiving)
        #expect(Self.open() == (before + sent.map { $0.number }).sorted())
        for entry in sent { Host.close(entry.number) }
    }

    /// Each wants a number at which another has landed.
    @Test func numbersMayBePermuted() throws {
        let before = Self.open()
        let files = (0..<200).map { Self.file(offset: $0) }
        let sent = files.indices.map { HandOver.Descriptor(files[$0], at: files[($0 * 3 + 1) % 200]) }
        let pair = try ForkIPC.socketPair()
        try ForkIPC.send(HandOver(kind: .exec, bytes: [], descriptors: sent), over: pair.sending)
        for file in files { Host.close(file) }
        _ = try ForkIPC.receive(.exec, from: pair.receiving)
        for (index, entry) in sent.enumerated() { #expect(Self.offset(entry.number) == index) }
        Host.close(pair.receiving)
        Host.close(pair.sending)
        #expect(Self.open() == (before + files).sorted())
        for file in files { Host.close(file) }
    }

    @Test func bytesAreNotBoundByTheFileSizeLimit() throws {
        let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var limit = rlimit()
        withUnsafeMutablePointer(to: &limit) { _ = Host.raw(Int32(SYS_prlimit64), 0, 1, 0, $0.argument) }
        let usual = limit.rlim_cur
        for (size, allowed) in [(3_000_000, 0), (3_000_000, 2_999_999), (1, 0), (3_000_000, 3_000_000), (0, 0)] {
            let part = Array(bytes.prefix(size))
            Self.withPair { receiving, sending in
                limit.rlim_cur = rlim_t(allowed)
                withUnsafeMutablePointer(to: &limit) { _ = Host.raw(Int32(SYS_prlimit64), 0, 1, $0.argument, 0) }
                let failure = Self.sendFailure(HandOver(kind: .exec, bytes: part, descriptors: []), sending)
                limit.rlim_cur = usual
                withUnsafeMutablePointer(to: &limit) { _ = Host.raw(Int32(SYS_prlimit64), 0, 1, $0.argument, 0) }
                #expect(failure == nil)
                #expect((try? ForkIPC.receive(.exec, from: receiving))?.bytes == part)
            }
        }
    }

    // MARK: The sender refuses

    @Test func staleDescriptorsAreFoundBeforeAnythingIsSent() {
        let file = Self.file(offset: 0)
        defer { Host.close(file) }
        Self.withPair { receiving, sending in
            let entries = [HandOver.Descriptor(file, at: 5000), HandOver.Descriptor(7000, at: 5001)]
            let error = Self.sendFailure(HandOver(kind: .exec, bytes: [1], descriptors: entries), sending)
            #expect(error == .staleDescriptor(7000))
            #expect(Self.failure(receiving) == .incomplete)
        }
    }

    @Test func numbersAreNonNegativeAndDifferent() {
        let file = Self.file(offset: 0)
        defer { Host.close(file) }
        Self.withPair { _, sending in
            for (numbers, taken) in [([5000, 5001, 5000], 5000), ([-1], -1), ([3, -2], -2)] as [([Int32], Int32)] {
                let entries = numbers.map { HandOver.Descriptor(file, at: $0) }
                let handOver = HandOver(kind: .exec, bytes: [], descriptors: entries)
                #expect(Self.sendFailure(handOver, sending) == .numberTaken(taken))
            }
        }
    }

    @Test func aFullSocketIsAnErrorAndNoWait() {
        let file = Self.file(offset: 0)
        defer { Host.close(file) }
        let entries = (0..<120).map { HandOver.Descriptor(file, at: Int32(5000 + $0)) }
        Self.withPair { _, sending in
            var error: ForkIPCError? = nil
            for _ in 0..<100_000 where error == nil {
                error = Self.sendFailure(HandOver(kind: .exec, bytes: [], descriptors: entries), sending)
            }
            // The buffer, or the number of descriptors that may be on their way.
            #expect(error == .tooLarge || error == .refused(ETOOMANYREFS))
        }
    }

    @Test func aReceiverThatHasGoneRaisesNoSignal() {
        Self.withPair { receiving, sending in
            Host.close(receiving)
            let error = Self.sendFailure(HandOver(kind: .exec, bytes: [1, 2, 3], descriptors: []), sending)
            #expect(error == .refused(EPIPE) || error == .refused(ECONNRESET))
        }
    }

    @Test func otherDescriptorsAreNoSockets() {
        let file = Self.file(offset: 0)
        defer { Host.close(file) }
        #expect(Self.failure(file) == .notASocket)
        #expect(Self.failure(8000) == .notASocket)
        #expect(Self.sendFailure(HandOver(kind: .exec, bytes: [], descriptors: []), file) == .notASocket)
    }

    // MARK: The receiver refuses

    @Test func headersAreChecked() {
        let file = Self.file(offset: 0)
        defer { Host.close(file) }
        #expect(Self.failure(of: []) == .incomplete)
        #expect(Self.failure(of: [Self.header(count: 0)]) == nil)
        #expect(Self.failure(of: [Self.header(magic: 1, count: 0, files: [file])]) == .malformed)
        #expect(Self.failure(of: [Self.header(version: 9, count: 0, files: [file])]) == .wrongVersion(9))
        #expect(Self.failure(of: [Self.header(kind: 7, count: 0, files: [file])]) == .wrongKind(7))
        #expect(Self.failure(of: [Self.header(size: 1 << 40, count: 0, files: [file])]) == .oversized)
        #expect(Self.failure(of: [Self.header(count: 1 << 30, files: [file])]) == .oversized)
        #expect(Self.failure(of: [Self.header(fileCount: 2, count: 0, files: [file])]) == .wrongDescriptorCount)
        #expect(Self.failure(of: [Self.header(fileCount: 0, count: 0, files: [file])]) == .wrongDescriptorCount)
        let short = ForkIPCMessage()
        short.put(ForkIPC.headerMagic)
        short.attach(file)
        #expect(Self.failure(of: [short]) == .malformed)
        let long = Self.header(count: 0, files: [file])
        long.put(UInt8(0))
        #expect(Self.failure(of: [long]) == .malformed)
        // A chunk where the header is due.
        #expect(Self.failure(of: [Self.chunk(0, numbers: [5000], with: [file])]) == .malformed)
    }

    @Test func chunksAreChecked() {
        let file = Self.file(offset: 0)
        defer { Host.close(file) }
        let numbers = (0..<120).map { Int32(5000 + $0) }
        let full = [Int32](repeating: file, count: 120)
        let header = Self.header(count: 121)
        let first = Self.chunk(0, numbers: numbers, with: full)
        let second = Self.chunk(1, numbers: [6000], with: [file])
        #expect(Self.failure(of: [header, first]) == .incomplete)
        #expect(Self.failure(of: [header, second, first]) == .outOfOrder)
        #expect(Self.failure(of: [header, first, first]) == .outOfOrder)
        #expect(Self.failure(of: [header, first, second, second]) == .trailing)
        #expect(Self.failure(of: [header, first, second, header]) == .trailing)
        #expect(Self.failure(of: [header, header]) == .malformed)
        // Fewer or more descriptors than announced, by header, by chunk, or come along.
        #expect(Self.failure(of: [Self.header(count: 2), second]) == .outOfOrder)
        let one = Self.chunk(0, numbers: [6000], with: [file])
        #expect(Self.failure(of: [Self.header(count: 2), one]) == .wrongDescriptorCount)
        #expect(Self.failure(of: [Self.header(count: 1), Self.chunk(0, numbers: [6000], with: [])]) == .wrongDescriptorCount)
        #expect(
            Self.failure(of: [Self.header(count: 1), Self.chunk(0, numbers: [6000], with: [file, file])])
                == .wrongDescriptorCount)
        #expect(
            Self.failure(of: [Self.header(count: 1), Self.chunk(0, numbers: [6000], count: 2, with: [file])])
                == .wrongDescriptorCount)
        let longer = Self.chunk(0, numbers: [6000, 6001], count: 1, with: [file])
        #expect(Self.failure(of: [Self.header(count: 1), longer]) == .malformed)
        #expect(Self.failure(of: [Self.header(count: 1), Self.chunk(magic: 2, 0, numbers: [6000], with: [file])]) == .malformed)
        #expect(Self.failure(of: [Self.header(count: 1), Self.chunk(0, numbers: [], count: 1, with: [file])]) == .malformed)
        // Numbers: twice the same, negative, beyond the limit, taken.
        for wrong in [[6000, 6000], [6000, -1], [6000, 1 << 30], [6000, 0]] as [[Int32]] {
            let failure = Self.failure(of: [Self.header(count: 2), Self.chunk(0, numbers: wrong, with: [file, file])])
            switch failure {
            case .numberTaken, .refused: break
            default: Issue.record("\(wrong): \(String(describing: failure))")
            }
        }
    }

    @Test func whatDoesNotFitIsRefused() {
        let file = Self.file(offset: 0)
        defer { Host.close(file) }
        // One descriptor more than a chunk may have: the kernel cuts it off.
        let crowded = Self.header(fileCount: 121, count: 0, files: [Int32](repeating: file, count: 121))
        #expect(Self.failure(of: [crowded]) == .oversized)
        // One byte more than a message may have.
        let long = ForkIPCMessage()
        for _ in 0...ForkIPC.largestMessage { long.put(UInt8(0)) }
        long.attach(file)
        #expect(Self.failure(of: [long]) == .oversized)
        #expect(Self.failure(of: [Self.header(count: 1), long]) == .oversized)
    }

    @Test func bytesAreAsManyAsAnnounced() {
        let file = Self.file(offset: 0)
        defer { Host.close(file) }
        func fill(_ count: Int) -> Int32 {
            let file = Self.file(offset: 0)
            let text = [UInt8](repeating: 1, count: count)
            _ = text.withUnsafeBytes { Host.raw(Int32(SYS_pwrite64), Int(file), Int(bitPattern: $0.baseAddress), count, 0) }
            return file
        }
        for (size, held) in [(10, 9), (10, 11), (0, 1), (1, 0)] {
            let bulk = fill(held)
            #expect(Self.failure(of: [Self.header(size: UInt64(size), count: 0, files: [bulk])]) == .wrongSize)
            Host.close(bulk)
        }
        #expect(Self.failure(of: [Self.header(size: 1, count: 0)]) == .wrongSize)
        // A pipe that somebody else still holds is not waited for.
        var ends: (Int32, Int32) = (-1, -1)
        _ = withUnsafeMutablePointer(to: &ends) { Host.raw(Int32(SYS_pipe2), $0.argument, Int(O_NONBLOCK)) }
        #expect(Self.failure(of: [Self.header(size: 1, count: 0, files: [ends.0])]) == .wrongSize)
        Host.close(ends.0)
        Host.close(ends.1)
    }

    /// Whatever byte of a hand-over is another, it is refused or taken, and nothing stays open.
    @Test func mutatedMessagesAreTakenOrRefused() {
        let file = Self.file(offset: 0)
        defer { Host.close(file) }
        var refused = 0
        for position in 0..<(ForkIPC.headerSize + ForkIPC.chunkHeaderSize + 2 * ForkIPC.entrySize) {
            for change in [1, 0x80, 0xff] as [UInt8] {
                Self.withPair { receiving, sending in
                    let header = Self.header(count: 2)
                    let chunk = Self.chunk(0, numbers: [5000, 5001], with: [file, file])
                    if position < ForkIPC.headerSize {
                        header.flip(change, at: position)
                    } else {
                        chunk.flip(change, at: position - ForkIPC.headerSize)
                    }
                    _ = header.send(over: sending)
                    _ = chunk.send(over: sending)
                    do throws(ForkIPCError) {
                        for entry in try ForkIPC.receive(.exec, from: receiving).descriptors { Host.close(entry.number) }
                    } catch { refused += 1 }
                }
            }
        }
        #expect(refused > 80)
    }
}

extension ForkIPCMessage {
    /// Changes bits of what will be sent.
    func flip(_ bits: UInt8, at offset: Int) { buffer[Self.dataOffset + offset] ^= bits }
}
