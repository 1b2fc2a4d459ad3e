#if arch(arm64)
import CShim
import LinuxABI
import Machine
import Process

/// The options of prctl(2) that are about this kind of processor.
enum ProcessorControl {
    private static let setVectorLength = UInt32(PR_SVE_SET_VL)
    private static let getVectorLength = UInt32(PR_SVE_GET_VL)
    private static let resetKeys = UInt32(PR_PAC_RESET_KEYS)
    private static let setEnabledKeys = UInt32(PR_PAC_SET_ENABLED_KEYS)
    private static let getEnabledKeys = UInt32(PR_PAC_GET_ENABLED_KEYS)
    /// PR_PAC_ENABLED_KEYS_MASK.
    private static let addressKeys: UInt64 = 0xf

    /// The options that are passed on to the host.
    static var hostOptions: [UInt32] { [setVectorLength, getVectorLength] }

    /// EINVAL for every other option, and where the processor does not have what the option is about.
    static func prctl(_ thread: GuestThread, _ args: SyscallArguments) throws(GuestErrno) -> Int {
        let cpu = thread.cpu
        switch UInt32(truncatingIfNeeded: args.a0) {
        case setVectorLength where cpu.hasScalableVectors:
            // The host thread's length is the guest's: it is inherited, and outlives an exec, by the kernel's rules.
            thread.process.noteUnlikeThreads()
            let result = thread.hostCall(Int(SYS_prctl), args.a0, args.a1)
            cpu.dropScalableVectors()
            return result
        case getVectorLength where cpu.hasScalableVectors: return thread.hostCall(Int(SYS_prctl), args.a0)

        case resetKeys where cpu.hasPointerAuthentication:
            guard args.a2 | args.a3 | args.a4 == 0 else { throw .EINVAL }
            guard cpu.resetPointerKeys(args.a1) else { throw .EINVAL }
            return 0
        case setEnabledKeys where cpu.hasPointerAuthentication:
            guard args.a3 | args.a4 == 0, args.a1 & ~addressKeys == 0, args.a2 & ~args.a1 == 0 else { throw .EINVAL }
            cpu.enabledPointerKeys = cpu.enabledPointerKeys & ~args.a1 | args.a2
            return 0
        case getEnabledKeys where cpu.hasPointerAuthentication:
            guard args.a1 | args.a2 | args.a3 | args.a4 == 0 else { throw .EINVAL }
            return Int(cpu.enabledPointerKeys)
        default: throw .EINVAL
        }
    }
}
#endif
