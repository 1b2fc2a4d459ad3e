import CShim
import Host

/// One VM: guest-physical memory and vCPUs. Usable only in the mm that created it, so a fork child makes a new one.
public final class VirtualMachine {
    public let system: KVMSystem
    public private(set) var descriptor: Int32
    let hasInterruptController: Bool

    public init(_ system: KVMSystem) throws(HostError) {
        self.system = system
        let result = try Host.call(
            Int32(SYS_ioctl), Int(system.descriptor), Int(VMRUN_KVM_CREATE_VM), MachineType.value(system), retryOnInterrupt: true)
        let adopted = InternalDescriptors.adoptForMachine(Int32(result))
        if adopted < 0 { throw HostError(EMFILE) }
        descriptor = adopted
        hasInterruptController = MachineType.addInterruptController(adopted)
    }

    /// KVM_SET_USER_MEMORY_REGION: guest-physical [`guestPhysical`, + `size`) is the host memory at `host`, whatever is
    /// mapped there at the moment of each access. All three are multiples of 4096.
    public func setMemoryRegion(
        slot: UInt32, guestPhysical: UInt64, size: UInt64, host: UInt64
    ) throws(HostError) {
        var region = kvm_userspace_memory_region(
            slot: slot, flags: 0, guest_phys_addr: guestPhysical, memory_size: size, userspace_addr: host)
        var result: Int
        repeat {
            result = withUnsafeMutablePointer(to: &region) {
                Host.raw(Int32(SYS_ioctl), Int(descriptor), Int(VMRUN_KVM_SET_USER_MEMORY_REGION), $0.argument)
            }
        } while result == -Int(EINTR)
        if result < 0 { throw HostError(Int32(-result)) }
    }

    /// In a fork child: the descriptor is closed already, and its number may be somebody else's.
    public func forget() { descriptor = -1 }

    /// Gives the VM back before its object goes.
    public func close() {
        if descriptor >= 0 { _ = Host.raw(Int32(SYS_close), Int(descriptor)) }
        descriptor = -1
    }

    deinit { close() }
}
