/// Files of the program's view, read-only: GDB manual, "Host I/O Packets".
extension DebugSession {
    private static let mostFiles = 64

    func file(_ text: inout PacketText) {
        if text.skip("setfs:") { return reply("F0") }
        if text.skip("open:") { return open(&text) }
        if text.skip("pread:") { return read(&text) }
        if text.skip("fstat:") { return status(&text) }
        if text.skip("close:") { return close(&text) }
        if text.skip("readlink:") { return readLink(&text) }
        reply("")
    }

    private func open(_ text: inout PacketText) {
        let path = Hexadecimal.bytes(of: text.word(before: UInt8(ascii: ",")))
        guard let path, !path.contains(0), let (flags, _) = text.pair() else { return fail(22) }
        guard flags & 3 == 0, openFiles.count < Self.mostFiles else { return fail(13) }
        let result = target.openFile(path)
        guard result >= 0, let descriptor = Int32(exactly: result) else { return fail(Int32(clamping: -result)) }
        var handle = UInt64(result)
        // One of before may have the number.
        while openFiles.contains(where: { $0.handle == handle }) { handle += 1 }
        openFiles.append(OpenFile(handle: handle, descriptor: descriptor))
        answer(handle)
    }

    /// The descriptor that is next in the packet, where it is one that was opened here.
    private func descriptor(_ text: inout PacketText) -> Int32? {
        guard let handle = text.number() else { return nil }
        return openFiles.first { $0.handle == handle }?.descriptor
    }

    private func read(_ text: inout PacketText) {
        guard let descriptor = descriptor(&text) else { return fail(9) }
        guard text.skip(","), let (count, offset) = text.pair(), offset <= UInt64(Int64.max) else { return fail(22) }
        let wanted = Int(min(count, UInt64(PacketReader.longest / 2 - 16)))
        finish(target.readFile(descriptor, at: offset, count: wanted))
    }

    private func close(_ text: inout PacketText) {
        guard let descriptor = descriptor(&text) else { return fail(9) }
        openFiles.removeAll { $0.descriptor == descriptor }
        _ = target.closeFile(descriptor)
        answer(0)
    }

    private func readLink(_ text: inout PacketText) {
        guard let path = Hexadecimal.bytes(of: text.rest), !path.contains(0) else { return fail(22) }
        finish(target.linkText(path))
    }

    private func status(_ text: inout PacketText) {
        guard let descriptor = descriptor(&text) else { return fail(9) }
        switch target.fileStatus(descriptor) {
        case .failure(let failure): fail(failure.number)
        case .success(let status): finish(.success(Self.bytes(of: status)))
        }
    }

    /// The protocol's struct stat, which is big-endian: GDB manual, "struct stat".
    private static func bytes(of status: DebugFileStatus) -> [UInt8] {
        var bytes: [UInt8] = []
        func append(_ value: UInt64, _ count: Int) {
            for index in (0..<count).reversed() { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(index * 8))) }
        }
        for value in [status.device, status.inode, status.mode, status.links, status.user, status.group, 0] { append(value, 4) }
        for value in [status.size, status.blockSize, status.blocks] { append(value, 8) }
        for value in [status.accessed, status.modified, status.changed] { append(value, 4) }
        return bytes
    }

    // MARK: Answers

    private func finish(_ result: Result<[UInt8], FileFailure>) {
        switch result {
        case .failure(let failure): fail(failure.number)
        case .success(let bytes):
            var text = [UInt8]("F")
            text.append(number: UInt64(bytes.count))
            text.append(";")
            reply(text + PacketWriter.escaped(bytes))
        }
    }

    private func answer(_ value: UInt64) {
        var text = [UInt8]("F")
        text.append(number: value)
        reply(text)
    }

    private func fail(_ number: Int32) {
        var text = [UInt8]("F-1,")
        text.append(number: Self.protocolNumber(number))
        reply(text)
    }

    /// GDB manual, "Errno Values".
    private static func protocolNumber(_ number: Int32) -> UInt64 {
        switch number {
        case 1, 2, 4, 9, 13, 14, 16, 17, 19, 20, 21, 22, 23, 24, 27, 28, 29, 30: UInt64(number)
        case 36: 91
        default: 9999
        }
    }
}
