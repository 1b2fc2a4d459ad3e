import LinuxABI
import Process

/// Every handler has this shape: it answers what the guest finds in its result register (a value, or VMRUN_ERESTART from a
/// host call), or throws the errno.
public typealias SyscallHandler = (GuestThread, SyscallArguments) throws(GuestErrno) -> Int
