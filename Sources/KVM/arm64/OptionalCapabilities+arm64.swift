#if arch(arm64)
import CShim

extension OptionalCapabilities {
    static var all: [Entry] {
        [
            Entry(
                number: VMRUN_KVM_CAP_COUNTER_OFFSET, name: "KVM_CAP_COUNTER_OFFSET",
                consequence: "reading the time costs a system call", remedy: "Linux 6.4 and newer have it"),
            Entry(
                number: KVM_CAP_ARM_VM_IPA_SIZE, name: "KVM_CAP_ARM_VM_IPA_SIZE",
                consequence: "a guest's memory ends at 40 bits of addresses", remedy: "Linux 4.20 and newer have it"),
        ]
    }
}
#endif
