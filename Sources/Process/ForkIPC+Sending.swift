import CShim
import Host

extension ForkIPC {
    /// Puts `handOver` into the buffer of `socket`, the sending end of a pair. Afterwards the socket holds descriptors of its
    /// own: the sender may close his.
    public static func send(_ handOver: HandOver, over socket: Int32) throws(ForkIPCError) {
        guard handOver.descriptors.count <= largestTable, handOver.bytes.count <= largestBulk else { throw .tooLarge }
        try checkNumbers(handOver.descriptors)
        let flags = try currentFlags(handOver.descriptors)
        let files = try bulkFiles(handOver.bytes)
        defer { for file in files { Host.close(file) } }
        guard files.count <= forkIPCDescriptorChunk else { throw .tooLarge }

        let header = ForkIPCMessage()
        header.put(headerMagic)
        header.put(version)
        header.put(handOver.kind.rawValue)
        header.put(UInt64(handOver.bytes.count))
        header.put(UInt32(files.count))
        header.put(UInt32(handOver.descriptors.count))
        for file in files { header.attach(file) }
        try send(header, over: socket)

        let total = handOver.descriptors.count
        for first in stride(from: 0, to: total, by: forkIPCDescriptorChunk) {
            let end = min(first + forkIPCDescriptorChunk, total)
            let chunk = ForkIPCMessage()
            chunk.put(chunkMagic)
            chunk.put(UInt32(first / forkIPCDescriptorChunk))
            chunk.put(UInt32(end - first))
            for index in first..<end {
                chunk.put(handOver.descriptors[index].number)
                chunk.put(flags[index])
                chunk.attach(handOver.descriptors[index].descriptor)
            }
            try send(chunk, over: socket)
        }
    }

    private static func send(_ message: ForkIPCMessage, over socket: Int32) throws(ForkIPCError) {
        var result = message.send(over: socket)
        if result == -Int(EAGAIN) {
            // The buffer is full: the largest that this host allows, once more, or there is no room.
            var most = Int32.max / 2
            withUnsafeMutablePointer(to: &most) {
                _ = Host.raw(Int32(SYS_setsockopt), Int(socket), Int(SOL_SOCKET), Int(SO_SNDBUF), $0.argument, 4)
            }
            result = message.send(over: socket)
        }
        switch Int32(truncatingIfNeeded: -result) {
        case 0: return
        case EAGAIN: throw .tooLarge
        case EBADF: throw .staleDescriptor(-1)
        case ENOTSOCK, EOPNOTSUPP: throw .notASocket
        case let number: throw .refused(number)
        }
    }

    private static func checkNumbers(_ descriptors: [HandOver.Descriptor]) throws(ForkIPCError) {
        guard descriptors.count > 1 else {
            if let only = descriptors.first, only.number < 0 { throw .numberTaken(only.number) }
            return
        }
        var numbers: [Int32] = []
        numbers.reserveCapacity(descriptors.count)
        for entry in descriptors { numbers.append(entry.number) }
        numbers.sort()
        guard numbers[0] >= 0 else { throw .numberTaken(numbers[0]) }
        for index in 1..<numbers.count where numbers[index] == numbers[index - 1] { throw .numberTaken(numbers[index]) }
    }

    /// The flags of each, by fcntl(F_GETFD), which also finds those that are not open before anything is sent.
    private static func currentFlags(_ descriptors: [HandOver.Descriptor]) throws(ForkIPCError) -> [UInt32] {
        var result: [UInt32] = []
        result.reserveCapacity(descriptors.count)
        for entry in descriptors {
            let flags = Host.raw(Int32(SYS_fcntl), Int(entry.descriptor), Int(F_GETFD))
            guard flags >= 0 else { throw .staleDescriptor(entry.descriptor) }
            result.append(flags & Int(FD_CLOEXEC) != 0 ? closesOnExec : 0)
        }
        return result
    }

    // MARK: Bulk

    /// Files from which the bytes can be read one after the other, each to its end: a memfd; or pipes, which RLIMIT_FSIZE
    /// does not limit, where it would (and would end the process by SIGXFSZ).
    private static func bulkFiles(_ bytes: [UInt8]) throws(ForkIPCError) -> [Int32] {
        if bytes.isEmpty { return [] }
        if UInt64(bytes.count) > Host.fileSizeLimit { return try pipes(bytes) }
        do throws(HostError) {
            let file = try Host.memoryFile("vmrun-hand-over")
            do throws(HostError) { try Host.fill(memoryFile: file, with: bytes) } catch {
                Host.close(file)
                throw error
            }
            return [file]
        } catch { throw .refused(error.number) }
    }

    /// The reading ends of as many pipes as it takes, each as large as this host allows.
    private static func pipes(_ bytes: [UInt8]) throws(ForkIPCError) -> [Int32] {
        let setSize = 1031
        let largest = 1 << 20
        var result: [Int32] = []
        var done = 0
        while done < bytes.count {
            let ends: (reading: Int32, writing: Int32)
            do throws(HostError) { ends = try Host.pipe(O_NONBLOCK) } catch {
                for file in result { Host.close(file) }
                throw .refused(error.number)
            }
            let reading = InternalDescriptors.adopt(ends.reading)
            guard reading >= 0, result.count < forkIPCDescriptorChunk else {
                Host.close(ends.writing)
                Host.close(reading)
                for file in result { Host.close(file) }
                throw reading >= 0 ? .tooLarge : .refused(EMFILE)
            }
            result.append(reading)
            // Where this is refused the pipe keeps its usual size.
            _ = Host.raw(Int32(SYS_fcntl), Int(ends.writing), setSize, min(largest, bytes.count - done))
            while done < bytes.count {
                let written = bytes.withUnsafeBytes {
                    Host.raw(Int32(SYS_write), Int(ends.writing), Int(bitPattern: $0.baseAddress) + done, bytes.count - done)
                }
                if written <= 0 { break }
                done += written
            }
            Host.close(ends.writing)
        }
        return result
    }
}
