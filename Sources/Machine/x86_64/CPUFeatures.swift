#if arch(x86_64)
import CShim
import Host
import KVM

/// What the guest's processor is: the CPUID answers, and the control registers that follow from them. Read once a process.
final class CPUFeatures {
    let cpuid: UnsafeMutablePointer<vmrun_cpuid>
    /// XCR0: x87, SSE, AVX, AVX-512 as far as the host has them. Not AMX and PKRU, which need more than a bit.
    let xcr0: UInt64
    /// CR4 with all that vmrun wants, and the least it needs where KVM refuses that.
    let wantedCR4: UInt64
    let guaranteedCR4: UInt64
    /// Bytes of a standard-format XSAVE image of those states.
    let extendedStateSize: Int
    /// First guest-physical address beyond what the processor addresses.
    let physicalLimit: UInt64

    private static let vectorStates: UInt64 = 0xe7
    private static let cr4PAE: UInt64 = 1 << 5
    private static let cr4OSFXSR: UInt64 = 1 << 9
    private static let cr4OSXMMEXCPT: UInt64 = 1 << 10
    private static let cr4FSGSBASE: UInt64 = 1 << 16
    private static let cr4OSXSAVE: UInt64 = 1 << 18

    init(_ system: KVMSystem, _ vm: VirtualMachine) throws(MachineFailure) {
        cpuid = .allocate(capacity: 1)
        cpuid.initialize(to: vmrun_cpuid())
        UnsafeMutableRawBufferPointer(start: cpuid, count: MemoryLayout<vmrun_cpuid>.size)
            .copyBytes(from: system.processor.prefix(MemoryLayout<vmrun_cpuid>.size))

        var states: UInt64 = 0
        var features1: UInt32 = 0
        var features7: UInt32 = 0
        var addressBits: UInt64 = 36
        var ends = [Int](repeating: 576, count: 8)
        let count = min(Int(cpuid.pointee.nent), Int(VMRUN_CPUID_ENTRIES))
        withUnsafeMutablePointer(to: &cpuid.pointee.entries) { tuple in
            tuple.withMemoryRebound(to: kvm_cpuid_entry2.self, capacity: count) { entries in
                for index in 0..<count {
                    let entry = entries[index]
                    switch (entry.function, entry.index) {
                    case (1, _): features1 = entry.ecx
                    case (7, 0): features7 = entry.ebx
                    case (0xd, 0): states = UInt64(entry.eax)
                    case (0xd, 2...7):
                        ends[Int(entry.index)] = Int(entry.ebx) + Int(entry.eax)
                    case (0x8000_0008, _): addressBits = UInt64(entry.eax & 0xff)
                    default: break
                    }
                }
            }
        }
        xcr0 = (states & Self.vectorStates) | 1
        var size = 576  // The legacy area and the header.
        for component in 2...7 where states & Self.vectorStates & (1 << UInt64(component)) != 0 {
            size = max(size, ends[component])
        }
        extendedStateSize = min(size, 4096)
        physicalLimit = 1 << min(max(addressBits, 36), 52)
        let base = Self.cr4PAE | Self.cr4OSFXSR | Self.cr4OSXMMEXCPT
        // One flavour of KVM answers CPUID natively in ring 3 and lists less here than the guest will find, so the bits are
        // tried first and masked only where KVM refuses them.
        wantedCR4 = base | Self.cr4FSGSBASE | Self.cr4OSXSAVE
        guaranteedCR4 = base | (features7 & 1 != 0 ? Self.cr4FSGSBASE : 0)
            | (features1 & (1 << 26) != 0 ? Self.cr4OSXSAVE : 0)
    }

    deinit { cpuid.deallocate() }
}

extension GuestMachine {
    /// The bits of the host's AT_HWCAP, AT_HWCAP2 and AT_HWCAP3 that do not hold for the guest: none.
    public var hiddenCapabilities: (first: UInt64, second: UInt64, third: UInt64) { (0, 0, 0) }
}
#endif
