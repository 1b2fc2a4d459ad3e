#if arch(x86_64)
/// TASK_SIZE: where a program's addresses end, as most kernels are built.
public enum TaskSize {
    public static let value: UInt64 = 0x7fff_ffff_f000
}
#endif
