/* As hot_calls, with the place that C libraries have for syscall(2): the number comes in a register, and the instruction before the
   `syscall` takes the last argument from the stack. */
#include "check.h"
#include "kicks.h"
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

enum { MANY = 1800, LAST_MOVE = 15, LOAD = 18, SYSCALL = 23, SITE = 25, TEXT = 16 };

typedef long call(long, long, long, long, long, long, long);

#define PLACE(name)                                                                                                      \
    __asm__(".pushsection .text\n .balign 4096\n .globl " #name "\n .type " #name ", @function\n" #name ":\n"            \
            "mov %rdi, %rax\n mov %rsi, %rdi\n mov %rdx, %rsi\n mov %rcx, %rdx\n mov %r8, %r10\n mov %r9, %r8\n"         \
            "mov 8(%rsp), %r9\n syscall\n ret\n .balign 4096\n .popsection");                                            \
    extern const unsigned char name[]

PLACE(plain);
PLACE(written);
PLACE(stepping);
PLACE(faulting);
PLACE(kicked_place);
PLACE(threads_place);
PLACE(looked_at);

static long at(const void *place, long number, long a, long b, long c, long d, long e, long f)
{
    return ((call *)(uintptr_t)place)(number, a, b, c, d, e, f);
}

static void warm(const void *place, long parent)
{
    long wrong = 0;
    for (int i = 0; i < MANY; i++) wrong += at(place, SYS_getppid, 0, 0, 0, 0, 0, 0) != parent;
    CHECK_EQ(wrong, 0);
}

static void check_original(const unsigned char *place)
{
    static const unsigned char expected[] = {0x4d, 0x89, 0xc8, 0x4c, 0x8b, 0x4c, 0x24, 0x08, 0x0f, 0x05, 0xc3};
    CHECK(memcmp(place + LAST_MOVE, expected, sizeof expected) == 0);
}

/* One place, every number, all six arguments. */
static void all_numbers(void)
{
    warm(plain, getppid());
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(at(plain, SYS_getuid, 0, 0, 0, 0, 0, 0), getuid());
        CHECK_EQ(at(plain, SYS_getpid, 0, 0, 0, 0, 0, 0), getpid());
        CHECK_EQ(at(plain, -1, 0, 0, 0, 0, 0, 0), -ENOSYS);
        CHECK_EQ(at(plain, 100000, 0, 0, 0, 0, 0, 0), -ENOSYS);
        int fd = open("/proc/self/exe", O_RDONLY);
        CHECK_EQ(at(plain, SYS_mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, fd, 1), -EINVAL);
        long page = at(plain, SYS_mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
        CHECK(page > 0 && memcmp((void *)page, "\177ELF", 4) == 0);
        CHECK_EQ(at(plain, SYS_munmap, page, PAGE, 0, 0, 0, 0), 0);
        CHECK_OK(close(fd));
        long result;
        __asm__ volatile("call *%1" : "=a"(result) : "r"(plain + SYSCALL), "0"(SYS_getuid) : "rcx", "r11", "memory");
        CHECK_EQ(result, getuid());
        __asm__ volatile("call *%1" : "=a"(result) : "r"(plain + LOAD), "0"(SYS_getppid) : "rcx", "r9", "r11", "memory");
        CHECK_EQ(result, getppid());
    }
}

static void registers(void)
{
    static const unsigned long flags[] = {0x202, 0xad7, 0x602, 0x246, 0xa03, 0x40202};
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
        long result, behind, kept, ninth;
        __asm__ volatile("push $77\n push %[flags]\n popfq\n call *%[place]\n"
                         "mov %%rcx, %[behind]\n mov %%r11, %[kept]\n mov %%r9, %[ninth]\n push $0x202\n popfq\n pop %%rcx\n"
                         : "=&a"(result), [behind] "=&b"(behind), [kept] "=&S"(kept), [ninth] "=&r"(ninth)
                         : [flags] "r"(flags[i]), [place] "r"(plain), "D"((long)SYS_getppid)
                         : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
        CHECK_EQ(result, getppid());
        CHECK_EQ(behind, (uintptr_t)plain + SITE);
        CHECK_EQ(kept & 0x40fd7, flags[i] & 0x40fd7);
        CHECK_EQ(ninth, 77);
    }
}

static void children_and_changes(void)
{
    warm(written, getppid());
    pid_t self = getpid();
    pid_t child = fork();
    if (child == 0) {
        check_failures = 0;
        warm(written, self);
        CHECK_OK(mprotect((void *)written, PAGE, PROT_READ));
        check_original(written);
        _exit(check_failures != 0);
    }
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    warm(written, getppid());
    CHECK_OK(mprotect((void *)written, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
    check_original(written);
    CHECK_OK(mprotect((void *)written, PAGE, PROT_READ | PROT_EXEC));
    warm(written, getppid());
}

static volatile int steps;
static volatile uintptr_t path[TEXT];

static void on_step(int number UNUSED, siginfo_t *info, void *opaque)
{
    greg_t *context = ((ucontext_t *)opaque)->uc_mcontext.gregs;
    CHECK_EQ(info->si_code, TRAP_TRACE);
    if (steps < TEXT) path[steps] = (uintptr_t)context[REG_RIP];
    if (++steps >= 12) context[REG_EFL] &= ~0x100L;
}

static void single_steps(void)
{
    warm(stepping, getppid());
    struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
    CHECK_OK(sigaction(SIGTRAP, &action, NULL));
    for (int round = 0; round < 3; round++) {
        long result, ninth;
        steps = 0;
        __asm__ volatile("push $55\n pushfq\n orl $0x100, (%%rsp)\n popfq\n call *%[place]\n nop\n nop\n nop\n nop\n mov %%r9, %[ninth]\n pop %%rcx\n"
                         : "=a"(result), [ninth] "=&b"(ninth) : [place] "r"(stepping), "D"((long)SYS_getppid)
                         : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
        CHECK_EQ(result, getppid());
        CHECK_EQ(ninth, 55);
        CHECK_EQ(path[0], (uintptr_t)stepping);
        CHECK_EQ(path[6], (uintptr_t)stepping + LOAD);
        CHECK_EQ(path[7], (uintptr_t)stepping + SYSCALL);
        CHECK(path[8] - (uintptr_t)stepping > SITE);
        CHECK_EQ(steps, 12);
    }
    action.sa_sigaction = NULL;
    action.sa_handler = SIG_DFL;
    CHECK_OK(sigaction(SIGTRAP, &action, NULL));
}

static volatile greg_t fault_rip, fault_rsp, fault_ninth, fault_rcx;
static volatile int faults, fault_signal;
static void *volatile fault_address;

/* The stack pointer is put right: the caller left it in R15. */
static void on_fault(int number, siginfo_t *info, void *opaque)
{
    greg_t *context = ((ucontext_t *)opaque)->uc_mcontext.gregs;
    faults++;
    fault_signal = number;
    fault_address = info->si_addr;
    fault_rip = context[REG_RIP];
    fault_rsp = context[REG_RSP];
    fault_ninth = context[REG_R9];
    fault_rcx = context[REG_RCX];
    context[REG_RSP] = context[REG_R15];
}

static long with_stack(uintptr_t stack)
{
    long result;
    __asm__ volatile("lea 1f(%%rip), %%rcx\n push $44\n push %%rcx\n mov %%rsp, %%r15\n mov $99, %%r9\n mov $98, %%rcx\n mov %[stack], %%rsp\n jmp *%[place]\n"
                     "1: pop %%rcx\n"
                     : "=a"(result) : [stack] "r"(stack), [place] "b"(faulting + LOAD), "0"((long)SYS_getppid)
                     : "rcx", "rdx", "r9", "r11", "r15", "memory", "cc");
    return result;
}

/* The argument cannot be read. */
static void no_stack(void)
{
    warm(faulting, getppid());
    static char signal_stack[65536];
    stack_t alternate = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
    CHECK_OK(sigaltstack(&alternate, NULL));
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    CHECK_OK(sigaction(SIGSEGV, &action, NULL));
    CHECK_OK(sigaction(SIGBUS, &action, NULL));
    char *closed = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int round = 0; round < 3; round++) {
        faults = 0;
        CHECK_EQ(with_stack((uintptr_t)closed + 64), getppid());
        CHECK_EQ(faults, 1);
        CHECK_EQ(fault_signal, SIGSEGV);
        CHECK_EQ((char *)fault_address - closed, 72);
        CHECK_EQ(fault_rip, (uintptr_t)faulting + LOAD);
        CHECK_EQ(fault_rsp, (uintptr_t)closed + 64);
        CHECK_EQ(fault_ninth, 99);
        CHECK_EQ(fault_rcx, 98);
        CHECK_EQ(with_stack(0x8000000000000000), getppid());
        CHECK_EQ(faults, 2);
        CHECK_EQ(fault_signal, SIGBUS);
        CHECK_EQ(fault_rip, (uintptr_t)faulting + LOAD);
    }
    CHECK_EQ(signal(SIGSEGV, SIG_DFL) == SIG_ERR, 0);
    CHECK_EQ(signal(SIGBUS, SIG_DFL) == SIG_ERR, 0);
}

static volatile long bad_place;

static void on_kick(int number UNUSED, siginfo_t *info UNUSED, void *opaque)
{
    uintptr_t rip = (uintptr_t)((ucontext_t *)opaque)->uc_mcontext.gregs[REG_RIP];
    received++;
    uintptr_t offset = rip - (uintptr_t)kicked_place;
    if (rip >> 40 == 0x7d || rip < 65536 || rip >> 47 != 0) bad_place++;
    if (offset <= SITE && offset != SYSCALL && offset != SITE && (offset > LOAD || offset % 3 != 0)) bad_place++;
}

static void kicked(void)
{
    struct sigaction action = {.sa_sigaction = on_kick, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK_OK(sigaction(SIGUSR1, &action, NULL));
    pthread_t self = pthread_self(), sender;
    CHECK_EQ(pthread_create(&sender, NULL, kick, &self), 0);
    long wrong = 0, parent = getppid();
    for (time_t begin = time(NULL); received < 2000 && time(NULL) - begin < 10;) {
        wrong += at(kicked_place, SYS_getppid, 0, 0, 0, 0, 0, 0) != parent;
        wrong += at(kicked_place, SYS_mmap, 0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 5) != -EINVAL;
    }
    stop_sending = 1;
    CHECK_EQ(pthread_join(sender, NULL), 0);
    CHECK_EQ(wrong, 0);
    CHECK_EQ(bad_place, 0);
}

static void *call_often(void *parent)
{
    long wrong = 0;
    for (int i = 0; i < 8000; i++) {
        wrong += at(threads_place, SYS_getppid, 0, 0, 0, 0, 0, 0) != (long)parent;
        if (i % 64 == 0) sched_yield();
    }
    return (void *)wrong;
}

static void many_threads(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) CHECK_EQ(pthread_create(&threads[i], NULL, call_often, (void *)(long)getppid()), 0);
    for (int i = 0; i < 10; i++) {
        CHECK_OK(mprotect((void *)threads_place, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
        check_original(threads_place);
        CHECK_OK(mprotect((void *)threads_place, PAGE, PROT_READ | PROT_EXEC));
        usleep(3000);
    }
    for (int i = 0; i < 4; i++) {
        void *wrong = NULL;
        CHECK_EQ(pthread_join(threads[i], &wrong), 0);
        CHECK_EQ((long)wrong, 0);
    }
}

/* With an argument: as hot_calls. */
int main(int count, char **arguments)
{
    if (count > 1) {
        warm(looked_at, getppid());
        printf("%s: %s\n", arguments[1], looked_at[LOAD] == 0x4c ? "as it was" : "changed");
        return 0;
    }
    RUN(all_numbers);
    RUN(registers);
    RUN(children_and_changes);
    RUN(single_steps);
    RUN(no_stack);
    RUN(kicked);
    RUN(many_threads);
    return finish();
}
