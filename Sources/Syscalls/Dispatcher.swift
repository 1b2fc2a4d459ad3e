import CShim
import LinuxABI
import Process

/// The entry of every guest system call.
public enum Dispatcher {
    /// Serves one call: answers what the guest finds in its result register (a value or -errno), or VMRUN_ERESTART where a
    /// signal for the guest came before the call was made. Neither allocates nor locks of its own.
    ///
    /// - Parameters:
    ///   - number: the number register; the upper half is ignored, as the kernel does.
    ///   - arguments: the argument registers, unchecked.
    public static func dispatch(_ thread: GuestThread, number: UInt64, _ arguments: SyscallArguments) -> Int {
        guard let row = SyscallTable.row(UInt32(truncatingIfNeeded: number)) else { return GuestErrno.ENOSYS.result }
        switch row.handler {
        case .transfer:
            return thread.hostCall(
                Int(row.number), Forwarding.descriptor(arguments.a0), Forwarding.checked(arguments.a1, arguments.a2),
                arguments.a2, arguments.a3)
        case .forward: return Forwarding.forward(thread, row, arguments)
        case .newDescriptor: return Forwarding.newDescriptor(Forwarding.forward(thread, row, arguments))
        case .refuse(let error): return error.result
        default:
            var arguments = arguments
            Forwarding.prepareDescriptors(row, &arguments)
            do throws(GuestErrno) {
                return try handle(row.handler, thread, arguments)
            } catch {
                return error.result
            }
        }
    }
}
