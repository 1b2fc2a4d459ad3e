/* What differs between the processors that fixtures are built for. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#if defined(__x86_64__)
#define MACHINE_NAME "x86_64" /* of uname(2) and AT_PLATFORM */
#define ILLEGAL_INSTRUCTION "ud2"
/* The end of what a program may map. */
#define USER_TOP (1UL << 47)
#define CONTEXT_PC(context) (*(uintptr_t *)&(context)->uc_mcontext.gregs[REG_RIP])
#define CONTEXT_SP(context) (*(uintptr_t *)&(context)->uc_mcontext.gregs[REG_RSP])
/* What a program begins with in the control register for floating point, and another value. */
#define FLOATING_CONTROL_USUAL 0x1f80u
#define FLOATING_CONTROL_OTHER 0x5d80u

static inline __attribute__((unused)) unsigned floating_control(void)
{
    unsigned value;
    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value;
}

static inline __attribute__((unused)) void set_floating_control(unsigned value)
{
    __asm__ volatile("ldmxcsr %0" : : "m"(value));
}

static inline __attribute__((unused)) void relax(void) { __asm__ volatile("pause"); }

/* A system call in place: no return address is on the stack that a child could overwrite. */
static inline __attribute__((always_inline, unused)) long in_place(long number, long a, long b, long c, long d, long e)
{
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
#define MACHINE_NAME "aarch64"
#define ILLEGAL_INSTRUCTION "udf #0"
#define USER_TOP (1UL << 48)
#define CONTEXT_PC(context) (*(uintptr_t *)&(context)->uc_mcontext.pc)
#define CONTEXT_SP(context) (*(uintptr_t *)&(context)->uc_mcontext.sp)
#define FLOATING_CONTROL_USUAL 0u
#define FLOATING_CONTROL_OTHER 0xc00000u

static inline __attribute__((unused)) unsigned floating_control(void)
{
    unsigned long value;
    __asm__ volatile("mrs %0, fpcr" : "=r"(value));
    return (unsigned)value;
}

static inline __attribute__((unused)) void set_floating_control(unsigned value)
{
    __asm__ volatile("msr fpcr, %0" : : "r"((unsigned long)value));
}

static inline __attribute__((unused)) void relax(void) { __asm__ volatile("yield"); }

static inline __attribute__((always_inline, unused)) long in_place(long number, long a, long b, long c, long d, long e)
{
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d, x4 __asm__("x4") = e;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
}
#endif

/* A function that returns a small number. */
enum { FUNCTION_SIZE = 8 };

static inline __attribute__((unused)) void write_function(void *place, unsigned char number)
{
#if defined(__x86_64__)
    const unsigned char code[FUNCTION_SIZE] = {0xb8, number, 0, 0, 0, 0xc3, 0x90, 0x90};
#elif defined(__aarch64__)
    const uint32_t code[FUNCTION_SIZE / 4] = {0x52800000u | (uint32_t)number << 5, 0xd65f03c0u};
#endif
    memcpy(place, code, FUNCTION_SIZE);
    __builtin___clear_cache((char *)place, (char *)place + FUNCTION_SIZE);
}

#endif
