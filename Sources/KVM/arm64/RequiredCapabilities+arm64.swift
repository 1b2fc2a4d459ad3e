#if arch(arm64)
import CShim

/// What vmrun cannot do without on arm64. KVM_CAP_IMMEDIATE_EXIT came with Linux 4.12.
enum RequiredCapabilities {
    static var all: [(Int32, StaticString)] {
        [
            (KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"), (KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"),
            (KVM_CAP_SYNC_MMU, "KVM_CAP_SYNC_MMU"), (KVM_CAP_ONE_REG, "KVM_CAP_ONE_REG"),
            (KVM_CAP_ARM_PSCI_0_2, "KVM_CAP_ARM_PSCI_0_2"),
        ]
    }
}
#endif
