#if arch(arm64)
import CShim
import Host
import KVM

/// What the guest's processor is, and what follows from it for its system registers.
final class CPUFeatures {
    /// KVM_ARM_VCPU_INIT's argument.
    let target: kvm_vcpu_init
    /// First guest-physical address beyond what the VM has.
    let physicalLimit: UInt64

    private static let psci02: UInt32 = 1 << 2
    /// KVM's default where it cannot be asked.
    private static let defaultAddressBits = 40

    init(_ system: KVMSystem, _ vm: VirtualMachine) throws(MachineFailure) {
        do throws(HostError) {
            var wanted = try vm.preferredTarget()
            wanted.features.0 |= Self.psci02
            target = wanted
        } catch {
            throw .kvm("KVM_ARM_PREFERRED_TARGET", error.number)
        }
        let bits = system.capability(KVM_CAP_ARM_VM_IPA_SIZE)
        physicalLimit = 1 << UInt64(bits > 0 ? min(bits, 48) : Self.defaultAddressBits)
        if system.sharesCounter {
            do throws(HostError) { try vm.setCounterOffset(0) } catch { throw .kvm("KVM_ARM_SET_COUNTER_OFFSET", error.number) }
        }
    }

    /// The fields of an identification register that hold for the guest: not SVE, SME, pointer authentication, memory tags and branch
    /// targets, which its vCPU does not have. AT_HWCAP leaves out the same.
    static func shownFeatures(crm: UInt32, op2: UInt32) -> UInt64 {
        switch (crm, op2) {
        case (4, 0): ~0xf_0000_0000
        case (4, 1): ~0x0f00_0f0f
        case (4, 4), (4, 5): 0
        case (6, 1): ~0xff00_0ff0
        case (6, 2): ~0xff00
        default: .max
        }
    }

    /// MAIR_EL1: index 0 device memory, index 1 ordinary memory, write-back.
    static let memoryAttributes: UInt64 = 0xff00
    /// CPACR_EL1: vectors are not trapped.
    static let coprocessorAccess: UInt64 = 3 << 20
    /// CNTKCTL_EL1: the user may read the counters.
    static let counterAccess: UInt64 = 3
    /// SCTLR_EL1 as Linux has it: MMU and caches on, stack alignment checked, the user may maintain caches, zero blocks and read
    /// CTR_EL0; WFI traps.
    static let systemControl: UInt64 = 0x34d4_d81d

    /// TCR_EL1: 48 bits and 4 KiB pages in both halves, tables in write-back memory, the top byte of user pointers ignored.
    static func translationControl(physicalRange: UInt64) -> UInt64 {
        let half: UInt64 = 16 | 1 << 8 | 1 << 10 | 3 << 12
        let granuleOfUpperHalf: UInt64 = 2 << 30
        let topByteIgnored: UInt64 = 1 << 37
        return half | half << 16 | granuleOfUpperHalf | physicalRange << 32 | topByteIgnored
    }
}
#endif
