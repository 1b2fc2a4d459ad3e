import CShim
import Host
import Process
import Statistics

/// Who tells what `--stats` has counted. The session's first process does, when it is the last one and ends by itself. For all other ends
/// there is a host process of no session that waits until no member is left, however the last one ended.
public enum StatisticsReporter {
    /// Begins to count, and makes that process.
    public static func start(isJSON: Bool) throws(HostError) -> SessionStatistics {
        let descriptor = try Host.memoryFile("vmrun-stats")
        try Host.resize(memoryFile: descriptor, to: Statistics.size)
        let memory = try Host.map(memoryFile: descriptor, size: Statistics.size)
        Statistics.use(memory)
        Statistics.begin(at: Clock.monotonic(), isJSON: isJSON)
        // The lock belongs to the open file that all members have, and goes when the last of them has gone.
        try Host.call(Int32(SYS_flock), Int(descriptor), Int(LOCK_EX))
        try makeReporter(descriptor, memory)
        return SessionStatistics(descriptor: descriptor, output: InternalDescriptors.duplicate(2))
    }

    /// Nobody's child, so that no guest waits for it.
    private static func makeReporter(_ descriptor: Int32, _ memory: UnsafeMutableRawPointer) throws(HostError) {
        let child = try Host.call(Int32(SYS_clone), Int(SIGCHLD))
        if child == 0 {
            vmrun_heap_after_fork()
            _ = Host.raw(Int32(SYS_setsid))
            if Host.raw(Int32(SYS_clone), Int(SIGCHLD)) == 0 {
                vmrun_heap_after_fork()
                wait(descriptor, memory)
            }
            end()
        }
        try Host.call(Int32(SYS_wait4), child, 0, 0, 0, retryOnInterrupt: true)
    }

    private static func end() -> Never {
        while true { _ = Host.raw(Int32(SYS_exit_group), 0) }
    }

    /// The reporter's life. It keeps nothing of the session: not its signals, its files, or its directory.
    private static func wait(_ descriptor: Int32, _ memory: UnsafeMutableRawPointer) -> Never {
        vmrun_set_host_mask(~0)
        "vmrun-stats".withCString { _ = Host.raw(Int32(SYS_prctl), Int(PR_SET_NAME), $0.argument) }
        let own = "/proc/self/fd/\(descriptor)".withCString {
            Host.raw(Int32(SYS_openat), Int(AT_FDCWD), $0.argument, Int(O_RDWR | O_CLOEXEC))
        }
        _ = Host.raw(Int32(SYS_munmap), Int(bitPattern: memory), Statistics.size)
        guard own >= 0 else { end() }
        // Standard error and the memory are all that is left.
        _ = Host.raw(Int32(SYS_dup3), own, 0, 0)
        _ = Host.raw(Int32(SYS_close), 1)
        _ = Host.raw(Int32(SYS_close_range), 3, Int(UInt32.max), 0)
        let top = "/".withCString { Host.raw(Int32(SYS_openat), Int(AT_FDCWD), $0.argument, Int(O_RDONLY | O_DIRECTORY)) }
        _ = Host.raw(Int32(SYS_fchdir), top)
        _ = Host.raw(Int32(SYS_close), top)
        do throws(HostError) {
            Statistics.use(try Host.map(memoryFile: 0, size: Statistics.size))
            try Host.call(Int32(SYS_flock), 0, Int(LOCK_EX), retryOnInterrupt: true)
        } catch {
            end()
        }
        report(to: 2)
        end()
    }

    /// Tells it, where nobody has.
    static func report(to output: Int32) {
        guard output >= 0, Statistics.isFirstToReport() else { return }
        var report = StatisticsReport(now: Clock.monotonic()) { SyscallTable.name($0) }
        Message.write(report.make(isJSON: Statistics.isJSON), to: Int(output))
    }
}
