#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "vmrun_signal.h"
#include "vmrun_syscall.h"
#include "vmrun_thread.h"

#define BIT(signal) (1ull << ((signal)-1))

static int make_timer(struct vmrun_thread *thread)
{
    // The kernel's struct sigevent: value, signal, notification, thread id. glibc hides the last.
    struct {
        void *value;
        int signal, notify, tid, padding[11];
    } event = {(void *)(uintptr_t)VMRUN_KICK_VALUE, VMRUN_KICK_SIGNAL, SIGEV_SIGNAL | 4 /* SIGEV_THREAD_ID */, thread->tid, {0}};
    int32_t timer;
    if (vmrun_syscall(SYS_timer_create, CLOCK_MONOTONIC, (long)&event, (long)&timer, 0, 0, 0) != 0)
        return 0;
    thread->guard_timer = timer;
    thread->has_guard_timer = 1;
    return 1;
}

static void arm(const struct vmrun_thread *thread, long nanoseconds)
{
    struct itimerspec time;
    memset(&time, 0, sizeof time);
    time.it_value.tv_nsec = nanoseconds;
    vmrun_syscall(SYS_timer_settime, thread->guard_timer, 0, (long)&time, 0, 0, 0);
}

static int kick_is_pending(void)
{
    uint64_t pending = 0;
    vmrun_syscall(SYS_rt_sigpending, (long)&pending, 8, 0, 0, 0, 0);
    return (pending & BIT(VMRUN_KICK_SIGNAL)) != 0;
}

static void mask_kick(int how)
{
    uint64_t mask = BIT(VMRUN_KICK_SIGNAL);
    vmrun_syscall(SYS_rt_sigprocmask, how, (long)&mask, 0, 8, 0, 0);
}

// The guest is inside its call already, and a signal has come: what happens now depends on whether the call would sleep,
// which only the kernel can tell. So the call is made, with everything blocked but the kick, and a timer that kicks when it does
// sleep. The kick's disposition has SA_RESTART, so the kernel also tells whether this call is one that restarts.
static long guarded_syscall(struct vmrun_thread *thread, long number, const uint64_t args[6])
{
    if (!thread->has_guard_timer && !make_timer(thread))
        return VMRUN_ERESTART;
    if (thread->call_mask) {
        // One that the call's own mask would hold back came before the call.
        if (*thread->call_mask & BIT(thread->captured))
            return VMRUN_ERESTART;
        *thread->call_mask = ~BIT(VMRUN_KICK_SIGNAL);
    }
    long result = VMRUN_ERESTART;
    for (long delay = 20000;; delay = delay < 100000000 ? delay * 4 : delay) {
        // One of the guest's own would take the kick's way. Then the captured one counts as having come before the call.
        if (kick_is_pending())
            break;
        thread->kicked = 0;
        mask_kick(SIG_UNBLOCK);
        arm(thread, delay);
        // On a slow or busy machine the timer is faster than the way to the call.
        result = vmrun_guest_syscall(&thread->kicked, number, args);
        arm(thread, 0);
        mask_kick(SIG_BLOCK);
        if (result != VMRUN_UNSTARTED)
            break;
        result = VMRUN_ERESTART;
    }
    if (result == VMRUN_ERESTART && thread->captured && !vmrun_restarts(thread->captured))
        return -4; // EINTR
    return result;
}

long vmrun_interruptible_syscall(const volatile uint32_t *attention, long number, const uint64_t args[6])
{
    long result = vmrun_guest_syscall(attention, number, args);
    if (result != VMRUN_UNSTARTED)
        return result;
    struct vmrun_thread *thread = vmrun_thread_self();
    // A kick alone is nothing that the guest may notice.
    if (!thread || !thread->captured)
        return VMRUN_ERESTART;
    return guarded_syscall(thread, number, args);
}

void vmrun_thread_release(struct vmrun_thread *thread)
{
    if (thread->has_guard_timer)
        vmrun_syscall(SYS_timer_delete, thread->guard_timer, 0, 0, 0, 0, 0);
    thread->has_guard_timer = 0;
}
