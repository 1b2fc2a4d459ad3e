#if arch(arm64)
import GuestMemory

/// No system call is rewritten: none is shown as a candidate (`GuestCPU.sampledSite`).
extension GuestMachine {
    public func installStub(_ index: Int, _ site: CallSite) {}

    public static func stub(_ index: Int) -> UInt64 { 0 }
}
#endif
