#if arch(x86_64)
import CShim
import LinuxABI

/// The user context by the names that all architectures share. Right where `registers` is; see `GuestCPU`.
extension GuestCPU {
    public var instructionPointer: UInt64 { registers.pointee.rip }
    public var stackPointer: UInt64 { registers.pointee.rsp }
    /// Of the guest's system calls: AUDIT_ARCH_X86_64.
    public static var auditArchitecture: UInt32 { 0xc000_003e }
    /// The registers as they were before the system call of that number, which is not made; but the guest goes on behind it.
    public func rollBackSystemCall(number: UInt64) {
        bringToUser()
        setResult(Int(bitPattern: UInt(number)))
    }

    /// The number of the system call that the guest asks for.
    @inline(__always)
    public var systemCallNumber: UInt64 { registers.pointee.rax }

    /// Its arguments.
    @inline(__always)
    public var systemCallArguments: SyscallArguments {
        SyscallArguments(
            registers.pointee.rdi, registers.pointee.rsi, registers.pointee.rdx, registers.pointee.r10,
            registers.pointee.r8, registers.pointee.r9)
    }

    /// Whether a vCPU that ran one program can begin another one, with nothing left of the first.
    public static var beginsAnew: Bool { true }

    /// Makes the context that of a program that begins.
    public func startProgram(at entry: UInt64, stackPointer: UInt64) {
        registers.pointee.rip = entry
        registers.pointee.rsp = stackPointer
        contextReplaced()
    }
}

/// A whole user context, as a child begins with it.
public struct UserContext {
    private var registers: kvm_regs
    private var fsBase: UInt64
    private var gsBase: UInt64
    private let extendedState: UnsafeMutableRawPointer

    /// That of the calling system call, behind it.
    public init(_ cpu: GuestCPU) throws(MachineFailure) {
        cpu.bringToUser()
        let state = UnsafeMutableRawPointer.allocate(byteCount: GuestCPU.extendedStateCapacity, alignment: 64)
        do throws(MachineFailure) { try cpu.saveExtendedState(state) } catch {
            state.deallocate()
            throw error
        }
        registers = cpu.registers.pointee
        fsBase = cpu.fsBase
        gsBase = cpu.gsBase
        extendedState = state
    }

    /// That of a program that begins: all registers zero, floating point as the processor's reset leaves it.
    public init(entry: UInt64, stackPointer: UInt64) {
        registers = kvm_regs()
        registers.rip = entry
        registers.rsp = stackPointer
        (fsBase, gsBase) = (0, 0)
        extendedState = .allocate(byteCount: GuestCPU.extendedStateCapacity, alignment: 64)
        extendedState.initializeMemory(as: UInt8.self, repeating: 0, count: GuestCPU.extendedStateCapacity)
        // FCW and MXCSR; and that both parts are there (XSTATE_BV), without which KVM leaves MXCSR alone.
        extendedState.storeBytes(of: 0x37f, as: UInt16.self)
        extendedState.storeBytes(of: 0x1f80, toByteOffset: 24, as: UInt32.self)
        extendedState.storeBytes(of: 3, toByteOffset: 512, as: UInt64.self)
    }

    public func free() { extendedState.deallocate() }

    public mutating func setResult(_ value: UInt64) { registers.rax = value }
    public mutating func setStackPointer(_ address: UInt64) { registers.rsp = address }
    public mutating func setThreadPointer(_ address: UInt64) { fsBase = address }

    public func load(into cpu: GuestCPU) throws(MachineFailure) {
        cpu.registers.pointee = registers
        cpu.clearDataSegments()
        cpu.contextReplaced()
        cpu.fsBase = fsBase
        cpu.gsBase = gsBase
        try cpu.loadExtendedState(extendedState)
    }
}

extension GuestFault {
    /// Whether the context stands at the instruction, which will fault again when it runs again. Behind it for the traps: #DB,
    /// #BP, #OF.
    public var isRestartable: Bool { trap != 1 && trap != 3 && trap != 4 }

    /// What a sigreturn to an impossible frame comes to.
    public static func badFrame(_ cpu: GuestCPU) -> GuestFault {
        GuestFault(signal: SIGSEGV, code: SI_KERNEL_CODE, address: 0, trap: 0)
    }
}
#endif
