import Testing

@testable import Debugger

@Test func whatBothSidesCan() {
    let talk = Talk()
    let answer = talk.ask("qSupported:multiprocess+;swbreak+;exec-events+;xmlRegisters=i386")
    #expect(answer.contains("PacketSize=4000;"))
    #expect(answer.contains("multiprocess+") && answer.contains("swbreak+") && answer.contains("exec-events+"))
    #expect(!answer.contains("hwbreak+"))
    #expect(talk.session.agreed.usesProcessIDs && !talk.session.agreed.knowsHardwareBreakpoints)
    var again = DebugSession.Agreement()
    again.bits = talk.session.agreed.bits
    #expect(again == talk.session.agreed)
}

@Test func acknowledgements() {
    let talk = Talk()
    _ = talk.ask("qC")
    #expect(talk.target.sent.first == UInt8(ascii: "+"))
    let sent = Array(talk.target.sent.dropFirst())
    talk.target.sent = []
    talk.session.receive([UInt8]("-"))
    #expect(talk.target.sent == sent)
    #expect(talk.ask("QStartNoAckMode") == "OK")
    _ = talk.ask("qC")
    #expect(talk.target.sent.first == UInt8(ascii: "$"))
}

@Test func threads() {
    let talk = Talk()
    _ = talk.ask("qSupported:multiprocess+")
    #expect(talk.ask("qfThreadInfo") == "mp64.64,p64.65")
    #expect(talk.ask("qsThreadInfo") == "l")
    #expect(talk.ask("Hgp64.65") == "OK")
    #expect(talk.ask("qC") == "QCp64.65")
    #expect(talk.ask("Tp64.65") == "OK")
    #expect(talk.ask("Tp64.66") == "E01")
    #expect(talk.ask("Tp65.65") == "E01")
    #expect(talk.ask("Hgp65.0") == "E01")
    let list = talk.ask("qXfer:threads:read::0,fff")
    #expect(list.hasPrefix("l<?xml") && list.contains("id=\"p64.65\" name=\"a&lt;b&amp;&quot;c?\""))
}

@Test func registers() {
    let talk = Talk()
    #expect(talk.ask("P10=8877665544332211") == "OK")
    #expect(talk.ask("p10") == "8877665544332211")
    #expect(talk.ask("g").count == talk.target.layout.size * 2)
    #expect(talk.ask("P10=88") == "E22")
    #expect(talk.ask("pffff") == "E22")
    #expect(talk.ask("p") == "E22")
    #expect(talk.ask("G00") == "E22")
    #expect(talk.ask("G" + String(repeating: "01", count: talk.target.layout.size)) == "OK")
    #expect(talk.target.values.allSatisfy { $0 == 1 })
}

@Test func memory() {
    let talk = Talk()
    #expect(talk.ask("m1001,3") == "010203")
    // As much as there is.
    #expect(talk.ask("m103e,ffffffffffffffff") == "3e3f")
    #expect(talk.ask("m0,1") == "E0e")
    #expect(talk.ask("m1000") == "E22")
    #expect(talk.ask("M1000,2:abcd") == "OK")
    #expect(talk.ask("M1000,3:abcd") == "E22")
    #expect(talk.ask("Mffffffffffffffff,1:00") == "E0e")
    #expect(talk.ask([UInt8]("X1002,4:") + PacketWriter.escaped([UInt8]("#$}*"))) == "OK")
    #expect(talk.ask("m1000,6") == "abcd23247d2a")
}

@Test func points() {
    let talk = Talk()
    #expect(talk.ask("Z0,1000,1") == "OK")
    #expect(talk.ask("Z2,1010,8") == "OK")
    #expect(talk.target.points == [DebugPoint(.software, at: 0x1000, length: 1), DebugPoint(.write, at: 0x1010, length: 8)])
    #expect(talk.ask("Z3,1010,8") == "")
    #expect(talk.ask("Z9,1010,8") == "")
    #expect(talk.ask("z0,1000,1") == "OK")
    #expect(talk.ask("z0,1000,1") == "E01")
    #expect(talk.ask("Z0,,") == "E22")
}

@Test func motion() {
    let talk = Talk()
    _ = talk.ask("qSupported:multiprocess+;swbreak+")
    _ = talk.ask("vCont;r1000,1010:p64.65;C1e:p64.64;c")
    #expect(
        talk.target.resumed == [
            [ThreadAction(thread: 100, .run, signal: 10), ThreadAction(thread: 101, .step(0x1000, 0x1010), signal: 0)]
        ])
    #expect(talk.session.isRunning)
    // Nothing is answered while the program runs, but a stop.
    #expect(talk.ask("qC") == "")
    talk.session.receive([3])
    #expect(talk.target.interrupts == 1)
    talk.target.sent = []
    talk.session.stopped(101, .softwareBreakpoint)
    #expect(talk.answer == "QCp64.65")
    #expect(talk.ask("?").hasPrefix("T05swbreak:;thread:p64.65;06:"))
    _ = talk.ask("vCont;s:p64.64")
    #expect(talk.target.resumed.last == [ThreadAction(thread: 100, .step(0, 0), signal: 0)])
    talk.session.stopped(100, .signal(10))
    #expect(talk.ask("?").hasPrefix("T1ethread:p64.64;"))
    #expect(talk.ask("vCont;q") == "E22")
    #expect(talk.ask("vCont") == "E22")
    #expect(talk.ask("vCont;c:p64.99") == "E01")
    #expect(talk.ask("vCont;r5:p64.64") == "E22")
    #expect(!talk.session.isRunning)
}

@Test func stopsAndEnds() {
    let talk = Talk()
    _ = talk.ask("c")
    talk.session.stopped(100, .watchpoint(.access, address: 0x1234))
    #expect(talk.answer.hasPrefix("T05awatch:1234;thread:64;"))
    _ = talk.ask("s")
    talk.session.stopped(100, .executed([UInt8]("/a")))
    #expect(talk.answer.hasPrefix("T05exec:2f61;thread:64;"))
    _ = talk.ask("c")
    talk.session.ended(status: 7)
    #expect(talk.answer == "W07")
    #expect(talk.session.isOver)
}

@Test func goodbye() {
    let talk = Talk()
    #expect(talk.ask("D") == "OK")
    #expect(talk.target.detached == 1 && talk.session.isOver)
    let other = Talk()
    #expect(other.ask("vKill;64") == "OK")
    #expect(other.target.killed == 1)
}

@Test func objectsInParts() {
    let talk = Talk()
    #expect(talk.ask("qXfer:exec-file:read:64:0,1000") == "l/bin/program")
    #expect(talk.ask("qXfer:exec-file:read:64:5,3") == "mpro")
    #expect(talk.ask("qXfer:exec-file:read:64:fff,3") == "E22")
    #expect(talk.ask("qXfer:features:read:other.xml:0,1000") == "E01")
    #expect(talk.ask("qXfer:siginfo:read::0,1000") == "E01")
    #expect(talk.ask("qXfer:nothing:read::0,1000") == "")
    #expect(talk.ask("qXfer:auxv:write::0:00") == "")
    // Every byte of it has to be escaped, and a packet still holds what it may.
    var length = 0
    var part = ""
    repeat {
        part = talk.ask("qXfer:auxv:read::\(String(length, radix: 16)),ffffffff")
        #expect(talk.target.sent.count <= PacketReader.longest + 5)
        length += part.count - 1
    } while part.hasPrefix("m")
    #expect(length == 20000)
}

@Test func files() {
    let talk = Talk()
    #expect(talk.ask("vFile:setfs:0") == "F0")
    #expect(talk.ask("vFile:open:2f6c69622f61,0,0") == "F7")
    #expect(talk.ask("vFile:pread:7,100,0") == "F12;file #$}* of bytes")
    #expect(talk.ask("vFile:pread:8,100,0") == "F-1,9")
    #expect(talk.ask("vFile:pread:7,100,ffffffffffffffff") == "F-1,16")
    let status = talk.ask("vFile:fstat:7")
    #expect(status.utf8.count == 4 + 64)
    #expect(talk.ask("vFile:open:2f6c69622f62,0,0") == "F-1,2")
    // For writing; and a path that ends early.
    #expect(talk.ask("vFile:open:2f6c69622f61,1,0") == "F-1,d")
    #expect(talk.ask("vFile:open:2f6c0061,0,0") == "F-1,16")
    #expect(talk.ask("vFile:readlink:2f61") == "F-1,5b")
    #expect(talk.ask("vFile:unlink:2f61") == "")
    talk.session.close()
    #expect(talk.target.open.isEmpty)
}

/// A child with a copy of the memory, as a stop has told of it.
private func forked() -> Talk {
    let talk = Talk()
    _ = talk.ask("qSupported:multiprocess+;fork-events+;vfork-events+;no-resumed+")
    _ = talk.ask("vCont;c:p64.-1")
    talk.target.child = DebugChild(process: 200, sharesMemory: false)
    talk.session.stopped(101, .forked(DebugChild(process: 200, sharesMemory: false)))
    return talk
}

@Test func aChildIsLetGo() {
    let talk = forked()
    #expect(talk.answer.hasPrefix("T05fork:pc8.c8;thread:p64.65;"))
    #expect(talk.ask("Hgpc8.c8") == "OK")
    #expect(talk.ask("z0,1000,1") == "OK")
    #expect(talk.ask("g") == "E01")
    #expect(talk.ask("m1001,1") == "01")
    #expect(talk.ask("M1001,1:00") == "E01" && talk.target.contents[1] == 1)
    // Both are not to run.
    #expect(talk.ask("vCont;c:p64.-1").hasPrefix("E.") && talk.target.resumed.count == 1)
    #expect(talk.ask("D;c9") == "E01")
    #expect(talk.ask("D;c8") == "OK")
    #expect(talk.target.released == 1 && !talk.session.isOver)
    #expect(talk.ask("Hgpc8.c8") == "E01")
    #expect(talk.ask("z0,1000,1") == "E01")
    _ = talk.ask("vCont;c:p64.-1")
    #expect(talk.target.resumed.count == 2)
}

@Test func aChildIsFollowed() {
    let talk = forked()
    _ = talk.ask("vFile:open:2f6c69622f61,0,0")
    #expect(talk.ask("D;64") == "OK")
    #expect(talk.target.leftForChild == 1 && talk.target.detached == 0 && talk.session.isOver)
    // The file is the child's now.
    talk.session.close()
    #expect(talk.target.open == [7])
}

@Test func aChildIsKilled() {
    let talk = forked()
    #expect(talk.ask("vKill;c9") == "E01")
    #expect(talk.ask("vKill;c8") == "OK")
    #expect(talk.target.childrenKilled == 1 && talk.target.killed == 0)
    _ = talk.ask("vKill;64")
    #expect(talk.target.killed == 1)
}

@Test func aChildInTheSameMemory() {
    let talk = Talk()
    _ = talk.ask("qSupported:multiprocess+;vfork-events+")
    _ = talk.ask("vCont;c:p64.-1")
    let child = DebugChild(process: 200, sharesMemory: true)
    talk.target.child = child
    talk.target.threadIDs.append(200)
    talk.target.childThreads = [200]
    talk.session.stopped(101, .forked(child))
    #expect(talk.answer.hasPrefix("T05vfork:pc8.c8;thread:p64.65;"))
    #expect(talk.ask("qfThreadInfo") == "mp64.64,p64.65,pc8.c8")
    #expect(talk.ask("Hgpc8.0") == "OK")
    #expect(talk.ask("qC") == "QCpc8.c8")
    #expect(talk.ask("g") != "E01")
    #expect(talk.ask("vCont;c:p64.-1").hasPrefix("E."))
    _ = talk.ask("vCont;c:pc8.-1")
    #expect(talk.target.resumed.last?.map { $0.thread } == [200])
    talk.target.child = nil
    talk.session.stopped(100, .childExited(200, status: 6))
    #expect(talk.answer == "W06;process:c8" && !talk.session.isOver)
}

@Test func aProcessThatIsGone() {
    let talk = Talk()
    _ = talk.ask("qSupported:multiprocess+;no-resumed+")
    talk.target.formerProcess = 99
    #expect(talk.ask("Hgp63.63") == "OK")
    #expect(talk.ask("z0,1000,1") == "OK")
    #expect(talk.ask("m1001,1") == "E01")
    #expect(talk.ask("D;63") == "OK")
    #expect(talk.target.formerProcess == 0 && !talk.session.isOver)
    #expect(talk.ask("m1001,1") == "01")
    _ = talk.ask("c")
    talk.session.stopped(100, .noneLeft)
    #expect(talk.answer == "N")
}

@Test func passedSignals() {
    let talk = Talk()
    #expect(talk.ask("QPassSignals:e;14;1e") == "OK")
    #expect(talk.target.passed.contains(14) && talk.target.passed.contains(17) && talk.target.passed.contains(10))
    #expect(!talk.target.passed.contains(2))
    #expect(talk.ask("QPassSignals:x") == "E22")
}

@Test func whatNobodyKnows() {
    let talk = Talk()
    for text in ["", "!", "b", "vMustReplyEmpty", "qTStatus", "Qxyz", "vRun;00", "\u{1}", "R00"] { #expect(talk.ask(text) == "") }
}

/// Numbers and letters that mean something, in any order: an answer or the end, and never more than a packet.
@Test func noise() {
    let letters = Array("?gGpPmMXZzHTcsCSDqQv;:,.=-0123456789abcdef".utf8)
    let starts = [
        "", "vCont;", "vFile:open:", "vFile:pread:7,", "qXfer:auxv:read::", "qSupported:", "m", "X1000,", "Z", "Hg", "P", "QPassSignals:",
        "qThreadExtraInfo,", "vFile:fstat:",
    ]
    var numbers = SystemRandomNumberGenerator()
    for _ in 0..<20000 {
        let talk = Talk()
        let tail = (0..<Int.random(in: 0..<24, using: &numbers)).map { _ in letters.randomElement(using: &numbers) ?? 0 }
        _ = talk.ask(Array((starts.randomElement(using: &numbers) ?? "").utf8) + tail)
        #expect(talk.target.sent.count <= PacketReader.longest + 5)
    }
}

@Test func tooMuchAtOnce() {
    let talk = Talk()
    _ = talk.ask("c")
    for _ in 0..<100 { _ = talk.ask("qC") }
    #expect(talk.session.isOver)
}
