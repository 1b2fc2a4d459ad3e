#if arch(x86_64)
import LinuxABI

extension SyscallArguments {
    /// The last two of clone(2).
    var childTidAndTLS: (UInt64, UInt64) { (a3, a4) }
}
#endif
