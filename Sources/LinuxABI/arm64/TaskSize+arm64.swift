#if arch(arm64)
/// TASK_SIZE: where a program's addresses end, as most kernels are built.
public enum TaskSize {
    public static let value: UInt64 = 1 << 48
}
#endif
