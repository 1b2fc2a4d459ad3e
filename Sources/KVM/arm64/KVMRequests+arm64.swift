#if arch(arm64)
import CShim

extension KVMRequests {
    static var ofArchitecture: [UInt] {
        [
            VMRUN_KVM_ARM_PREFERRED_TARGET, VMRUN_KVM_ARM_VCPU_INIT, VMRUN_KVM_ARM_VCPU_FINALIZE, VMRUN_KVM_IRQ_LINE,
            VMRUN_KVM_GET_ONE_REG, VMRUN_KVM_SET_ONE_REG, VMRUN_KVM_ARM_SET_COUNTER_OFFSET,
        ]
    }
}
#endif
