#if arch(x86_64)
import CShim
import Machine

/// What an x86-64 host's processor tells a program.
enum HostProcessor {
    /// Clock sources that the vDSO reads by itself.
    static let readableClocks = ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page"]

    private static let features = vmrun_processor_answer(1)
    private static var hasVMX: Bool { features.c & (1 << 5) != 0 }
    private static var hasSVM: Bool { vmrun_processor_answer(0x8000_0001).c & (1 << 2) != 0 }

    static var isVirtual: Bool { features.c & (1 << 31) != 0 }

    /// Real or virtual.
    static var place: String {
        guard isVirtual else { return "real hardware, as far as the processor says" }
        let answer = vmrun_processor_answer(0x4000_0000)
        var name: [UInt8] = []
        for word in [answer.b, answer.c, answer.d] {
            for shift: UInt32 in [0, 8, 16, 24] { name.append(UInt8(truncatingIfNeeded: word >> shift)) }
        }
        let printable = name.prefix { $0 > 0x20 && $0 < 0x7f }
        return printable.isEmpty ? "a virtual machine" : "a virtual machine (\(String(decoding: printable, as: UTF8.self)))"
    }

    static func kind(_ landing: MachineProbe.Landing?) -> (name: String, remedy: String?) {
        if landing == .user { return ("page-table based (PVM), shadow paging", nil) }
        let isIntel = hasVMX || (!hasSVM && HostFacts.exists("/sys/module/kvm_intel"))
        let name = isIntel ? "VMX" : "SVM"
        let parameter = isIntel ? "/sys/module/kvm_intel/parameters/ept" : "/sys/module/kvm_amd/parameters/npt"
        switch HostFacts.firstLine(parameter) {
        case "Y", "1": return ("\(name), nested paging", nil)
        case "N", "0":
            return (
                "\(name), shadow paging",
                isIntel
                    ? "memory is slow to come with shadow paging; load kvm_intel with ept=1, where the processor has it"
                    : "memory is slow to come with shadow paging; load kvm_amd with npt=1, where the processor has it"
            )
        default: return ("\(name), paging not known", nil)
        }
    }

    static func addressBits(guestPhysical: Int) -> String {
        let answer = vmrun_processor_answer(0x8000_0008)
        return "physical \(answer.a & 0xff), guest-physical \(guestPhysical), virtual \(answer.a >> 8 & 0xff)"
    }

    /// What helps where the kernel has no /dev/kvm.
    static var remediesWithoutKVM: [String] {
        if hasVMX { return ["sudo modprobe kvm_intel; where it refuses, switch VT-x on in the firmware"] }
        if hasSVM { return ["sudo modprobe kvm_amd; where it refuses, switch SVM on in the firmware"] }
        if isVirtual {
            return [
                "this virtual machine has no virtualization of its own: switch nested virtualization on in its host,"
                    + " or take a kernel with a KVM that needs none"
            ]
        }
        return ["the processor shows no VT-x and no SVM: switch virtualization on in the firmware, if it has it"]
    }
}
#endif
