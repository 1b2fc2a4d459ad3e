#include "vmrun_signal.h"

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "vmrun_copy.h"
#include "vmrun_syscall.h"
#include "vmrun_thread.h"

// The kernel's struct sigaction: glibc's refuses the two signals that its own threads library uses, and the guest
// may use them too.
struct kernel_sigaction {
    uintptr_t handler;
    unsigned long flags;
    // arm64 has it too, and goes through the vDSO where it is not set.
    void (*restorer)(void);
    uint64_t mask;
};

#define KERNEL_SA_RESTORER 0x04000000ul
#define BIT(signal) (1ull << ((signal)-1))
// Marks the kick's host disposition where the guest's own has no SA_RESTART: the host's always has it (interruptible.c). The
// kernel keeps the flag and looks at it for SIGCHLD only.
#define SA_GUEST_INTERRUPTS SA_NOCLDSTOP
// Marks a signal that the guest ignores, but vmrun needs its handler for.
#define SA_GUEST_IGNORES SA_NOCLDWAIT

extern const char vmrun_isc_begin[], vmrun_isc_syscall[], vmrun_isc_end[], vmrun_isc_unstarted[], vmrun_isc_restart[];

#if defined(__x86_64__)
void vmrun_restorer(void);
__asm__(".text\n"
        ".globl vmrun_restorer\n"
        ".type vmrun_restorer, @function\n"
        "vmrun_restorer:\n"
        "    mov $15, %eax\n"
        "    syscall\n"
        ".size vmrun_restorer, . - vmrun_restorer\n");
#define CONTEXT_IP(c) (*(uintptr_t *)&(c)->uc_mcontext.gregs[REG_RIP])
#define CONTEXT_RESULT(c) (*(long *)&(c)->uc_mcontext.gregs[REG_RAX])
#define CONTEXT_NUMBER(c) ((c)->uc_mcontext.gregs[REG_RAX])

#define CONTEXT_IS_PAGE_FAULT_AT(c, address) \
    ((c)->uc_mcontext.gregs[REG_TRAPNO] == 14 && (uintptr_t)(c)->uc_mcontext.gregs[REG_CR2] == (address))
#define CONTEXT_IS_PROTECTION_FAULT(c) ((c)->uc_mcontext.gregs[REG_TRAPNO] == 13)

// The stub clears RCX, SYSCALL puts the address behind itself there, and the kernel keeps it when it rewinds.
static int call_was_made(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.gregs[REG_RCX] == (uintptr_t)vmrun_isc_end;
}
#elif defined(__aarch64__)
#define CONTEXT_IP(c) (*(uintptr_t *)&(c)->uc_mcontext.pc)
#define CONTEXT_RESULT(c) (*(long *)&(c)->uc_mcontext.regs[0])
#define CONTEXT_NUMBER(c) ((c)->uc_mcontext.regs[8])
#define CONTEXT_IS_PAGE_FAULT_AT(c, address) ((uintptr_t)(c)->uc_mcontext.fault_address == (address))
#define CONTEXT_IS_PROTECTION_FAULT(c) ((void)(c), 0)

// The kernel gives back every register but the result, so a call that it has rewound looks like one that is about to be made.
// The latter is an instant; what is taken for a rewound call then is a signal that came before the call.
static int call_was_made(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.pc == (uintptr_t)vmrun_isc_syscall;
}
#endif

// Signals whose default action vmrun replaces by a sentence where the fault was its own.
static int is_fault_signal(int signal)
{
    return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE || signal == SIGTRAP;
}

// VMRUN_DEBUG_KICK_SIGNAL once there is a debugger.
static int debug_kick;

static int is_kick_signal(int signal)
{
    return signal == VMRUN_KICK_SIGNAL || signal == debug_kick;
}

// Signals whose handler vmrun cannot be without: copies of guest memory fault, and threads are kicked.
static int is_always_captured(int signal)
{
    return signal == SIGSEGV || signal == SIGBUS || (debug_kick && signal == debug_kick);
}

// A fault in vmrun's own code: say so, and never as if the guest had died by it.
static void __attribute__((noreturn)) internal_fault(int signal, const siginfo_t *info, uintptr_t ip)
{
    char text[160];
    int length = snprintf(text, sizeof text,
                          "vmrun: internal error: signal %d at %#lx (address %#lx); please report this\n", signal,
                          (unsigned long)ip, (unsigned long)info->si_addr);
    vmrun_syscall(SYS_write, 2, (long)text, length, 0, 0, 0);
    vmrun_syscall(SYS_exit_group, 125, 0, 0, 0, 0, 0);
    __builtin_unreachable();
}

long vmrun_requeue(int signal, const siginfo_t *info)
{
    long pid = vmrun_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0), tid = vmrun_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
    return vmrun_syscall(SYS_rt_tgsigqueueinfo, pid, tid, signal, (long)info, 0, 0);
}

static void leave_guest(struct vmrun_thread *thread, uint32_t why)
{
    __atomic_or_fetch(&thread->attention, why, __ATOMIC_RELAXED);
    if (thread->run)
        thread->run->immediate_exit = 1;
}

// Whether the kernel reports a fault of the instruction at hand. A signal that somebody sent may have any si_code: a child's
// exit signal can be SIGSEGV with CLD_EXITED, which is the number of SEGV_MAPERR, and a process may queue itself what it likes.
static int is_own_fault(int signal, const siginfo_t *info, const ucontext_t *context)
{
    if (info->si_code <= 0)
        return 0;
    switch (signal) {
    case SIGSEGV:
    case SIGBUS:
        return info->si_code == SI_KERNEL ? CONTEXT_IS_PROTECTION_FAULT(context)
                                          : CONTEXT_IS_PAGE_FAULT_AT(context, (uintptr_t)info->si_addr);
    case SIGILL:
    case SIGFPE:
    case SIGTRAP:
        return (uintptr_t)info->si_addr == CONTEXT_IP(context);
    default:
        return 0;
    }
}

static uint64_t host_flags(int signal)
{
    struct kernel_sigaction action = {0};
    vmrun_syscall(SYS_rt_sigaction, signal, 0, (long)&action, 8, 0, 0);
    return action.flags;
}

// A signal that the guest ignores must not end its call. Where the kernel has ended it all the same it is made again, with a
// relative time-out from the beginning.
static void resume_call(ucontext_t *context)
{
    uintptr_t ip = CONTEXT_IP(context);
    int rewound = ip >= (uintptr_t)vmrun_isc_begin && ip <= (uintptr_t)vmrun_isc_syscall && call_was_made(context);
    if (rewound || (ip == (uintptr_t)vmrun_isc_end && CONTEXT_RESULT(context) == -EINTR))
        CONTEXT_IP(context) = (uintptr_t)vmrun_isc_restart;
}

// The interrupted code goes on with every signal blocked.
static void block_everything(ucontext_t *context)
{
    *(uint64_t *)&context->uc_sigmask = ~0ull;
    vmrun_faults_blocked = 1;
    uintptr_t slow = vmrun_copy_slow_path(CONTEXT_IP(context));
    if (slow)
        CONTEXT_IP(context) = slow;
}

static void handler(int signal, siginfo_t *info, void *opaque)
{
    ucontext_t *context = opaque;
    uintptr_t ip = CONTEXT_IP(context);
    int kernel_fault = is_own_fault(signal, info, context);
    if (kernel_fault) {
        uintptr_t target = vmrun_copy_fixup(ip);
        if (!target)
            internal_fault(signal, info, ip);
        CONTEXT_IP(context) = target;
        return;
    }
    struct vmrun_thread *thread = vmrun_thread_self();
    if (!thread)
        return;

    int is_kick = is_kick_signal(signal) && (info->si_code == SI_QUEUE || info->si_code == SI_TIMER) &&
                  (uint64_t)(uintptr_t)info->si_value.sival_ptr == VMRUN_KICK_VALUE;
    if (is_kick) {
        thread->kicked = 1;
        leave_guest(thread, VMRUN_ATTENTION_KICK);
    } else if (is_always_captured(signal) && host_flags(signal) & SA_GUEST_IGNORES) {
        resume_call(context);
        return;
    } else if (debug_kick && signal == debug_kick && thread->blocked & BIT(signal)) {
        return;
    } else {
        // One at a time. Only the kick's number can come while one is held (interruptible.c): it goes back to the kernel.
        if (thread->captured) {
            vmrun_requeue(signal, info);
        } else {
            thread->captured_info = *info;
            thread->captured = signal;
        }
        block_everything(context);
        leave_guest(thread, VMRUN_ATTENTION_SIGNAL);
    }

    if (ip < (uintptr_t)vmrun_isc_begin || ip > (uintptr_t)vmrun_isc_syscall)
        return;
    if (!call_was_made(context)) {
        CONTEXT_IP(context) = (uintptr_t)vmrun_isc_unstarted;
    } else if (CONTEXT_NUMBER(context) == SYS_restart_syscall) {
        // The kernel was about to resume a call with a relative time-out, which a handler ends with EINTR.
        CONTEXT_IP(context) = (uintptr_t)vmrun_isc_end;
        CONTEXT_RESULT(context) = -EINTR;
    } else if (!is_kick && is_kick_signal(signal) && !vmrun_restarts(signal)) {
        CONTEXT_IP(context) = (uintptr_t)vmrun_isc_end;
        CONTEXT_RESULT(context) = -EINTR;
    } else {
        CONTEXT_IP(context) = (uintptr_t)vmrun_isc_restart;
    }
}

static long set_action(int signal, uintptr_t function, uint64_t flags)
{
    struct kernel_sigaction action = {.handler = function, .flags = flags | SA_SIGINFO, .mask = ~0ull};
#if defined(__x86_64__)
    action.flags |= KERNEL_SA_RESTORER;
    action.restorer = vmrun_restorer;
#endif
    return vmrun_syscall(SYS_rt_sigaction, signal, (long)&action, 0, 8, 0, 0);
}

// What the kernel does with pending signals that become ignored.
static void drop_pending(int signal)
{
    const struct timespec at_once = {0, 0};
    uint64_t set = BIT(signal);
    while (vmrun_syscall(SYS_rt_sigtimedwait, (long)&set, 0, (long)&at_once, 8, 0, 0) == signal)
        continue;
}

long vmrun_set_disposition(int signal, enum vmrun_disposition disposition, uint64_t flags)
{
    if (is_always_captured(signal)) {
        flags &= SA_RESTART;
        if (is_kick_signal(signal))
            flags = flags ? SA_RESTART : SA_RESTART | SA_GUEST_INTERRUPTS;
        if (disposition == VMRUN_DISPOSITION_IGNORE)
            flags = SA_RESTART | SA_GUEST_IGNORES;
        long result = set_action(signal, (uintptr_t)handler, flags);
        if (disposition == VMRUN_DISPOSITION_IGNORE)
            drop_pending(signal);
        return result;
    }
    if (disposition == VMRUN_DISPOSITION_IGNORE)
        return set_action(signal, (uintptr_t)SIG_IGN, flags);
    if (is_fault_signal(signal))
        return set_action(signal, (uintptr_t)handler, flags & ~(uint64_t)SA_RESETHAND);
    return set_action(signal, disposition == VMRUN_DISPOSITION_DEFAULT ? (uintptr_t)SIG_DFL : (uintptr_t)handler, flags);
}

int vmrun_is_ignored(int signal)
{
    struct kernel_sigaction action = {0};
    vmrun_syscall(SYS_rt_sigaction, signal, 0, (long)&action, 8, 0, 0);
    return action.handler == (uintptr_t)SIG_IGN;
}

void vmrun_install_handlers(void)
{
    vmrun_set_host_mask(~0ull);
    for (int signal = 1; signal <= 64; signal++)
        if (is_always_captured(signal) || (is_fault_signal(signal) && !vmrun_is_ignored(signal)))
            vmrun_set_disposition(signal, VMRUN_DISPOSITION_DEFAULT, 0);
}

int vmrun_restarts(int signal)
{
    uint64_t flags = host_flags(signal);
    return flags & SA_RESTART && !(is_kick_signal(signal) && flags & SA_GUEST_INTERRUPTS);
}

uint64_t vmrun_host_mask(uint64_t mask)
{
    return debug_kick ? mask & ~BIT(debug_kick) : mask;
}

void vmrun_set_host_mask(uint64_t mask)
{
    struct vmrun_thread *thread = vmrun_thread_self();
    // Where vmrun blocks everything it is not in the guest.
    if (mask != ~0ull)
        mask = vmrun_host_mask(mask);
    int blocks_faults = (mask & (BIT(SIGSEGV) | BIT(SIGBUS))) != 0;
    vmrun_faults_blocked = 1;
    if (mask == ~0ull || !thread) {
        vmrun_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, 8, 0, 0);
        if (!blocks_faults)
            vmrun_faults_blocked = 0;
        return;
    }
    // Made like a call of the guest's: a signal that is captured before it leaves everything blocked.
    const uint64_t args[6] = {SIG_SETMASK, (uint64_t)(uintptr_t)&mask, 0, 8};
    while (!thread->captured) {
        // Before the mask opens: a handler that runs from then on sets it again.
        if (!blocks_faults)
            vmrun_faults_blocked = 0;
        long result = vmrun_guest_syscall((const volatile uint32_t *)&thread->captured, SYS_rt_sigprocmask, args);
        // The kernel never restarts it: a kick came in the instant before the call (arm64's call_was_made).
        if (result != VMRUN_UNSTARTED && result != VMRUN_ERESTART)
            return;
        vmrun_faults_blocked = 1;
    }
}

static long kick(int32_t process, int32_t tid, int signal)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = signal;
    info.si_code = SI_QUEUE;
    info.si_pid = (pid_t)vmrun_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
    info.si_value.sival_ptr = (void *)(uintptr_t)VMRUN_KICK_VALUE;
    return vmrun_syscall(SYS_rt_tgsigqueueinfo, process ? process : info.si_pid, tid, signal, (long)&info, 0, 0);
}

long vmrun_kick(int32_t tid)
{
    return kick(0, tid, VMRUN_KICK_SIGNAL);
}

void vmrun_enable_debug_kick(void)
{
    debug_kick = VMRUN_DEBUG_KICK_SIGNAL;
    vmrun_set_disposition(debug_kick, vmrun_is_ignored(debug_kick) ? VMRUN_DISPOSITION_IGNORE : VMRUN_DISPOSITION_DEFAULT, 0);
}

long vmrun_debug_kick(int32_t process, int32_t tid)
{
    return kick(process, tid, VMRUN_DEBUG_KICK_SIGNAL);
}

int vmrun_is_in_guest_call(uint64_t address)
{
    return address >= (uintptr_t)vmrun_isc_begin && address <= (uintptr_t)vmrun_isc_end;
}

int vmrun_takes_kick(const struct vmrun_thread *thread)
{
    return !(thread->blocked & BIT(VMRUN_KICK_SIGNAL));
}

void vmrun_die_by_signal(int signal)
{
    struct kernel_sigaction action;
    memset(&action, 0, sizeof action);
    uint64_t mask = BIT(signal);
    vmrun_syscall(SYS_rt_sigaction, signal, (long)&action, 0, 8, 0, 0);
    vmrun_syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&mask, 0, 8, 0, 0);
    long pid = vmrun_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0), tid = vmrun_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
    vmrun_syscall(SYS_tgkill, pid, tid, signal, 0, 0, 0);
    vmrun_syscall(SYS_exit_group, 128 + signal, 0, 0, 0, 0, 0);
    __builtin_unreachable();
}
