import CShim
import GuestMemory
import LinuxABI
import Machine
import Process
import Tracing

/// `--trace`: another server of system calls, with a line for each call. No call may be served otherwise, so none has a fast path.
public final class TracedSystemCalls: SystemCallServer {
    private let inner: any SystemCallServer
    private let settings: TraceSettings

    public init(_ inner: any SystemCallServer, _ settings: TraceSettings) {
        self.inner = inner
        self.settings = settings
    }

    public func fastPath(_ number: UInt32) -> FastPath { .exit }

    public func serveForwarded(_ thread: GuestThread, number: UInt64, _ arguments: SyscallArguments) -> Int {
        inner.serveForwarded(thread, number: number, arguments)
    }

    public func serve(_ thread: GuestThread, number: UInt64, _ arguments: SyscallArguments) -> Int {
        let number32 = UInt32(truncatingIfNeeded: number)
        let isShown = settings.selection.contains(number32)
        guard let row = SyscallTable.row(number32) else {
            if isShown { noteUnknown(thread, number32, arguments) }
            return inner.serve(thread, number: number, arguments)
        }
        switch row.handler {
        case .exit, .exit_group:
            noteEnd(thread, row, arguments, isShown: isShown)
            return inner.serve(thread, number: number, arguments)
        default:
            if !isShown { return inner.serve(thread, number: number, arguments) }
        }
        let began = Clock.monotonic()
        var call = text(thread, row, arguments, at: began)
        call.begin()
        if row.mayEnd(thread, arguments) {
            thread.writeTrace(call.interrupt(resumingIn: thread.traceLine(settings, at: began)), settings)
        } else if row.waits(arguments) {
            // The process may be killed before it ends, or nobody may want to wait for so long.
            thread.writeTrace(call.pause(resumingIn: thread.traceLine(settings, at: began)), settings)
        }
        let result = inner.serve(thread, number: number, arguments)
        let took = Clock.monotonic() &- began
        call.end(result == VMRUN_ERESTART ? .restarted : CallText.Outcome(result: result))
        call.line.text(" <")
        call.line.seconds(took)
        call.line.text(">\n")
        thread.writeTrace(call.line, settings)
        return result
    }

    private func text(_ thread: GuestThread, _ row: SyscallRow, _ arguments: SyscallArguments, at time: UInt64) -> CallText {
        CallText(
            row.traced, arguments, line: thread.traceLine(settings, at: time),
            memory: TracedMemory { address, buffer in
                guard let base = buffer.baseAddress else { return false }
                return GuestAccess.tryCopyIn(base, from: address, count: buffer.count)
            }, limit: settings.limit)
    }

    public func noteRefused(_ thread: GuestThread, number: UInt64, _ arguments: SyscallArguments, _ refusal: CallRefusal) {
        let number = UInt32(truncatingIfNeeded: number)
        let isShown = settings.selection.contains(number)
        let now = Clock.monotonic()
        if isShown, let row = SyscallTable.row(number) {
            var call = text(thread, row, arguments, at: now)
            call.begin()
            switch refusal {
            case .error(let error): call.end(CallText.Outcome(result: -Int(error)))
            case .trap, .death: call.end(.none)
            }
            call.line.text("\n")
            thread.writeTrace(call.line, settings)
        } else if isShown {
            noteUnknown(thread, number, arguments)
        }
        if case .death(let signal) = refusal { noteDeath(thread, by: signal, at: now) }
    }

    private func noteDeath(_ thread: GuestThread, by signal: Int32, at time: UInt64) {
        var line = thread.traceLine(settings, at: time)
        line.text("+++ killed by ")
        line.signal(signal)
        line.text(" +++\n")
        thread.writeTrace(line, settings)
    }

    private func noteUnknown(_ thread: GuestThread, _ number: UInt32, _ arguments: SyscallArguments) {
        var line = thread.traceLine(settings, at: Clock.monotonic())
        line.text("syscall_0x")
        line.unsigned(UInt64(number), base: 16)
        line.text("(")
        for index in 0..<6 {
            line.text(index == 0 ? "0x" : ", 0x")
            line.unsigned(arguments[index], base: 16)
        }
        line.text(") = -1 ENOSYS (Function not implemented)\n")
        thread.writeTrace(line, settings)
    }

    /// These calls do not come back.
    private func noteEnd(_ thread: GuestThread, _ row: SyscallRow, _ arguments: SyscallArguments, isShown: Bool) {
        let now = Clock.monotonic()
        if isShown {
            var call = text(thread, row, arguments, at: now)
            call.begin()
            call.end(.none)
            call.line.text("\n")
            thread.writeTrace(call.line, settings)
        }
        var line = thread.traceLine(settings, at: now)
        line.text("+++ exited with ")
        line.unsigned(arguments.a0 & 0xff)
        line.text(" +++\n")
        thread.writeTrace(line, settings)
    }

    // MARK: Signals

    public var observesSignals: Bool { true }

    public func noteSignal(_ thread: GuestThread, _ information: UnsafeRawBufferPointer, isDeadly: Bool) {
        let fields = SignalFields(bytes: information)
        let now = Clock.monotonic()
        var line = thread.traceLine(settings, at: now)
        line.text("--- ")
        line.signal(fields.signal)
        line.text(" ")
        line.signalInformation(fields)
        line.text(" ---\n")
        thread.writeTrace(line, settings)
        if isDeadly { noteDeath(thread, by: fields.signal, at: now) }
    }
}

extension SyscallRow {
    /// Whether the call sends a signal by which its own process may end before the call has.
    fileprivate func mayEnd(_ thread: GuestThread, _ arguments: SyscallArguments) -> Bool {
        switch handler {
        case .kill, .tkill, .tgkill, .rt_sigqueueinfo, .rt_tgsigqueueinfo:
            let target = Int32(truncatingIfNeeded: arguments.a0)
            return target <= 0 || target == thread.process.pid || target == thread.tid
        default: return false
        }
    }

    /// Whether the call is going to wait, as far as that can be told before. Asking changes nothing.
    fileprivate func waits(_ arguments: SyscallArguments) -> Bool {
        switch Waiting.kinds.first(where: { Waiting.matches(name, $0.name) })?.kind {
        case nil: false
        case .always: true
        case .reading: !Waiting.isReady(arguments.a0, POLLIN)
        case .writing: !Waiting.isReady(arguments.a0, POLLOUT)
        case .unlessZero(let index): arguments[index] != 0
        case .unlessFlag(let index, let flag): arguments[index] & flag == 0
        case .futex: Waiting.futexOperations.contains(arguments.a1 & 0x7f)
        }
    }

    fileprivate var traced: CallText.Description {
        let fillsVectors: Bool
        switch handler {
        case .readVector, .process_vm_readv: fillsVectors = true
        default: fillsVectors = false
        }
        return CallText.Description(name: name, kinds: kinds, fillsVectors: fillsVectors)
    }
}
