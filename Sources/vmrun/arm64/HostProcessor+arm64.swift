#if arch(arm64)
import CShim
import Machine

/// What an arm64 host tells a program of its processor.
enum HostProcessor {
    /// Clock sources that the vDSO reads by itself.
    static let readableClocks = ["arch_sys_counter"]

    /// HWCAP_ATOMICS. It came with Armv8.1, as the virtualization host extensions did, of which programs are told nothing.
    private static let atomics: UInt = 1 << 8

    /// A processor does not say so itself: by what the firmware tells.
    static var isVirtual: Bool { vendor != nil }

    private static var vendor: String? {
        if let hypervisor = HostFacts.firstLine("/proc/device-tree/hypervisor/compatible") { return hypervisor }
        guard let vendor = HostFacts.firstLine("/sys/class/dmi/id/sys_vendor") else { return nil }
        return vendor == "QEMU" ? vendor : nil
    }

    static var place: String {
        if let vendor { return "a virtual machine (\(vendor))" }
        return "real hardware, as far as the firmware says"
    }

    static func kind(_ landing: MachineProbe.Landing?) -> (name: String, remedy: String?) {
        let line = HostFacts.firstLine("/proc/cmdline") ?? ""
        for word in line.split(separator: " ") where word.utf8.starts(with: "kvm-arm.mode=".utf8) {
            let mode = word.utf8.dropFirst("kvm-arm.mode=".utf8.count)
            if mode.elementsEqual("protected".utf8) || mode.elementsEqual("nvhe".utf8) {
                return ("arm64, no VHE (the kernel was started with \(word))", nil)
            }
        }
        let hasAtomics = UInt(vmrun_auxiliary_value(UInt(AT_HWCAP))) & atomics != 0
        return (hasAtomics ? "arm64, VHE" : "arm64, no VHE", nil)
    }

    static func addressBits(guestPhysical: Int) -> String { "guest-physical \(guestPhysical), virtual 48" }

    /// What helps where the kernel has no /dev/kvm.
    static var remediesWithoutKVM: [String] {
        [
            "the kernel's log says why: sudo dmesg | grep -i kvm. It has to be started at EL2,"
                + " which in a virtual machine takes nested virtualization"
        ]
    }
}
#endif
