import CShim
import Host
import LinuxABI
import Machine
import Seccomp
import Signals
import SyntheticFS
import Synchronization

/// What a thread has confined itself to by seccomp(2). Before each of its calls the filters are asked here, as the kernel would ask
/// them: the host does not know them, since there they would bind vmrun's calls.
public struct ThreadFilters {
    public enum Mode: UInt8 {
        case none, strict, filters
    }

    public internal(set) var mode = Mode.none
    public internal(set) var set: FilterSet?
    /// Other threads of the process may have put `set` here meanwhile (SECCOMP_FILTER_FLAG_TSYNC). Under `threadsLock`.
    var next: FilterSet?

    /// What the thread will be bound by at its next call.
    var latest: FilterSet? { next ?? set }
}

/// Bits of vmrun_thread.filtered.
enum FilterWord {
    static let active: UInt32 = 1
    /// There is a `ThreadFilters.next`.
    static let changed: UInt32 = 2
}

extension GuestThread {
    /// Whether calls are to be asked about. Then none is served without leaving the guest.
    @inline(__always)
    public var isFiltered: Bool { host.pointee.filtered != 0 }

    // MARK: Asking

    /// Serves a call of a thread that has confined itself.
    func serveFiltered(_ number: UInt64, _ arguments: SyscallArguments) -> Int {
        adoptFilters()
        switch answer(number, arguments) {
        case .allow: return process.server.serve(self, number: number, arguments)
        case .refuse(let error):
            process.server.noteRefused(self, number: number, arguments, .error(error))
            return -Int(error)
        case .trap(let data):
            process.server.noteRefused(self, number: number, arguments, .trap)
            trap(number, data)
            return 0
        case .killThread:
            if process.hasOneThread { die(SIGSYS, number, arguments) }
            process.server.noteRefused(self, number: number, arguments, .death(signal: SIGSYS))
            end(SIGSYS)
            return 0
        case .killProcess: die(SIGSYS, number, arguments)
        }
    }

    private func die(_ signal: Int32, _ number: UInt64, _ arguments: SyscallArguments) -> Never {
        process.server.noteRefused(self, number: number, arguments, .death(signal: signal))
        process.debugger?.programEnds(process, signal: signal)
        vmrun_die_by_signal(signal)
    }

    private func answer(_ number: UInt64, _ arguments: SyscallArguments) -> SystemCallAnswer {
        switch filters.mode {
        case .none: return .allow
        case .strict:
            switch Int32(truncatingIfNeeded: number) {
            case SYS_read, SYS_write, SYS_exit, SYS_rt_sigreturn: return .allow
            default: die(SIGKILL, number, arguments)
            }
        case .filters:
            let data = SystemCallData(
                number: UInt32(truncatingIfNeeded: number), architecture: GuestCPU.auditArchitecture,
                instructionPointer: cpu.systemCallReturnAddress,
                (arguments.a0, arguments.a1, arguments.a2, arguments.a3, arguments.a4, arguments.a5))
            return filters.set?.answer(data) ?? .allow
        }
    }

    /// SIGSYS in the call's place, with the registers as they were before it but for the program counter.
    private func trap(_ number: UInt64, _ data: Int32) {
        cpu.bringToUser()
        cpu.rollBackSystemCall(number: number)
        hasContext = true
        // A signal that came before the call goes first; then the call is made anew.
        guard signals.hold() else {
            cpu.rewindSystemCall(number: number)
            return
        }
        signals.deliverRefusal(
            cpu, RefusedCall(address: cpu.instructionPointer, number: Int32(truncatingIfNeeded: number), architecture: GuestCPU.auditArchitecture, data: data))
    }

    // MARK: Confining

    /// SECCOMP_SET_MODE_STRICT. EINVAL for a thread with filters.
    public func confineStrictly() throws(GuestErrno) {
        adoptFilters()
        if filters.mode == .filters { throw .EINVAL }
        filters.mode = .strict
        makeCallsPlain()
    }

    /// SECCOMP_SET_MODE_FILTER: adds a filter to the thread's, with `synchronizes` to those of all threads of the process.
    ///
    /// ENOMEM where there are too many, EINVAL after `confineStrictly`. The id of a thread that has filters of its own is the result where there is
    /// one, and nothing has changed; 0 otherwise.
    public func addFilter(_ filter: SystemCallFilter, synchronizes: Bool) throws(GuestErrno) -> Int32 {
        adoptFilters()
        if filters.mode == .strict { throw .EINVAL }
        let blamed = try install(filter, synchronizes: synchronizes)
        if blamed == 0 { makeCallsPlain() }
        return blamed
    }

    private func install(_ filter: SystemCallFilter, synchronizes: Bool) throws(GuestErrno) -> Int32 {
        let identity = Self.filterCount.wrappingAdd(1, ordering: .relaxed).newValue
        process.threadsLock.lock()
        defer { process.threadsLock.unlock() }
        let old = filters.latest
        let others = synchronizes ? process.threads.filter { $0 !== self } : []
        for other in others where other.filters.mode == .strict || !Self.descends(old, from: other.filters.latest) { return other.tid }
        guard let set = FilterSet.make(filter, identity: identity, before: old) else { throw .ENOMEM }
        filters.set = set
        filters.next = nil
        filters.mode = .filters
        for other in others {
            other.filters.next = set
            if hasRenouncedPrivileges { other.hasRenouncedPrivileges = true }
            vmrun_set_bits(&other.host.pointee.filtered, FilterWord.active | FilterWord.changed)
            other.cpu.forgetAnswers()
        }
        return 0
    }

    private static func descends(_ set: FilterSet?, from other: FilterSet?) -> Bool { set?.descends(from: other) ?? (other == nil) }

    private static let filterCount = Atomic<UInt64>(0)

    /// From the maker of this thread, which does not run yet but may be known to the process's others already.
    func inheritFilters(_ parent: GuestThread) {
        parent.process.threadsLock.withLock {
            if let next = parent.filters.next { filters.next = next }
            filters.mode = parent.filters.mode
            filters.set = parent.filters.set
            vmrun_set_bits(&host.pointee.filtered, parent.host.pointee.filtered)
        }
    }

    /// From a program before: oldest first, each as the bytes of its instructions. False where they are none.
    func restoreFilters(_ mode: UInt8, _ programs: [[UInt8]]) -> Bool {
        guard let mode = ThreadFilters.Mode(rawValue: mode) else { return false }
        for bytes in programs {
            guard let filter = SystemCallFilter(bytes: bytes),
                let set = FilterSet.make(filter, identity: Self.filterCount.wrappingAdd(1, ordering: .relaxed).newValue, before: filters.set)
            else { return false }
            filters.set = set
        }
        filters.mode = mode
        if mode != .none { makeCallsPlain() }
        return true
    }

    /// Takes over what another thread has put here.
    private func adoptFilters() {
        guard host.pointee.filtered & FilterWord.changed != 0 else { return }
        process.threadsLock.withLock {
            vmrun_clear_bits(&host.pointee.filtered, FilterWord.changed)
            if let next = filters.next {
                filters.set = next
                filters.mode = .filters
            }
            filters.next = nil
        }
        makeCallsPlain()
    }

    /// From now on every call leaves the guest.
    private func makeCallsPlain() {
        vmrun_set_bits(&host.pointee.filtered, FilterWord.active)
        leavePoller()
        callsExpected = 0
        cpu.forgetAnswers()
        guard tid == process.pid || tid == 0 else { return }
        let (mode, count) = (filters.mode.rawValue, UInt16(clamping: filters.set?.count ?? 0))
        process.updateRecord {
            $0.seccompMode = mode
            $0.seccompFilters = count
        }
    }
}

extension SystemCallFilter {
    /// An array of struct sock_filter. Nil where it holds no valid program.
    public init?(bytes: [UInt8]) {
        let size = MemoryLayout<FilterInstruction>.stride
        guard bytes.count % size == 0 else { return nil }
        let instructions = bytes.withUnsafeBytes { raw in
            (0..<raw.count / size).map { raw.loadUnaligned(fromByteOffset: $0 * size, as: FilterInstruction.self) }
        }
        self.init(instructions)
    }

    /// The array that it was made of.
    var bytes: [UInt8] {
        instructions.withUnsafeBytes { Array($0) }
    }
}
