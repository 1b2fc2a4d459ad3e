import Testing

@testable import Debugger

private func events(_ bytes: [UInt8], parts: Int = 1) -> [PacketReader.Event] {
    var reader = PacketReader()
    var result: [PacketReader.Event] = []
    var start = 0
    while start < bytes.count {
        let end = min(start + max(1, bytes.count / parts), bytes.count)
        reader.append(bytes[start..<end])
        while let event = reader.next() { result.append(event) }
        start = end
    }
    return result
}

private func events(_ text: String) -> [PacketReader.Event] { events(Array(text.utf8)) }
private func packet(_ text: String) -> PacketReader.Event { .packet(Array(text.utf8)) }

@Test func packetsAndWhatIsBetweenThem() {
    #expect(events("+$OK#9a-\u{3}$#00") == [.acknowledged, packet("OK"), .rejected, .interrupt, packet("")])
    #expect(events("noise$g#67noise") == [packet("g")])
}

@Test func everyPlaceToCut() {
    let bytes = Array("$vCont;c:p64.-1#51+$m1000,8#8e".utf8)
    let whole = events(bytes)
    #expect(whole.count == 3)
    for parts in 1...bytes.count { #expect(events(bytes, parts: parts) == whole) }
}

@Test func checksums() {
    #expect(events("$OK#9b") == [.damaged])
    #expect(events("$OK#9g$OK#9a") == [.damaged, packet("OK")])
    // What comes before a second beginning has lost its end.
    #expect(events("$lost$OK#9a") == [packet("OK")])
}

@Test func escapes() {
    let data: [UInt8] = Array(0...255)
    let framed = PacketWriter.packet(PacketWriter.escaped(data))
    #expect(events(framed) == [.packet(data)])
    // One at the very end stands for nothing.
    #expect(events(PacketWriter.packet([UInt8]("a}"))) == [packet("a")])
}

@Test func packetsThatAreTooLong() {
    let long = [UInt8](repeating: UInt8(ascii: "a"), count: PacketReader.longest)
    #expect(events(PacketWriter.packet(long)) == [.packet(long)])
    #expect(events(PacketWriter.packet(long + long)) == [.tooLong])
}

@Test func numbers() {
    func number(_ text: String) -> UInt64? {
        var reader = PacketText(Array(text.utf8))
        return reader.number()
    }
    #expect(number("0") == 0)
    #expect(number("ffffffffffffffff") == .max)
    #expect(number("10000000000000000") == nil)
    #expect(number("") == nil)
    #expect(number("-1") == nil)
    #expect(Hexadecimal.text(of: UInt64(0)) == [UInt8]("0"))
    #expect(Hexadecimal.text(of: UInt64.max) == [UInt8]("ffffffffffffffff"))
    #expect(Hexadecimal.text(of: UInt64(0x10a)) == [UInt8]("10a"))
    #expect(Hexadecimal.bytes(of: [UInt8]("0aFf")) == [10, 255])
    #expect(Hexadecimal.bytes(of: [UInt8]("0")) == nil)
    #expect(Hexadecimal.bytes(of: [UInt8]("0x")) == nil)
}

@Test func signalsThereAndBack() {
    // SIGSTKFLT has no number in the protocol.
    for signal in 1...Int32(64) where signal != 16 {
        #expect(ProtocolSignal.linux(UInt64(ProtocolSignal.number(ofLinux: signal))) == signal)
    }
    #expect(ProtocolSignal.linux(143) == 0)
    #expect(ProtocolSignal.linux(0) == 0)
    #expect(ProtocolSignal.linux(.max) == 0)
    #expect(ProtocolSignal.number(ofLinux: 10) == 30)
}

@Test func layoutOfRegisters() {
    let layout = RegisterLayout.x86_64(hasAVX: true)
    #expect(layout.ranges[16] == 128..<136)
    #expect(layout.ranges[24].lowerBound == RegisterLayout.X86.stack)
    #expect(layout.ranges[32].lowerBound == RegisterLayout.X86.stackControl)
    #expect(layout.ranges[40].lowerBound == RegisterLayout.X86.vectors)
    #expect(layout.ranges[56].lowerBound == RegisterLayout.X86.vectorControl)
    #expect(layout.ranges[57].lowerBound == RegisterLayout.X86.systemCall)
    #expect(layout.ranges[58].lowerBound == RegisterLayout.X86.bases)
    #expect(layout.ranges[60].lowerBound == RegisterLayout.X86.upperHalves)
    #expect(layout.size == RegisterLayout.X86.upperHalves + 256)
    #expect(RegisterLayout.x86_64(hasAVX: false).size == RegisterLayout.X86.upperHalves)
    let text = String(decoding: layout.description(), as: UTF8.self)
    #expect(text.contains("<reg name=\"ymm15h\" bitsize=\"128\" type=\"uint128\"/>"))
    #expect(text.contains("<reg name=\"r15\" bitsize=\"64\" type=\"int64\"/>"))
}
