#if arch(arm64)
import CShim
import GuestMemory
import LinuxABI
import Machine

/// The rt_sigframe of arm64 (arch/arm64/kernel/signal.c, uapi/asm/sigcontext.h):
///
///     0     siginfo (128)
///     128   ucontext: flags, link, stack (24), mask (8), 120 bytes of nothing, 8 of alignment
///     304   sigcontext: fault address, x0 to x30, sp, pc, pstate, 8 of alignment
///     592   records (`SignalRecords`): 4096 bytes, or more
///     4688  frame record: x29 and x30, for who walks the stack
public enum SignalFrame {
    /// MINSIGSTKSZ of the kernel's ABI.
    public static let minimumStack: UInt64 = 5120

    private static let frameRecordSize: UInt64 = 16
    private static let infoSize = 128
    private static let contextOffset = 128
    private static let stackOffset = contextOffset + 16
    private static let maskOffset = contextOffset + 40
    private static let faultAddressOffset = 304
    private static let registersOffset = faultAddressOffset + 8
    private static let recordsOffset = 592

    /// Builds the frame for `signal` and points the CPU at its handler. EFAULT where the stack cannot take it.
    static func push(
        _ cpu: GuestCPU, _ thread: ThreadSignals, signal: Int32, info: inout siginfo_t, action: SignalAction,
        savedMask: UInt64, fault: GuestFault?
    ) throws(GuestErrno) {
        let registers = cpu.registers
        let interrupted = registers.pointee.sp
        var top = interrupted
        let stack = thread.alternateStack
        let nested = stack.contains(interrupted)
        if action.flags & SignalFlags.onStack != 0 && stack.size > 0 && !nested {
            top = stack.base &+ stack.size
        }
        let records = SignalRecords(cpu, fault)
        let size = UInt64(recordsOffset + records.size)
        let record = (top &- frameRecordSize) & ~15
        let frame = record &- size
        // A handler that overflows the alternate stack must not run on whatever lies below it.
        if (nested || top == stack.base &+ stack.size && stack.size > 0) && !stack.isInside(frame) && stack.size > 0
            && action.flags & SignalFlags.onStack != 0
        {
            throw .EFAULT
        }

        let total = Int(size + frameRecordSize)
        var failure: GuestErrno?
        withUnsafeTemporaryAllocation(byteCount: total, alignment: 16) { buffer in
            guard let bytes = buffer.baseAddress else { return }
            bytes.initializeMemory(as: UInt8.self, repeating: 0, count: total)
            withUnsafeBytes(of: &info) {
                bytes.copyMemory(from: $0.baseAddress.unsafelyUnwrapped, byteCount: infoSize)
            }
            bytes.storeBytes(of: stack.base, toByteOffset: stackOffset, as: UInt64.self)
            bytes.storeBytes(of: thread.reportedFlags(interrupted), toByteOffset: stackOffset + 8, as: UInt32.self)
            bytes.storeBytes(of: stack.size, toByteOffset: stackOffset + 16, as: UInt64.self)
            bytes.storeBytes(of: savedMask, toByteOffset: maskOffset, as: UInt64.self)
            bytes.storeBytes(of: fault?.faultAddress ?? 0, toByteOffset: faultAddressOffset, as: UInt64.self)
            // x0 to x30, sp, pc and pstate lie in the same order.
            (bytes + registersOffset).copyMemory(from: registers, byteCount: 34 * 8)
            let words = (bytes + Int(size)).assumingMemoryBound(to: UInt64.self)
            words[0] = registers.pointee.x.29
            words[1] = registers.pointee.x.30
            do throws(MachineFailure) {
                try records.store(cpu, to: bytes + recordsOffset, at: frame &+ UInt64(recordsOffset))
            } catch {
                failure = .EFAULT
                return
            }
            do throws(GuestErrno) {
                try GuestAccess.copyOut(bytes, to: GuestAddress(frame), count: total)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }

        if stack.flags & AlternateStack.autoDisarm != 0 { thread.alternateStack = AlternateStack() }
        registers.pointee.x.0 = UInt64(signal)
        if action.flags & SignalFlags.siginfo != 0 {
            registers.pointee.x.1 = frame
            registers.pointee.x.2 = frame + UInt64(contextOffset)
        }
        registers.pointee.x.29 = record
        registers.pointee.x.30 = action.flags & SignalFlags.restorer != 0 ? action.restorer : GuestCPU.sigreturnAddress
        registers.pointee.sp = frame
        registers.pointee.pc = action.handler
        // BTYPE: as after a call.
        registers.pointee.pstate &= ~0xc00
        cpu.contextReplaced()
    }

    /// What rt_sigreturn comes to.
    public enum Return {
        case restored
        /// A signal came first that the frame's mask blocks: nothing is changed, the call is to be made again.
        case signalFirst
        /// Everything is restored, but no processor returns there.
        case fault(GuestFault)
    }

    /// rt_sigreturn(2): restores what the frame at the stack pointer says. EFAULT where it is not readable or not a frame.
    public static func pop(_ cpu: GuestCPU, _ thread: ThreadSignals) throws(GuestErrno) -> Return {
        let frame = cpu.registers.pointee.sp
        guard frame & 15 == 0 else { throw .EFAULT }
        var failure: GuestErrno?
        var outcome = Return.signalFirst
        let size = recordsOffset + SignalRecords.reservedSize
        withUnsafeTemporaryAllocation(byteCount: size, alignment: 16) { buffer in
            guard let bytes = buffer.baseAddress else { return }
            do throws(GuestErrno) {
                try GuestAccess.copyIn(bytes, from: GuestAddress(frame), count: size)
                // As the kernel: first the mask, which stays also where the rest fails.
                if thread.changeMask(bytes.load(fromByteOffset: maskOffset, as: UInt64.self)) {
                    try restore(cpu, thread, bytes, frame)
                    outcome = .restored
                }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return outcome
    }

    private static func restore(
        _ cpu: GuestCPU, _ thread: ThreadSignals, _ bytes: UnsafeMutableRawPointer, _ frame: UInt64
    ) throws(GuestErrno) {
        UnsafeMutableRawPointer(cpu.registers).copyMemory(from: bytes + registersOffset, byteCount: 34 * 8)
        let state = cpu.registers.pointee.pstate
        cpu.contextReplaced()
        // valid_user_regs(): another exception level, AArch32, or masked interrupts.
        if state & 0x3df != 0 { throw .EFAULT }
        try SignalRecords.restore(cpu, from: bytes + recordsOffset, at: frame &+ UInt64(recordsOffset))

        let stackBase = bytes.load(fromByteOffset: stackOffset, as: UInt64.self)
        let stackFlags = bytes.load(fromByteOffset: stackOffset + 8, as: UInt32.self)
        let stackSize = bytes.load(fromByteOffset: stackOffset + 16, as: UInt64.self)
        // As the kernel's restore_altstack: a refusal is ignored.
        try? thread.setAlternateStack(
            base: stackBase, flags: stackFlags, size: stackSize, stackPointer: cpu.registers.pointee.sp, minimumSize: 0)
    }
}
#endif
