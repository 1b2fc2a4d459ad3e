import FakeRoot
import LinuxABI

/// What a guest process publishes about itself for its own /proc entries and for the other members of the session. Plain
/// values of constant layout, so that it can live in shared memory. Addresses are guest addresses, 0 where unknown.
public struct ProcessRecord: BitwiseCopyable {
    /// The argument and environment strings on the initial stack.
    public var argStart: UInt64 = 0, argEnd: UInt64 = 0
    public var envStart: UInt64 = 0, envEnd: UInt64 = 0
    /// The program's text and data, as the kernel's mm has them (start_code, end_code, start_data, end_data).
    public var codeStart: UInt64 = 0, codeEnd: UInt64 = 0
    public var dataStart: UInt64 = 0, dataEnd: UInt64 = 0
    /// The program break: where it began and where it is.
    public var heapStart: UInt64 = 0, heapEnd: UInt64 = 0
    /// The stack pointer that the program started with (start_stack): there are argc, argv, envp and the auxiliary vector.
    public var stackStart: UInt64 = 0
    /// The guest's RLIMIT_NOFILE. The host's own is larger.
    public var openFilesLimit: UInt64 = 0, openFilesHardLimit: UInt64 = 0
    /// Dispositions as the guest set them, bit n-1 for signal n.
    /// Of `publishedSignals` only: for all others the host knows.
    public var ignoredSignals: UInt64 = 0, caughtSignals: UInt64 = 0
    /// SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV.
    static let publishedSignals: UInt64 = 0x4d8
    /// A private descriptor of that process that refers to the program file, -1 for none. Through it /proc/PID/exe leads
    /// to the same file after a rename or unlink.
    public var executableDescriptor: Int32 = -1
    /// The program file's identity: while a member runs it, it must not be written.
    public var executableDevice: UInt64 = 0, executableInode: UInt64 = 0
    /// Who the process is by its own account, under `--fakeroot`.
    public var credentials: FakeCredentials.Summary? = nil
    /// core(5). The host's own filter keeps vmrun's memory out of core files; this is what the guest set.
    public var coredumpFilter: UInt32 = ProcessRecord.defaultCoredumpFilter
    /// The process has executed a program since its fork without the host's knowing (PF_FORKNOEXEC).
    public var hasExecuted = false
    /// PR_SET_NO_NEW_PRIVS, as the guest set it; the host's is vmrun's.
    public var hasRenouncedPrivileges = false
    /// PR_GET_SECCOMP's answer, and how many filters there are. The host's are vmrun's.
    public var seccompMode: UInt8 = 0
    public var seccompFilters: UInt16 = 0
    /// MMF_DUMP_FILTER_DEFAULT with the ELF headers, as most kernels are built.
    public static let defaultCoredumpFilter: UInt32 = 0x33

    public init() {}
}

/// The processes of this vmrun session. Ids are the host's, which are the guest's. Called from any thread.
public protocol SessionDirectory: AnyObject {
    func isMember(_ process: Int32) -> Bool
    /// All members, in any order.
    func members() -> [Int32]
    /// The parent of a member as it may see it: `parent` where that is a member, or who started the session in the case of
    /// its first process. Any other is the host's, which the guest takes for init: 1.
    func visibleParent(_ parent: Int32, of process: Int32) -> Int32
    /// What a member published, nil before it did.
    func record(of process: Int32) -> ProcessRecord?
    /// The guest path of a member's program.
    func executablePath(of process: Int32) -> [UInt8]?
    /// Whether a host thread of a member is one of its guest threads (and not parked or vmrun's own).
    func isGuestThread(_ thread: Int32, of process: Int32) -> Bool
    /// The member that a guest thread belongs to.
    func process(ofGuestThread thread: Int32) -> Int32?
    /// The guest's blocked mask of a thread; nil where only the host's is known.
    func blockedSignals(ofThread thread: Int32, of process: Int32) -> UInt64?
    /// Whether members may have other sockets than AF_UNIX ones.
    var hasNetwork: Bool { get }
    /// A number that names the session and cannot be guessed.
    var name: UInt64 { get }
    /// The working directory of another member where it is synthetic; nil where the host's own says it.
    func syntheticWorkingDirectory(of process: Int32) -> [UInt8]?
}

extension SessionDirectory {
    /// What the host's abstract AF_UNIX names of a session without a network begin with, so that it meets no other's: eight
    /// printable characters.
    public var abstractPrefix: [UInt8] { (0..<8).map { 0x30 + UInt8(truncatingIfNeeded: name >> (6 * $0)) & 0x3f } }
}

/// Host paths as the guest names them. The path resolver implements it.
public protocol PathTranslator: AnyObject {
    /// The guest path of an absolute host path, or nil where the guest's view does not hold it.
    func guestPath(fromHost path: [UInt8]) -> [UInt8]?
    /// The calling process's working directory as getcwd(2) tells it.
    func guestWorkingDirectory() throws(GuestErrno) -> [UInt8]
}

/// What the synthetic files have to know of the guest's view.
public struct SyntheticConfiguration {
    /// A `--bind`.
    public struct Bind {
        public let host: [UInt8]
        public let guest: [UInt8]
        public let readOnly: Bool

        public init(host: [UInt8], guest: [UInt8], readOnly: Bool) {
            self.host = host
            self.guest = guest
            self.readOnly = readOnly
        }
    }

    /// The host directory that is the guest's `/`, absolute and without symbolic links; `/` itself without --sysroot.
    public var root: [UInt8]
    public var binds: [Bind]
    /// --read-only.
    public var isReadOnly: Bool
    /// Where guest memory is: mappings elsewhere are vmrun's.
    public var arena: Range<UInt64>
    /// Whether what programs ask of the machine in /sys is shown there. Where the view holds the host's own /sys it is not.
    public var showsMachine: Bool

    public init(root: [UInt8], binds: [Bind], isReadOnly: Bool = false, arena: Range<UInt64>, showsMachine: Bool = false) {
        self.root = root
        self.binds = binds
        self.isReadOnly = isReadOnly
        self.arena = arena
        self.showsMachine = showsMachine
    }

    /// The guest directories that are synthetic.
    var mountPoints: [[UInt8]] {
        let always = [[UInt8]("/proc"), [UInt8]("/dev")]
        return showsMachine ? always + [[UInt8]("/sys")] : always
    }
}
