// Whose turn it is to make a guest thread's system calls: a word that the thread's host thread and the poller share. In C because Swift's
// Atomic cannot be placed at an address.
#pragma once

#include <stdint.h>

enum vmrun_turn {
    /// The guest runs: the poller may take a call that it asks for.
    VMRUN_TURN_GUEST = 0,
    /// The poller looks, or makes a call.
    VMRUN_TURN_POLLER = 1,
    /// The thread's own host thread is out of the guest.
    VMRUN_TURN_HOST = 2,
    /// The poller makes a call, and the host thread waits for its end.
    VMRUN_TURN_AWAITED = 3,
};

static inline int32_t vmrun_turn_exchange(int32_t *turn, int32_t value)
{
    return __atomic_exchange_n(turn, value, __ATOMIC_ACQ_REL);
}

static inline void vmrun_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// The processor's clock, for what is soon and what is not.
static inline uint64_t vmrun_cycles(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t count;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count;
#endif
}
