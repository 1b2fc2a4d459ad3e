#if arch(x86_64)
/// KVM_CREATE_VM's argument.
enum MachineType {
    static func value(_ system: KVMSystem) -> Int { 0 }
}
#endif
