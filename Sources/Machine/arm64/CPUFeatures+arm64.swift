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

    /// Scalable vectors (SVE), as the host has them.
    let hasScalableVectors: Bool
    /// Pointer authentication, of addresses and of other data.
    let hasPointerAuthentication: Bool

    private static let psci02: UInt32 = 1 << 2
    private static let scalableVectors = UInt32(1) << UInt32(KVM_ARM_VCPU_SVE)
    private static let pointerAuthentication: UInt32 = 3 << UInt32(KVM_ARM_VCPU_PTRAUTH_ADDRESS)
    /// KVM's default where it cannot be asked.
    private static let defaultAddressBits = 40

    init(_ system: KVMSystem, _ vm: VirtualMachine) throws(MachineFailure) {
        hasScalableVectors = system.capability(KVM_CAP_ARM_SVE) > 0
        hasPointerAuthentication =
            system.capability(KVM_CAP_ARM_PTRAUTH_ADDRESS) > 0 && system.capability(KVM_CAP_ARM_PTRAUTH_GENERIC) > 0
        do throws(HostError) {
            var wanted = try vm.preferredTarget()
            wanted.features.0 |= Self.psci02
            if hasScalableVectors { wanted.features.0 |= Self.scalableVectors }
            if hasPointerAuthentication { wanted.features.0 |= Self.pointerAuthentication }
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

    /// The pages that a vCPU has in common with the shim.
    var pagesPerCPU: UInt64 { hasScalableVectors ? 4 : 1 }

    /// The fields of an identification register that hold for the guest: not SME, memory tags and branch targets, which its vCPU does not
    /// have, and SVE and pointer authentication only where it has them. `hiddenCapabilities` says the same of AT_HWCAP.
    func shownFeatures(crm: UInt32, op2: UInt32) -> UInt64 {
        switch (crm, op2) {
        case (4, 0): hasScalableVectors ? .max : ~0xf_0000_0000
        case (4, 1): ~0x0f00_0f0f
        case (4, 4): hasScalableVectors ? .max : 0
        case (4, 5): 0
        case (6, 1): hasPointerAuthentication ? .max : ~0xff00_0ff0
        case (6, 2): hasPointerAuthentication ? .max : ~0xff00
        default: .max
        }
    }

    /// The bits of AT_HWCAP, AT_HWCAP2 and AT_HWCAP3 that do not hold for the guest. Of the first, guarded stacks (32) and what was
    /// given a bit after them, which is mostly about SVE and SME; of the second, branch targets (17), memory tags (18, 22), SME (23
    /// to 30, 37 to 42), MOPS (43), and what came with and after FPMR (48); of the third, memory tags (0, 1). Without SVE, its
    /// own (22), and SVE2 and its parts (1 to 6, 9 to 12, 33, 36, 45); without pointer authentication its two (30, 31).
    var hiddenCapabilities: (first: UInt64, second: UInt64, third: UInt64) {
        var first: UInt64 = .max << 32
        var second: UInt64 = 3 << 17 | 0x7fc0_0000 | 0x7e0_0000_0000 | 1 << 43 | .max << 48
        if !hasScalableVectors {
            first |= 1 << 22
            second |= 0x1e7e | 1 << 33 | 1 << 36 | 1 << 45
        }
        if !hasPointerAuthentication { first |= 3 << 30 }
        return (first, second, 3)
    }

    /// MAIR_EL1: index 0 device memory, index 1 ordinary memory, write-back.
    static let memoryAttributes: UInt64 = 0xff00
    /// CPACR_EL1: vectors are not trapped; scalable ones are when the user uses them (`GuestCPU.useScalableVectors`).
    static let coprocessorAccess: UInt64 = 3 << 20 | 1 << 16
    static let scalableAccess: UInt64 = 3 << 16
    /// CNTKCTL_EL1: the user may read the counters.
    static let counterAccess: UInt64 = 3
    /// SCTLR_EL1 as Linux has it: MMU and caches on, stack alignment checked, the user may maintain caches, zero blocks and read
    /// CTR_EL0; WFI traps; and the keys of pointer authentication serve.
    var systemControl: UInt64 { 0x34d4_d81d | (hasPointerAuthentication ? PointerKeys.enableMask : 0) }

    /// TCR_EL1: 48 bits and 4 KiB pages in both halves, tables in write-back memory, the top byte of user pointers ignored.
    static func translationControl(physicalRange: UInt64) -> UInt64 {
        let half: UInt64 = 16 | 1 << 8 | 1 << 10 | 3 << 12
        let granuleOfUpperHalf: UInt64 = 2 << 30
        let topByteIgnored: UInt64 = 1 << 37
        return half | half << 16 | granuleOfUpperHalf | physicalRange << 32 | topByteIgnored
    }
}

extension GuestMachine {
    /// The bits of the host's AT_HWCAP, AT_HWCAP2 and AT_HWCAP3 that do not hold for the guest.
    public var hiddenCapabilities: (first: UInt64, second: UInt64, third: UInt64) { features.hiddenCapabilities }
}
#endif
