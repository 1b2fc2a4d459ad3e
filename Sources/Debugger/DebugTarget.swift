/// What a `DebugSession` debugs. All calls come from the session's own calls, hence from one thread at a time.
public protocol DebugTarget: AnyObject {
    var processID: Int32 { get }
    /// The live threads, in the order in which they were made: the process's, and those of a child that shares its memory.
    var threadIDs: [Int32] { get }
    func process(ofThread thread: Int32) -> Int32
    /// The child that a stop has told of, until it is said what becomes of it.
    var child: DebugChild? { get }
    /// A process that the debugger takes for stopped although it is none of its own any more, 0 for none: what it says of it changes nothing.
    var formerProcess: Int32 { get }
    func forgetFormerProcess()
    /// Nobody debugs the child, and it runs.
    func releaseChild()
    func killChild()
    /// The child is debugged from here on, over the same connection, in the place of this process, which runs on.
    func leaveForChild()
    func name(ofThread thread: Int32) -> [UInt8]

    /// The registers that it has, in the order in which they are transferred.
    var layout: RegisterLayout { get }
    /// The bytes of all registers of a stopped thread. Nil where there is no such thread.
    func registers(ofThread thread: Int32) -> [UInt8]?
    func setRegisters(ofThread thread: Int32, to bytes: [UInt8]) -> Bool

    /// As much of `count` bytes as can be read.
    func memory(at address: UInt64, count: Int) -> [UInt8]
    func setMemory(at address: UInt64, to bytes: [UInt8]) -> Bool
    func insert(_ point: DebugPoint) -> DebugPoint.Outcome
    func remove(_ point: DebugPoint) -> DebugPoint.Outcome

    func object(_ object: DebugObject) -> [UInt8]?

    /// Lets the threads that an action is given for run, and no others.
    func resume(_ actions: [ThreadAction])
    /// Asks the running program to stop.
    func interrupt()
    /// Signals that reach the program without a stop.
    func setPassedSignals(_ signals: SignalSet)
    /// The debugger leaves: no breakpoint stays, and the program runs on.
    func detach()
    func kill()

    /// Files of the program's view, to be read: descriptors and counts, or -errno.
    func openFile(_ path: [UInt8]) -> Int
    func readFile(_ descriptor: Int32, at offset: UInt64, count: Int) -> Result<[UInt8], FileFailure>
    func fileStatus(_ descriptor: Int32) -> Result<DebugFileStatus, FileFailure>
    func closeFile(_ descriptor: Int32) -> Int
    func linkText(_ path: [UInt8]) -> Result<[UInt8], FileFailure>

    /// Sends bytes to the debugger.
    func send(_ bytes: [UInt8])
}

public struct FileFailure: Error {
    /// A positive errno of Linux.
    public let number: Int32

    public init(_ number: Int32) { self.number = number }
}

/// stat(2) as far as the protocol has it.
public struct DebugFileStatus {
    public var device: UInt64 = 0, inode: UInt64 = 0, mode: UInt64 = 0, links: UInt64 = 0, user: UInt64 = 0, group: UInt64 = 0
    public var size: UInt64 = 0, blockSize: UInt64 = 0, blocks: UInt64 = 0
    /// Seconds.
    public var accessed: UInt64 = 0, modified: UInt64 = 0, changed: UInt64 = 0

    public init() {}
}

/// A process that the debugged one has made, and that has not run yet.
public struct DebugChild: Equatable {
    public let process: Int32
    /// Its threads are among the target's, and its memory is the target's.
    public let sharesMemory: Bool

    public init(process: Int32, sharesMemory: Bool) {
        self.process = process
        self.sharesMemory = sharesMemory
    }
}

/// A breakpoint or watchpoint.
public struct DebugPoint: Equatable {
    public enum Kind: UInt64 {
        case software = 0, hardware, write, read, access
    }

    public enum Outcome {
        case done, failed, unsupported
    }

    public let kind: Kind
    public let address: UInt64
    /// Bytes that a watchpoint watches.
    public let length: UInt64

    public init(_ kind: Kind, at address: UInt64, length: UInt64) {
        self.kind = kind
        self.address = address
        self.length = length
    }
}

/// What qXfer reads.
public enum DebugObject: Equatable {
    /// The auxiliary vector.
    case auxiliaryVector
    /// The program's path in its own view.
    case executable
    /// siginfo_t of the last signal that stopped this thread.
    case signalInformation(thread: Int32)
}

/// How a thread goes on.
public struct ThreadAction: Equatable {
    public enum Motion: Equatable {
        case run
        /// One instruction; then on while the instruction pointer is in this range, which may be empty.
        case step(UInt64, UInt64)
    }

    public let thread: Int32
    public let motion: Motion
    /// Linux's number of a signal that it gets first, 0 for none.
    public let signal: Int32

    public init(thread: Int32, _ motion: Motion, signal: Int32) {
        self.thread = thread
        self.motion = motion
        self.signal = signal
    }
}

/// Why the program has stopped.
public enum StopReason: Equatable {
    /// Linux's number.
    case signal(Int32)
    case softwareBreakpoint
    case hardwareBreakpoint
    case watchpoint(DebugPoint.Kind, address: UInt64)
    case step
    /// Another program has taken the place; its path.
    case executed([UInt8])
    /// The debugger has come, or asked for the stop.
    case attached
    /// There is a child, as `DebugTarget.child` says.
    case forked(DebugChild)
    /// A child has ceased to share the thread's memory.
    case vforkDone
    /// A child that was debugged along has ended: with a status, or by a signal of Linux's.
    case childExited(Int32, status: Int32)
    case childKilled(Int32, signal: Int32)
    /// No thread is left of those that were to run.
    case noneLeft
}

/// Signals by Linux's numbers.
public struct SignalSet: Equatable {
    public private(set) var bits: UInt64

    public init(bits: UInt64 = 0) { self.bits = bits }

    public mutating func insert(_ signal: Int32) {
        if signal >= 1 && signal <= 64 { bits |= 1 << UInt64(signal - 1) }
    }

    public func contains(_ signal: Int32) -> Bool { signal >= 1 && signal <= 64 && bits & 1 << UInt64(signal - 1) != 0 }
}

/// The protocol's own numbers of signals (gdb/signals.def), which are no kernel's.
enum ProtocolSignal {
    /// By Linux's number from 1 up; 143 is "unknown".
    private static let standard: [UInt8] = [
        1, 2, 3, 4, 5, 6, 10, 8, 9, 30, 11, 31, 13, 14, 15, 143, 20, 19, 17, 18, 21, 22, 16, 24, 25, 26, 27, 28, 23, 32, 12,
    ]

    static func number(ofLinux signal: Int32) -> UInt8 {
        switch signal {
        case 1...31: standard[Int(signal) - 1]
        case 32: 77
        case 33...63: UInt8(signal + 12)
        case 64: 78
        default: 0
        }
    }

    /// 0 where Linux has no such signal.
    static func linux(_ number: UInt64) -> Int32 {
        switch number {
        case 77: 32
        case 45...75: Int32(number) - 12
        case 78: 64
        default: Int32((standard.firstIndex { UInt64($0) == number && number != 143 } ?? -1) + 1)
        }
    }
}
