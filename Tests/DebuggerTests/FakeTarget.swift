@testable import Debugger

/// A process of two threads and a few bytes of memory, which notes what is asked of it.
final class FakeTarget: DebugTarget {
    static let base: UInt64 = 0x1000

    let processID: Int32 = 100
    var threadIDs: [Int32] = [100, 101]
    let layout = RegisterLayout.x86_64(hasAVX: true)
    var sent: [UInt8] = []
    var contents = [UInt8](0..<64)
    var values: [UInt8]
    var points: [DebugPoint] = []
    var resumed: [[ThreadAction]] = []
    var interrupts = 0, detached = 0, killed = 0
    var passed = SignalSet()
    var open: [Int32] = []
    var child: DebugChild?
    var childThreads: [Int32] = []
    var formerProcess: Int32 = 0
    var released = 0, childrenKilled = 0, leftForChild = 0
    let file = [UInt8]("file #$}* of bytes")

    init() { values = [UInt8](repeating: 0, count: layout.size) }

    func process(ofThread thread: Int32) -> Int32 { childThreads.contains(thread) ? child?.process ?? 0 : processID }
    func forgetFormerProcess() { formerProcess = 0 }

    func releaseChild() {
        released += 1
        child = nil
    }

    func killChild() {
        childrenKilled += 1
        child = nil
    }

    func leaveForChild() {
        leftForChild += 1
        child = nil
    }

    func name(ofThread thread: Int32) -> [UInt8] { [UInt8]("a<b&\"c") + [0xff] }
    func registers(ofThread thread: Int32) -> [UInt8]? { threadIDs.contains(thread) ? values : nil }

    func setRegisters(ofThread thread: Int32, to bytes: [UInt8]) -> Bool {
        values = bytes
        return threadIDs.contains(thread)
    }

    func memory(at address: UInt64, count: Int) -> [UInt8] {
        guard address >= Self.base, address - Self.base < UInt64(contents.count) else { return [] }
        return Array(contents[Int(address - Self.base)...].prefix(count))
    }

    func setMemory(at address: UInt64, to bytes: [UInt8]) -> Bool {
        guard memory(at: address, count: bytes.count).count == bytes.count else { return false }
        contents.replaceSubrange(Int(address - Self.base)..<(Int(address - Self.base) + bytes.count), with: bytes)
        return true
    }

    func insert(_ point: DebugPoint) -> DebugPoint.Outcome {
        if point.kind == .read { return .unsupported }
        if points.count == 4 { return .failed }
        points.append(point)
        return .done
    }

    func remove(_ point: DebugPoint) -> DebugPoint.Outcome {
        let before = points.count
        points.removeAll { $0 == point }
        return points.count < before ? .done : .failed
    }

    func object(_ object: DebugObject) -> [UInt8]? {
        switch object {
        case .auxiliaryVector: [UInt8](repeating: UInt8(ascii: "#"), count: 20000)
        case .executable: [UInt8]("/bin/program")
        case .signalInformation: nil
        }
    }

    func resume(_ actions: [ThreadAction]) { resumed.append(actions) }
    func interrupt() { interrupts += 1 }
    func setPassedSignals(_ signals: SignalSet) { passed = signals }
    func detach() { detached += 1 }
    func kill() { killed += 1 }

    func openFile(_ path: [UInt8]) -> Int {
        guard path == [UInt8]("/lib/a") else { return -2 }
        open.append(7)
        return 7
    }

    func readFile(_ descriptor: Int32, at offset: UInt64, count: Int) -> Result<[UInt8], FileFailure> {
        .success(Array(file.dropFirst(Int(min(offset, 100))).prefix(count)))
    }

    func fileStatus(_ descriptor: Int32) -> Result<DebugFileStatus, FileFailure> {
        var status = DebugFileStatus()
        status.size = 0x1234
        return .success(status)
    }

    func closeFile(_ descriptor: Int32) -> Int {
        open.removeAll { $0 == descriptor }
        return 0
    }

    func linkText(_ path: [UInt8]) -> Result<[UInt8], FileFailure> { .failure(FileFailure(36)) }
    func send(_ bytes: [UInt8]) { sent += bytes }
}

/// A session with a fake process, and what a debugger reads of its answers.
final class Talk {
    let target = FakeTarget()
    let session: DebugSession

    init() { session = DebugSession(target) }

    /// Sends a packet; the text of the answer, without its frame and acknowledgement.
    func ask(_ text: String) -> String { ask(Array(text.utf8)) }

    func ask(_ bytes: [UInt8]) -> String {
        target.sent = []
        session.receive(PacketWriter.packet(bytes))
        return answer
    }

    /// The last packet that was sent.
    var answer: String {
        var reader = PacketReader()
        reader.append(target.sent)
        var text = ""
        while let event = reader.next() {
            if case .packet(let bytes) = event { text = String(decoding: bytes, as: UTF8.self) }
        }
        return text
    }
}
