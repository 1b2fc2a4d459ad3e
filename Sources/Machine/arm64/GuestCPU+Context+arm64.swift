#if arch(arm64)
import CShim
import LinuxABI

/// The user context by the names that all architectures share.
extension GuestCPU {
    public var instructionPointer: UInt64 { registers.pointee.pc }
    public var stackPointer: UInt64 { registers.pointee.sp }
    /// Of the guest's system calls: AUDIT_ARCH_AARCH64.
    public static var auditArchitecture: UInt32 { 0xc000_00b7 }
    /// Where the guest goes on after the system call being served.
    public var systemCallReturnAddress: UInt64 { registers.pointee.pc }
    /// The registers as they were before the system call, which is not made; but the guest goes on behind it.
    public func rollBackSystemCall(number _: UInt64) { bringToUser() }

    /// The number of the system call that the guest asks for.
    @inline(__always)
    public var systemCallNumber: UInt64 { registers.pointee.x.8 }

    /// Its arguments.
    @inline(__always)
    public var systemCallArguments: SyscallArguments {
        let x = registers.pointee.x
        return SyscallArguments(x.0, x.1, x.2, x.3, x.4, x.5)
    }

    /// Where signal handlers return to.
    public static var sigreturnAddress: UInt64 { ShimLayout.sigreturn }

    /// Whether a vCPU that ran one program can begin another one, with nothing left of the first. Keys, vector lengths and what processors
    /// remember of the tables would have to be reset.
    public static var beginsAnew: Bool { false }

    /// Makes the context that of a program that begins.
    public func startProgram(at entry: UInt64, stackPointer: UInt64) {
        registers.pointee.pc = entry
        registers.pointee.sp = stackPointer
        contextReplaced()
        resetPointerKeys(0)
    }
}

/// A whole user context, as a child begins with it.
public struct UserContext {
    private var page: vmrun_shim_page

    /// That of the calling system call, behind it.
    public init(_ cpu: GuestCPU) throws(MachineFailure) {
        var state = vmrun_vectors()
        try cpu.saveExtendedState(&state)
        page = cpu.registers.pointee
        page.vectors = state
    }

    /// That of a program that begins: all registers zero.
    public init(entry: UInt64, stackPointer: UInt64) {
        page = vmrun_shim_page()
        page.pc = entry
        page.sp = stackPointer
    }

    public func free() {}

    public mutating func setResult(_ value: UInt64) { page.x.0 = value }
    public mutating func setStackPointer(_ address: UInt64) { page.sp = address }
    public mutating func setThreadPointer(_ address: UInt64) { page.tpidr = address }

    public func load(into cpu: GuestCPU) throws(MachineFailure) {
        cpu.registers.pointee.x = page.x
        cpu.registers.pointee.sp = page.sp
        cpu.registers.pointee.pc = page.pc
        cpu.registers.pointee.pstate = page.pstate
        cpu.registers.pointee.tpidr = page.tpidr
        cpu.takePointerKeys(of: page)
        var state = page.vectors
        cpu.loadExtendedState(&state)
        cpu.contextReplaced()
    }
}

extension GuestFault {
    /// Whether the context stands at the instruction, which will fault again when it runs again.
    public var isRestartable: Bool { true }

    /// What a sigreturn to an impossible frame comes to.
    public static func badFrame(_ cpu: GuestCPU) -> GuestFault {
        // SEGV_ACCERR: the kernel finds a mapping at or above the stack pointer.
        GuestFault(signal: SIGSEGV, code: 2, address: cpu.stackPointer, trap: 0)
    }
}
#endif
