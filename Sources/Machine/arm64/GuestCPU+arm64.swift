#if arch(arm64)
import CShim
import Host
import KVM

/// One vCPU as a Linux user context. Only the host thread that runs it touches it.
///
/// Whenever `enter` comes back, the vCPU stands at its doorbell and the user's context is in its page: `registers`. KVM's own
/// registers are never touched after the start. A vCPU that was stopped anywhere else is first brought there, by an interrupt.
public final class GuestCPU {
    public let machine: GuestMachine
    let vcpu: VCPU
    let index: Int
    /// Shared with the shim, which reads it when it goes back to the user.
    public let registers: UnsafeMutablePointer<vmrun_shim_page>
    /// The one that is under way, and the one that there is once there has been one: programs that live off SIGSEGV need it all the time.
    var probe: FaultProbe?
    var ownProbe: FaultProbe?
    /// The top-level page table.
    var root: UInt64 { machine.tables.root }
    /// The context is in `registers`; otherwise in the vCPU, which has been stopped somewhere.
    private var isSpilled = true
    private var isInterruptRaised = false
    /// The host's mm has refused an access of the instruction at which the vCPU has been stopped.
    private var mustProbe = false
    /// `registers` has the vectors as they are.
    private var hasVectors = false
    /// The guest may use scalable vectors without a trap; see `useScalableVectors`.
    var usesScalableVectors = false
    /// A system call is to be made again.
    private var hasRewound = false

    /// Bytes of the FPSR, FPCR and the vectors, in the form of `vmrun_vectors`.
    public static let extendedStateCapacity = MemoryLayout<vmrun_vectors>.size
    public var extendedStateSize: Int { Self.extendedStateCapacity }

    /// A vCPU that has never run, all registers zero.
    public init(_ machine: GuestMachine) throws(MachineFailure) {
        self.machine = machine
        let number = try machine.takeCPUNumber()
        index = number
        vcpu = try machine.makeVCPU(number)
        let page = try machine.withTables { (tables, memory) throws(MachineFailure) in
            try SystemTables.installPerCPU(number, pages: machine.features.pagesPerCPU, memory, tables)
        }
        registers = machine.memory.pointer(page).assumingMemoryBound(to: vmrun_shim_page.self)
        registers.pointee.doorbell = ShimLayout.doorbell
        registers.pointee.control = machine.features.systemControl
        request(VMRUN_SHIM_LOAD_VECTORS)
        do throws(HostError) { try setUp() } catch { throw .kvm("setting up a vCPU", error.number) }
    }

    private func setUp() throws(HostError) {
        var target = machine.features.target
        try vcpu.control(VMRUN_KVM_ARM_VCPU_INIT, &target)
        if hasScalableVectors {
            var feature = KVM_ARM_VCPU_SVE
            try vcpu.control(VMRUN_KVM_ARM_VCPU_FINALIZE, &feature)
        }
        let physicalRange = min(try vcpu.register(VMRUN_REG_ID_AA64MMFR0_EL1) & 0xf, 5)
        try vcpu.setRegister(VMRUN_REG_MAIR_EL1, CPUFeatures.memoryAttributes)
        try vcpu.setRegister(VMRUN_REG_TCR_EL1, CPUFeatures.translationControl(physicalRange: physicalRange))
        try vcpu.setRegister(VMRUN_REG_TTBR0_EL1, machine.tables.root)
        try vcpu.setRegister(VMRUN_REG_TTBR1_EL1, machine.tables.upperRoot)
        try vcpu.setRegister(VMRUN_REG_CPACR_EL1, CPUFeatures.coprocessorAccess)
        try vcpu.setRegister(VMRUN_REG_CNTKCTL_EL1, CPUFeatures.counterAccess)
        try vcpu.setRegister(VMRUN_REG_VBAR_EL1, ShimLayout.vectors)
        try vcpu.setRegister(VMRUN_REG_SCTLR_EL1, machine.features.systemControl)
        try vcpu.setRegister(VMRUN_REG_SP_EL1, ShimLayout.perCPUPage(index))
        try vcpu.setRegister(VMRUN_REG_PC, ShimLayout.vectors + vmrun_shim_start_offset())
        try vcpu.setRegister(VMRUN_REG_PSTATE, ShimLayout.startState)
    }

    // MARK: Context

    /// To be called after changing anything in `registers`: the shim reads them anyway.
    @inline(__always)
    public func markRegistersChanged() {}

    /// Sets the system call's result register.
    @inline(__always)
    public func setResult(_ value: Int) { registers.pointee.x.0 = UInt64(bitPattern: Int64(value)) }

    /// Makes `registers` the complete user context, which they always are.
    public func bringToUser() {}

    /// Replaces the whole context by a user context that was just put into `registers`.
    public func contextReplaced() {
        registers.pointee.pstate = ShimLayout.userState(registers.pointee.pstate)
    }

    /// The system call just seen is to be made again when the guest runs on: the context goes back to its `svc`.
    public func rewindSystemCall(number: UInt64) {
        registers.pointee.pc &-= 4
        hasRewound = true
    }

    /// The program is about to return from a signal handler. Unwinders follow a handler's return address into the two instructions
    /// there, but most cannot begin at one of them, where Linux's have unwinding information. So nothing is delivered there:
    /// the system call is made first.
    private func skipToSigreturn() -> Bool {
        let pc = registers.pointee.pc
        guard pc == ShimLayout.sigreturn || pc == ShimLayout.sigreturn + 4 && !hasRewound else { return false }
        let number = UInt64(SYS_rt_sigreturn)
        guard pc == ShimLayout.sigreturn || systemCallNumber == number else { return false }
        registers.pointee.x.8 = number
        registers.pointee.pc = ShimLayout.sigreturn + 8
        return true
    }

    /// FPSR, FPCR and the vectors' lower 128 bits; `buffer` holds `extendedStateCapacity` bytes.
    public func saveExtendedState(_ buffer: UnsafeMutableRawPointer) throws(MachineFailure) {
        if !hasVectors && !isRequested(VMRUN_SHIM_LOAD_VECTORS) {
            if usesScalableVectors { request(VMRUN_SHIM_SAVE_SCALABLE) }
            try ask(VMRUN_SHIM_SAVE_VECTORS)
            hasVectors = true
        }
        withUnsafeBytes(of: &registers.pointee.vectors) {
            buffer.copyMemory(from: $0.baseAddress.unsafelyUnwrapped, byteCount: Self.extendedStateCapacity)
        }
    }

    /// Takes over what `saveExtendedState` has given and, where it is there, what `copyScalableState` has.
    public func loadExtendedState(_ buffer: UnsafeMutableRawPointer, scalable: UnsafeMutableRawPointer? = nil) {
        withUnsafeMutableBytes(of: &registers.pointee.vectors) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: buffer, count: Self.extendedStateCapacity))
        }
        request(VMRUN_SHIM_LOAD_VECTORS)
        if let scalable { loadScalableState(scalable) } else { dropScalableVectors() }
    }

    // MARK: The shim

    func isRequested(_ bit: Int32) -> Bool { registers.pointee.requests & (1 << UInt64(bit)) != 0 }

    /// What the shim is to do when it next runs.
    func request(_ bit: Int32) { registers.pointee.requests |= 1 << UInt64(bit) }

    /// Has the shim do something, and come back at once.
    private func ask(_ bit: Int32) throws(MachineFailure) {
        request(bit)
        request(VMRUN_SHIM_ANSWER)
        while true {
            // A signal meanwhile has set the attention word, which is looked at before the guest itself goes on.
            vcpu.run.pointee.immediate_exit = 0
            switch vcpu.enter() {
            case .mmio(let address) where address == ShimLayout.doorbellPhysical: return
            case .interrupted: continue
            default: throw .stopped("the shim does not answer, exit", UInt64(vcpu.run.pointee.exit_reason), instruction: 0)
            }
        }
    }

    /// Points the processor at other page tables, as from its next instruction.
    func useTables(_ root: UInt64) {
        registers.pointee.tables = root
        request(VMRUN_SHIM_SWITCH_TABLES)
        request(VMRUN_SHIM_FLUSH)
    }

    /// What a page table entry that came or changed owes this processor before its next instruction.
    func forgetTranslations() { request(VMRUN_SHIM_FLUSH) }

    /// What it owes all of them.
    func flushTables() throws(MachineFailure) { try ask(VMRUN_SHIM_FLUSH) }

    // MARK: Running

    /// Runs the guest until something needs the host. `attention` is the thread's word: nonzero means that a signal handler
    /// wants the guest left; it sets kvm_run.immediate_exit too, so no window is open between the check and the entry.
    public func enter(_ attention: UnsafePointer<UInt32>) -> GuestEvent {
        while true {
            // Cleared before the check: a handler that runs in between sets both again.
            vcpu.run.pointee.immediate_exit = 0
            if isSpilled {
                if attention.pointee != 0 { return skipToSigreturn() ? .systemCall : .attention }
            } else if let failure = setInterrupt(true) {
                return failure
            }
            isSpilled = false
            hasVectors = false
            hasRewound = false
            switch vcpu.enter() {
            case .mmio(let address) where address == ShimLayout.doorbellPhysical:
                isSpilled = true
                if let event = arrived() { return event }
            case .interrupted:
                break
            case .memoryFault:
                mustProbe = true
            case .mmio(let address):
                return stopped("access without memory, guest-physical", address)
            case .failEntry(let reason):
                return stopped("entry failed, reason", reason)
            case .internalError(let suberror):
                return stopped("internal error", UInt64(suberror))
            case .failed(let number):
                return .failure(.kvm("KVM_RUN", number))
            case .io, .halt, .debug, .shutdown, .other:
                return stopped("exit", UInt64(vcpu.run.pointee.exit_reason))
            }
        }
    }

    private func stopped(_ what: StaticString, _ detail: UInt64) -> GuestEvent {
        let instruction = (try? vcpu.register(VMRUN_REG_PC)) ?? 0
        return .failure(.stopped(what, detail, instruction: isSpilled ? registers.pointee.pc : instruction))
    }

    /// The interrupt takes a vCPU out of the user's program, to its doorbell. One that stands in the shim goes on to it first.
    private func setInterrupt(_ raised: Bool) -> GuestEvent? {
        if raised == isInterruptRaised { return nil }
        do throws(HostError) { try machine.vm.setInterrupt(cpu: UInt32(index), raised: raised) } catch {
            return .failure(.kvm("KVM_IRQ_LINE", error.number))
        }
        isInterruptRaised = raised
        return nil
    }

    /// The vCPU stands at its doorbell. Nil where the guest goes on.
    @inline(__always)
    private func arrived() -> GuestEvent? {
        if isInterruptRaised, let failure = setInterrupt(false) { return failure }
        switch registers.pointee.vector {
        case ExceptionVector.synchronous:
            mustProbe = false
            if registers.pointee.esr >> 26 == ExceptionClass.systemCall {
                if probe != nil { endProbe() }
                if usesScalableVectors { request(VMRUN_SHIM_CLEAR_SCALABLE) }
                return .systemCall
            }
            return exception(registers.pointee.esr)
        case ExceptionVector.interrupt:
            if mustProbe {
                mustProbe = false
                return beginProbe(registers.pointee.pc)
            }
            if probe != nil { endProbe() }
            return nil
        case let vector:
            return stopped("exception in the shim, vector", vector)
        }
    }

    /// A synchronous exception other than a system call.
    private func exception(_ esr: UInt64) -> GuestEvent? {
        let kind = esr >> 26
        let status = esr & AbortSyndrome.statusMask
        if (kind == ExceptionClass.dataAbort || kind == ExceptionClass.instructionAbort) && AbortSyndrome.isTableFault(status) {
            let isData = kind == ExceptionClass.dataAbort
            return pageFault(
                PageFault(
                    address: Self.untagged(registers.pointee.far),
                    write: isData && esr & AbortSyndrome.write != 0 && esr & AbortSyndrome.cacheMaintenance == 0,
                    fetch: !isData, code: esr))
        }
        if probe != nil { endProbe() }
        if kind == ExceptionClass.scalableVectors && hasScalableVectors {
            useScalableVectors()
            return nil
        }
        if kind == ExceptionClass.wait || emulatesIdentification(kind) {
            registers.pointee.pc &+= 4
            return nil
        }
        return .fault(decode(kind, esr))
    }

    /// The top byte of a user pointer is the program's own.
    private static func untagged(_ address: UInt64) -> UInt64 {
        UInt64(bitPattern: Int64(bitPattern: address << 8) >> 8)
    }

    /// What Linux reports of a page fault that the guest may not have mended, with the syndrome of a kernel with real page tables.
    func faultReport(_ fault: PageFault, signal: Int32, code: Int32, mapped: Bool) -> GuestFault {
        let status = mapped ? AbortSyndrome.permissionLevel3 : AbortSyndrome.translationLevel3
        let syndrome = fault.code & ~AbortSyndrome.statusMask | status
        return GuestFault(
            signal: signal, code: code, address: fault.address, trap: fault.code >> 26, errorCode: syndrome,
            faultAddress: fault.address)
    }

    private func decode(_ kind: UInt64, _ esr: UInt64) -> GuestFault {
        let pc = registers.pointee.pc
        func fault(_ signal: Int32, _ code: Int32, _ address: UInt64) -> GuestFault {
            GuestFault(signal: signal, code: code, address: address, trap: kind, errorCode: esr, faultAddress: address)
        }
        switch kind {
        case ExceptionClass.breakpoint: return fault(SIGTRAP, 1, pc)  // TRAP_BRKPT
        case ExceptionClass.instructionAlignment: return fault(SIGBUS, 1, pc)  // BUS_ADRALN
        case ExceptionClass.stackAlignment: return fault(SIGBUS, 1, registers.pointee.sp)
        case ExceptionClass.pointerAuthentication: return fault(SIGILL, 2, pc)  // ILL_ILLOPN
        case ExceptionClass.floatingPoint: return fault(SIGFPE, Self.floatingPointCode(esr), pc)
        case ExceptionClass.dataAbort, ExceptionClass.instructionAbort:
            let address = Self.untagged(registers.pointee.far)
            // BUS_ADRALN, else BUS_OBJERR for an abort of the memory system.
            return fault(SIGBUS, esr & AbortSyndrome.statusMask == AbortSyndrome.alignment ? 1 : 3, address)
        default: return fault(SIGILL, 1, pc)  // ILL_ILLOPC
        }
    }

    /// si_code of SIGFPE, in the order of arch/arm64/kernel/fpsimd.c.
    private static func floatingPointCode(_ esr: UInt64) -> Int32 {
        let valid: UInt64 = 1 << 23
        if esr & valid == 0 { return 14 }  // FPE_FLTUNK
        if esr & 0x01 != 0 { return 7 }  // FPE_FLTINV
        if esr & 0x02 != 0 { return 3 }  // FPE_FLTDIV
        if esr & 0x04 != 0 { return 4 }  // FPE_FLTOVF
        if esr & 0x08 != 0 { return 5 }  // FPE_FLTUND
        if esr & 0x10 != 0 { return 6 }  // FPE_FLTRES
        return 14
    }

    /// Reading an identification register, which the kernel does for programs (HWCAP_CPUID). True where that is what the
    /// instruction is; its result is set.
    private func emulatesIdentification(_ kind: UInt64) -> Bool {
        guard kind == ExceptionClass.unknown || kind == ExceptionClass.systemRegister else { return false }
        var instruction: UInt32 = 0
        let pc = registers.pointee.pc
        guard machine.isGuestMemory(pc, 4), let source = UnsafeRawPointer(bitPattern: UInt(pc)) else { return false }
        // SAFETY: inside the arena; the routine survives faults.
        guard vmrun_copy(&instruction, source, 4) == 0, instruction & 0xffff_f000 == 0xd538_0000 else { return false }
        var value: UInt64 = 0
        guard vmrun_identification_register(instruction >> 8 & 0xf, instruction >> 5 & 7, &value) != 0 else { return false }
        value &= machine.features.shownFeatures(crm: instruction >> 8 & 0xf, op2: instruction >> 5 & 7)
        let target = Int(instruction & 31)
        if target < 31 {
            withUnsafeMutableBytes(of: &registers.pointee.x) {
                $0.storeBytes(of: value, toByteOffset: target * 8, as: UInt64.self)
            }
        }
        return true
    }
}
#endif
