/// What the command line asks for. Words are bytes: paths, arguments and the environment need not be UTF-8.
public struct Options: Equatable {
    public enum Command: Equatable {
        /// PROGRAM and what follows it.
        case run(program: [UInt8], arguments: [[UInt8]])
        case doctor
        /// `root` or `oci` and what follows it: the command line of another program, which lies beside vmrun.
        case companion(program: Companion, words: [[UInt8]])
        case version
        case help
    }

    public enum Companion: String {
        case root = "vmrun-root"
        case oci = "vmrun-oci"
    }

    /// --bind HOST[:GUEST[:ro]].
    public struct Bind: Equatable {
        public let host: [UInt8]
        /// Absolute.
        public let guest: [UInt8]
        public let isReadOnly: Bool

        public init(host: [UInt8], guest: [UInt8], isReadOnly: Bool) {
            self.host = host
            self.guest = guest
            self.isReadOnly = isReadOnly
        }
    }

    /// --env, applied in order to the inherited environment or to an empty one.
    public enum EnvironmentChange: Equatable {
        case set(name: [UInt8], value: [UInt8])
        /// Takes the host's value, where it has one.
        case pass(name: [UInt8])
    }

    /// --interp MACHINE=GUESTPATH.
    public struct Interpreter: Equatable {
        /// As qemu-user calls it.
        public let machine: [UInt8]
        /// Absolute.
        public let path: [UInt8]

        public init(machine: [UInt8], path: [UInt8]) {
            self.machine = machine
            self.path = path
        }
    }

    /// --gdb PORT, HOST:PORT or PATH.
    public enum DebuggerPlace: Equatable {
        /// An IPv4 address in the host's order of bytes, and a TCP port, of which 0 is any.
        case port(host: UInt32, UInt16)
        /// A socket's.
        case path([UInt8])
    }

    /// --user USER[:GROUP].
    public struct User: Equatable {
        public let user: [UInt8]
        public let group: [UInt8]?

        public init(user: [UInt8], group: [UInt8]?) {
            self.user = user
            self.group = group
        }
    }

    public enum StatisticsForm: Equatable {
        case table, json
    }

    public var command: Command
    public var sysroot: [UInt8]? = nil
    public var binds: [Bind] = []
    public var usesHostFallback = false
    /// Whether the guest may change nothing in the sysroot.
    public var isReadOnly = false
    /// Seconds; 0 switches the watchdog off.
    public var timeout: UInt64 = 0
    /// How many processes the session may have at a time, zombies included; 0: no limit.
    public var maxProcesses: UInt64 = 0
    /// How many threads all processes of the session may have together; 0: no limit.
    public var maxThreads: UInt64 = 0
    /// RLIMIT_NOFILE, soft and hard, of every process; 0: what vmrun was started with.
    public var maxOpenFiles: UInt64 = 0
    /// Seconds of processor time that the session may use; 0: no limit.
    public var processorTime: UInt64 = 0
    /// Bytes that the session may write; 0: no limit.
    public var maxOutput: UInt64 = 0
    /// Bytes of memory that the session may have; 0: no limit.
    public var memory: UInt64 = 0
    public var environment: [EnvironmentChange] = []
    public var clearsEnvironment = false
    public var workingDirectory: [UInt8]? = nil
    public var interpreters: [Interpreter] = []
    /// --user USER[:GROUP]: names or numbers, looked up in the guest's /etc.
    public var user: User? = nil
    /// The guest sees itself as root, whoever runs vmrun.
    public var isFakeRoot = false
    /// Whether system calls may be answered in the guest; without it, they are not made for it either.
    public var hasFastSystemCalls = true
    /// Whether calls may be made for a guest thread that stays in the guest.
    public var isSwitchless = true
    /// Whether hot system call instructions may be rewritten to jumps.
    public var rewritesCalls = true
    /// Whether the guest may have sockets that reach further than this machine's own files: --net host.
    public var hasNetwork = true
    /// Whether vmrun gives up what it does not need before the guest runs.
    public var isConfined = true
    /// --stats[=json].
    public var statistics: StatisticsForm? = nil
    /// --trace[=SET]: which system calls to show, empty for all; nil for no trace.
    public var trace: [UInt8]? = nil
    /// Where the trace goes; nil: standard error.
    public var traceOutput: [UInt8]? = nil
    /// How many bytes of a buffer a trace shows.
    public var traceSize: UInt64 = 32
    /// --gdb: where a debugger finds the program; nil: there is none.
    public var debugger: DebuggerPlace? = nil
    /// The program waits for the debugger before its first instruction.
    public var stopsOnEntry = false
    /// How one vmrun image starts the next: the socket that the exec plan comes through.
    public var helperDescriptor: Int32? = nil

    public init(command: Command) { self.command = command }
}

/// A command line that vmrun cannot follow.
public struct OptionError: Error, Equatable {
    /// One sentence for the user, without a full stop.
    public let sentence: String
    /// The status to exit with: vmrun's own failure.
    public static let exitStatus: Int32 = 125

    init(_ sentence: String) { self.sentence = sentence }
}
