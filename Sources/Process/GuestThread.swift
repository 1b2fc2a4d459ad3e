import CShim
import GuestMemory
import Host
import LinuxABI

/// One guest thread: a host thread with its vCPU. Only its own host thread touches it, except where a member says otherwise.
public final class GuestThread {
    public let process: GuestProcess
    /// What the signal handler shares with this thread.
    public let host: UnsafeMutablePointer<vmrun_thread>
    /// Working space for one system call: paths, copied structures, iovecs. Never holds anything across calls.
    public let scratch: Scratch

    init(process: GuestProcess, host: UnsafeMutablePointer<vmrun_thread>) {
        self.process = process
        self.host = host
        self.scratch = Scratch()
    }

    /// A host call on the guest's behalf: the kernel's result, -errno, or `VMRUN_ERESTART` where a signal came first. It may
    /// block, and a signal for the guest ends it as it would end the guest's own call.
    @inline(__always)
    public func hostCall(
        _ number: Int, _ a0: UInt64 = 0, _ a1: UInt64 = 0, _ a2: UInt64 = 0, _ a3: UInt64 = 0, _ a4: UInt64 = 0,
        _ a5: UInt64 = 0
    ) -> Int {
        var arguments = (a0, a1, a2, a3, a4, a5)
        return withUnsafePointer(to: &arguments) { pointer in
            pointer.withMemoryRebound(to: UInt64.self, capacity: 6) {
                vmrun_interruptible_syscall(&host.pointee.attention, number, $0)
            }
        }
    }
}
