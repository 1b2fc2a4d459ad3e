#if arch(arm64)
import CShim
import Host

extension VirtualMachine {
    /// KVM_ARM_PREFERRED_TARGET: the processor that KVM_ARM_VCPU_INIT shall make, without optional features.
    public func preferredTarget() throws(HostError) -> kvm_vcpu_init {
        var target = kvm_vcpu_init()
        try control(VMRUN_KVM_ARM_PREFERRED_TARGET, &target)
        return target
    }

    /// KVM_IRQ_LINE: raises or lowers the interrupt input of a vCPU.
    public func setInterrupt(cpu: UInt32, raised: Bool) throws(HostError) {
        var level = vmrun_irq_level(vmrun_interrupt_line(cpu), raised ? 1 : 0)
        try control(VMRUN_KVM_IRQ_LINE, &level)
    }

    /// KVM_ARM_SET_COUNTER_OFFSET: how far the guest's counters are behind the host's. KVM_CAP_COUNTER_OFFSET.
    public func setCounterOffset(_ offset: UInt64) throws(HostError) {
        var argument = kvm_arm_counter_offset(counter_offset: offset, reserved: 0)
        try control(VMRUN_KVM_ARM_SET_COUNTER_OFFSET, &argument)
    }

    private func control<Value>(_ request: UInt, _ value: inout Value) throws(HostError) {
        let result = withUnsafeMutablePointer(to: &value) {
            Host.raw(Int32(SYS_ioctl), Int(descriptor), Int(request), $0.argument)
        }
        if result < 0 { throw HostError(Int32(-result)) }
    }
}

extension KVMSystem {
    /// Whether the guest's counter can be made the host's own (Linux 6.4), which the host's vDSO reads.
    public var sharesCounter: Bool { capability(VMRUN_KVM_CAP_COUNTER_OFFSET) > 0 }
}
#endif
