/* Many signals at a busy program: none lost that must not be, no register touched, no call broken. */
#include "check.h"
#include "machine.h"
#include <sys/time.h>

static volatile sig_atomic_t count;

static void handler(int number)
{
    (void)number;
    count++;
    /* Whatever a handler does to these must not be seen outside. */
#if defined(__x86_64__)
    __asm__ volatile("xorps %%xmm0, %%xmm0; xorps %%xmm7, %%xmm7; fninit" ::: "xmm0", "xmm7");
#else
    __asm__ volatile("movi v0.2d, #0; movi v7.2d, #0; movi v16.2d, #0" ::: "v0", "v7", "v16");
#endif
}

static void handle(int number)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(number, &action, NULL);
    count = 0;
}

static void timer(long microseconds)
{
    struct itimerval interval = {{0, microseconds}, {0, microseconds}};
    setitimer(ITIMER_REAL, &interval, NULL);
}

static void registers_in_a_loop(void)
{
    handle(SIGALRM);
    timer(300);
    while (count < 300) {
        uint64_t sum = 0, expected = 0;
        /* A sum in registers that nobody else has a copy of. */
#if defined(__x86_64__)
        __asm__ volatile("xor %%rbx, %%rbx\n\t"
                         "mov $7, %%r8\n\tmov $11, %%r9\n\tmov $13, %%r10\n\tmov $17, %%r11\n\t"
                         "mov $19, %%r12\n\tmov $23, %%r13\n\tmov $29, %%r14\n\tmov $31, %%r15\n\t"
                         "mov $20000, %%ecx\n\t"
                         "1: add %%r8, %%rbx\n\tadd %%r9, %%rbx\n\tadd %%r10, %%rbx\n\tadd %%r11, %%rbx\n\t"
                         "add %%r12, %%rbx\n\tadd %%r13, %%rbx\n\tadd %%r14, %%rbx\n\tadd %%r15, %%rbx\n\t"
                         "dec %%ecx\n\tjnz 1b\n\t"
                         "mov %%rbx, %0\n\t"
                         : "=m"(sum)
                         :
                         : "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc");
#else
        __asm__ volatile("mov x0, #0\n\t"
                         "mov x9, #7\n\tmov x10, #11\n\tmov x11, #13\n\tmov x16, #17\n\t"
                         "mov x17, #19\n\tmov x20, #23\n\tmov x28, #29\n\tmov x30, #31\n\t"
                         "mov x1, #20000\n\t"
                         "1: add x0, x0, x9\n\tadd x0, x0, x10\n\tadd x0, x0, x11\n\tadd x0, x0, x16\n\t"
                         "add x0, x0, x17\n\tadd x0, x0, x20\n\tadd x0, x0, x28\n\tadd x0, x0, x30\n\t"
                         "subs x1, x1, #1\n\tb.ne 1b\n\t"
                         "str x0, %0\n\t"
                         : "=m"(sum)
                         :
                         : "x0", "x1", "x9", "x10", "x11", "x16", "x17", "x20", "x28", "x30", "cc");
#endif
        expected = 20000UL * (7 + 11 + 13 + 17 + 19 + 23 + 29 + 31);
        if (sum != expected) CHECK_EQ(sum, expected);
    }
    timer(0);
}

static void between_system_calls(void)
{
    handle(SIGALRM);
    timer(300);
    pid_t self = getpid();
    while (count < 300) {
        for (int i = 0; i < 100; i++) {
            long result = syscall(SYS_getpid);
            if (result != self) CHECK_EQ(result, self);
            errno = 0;
            if (close(-1) != -1 || errno != EBADF) CHECK_ERROR(close(-1), EBADF);
        }
    }
    timer(0);
}

static void floating_point(void)
{
    handle(SIGALRM);
    timer(300);
    while (count < 300) {
        volatile double sum = 0;
        for (int i = 1; i <= 1000; i++) sum += 1.0 / i;
        if (sum < 7.4854708 || sum > 7.4854709) CHECK(!"the sum is wrong");
    }
    timer(0);
}

static void none_is_lost(void)
{
    handle(SIGRTMIN);
    pid_t parent = getpid(), pid = fork();
    enum { COUNT = 2000 };
    if (pid == 0) {
        for (int i = 0; i < COUNT; i++) {
            union sigval value = {.sival_int = i};
            while (sigqueue(parent, SIGRTMIN, value) == -1 && errno == EAGAIN) usleep(100);
        }
        _exit(0);
    }
    CHECK_EQ(wait_for(pid), 0);
    WAIT_UNTIL(count == COUNT);
}

static void back_and_forth(void)
{
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    handle(SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &before);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 500; i++) {
            kill(parent, SIGUSR1);
            if (sigwaitinfo(&set, NULL) != SIGUSR1) _exit(1);
        }
        _exit(0);
    }
    for (int i = 0; i < 500; i++) {
        CHECK_EQ(sigwaitinfo(&set, NULL), SIGUSR1);
        CHECK_OK(kill(pid, SIGUSR1));
    }
    CHECK_EQ(wait_for(pid), 0);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

int main(void)
{
    RUN(registers_in_a_loop);
    RUN(between_system_calls);
    RUN(floating_point);
    RUN(none_is_lost);
    RUN(back_and_forth);
    return finish();
}
