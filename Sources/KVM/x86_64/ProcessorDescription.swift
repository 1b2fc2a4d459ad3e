#if arch(x86_64)
import CShim
import Host

/// What KVM says of the processors it makes.
enum ProcessorDescription {
    /// A `vmrun_cpuid` without the unused entries.
    static func read(_ descriptor: Int32) throws(KVMUnavailable) -> [UInt8] {
        let answer = UnsafeMutablePointer<vmrun_cpuid>.allocate(capacity: 1)
        defer { answer.deallocate() }
        answer.initialize(to: vmrun_cpuid())
        if !ownProcessor(answer) {
            answer.pointee.nent = UInt32(VMRUN_CPUID_ENTRIES)
            let result = Host.raw(Int32(SYS_ioctl), Int(descriptor), Int(VMRUN_KVM_GET_SUPPORTED_CPUID), answer.argument)
            guard result >= 0 else { throw .capability("KVM_GET_SUPPORTED_CPUID") }
        }
        let whole = MemoryLayout<vmrun_cpuid>.size
        let unused = (Int(VMRUN_CPUID_ENTRIES) - Int(answer.pointee.nent)) * MemoryLayout<kvm_cpuid_entry2>.stride
        return Array(UnsafeRawBufferPointer(start: answer, count: min(max(whole - unused, 0), whole)))
    }

    /// Without VMX and SVM the KVM is a page-table based one. There the guest's CPUID is the processor's own, whatever it is set to,
    /// and KVM itself looks at few leaves. Asking it for all of them takes a third of a millisecond on such a host, which is a virtual machine
    /// itself: each CPUID leaves it. False where KVM is another one.
    private static func ownProcessor(_ answer: UnsafeMutablePointer<vmrun_cpuid>) -> Bool {
        let features = vmrun_processor_leaf(1, 0)
        let extended = vmrun_processor_leaf(0x8000_0001, 0)
        let vmx: UInt32 = 1 << 5, svm: UInt32 = 1 << 2, osxsave: UInt32 = 1 << 27
        guard features.ecx & vmx == 0, extended.ecx & svm == 0, features.ecx & osxsave != 0 else { return false }
        var count = 0
        withUnsafeMutablePointer(to: &answer.pointee.entries) { tuple in
            tuple.withMemoryRebound(to: kvm_cpuid_entry2.self, capacity: Int(VMRUN_CPUID_ENTRIES)) { entries in
                func add(_ entry: kvm_cpuid_entry2) {
                    entries[count] = entry
                    count += 1
                }
                func addIndexed(_ function: UInt32, _ index: UInt32) {
                    var entry = vmrun_processor_leaf(function, index)
                    entry.flags = UInt32(KVM_CPUID_FLAG_SIGNIFCANT_INDEX)
                    add(entry)
                }
                add(features)
                addIndexed(7, 0)
                addIndexed(0xd, 0)
                // AVX, and what AVX-512 adds: where their parts of an XSAVE image lie.
                let states = vmrun_read_xcr0()
                for state: UInt32 in [2, 5, 6, 7] where states & (1 << UInt64(state)) != 0 { addIndexed(0xd, state) }
                add(extended)
                add(vmrun_processor_leaf(0x8000_0008, 0))
            }
        }
        answer.pointee.nent = UInt32(count)
        return true
    }
}
#endif
