/// The stub's side of the protocol: understands what the debugger sends, asks the target, and answers. It believes nothing: every number
/// is checked, every length is bounded, and what it does not know it answers by an empty packet, as the protocol asks.
///
/// GDB manual, appendix "Remote Protocol".
public final class DebugSession {
    unowned(unsafe) let target: any DebugTarget
    private var reader = PacketReader()
    public private(set) var agreed: Agreement
    /// What was sent last, should it have got lost.
    private var lastPacket: [UInt8] = []
    /// Packets that came while the program ran: they are answered when it stops.
    private var deferred: [[UInt8]] = []
    private static let mostDeferred = 16
    /// The program runs because the debugger said so: it waits for a stop.
    public private(set) var isRunning = false
    /// The other side does not keep to the protocol, or has said that it goes.
    public private(set) var isOver = false

    /// The thread that registers and memory are asked of.
    var generalThread: Int32 = 0
    /// How the last stop was told, for who asks again.
    private var lastStop: [UInt8] = []
    /// Threads, when a list of them is told in parts.
    var listing: [Int32] = []
    /// What a transfer in parts is of, made when its first part is asked for.
    var transfer: (name: [UInt8], bytes: [UInt8])?
    /// Open files, which end with the session.
    public internal(set) var openFiles: [OpenFile] = []
    /// The chosen thread is one of a process whose memory and registers are not here: all that is done with it is that it is left.
    private var isElsewhere = false

    public struct OpenFile: Equatable {
        /// By which the debugger knows it.
        public let handle: UInt64
        public let descriptor: Int32

        public init(handle: UInt64, descriptor: Int32) {
            self.handle = handle
            self.descriptor = descriptor
        }
    }

    /// What the two sides have agreed on. Outlives an exec.
    public struct Agreement: Equatable {
        public var acknowledges = true
        public var usesProcessIDs = false
        public var knowsSoftwareBreakpoints = false
        public var knowsHardwareBreakpoints = false
        public var knowsExecs = false
        public var knowsForks = false
        public var knowsVforks = false
        public var knowsNoneLeft = false

        public init() {}

        public var bits: UInt64 {
            get {
                (acknowledges ? 1 : 0) | (usesProcessIDs ? 2 : 0) | (knowsSoftwareBreakpoints ? 4 : 0)
                    | (knowsHardwareBreakpoints ? 8 : 0) | (knowsExecs ? 16 : 0) | (knowsForks ? 32 : 0) | (knowsVforks ? 64 : 0)
                    | (knowsNoneLeft ? 128 : 0)
            }
            set {
                acknowledges = newValue & 1 != 0
                usesProcessIDs = newValue & 2 != 0
                knowsSoftwareBreakpoints = newValue & 4 != 0
                knowsHardwareBreakpoints = newValue & 8 != 0
                knowsExecs = newValue & 16 != 0
                knowsForks = newValue & 32 != 0
                knowsVforks = newValue & 64 != 0
                knowsNoneLeft = newValue & 128 != 0
            }
        }
    }

    /// - Parameters:
    ///   - isRunning: the debugger waits for a stop already, as it does over an exec.
    ///   - openFiles: what it has opened elsewhere.
    public init(_ target: any DebugTarget, agreed: Agreement = Agreement(), isRunning: Bool = false, openFiles: [OpenFile] = []) {
        self.openFiles = openFiles
        self.target = target
        self.agreed = agreed
        self.isRunning = isRunning
    }

    // MARK: Coming in

    /// Bytes have come.
    public func receive(_ bytes: some Collection<UInt8>) {
        reader.append(bytes)
        while !isOver, let event = reader.next() {
            switch event {
            case .packet(let text):
                acknowledge("+")
                if isRunning {
                    deferred.append(text)
                    if deferred.count > Self.mostDeferred { isOver = true }
                } else {
                    handle(text)
                }
            case .interrupt:
                if isRunning { target.interrupt() }
            case .acknowledged: break
            case .rejected: if agreed.acknowledges && !lastPacket.isEmpty { target.send(lastPacket) }
            case .damaged: acknowledge("-")
            case .tooLong:
                acknowledge("+")
                if !isRunning { reply("E22") }
            }
        }
    }

    /// The connection has gone, or is about to: what the debugger had is given back.
    public func close() {
        isOver = true
        for file in openFiles { _ = target.closeFile(file.descriptor) }
        openFiles = []
    }

    private func acknowledge(_ sign: StaticString) {
        if agreed.acknowledges { target.send([UInt8](sign)) }
    }

    func reply(_ text: [UInt8]) {
        lastPacket = PacketWriter.packet(text)
        target.send(lastPacket)
    }

    func reply(_ text: StaticString) { reply([UInt8](text)) }

    func reply(success: Bool) { reply(success ? "OK" : "E01") }

    // MARK: Stops

    /// The program has stopped, all of it. To be called when it was running.
    public func stopped(_ thread: Int32, _ reason: StopReason) {
        noteStop(thread, reason)
        guard isRunning else { return }
        isRunning = false
        reply(lastStop)
        let waiting = deferred
        deferred = []
        for text in waiting where !isOver && !isRunning { handle(text) }
    }

    /// The program stands still, and nobody has asked yet why.
    public func noteStop(_ thread: Int32, _ reason: StopReason) {
        generalThread = thread
        transfer = nil
        lastStop = stopText(thread, reason)
    }

    /// The program has ended.
    public func ended(status: Int32) {
        reply(endText("W", UInt8(truncatingIfNeeded: status), target.processID))
        isOver = true
    }

    /// A signal has ended it.
    public func ended(signal: Int32) {
        reply(endText("X", ProtocolSignal.number(ofLinux: signal), target.processID))
        isOver = true
    }

    private func endText(_ letter: StaticString, _ value: UInt8, _ process: Int32) -> [UInt8] {
        var text = [UInt8](letter)
        Hexadecimal.append(value, to: &text)
        if agreed.usesProcessIDs {
            text.append(";process:")
            text.append(number: UInt64(UInt32(bitPattern: process)))
        }
        return text
    }

    private func stopText(_ thread: Int32, _ reason: StopReason) -> [UInt8] {
        var text = [UInt8]("T")
        var number = ProtocolSignal.number(ofLinux: 5)
        var detail: [UInt8] = []
        switch reason {
        case .signal(let signal): number = ProtocolSignal.number(ofLinux: signal)
        case .softwareBreakpoint: if agreed.knowsSoftwareBreakpoints { detail.append("swbreak:;") }
        case .hardwareBreakpoint: if agreed.knowsHardwareBreakpoints { detail.append("hwbreak:;") }
        case .watchpoint(let kind, let address):
            detail.append(kind == .write ? "watch:" : kind == .read ? "rwatch:" : "awatch:")
            detail.append(number: address)
            detail.append(";")
        case .executed(let path):
            detail.append("exec:")
            detail.append(contentsOf: Hexadecimal.text(of: path))
            detail.append(";")
        case .step: break
        case .attached: number = 0
        case .forked(let child):
            detail.append(child.sharesMemory ? "vfork:" : "fork:")
            append(child.process, of: child.process, to: &detail)
            detail.append(";")
        case .vforkDone: detail.append("vforkdone:;")
        case .childExited(let process, let status): return endText("W", UInt8(truncatingIfNeeded: status), process)
        case .childKilled(let process, let signal): return endText("X", ProtocolSignal.number(ofLinux: signal), process)
        case .noneLeft:
            if agreed.knowsNoneLeft { return [UInt8]("N") }
            number = 0
        }
        Hexadecimal.append(number, to: &text)
        text.append(contentsOf: detail)
        text.append("thread:")
        append(thread, to: &text)
        text.append(";")
        if let bytes = target.registers(ofThread: thread), bytes.count == target.layout.size {
            for register in target.layout.expedited {
                Hexadecimal.append(UInt8(register), to: &text)
                text.append(":")
                text.append(contentsOf: Hexadecimal.text(of: Array(bytes[target.layout.ranges[register]])))
                text.append(";")
            }
        }
        return text
    }

    // MARK: Threads' names

    func append(_ thread: Int32, to text: inout [UInt8]) { append(thread, of: target.process(ofThread: thread), to: &text) }

    private func append(_ thread: Int32, of process: Int32, to text: inout [UInt8]) {
        if agreed.usesProcessIDs {
            text.append("p")
            text.append(number: UInt64(UInt32(bitPattern: process)))
            text.append(".")
        }
        text.append(number: UInt64(UInt32(bitPattern: thread)))
    }

    enum ThreadChoice: Equatable {
        case any, all
        case one(Int32)
    }

    /// Threads as the debugger names them.
    struct ThreadName {
        /// Nil for whichever.
        var process: Int32? = nil
        var choice: ThreadChoice
    }

    /// [pPROCESS.]THREAD, of which 0 is any and -1 all. Nil where nobody here is called so.
    func name(_ text: inout PacketText) -> ThreadName? {
        var process: Int32?
        if text.skip("p") {
            if !text.skip("-1") {
                guard let number = text.number(), let given = Int32(exactly: number), given == 0 || isKnown(given) else { return nil }
                process = given == 0 ? nil : given
            }
            if !text.skip(".") { return ThreadName(process: process, choice: .all) }
        }
        return choice(&text).map { ThreadName(process: process, choice: $0) }
    }

    /// One thread by its name; nil for anything else.
    func thread(_ text: inout PacketText) -> Int32? {
        guard let name = name(&text), case .one(let thread) = name.choice else { return nil }
        return thread
    }

    private func isKnown(_ process: Int32) -> Bool {
        process == target.processID || isAway(process) || target.threadIDs.contains { target.process(ofThread: $0) == process }
    }

    /// A process that there is nothing to see of.
    private func isAway(_ process: Int32) -> Bool {
        if let child = target.child, !child.sharesMemory, child.process == process { return true }
        return process != 0 && process == target.formerProcess
    }

    private func matches(_ thread: Int32, _ name: ThreadName) -> Bool {
        if let process = name.process, process != target.process(ofThread: thread) { return false }
        return name.choice == .all || name.choice == .any || name.choice == .one(thread)
    }

    private func choice(_ text: inout PacketText) -> ThreadChoice? {
        if text.skip("-1") { return .all }
        guard let number = text.number(), let thread = Int32(exactly: number) else { return nil }
        return thread == 0 ? .any : .one(thread)
    }

    // MARK: Packets

    private func handle(_ bytes: [UInt8]) {
        var text = PacketText(bytes)
        guard let letter = text.byte() else { return reply("") }
        if isElsewhere {
            switch letter {
            case UInt8(ascii: "Z"), UInt8(ascii: "z"): return reply("OK")
            case UInt8(ascii: "g"), UInt8(ascii: "G"), UInt8(ascii: "p"), UInt8(ascii: "P"), UInt8(ascii: "m"), UInt8(ascii: "M"),
                UInt8(ascii: "X"):
                // A copy's memory is what this one's is.
                if letter != UInt8(ascii: "m") || target.child == nil { return reply("E01") }
            default: break
            }
        }
        switch letter {
        case UInt8(ascii: "?"): reply(lastStop)
        case UInt8(ascii: "g"): reply(target.registers(ofThread: currentThread).map { Hexadecimal.text(of: $0) } ?? [UInt8]("E01"))
        case UInt8(ascii: "G"): setRegisters(text.rest)
        case UInt8(ascii: "p"): readRegister(&text)
        case UInt8(ascii: "P"): writeRegister(&text)
        case UInt8(ascii: "m"): readMemory(&text)
        case UInt8(ascii: "M"): writeMemory(&text, isBinary: false)
        case UInt8(ascii: "X"): writeMemory(&text, isBinary: true)
        case UInt8(ascii: "Z"): point(&text, isInserted: true)
        case UInt8(ascii: "z"): point(&text, isInserted: false)
        case UInt8(ascii: "H"): chooseThread(&text)
        case UInt8(ascii: "T"):
            guard let name = name(&text), case .one(let thread) = name.choice else { return reply("E01") }
            reply(success: name.process.map { isAway($0) } ?? false || target.threadIDs.contains(thread))
        case UInt8(ascii: "c"), UInt8(ascii: "s"), UInt8(ascii: "C"), UInt8(ascii: "S"): moveAll(letter, &text)
        case UInt8(ascii: "D"): detach(&text)
        case UInt8(ascii: "k"):
            isOver = true
            target.kill()
        case UInt8(ascii: "q"): query(&text)
        case UInt8(ascii: "Q"): set(&text)
        case UInt8(ascii: "v"): verb(&text)
        default: reply("")
        }
    }

    /// D, which means this process, or D;PROCESS.
    private func detach(_ text: inout PacketText) {
        if text.skip(";") {
            guard let number = text.number(), let process = Int32(exactly: number) else { return reply("E22") }
            if process == target.child?.process {
                isElsewhere = false
                target.releaseChild()
                return reply("OK")
            }
            if process != 0 && process == target.formerProcess {
                isElsewhere = false
                target.forgetFormerProcess()
                return reply("OK")
            }
            guard process == target.processID else { return reply("E01") }
        }
        reply("OK")
        if let child = target.child, !child.sharesMemory {
            target.leaveForChild()
            // They go along.
            openFiles = []
            isOver = true
            return
        }
        isOver = true
        target.detach()
    }

    /// vKill;PROCESS.
    func kill(_ text: inout PacketText) {
        guard let number = text.number(), let process = Int32(exactly: number) else { return reply("E22") }
        if process == target.child?.process {
            target.killChild()
            return reply("OK")
        }
        guard process == target.processID else { return reply("E01") }
        reply("OK")
        target.kill()
    }

    /// The thread that was chosen, or another one where that has ended.
    private var currentThread: Int32 {
        let threads = target.threadIDs
        return threads.contains(generalThread) ? generalThread : threads.first ?? 0
    }

    private func chooseThread(_ text: inout PacketText) {
        let operation = text.byte()
        guard let name = name(&text) else { return reply("E01") }
        if operation == UInt8(ascii: "g") {
            let away = name.process.map { isAway($0) } ?? false
            if !away {
                if matches(currentThread, name) {
                    generalThread = currentThread
                } else {
                    guard let thread = target.threadIDs.first(where: { matches($0, name) }) else { return reply("E01") }
                    generalThread = thread
                }
            }
            isElsewhere = away
        }
        reply("OK")
    }

    // MARK: Registers and memory

    private func setRegisters(_ text: [UInt8]) {
        guard let bytes = Hexadecimal.bytes(of: text), bytes.count == target.layout.size else { return reply("E22") }
        reply(success: target.setRegisters(ofThread: currentThread, to: bytes))
    }

    private func readRegister(_ text: inout PacketText) {
        guard let number = text.number(), number < UInt64(target.layout.ranges.count),
            let bytes = target.registers(ofThread: currentThread), bytes.count == target.layout.size
        else { return reply("E22") }
        reply(Hexadecimal.text(of: Array(bytes[target.layout.ranges[Int(number)]])))
    }

    private func writeRegister(_ text: inout PacketText) {
        guard let number = text.number(), number < UInt64(target.layout.ranges.count), text.skip("="),
            let value = Hexadecimal.bytes(of: text.rest), value.count == target.layout.ranges[Int(number)].count,
            var bytes = target.registers(ofThread: currentThread), bytes.count == target.layout.size
        else { return reply("E22") }
        bytes.replaceSubrange(target.layout.ranges[Int(number)], with: value)
        reply(success: target.setRegisters(ofThread: currentThread, to: bytes))
    }

    private func readMemory(_ text: inout PacketText) {
        guard let (address, length) = text.pair() else { return reply("E22") }
        if length == 0 { return reply("") }
        let bytes = target.memory(at: address, count: Int(min(length, UInt64(PacketReader.longest / 2 - 8))))
        reply(bytes.isEmpty ? [UInt8]("E0e") : Hexadecimal.text(of: bytes))
    }

    private func writeMemory(_ text: inout PacketText, isBinary: Bool) {
        guard let (address, length) = text.pair(), text.skip(":") else { return reply("E22") }
        let data = text.rest
        guard let bytes = isBinary ? data : Hexadecimal.bytes(of: data), UInt64(bytes.count) == length else { return reply("E22") }
        if bytes.isEmpty { return reply("OK") }
        reply(target.setMemory(at: address, to: bytes) ? "OK" : "E0e")
    }

    private func point(_ text: inout PacketText, isInserted: Bool) {
        guard let number = text.number(), text.skip(","), let (address, length) = text.pair() else { return reply("E22") }
        // Conditions and commands are the debugger's business: it was not told otherwise.
        guard let kind = DebugPoint.Kind(rawValue: number) else { return reply("") }
        let point = DebugPoint(kind, at: address, length: length)
        switch isInserted ? target.insert(point) : target.remove(point) {
        case .done: reply("OK")
        case .failed: reply("E01")
        case .unsupported: reply("")
        }
    }

    // MARK: Motion

    /// c, s, C and S: all threads run.
    private func moveAll(_ letter: UInt8, _ text: inout PacketText) {
        var signal: Int32 = 0
        if letter == UInt8(ascii: "C") || letter == UInt8(ascii: "S") {
            guard let number = text.number() else { return reply("E22") }
            signal = ProtocolSignal.linux(number)
            _ = text.skip(";")
        }
        // Another address to go on at: nobody asks for it.
        guard text.isAtEnd else { return reply("") }
        let steps = letter == UInt8(ascii: "s") || letter == UInt8(ascii: "S")
        let chosen = currentThread
        run(
            target.threadIDs.map {
                ThreadAction(thread: $0, $0 == chosen && steps ? .step(0, 0) : .run, signal: $0 == chosen ? signal : 0)
            })
    }

    private struct Wish {
        let motion: ThreadAction.Motion
        let signal: Int32
        let whom: ThreadName
    }

    /// vCont;ACTION[:THREAD]...: the first action that is meant for a thread is its own.
    func moveEach(_ text: inout PacketText) {
        var wishes: [Wish] = []
        while text.skip(";") {
            var signal: Int32 = 0
            var motion = ThreadAction.Motion.run
            switch text.byte() {
            case UInt8(ascii: "c"): break
            case UInt8(ascii: "s"): motion = .step(0, 0)
            case UInt8(ascii: "C"):
                guard let number = text.number() else { return reply("E22") }
                signal = ProtocolSignal.linux(number)
            case UInt8(ascii: "S"):
                guard let number = text.number() else { return reply("E22") }
                signal = ProtocolSignal.linux(number)
                motion = .step(0, 0)
            case UInt8(ascii: "r"):
                guard let (start, end) = text.pair() else { return reply("E22") }
                motion = .step(start, end)
            default: return reply("E22")
            }
            var whom = ThreadName(choice: .all)
            if text.skip(":") {
                guard let name = name(&text) else { return reply("E22") }
                whom = name
            }
            wishes.append(Wish(motion: motion, signal: signal, whom: whom))
        }
        guard text.isAtEnd, !wishes.isEmpty else { return reply("E22") }
        var actions: [ThreadAction] = []
        for thread in target.threadIDs {
            guard let wish = wishes.first(where: { matches(thread, $0.whom) }) else { continue }
            actions.append(ThreadAction(thread: thread, wish.motion, signal: wish.signal))
        }
        guard !actions.isEmpty else { return reply("E01") }
        run(actions)
    }

    private func run(_ actions: [ThreadAction]) {
        if let child = target.child {
            // A child that shares the memory is followed by letting it run. Whoever keeps both wants more than there is here.
            guard child.sharesMemory && actions.contains(where: { target.process(ofThread: $0.thread) == child.process }) else {
                return reply("E.one process is debugged at a time, so detach-on-fork has to be on: detach from the parent or the child first")
            }
        }
        isRunning = true
        isElsewhere = false
        transfer = nil
        target.resume(actions)
    }

    func agree(_ change: (inout Agreement) -> Void) { change(&agreed) }
}
