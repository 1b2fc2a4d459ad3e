#if arch(x86_64)
import CShim
import Host
import KVM

/// What a debugger needs of a vCPU. The trap flag makes the single steps: it works on every flavour of KVM, and a system call's
/// end is seen by vmrun itself.
extension GuestCPU {
    /// Whether the debugger knows this architecture.
    public static var canBeDebugged: Bool { true }

    /// Whether the guest's debug registers do anything. Page-table based KVM, which a processor without VMX and SVM has, takes them and
    /// never loads them.
    public static var hasDebugRegisters: Bool {
        let vmx: UInt32 = 1 << 5, svm: UInt32 = 1 << 2
        return vmrun_processor_answer(1).c & vmx != 0 || vmrun_processor_answer(0x8000_0001).c & svm != 0
    }

    /// Breakpoints and watchpoints for the processor's debug registers.
    public struct HardwarePoints: Equatable {
        /// Of one point.
        public enum Access: UInt64 {
            case execute = 0, write = 1, any = 3
        }

        public static let capacity = 4

        public private(set) var addresses: [UInt64] = [0, 0, 0, 0]
        /// DR7.
        private(set) var control: UInt64 = 0

        public init() {}

        public var isEmpty: Bool { control == 0 }

        public func isUsed(_ index: Int) -> Bool { control & 1 << UInt64(index * 2) != 0 }

        /// `length`: 1, 2, 4 or 8, to which `address` is aligned.
        public mutating func set(_ index: Int, _ access: Access, at address: UInt64, length: UInt64) {
            clear(index)
            addresses[index] = address
            let size: UInt64 = access == .execute ? 0 : length == 8 ? 2 : length - 1
            control |= 1 << UInt64(index * 2) | (access.rawValue | size << 2) << UInt64(16 + index * 4)
        }

        public mutating func clear(_ index: Int) {
            addresses[index] = 0
            control &= ~(3 << UInt64(index * 2) | 15 << UInt64(16 + index * 4))
        }
    }

    /// Takes effect at the next entry. They are the guest's own debug registers, which no program can see: so a hit comes as any other
    /// #DB, on every flavour of KVM.
    public func setHardwarePoints(_ points: HardwarePoints) throws(MachineFailure) {
        var registers = vmrun_debug_registers(points.addresses, points.control)
        do throws(HostError) { try vcpu.control(VMRUN_KVM_SET_DEBUGREGS, &registers) } catch {
            throw .kvm("KVM_SET_DEBUGREGS", error.number)
        }
    }

    /// Which of `points`, those that are set, has made the trap that was just reported; nil for none of them.
    public func takeHit(of points: HardwarePoints) throws(MachineFailure) -> Int? {
        if points.isEmpty { return nil }
        var registers = kvm_debugregs()
        do throws(HostError) { try vcpu.control(VMRUN_KVM_GET_DEBUGREGS, &registers) } catch {
            throw .kvm("KVM_GET_DEBUGREGS", error.number)
        }
        let hits = (0..<HardwarePoints.capacity).filter { registers.dr6 & 1 << UInt64($0) != 0 && points.isUsed($0) }
        // The processor only ever adds to DR6.
        try setHardwarePoints(points)
        return hits.first
    }

    /// The instruction that is next, of a user context.
    public func setInstructionPointer(_ address: UInt64) {
        registers.pointee.rip = address
        markRegistersChanged()
    }

    /// The trap flag of a user context; what it was.
    @discardableResult
    public func setTrapFlag(_ isSet: Bool) -> Bool {
        let before = registers.pointee.rflags & ShimLayout.trapFlag != 0
        if isSet { registers.pointee.rflags |= ShimLayout.trapFlag } else { registers.pointee.rflags &= ~ShimLayout.trapFlag }
        markRegistersChanged()
        return before
    }

    /// The registers, general ones and all segments', at whichever position: a system call that is under way is shown as one that is
    /// about to be made.
    public var shownRegisters: kvm_regs {
        var shown = registers.pointee
        if position == .systemCall {
            shown.rip = shown.rcx &- 2
            shown.rflags = ShimLayout.userFlags(shown.r11)
        }
        return shown
    }

    /// Whether a segment may begin there: an address that the processor takes.
    public func isPossibleBase(_ address: UInt64) -> Bool { ShimLayout.isCanonical(address) }

    /// Selectors as a user context has them: cs ss ds es fs gs.
    public var shownSelectors: [UInt16] {
        let shown = segments.pointee
        return [
            ShimLayout.Selector.userCode, ShimLayout.Selector.userData, shown.ds.selector, shown.es.selector, shown.fs.selector,
            shown.gs.selector,
        ]
    }
}

extension GuestMachine {
    /// As `GuestCPU.stateComponents`.
    public var stateComponents: UInt64 { features.xcr0 }
}

extension GuestFault {
    /// INT3; the context stands behind it.
    public var isBreakpoint: Bool { trap == ExceptionVector.breakpoint }
    /// #DB.
    public var isTrap: Bool { trap == ExceptionVector.debug }
}
#endif
