import CShim
import LinuxABI
import Machine
import Process
import Sysroot

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
        do throws(GuestErrno) {
            switch row.handler {
            case .transfer: return transfer(thread, row, arguments)
            case .readTransfer:
                if let result = try SyntheticCalls.read(thread, row, arguments, isVector: false) { return result }
                return transfer(thread, row, arguments)
            case .readVector:
                if let result = try SyntheticCalls.read(thread, row, arguments, isVector: true) { return result }
                return Forwarding.forward(thread, row, arguments)
            case .writeTransfer:
                if let result = try SyntheticCalls.write(thread, row, arguments, isVector: false) { return result }
                return transfer(thread, row, arguments)
            case .writeVector:
                if let result = try SyntheticCalls.write(thread, row, arguments, isVector: true) { return result }
                return Forwarding.forward(thread, row, arguments)
            case .forward: return Forwarding.forward(thread, row, arguments)
            case .moveData:
                if let result = try MoveCalls.move(thread, row, arguments) { return result }
                return Forwarding.forward(thread, row, arguments)
            case .newDescriptor: return Forwarding.newDescriptor(Forwarding.forward(thread, row, arguments))
            case .duplicate:
                let result = Forwarding.newDescriptor(Forwarding.forward(thread, row, arguments))
                if result >= 0 {
                    thread.process.descriptorKinds.forget(Int32(truncatingIfNeeded: result))
                    SyntheticCalls.noteDuplicate(thread, result, of: arguments.a0)
                }
                return result
            case .close:
                defer { thread.process.descriptorKinds.forget(Int32(truncatingIfNeeded: arguments.a0)) }
                return Forwarding.forward(thread, row, arguments)
            case .changeFile, .fchmod, .fchown, .fsetxattr:
                let descriptor = Int32(truncatingIfNeeded: Forwarding.descriptor(arguments.a0))
                if thread.files.isReadOnly(descriptor: descriptor) { throw .EROFS }
                if thread.files.belongsToHost(descriptor: descriptor) { throw .EPERM }
                return Forwarding.forward(thread, row, arguments)
            case .changeThread:
                thread.process.noteUnlikeThreads()
                return Forwarding.forward(thread, row, arguments)
            case .changeProcess:
                thread.process.noteHostState()
                return Forwarding.forward(thread, row, arguments)
            case .credential(let call):
                if call.changes {
                    thread.process.noteUnlikeThreads()
                    thread.cpu.forgetAnswers()
                }
                return Forwarding.forward(thread, row, arguments)
            case .refuse(let error): return error.result
            default:
                var arguments = arguments
                Forwarding.prepareDescriptors(row, &arguments)
                return try handle(row.handler, thread, arguments)
            }
        } catch {
            return error.result
        }
    }

    /// A call of read(2)'s or write(2)'s shape.
    @inline(__always)
    private static func transfer(_ thread: GuestThread, _ row: SyscallRow, _ arguments: SyscallArguments) -> Int {
        thread.hostCall(
            Int(row.number), Forwarding.descriptor(arguments.a0), Forwarding.checked(arguments.a1, arguments.a2),
            arguments.a2, arguments.a3)
    }
}
