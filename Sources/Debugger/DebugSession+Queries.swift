/// Packets that begin with q, Q and v.
extension DebugSession {
    func query(_ text: inout PacketText) {
        if text.skip("Supported") { return support(&text) }
        if text.skip("fThreadInfo") {
            listing = target.threadIDs
            return listThreads()
        }
        if text.skip("sThreadInfo") { return listThreads() }
        if text.skip("ThreadExtraInfo,") {
            guard let thread = thread(&text), target.threadIDs.contains(thread) else { return reply("E01") }
            return reply(Hexadecimal.text(of: target.name(ofThread: thread)))
        }
        if text.skip("Attached") { return reply("1") }
        if text.skip("Xfer:") { return transferPart(&text) }
        if text.rest == [UInt8(ascii: "C")] {
            var answer = [UInt8]("QC")
            append(generalThread, to: &answer)
            return reply(answer)
        }
        reply("")
    }

    func set(_ text: inout PacketText) {
        if text.skip("StartNoAckMode") {
            reply("OK")
            return agree { $0.acknowledges = false }
        }
        if text.skip("PassSignals:") {
            var signals = SignalSet()
            while !text.isAtEnd {
                guard let number = text.number() else { return reply("E22") }
                signals.insert(ProtocolSignal.linux(number))
                if !text.skip(";") { break }
            }
            target.setPassedSignals(signals)
            return reply("OK")
        }
        // All-stop is what there is.
        if text.skip("NonStop:0") { return reply("OK") }
        reply("")
    }

    func verb(_ text: inout PacketText) {
        if text.skip("Cont?") { return reply("vCont;c;C;s;S;r") }
        if text.skip("Cont") { return moveEach(&text) }
        if text.skip("File:") { return file(&text) }
        if text.skip("Kill;") { return kill(&text) }
        reply("")
    }

    // MARK: What both sides can

    private func support(_ text: inout PacketText) {
        var theirs: [[UInt8]] = []
        if text.skip(":") {
            while !text.isAtEnd { theirs.append(text.word(before: UInt8(ascii: ";"))) }
        }
        func offers(_ name: StaticString) -> Bool { theirs.contains { word in name.withUTF8Buffer { $0.elementsEqual(word) } } }
        agree {
            $0.usesProcessIDs = offers("multiprocess+")
            $0.knowsSoftwareBreakpoints = offers("swbreak+")
            $0.knowsHardwareBreakpoints = offers("hwbreak+")
            $0.knowsExecs = offers("exec-events+")
            // The child's name is one with a process.
            $0.knowsForks = offers("fork-events+") && $0.usesProcessIDs
            $0.knowsVforks = offers("vfork-events+") && $0.usesProcessIDs
            $0.knowsNoneLeft = offers("no-resumed+")
        }
        var answer = [UInt8]("PacketSize=")
        answer.append(number: UInt64(PacketReader.longest))
        answer.append(";QStartNoAckMode+;QPassSignals+;vContSupported+;qXfer:features:read+;qXfer:auxv:read+;qXfer:exec-file:read+")
        answer.append(";qXfer:threads:read+;qXfer:siginfo:read+")
        if agreed.usesProcessIDs { answer.append(";multiprocess+") }
        if agreed.knowsSoftwareBreakpoints { answer.append(";swbreak+") }
        if agreed.knowsHardwareBreakpoints { answer.append(";hwbreak+") }
        if agreed.knowsExecs { answer.append(";exec-events+") }
        if agreed.knowsForks { answer.append(";fork-events+") }
        if agreed.knowsVforks { answer.append(";vfork-events+") }
        if agreed.knowsNoneLeft { answer.append(";no-resumed+") }
        reply(answer)
    }

    // MARK: Threads

    private func listThreads() {
        guard !listing.isEmpty else { return reply("l") }
        var answer = [UInt8]("m")
        // A name has 20 characters at most.
        let part = listing.prefix(PacketReader.longest / 32)
        for (index, thread) in part.enumerated() {
            if index > 0 { answer.append(",") }
            append(thread, to: &answer)
        }
        listing.removeFirst(part.count)
        reply(answer)
    }

    private func threadList() -> [UInt8] {
        var text = [UInt8]("<?xml version=\"1.0\"?>\n<threads>\n")
        for thread in target.threadIDs {
            text.append("<thread id=\"")
            append(thread, to: &text)
            text.append("\" name=\"")
            for byte in target.name(ofThread: thread) {
                switch byte {
                case UInt8(ascii: "<"): text.append("&lt;")
                case UInt8(ascii: "&"): text.append("&amp;")
                case UInt8(ascii: "\""): text.append("&quot;")
                // XML has no others, and the name may be any bytes.
                case 0x20..<0x7f: text.append(byte)
                default: text.append("?")
                }
            }
            text.append("\"/>\n")
        }
        text.append("</threads>\n")
        return text
    }

    // MARK: Objects in parts

    /// qXfer:OBJECT:read:ANNEX:OFFSET,LENGTH.
    private func transferPart(_ text: inout PacketText) {
        let object = text.word(before: UInt8(ascii: ":"))
        guard text.skip("read:") else { return reply("") }
        let annex = text.word(before: UInt8(ascii: ":"))
        guard let (offset, length) = text.pair() else { return reply("E22") }
        let name = object + [UInt8(ascii: ":")] + annex
        if offset == 0 || transfer?.name != name {
            guard let isKnown = begin(object, annex, name) else { return reply("") }
            if !isKnown { return reply("E01") }
        }
        guard let bytes = transfer?.bytes, offset <= UInt64(bytes.count) else { return reply("E22") }
        let start = Int(offset)
        // Each byte may have to be escaped.
        let count = Int(min(length, UInt64(min(bytes.count - start, PacketReader.longest / 2 - 8))))
        let isLast = start + count == bytes.count
        reply([UInt8](isLast ? "l" : "m") + PacketWriter.escaped(bytes[start..<(start + count)]))
    }

    /// Nil for an object that nobody knows here, false for one that is not there.
    private func begin(_ object: [UInt8], _ annex: [UInt8], _ name: [UInt8]) -> Bool? {
        func matches(_ text: StaticString) -> Bool { text.withUTF8Buffer { $0.elementsEqual(object) } }
        let bytes: [UInt8]?
        if matches("features") {
            bytes = annex.elementsEqual("target.xml".utf8) ? target.layout.description() : nil
        } else if matches("threads") {
            bytes = threadList()
        } else if matches("auxv") {
            bytes = target.object(.auxiliaryVector)
        } else if matches("exec-file") {
            bytes = target.object(.executable)
        } else if matches("siginfo") {
            bytes = target.object(.signalInformation(thread: generalThread))
        } else {
            return nil
        }
        transfer = bytes.map { (name, $0) }
        return bytes != nil
    }
}
