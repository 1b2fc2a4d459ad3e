import CShim
import Host
import Tracing

/// Everything a fresh vmrun image needs to become the guest program that an execve (or the command line) asked for: the bytes of
/// a `HandOver`, in which vmrun's descriptors travel under their numbers.
public struct ExecPlan: Equatable {
    /// The program and its interpreter (-1: none), opened and checked by the image that asks; numbers in vmrun's window.
    public var executable: Int32 = -1
    public var interpreter: Int32 = -1
    public var arguments: [[UInt8]] = []
    public var environment: [[UInt8]] = []
    /// AT_EXECFN.
    public var execfn: [UInt8] = []
    /// What /proc/self/exe shows.
    public var executablePath: [UInt8] = []
    public var comm: [UInt8] = []
    /// AT_FLAGS.
    public var auxiliaryFlags: UInt64 = 0

    /// RootConfiguration in its own encoding.
    public var root: [UInt8] = []
    /// RootConfiguration.descriptors.
    public var viewDescriptors: [Int32] = []
    /// InterpreterRegistry.words.
    public var interpreters: [[UInt8]] = []
    public var timeout: UInt64 = 0
    public var speedUps = SpeedUps.all
    /// The guest's RLIMIT_STACK and personality, which the exec itself may have to do without.
    public var stackLimit: UInt64 = 0
    public var personality: UInt64 = 0
    public var blockedMask: UInt64 = 0
    public var ignoredMask: UInt64 = 0
    public var sessionDescriptor: Int32 = -1
    /// The open /dev/kvm, which the user who runs by now might not be allowed to open. -1 for none.
    public var kvmDescriptor: Int32 = -1
    /// What /dev/kvm says of its processors: `KVMSystem.processor`.
    public var processor: [UInt8] = []
    /// SharedMemoryDirectory.lock.
    public var sharedMemoryDescriptor: Int32 = -1
    /// OwnershipTable.descriptor, -1 but under `--fakeroot`; and FakeCredentials.words of the thread that runs the program.
    public var ownershipDescriptor: Int32 = -1
    public var credentials: [UInt64] = []
    /// What `--stats` needs.
    public var statistics: SessionStatistics?
    /// What `--trace` asks for.
    public var trace: TraceSettings?
    /// The write end of a vfork parent's notify pipe, -1 for none. Closed when the program is loaded.
    public var notifyDescriptor: Int32 = -1
    /// GuestProcess.parentsSocket.
    public var parentsSocket: Int32 = -1
    public var descriptorBase: Int32 = 0
    public var descriptorLimit: UInt64 = 0
    public var descriptorHardLimit: UInt64 = 0
    /// ProcessRecord.coredumpFilter.
    public var coredumpFilter: UInt32 = 0
    /// GuestThread.hasRenouncedPrivileges.
    public var hasRenouncedPrivileges = false
    /// GuestThread.filters: the mode, and of each filter the bytes of its instructions, oldest first.
    public var seccompMode: UInt8 = 0
    public var seccompFilters: [[UInt8]] = []
    public var debugger = DebugHandOver()

    public init() {}

    /// Another program was here before, in this process: an execve, not the command line.
    public var isReplacement: Bool { sessionDescriptor >= 0 }

    // MARK: Encoding

    public func encoded() -> [UInt8] {
        var writer = Writer()
        writer.put(executable)
        writer.put(interpreter)
        writer.put(arguments)
        writer.put(environment)
        writer.put(execfn)
        writer.put(executablePath)
        writer.put(comm)
        writer.put(auxiliaryFlags)
        writer.put(root)
        writer.put(UInt32(viewDescriptors.count))
        for descriptor in viewDescriptors { writer.put(descriptor) }
        writer.put(interpreters)
        writer.put(timeout)
        writer.put(speedUps.rawValue)
        writer.put(stackLimit)
        writer.put(personality)
        writer.put(blockedMask)
        writer.put(ignoredMask)
        writer.put(sessionDescriptor)
        writer.put(kvmDescriptor)
        writer.put(processor)
        writer.put(sharedMemoryDescriptor)
        writer.put(ownershipDescriptor)
        writer.put(credentials)
        writer.put(statistics?.descriptor ?? -1)
        writer.put(statistics?.output ?? -1)
        writer.put(trace?.words ?? [])
        writer.put(trace?.descriptor ?? -1)
        writer.put(trace?.name ?? [])
        writer.put(notifyDescriptor)
        writer.put(parentsSocket)
        writer.put(descriptorBase)
        writer.put(descriptorLimit)
        writer.put(descriptorHardLimit)
        writer.put(coredumpFilter)
        writer.put(UInt8(hasRenouncedPrivileges ? 1 : 0))
        writer.put(seccompMode)
        writer.put(seccompFilters)
        writer.put(debugger.listener)
        writer.put(debugger.connection)
        writer.put(debugger.words)
        return writer.bytes
    }

    /// Nil where the bytes are not exactly one plan.
    public init?(decoding bytes: [UInt8]) {
        var reader = Reader(bytes)
        guard let executable = reader.value(Int32.self), let interpreter = reader.value(Int32.self),
            let arguments = reader.list(), let environment = reader.list(), let execfn = reader.bytes(),
            let executablePath = reader.bytes(), let comm = reader.bytes(),
            let auxiliaryFlags = reader.value(UInt64.self), let root = reader.bytes(),
            let viewDescriptors = reader.numbers(Int32.self), let interpreters = reader.list(),
            let timeout = reader.value(UInt64.self), let speedUps = reader.value(UInt32.self), let stackLimit = reader.value(UInt64.self),
            let personality = reader.value(UInt64.self), let blockedMask = reader.value(UInt64.self),
            let ignoredMask = reader.value(UInt64.self), let sessionDescriptor = reader.value(Int32.self),
            let kvmDescriptor = reader.value(Int32.self), let processor = reader.bytes(),
            let sharedMemoryDescriptor = reader.value(Int32.self), let ownershipDescriptor = reader.value(Int32.self),
            let credentials = reader.numbers(UInt64.self), let statisticsDescriptor = reader.value(Int32.self),
            let statisticsOutput = reader.value(Int32.self), let traceWords = reader.numbers(UInt64.self),
            let traceDescriptor = reader.value(Int32.self), let traceName = reader.bytes(),
            let notifyDescriptor = reader.value(Int32.self),
            let parentsSocket = reader.value(Int32.self),
            let descriptorBase = reader.value(Int32.self),
            let descriptorLimit = reader.value(UInt64.self), let descriptorHardLimit = reader.value(UInt64.self),
            let coredumpFilter = reader.value(UInt32.self), let hasRenouncedPrivileges = reader.value(UInt8.self),
            let seccompMode = reader.value(UInt8.self), let seccompFilters = reader.list(),
            let debugListener = reader.value(Int32.self), let debugConnection = reader.value(Int32.self),
            let debugWords = reader.numbers(UInt64.self), reader.isAtEnd,
            let debugger = DebugHandOver(listener: debugListener, connection: debugConnection, words: debugWords)
        else { return nil }
        self.executable = executable
        self.interpreter = interpreter
        self.arguments = arguments
        self.environment = environment
        self.execfn = execfn
        self.executablePath = executablePath
        self.comm = comm
        self.auxiliaryFlags = auxiliaryFlags
        self.root = root
        self.viewDescriptors = viewDescriptors
        self.interpreters = interpreters
        self.timeout = timeout
        self.speedUps = SpeedUps(rawValue: speedUps)
        self.stackLimit = stackLimit
        self.personality = personality
        self.blockedMask = blockedMask
        self.ignoredMask = ignoredMask
        self.sessionDescriptor = sessionDescriptor
        self.kvmDescriptor = kvmDescriptor
        self.processor = processor
        self.sharedMemoryDescriptor = sharedMemoryDescriptor
        self.ownershipDescriptor = ownershipDescriptor
        self.credentials = credentials
        if statisticsDescriptor >= 0 {
            statistics = SessionStatistics(descriptor: statisticsDescriptor, output: statisticsOutput)
        }
        if !traceWords.isEmpty {
            guard let trace = TraceSettings(words: traceWords, descriptor: traceDescriptor, name: traceName) else { return nil }
            self.trace = trace
        }
        self.notifyDescriptor = notifyDescriptor
        self.parentsSocket = parentsSocket
        self.descriptorBase = descriptorBase
        self.descriptorLimit = descriptorLimit
        self.descriptorHardLimit = descriptorHardLimit
        self.coredumpFilter = coredumpFilter
        self.hasRenouncedPrivileges = hasRenouncedPrivileges != 0
        self.seccompMode = seccompMode
        self.seccompFilters = seccompFilters
        self.debugger = debugger
    }

    // MARK: Hand-over

    /// vmrun's own descriptors that the next image needs, each of which keeps its number.
    private var descriptors: [Int32] {
        ([
            executable, interpreter, sessionDescriptor, kvmDescriptor, sharedMemoryDescriptor, ownershipDescriptor, notifyDescriptor,
            parentsSocket, trace?.descriptor ?? -1, statistics?.descriptor ?? -1, statistics?.output ?? -1,
            debugger.listener, debugger.connection,
        ] + viewDescriptors).filter { $0 >= 0 }
    }

    /// The plan in a socket, from which `receive` takes it.
    public func send(over socket: Int32) throws(ForkIPCError) {
        try ForkIPC.send(
            HandOver(
                kind: .exec, bytes: encoded(), descriptors: descriptors.map { HandOver.Descriptor($0, at: $0) }),
            over: socket)
    }

    /// The plan that was sent. Its descriptors are open, at their numbers; and no others of vmrun's.
    public static func receive(from socket: Int32) throws(ForkIPCError) -> ExecPlan {
        let handOver = try ForkIPC.receive(.exec, from: socket)
        let numbers = handOver.descriptors.map { $0.number }.sorted()
        guard let plan = ExecPlan(decoding: handOver.bytes), plan.descriptors.sorted() == numbers,
            plan.descriptorBase > 0, numbers.allSatisfy({ $0 >= plan.descriptorBase })
        else {
            for number in numbers { Host.close(number) }
            throw .malformed
        }
        // What another thread's fork let slip through the old image's exec ends here, and so does the socket.
        var next = plan.descriptorBase
        for number in numbers {
            if number > next { _ = Host.raw(Int32(SYS_close_range), Int(next), Int(number - 1), 0) }
            next = number + 1
        }
        _ = Host.raw(Int32(SYS_close_range), Int(next), Int(UInt32.max), 0)
        return plan
    }

    // MARK: Bytes

    private struct Writer {
        var bytes: [UInt8] = []

        mutating func put<Value: FixedWidthInteger>(_ value: Value) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }

        mutating func put(_ text: [UInt8]) {
            put(UInt32(text.count))
            bytes.append(contentsOf: text)
        }

        mutating func put<Value: FixedWidthInteger>(_ numbers: [Value]) {
            put(UInt32(numbers.count))
            for number in numbers { put(number) }
        }

        mutating func put(_ list: [[UInt8]]) {
            put(UInt32(list.count))
            for text in list { put(text) }
        }
    }

    private struct Reader {
        private let source: [UInt8]
        private var position = 0

        init(_ source: [UInt8]) { self.source = source }

        var isAtEnd: Bool { position == source.count }

        mutating func value<Value: FixedWidthInteger>(_ type: Value.Type) -> Value? {
            let size = MemoryLayout<Value>.size
            guard source.count - position >= size else { return nil }
            var result: Value = 0
            for index in 0..<size { result |= Value(truncatingIfNeeded: source[position + index]) << Value(index * 8) }
            position += size
            return result
        }

        mutating func bytes() -> [UInt8]? {
            guard let count = value(UInt32.self), Int(count) <= source.count - position else { return nil }
            defer { position += Int(count) }
            return Array(source[position..<(position + Int(count))])
        }

        mutating func numbers<Value: FixedWidthInteger>(_ type: Value.Type) -> [Value]? {
            guard let count = value(UInt32.self), Int(count) <= (source.count - position) / MemoryLayout<Value>.size else {
                return nil
            }
            var result: [Value] = []
            result.reserveCapacity(Int(count))
            for _ in 0..<count {
                guard let number = value(type) else { return nil }
                result.append(number)
            }
            return result
        }

        mutating func list() -> [[UInt8]]? {
            guard let count = value(UInt32.self), Int(count) <= (source.count - position) / 4 else { return nil }
            var result: [[UInt8]] = []
            result.reserveCapacity(Int(count))
            for _ in 0..<count {
                guard let text = bytes() else { return nil }
                result.append(text)
            }
            return result
        }
    }
}
