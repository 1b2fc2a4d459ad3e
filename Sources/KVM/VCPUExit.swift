/// Why KVM_RUN came back. One case per exit that KVM can give to a VM without devices.
public enum VCPUExit {
    /// EINTR: a signal, or immediate_exit. `exit_reason` is stale then.
    case interrupted
    /// EFAULT: the guest touched memory that the host's mm refuses. The state is at the faulting instruction.
    case memoryFault
    /// KVM_EXIT_IO: an OUT (or IN) on `port`.
    case io(port: UInt16)
    /// KVM_EXIT_MMIO at a guest-physical address without memory.
    case mmio(address: UInt64)
    case halt
    case debug
    /// A triple fault.
    case shutdown
    case failEntry(reason: UInt64)
    case internalError(suberror: UInt32)
    /// KVM_RUN failed with this errno.
    case failed(errno: Int32)
    case other(reason: UInt32)
}
