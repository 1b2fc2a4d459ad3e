#if arch(x86_64)
import CShim

extension OptionalCapabilities {
    static var all: [Entry] {
        [
            Entry(
                number: KVM_CAP_VCPU_ATTRIBUTES, name: "KVM_CAP_VCPU_ATTRIBUTES",
                consequence: "the guest's clock can be late by some microseconds", remedy: "Linux 5.16 and newer have it"),
            Entry(
                number: KVM_CAP_XCRS, name: "KVM_CAP_XCRS", consequence: "programs find SSE, and no AVX",
                remedy: "it takes a processor with XSAVE"),
        ]
    }
}
#endif
