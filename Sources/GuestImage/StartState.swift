import CShim
import Host

/// What the loader is told about the process that the program starts in.
public struct StartContext {
    /// The IDs for AT_UID, AT_EUID, AT_GID, AT_EGID.
    public struct Identity {
        public var uid, euid, gid, egid: UInt32
        /// AT_SECURE: the program has rights that who started it has not.
        public var isSecure: Bool

        public init(uid: UInt32, euid: UInt32, gid: UInt32, egid: UInt32, isSecure: Bool = false) {
            self.uid = uid
            self.euid = euid
            self.gid = gid
            self.egid = egid
            self.isSecure = isSecure
        }
    }

    public var identity: Identity
    /// Guest address of the vDSO (AT_SYSINFO_EHDR), nil where there is none.
    public var vdso: UInt64?
    public var host: HostAuxiliaryValues
    public var randomness: StartRandomness

    public init(identity: Identity, vdso: UInt64?, host: HostAuxiliaryValues, randomness: StartRandomness) {
        self.identity = identity
        self.vdso = vdso
        self.host = host
        self.randomness = randomness
    }
}

/// The random part of an initial stack.
public struct StartRandomness {
    /// AT_RANDOM's bytes.
    public var bytes: (UInt64, UInt64)
    /// How far the stack begins below its strings, in bytes below 8192: arch_align_stack(). 0 without randomisation.
    public var stackOffset: UInt64

    static let stackOffsets: UInt64 = 8192

    public init(bytes: (UInt64, UInt64), stackOffset: UInt64) {
        self.bytes = bytes
        self.stackOffset = stackOffset % Self.stackOffsets
    }

    /// Fresh from getrandom(2). `isRandomized` is false under personality(ADDR_NO_RANDOMIZE).
    public static func fresh(isRandomized: Bool = true) -> StartRandomness {
        var words: (UInt64, UInt64, UInt64) = (0, 0, 0)
        withUnsafeMutablePointer(to: &words) {
            // Cannot fail: once seeded, which a host is, short reads come whole and are not interrupted.
            _ = Host.raw(Int32(SYS_getrandom), $0.argument, MemoryLayout<(UInt64, UInt64, UInt64)>.size, 0)
        }
        return StartRandomness(bytes: (words.0, words.1), stackOffset: isRandomized ? words.2 : 0)
    }
}

/// A loaded program, ready to run: the first thread's registers, and what /proc and prctl(PR_SET_MM) know of the image.
public struct StartState {
    /// First instruction: the interpreter's, or the program's own.
    public let entry: UInt64
    public let stackPointer: UInt64
    /// Where the break is: empty, to grow upwards.
    public let brkStart: UInt64
    public let stackRange: Range<UInt64>
    public let argStart: UInt64
    public let argEnd: UInt64
    public let envStart: UInt64
    public let envEnd: UInt64
    /// AT_ENTRY, and the load bias of the program (0 for ET_EXEC).
    public let executableEntry: UInt64
    public let executableBase: UInt64
    /// AT_BASE: the load bias of the interpreter, 0 without one.
    public let interpreterBase: UInt64
    /// mm->start_code, end_code, start_data, end_data.
    public let codeRange: Range<UInt64>
    public let dataRange: Range<UInt64>
    /// Keys and values in turn, AT_NULL included: /proc/self/auxv.
    public let auxiliaryVector: [UInt64]
}
