import CShim
import Host
import KVM

/// How a vCPU comes and goes, on every architecture.
extension GuestCPU {
    public var run: UnsafeMutablePointer<kvm_run> { vcpu.run }

    /// Gives the vCPU back; the object must not be used any more.
    public func close() { vcpu.close() }

    /// See `VCPU.closeDescriptor`.
    public func closeDescriptor() { vcpu.closeDescriptor() }

    /// Gives up a parent's vCPU in a fork child; see `GuestMachine.forget`.
    public func forget() { vcpu.forget() }
}

extension GuestMachine {
    /// vCPU `number`, as `takeCPUNumber` gave it.
    func makeVCPU(_ number: Int) throws(MachineFailure) -> VCPU {
        do throws(HostError) { return try VCPU(vm, id: UInt32(number)) } catch {
            throw .kvm("KVM_CREATE_VCPU", error.number)
        }
    }
}
