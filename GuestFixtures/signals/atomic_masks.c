/* Calls that wait with a mask of their own: thousands of signals at random instants around them. None is slept through, and no
   handler runs but inside the call. */
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <time.h>
#include <ucontext.h>

enum { ROUNDS = 1000 };

static volatile sig_atomic_t handled, inside, outside, wrong_mask, others;
static volatile int asked, finished;
static int pipes[2], events;
static pid_t worker;
static int to_process;
static sigset_t own, open_mask;

static void handler(int number, siginfo_t *info, void *opaque)
{
    const ucontext_t *context = opaque;
    (void)number, (void)info;
    handled++;
    if (!inside) outside++;
    /* What the thread returns to is its own mask. */
    if (sigismember(&context->uc_sigmask, SIGUSR1) != 1) wrong_mask++;
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    if (sigismember(&now, SIGUSR1) != 1 || sigismember(&now, SIGUSR2) != 0) wrong_mask++;
}

static void other(int number)
{
    (void)number;
    others++;
}

static void *send(void *argument)
{
    unsigned seed = 4711;
    int answered = 0;
    while (!finished) {
        if (asked == answered) {
            struct timespec little = {0, 20000};
            nanosleep(&little, NULL);
            continue;
        }
        answered++;
        seed = seed * 1103515245 + 12345;
        for (volatile unsigned i = seed >> 16 & 0x7fff; i > 0; i--) continue;
        if (to_process) kill(getpid(), SIGUSR1);
        else syscall(SYS_tgkill, getpid(), worker, SIGUSR1);
    }
    return argument;
}

static long by_sigsuspend(void)
{
    return sigsuspend(&open_mask);
}

static long by_ppoll(void)
{
    struct pollfd poller = {pipes[0], POLLIN, 0};
    return ppoll(&poller, 1, NULL, &open_mask);
}

static long by_pselect(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipes[0], &set);
    return pselect(pipes[0] + 1, &set, NULL, NULL, NULL, &open_mask);
}

static long by_epoll_pwait(void)
{
    struct epoll_event event;
    return epoll_pwait(events, &event, 1, -1, &open_mask);
}

static long by_epoll_pwait2(void)
{
    struct epoll_event event;
    struct timespec long_time = {1000, 0};
    return syscall(441, events, &event, 1, &long_time, &open_mask, 8);
}

static long (*const calls[])(void) = {by_sigsuspend, by_ppoll, by_pselect, by_epoll_pwait, by_epoll_pwait2};

static void none_is_slept_through(void)
{
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        handled = 0;
        to_process = i % 2;
        for (int round = 0; round < ROUNDS; round++) {
            asked++;
            /* Sometimes the signal is there before the call is. */
            for (volatile int spin = round * 37 % 5000; spin > 0; spin--) continue;
            inside = 1;
            errno = 0;
            long result = calls[i]();
            int error = errno;
            inside = 0;
            if (result != -1 || error != EINTR || handled != round + 1) {
                CHECK_EQ(result, -1);
                CHECK_EQ(error, EINTR);
                CHECK_EQ(handled, round + 1);
                return;
            }
        }
        sigset_t now;
        sigprocmask(SIG_SETMASK, NULL, &now);
        CHECK(sigismember(&now, SIGUSR1) == 1);
    }
    CHECK_EQ(outside, 0);
    CHECK_EQ(wrong_mask, 0);
}

/* With something to report at the same time: either the report, and the signal still waits; or the signal. */
static void one_or_the_other(void)
{
    const struct timespec at_once = {0, 0};
    int reports = 0;
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    (void)!write(pipes[1], "x", 1);
    to_process = 0;
    for (unsigned i = 1; i < sizeof calls / sizeof *calls; i++) {
        for (int round = 0; round < ROUNDS / 2; round++) {
            int before = handled;
            asked++;
            for (volatile int spin = round * 53 % 9000; spin > 0; spin--) continue;
            inside = 1;
            long result = calls[i]();
            int error = errno;
            inside = 0;
            if (result == 1) {
                reports++;
                CHECK_EQ(handled, before);
                siginfo_t info;
                CHECK_EQ(sigwaitinfo(&usr1, &info), SIGUSR1);
            } else {
                CHECK_EQ(error, EINTR);
                CHECK_EQ(handled, before + 1);
            }
            CHECK_ERROR(sigtimedwait(&usr1, NULL, &at_once), EAGAIN);
            if (check_failures) return;
        }
    }
    CHECK(reports > 0);
    CHECK_EQ(outside, 0);
    char byte;
    CHECK_EQ(read(pipes[0], &byte, 1), 1);
}

/* A signal that the thread has open and the call blocks does not end the call. */
static void held_back_by_the_call(void)
{
    struct sigaction action = {.sa_handler = other};
    sigset_t both = own;
    sigaddset(&both, SIGUSR2);
    sigaction(SIGUSR2, &action, NULL);
    for (int i = 0; i < 100; i++) {
        struct pollfd poller = {pipes[0], POLLIN, 0};
        others = 0;
        pid_t pid = fork();
        if (pid == 0) {
            for (volatile int spin = i * 1000; spin > 0; spin--) continue;
            /* To the thread itself: the sender has it open too. */
            syscall(SYS_tgkill, getppid(), worker, SIGUSR2);
            usleep(300);
            _exit(write(pipes[1], "x", 1) == 1 ? 0 : 1);
        }
        CHECK_EQ(ppoll(&poller, 1, NULL, &both), 1);
        CHECK_EQ(others, 1);
        char byte;
        CHECK_EQ(read(pipes[0], &byte, 1), 1);
        CHECK_EQ(wait_for(pid), 0);
        if (check_failures) return;
    }
}

int main(void)
{
    pthread_t sender;
    worker = (pid_t)syscall(SYS_gettid);
    REQUIRE(pipe(pipes) == 0);
    events = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    CHECK_OK(epoll_ctl(events, EPOLL_CTL_ADD, pipes[0], &event));
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    CHECK_OK(sigaction(SIGUSR1, &action, NULL));
    sigemptyset(&open_mask);
    sigemptyset(&own);
    sigaddset(&own, SIGUSR1);
    CHECK_OK(sigprocmask(SIG_SETMASK, &own, NULL));
    REQUIRE(pthread_create(&sender, NULL, send, NULL) == 0);
    RUN(none_is_slept_through);
    RUN(one_or_the_other);
    RUN(held_back_by_the_call);
    finished = 1;
    pthread_join(sender, NULL);
    return finish();
}
