// Faults of the host, injected where vmrun calls it. Only a build with VMRUN_FAULTS has them; in any other the functions are nothing.
#pragma once

#include <stdint.h>

/// What is counted beside system calls by their numbers: what libc or the heap asks the host for.
enum {
    VMRUN_FAULT_HEAP = 1000,
    VMRUN_FAULT_THREAD,
    VMRUN_FAULT_FORK,
    VMRUN_FAULT_HELPER,
    /// KVM_RUN; other requests count as ioctl(2).
    VMRUN_FAULT_RUN,
    VMRUN_FAULT_KINDS = 1024,
};

/// The file beside vmrun's own, named as it and `.faults`, which all processes of a session map. Where there is none no
/// fault is injected and nothing counted.
struct vmrun_faults {
    /// The call that is to fail and which of its occurrences in the session, from 1; 0: none.
    int32_t kind, occurrence;
    /// What it answers, positive.
    int32_t error;
    /// Set when it has: by which process, and where in vmrun's image it was called.
    int32_t process;
    uint64_t place;
    uint32_t counts[VMRUN_FAULT_KINDS];
};

#ifdef VMRUN_FAULTS
/// -errno where this call is to fail, otherwise 0. `second` is the call's second argument.
long vmrun_injected_fault(long number, long second);
#else
static inline long vmrun_injected_fault(long number, long second)
{
    (void)number;
    (void)second;
    return 0;
}
#endif
