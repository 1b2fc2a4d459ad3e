import CShim
import Host
import Machine

/// `--timeout`: ends the run where a thread stays in the guest too long without a system call. `--cpu-time`: ends every process of the
/// session when they have used too much together, and `--max-output` when they have written too much. `--memory`: kills the largest one when they have
/// too much.
enum Watchdog {
    static let exitStatus: Int32 = 124
    /// By which /proc tells the watchdog's thread from the guest's.
    static let threadName = "vmrun-watchdog"
    private static let stackSize: UInt64 = 128 << 10
    private static let usualPause: UInt64 = 100_000_000

    /// Starts watching `process`, where an option asks for it. `isNew`: what the process has used up to now is not counted yet.
    static func start(_ process: GuestProcess, isNew: Bool = true) {
        guard process.isWatched else { return }
        process.beginProcessorTime(isNew: isNew)
        let argument = Unmanaged.passRetained(process).toOpaque()
        let error = vmrun_start_thread(
            { opaque in
                guard let opaque else { return }
                let process = Unmanaged<GuestProcess>.fromOpaque(opaque).takeUnretainedValue()
                Watchdog.watch(process)
            }, argument, stackSize)
        // Without it no limit would hold.
        if error != 0 { Message.fail("cannot start the thread that keeps the limits (errno \(-error))") }
    }

    /// Whether a stay in the guest that began at `entered` has lasted too long.
    static func isOverdue(_ entered: UInt64, _ process: GuestProcess) -> Bool {
        let limit = process.timeout.multipliedReportingOverflow(by: 1_000_000_000)
        let now = Clock.monotonic()
        return !limit.overflow && now > entered && now - entered > limit.partialValue
    }

    private static func watch(_ process: GuestProcess) {
        threadName.withCString { _ = Host.raw(Int32(SYS_prctl), Int(PR_SET_NAME), $0.argument) }
        var nanoseconds: UInt64 = usualPause
        while true {
            Host.pause(nanoseconds: nanoseconds)
            process.endWithSession()
            process.chargeProcessorTime()
            nanoseconds = min(usualPause, process.session.memoryUse.enforce(for: process))
            guard process.timeout > 0 else { continue }
            process.threadsLock.withLock {
                for thread in process.threads {
                    let entered = thread.enteredAt.pointee
                    guard entered != 0 && isOverdue(entered, process) else { continue }
                    if vmrun_takes_kick(thread.host) == 0 { report(thread, instruction: nil) }
                    vmrun_set_bits(&thread.host.pointee.requests, ThreadRequest.watchdog)
                    _ = vmrun_kick(thread.tid)
                }
            }
        }
    }

    /// Says what was running and ends the process with status 124. `instruction` is nil where the thread cannot be asked, because
    /// its guest blocks the kick.
    static func report(_ thread: GuestThread, instruction: UInt64?) -> Never {
        let place = instruction.map { "at \(hexadecimal($0))" } ?? "with signals blocked"
        Message.fail(
            "timeout: thread \(thread.tid) ran longer than \(thread.process.timeout) s without a system call, \(place); "
                + "last system call \(thread.lastSystemCall)",
            status: exitStatus)
    }
}
