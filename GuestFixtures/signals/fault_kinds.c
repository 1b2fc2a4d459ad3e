/* Faults of every kind that faults.c does not have: floating point in all its codes, alignment, the stack segment, gates, atomic and
   unaligned accesses, instruction fetches; what the context says of each; and faults inside handlers. */
#include "faults.h"
#include <fenv.h>

static uintptr_t resume_at;
static volatile int faults;
static siginfo_t seen;
static greg_t seen_rip, seen_trap, seen_error, seen_cr2;

static void handler(int number, siginfo_t *info, void *opaque)
{
    ucontext_t *context = opaque;
    (void)number;
    faults++;
    seen = *info;
    seen_rip = context->uc_mcontext.gregs[REG_RIP];
    seen_trap = context->uc_mcontext.gregs[REG_TRAPNO];
    seen_error = context->uc_mcontext.gregs[REG_ERR];
    seen_cr2 = context->uc_mcontext.gregs[REG_CR2];
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)resume_at;
    context->uc_mcontext.gregs[REG_EFL] &= ~0x40100;
    /* Floating point goes on without exceptions. */
    if (number == SIGFPE && context->uc_mcontext.fpregs) {
        context->uc_mcontext.fpregs->mxcsr = 0x1f80;
        context->uc_mcontext.fpregs->swd = 0;
        context->uc_mcontext.fpregs->cwd = 0x37f;
    }
}

static void catch_here(void)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    for (int i = 0; i < 5; i++) sigaction(numbers[i], &action, NULL);
}

/* Runs the text; the last instruction, behind 2:, is the one that faults. */
#define FAULTING(text, ...)                                                                       \
    ({                                                                                            \
        uintptr_t at_;                                                                            \
        faults = 0;                                                                               \
        memset(&seen, 0, sizeof seen);                                                            \
        __asm__ volatile("lea 9f(%%rip), %0\n mov %0, %1\n lea 2f(%%rip), %0\n" text "\n 9:"      \
                         : "=&r"(at_), "=m"(resume_at) : __VA_ARGS__                              \
                         : "rax", "rcx", "rdx", "rbx", "memory", "cc", "xmm0", "xmm1");           \
        at_;                                                                                      \
    })

#define CHECK_SEEN(number, code, address, trap, error)          \
    do {                                                        \
        CHECK_EQ(faults, 1);                                    \
        CHECK_EQ(seen.si_signo, number);                        \
        CHECK_EQ(seen.si_code, code);                           \
        CHECK_EQ((uintptr_t)seen.si_addr, (uintptr_t)(address)); \
        CHECK_EQ(seen_trap, trap);                              \
        CHECK_EQ(seen_error, error);                            \
    } while (0)

static const double zero = 0, one = 1, huge = 1e308, tiny = 1e-308;
static double result;

static void sse_exceptions(void)
{
    /* An emulated processor may lack them. */
    static const struct { const double *left, *right; int divide; unsigned unmasked; int code; } cases[] = {
        {&zero, &zero, 1, 0x080, FPE_FLTINV}, {&one, &zero, 1, 0x200, FPE_FLTDIV}, {&huge, &huge, 0, 0x400, FPE_FLTOVF},
        {&tiny, &tiny, 0, 0x800, FPE_FLTUND}, {&one, &huge, 1, 0x1000, FPE_FLTRES},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned control = 0x1f80 & ~cases[i].unmasked;
        uintptr_t at;
        if (cases[i].divide)
            at = FAULTING("ldmxcsr %2\n movsd (%3), %%xmm0\n 2: divsd (%4), %%xmm0", "m"(control), "r"(cases[i].left), "r"(cases[i].right));
        else
            at = FAULTING("ldmxcsr %2\n movsd (%3), %%xmm0\n 2: mulsd (%4), %%xmm0", "m"(control), "r"(cases[i].left), "r"(cases[i].right));
        CHECK_SEEN(SIGFPE, cases[i].code, at, 19, 0);
        CHECK_EQ((uintptr_t)seen_rip, at);
    }
}

static void x87_exceptions(void)
{
    static const struct { const double *left, *right; int divide; unsigned short unmasked; int code; } cases[] = {
        {&zero, &zero, 1, 0x01, FPE_FLTINV}, {&one, &zero, 1, 0x04, FPE_FLTDIV}, {&huge, &huge, 0, 0x08, FPE_FLTOVF},
        {&tiny, &tiny, 0, 0x10, FPE_FLTUND}, {&one, &huge, 1, 0x20, FPE_FLTRES},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned short control = (unsigned short)(0x27f & ~cases[i].unmasked); /* double precision */
        uintptr_t at;
        /* The x87 reports at the next instruction that waits. */
        if (cases[i].divide)
            at = FAULTING("fninit\n fldcw %2\n fldl (%3)\n fdivl (%4)\n fstpl %5\n 2: fwait", "m"(control), "r"(cases[i].left), "r"(cases[i].right), "m"(result));
        else
            at = FAULTING("fninit\n fldcw %2\n fldl (%3)\n fmull (%4)\n fstpl %5\n 2: fwait", "m"(control), "r"(cases[i].left), "r"(cases[i].right), "m"(result));
        CHECK_EQ(faults, 1);
        CHECK_EQ(seen.si_signo, SIGFPE);
        CHECK_EQ(seen.si_code, cases[i].code);
        CHECK_EQ(seen_trap, 16);
        CHECK_EQ((uintptr_t)seen.si_addr, (uintptr_t)seen_rip);
        CHECK((uintptr_t)seen_rip <= at);
        __asm__ volatile("fninit");
    }
}

static void alignment(void)
{
    static char room[16] __attribute__((aligned(16)));
    FAULTING("pushf\n orl $0x40000, (%%rsp)\n popf\n 2: mov 1(%2), %%eax", "r"(room));
    CHECK_EQ(faults, 1);
    CHECK_EQ(seen.si_signo, SIGBUS);
    CHECK_EQ(seen.si_code, BUS_ADRALN);
    CHECK_EQ((uintptr_t)seen.si_addr, 0);
    CHECK_EQ(seen_trap, 17);
    CHECK_EQ(seen_error, 0);
    __asm__ volatile("pushf\n andl $~0x40000, (%%rsp)\n popf" ::: "memory", "cc");
    /* SSE's own rule has no address. */
    uintptr_t at = FAULTING("2: movaps 1(%2), %%xmm0", "r"(room));
    CHECK_SEEN(SIGSEGV, SI_KERNEL, 0, 13, 0);
    CHECK_EQ((uintptr_t)seen_rip, at);
    at = FAULTING("xor %%eax, %%eax\n xor %%edx, %%edx\n 2: lock cmpxchg16b 8(%2)", "r"(room));
    CHECK_SEEN(SIGSEGV, SI_KERNEL, 0, 13, 0);
    CHECK_EQ((uintptr_t)seen_rip, at);
}

static void addresses_that_cannot_be(void)
{
    uintptr_t at = FAULTING("mov $0x8000000000000000, %%rax\n 2: mov (%%rax), %%rax", "i"(0));
    CHECK_SEEN(SIGSEGV, SI_KERNEL, 0, 13, 0);
    CHECK_EQ((uintptr_t)seen_rip, at);
    /* Through the stack pointer it is the stack segment's fault. */
    at = FAULTING("mov %%rsp, %%rbx\n mov $0x8000000000000000, %%rax\n mov %%rax, %%rcx\n 2: xchg %%rax, %%rsp\n xchg %%rax, %%rsp", "i"(0));
    CHECK_EQ(faults, 0);
    at = FAULTING("mov $0x8000000000000000, %%rax\n push %%rbp\n mov %%rax, %%rbp\n 2: mov (%%rbp), %%rcx\n nop\n 9: pop %%rbp\n", "i"(0));
    CHECK_SEEN(SIGBUS, SI_KERNEL, 0, 12, 0);
}

static void gates_and_privileged_instructions(void)
{
    uintptr_t at = FAULTING("2: int $0x21", "i"(0));
    CHECK_SEEN(SIGSEGV, SI_KERNEL, 0, 13, 0x21 * 8 + 2);
    CHECK_EQ((uintptr_t)seen_rip, at);
    at = FAULTING("2: int $13", "i"(0));
    CHECK_SEEN(SIGSEGV, SI_KERNEL, 0, 13, 13 * 8 + 2);
    at = FAULTING("2: hlt", "i"(0));
    CHECK_SEEN(SIGSEGV, SI_KERNEL, 0, 13, 0);
    at = FAULTING("2: mov %%cr0, %%rax", "i"(0));
    CHECK_SEEN(SIGSEGV, SI_KERNEL, 0, 13, 0);
    at = FAULTING("2: wbinvd", "i"(0));
    CHECK_SEEN(SIGSEGV, SI_KERNEL, 0, 13, 0);
    at = FAULTING("mov $0xffff, %%eax\n 2: mov %%eax, %%ds", "i"(0));
    CHECK_SEEN(SIGSEGV, SI_KERNEL, 0, 13, 0xfffc);
    CHECK_EQ((uintptr_t)seen_rip, at);
    at = FAULTING("2: .byte 0x0f, 0x0b", "i"(0));
    CHECK_SEEN(SIGILL, ILL_ILLOPN, at, 6, 0);
    at = FAULTING("2: .byte 0xce", "i"(0)); /* INTO */
    CHECK_SEEN(SIGILL, ILL_ILLOPN, at, 6, 0);
    at = FAULTING("2: int3", "i"(0));
    CHECK_SEEN(SIGTRAP, SI_KERNEL, 0, 3, 0);
    CHECK_EQ((uintptr_t)seen_rip, at + 1);
    at = FAULTING("2: .byte 0xcd, 3", "i"(0)); /* INT 3 in two bytes */
    CHECK_SEEN(SIGTRAP, SI_KERNEL, 0, 3, 0);
    CHECK_EQ((uintptr_t)seen_rip, at + 2);
    at = FAULTING("xor %%edx, %%edx\n xor %%ecx, %%ecx\n mov $1, %%eax\n 2: div %%ecx", "i"(0));
    CHECK_SEEN(SIGFPE, FPE_INTDIV, at, 0, 0);
}

static unsigned char *none, *constant, *writable;

static void atomic_instructions(void)
{
    uintptr_t at = FAULTING("mov $7, %%eax\n mov $9, %%ecx\n 2: lock cmpxchg %%ecx, 20(%2)", "r"(none));
    CHECK_SEEN(SIGSEGV, SEGV_ACCERR, none + 20, 14, seen_error);
    CHECK_EQ((uintptr_t)seen_rip, at);
    CHECK_EQ(seen_error & 6, 6);
    at = FAULTING("mov $7, %%eax\n 2: lock xadd %%eax, 20(%2)", "r"(constant));
    CHECK_SEEN(SIGSEGV, SEGV_ACCERR, constant + 20, 14, 7);
    CHECK_EQ((uintptr_t)seen_rip, at);
    FAULTING("mov $7, %%eax\n 2: xchg %%eax, 20(%2)", "r"(constant));
    CHECK_SEEN(SIGSEGV, SEGV_ACCERR, constant + 20, 14, 7);
    FAULTING("2: lock incl 20(%2)", "r"(constant));
    CHECK_SEEN(SIGSEGV, SEGV_ACCERR, constant + 20, 14, 7);
    FAULTING("2: btsl $3, 20(%2)", "r"(none));
    CHECK_EQ((uintptr_t)seen.si_addr, (uintptr_t)none + 20);
    /* Across the boundary to what is not there. */
    FAULTING("mov $7, %%eax\n 2: xchg %%eax, -2(%2)", "r"(none));
    CHECK_EQ(faults, 1);
    CHECK_EQ((uintptr_t)seen.si_addr, (uintptr_t)none);
}

static void string_instructions(void)
{
    /* Stopped where it stopped, with the registers there. */
    unsigned char *from = writable, *to = none - 100;
    unsigned long left = 300;
    faults = 0;
    __asm__ volatile("lea 9f(%%rip), %%rax\n mov %%rax, %3\n rep movsb\n 9:"
                     : "+S"(from), "+D"(to), "+c"(left), "=m"(resume_at) :: "rax", "memory");
    CHECK_EQ(faults, 1);
    CHECK_EQ((uintptr_t)seen.si_addr, (uintptr_t)none);
    CHECK_EQ(left, 200);
    CHECK(from == writable + 100);
    CHECK(to == none);
    /* Backwards. */
    from = none + 4096 + 99, to = writable + 299, left = 300, faults = 0;
    __asm__ volatile("lea 9f(%%rip), %%rax\n mov %%rax, %3\n std\n rep movsb\n 9: cld"
                     : "+S"(from), "+D"(to), "+c"(left), "=m"(resume_at) :: "rax", "memory", "cc");
    CHECK_EQ(faults, 1);
    CHECK_EQ((uintptr_t)seen.si_addr, (uintptr_t)none + 4095);
    CHECK_EQ(left, 200);
}

static void instruction_fetches(void)
{
    unsigned char *code = writable + 8;
    code[0] = 0xc3;
    FAULTING("2: jmp *%2", "r"(code));
    CHECK_EQ(faults, 1);
    CHECK_EQ(seen.si_signo, SIGSEGV);
    CHECK_EQ(seen.si_code, SEGV_ACCERR);
    CHECK_EQ((uintptr_t)seen.si_addr, (uintptr_t)code);
    CHECK_EQ((uintptr_t)seen_rip, (uintptr_t)code);
    CHECK_EQ(seen_error, 0x15);
    CHECK_EQ(seen_cr2, (greg_t)code);
}

static volatile int depth;
static sigjmp_buf out;

static void fault_again(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    depth++;
    CHECK_EQ((uintptr_t)info->si_addr, (uintptr_t)none + (unsigned)depth);
    if (depth < 20) *(volatile char *)(none + depth + 1) = 1;
    siglongjmp(out, 1);
}

static void inside_handlers(void)
{
    struct sigaction action = {.sa_sigaction = fault_again, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
    if (sigsetjmp(out, 1) == 0) *(volatile char *)(none + 1) = 1;
    CHECK_EQ(depth, 20);
    /* Where the signal is blocked in its handler, the second one kills. */
    pid_t pid = fork();
    if (pid == 0) {
        action.sa_flags = SA_SIGINFO;
        sigaction(SIGSEGV, &action, NULL);
        depth = 0;
        *(volatile char *)(none + 1) = 1;
        _exit(0);
    }
    CHECK_EQ(WTERMSIG(wait_for(pid)), SIGSEGV);
    catch_here();
}

static volatile int overflows;
static char alternate[65536];

static void overflowed(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    char here;
    CHECK(&here >= alternate && &here < alternate + sizeof alternate);
    overflows++;
    siglongjmp(out, 1);
}

static int go_down(long levels)
{
    volatile char room[3000];
    room[0] = 1;
    return levels ? go_down(levels - 1) + room[0] : 0;
}

/* A stack that has run out still has a handler on the alternate one, every time. */
static void the_stack_runs_out(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
        struct sigaction action = {.sa_sigaction = overflowed, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        sigaltstack(&stack, NULL);
        sigaction(SIGSEGV, &action, NULL);
        check_failures = 0;
        for (volatile int i = 0; i < 3; i++)
            if (sigsetjmp(out, 1) == 0) go_down(1000000000);
        _exit(check_failures || overflows != 3);
    }
    CHECK_EQ(wait_for(pid), 0);
    pid = fork();
    if (pid == 0) {
        struct sigaction action = {.sa_sigaction = overflowed, .sa_flags = SA_SIGINFO};
        sigaction(SIGSEGV, &action, NULL);
        go_down(1000000000);
        _exit(0);
    }
    CHECK_EQ(WTERMSIG(wait_for(pid)), SIGSEGV);
}

int main(void)
{
    unsigned char *pages = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(pages != MAP_FAILED);
    memset(pages, 1, 4 * PAGE);
    writable = pages, none = pages + PAGE, constant = pages + 3 * PAGE;
    mprotect(none, PAGE, PROT_NONE);
    mprotect(constant, PAGE, PROT_READ);
    catch_here();
    RUN(sse_exceptions);
    RUN(x87_exceptions);
    RUN(alignment);
    RUN(addresses_that_cannot_be);
    RUN(gates_and_privileged_instructions);
    RUN(atomic_instructions);
    RUN(string_instructions);
    RUN(instruction_fetches);
    RUN(inside_handlers);
    RUN(the_stack_runs_out);
    return finish();
}
