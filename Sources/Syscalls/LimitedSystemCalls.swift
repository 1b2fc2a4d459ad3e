import CShim
import Host
import LinuxABI
import Machine
import Process
import SyntheticFS

/// `--max-output`: another server of system calls, which counts what leaves the session and ends it when that is too much. The call that would go beyond
/// the limit writes up to it, where it may write less than it was asked for; the next one ends the session.
///
/// What is written through a mapping is no call, and is not counted.
public final class LimitedSystemCalls: SystemCallServer {
    private let inner: any SystemCallServer
    private let output: SessionOutput

    public init(_ inner: any SystemCallServer, _ output: SessionOutput) {
        self.inner = inner
        self.output = output
    }

    /// How a call says where it writes to, and how much.
    private enum Form {
        /// The arguments that have the descriptor and the length.
        case length(of: Int, Int)
        /// The same for calls that are asked for more than there is, as a rule.
        case lengthAtMost(of: Int, Int)
        case vector
        case datagram
        case message
        case messages
    }

    private static func form(of row: SyscallRow) -> Form? {
        switch row.handler {
        case .writeTransfer: .length(of: 0, 2)
        case .writeVector: .vector
        case .sendto: .datagram
        case .sendmsg: .message
        case .sendmmsg: .messages
        case .moveData:
            switch Int32(row.number) {
            case SYS_sendfile: .lengthAtMost(of: 0, 3)
            default: .lengthAtMost(of: 2, 4)
            }
        case .forward:
            switch Int32(row.number) {
            case SYS_tee: .lengthAtMost(of: 1, 2)
            case SYS_vmsplice: .vector
            default: nil
            }
        default: nil
        }
    }

    public func fastPath(_ number: UInt32) -> FastPath {
        if let row = SyscallTable.row(number), Self.form(of: row) != nil { return .exit }
        return inner.fastPath(number)
    }

    public func serve(_ thread: GuestThread, number: UInt64, _ arguments: SyscallArguments) -> Int {
        guard let row = SyscallTable.row(UInt32(truncatingIfNeeded: number)), let form = Self.form(of: row) else {
            return inner.serve(thread, number: number, arguments)
        }
        switch form {
        case .length(let target, let length):
            guard isCounted(thread, arguments[target]) else { break }
            return limited(thread, number, arguments, length, by: .max)
        case .lengthAtMost(let target, let length):
            guard isCounted(thread, arguments[target]) else { break }
            return limited(thread, number, arguments, length, by: Self.step)
        case .datagram:
            guard isCounted(thread, arguments.a0) else { break }
            return limited(thread, number, arguments, 2, by: .max, isWhole: !isStream(arguments.a0))
        case .vector:
            guard isCounted(thread, arguments.a0) else { break }
            return vector(thread, row, arguments)
        case .message, .messages:
            guard isCounted(thread, arguments.a0) else { break }
            return messages(thread, arguments, isOne: row.handler == .sendmsg)
        }
        return inner.serve(thread, number: number, arguments)
    }

    /// The poller makes none of these calls: `fastPath` sends them out of the guest.
    public func serveForwarded(_ thread: GuestThread, number: UInt64, _ arguments: SyscallArguments) -> Int {
        if let row = SyscallTable.row(UInt32(truncatingIfNeeded: number)), Self.form(of: row) != nil { return VMRUN_ERESTART }
        return inner.serveForwarded(thread, number: number, arguments)
    }

    public func noteRefused(_ thread: GuestThread, number: UInt64, _ arguments: SyscallArguments, _ refusal: CallRefusal) {
        inner.noteRefused(thread, number: number, arguments, refusal)
    }

    public func processEnds(_ process: GuestProcess) { inner.processEnds(process) }

    public var observesSignals: Bool { inner.observesSignals }

    public func noteSignal(_ thread: GuestThread, _ information: UnsafeRawBufferPointer, isDeadly: Bool) {
        inner.noteSignal(thread, information, isDeadly: isDeadly)
    }

    // MARK: Descriptors

    /// How much is taken at once for calls that may be asked for everything, so that others are not kept waiting.
    private static let step: UInt64 = 1 << 20

    private func isCounted(_ thread: GuestThread, _ argument: UInt64) -> Bool {
        let descriptor = Int32(truncatingIfNeeded: argument)
        if InternalDescriptors.contains(descriptor) || thread.process.synthetic.path(ofDescriptor: descriptor) != nil { return false }
        return output.counts(descriptor)
    }

    /// Whether less than a message may be sent.
    private func isStream(_ argument: UInt64) -> Bool {
        var type: Int32 = 0
        var size: UInt32 = 4
        let result = withUnsafeMutablePointer(to: &type) { type in
            withUnsafeMutablePointer(to: &size) {
                Host.raw(
                    Int32(SYS_getsockopt), Int(Int32(truncatingIfNeeded: argument)), Int(SOL_SOCKET), Int(SO_TYPE), type.argument, $0.argument)
            }
        }
        return result == 0 && type == 1  // SOCK_STREAM
    }

    // MARK: Calls

    /// As many of `wanted` bytes as may be written, all of them or none where less makes no sense. Ends the session where there is no byte left.
    private func take(_ thread: GuestThread, _ wanted: UInt64, isWhole: Bool) -> UInt64 {
        if wanted == 0 { return 0 }
        let granted = output.take(wanted)
        if granted < wanted && (granted == 0 || isWhole) { thread.process.outputIsUsedUp() }
        return granted
    }

    private func limited(
        _ thread: GuestThread, _ number: UInt64, _ arguments: SyscallArguments, _ length: Int, by most: UInt64, isWhole: Bool = false
    ) -> Int {
        var arguments = arguments
        // Lengths that are none are the kernel's to refuse.
        if arguments[length] > UInt64(Int.max) && most == .max { return inner.serve(thread, number: number, arguments) }
        arguments[length] = min(arguments[length], most)
        let wanted = min(arguments[length], Self.mostOfOneCall)
        let granted = take(thread, wanted, isWhole: isWhole)
        if granted < wanted { arguments[length] = granted }
        let result = inner.serve(thread, number: number, arguments)
        output.settle(taken: granted, written: UInt64(max(0, result)))
        return result
    }

    /// MAX_RW_COUNT: the kernel writes no more at once.
    private static let mostOfOneCall: UInt64 = 0x7fff_f000

    private func vector(_ thread: GuestThread, _ row: SyscallRow, _ arguments: SyscallArguments) -> Int {
        let scratch = thread.scratch.data
        var count = arguments.a2
        let copy = Forwarding.iovec(arguments.a1, count: count, scratch: scratch)
        let granted = take(thread, scratch, copy, &count, isWhole: false)
        let result = thread.hostCall(
            Int(row.number), Forwarding.descriptor(arguments.a0), copy, count, arguments.a3, arguments.a4, arguments.a5)
        output.settle(taken: granted, written: UInt64(max(0, result)))
        return result
    }

    private func messages(_ thread: GuestThread, _ arguments: SyscallArguments, isOne: Bool) -> Int {
        var arguments = arguments
        arguments.a0 = Forwarding.descriptor(arguments.a0)
        let isWhole = !isStream(arguments.a0)
        do throws(GuestErrno) {
            return try SocketCalls.send(thread, arguments, isOne: isOne) { header, send in
                let granted = take(thread, thread.scratch.data, header.vector, &header.vectorCount, isWhole: isWhole)
                let result = send(header)
                output.settle(taken: granted, written: UInt64(max(0, result)))
                return result
            }
        } catch {
            return error.result
        }
    }

    /// `take` for an iovec array that has been copied and checked, which is shortened to what may be written. Nothing is taken where `address` is not that
    /// copy, or a length is none: the kernel will refuse it.
    private func take(
        _ thread: GuestThread, _ scratch: UnsafeMutableRawBufferPointer, _ address: UInt64, _ count: inout UInt64, isWhole: Bool
    ) -> UInt64 {
        guard let copy = scratch.baseAddress, address == copy.hostArgument else { return 0 }
        let vector = UnsafeMutableBufferPointer(
            start: copy.assumingMemoryBound(to: CShim.iovec.self), count: Int(min(count, UInt64(Forwarding.largestVector))))
        guard vector.allSatisfy({ $0.iov_len <= Int.max }) else { return 0 }
        let wanted = vector.reduce(0) { min($0 + UInt64($1.iov_len), Self.mostOfOneCall) }
        let granted = take(thread, wanted, isWhole: isWhole)
        if granted == wanted { return granted }
        var left = Int(granted)
        for index in vector.indices {
            if Int(vector[index].iov_len) < left {
                left -= Int(vector[index].iov_len)
                continue
            }
            vector[index].iov_len = .init(left)
            count = UInt64(index + 1)
            break
        }
        return granted
    }
}
