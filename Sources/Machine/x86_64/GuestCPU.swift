#if arch(x86_64)
import CShim
import Host
import KVM

/// One vCPU as a Linux user context. Only the host thread that runs it touches it.
///
/// Between two stays in the guest the context stands at one of three positions. Register access through `registers` is right
/// at any of them for the general registers other than rip, rcx, r11 and rflags; `bringToUser` makes those right too.
public final class GuestCPU {
    enum Position {
        /// A plain user context.
        case user
        /// Behind the OUT of the system call entry: rip is in the stub, the user's rip and rflags are in rcx and r11.
        case systemCall
    }

    public let machine: GuestMachine
    let vcpu: VCPU
    let index: Int
    private let exceptionStack: UnsafeMutableRawPointer
    /// The top-level page table, its own: in the branch of the shim it has a page that the others' do not.
    let root: UInt64
    /// Its page for the code behind `syscall`, and what that code does with each number.
    let fast: UnsafeMutablePointer<vmrun_fast_page>
    let fastKinds: UnsafePointer<UInt8>
    /// The machine's page of `CallStub`s.
    private let stubs: UnsafeMutableRawPointer
    /// How many calls lie between two of which the host looks where they come from.
    var sampleInterval: UInt32
    /// Whether the calls of this vCPU's thread are this host thread's or the poller's to make, where there is a poller.
    var turn: CallTurn?
    private(set) var position = Position.user
    /// The segment registers must be set to ring 3 before the next entry.
    private var forceUser = false
    /// An exception is on its way to its stub: the context can neither be shown nor replaced before the stub has reported it.
    private var exceptionInFlight = false
    /// The one that is under way, and the one that there is once there has been one: programs that live off SIGSEGV need it all the time.
    var probe: FaultProbe?
    var ownProbe: FaultProbe?
    /// The system call being served came through the vsyscall page: where the guest stood, rip and rsp.
    private(set) var legacyEntry: (UInt64, UInt64)?
    /// Bytes of the XSAVE image.
    public static let extendedStateCapacity = 4096

    /// Shared with KVM: valid after every exit, taken over at the next entry when marked dirty.
    public let registers: UnsafeMutablePointer<kvm_regs>
    let segments: UnsafeMutablePointer<kvm_sregs>

    /// A vCPU that has never run, all registers zero, in ring 3.
    public init(_ machine: GuestMachine) throws(MachineFailure) {
        self.machine = machine
        let number = try machine.takeCPUNumber()
        index = number
        vcpu = try machine.makeVCPU(number)
        let pages = try machine.withTables { (tables, memory) throws(MachineFailure) in
            try SystemTables.installPerCPU(number, memory, tables)
        }
        exceptionStack = machine.memory.pointer(pages.stack)
        root = pages.root
        fast = machine.memory.pointer(pages.fast).assumingMemoryBound(to: vmrun_fast_page.self)
        stubs = machine.stubs
        sampleInterval = machine.looksForSites ? Self.firstSampleInterval : .max
        fast.pointee.budget = sampleInterval
        fastKinds = UnsafePointer(machine.memory.pointer(pages.kinds).assumingMemoryBound(to: UInt8.self))
        // SAFETY: kvm_run stays mapped as long as the VCPU object, which this object owns.
        let sync = vmrun_sync_regs(vcpu.run).unsafelyUnwrapped
        registers = UnsafeMutableRawPointer(sync).advanced(by: MemoryLayout<kvm_sync_regs>.offset(of: \.regs) ?? 0)
            .assumingMemoryBound(to: kvm_regs.self)
        segments = UnsafeMutableRawPointer(sync).advanced(by: MemoryLayout<kvm_sync_regs>.offset(of: \.sregs) ?? 0)
            .assumingMemoryBound(to: kvm_sregs.self)
        do throws(HostError) { try setUp() } catch { throw .kvm("setting up a vCPU", error.number) }
    }

    private func setUp() throws(HostError) {
        try vcpu.control(VMRUN_KVM_SET_CPUID2, UnsafeMutableRawPointer(machine.features.cpuid))

        var system = kvm_sregs()
        try vcpu.control(VMRUN_KVM_GET_SREGS, &system)
        system.cr3 = root
        system.cr0 = 0x8005_0033
        system.efer = 0xd01
        system.gdt.base = ShimLayout.gdt
        system.gdt.limit = 0x7f
        system.idt.base = ShimLayout.idt
        system.idt.limit = 0xfff
        Self.setUserSegments(&system)
        let data = system.ss
        (system.ds, system.es, system.fs, system.gs) = (Self.null(data), Self.null(data), Self.null(data), Self.null(data))
        system.tr = kvm_segment()
        system.tr.base = ShimLayout.perCPUPage(index)
        system.tr.limit = ShimLayout.tssLimit
        system.tr.selector = ShimLayout.Selector.task
        system.tr.type = 11
        system.tr.present = 1
        system.ldt = kvm_segment()
        system.ldt.unusable = 1
        system.cr4 = machine.features.wantedCR4
        do throws(HostError) { try vcpu.control(VMRUN_KVM_SET_SREGS, &system) } catch {
            guard error.number == EINVAL else { throw error }
            system.cr4 = machine.features.guaranteedCR4
            try vcpu.control(VMRUN_KVM_SET_SREGS, &system)
        }

        if system.cr4 & (1 << 18) != 0 {
            var states = vmrun_xcr0(machine.features.xcr0)
            try vcpu.control(VMRUN_KVM_SET_XCRS, &states)
        }

        var models = vmrun_msrs()
        models.nmsrs = 3
        models.entries.0.index = 0xc000_0081  // STAR
        models.entries.0.data = UInt64(ShimLayout.Selector.userData - 8) << 48 | UInt64(ShimLayout.Selector.kernelCode) << 32
        models.entries.1.index = 0xc000_0082  // LSTAR
        models.entries.1.data = ShimLayout.systemCallEntry
        models.entries.2.index = 0xc000_0084  // FMASK, as Linux sets it
        models.entries.2.data = 0x4_7700
        try vcpu.control(VMRUN_KVM_SET_MSRS, &models)

        try shareClock()

        segments.pointee = system
        registers.pointee = kvm_regs()
        registers.pointee.rflags = 0x202
        vcpu.run.pointee.kvm_valid_regs = UInt64(KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS)
        markRegistersChanged()
    }

    /// The host's vDSO reads the host's clock page, so the guest's TSC must be the host's.
    private func shareClock() throws(HostError) {
        var offset: UInt64 = 0
        let result = withUnsafeMutablePointer(to: &offset) { pointer in
            var attribute = kvm_device_attr(flags: 0, group: 0, attr: 0, addr: UInt64(UInt(bitPattern: pointer)))
            return withUnsafeMutablePointer(to: &attribute) {
                Host.raw(Int32(SYS_ioctl), Int(vcpu.descriptor), Int(VMRUN_KVM_SET_DEVICE_ATTR), $0.argument)
            }
        }
        guard result < 0 else { return }
        // Before Linux 5.16 there is only the register itself. The guest's clock is then late by the time of this call, and no
        // two vCPUs of a machine differ: KVM takes close values for the same.
        var models = vmrun_msrs()
        models.nmsrs = 1
        models.entries.0.index = 0x10  // IA32_TSC
        models.entries.0.data = vmrun_tsc()
        try vcpu.control(VMRUN_KVM_SET_MSRS, &models)
    }

    private static func setUserSegments(_ system: inout kvm_sregs) {
        var segment = kvm_segment()
        segment.limit = 0xffff_ffff
        segment.selector = ShimLayout.Selector.userCode
        segment.type = 11
        segment.present = 1
        segment.dpl = 3
        segment.s = 1
        segment.l = 1
        segment.g = 1
        system.cs = segment
        segment.selector = ShimLayout.Selector.userData
        segment.type = 3
        segment.l = 0
        segment.db = 1
        system.ss = segment
    }

    /// A data segment register that holds the null selector, as Linux leaves DS, ES, FS and GS: flat in 64-bit mode.
    private static func null(_ data: kvm_segment) -> kvm_segment {
        var segment = data
        segment.selector = 0
        return segment
    }

    /// DS, ES, FS and GS as Linux gives them to a program.
    func clearDataSegments() {
        let null = Self.null(segments.pointee.ss)
        (segments.pointee.ds, segments.pointee.es, segments.pointee.fs, segments.pointee.gs) = (null, null, null, null)
        markSegmentsChanged()
    }

    // MARK: Context

    /// To be called after changing anything in `registers`.
    @inline(__always)
    public func markRegistersChanged() {
        vcpu.run.pointee.kvm_dirty_regs |= UInt64(KVM_SYNC_X86_REGS)
    }

    private func markSegmentsChanged() {
        vcpu.run.pointee.kvm_dirty_regs |= UInt64(KVM_SYNC_X86_SREGS)
    }

    /// Sets the system call's result register.
    @inline(__always)
    public func setResult(_ value: Int) {
        registers.pointee.rax = UInt64(bitPattern: Int64(value))
        markRegistersChanged()
    }

    /// Where the guest goes on after the system call being served.
    public var systemCallReturnAddress: UInt64 { position == .systemCall ? registers.pointee.rcx : registers.pointee.rip }

    /// Makes `registers` the complete user context: after a system call exit rip is behind the `syscall` instruction.
    public func bringToUser() {
        if position == .systemCall {
            registers.pointee.rip = registers.pointee.rcx
            registers.pointee.rflags = ShimLayout.userFlags(registers.pointee.r11)
            position = .user
            forceUser = true
            markRegistersChanged()
        }
    }

    /// Replaces the whole context by a user context that was just put into `registers`.
    public func contextReplaced() {
        position = .user
        forceUser = true
        registers.pointee.rflags = ShimLayout.userFlags(registers.pointee.rflags)
        markRegistersChanged()
    }

    /// The system call just seen is to be made again when the guest runs on: the context goes back to its `syscall`.
    public func rewindSystemCall(number: UInt64) {
        bringToUser()
        if let entry = legacyEntry {
            (registers.pointee.rip, registers.pointee.rsp) = entry
        } else {
            registers.pointee.rip &-= 2
        }
        registers.pointee.rax = number
        markRegistersChanged()
    }

    public var fsBase: UInt64 {
        get { segments.pointee.fs.base }
        set {
            segments.pointee.fs.base = newValue
            markSegmentsChanged()
        }
    }

    public var gsBase: UInt64 {
        get { segments.pointee.gs.base }
        set {
            segments.pointee.gs.base = newValue
            markSegmentsChanged()
        }
    }

    /// The x87, SSE, AVX and AVX-512 state in XSAVE's standard format; `buffer` holds `extendedStateCapacity` bytes.
    public func saveExtendedState(_ buffer: UnsafeMutableRawPointer) throws(MachineFailure) {
        do throws(HostError) { try vcpu.control(VMRUN_KVM_GET_XSAVE, buffer) } catch {
            throw .kvm("KVM_GET_XSAVE", error.number)
        }
    }

    public func loadExtendedState(_ buffer: UnsafeMutableRawPointer) throws(MachineFailure) {
        do throws(HostError) { try vcpu.control(VMRUN_KVM_SET_XSAVE, buffer) } catch {
            throw .kvm("KVM_SET_XSAVE", error.number)
        }
    }

    /// XSAVE state components that exist in the guest (XCR0).
    public var stateComponents: UInt64 { machine.features.xcr0 }
    /// Bytes of a standard-format XSAVE image of them.
    public var extendedStateSize: Int { machine.features.extendedStateSize }

    // MARK: Running

    /// Prepares the registers for entry from the position they are at. False where no processor could be there: some refuse to
    /// enter such a guest, others raise the fault that a kernel's return to it would.
    @inline(__always)
    private func prepareEntry() -> Bool {
        if position == .systemCall {
            if segments.pointee.cs.selector & 3 == 0 {
                if registers.pointee.r11 & ShimLayout.trapFlag != 0 {
                    // SYSRET would trap before the next instruction; IRET, by which Linux returns here, behind it.
                    bringToUser()
                } else {
                    // Ring 0: the stub's SYSRET returns to the user.
                    markRegistersChanged()
                }
            } else {
                registers.pointee.rip = registers.pointee.rcx
                registers.pointee.rflags = ShimLayout.userFlags(registers.pointee.r11)
                markRegistersChanged()
            }
            position = .user
        }
        if forceUser {
            Self.setUserSegments(&segments.pointee)
            markSegmentsChanged()
            forceUser = false
        }
        return ShimLayout.isCanonical(registers.pointee.rip)
    }

    /// Runs the guest until something needs the host. `attention` is the thread's word: nonzero means that a signal handler
    /// wants the guest left; it sets kvm_run.immediate_exit too, so no window is open between the check and the entry.
    public func enter(_ attention: UnsafePointer<UInt32>) -> GuestEvent {
        while true {
            // Cleared before the check: a handler that runs in between sets both again.
            vcpu.run.pointee.immediate_exit = 0
            if attention.pointee != 0 && !exceptionInFlight { return .attention }
            exceptionInFlight = false
            legacyEntry = nil
            if !prepareEntry() { return .fault(protectionFault()) }
            turn?.giveUp()
            let exit = vcpu.enter()
            turn?.take(attention)
            switch exit {
            case .io(let port):
                if let event = portExit(port) { return event }
            case .interrupted:
                interrupted()
            case .memoryFault:
                restoreFlags()
                if let event = beginProbe(registers.pointee.rip) { return event }
            case .mmio(let address):
                return stopped("access without memory, guest-physical", address)
            case .halt:
                return stopped("halted", 0)
            case .debug:
                return .fault(GuestFault(signal: SIGTRAP, code: 1, address: registers.pointee.rip, trap: 1))
            case .shutdown:
                return stopped("triple fault", 0)
            case .failEntry(let reason):
                return stopped("entry failed, reason", reason)
            case .internalError(let suberror):
                return stopped("internal error", UInt64(suberror))
            case .failed(let number):
                return .failure(.kvm("KVM_RUN", number))
            case .other(let reason):
                return stopped("exit", UInt64(reason))
            }
        }
    }

    private func stopped(_ what: StaticString, _ detail: UInt64) -> GuestEvent {
        .failure(.stopped(what, detail, instruction: registers.pointee.rip))
    }

    /// An OUT. Those of the system call entry and of the exception stubs are ours; all others are the guest's own and fault
    /// as they do on Linux.
    @inline(__always)
    private func portExit(_ port: UInt16) -> GuestEvent? {
        let rip = registers.pointee.rip
        if port == ShimLayout.port {
            if rip == FastCode.behindLeave {
                position = .systemCall
                if probe != nil { endProbe() }
                return .systemCall
            }
            if rip == FastCode.behindAwait {
                position = .systemCall
                guard fast.pointee.state == UInt32(VMRUN_FAST_DONE) else { return .systemCall }
                registers.pointee.rax = fast.pointee.rax
                markRegistersChanged()
                return nil
            }
            let offset = rip &- ShimLayout.exceptionStubs &- ShimLayout.afterOut
            if offset < 256 * ShimLayout.stubSize && offset % ShimLayout.stubSize == 0 {
                return exception(offset / ShimLayout.stubSize)
            }
        }
        return foreignPortAccess()
    }

    /// The guest's own IN or OUT at vmrun's port, the only one that its I/O bitmap lets through: a protection fault, as every
    /// port is on Linux. KVM has begun the access and must be let finish it before the context is put back.
    private func foreignPortAccess() -> GuestEvent {
        let accumulator = registers.pointee.rax
        vcpu.run.pointee.immediate_exit = 1
        _ = vcpu.enter()
        vcpu.run.pointee.immediate_exit = 0
        registers.pointee.rip &-= portInstructionLength(endingAt: registers.pointee.rip)
        registers.pointee.rax = accumulator
        markRegistersChanged()
        return .fault(protectionFault())
    }

    private func protectionFault() -> GuestFault {
        GuestFault(signal: SIGSEGV, code: SI_KERNEL_CODE, address: 0, trap: ExceptionVector.generalProtection)
    }

    /// Only byte-wide accesses fit the bitmap's one open port: IN and OUT with the port in the second byte, else in DX.
    private func portInstructionLength(endingAt rip: UInt64) -> UInt64 {
        var bytes: (UInt8, UInt8) = (0, 0)
        guard machine.isGuestMemory(rip &- 2, 2), let source = UnsafeRawPointer(bitPattern: UInt(rip &- 2)) else {
            return 1
        }
        // SAFETY: inside the arena; the routine survives faults.
        guard vmrun_copy(&bytes, source, 2) == 0 else { return 1 }
        return (bytes.0 == 0xe4 || bytes.0 == 0xe6) && bytes.1 == UInt8(ShimLayout.port) ? 2 : 1
    }

    /// KVM_RUN was left at an arbitrary instruction. Brings a context that stands in the shim to the user's.
    private func interrupted() {
        let rip = registers.pointee.rip
        if rip >= ShimLayout.exceptionStubs && rip < ShimLayout.exceptionStubs + 256 * ShimLayout.stubSize
            && segments.pointee.cs.selector & 3 == 0
        {
            // An exception was just delivered: its stub's OUT comes first, the reason to leave keeps.
            exceptionInFlight = true
            return
        }
        if holdsException() {
            // Put into another context, it would be reported as that one's.
            exceptionInFlight = true
            return
        }
        if FastCode.contains(rip) {
            FastCode.bringToUser(registers, fast)
            forceUser = true
            markRegistersChanged()
        } else {
            leaveStub(isStep: false)
        }
        restoreFlags()
        if probe != nil { endProbe() }
    }

    /// A context that stands between a rewritten call site and the code behind `syscall` goes to the site's `syscall` instruction.
    private func leaveStub(isStep: Bool) {
        let rip = registers.pointee.rip
        if CallStub.contains(rip) {
            CallStub.bringToUser(registers, stubs, isStep: isStep)
        } else if let instruction = machine.systemCall(relayedAt: rip) {
            registers.pointee.rip = instruction
            CallStub.zero(registers)
        } else {
            return
        }
        markRegistersChanged()
    }

    /// A fault of the MOV from memory that a rewritten site has in its stub is one of the site's.
    private func leaveLoad() {
        if CallStub.contains(registers.pointee.rip) { leaveStub(isStep: false) }
    }

    /// Page-table based KVM has interrupts masked since a `syscall` from which the guest has returned by itself: its POPF cannot
    /// change that in ring 3. No user sees it but in a signal frame.
    private func restoreFlags() { registers.pointee.rflags |= ShimLayout.userFlags(0) }

    /// Whether KVM holds an exception of the guest's instruction that it will deliver at the next entry.
    private func holdsException() -> Bool {
        var events = kvm_vcpu_events()
        do throws(HostError) { try vcpu.control(VMRUN_KVM_GET_VCPU_EVENTS, &events) } catch { return false }
        return events.exception.injected != 0 || events.exception.pending != 0
    }

    /// An exception, delivered on this vCPU's stack in ring 0. Takes the user context out of the frame.
    private func exception(_ vector: UInt64) -> GuestEvent? {
        let hasCode = ExceptionVector.hasErrorCode(vector)
        let frameSize: UInt64 = hasCode ? 48 : 40
        guard registers.pointee.rsp == ShimLayout.exceptionStackTop(index) - frameSize else {
            return stopped("exception outside the guest's program, vector", vector)
        }
        let frame = exceptionStack + 4096 - Int(frameSize)
        let code = hasCode ? frame.load(as: UInt64.self) : 0
        let words = (frame + (hasCode ? 8 : 0)).assumingMemoryBound(to: UInt64.self)
        guard words[1] & 3 == 3 else { return stopped("exception in the system call entry, vector", vector) }
        registers.pointee.rip = words[0]
        registers.pointee.rflags = ShimLayout.userFlags(words[2])
        registers.pointee.rsp = words[3]
        position = .user
        forceUser = true
        markRegistersChanged()
        // A single step from a rewritten site.
        if vector == ExceptionVector.debug { leaveStub(isStep: true) }
        if vector == ExceptionVector.breakpoint && machine.isRewritten(registers.pointee.rip &- 1) {
            registers.pointee.rip &-= 1
            return nil
        }
        if vector == ExceptionVector.pageFault {
            let fault = PageFault(
                address: segments.pointee.cr2, write: code & PageFaultBits.write != 0, fetch: code & PageFaultBits.fetch != 0,
                code: code)
            if probe == nil && fault.fetch, let event = legacyVsyscall(fault.address) { return event }
            let event = pageFault(fault)
            if case .fault = event { leaveLoad() }
            return event
        }
        if probe != nil { endProbe() }
        leaveLoad()
        return .fault(decode(vector, code))
    }

    /// What Linux reports of a page fault that the guest may not have mended. The error code is as a kernel with real page tables
    /// would have it.
    func faultReport(_ fault: PageFault, signal: Int32, code: Int32, mapped: Bool) -> GuestFault {
        let errorCode = mapped ? fault.code | PageFaultBits.present : fault.code & ~PageFaultBits.present
        return GuestFault(
            signal: signal, code: code, address: fault.address, trap: ExceptionVector.pageFault,
            errorCode: errorCode | PageFaultBits.user, faultAddress: fault.address)
    }

    /// Points the processor at other page tables, as from its next instruction.
    func useTables(_ root: UInt64) {
        segments.pointee.cr3 = root
        markSegmentsChanged()
    }

    /// What an entry that came or changed owes this processor before its next instruction: nothing.
    func forgetTranslations() {}

    /// What it owes all of them: nothing.
    func flushTables() throws(MachineFailure) {}

    // MARK: Decoding

    /// Calls through the fixed vsyscall page of old binaries become the system calls they stand for.
    private func legacyVsyscall(_ address: UInt64) -> GuestEvent? {
        let number: UInt64
        switch address {
        case 0xffff_ffff_ff60_0000: number = UInt64(SYS_gettimeofday)
        case 0xffff_ffff_ff60_0400: number = UInt64(SYS_time)
        case 0xffff_ffff_ff60_0800: number = UInt64(SYS_getcpu)
        default: return nil
        }
        var target: UInt64 = 0
        let stack = registers.pointee.rsp
        guard machine.isGuestMemory(stack, 8), let source = UnsafeRawPointer(bitPattern: UInt(stack)) else { return nil }
        // SAFETY: inside the arena; the routine survives faults.
        guard vmrun_copy(&target, source, 8) == 0 else { return nil }
        legacyEntry = (registers.pointee.rip, stack)
        registers.pointee.rax = number
        registers.pointee.rip = target
        registers.pointee.rsp = stack &+ 8
        return .systemCall
    }

    private func decode(_ vector: UInt64, _ code: UInt64) -> GuestFault {
        let rip = registers.pointee.rip
        func fault(_ signal: Int32, _ signalCode: Int32, _ address: UInt64) -> GuestFault {
            GuestFault(signal: signal, code: signalCode, address: address, trap: vector, errorCode: code)
        }
        switch vector {
        case ExceptionVector.divide: return fault(SIGFPE, 1, rip)  // FPE_INTDIV
        case ExceptionVector.debug:
            // TRAP_TRACE 2, TRAP_BRKPT 1 for INT1
            return fault(SIGTRAP, registers.pointee.rflags & 0x100 != 0 ? 2 : 1, rip)
        case ExceptionVector.breakpoint: return fault(SIGTRAP, SI_KERNEL_CODE, 0)
        case ExceptionVector.invalidOpcode:
            // One flavour of KVM reports INT so. No gate is the user's, INT 0x80's neither without 32-bit support.
            if let gate = softwareInterrupt(at: rip) {
                return GuestFault(
                    signal: SIGSEGV, code: SI_KERNEL_CODE, address: 0, trap: ExceptionVector.generalProtection,
                    errorCode: UInt64(gate) << 3 | 2)
            }
            return fault(SIGILL, 2, rip)  // ILL_ILLOPN
        case ExceptionVector.segmentNotPresent, ExceptionVector.stackFault: return fault(SIGBUS, SI_KERNEL_CODE, 0)
        case ExceptionVector.x87, ExceptionVector.simd: return fault(SIGFPE, floatingPointCode(vector), rip)
        case ExceptionVector.alignment: return fault(SIGBUS, 1, 0)  // BUS_ADRALN
        default: return fault(SIGSEGV, SI_KERNEL_CODE, 0)
        }
    }

    /// The vector of the INT instruction at `rip`, nil where there is none.
    private func softwareInterrupt(at rip: UInt64) -> UInt8? {
        var bytes: (UInt8, UInt8) = (0, 0)
        guard machine.isGuestMemory(rip, 2), let source = UnsafeRawPointer(bitPattern: UInt(rip)) else { return nil }
        // SAFETY: inside the arena; the routine survives faults.
        return vmrun_copy(&bytes, source, 2) == 0 && bytes.0 == 0xcd ? bytes.1 : nil
    }

    /// si_code of SIGFPE from the unmasked exceptions that are raised, in the order of arch/x86/kernel/fpu/core.c.
    private func floatingPointCode(_ vector: UInt64) -> Int32 {
        withUnsafeTemporaryAllocation(byteCount: Self.extendedStateCapacity, alignment: 64) { buffer in
            guard let state = buffer.baseAddress else { return 0 }
            do throws(MachineFailure) { try saveExtendedState(state) } catch { return 0 }
            let raised: UInt32
            if vector == ExceptionVector.x87 {
                let control = state.load(fromByteOffset: 0, as: UInt16.self)
                let status = state.load(fromByteOffset: 2, as: UInt16.self)
                raised = UInt32(status & ~control)
            } else {
                let mxcsr = state.load(fromByteOffset: 24, as: UInt32.self)
                raised = mxcsr & ~(mxcsr >> 7)
            }
            if raised & 0x01 != 0 { return 7 }  // FPE_FLTINV
            if raised & 0x04 != 0 { return 3 }  // FPE_FLTDIV
            if raised & 0x08 != 0 { return 4 }  // FPE_FLTOVF
            if raised & 0x12 != 0 { return 5 }  // FPE_FLTUND
            if raised & 0x20 != 0 { return 6 }  // FPE_FLTRES
            return 0
        }
    }
}

/// SI_KERNEL, which the C headers have as an enumerator of unsigned type.
let SI_KERNEL_CODE: Int32 = 0x80
#endif
