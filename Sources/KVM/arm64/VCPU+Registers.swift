#if arch(arm64)
import CShim
import Host

extension VCPU {
    /// KVM_SET_ONE_REG for a register of 64 bits.
    public func setRegister(_ number: UInt64, _ value: UInt64) throws(HostError) {
        var value = value
        try access(VMRUN_KVM_SET_ONE_REG, number, &value)
    }

    /// KVM_GET_ONE_REG for a register of 64 bits.
    public func register(_ number: UInt64) throws(HostError) -> UInt64 {
        var value: UInt64 = 0
        try access(VMRUN_KVM_GET_ONE_REG, number, &value)
        return value
    }

    private func access(_ request: UInt, _ number: UInt64, _ value: inout UInt64) throws(HostError) {
        let result = withUnsafeMutablePointer(to: &value) { place in
            var argument = kvm_one_reg(id: number, addr: UInt64(UInt(bitPattern: place)))
            return withUnsafeMutablePointer(to: &argument) {
                Host.raw(Int32(SYS_ioctl), Int(descriptor), Int(request), $0.argument)
            }
        }
        if result < 0 { throw HostError(Int32(-result)) }
    }
}
#endif
