/* Sending, blocking, pending, waiting for: signals without surprises. */
#include "check.h"
#include <time.h>

static volatile sig_atomic_t count, last;
static siginfo_t information;

static void simple(int number)
{
    count++;
    last = number;
}

static void detailed(int number, siginfo_t *info, void *context)
{
    (void)context;
    count++;
    last = number;
    information = *info;
}

static void handle(int number, int flags)
{
    struct sigaction action = {.sa_flags = flags};
    if (flags & SA_SIGINFO) action.sa_sigaction = detailed;
    else action.sa_handler = simple;
    CHECK_OK(sigaction(number, &action, NULL));
    count = last = 0;
    memset(&information, 0, sizeof information);
}

static void only(sigset_t *set, int number)
{
    sigemptyset(set);
    sigaddset(set, number);
}

static void by_kill(void)
{
    handle(SIGUSR1, SA_SIGINFO);
    CHECK_OK(kill(getpid(), SIGUSR1));
    /* A signal to oneself is delivered before kill returns. */
    CHECK_EQ(count, 1);
    CHECK_EQ(information.si_signo, SIGUSR1);
    CHECK_EQ(information.si_code, SI_USER);
    CHECK_EQ(information.si_pid, getpid());
    CHECK_EQ(information.si_uid, getuid());
}

static void by_tgkill(void)
{
    handle(SIGUSR2, SA_SIGINFO);
    CHECK_OK(raise(SIGUSR2));
    CHECK_EQ(count, 1);
    CHECK_EQ(information.si_code, SI_TKILL);
    CHECK_OK(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR2));
    CHECK_OK(syscall(SYS_tkill, syscall(SYS_gettid), SIGUSR2));
    CHECK_EQ(count, 3);
    CHECK_ERROR(syscall(SYS_tgkill, getpid(), 999999, SIGUSR2), ESRCH);
    CHECK_ERROR(syscall(SYS_tgkill, 0, 0, SIGUSR2), EINVAL);
}

static void by_sigqueue(void)
{
    handle(SIGRTMIN, SA_SIGINFO);
    union sigval value = {.sival_ptr = (void *)0x123456789abcdef0};
    CHECK_OK(sigqueue(getpid(), SIGRTMIN, value));
    CHECK_EQ(count, 1);
    CHECK_EQ(information.si_code, SI_QUEUE);
    CHECK_EQ((uintptr_t)information.si_value.sival_ptr, 0x123456789abcdef0);
    CHECK_EQ(information.si_pid, getpid());
}

static void arguments(void)
{
    CHECK_ERROR(kill(getpid(), 65), EINVAL);
    CHECK_ERROR(kill(getpid(), -1), EINVAL);
    CHECK_OK(kill(getpid(), 0));
    CHECK_ERROR(kill(999999, 0), ESRCH);
    struct sigaction action = {.sa_handler = simple};
    CHECK_ERROR(sigaction(SIGKILL, &action, NULL), EINVAL);
    CHECK_ERROR(sigaction(SIGSTOP, &action, NULL), EINVAL);
    CHECK_ERROR(sigaction(0, &action, NULL), EINVAL);
    CHECK_ERROR(sigaction(65, &action, NULL), EINVAL);
    CHECK_OK(sigaction(SIGKILL, NULL, &action));
    CHECK_ERROR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, NULL, 4), EINVAL);
    sigset_t set;
    sigemptyset(&set);
    CHECK_ERROR(syscall(SYS_rt_sigprocmask, 99, &set, NULL, 8), EINVAL);
}

static void blocked_ones_wait(void)
{
    handle(SIGUSR1, 0);
    sigset_t set, before, pending;
    only(&set, SIGUSR1);
    CHECK_OK(sigprocmask(SIG_BLOCK, &set, &before));
    CHECK(sigismember(&before, SIGUSR1) == 0);
    raise(SIGUSR1);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR1);
    CHECK_EQ(count, 0);
    CHECK_OK(sigpending(&pending));
    CHECK(sigismember(&pending, SIGUSR1) == 1);
    CHECK(sigismember(&pending, SIGUSR2) == 0);
    CHECK_OK(sigprocmask(SIG_SETMASK, &before, NULL));
    /* One for the thread, one for the process: a standard signal is pending once in each. */
    CHECK_EQ(count, 2);
    CHECK_OK(sigpending(&pending));
    CHECK(sigismember(&pending, SIGUSR1) == 0);
}

static void real_time_ones_queue(void)
{
    handle(SIGRTMIN + 2, SA_SIGINFO);
    sigset_t set;
    only(&set, SIGRTMIN + 2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 10; i++) {
        union sigval value = {.sival_int = i};
        CHECK_OK(sigqueue(getpid(), SIGRTMIN + 2, value));
    }
    CHECK_EQ(count, 0);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    CHECK_EQ(count, 10);
    /* In order: each interrupts none, so the last one handled is the last one sent. */
    CHECK_EQ(information.si_value.sival_int, 9);
}

static int order[4], places;

static void record(int number)
{
    order[places++ % 4] = number;
}

static void lower_numbers_first(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < 3; i++) {
        struct sigaction action = {.sa_handler = record};
        /* All three blocked in each handler, so that none interrupts another. */
        sigaddset(&set, SIGRTMIN + i);
        sigfillset(&action.sa_mask);
        sigaction(SIGRTMIN + i, &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGRTMIN + 2);
    raise(SIGRTMIN);
    raise(SIGRTMIN + 1);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    CHECK_EQ(places, 3);
    for (int i = 0; i < 3; i++) CHECK_EQ(order[i], SIGRTMIN + i);
}

static void waited_for(void)
{
    sigset_t set;
    siginfo_t info;
    only(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    handle(SIGUSR1, 0);
    kill(getpid(), SIGUSR1);
    CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR1);
    CHECK_EQ(info.si_signo, SIGUSR1);
    CHECK_EQ(info.si_pid, getpid());
    CHECK_EQ(count, 0);
    struct timespec none = {0, 0}, some = {0, 20000000}, wrong = {0, -1};
    CHECK_ERROR(sigtimedwait(&set, &info, &none), EAGAIN);
    CHECK_ERROR(sigtimedwait(&set, &info, &some), EAGAIN);
    CHECK_ERROR(sigtimedwait(&set, &info, &wrong), EINVAL);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        usleep(20000);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR1);
    CHECK_EQ(info.si_pid, pid);
    wait_for(pid);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    CHECK_EQ(count, 0);
}

static void suspended(void)
{
    sigset_t set, none;
    only(&set, SIGUSR1);
    sigemptyset(&none);
    handle(SIGUSR1, 0);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    CHECK_EQ(count, 0);
    CHECK_ERROR(sigsuspend(&none), EINTR);
    CHECK_EQ(count, 1);
    /* The mask is as before. */
    raise(SIGUSR1);
    CHECK_EQ(count, 1);
    CHECK_ERROR(sigsuspend(&none), EINTR);
    CHECK_EQ(count, 2);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        usleep(20000);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    CHECK_ERROR(pause(), EINTR);
    CHECK_EQ(count, 3);
    wait_for(pid);
}

static void flags(void)
{
    handle(SIGUSR1, SA_RESETHAND);
    raise(SIGUSR1);
    CHECK_EQ(count, 1);
    struct sigaction action;
    sigaction(SIGUSR1, NULL, &action);
    CHECK(action.sa_handler == SIG_DFL);
    /* What was set can be read back. */
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGHUP);
    sigaddset(&mask, SIGRTMAX);
    struct sigaction set = {.sa_sigaction = detailed, .sa_mask = mask, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK_OK(sigaction(SIGUSR1, &set, NULL));
    CHECK_OK(sigaction(SIGUSR1, NULL, &action));
    CHECK(action.sa_sigaction == detailed);
    CHECK_EQ(action.sa_flags & (SA_SIGINFO | SA_RESTART | SA_NODEFER), SA_SIGINFO | SA_RESTART);
    CHECK(sigismember(&action.sa_mask, SIGHUP) == 1);
    CHECK(sigismember(&action.sa_mask, SIGRTMAX) == 1);
    CHECK(sigismember(&action.sa_mask, SIGTERM) == 0);
}

static void ignored_ones_are_gone(void)
{
    sigset_t set, pending;
    only(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    handle(SIGUSR1, 0);
    raise(SIGUSR1);
    /* Ignoring discards what is pending. */
    signal(SIGUSR1, SIG_IGN);
    sigpending(&pending);
    CHECK(sigismember(&pending, SIGUSR1) == 0);
    handle(SIGUSR1, 0);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    CHECK_EQ(count, 0);
    signal(SIGCHLD, SIG_DFL);
    CHECK_OK(raise(SIGCHLD));
    CHECK_OK(raise(SIGWINCH));
    CHECK_OK(raise(SIGURG));
    CHECK_OK(raise(SIGCONT));
}

static void the_unblockable(void)
{
    sigset_t all, now;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigprocmask(SIG_SETMASK, NULL, &now);
    CHECK(sigismember(&now, SIGKILL) == 0);
    CHECK(sigismember(&now, SIGSTOP) == 0);
    CHECK(sigismember(&now, SIGTERM) == 1);
    sigemptyset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

int main(void)
{
    RUN(by_kill);
    RUN(by_tgkill);
    RUN(by_sigqueue);
    RUN(arguments);
    RUN(blocked_ones_wait);
    RUN(real_time_ones_queue);
    RUN(lower_numbers_first);
    RUN(waited_for);
    RUN(suspended);
    RUN(flags);
    RUN(ignored_ones_are_gone);
    RUN(the_unblockable);
    return finish();
}
