import CShim
import Host

/// One vCPU. It belongs to the host thread that first runs it: on most kernels another thread's KVM_RUN costs an RCU grace
/// period (docs/internals.md).
public final class VCPU {
    public private(set) var descriptor: Int32
    /// The shared kvm_run page; registers travel through it.
    public let run: UnsafeMutablePointer<kvm_run>
    private let runSize: Int

    public init(_ vm: VirtualMachine, id: UInt32) throws(HostError) {
        let result = try Host.call(
            Int32(SYS_ioctl), Int(vm.descriptor), Int(VMRUN_KVM_CREATE_VCPU), Int(id), retryOnInterrupt: true)
        let adopted = InternalDescriptors.adoptForMachine(Int32(result))
        if adopted < 0 { throw HostError(EMFILE) }
        descriptor = adopted
        runSize = vm.system.runSize
        let address = Host.raw(
            Int32(SYS_mmap), 0, runSize, Int(PROT_READ | PROT_WRITE), Int(MAP_SHARED), Int(adopted), 0)
        guard address > 0, let run = UnsafeMutablePointer<kvm_run>(bitPattern: address) else {
            // A class whose initialiser throws before every member is set runs no deinit.
            Host.close(adopted)
            throw HostError(Int32(truncatingIfNeeded: -address))
        }
        self.run = run
        // A fork child makes its own vCPUs.
        _ = Host.raw(Int32(SYS_madvise), address, runSize, Int(MADV_DONTFORK))
        if vm.hasInterruptController && id != 0 { try makeRunnable() }
    }

    /// Enters the guest once.
    @inline(__always)
    public func enter() -> VCPUExit {
        let result = Host.raw(Int32(SYS_ioctl), Int(descriptor), Int(VMRUN_KVM_RUN), 0)
        if result < 0 {
            switch Int32(truncatingIfNeeded: -result) {
            case EINTR, EAGAIN: return .interrupted
            case EFAULT, EHWPOISON: return .memoryFault
            case let number: return .failed(errno: number)
            }
        }
        switch Int32(bitPattern: run.pointee.exit_reason) {
        case KVM_EXIT_IO: return .io(port: vmrun_io_port(run))
        case KVM_EXIT_MMIO: return .mmio(address: vmrun_mmio_address(run))
        case KVM_EXIT_HLT: return .halt
        case KVM_EXIT_DEBUG: return .debug
        case KVM_EXIT_SHUTDOWN: return .shutdown
        case KVM_EXIT_INTR: return .interrupted
        case KVM_EXIT_FAIL_ENTRY: return .failEntry(reason: vmrun_fail_entry_reason(run))
        case KVM_EXIT_INTERNAL_ERROR: return .internalError(suberror: vmrun_internal_suberror(run))
        default: return .other(reason: run.pointee.exit_reason)
        }
    }

    /// A vCPU ioctl that takes a pointer.
    @inline(__always)
    public func control<Value>(_ request: UInt, _ value: inout Value) throws(HostError) {
        var result: Int
        repeat {
            result = withUnsafeMutablePointer(to: &value) {
                Host.raw(Int32(SYS_ioctl), Int(descriptor), Int(request), $0.argument)
            }
        } while result == -Int(EINTR)
        if result < 0 { throw HostError(Int32(-result)) }
    }

    /// A vCPU ioctl on raw memory.
    public func control(_ request: UInt, _ pointer: UnsafeMutableRawPointer) throws(HostError) {
        try Host.call(Int32(SYS_ioctl), Int(descriptor), Int(request), pointer.argument, retryOnInterrupt: true)
    }

    /// In a fork child: descriptor and mapping are gone already, and their numbers may be somebody else's.
    public func forget() { descriptor = -1 }

    /// At the end of a process whose descriptor table others go on using.
    public func closeDescriptor() { Host.close(descriptor) }

    deinit { close() }

    /// Gives the vCPU back before its object goes: a helper process leaves without unwinding its references.
    public func close() {
        if descriptor < 0 { return }
        defer { descriptor = -1 }
        _ = Host.raw(Int32(SYS_munmap), Int(bitPattern: run), runSize)
        _ = Host.raw(Int32(SYS_close), Int(descriptor))
    }
}
