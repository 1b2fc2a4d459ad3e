// Raw host system calls. In C because Swift cannot emit the instruction, and because glibc's wrappers
// translate through errno, which is thread-local state that a helper process would share with its parent.
#pragma once

#include <stdint.h>

#include "vmrun_faults.h"

/// The host system call `number`, where no fault is injected in its place; returns the kernel's own result: a value, or -errno in -4095...-1.
static inline long vmrun_syscall(long number, long a0, long a1, long a2, long a3, long a4, long a5)
{
    long fault = vmrun_injected_fault(number, a1);
    if (fault)
        return fault;
#if defined(__x86_64__)
    register long r10 __asm__("r10") = a3;
    register long r8 __asm__("r8") = a4;
    register long r9 __asm__("r9") = a5;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a0), "S"(a1), "d"(a2), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a0;
    register long x1 __asm__("x1") = a1;
    register long x2 __asm__("x2") = a2;
    register long x3 __asm__("x3") = a3;
    register long x4 __asm__("x4") = a4;
    register long x5 __asm__("x5") = a5;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#else
#error "vmrun supports x86-64 and aarch64"
#endif
}

/// What vmrun_interruptible_syscall answers when the guest's call is to be made again after the signal's handler: the kernel
/// would have restarted it. Never a result of the kernel's own: below any negative process group that F_GETOWN answers.
#define VMRUN_ERESTART (-0x7fff0000L)

/// What vmrun_guest_syscall answers where `*attention` was set, or a handler ran, before the call was made.
#define VMRUN_UNSTARTED (-0x7fff0001L)

/// One attempt at a call (x86_64/syscall.S): the kernel's result, VMRUN_ERESTART or VMRUN_UNSTARTED.
long vmrun_guest_syscall(const volatile uint32_t *attention, long number, const uint64_t args[6]);

/// A host system call on the guest's behalf, which a signal for the guest interrupts as it would the guest's own, also one
/// that was captured (`*attention` is set) before the call could be made. `args` are the six arguments.
long vmrun_interruptible_syscall(const volatile uint32_t *attention, long number, const uint64_t args[6]);
