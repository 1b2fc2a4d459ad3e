/* Each fault: its signal, its code, its address, its instruction, and that it can be repaired. */
#include "faults.h"
#include <ucontext.h>

static volatile int handled;
static siginfo_t seen;
static uintptr_t seen_rip;
static unsigned long seen_error, seen_trap, seen_cr2;
static void (*repair)(ucontext_t *context);

static void handler(int number, siginfo_t *info, void *pointer)
{
    ucontext_t *context = pointer;
    (void)number;
    handled++;
    seen = *info;
    seen_rip = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
    seen_error = (unsigned long)context->uc_mcontext.gregs[REG_ERR];
    seen_trap = (unsigned long)context->uc_mcontext.gregs[REG_TRAPNO];
    seen_cr2 = (unsigned long)context->uc_mcontext.gregs[REG_CR2];
    repair(context);
}

static void with_repair(int number, void (*how)(ucontext_t *))
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(number, &action, NULL);
    repair = how;
    handled = 0;
    memset(&seen, 0, sizeof seen);
}

static unsigned char *page;

static void make_writable(ucontext_t *context)
{
    (void)context;
    mprotect(page, PAGE, PROT_READ | PROT_WRITE);
}

static void repaired_by_mprotect(void)
{
    page = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    with_repair(SIGSEGV, make_writable);
    page[123] = 7;
    CHECK_EQ(handled, 1);
    CHECK_EQ(page[123], 7);
    CHECK_EQ(seen.si_signo, SIGSEGV);
    CHECK_EQ(seen.si_code, SEGV_ACCERR);
    CHECK_EQ((uintptr_t)seen.si_addr, (uintptr_t)page + 123);
    CHECK_EQ(seen_cr2, (uintptr_t)page + 123);
    CHECK_EQ(seen_trap, 14);
    CHECK_EQ(seen_error & 6, 6); /* a write, in user mode */
    /* A read of it, then a write that is not allowed any more. */
    mprotect(page, PAGE, PROT_READ);
    volatile unsigned char *p = page;
    (void)p[5];
    CHECK_EQ(handled, 1);
    p[5] = 6;
    CHECK_EQ(handled, 2);
    CHECK_EQ(p[5], 6);
}

static void map_it(ucontext_t *context)
{
    (void)context;
    uintptr_t address = (uintptr_t)seen.si_addr & ~(PAGE - 1);
    mmap((void *)address, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void repaired_by_mmap(void)
{
    enum { PAGES = 64 };
    unsigned char *room = mmap(NULL, PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(room, PAGES * PAGE);
    with_repair(SIGSEGV, map_it);
    for (int i = 0; i < PAGES; i++) room[i * PAGE + (size_t)i] = (unsigned char)i;
    CHECK_EQ(handled, PAGES);
    CHECK_EQ(seen.si_code, SEGV_MAPERR);
    for (int i = 0; i < PAGES; i++) CHECK_EQ(room[i * PAGE + (size_t)i], i);
    munmap(room, PAGES * PAGE);
}

static void string_instructions_resume(void)
{
    /* rep stos over eight pages, each made when it is reached. */
    unsigned char *room = mmap(NULL, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(room, 8 * PAGE);
    with_repair(SIGSEGV, map_it);
    void *target = room;
    unsigned long size = 8 * PAGE;
    __asm__ volatile("rep stosb" : "+D"(target), "+c"(size) : "a"(0x5a) : "memory");
    CHECK_EQ(handled, 8);
    CHECK_EQ(size, 0);
    for (size_t i = 0; i < 8 * PAGE; i++) CHECK(room[i] == 0x5a);
}

static void both_sides_of_a_boundary(void)
{
    unsigned char *room = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(room + PAGE, PAGE, PROT_NONE);
    catch_faults();
    /* Eight bytes, four of which are there: the address is that of the first that is not. */
    CHECK_EQ(FAULT_OF(*(volatile uint64_t *)(room + PAGE - 4) = 1), SIGSEGV);
    CHECK_EQ((uintptr_t)fault_info.si_addr, (uintptr_t)room + PAGE);
    CHECK_EQ(FAULT_OF((void)*(volatile uint64_t *)(room + PAGE - 1)), SIGSEGV);
    CHECK_EQ((uintptr_t)fault_info.si_addr, (uintptr_t)room + PAGE);
    CHECK_EQ(FAULT_OF((void)*(volatile uint64_t *)(room + PAGE - 8)), 0);
}

static void null_and_the_kernels_half(void)
{
    catch_faults();
    CHECK_FAULT(read_fault, 0, SIGSEGV, SEGV_MAPERR);
    CHECK_FAULT(write_fault, 8, SIGSEGV, SEGV_MAPERR);
    CHECK_FAULT(read_fault, 0xffff, SIGSEGV, SEGV_MAPERR);
    /* An address that cannot be: no page fault but a protection fault, without an address. */
    CHECK_EQ(read_fault((void *)0x8000000000000000), SIGSEGV);
    CHECK_EQ(fault_info.si_code, SI_KERNEL);
    CHECK_EQ((uintptr_t)fault_info.si_addr, 0);
    CHECK_EQ(read_fault((void *)0x0000900000000000), SIGSEGV);
    CHECK_EQ(fault_info.si_code, SI_KERNEL);
    CHECK_FAULT(read_fault, 0x00007fffffffe000, SIGSEGV, SEGV_MAPERR);
    CHECK_EQ(read_fault((void *)0xffff888000000000), SIGSEGV);
    CHECK_FAULT(write_fault, 0xffffffff81000000, SIGSEGV, SEGV_MAPERR);
}

static uintptr_t resume;

static void go_on(ucontext_t *context)
{
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)resume;
}

/* Run one instruction; the handler resumes behind it. */
#define AT_INSTRUCTION(text, ...)                                                       \
    ({                                                                                  \
        uintptr_t at_;                                                                  \
        __asm__ volatile("lea 1f(%%rip), %0\n\tmov %0, %1\n\tlea 2f(%%rip), %0\n\t"     \
                         "2: " text "\n\t1:\n\t"                                        \
                         : "=&r"(at_), "=m"(resume)                                     \
                         : __VA_ARGS__                                                  \
                         : "rax", "rcx", "rdx", "memory", "cc");                        \
        at_;                                                                            \
    })

static void divisions(void)
{
    with_repair(SIGFPE, go_on);
    uintptr_t at = AT_INSTRUCTION("xor %%ecx, %%ecx; mov $1, %%eax; xor %%edx, %%edx; idiv %%ecx");
    CHECK_EQ(handled, 1);
    CHECK_EQ(seen.si_signo, SIGFPE);
    CHECK_EQ(seen.si_code, FPE_INTDIV);
    CHECK_EQ((uintptr_t)seen.si_addr, seen_rip);
    CHECK(seen_rip > at && seen_rip < resume);
    CHECK_EQ(seen_trap, 0);
    /* Too large a quotient is the same fault. */
    AT_INSTRUCTION("mov $-1, %%ecx; mov $0x80000000, %%eax; mov $-1, %%edx; idiv %%ecx");
    CHECK_EQ(handled, 2);
    CHECK_EQ(seen.si_code, FPE_INTDIV);
}

static void illegal_instructions(void)
{
    with_repair(SIGILL, go_on);
    uintptr_t at = AT_INSTRUCTION("ud2");
    CHECK_EQ(handled, 1);
    CHECK_EQ(seen.si_code, ILL_ILLOPN);
    CHECK_EQ((uintptr_t)seen.si_addr, at);
    CHECK_EQ(seen_rip, at);
    CHECK_EQ(seen_trap, 6);
    AT_INSTRUCTION(".byte 0x06"); /* push %es: not in 64-bit mode */
    CHECK_EQ(handled, 2);
}

static void privileged_instructions(void)
{
    with_repair(SIGSEGV, go_on);
    uintptr_t at = AT_INSTRUCTION("hlt");
    CHECK_EQ(handled, 1);
    CHECK_EQ(seen.si_signo, SIGSEGV);
    CHECK_EQ(seen.si_code, SI_KERNEL);
    CHECK_EQ((uintptr_t)seen.si_addr, 0);
    CHECK_EQ(seen_rip, at);
    AT_INSTRUCTION("cli");
    CHECK_EQ(handled, 2);
    AT_INSTRUCTION("mov %%cr3, %%rax");
    CHECK_EQ(handled, 3);
    AT_INSTRUCTION("xor %%ecx, %%ecx; rdmsr");
    CHECK_EQ(handled, 4);
    AT_INSTRUCTION("lgdt (%%rsp)");
    CHECK_EQ(handled, 5);
}

static void ports_are_closed(void)
{
    with_repair(SIGSEGV, go_on);
    /* Any port, whatever is used inside the machine. */
    static const unsigned short ports[] = {0x7e, 0x7f, 0x80, 0x3f8, 0xe9, 0x510, 0xcf8, 0xffff, 0};
    for (unsigned i = 0; i < sizeof ports / sizeof *ports; i++) {
        AT_INSTRUCTION("mov %2, %%edx; mov $1, %%eax; out %%eax, %%dx", "r"((unsigned)ports[i]));
        CHECK_EQ(handled, (int)i * 2 + 1);
        CHECK_EQ(seen.si_code, SI_KERNEL);
        AT_INSTRUCTION("mov %2, %%edx; in %%dx, %%al", "r"((unsigned)ports[i]));
        CHECK_EQ(handled, (int)i * 2 + 2);
    }
    AT_INSTRUCTION("mov $1, %%eax; out %%eax, $0x7e");
    CHECK_EQ(handled, 19);
}

static void stay(ucontext_t *context)
{
    (void)context;
}

static void breakpoints(void)
{
    with_repair(SIGTRAP, stay);
    uintptr_t at = AT_INSTRUCTION("int3");
    CHECK_EQ(handled, 1);
    CHECK_EQ(seen.si_code, SI_KERNEL);
    /* Behind the instruction. */
    CHECK_EQ(seen_rip, at + 1);
    CHECK_EQ(seen_trap, 3);
}

static volatile int steps;

static void stop_stepping(ucontext_t *context)
{
    if (++steps == 5) context->uc_mcontext.gregs[REG_EFL] &= ~0x100;
}

static void single_steps(void)
{
    with_repair(SIGTRAP, stop_stepping);
    __asm__ volatile("pushf\n\torl $0x100, (%%rsp)\n\tpopf\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\t"
                     ::: "memory", "cc");
    CHECK_EQ(handled, 5);
    CHECK_EQ(seen.si_code, TRAP_TRACE);
    CHECK_EQ(seen_trap, 1);
}

static void floating_point(void)
{
    with_repair(SIGFPE, go_on);
    unsigned control = 0x1f80 & ~0x200u, normal = 0x1f80; /* division by zero unmasked */
    uintptr_t at = AT_INSTRUCTION("ldmxcsr %2; mov $1, %%eax; cvtsi2sd %%eax, %%xmm0; xorps %%xmm1, %%xmm1;"
                                  "divsd %%xmm1, %%xmm0", "m"(control));
    __asm__ volatile("ldmxcsr %0" :: "m"(normal));
    CHECK_EQ(handled, 1);
    CHECK_EQ(seen.si_signo, SIGFPE);
    CHECK_EQ(seen.si_code, FPE_FLTDIV);
    CHECK_EQ((uintptr_t)seen.si_addr, seen_rip);
    CHECK(seen_rip > at && seen_rip < resume);
}

static void beyond_the_end_of_a_file(void)
{
    int fd = open(temporary("one-page"), O_CREAT | O_RDWR, 0600);
    CHECK_OK(ftruncate(fd, PAGE));
    page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    catch_faults();
    CHECK_FAULT(write_fault, page + PAGE + 17, SIGBUS, BUS_ADRERR);
    CHECK_WRITABLE(page + PAGE - 1);
}

static void the_stack_pointer_into_nothing(void)
{
    /* The frame cannot be written: the signal kills, whatever its handler. */
    pid_t pid = fork();
    if (pid == 0) {
        with_repair(SIGUSR1, stay);
        pid_t self = getpid();
        __asm__ volatile("mov $8, %%rsp\n\tmov $62, %%eax\n\tmov $10, %%esi\n\tsyscall\n\t"
                         "mov $231, %%eax\n\txor %%edi, %%edi\n\tsyscall" ::"D"(self) : "memory");
        __builtin_unreachable();
    }
    int status = wait_for(pid);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGSEGV);
}

static void a_blocked_fault_kills(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        with_repair(SIGSEGV, go_on);
        sigset_t set;
        sigfillset(&set);
        sigprocmask(SIG_BLOCK, &set, NULL);
        *(volatile int *)16 = 1;
        _exit(0);
    }
    CHECK_EQ(WTERMSIG(wait_for(pid)), SIGSEGV);
    pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_IGN);
        *(volatile int *)16 = 1;
        _exit(0);
    }
    CHECK_EQ(WTERMSIG(wait_for(pid)), SIGSEGV);
}

int main(void)
{
    RUN(repaired_by_mprotect);
    RUN(repaired_by_mmap);
    RUN(string_instructions_resume);
    RUN(both_sides_of_a_boundary);
    RUN(null_and_the_kernels_half);
    RUN(divisions);
    RUN(illegal_instructions);
    RUN(privileged_instructions);
    RUN(ports_are_closed);
    RUN(breakpoints);
    RUN(single_steps);
    RUN(floating_point);
    RUN(beyond_the_end_of_a_file);
    RUN(the_stack_pointer_into_nothing);
    RUN(a_blocked_fault_kills);
    return finish();
}
