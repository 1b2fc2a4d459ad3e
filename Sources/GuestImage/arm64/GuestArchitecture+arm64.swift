#if arch(arm64)
import CShim

/// What differs between the architectures that a guest image can be built for.
enum GuestArchitecture {
    static let machine = UInt16(EM_AARCH64)
    /// AT_PLATFORM, as the kernel's ELF_PLATFORM.
    static let platform: StaticString = "aarch64"
    static let name: StaticString = "aarch64"
}
#endif
