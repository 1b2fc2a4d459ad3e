#if arch(x86_64)
extension SyscallTable {
    /// The row of a number; nil where there is none: ENOSYS.
    @inline(__always)
    public static func row(_ number: UInt32) -> SyscallRow? { writtenRow(number) }
}
#endif
