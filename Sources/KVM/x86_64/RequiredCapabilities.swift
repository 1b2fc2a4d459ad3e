#if arch(x86_64)
import CShim

/// What vmrun cannot do without on x86-64. KVM_CAP_SYNC_REGS and KVM_CAP_IMMEDIATE_EXIT came with Linux 4.17 and 4.12.
enum RequiredCapabilities {
    static var all: [(Int32, StaticString)] {
        [
            (KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"), (KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"),
            (KVM_CAP_SYNC_MMU, "KVM_CAP_SYNC_MMU"), (KVM_CAP_SYNC_REGS, "KVM_CAP_SYNC_REGS"),
            (KVM_CAP_XSAVE, "KVM_CAP_XSAVE"), (KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"),
        ]
    }
}
#endif
