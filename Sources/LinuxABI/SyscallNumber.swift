/// Numbers of system calls that are newer than the oldest kernel headers vmrun builds with. From 424 up they are the same on
/// every architecture.
public enum SyscallNumber {
    public static let futex_requeue = 456
}
