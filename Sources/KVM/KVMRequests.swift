import CShim

/// The ioctl(2) requests that vmrun makes of KVM.
public enum KVMRequests {
    /// The most frequent one first.
    public static var all: [UInt32] { (common + ofArchitecture).map { UInt32(truncatingIfNeeded: $0) } }

    private static var common: [UInt] {
        [
            VMRUN_KVM_RUN, VMRUN_KVM_GET_API_VERSION, VMRUN_KVM_CREATE_VM, VMRUN_KVM_CHECK_EXTENSION, VMRUN_KVM_GET_VCPU_MMAP_SIZE,
            VMRUN_KVM_SET_USER_MEMORY_REGION, VMRUN_KVM_CREATE_VCPU, VMRUN_KVM_SET_DEVICE_ATTR,
        ]
    }
}
