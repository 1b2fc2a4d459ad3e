#if arch(x86_64)
import CShim
import GuestMemory
import LinuxABI
import Machine

/// The rt_sigframe of x86-64 (arch/x86/kernel/signal_64.c, uapi/asm/sigcontext.h):
///
///     0    return address (sa_restorer)
///     8    ucontext: flags, link, stack (24), sigcontext (256), mask
///     312  siginfo (128)
///
/// and above it, 64-byte aligned, the XSAVE image.
public enum SignalFrame {
    /// MINSIGSTKSZ of the kernel's ABI.
    public static let minimumStack: UInt64 = 2048
    private static let size: UInt64 = 440
    private static let contextOffset: UInt64 = 8
    private static let infoOffset: UInt64 = 312
    private static let infoSize = 128
    private static let redZone: UInt64 = 128
    private static let stackOffset = 16
    private static let registersOffset = 40
    private static let maskOffset = 296
    /// UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS
    private static let contextFlags: UInt64 = 7
    /// UC_STRICT_RESTORE_SS
    private static let strictStackSegment: UInt64 = 4
    private static let segmentsOffset = 18 * 8
    private static let userCode: UInt64 = 0x33
    private static let userStack: UInt64 = 0x2b
    /// FIX_EFLAGS of arch/x86/kernel/signal.c: AC, RF, OF, DF, TF, SF, ZF, AF, PF, CF.
    private static let restoredFlags: UInt64 = 0x5_0dd5
    private static let magic1: UInt32 = 0x4650_5853
    private static let magic2: UInt32 = 0x4650_5845
    private static let softwareOffset = 464
    private static let headerOffset = 512
    private static let mxcsrOffset = 24

    /// Builds the frame for `signal` and points the CPU at its handler. EFAULT where the stack cannot take it.
    static func push(
        _ cpu: GuestCPU, _ thread: ThreadSignals, signal: Int32, info: inout siginfo_t, action: SignalAction,
        savedMask: UInt64, fault: GuestFault?
    ) throws(GuestErrno) {
        let registers = cpu.registers
        let interrupted = registers.pointee.rsp
        var top = interrupted &- redZone
        let stack = thread.alternateStack
        let nested = stack.contains(interrupted)
        if action.flags & SignalFlags.onStack != 0 && stack.size > 0 && !nested {
            top = stack.base &+ stack.size
        }
        let imageSize = cpu.extendedStateSize
        let image = (top &- UInt64(imageSize) &- 4) & ~63
        let frame = ((image &- size) & ~15) &- 8
        // A handler that overflows the alternate stack must not run on whatever lies below it.
        if (nested || top == stack.base &+ stack.size && stack.size > 0) && !stack.isInside(frame) && stack.size > 0
            && action.flags & SignalFlags.onStack != 0
        {
            throw .EFAULT
        }
        try pushExtendedState(cpu, image, imageSize)

        var failure: GuestErrno?
        withUnsafeTemporaryAllocation(byteCount: Int(size), alignment: 16) { buffer in
            guard let bytes = buffer.baseAddress else { return }
            bytes.initializeMemory(as: UInt8.self, repeating: 0, count: Int(size))
            bytes.storeBytes(of: action.restorer, as: UInt64.self)
            let context = bytes + Int(contextOffset)
            context.storeBytes(of: contextFlags, as: UInt64.self)
            context.storeBytes(of: stack.base, toByteOffset: stackOffset, as: UInt64.self)
            context.storeBytes(
                of: thread.reportedFlags(interrupted), toByteOffset: stackOffset + 8, as: UInt32.self)
            context.storeBytes(of: stack.size, toByteOffset: stackOffset + 16, as: UInt64.self)
            storeRegisters(context + registersOffset, cpu, fault, savedMask, image)
            context.storeBytes(of: savedMask, toByteOffset: maskOffset, as: UInt64.self)
            withUnsafeBytes(of: &info) {
                (bytes + Int(infoOffset)).copyMemory(from: $0.baseAddress.unsafelyUnwrapped, byteCount: infoSize)
            }
            do throws(GuestErrno) {
                try GuestAccess.copyOut(bytes, to: GuestAddress(frame), count: Int(size))
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }

        if stack.flags & AlternateStack.autoDisarm != 0 { thread.alternateStack = AlternateStack() }
        registers.pointee.rdi = UInt64(signal)
        registers.pointee.rsi = frame + infoOffset
        registers.pointee.rdx = frame + contextOffset
        registers.pointee.rax = 0
        registers.pointee.rip = action.handler
        registers.pointee.rsp = frame
        // DF, RF and TF are clear in a handler.
        registers.pointee.rflags &= ~0x1_0500
        cpu.contextReplaced()
    }

    private static func storeRegisters(
        _ area: UnsafeMutableRawPointer, _ cpu: GuestCPU, _ fault: GuestFault?, _ mask: UInt64, _ image: UInt64
    ) {
        let r = cpu.registers.pointee
        let words = area.assumingMemoryBound(to: UInt64.self)
        words[0] = r.r8
        words[1] = r.r9
        words[2] = r.r10
        words[3] = r.r11
        words[4] = r.r12
        words[5] = r.r13
        words[6] = r.r14
        words[7] = r.r15
        words[8] = r.rdi
        words[9] = r.rsi
        words[10] = r.rbp
        words[11] = r.rbx
        words[12] = r.rdx
        words[13] = r.rax
        words[14] = r.rcx
        words[15] = r.rsp
        words[16] = r.rip
        words[17] = r.rflags
        // cs, gs, fs, ss as 16-bit words
        words[18] = userCode | userStack << 48
        words[19] = fault?.errorCode ?? 0
        words[20] = fault?.trap ?? 0
        words[21] = mask
        words[22] = fault?.faultAddress ?? 0
        words[23] = image
    }

    private static func pushExtendedState(_ cpu: GuestCPU, _ image: UInt64, _ imageSize: Int) throws(GuestErrno) {
        var failed = false
        withUnsafeTemporaryAllocation(byteCount: GuestCPU.extendedStateCapacity + 64, alignment: 64) { buffer in
            guard let bytes = buffer.baseAddress else {
                failed = true
                return
            }
            do throws(MachineFailure) { try cpu.saveExtendedState(bytes) } catch {
                failed = true
                return
            }
            let software = bytes + softwareOffset
            software.initializeMemory(as: UInt8.self, repeating: 0, count: 48)
            software.storeBytes(of: magic1, as: UInt32.self)
            software.storeBytes(of: UInt32(imageSize) + 4, toByteOffset: 4, as: UInt32.self)
            software.storeBytes(of: cpu.stateComponents, toByteOffset: 8, as: UInt64.self)
            software.storeBytes(of: UInt32(imageSize), toByteOffset: 16, as: UInt32.self)
            let present = bytes.load(fromByteOffset: headerOffset, as: UInt64.self)
            bytes.storeBytes(of: present | 3, toByteOffset: headerOffset, as: UInt64.self)
            bytes.storeBytes(of: magic2, toByteOffset: imageSize, as: UInt32.self)
            do throws(GuestErrno) {
                try GuestAccess.copyOut(bytes, to: GuestAddress(image), count: imageSize + 4)
            } catch {
                failed = true
            }
        }
        if failed { throw .EFAULT }
    }

    /// What rt_sigreturn comes to.
    public enum Return {
        case restored
        /// A signal came first that the frame's mask blocks: nothing is changed, the call is to be made again.
        case signalFirst
        /// Everything is restored, but no processor returns to such segments.
        case fault(GuestFault)
    }

    /// rt_sigreturn(2): restores what the frame says. The CPU's stack pointer is that of the `syscall`. EFAULT where the
    /// frame is not readable or not a context.
    public static func pop(_ cpu: GuestCPU, _ thread: ThreadSignals) throws(GuestErrno) -> Return {
        let frame = cpu.registers.pointee.rsp &- 8
        var failure: GuestErrno?
        var outcome = Return.signalFirst
        withUnsafeTemporaryAllocation(byteCount: Int(infoOffset), alignment: 16) { buffer in
            guard let bytes = buffer.baseAddress else { return }
            do throws(GuestErrno) {
                try GuestAccess.copyIn(bytes, from: GuestAddress(frame), count: Int(infoOffset))
                let context = bytes + Int(contextOffset)
                // As the kernel: first the mask, which stays also where the rest fails.
                if thread.changeMask(context.load(fromByteOffset: maskOffset, as: UInt64.self)) {
                    try restore(cpu, thread, context)
                    outcome = segmentFault(context).map { .fault($0) } ?? .restored
                }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return outcome
    }

    /// The protection fault of the IRET to a CS or SS that is not the user's; the kernel itself mends a bad SS where the frame does
    /// not ask for strictness. 32-bit code segments are not supported.
    private static func segmentFault(_ context: UnsafeMutableRawPointer) -> GuestFault? {
        let selectors = context.load(fromByteOffset: registersOffset + segmentsOffset, as: UInt64.self)
        let isStrict = context.load(as: UInt64.self) & strictStackSegment != 0
        let code = selectors & 0xffff | 3
        let stack = selectors >> 48 | 3
        if code == userCode && (stack == userStack || !isStrict) { return nil }
        return GuestFault(
            signal: SIGSEGV, code: 0x80, address: 0, trap: 13, errorCode: (code == userCode ? stack : code) & 0xfffc)
    }

    private static func restore(
        _ cpu: GuestCPU, _ thread: ThreadSignals, _ context: UnsafeMutableRawPointer
    ) throws(GuestErrno) {
        let words = (context + registersOffset).assumingMemoryBound(to: UInt64.self)
        try popExtendedState(cpu, words[23])
        let registers = cpu.registers
        registers.pointee.r8 = words[0]
        registers.pointee.r9 = words[1]
        registers.pointee.r10 = words[2]
        registers.pointee.r11 = words[3]
        registers.pointee.r12 = words[4]
        registers.pointee.r13 = words[5]
        registers.pointee.r14 = words[6]
        registers.pointee.r15 = words[7]
        registers.pointee.rdi = words[8]
        registers.pointee.rsi = words[9]
        registers.pointee.rbp = words[10]
        registers.pointee.rbx = words[11]
        registers.pointee.rdx = words[12]
        registers.pointee.rax = words[13]
        registers.pointee.rcx = words[14]
        registers.pointee.rsp = words[15]
        registers.pointee.rip = words[16]
        registers.pointee.rflags = registers.pointee.rflags & ~restoredFlags | words[17] & restoredFlags
        cpu.contextReplaced()

        let stackBase = context.load(fromByteOffset: stackOffset, as: UInt64.self)
        let stackFlags = context.load(fromByteOffset: stackOffset + 8, as: UInt32.self)
        let stackSize = context.load(fromByteOffset: stackOffset + 16, as: UInt64.self)
        // As the kernel's restore_altstack: a refusal is ignored.
        try? thread.setAlternateStack(
            base: stackBase, flags: stackFlags, size: stackSize, stackPointer: registers.pointee.rsp, minimumSize: 0)
    }

    private static func popExtendedState(_ cpu: GuestCPU, _ image: UInt64) throws(GuestErrno) {
        var failed = false
        withUnsafeTemporaryAllocation(byteCount: GuestCPU.extendedStateCapacity + 64, alignment: 64) { buffer in
            guard let bytes = buffer.baseAddress else {
                failed = true
                return
            }
            bytes.initializeMemory(as: UInt8.self, repeating: 0, count: GuestCPU.extendedStateCapacity)
            do throws(GuestErrno) {
                if image == 0 {
                    initialState(bytes)
                } else {
                    try readState(cpu, bytes, image)
                }
                do throws(MachineFailure) { try cpu.loadExtendedState(bytes) } catch { throw .EFAULT }
            } catch {
                failed = true
            }
        }
        if failed { throw .EFAULT }
    }

    /// The state of a fresh program: control words only.
    private static func initialState(_ bytes: UnsafeMutableRawPointer) {
        bytes.storeBytes(of: 0x037f, as: UInt16.self)
        bytes.storeBytes(of: 0x1f80, toByteOffset: mxcsrOffset, as: UInt32.self)
        bytes.storeBytes(of: 3, toByteOffset: headerOffset, as: UInt64.self)
    }

    /// Reads the image: all of it where its markers are in order, otherwise the legacy part alone, as the kernel does.
    private static func readState(
        _ cpu: GuestCPU, _ bytes: UnsafeMutableRawPointer, _ image: UInt64
    ) throws(GuestErrno) {
        guard image & 63 == 0 else { throw .EFAULT }
        try GuestAccess.copyIn(bytes, from: GuestAddress(image), count: 512)
        let software = bytes + softwareOffset
        let size = software.load(fromByteOffset: 16, as: UInt32.self)
        let extended = software.load(fromByteOffset: 4, as: UInt32.self)
        let whole = software.load(as: UInt32.self) == magic1 && size >= 576 && size <= UInt32(cpu.extendedStateSize)
            && size <= extended
        var present: UInt64 = 3
        if whole, try GuestAccess.read(UInt32.self, at: GuestAddress(image) + Int(size)) == magic2 {
            try GuestAccess.copyIn(bytes + 512, from: GuestAddress(image) + 512, count: Int(size) - 512)
            // What XRSTOR refuses: components that do not exist, the compacted format, anything in the reserved part.
            let header = (bytes + headerOffset).assumingMemoryBound(to: UInt64.self)
            if header[0] & ~cpu.stateComponents != 0 || header[1] != 0 || header[2] != 0 { throw .EFAULT }
            // Components that the frame does not claim to hold are as in a fresh program.
            present = header[0] & software.load(fromByteOffset: 8, as: UInt64.self)
        }
        (bytes + headerOffset).initializeMemory(as: UInt8.self, repeating: 0, count: 64)
        bytes.storeBytes(of: present, toByteOffset: headerOffset, as: UInt64.self)
        // A reserved MXCSR bit faults on Linux too: FXRSTOR would.
        if bytes.load(fromByteOffset: mxcsrOffset, as: UInt32.self) & 0xffff_0000 != 0 { throw .EFAULT }
    }
}
#endif
