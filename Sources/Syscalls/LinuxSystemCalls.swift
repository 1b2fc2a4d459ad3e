import CShim
import LinuxABI
import Machine
import Process
import GuestMemory
import Host

/// The Linux system call interface of a guest.
public final class LinuxSystemCalls: SystemCallServer {
    public init() {}

    public func serve(_ thread: GuestThread, number: UInt64) -> Int {
        let r = thread.cpu.registers.pointee
        let a = SyscallArguments(r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9)
        do throws(GuestErrno) {
            switch Int32(truncatingIfNeeded: number) {
            case SYS_mmap: return Int(try thread.process.memory.mmap(address: a.a0, length: a.a1, prot: a.a2, flags: a.a3, fd: Int32(truncatingIfNeeded: a.a4), offset: a.a5))
            case SYS_munmap: try thread.process.memory.munmap(address: a.a0, length: a.a1); return 0
            case SYS_mprotect: try thread.process.memory.mprotect(address: a.a0, length: a.a1, prot: a.a2); return 0
            case SYS_brk: return Int(thread.process.memory.brk(a.a0))
            case SYS_clone: return try ProcessCalls.clone(thread, a)
            case SYS_clone3: return try ProcessCalls.clone3(thread, a)
            case SYS_fork: return try ProcessCalls.fork(thread, a)
            case SYS_vfork: return try ProcessCalls.vfork(thread, a)
            case SYS_execve: return try ProcessCalls.execve(thread, a)
            case SYS_exit: return try ProcessCalls.exit(thread, a)
            case SYS_exit_group: return try ProcessCalls.exit_group(thread, a)
            case SYS_wait4: return try ProcessCalls.wait4(thread, a)
            case SYS_set_tid_address: return try ProcessCalls.set_tid_address(thread, a)
            case SYS_rt_sigaction: return try SignalCalls.rt_sigaction(thread, a)
            case SYS_rt_sigprocmask: return try SignalCalls.rt_sigprocmask(thread, a)
            case SYS_rt_sigreturn: return try SignalCalls.rt_sigreturn(thread, a)
            case SYS_sigaltstack: return try SignalCalls.sigaltstack(thread, a)
            case SYS_rt_sigsuspend: return try SignalCalls.rt_sigsuspend(thread, a)
            case SYS_kill: return try SignalCalls.kill(thread, a)
            case SYS_tgkill: return try SignalCalls.tgkill(thread, a)
            case SYS_arch_prctl: return try MachineCalls.arch_prctl(thread, a)
            case SYS_rseq: return -38
            default: return thread.hostCall(Int(number), a.a0, a.a1, a.a2, a.a3, a.a4, a.a5)
            }
        } catch { return error.result }
    }
}
