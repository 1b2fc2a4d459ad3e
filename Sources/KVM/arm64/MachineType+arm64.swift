#if arch(arm64)
import CShim
import Host

/// KVM_CREATE_VM's argument: the bits of a guest-physical address, as many as there can be.
enum MachineType {
    static func value(_ system: KVMSystem) -> Int { system.capability(KVM_CAP_ARM_VM_IPA_SIZE) }

    /// The interrupt input of a vCPU without an interrupt controller is what stops it (docs/internals.md).
    static func addInterruptController(_ vm: Int32) -> Bool { false }
}

extension VCPU {
    func makeRunnable() throws(HostError) {}
}
#endif
