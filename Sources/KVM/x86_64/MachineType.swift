#if arch(x86_64)
import CShim
import Host

/// What kind of VM KVM_CREATE_VM makes.
enum MachineType {
    /// KVM_CREATE_VM's argument.
    static func value(_ system: KVMSystem) -> Int { 0 }

    /// Gives the vCPUs of a new VM an interrupt controller in KVM, where it has one to give. Nothing ever interrupts them. But KVM
    /// rewrites the host kernel's text when its first vCPU without one comes, and again when the last goes: a quarter of a millisecond
    /// each, and more the more processors the host has. Returns whether they have one.
    ///
    /// With a controller KVM would also stop a vCPU in it while a page is read, and for ever where the page cannot be (beyond the end of its
    /// file), instead of saying EFAULT. It does not where HLT is the guest's own business.
    static func addInterruptController(_ vm: Int32) -> Bool {
        enable(vmrun_halts_inside(), vm) && enable(vmrun_split_irqchip(), vm)
    }

    private static func enable(_ capability: kvm_enable_cap, _ vm: Int32) -> Bool {
        var request = capability
        return withUnsafeMutablePointer(to: &request) {
            Host.raw(Int32(SYS_ioctl), Int(vm), Int(VMRUN_KVM_ENABLE_CAP), $0.argument) == 0
        }
    }
}

extension VCPU {
    /// With an interrupt controller all vCPUs but the first wait for another one to start them.
    func makeRunnable() throws(HostError) {
        var state = kvm_mp_state(mp_state: UInt32(KVM_MP_STATE_RUNNABLE))
        try control(VMRUN_KVM_SET_MP_STATE, &state)
    }
}
#endif
