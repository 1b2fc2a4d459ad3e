#if arch(x86_64)
import CShim
import Host

/// What KVM says of the processors it makes.
enum ProcessorDescription {
    /// KVM_GET_SUPPORTED_CPUID's answer: a `vmrun_cpuid` without the unused entries.
    static func read(_ descriptor: Int32) throws(KVMUnavailable) -> [UInt8] {
        let answer = UnsafeMutablePointer<vmrun_cpuid>.allocate(capacity: 1)
        defer { answer.deallocate() }
        answer.initialize(to: vmrun_cpuid())
        answer.pointee.nent = UInt32(VMRUN_CPUID_ENTRIES)
        let result = Host.raw(Int32(SYS_ioctl), Int(descriptor), Int(VMRUN_KVM_GET_SUPPORTED_CPUID), answer.argument)
        guard result >= 0 else { throw .capability("KVM_GET_SUPPORTED_CPUID") }
        let whole = MemoryLayout<vmrun_cpuid>.size
        let unused = (Int(VMRUN_CPUID_ENTRIES) - Int(answer.pointee.nent)) * MemoryLayout<kvm_cpuid_entry2>.stride
        return Array(UnsafeRawBufferPointer(start: answer, count: min(max(whole - unused, 0), whole)))
    }
}
#endif
