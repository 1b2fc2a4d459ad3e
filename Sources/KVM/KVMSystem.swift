import CShim
import Host

/// Why this host's KVM cannot be used.
public enum KVMUnavailable: Error {
    /// /dev/kvm does not exist.
    case missing
    /// /dev/kvm may not be opened by this user.
    case forbidden
    /// Opening failed otherwise, with the errno.
    case failed(Int32)
    /// KVM_GET_API_VERSION is not 12.
    case apiVersion(Int)
    /// A capability that vmrun cannot do without.
    case capability(StaticString)

    /// One sentence that says what is wrong and what to do.
    public var sentence: String {
        switch self {
        case .missing:
            "/dev/kvm does not exist; load the kvm_intel or kvm_amd module, or switch virtualization on in the firmware"
        case .forbidden: "no permission to open /dev/kvm; add your user to the kvm group and log in again"
        case .failed(let number): "cannot open /dev/kvm (errno \(number))"
        case .apiVersion(let version): "/dev/kvm speaks API version \(version), vmrun needs 12"
        case .capability(let name): "this kernel's KVM lacks \(name.description), which vmrun needs; a newer kernel has it"
        }
    }
}

/// The /dev/kvm descriptor and what it can do. See Documentation/virt/kvm/api.rst.
public final class KVMSystem {
    public let descriptor: Int32
    /// Bytes of one vCPU's kvm_run mapping.
    public let runSize: Int
    /// The processors that it makes, in the architecture's form. Asking takes long where the host is a virtual machine itself
    /// (an exit for each CPUID instruction), so the answer is kept over fork and exec.
    public let processor: [UInt8]

    /// Opens /dev/kvm and checks what vmrun needs of it.
    public convenience init() throws(KVMUnavailable) {
        let result = "/dev/kvm".withCString {
            Host.raw(Int32(SYS_openat), Int(AT_FDCWD), $0.argument, Int(O_RDWR | O_CLOEXEC))
        }
        switch Int32(truncatingIfNeeded: -result) {
        case ENOENT, ENODEV, ENXIO: throw .missing
        case EACCES, EPERM: throw .forbidden
        case let number where result < 0: throw .failed(number)
        default: break
        }
        try self.init(descriptor: InternalDescriptors.adopt(Int32(result)), processor: nil)
    }

    /// Takes over an open /dev/kvm, as an exec does: the user who runs by then may have no right to open it.
    public init(descriptor: Int32, processor: [UInt8]?) throws(KVMUnavailable) {
        self.descriptor = descriptor
        let version = Host.raw(Int32(SYS_ioctl), Int(descriptor), Int(VMRUN_KVM_GET_API_VERSION))
        guard version == 12 else { throw .apiVersion(version) }
        for (capability, name) in RequiredCapabilities.all where Self.check(descriptor, capability) <= 0 {
            throw .capability(name)
        }
        runSize = Host.raw(Int32(SYS_ioctl), Int(descriptor), Int(VMRUN_KVM_GET_VCPU_MMAP_SIZE))
        guard runSize > 0 else { throw .capability("KVM_GET_VCPU_MMAP_SIZE") }
        if let processor {
            self.processor = processor
        } else {
            self.processor = try ProcessorDescription.read(descriptor)
        }
    }

    private static func check(_ descriptor: Int32, _ capability: Int32) -> Int {
        Host.raw(Int32(SYS_ioctl), Int(descriptor), Int(VMRUN_KVM_CHECK_EXTENSION), Int(capability))
    }

    /// KVM_CHECK_EXTENSION: 0 where the capability is absent, otherwise its value.
    public func capability(_ number: Int32) -> Int { max(Self.check(descriptor, number), 0) }

    deinit { _ = Host.raw(Int32(SYS_close), Int(descriptor)) }
}
