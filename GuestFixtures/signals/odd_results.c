/* What a signal leaves in the result register is the program's own, whatever number it is; and a child may end with any
   signal. */
#include "check.h"

#include <sched.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

static volatile int ticks;

static void tick(int number)
{
    (void)number;
    ticks++;
}

/* Numbers that a kernel uses inside itself for calls to be restarted. */
static void registers_survive(void)
{
    struct sigaction action = {.sa_handler = tick};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval every = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &every, NULL);
    static const long values[] = {-512, -513, -514, -516, -4095, -0x7fff0000L, -0x7fff0001L};
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        int until = ticks + 40;
        while (ticks < until) {
            long value = values[i], rounds = 20000;
#if defined(__x86_64__)
            __asm__ volatile("1: dec %1\n\tjnz 1b" : "+a"(value), "+r"(rounds));
#else
            register long x0 __asm__("x0") = value;
            __asm__ volatile("1: subs %1, %1, #1\n\tb.ne 1b" : "+r"(x0), "+r"(rounds) : : "cc");
            value = x0;
#endif
            CHECK_EQ(value, values[i]);
            if (check_failures) break;
        }
    }
    setitimer(ITIMER_REAL, &never, NULL);
}

static volatile int seen_signal, seen_code;

static void ended(int number, siginfo_t *info, void *context)
{
    (void)context;
    seen_signal = number;
    seen_code = info->si_code;
}

static int child(void *argument)
{
    (void)argument;
    return 3;
}

static void children_end_with_any_signal(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGUSR1};
    static char stack[65536] __attribute__((aligned(16)));
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction action = {.sa_sigaction = ended, .sa_flags = SA_SIGINFO};
        sigaction(signals[i], &action, NULL);
        seen_signal = 0;
        pid_t pid = clone(child, stack + sizeof stack, signals[i], NULL);
        REQUIRE(pid > 0);
        int status = 0;
        while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR) continue;
        CHECK_EQ(status, 3 << 8);
        CHECK_EQ(seen_signal, signals[i]);
        CHECK_EQ(seen_code, CLD_EXITED);
        signal(signals[i], SIG_DFL);
    }
}

int main(void)
{
    RUN(registers_survive);
    RUN(children_end_with_any_signal);
    return finish();
}
