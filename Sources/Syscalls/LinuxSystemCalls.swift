import CShim
import LinuxABI
import Machine
import Process

/// The Linux system call interface, as the run loop reaches it.
public final class LinuxSystemCalls: SystemCallServer {
    public init() {}

    public func serve(_ thread: GuestThread, number: UInt64) -> Int {
        Dispatcher.dispatch(thread, number: number, Self.arguments(of: thread))
    }

    @inline(__always)
    static func arguments(of thread: GuestThread) -> SyscallArguments {
        SyscallArguments(thread.cpu)
    }
}
