#if arch(arm64)
import CShim

/// What differs between the architectures that a guest image can be built for.
enum GuestArchitecture {
    static let machine = UInt16(EM_AARCH64)
    /// AT_PLATFORM, as the kernel's ELF_PLATFORM.
    static let platform: StaticString = "aarch64"
    static let name: StaticString = "aarch64"
    /// The bits of AT_HWCAP and AT_HWCAP2 that hold for the guest: not SVE (22), pointer authentication (30, 31), guarded stacks (32), and
    /// of the second SVE2 and its parts (1 to 6, 9 to 12, 33, 36, 45), branch targets (17), memory tags (18, 22), SME (23 to 30, 37 to
    /// 42) and MOPS (43): the guest's vCPU does not have them.
    static let shownCapabilities: UInt64 = ~(1 << 22 | 7 << 30)
    static let shownCapabilities2: UInt64 =
        ~(0x1e7e | 3 << 17 | 0x7fc0_0000 | 1 << 33 | 0x7f0_0000_0000 | 1 << 43 | 1 << 45)
}
#endif
