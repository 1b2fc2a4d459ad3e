import CShim
import LinuxABI
import Machine
import Process

/// The Linux system call interface, as the run loop reaches it.
public final class LinuxSystemCalls: SystemCallServer {
    public init() {}

    public func serve(_ thread: GuestThread, number: UInt64, _ arguments: SyscallArguments) -> Int {
        Dispatcher.dispatch(thread, number: number, arguments)
    }

    public func serveForwarded(_ thread: GuestThread, number: UInt64, _ arguments: SyscallArguments) -> Int {
        FastPaths.serve(thread, number, arguments) { Dispatcher.dispatch(thread, number: number, arguments) }
    }

    public func fastPath(_ number: UInt32) -> FastPath { FastPaths.path(of: number) }
}
