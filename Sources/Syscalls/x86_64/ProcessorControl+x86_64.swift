#if arch(x86_64)
import LinuxABI
import Process

/// The options of prctl(2) that are about this kind of processor: none that vmrun serves.
enum ProcessorControl {
    /// The options that are passed on to the host.
    static var hostOptions: [UInt32] { [] }

    static func prctl(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int { throw .EINVAL }
}
#endif
