#if arch(arm64)
import LinuxABI

extension SyscallArguments {
    /// The last two of clone(2), which come the other way round here (CONFIG_CLONE_BACKWARDS).
    var childTidAndTLS: (UInt64, UInt64) { (a4, a3) }
}
#endif
