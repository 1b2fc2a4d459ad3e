#if arch(x86_64)
import CShim

/// What differs between the architectures that a guest image can be built for.
enum GuestArchitecture {
    static let machine = UInt16(EM_X86_64)
    /// AT_PLATFORM, as the kernel's ELF_PLATFORM.
    static let platform: StaticString = "x86_64"
    static let name: StaticString = "x86-64"
}
#endif
