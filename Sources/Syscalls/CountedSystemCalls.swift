import CShim
import LinuxABI
import Machine
import Process
import Statistics

/// `--stats`: another server of system calls, which counts what it is asked for. What the guest would answer by itself leaves it instead, since
/// nobody would see it otherwise.
public final class CountedSystemCalls: SystemCallServer {
    private let inner: any SystemCallServer

    public init(_ inner: any SystemCallServer) { self.inner = inner }

    public func fastPath(_ number: UInt32) -> FastPath {
        let path = inner.fastPath(number)
        return path == .remember ? .exit : path
    }

    public func serve(_ thread: GuestThread, number: UInt64, _ arguments: SyscallArguments) -> Int {
        let number32 = UInt32(truncatingIfNeeded: number)
        let way: Statistics.Way = inner.fastPath(number32) == .remember ? .known : .exit
        // Not all of these come back. Who is killed says no more how much memory it had: so that is told where memory or signals are about.
        switch SyscallTable.row(number32)?.handler {
        case .mmap, .munmap, .brk, .kill, .tkill, .tgkill: Statistics.notePeak()
        case .exit, .exit_group: Statistics.count(call: number32, of: thread.tid, way, nanoseconds: 0, isError: false)
        default: break
        }
        let began = Clock.monotonic()
        let result = inner.serve(thread, number: number, arguments)
        note(thread, number32, way, since: began, result)
        return result
    }

    public func serveForwarded(_ thread: GuestThread, number: UInt64, _ arguments: SyscallArguments) -> Int {
        let began = Clock.monotonic()
        let result = inner.serveForwarded(thread, number: number, arguments)
        note(thread, UInt32(truncatingIfNeeded: number), .switchless, since: began, result)
        return result
    }

    @inline(__always)
    private func note(_ thread: GuestThread, _ number: UInt32, _ way: Statistics.Way, since began: UInt64, _ result: Int) {
        // A call that will be made again is counted then; the end of a thread was counted before.
        if result == VMRUN_ERESTART || thread.isOver { return }
        Statistics.count(
            call: number, of: thread.tid, way, nanoseconds: Clock.monotonic() &- began, isError: result < 0 && result >= -4095)
    }

    public func noteRefused(_ thread: GuestThread, number: UInt64, _ arguments: SyscallArguments, _ refusal: CallRefusal) {
        Statistics.count(call: UInt32(truncatingIfNeeded: number), of: thread.tid, .exit, nanoseconds: 0, isError: true)
        inner.noteRefused(thread, number: number, arguments, refusal)
    }

    public func processEnds(_ process: GuestProcess) {
        inner.processEnds(process)
        Statistics.notePeak()
        // Of a session that goes on without its first process the reporter tells.
        if process.isLastOfSession { StatisticsReporter.report(to: process.session.statistics?.output ?? -1) }
    }

    public var observesSignals: Bool { inner.observesSignals }

    public func noteSignal(_ thread: GuestThread, _ information: UnsafeRawBufferPointer, isDeadly: Bool) {
        inner.noteSignal(thread, information, isDeadly: isDeadly)
    }
}
