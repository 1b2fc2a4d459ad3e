/* What a vfork's child does to its signals' actions, in long rows of calls as posix_spawn(3) makes them: they are its own, and Linux's. */
#include "check.h"
#include <sched.h>

struct action {
    unsigned long handler, flags, restorer;
    uint64_t mask;
};

enum { CHILDREN = 12, NO_DEFER = 0x40000000, RESTORER = 0x04000000 };

static const uint64_t unblockable = 1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1);
/* What the children found wrong: they share this memory. */
static volatile int mistakes, last_line;

static void expect(int holds, int line)
{
    if (holds) return;
    mistakes++;
    last_line = line;
}
#define EXPECT(condition) expect(!!(condition), __LINE__)

static long change(int number, const struct action *new, struct action *old)
{
    return syscall(SYS_rt_sigaction, number, new, old, 8);
}

static int fails_with(long result, int error) { return result == -1 && errno == error; }

static void every_signal(void)
{
    for (int number = 1; number <= 64; number++) {
        struct action found, own = {.flags = NO_DEFER | RESTORER, .restorer = 0x1000 + number, .mask = ~(uint64_t)number};
        EXPECT(change(number, NULL, &found) == 0);
        if (number == SIGKILL || number == SIGSTOP) {
            EXPECT(fails_with(change(number, &own, NULL), EINVAL));
            continue;
        }
        EXPECT(change(number, &own, NULL) == 0);
        EXPECT(change(number, NULL, &found) == 0);
        EXPECT(found.handler == 0 && found.flags == own.flags && found.restorer == own.restorer);
        EXPECT(found.mask == (own.mask & ~unblockable));
        own.flags = RESTORER;
        EXPECT(change(number, &own, &found) == 0);
        EXPECT(found.flags == (NO_DEFER | RESTORER));
    }
}

static void refusals(void)
{
    struct action own = {0};
    EXPECT(fails_with(change(0, &own, NULL), EINVAL));
    EXPECT(fails_with(change(65, NULL, &own), EINVAL));
    EXPECT(fails_with(syscall(SYS_rt_sigaction, SIGUSR1, &own, NULL, 4), EINVAL));
    EXPECT(fails_with(change(SIGUSR1, (void *)8, NULL), EFAULT));
    EXPECT(fails_with(change(SIGUSR1, NULL, (void *)8), EFAULT));
}

static uint64_t pending(void)
{
    uint64_t set = 0;
    EXPECT(syscall(SYS_rt_sigpending, &set, 8) == 0);
    return set;
}

/* The kernel drops what is pending of a signal whose new action is to ignore it, be it by default; and no other. */
static void pending_signals(void)
{
    uint64_t set = 1ull << (SIGCHLD - 1) | 1ull << (SIGURG - 1) | 1ull << (SIGUSR2 - 1), before;
    EXPECT(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, &before, 8) == 0);
    syscall(SYS_kill, getpid(), SIGCHLD);
    syscall(SYS_kill, getpid(), SIGURG);
    syscall(SYS_kill, getpid(), SIGUSR2);
    EXPECT(pending() == set);
    struct action standard = {0};
    EXPECT(change(SIGCHLD, &standard, NULL) == 0);
    EXPECT(pending() == (1ull << (SIGURG - 1) | 1ull << (SIGUSR2 - 1)));
    EXPECT(change(SIGUSR2, &standard, NULL) == 0);
    EXPECT(change(SIGURG, &standard, NULL) == 0);
    EXPECT(pending() == 1ull << (SIGUSR2 - 1));
    struct action ignore = {.handler = 1};
    EXPECT(change(SIGUSR2, &ignore, NULL) == 0);
    EXPECT(pending() == 0);
    EXPECT(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, 8) == 0);
}

/* What is ignored is, and what is not any more kills. */
static void effects(void)
{
    struct action ignore = {.handler = 1}, standard = {0};
    EXPECT(change(SIGTERM, &ignore, NULL) == 0);
    syscall(SYS_kill, getpid(), SIGTERM);
    EXPECT(change(SIGTERM, &standard, NULL) == 0);
    syscall(SYS_kill, getpid(), SIGTERM);
}

static void handler(int number) { (void)number; }

int main(void)
{
    struct sigaction own = {.sa_handler = handler, .sa_flags = SA_RESTART};
    CHECK_OK(sigaction(SIGUSR1, &own, NULL));
    CHECK_OK(sigaction(SIGCHLD, &own, NULL));
    signal(SIGPIPE, SIG_IGN);
    struct action before[65], after;
    for (int number = 1; number <= 64; number++) CHECK_OK(change(number, NULL, &before[number]));
    for (int round = 0; round < CHILDREN; round++) {
        /* Every other one with all signals blocked, as posix_spawn(3) does it. */
        uint64_t all = ~0ull, mask;
        if (round % 2) CHECK_OK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, 8));
        pid_t child = vfork();
        if (child == 0) {
            struct action found;
            EXPECT(change(SIGUSR1, NULL, &found) == 0 && found.handler == (unsigned long)handler);
            EXPECT(change(SIGPIPE, NULL, &found) == 0 && found.handler == 1);
            every_signal();
            refusals();
            if (round % 2) syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
            pending_signals();
            effects();
            _exit(1);
        }
        if (round % 2) CHECK_OK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8));
        int status;
        CHECK_EQ(waitpid(child, &status, 0), child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
        for (int number = 1; number <= 64; number++) {
            CHECK_OK(change(number, NULL, &after));
            CHECK(memcmp(&after, &before[number], sizeof after) == 0);
        }
    }
    CHECK_EQ(mistakes, 0);
    CHECK_EQ(last_line, 0);
    puts(check_failures ? "failed" : "done");
    return check_failures != 0;
}
