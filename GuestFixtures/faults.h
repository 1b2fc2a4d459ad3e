/* Touch memory that may not be there, and say which signal came of it. */
#ifndef FAULTS_H
#define FAULTS_H

#include "check.h"
#include "machine.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

static sigjmp_buf fault_return;
static siginfo_t fault_info;
static uintptr_t fault_rip UNUSED;

static void fault_handler(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    fault_info = *info;
#ifdef __x86_64__
    fault_rip = CONTEXT_PC((ucontext_t *)context);
#else
    fault_rip = (uintptr_t)((ucontext_t *)context)->uc_mcontext.pc;
#endif
    siglongjmp(fault_return, 1);
}

static inline void catch_faults(void)
{
    struct sigaction action = {.sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGFPE, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    sigaction(SIGTRAP, &action, NULL);
}

/* Run a piece of code; the signal it raised, or 0. Details are in fault_info and fault_rip. */
#define FAULT_OF(code)                                  \
    ({                                                  \
        volatile int signal_ = 0;                                \
        memset(&fault_info, 0, sizeof fault_info);      \
        if (sigsetjmp(fault_return, 1) == 0) {          \
            code;                                       \
        } else {                                        \
            signal_ = fault_info.si_signo;              \
        }                                               \
        signal_;                                        \
    })

static inline int read_fault(volatile void *address)
{
    return FAULT_OF((void)*(volatile unsigned char *)address);
}

static inline int write_fault(volatile void *address)
{
    return FAULT_OF(*(volatile unsigned char *)address = 0x5a);
}

/* The access raises this signal with this code and exactly this address. */
#define CHECK_FAULT(access, address, signal, code)              \
    do {                                                        \
        CHECK_EQ(access((void *)(address)), signal);            \
        CHECK_EQ(fault_info.si_code, code);                     \
        CHECK_EQ((uintptr_t)fault_info.si_addr, (uintptr_t)(address)); \
    } while (0)

#define CHECK_READABLE(address) CHECK_EQ(read_fault((void *)(address)), 0)
#define CHECK_WRITABLE(address) CHECK_EQ(write_fault((void *)(address)), 0)
#define CHECK_NOTHING_AT(address) CHECK_FAULT(read_fault, address, SIGSEGV, SEGV_MAPERR)

#endif
