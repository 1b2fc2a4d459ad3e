/* POSIX timers of every kind, their overruns, processor time, timer descriptors; and what a fork and an exec leave of them. */
#include "check.h"
#include <pthread.h>
#include <poll.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

/* Not in every header. */
#ifndef SIGEV_THREAD_ID
#define SIGEV_THREAD_ID 4
#endif
struct kernel_event {
    union sigval value;
    int number, notify, tid, padding[11];
};

static volatile sig_atomic_t count;
static volatile pid_t handled_by;
static siginfo_t information;
static const char *program;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    handled_by = (pid_t)syscall(SYS_gettid);
    information = *info;
    count++;
}

static void handle(int number)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK_OK(sigaction(number, &action, NULL));
    count = 0;
}

/* By hand: the C libraries have their own ideas about identifiers and threads. */
static int create(clockid_t clock, int notify, int number, int tid, int value)
{
    struct kernel_event event = {.value = {.sival_int = value}, .number = number, .notify = notify, .tid = tid};
    int timer = -1;
    CHECK_OK(syscall(SYS_timer_create, clock, &event, &timer));
    return timer;
}

static long set(int timer, long first, long interval)
{
    struct itimerspec time = {{0, interval}, {first / 1000000000, first % 1000000000}};
    return syscall(SYS_timer_settime, timer, 0, &time, NULL);
}

static struct itimerspec get(int timer)
{
    struct itimerspec time = {{-1, -1}, {-1, -1}};
    CHECK_OK(syscall(SYS_timer_gettime, timer, &time));
    return time;
}

static volatile int leave;
static volatile pid_t thread_id;

static void *stay(void *argument)
{
    thread_id = (pid_t)syscall(SYS_gettid);
    while (!leave) usleep(1000);
    return argument;
}

static void to_one_thread(void)
{
    pthread_t thread;
    handle(SIGRTMAX);
    REQUIRE(pthread_create(&thread, NULL, stay, NULL) == 0);
    WAIT_UNTIL(thread_id);
    int timer = create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGRTMAX, thread_id, 77);
    CHECK_OK(set(timer, 1000000, 1000000));
    WAIT_UNTIL(count >= 5);
    CHECK_EQ(handled_by, thread_id);
    CHECK_EQ(information.si_code, SI_TIMER);
    CHECK_EQ(information.si_value.sival_int, 77);
    CHECK_OK(syscall(SYS_timer_delete, timer));
    leave = 1;
    pthread_join(thread, NULL);
    struct kernel_event event = {.number = SIGRTMAX, .notify = SIGEV_THREAD_ID, .tid = 1};
    CHECK_ERROR(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer), EINVAL);
    event = (struct kernel_event){.number = 65, .notify = SIGEV_SIGNAL};
    CHECK_ERROR(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer), EINVAL);
    event = (struct kernel_event){.number = 10, .notify = 99};
    CHECK_ERROR(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer), EINVAL);
    CHECK_ERROR(syscall(SYS_timer_delete, 123456), EINVAL);
    CHECK_ERROR(syscall(SYS_timer_settime, 123456, 0, &(struct itimerspec){{0, 0}, {1, 0}}, NULL), EINVAL);
}

static void without_a_signal(void)
{
    int timer = create(CLOCK_REALTIME, SIGEV_NONE, 0, 0, 0);
    CHECK_OK(set(timer, 100000000000, 5000000));
    struct itimerspec now = get(timer);
    CHECK(now.it_value.tv_sec >= 98 && now.it_value.tv_sec <= 100);
    CHECK_EQ(now.it_interval.tv_nsec, 5000000);
    CHECK_OK(set(timer, 1000000, 0));
    usleep(3000);
    now = get(timer);
    CHECK_EQ(now.it_value.tv_sec, 0);
    CHECK_EQ(now.it_value.tv_nsec, 0);
    CHECK_OK(syscall(SYS_timer_delete, timer));
    /* No event: SIGALRM with the timer for a value. */
    handle(SIGALRM);
    CHECK_OK(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &timer));
    CHECK_OK(set(timer, 1000000, 0));
    WAIT_UNTIL(count == 1);
    CHECK_EQ(information.si_value.sival_int, timer);
    CHECK_OK(syscall(SYS_timer_delete, timer));
}

static void overruns(void)
{
    sigset_t only;
    siginfo_t info;
    sigemptyset(&only);
    sigaddset(&only, SIGRTMIN + 3);
    CHECK_OK(sigprocmask(SIG_BLOCK, &only, NULL));
    int timer = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 3, 0, 5);
    CHECK_OK(set(timer, 1000000, 1000000));
    usleep(30000);
    CHECK_EQ(sigwaitinfo(&only, &info), SIGRTMIN + 3);
    CHECK(info.si_overrun >= 20);
    CHECK_EQ(syscall(SYS_timer_getoverrun, timer), info.si_overrun);
    CHECK_EQ(info.si_value.sival_int, 5);
    /* One instance at a time, however late it is read. */
    CHECK_OK(set(timer, 0, 0));
    const struct timespec at_once = {0, 0};
    while (sigtimedwait(&only, &info, &at_once) > 0) continue;
    usleep(3000);
    CHECK_ERROR(sigtimedwait(&only, &info, &at_once), EAGAIN);
    CHECK_OK(syscall(SYS_timer_delete, timer));
    CHECK_OK(sigprocmask(SIG_UNBLOCK, &only, NULL));
}

static double used(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Time spent computing is the user's, and no other is. */
static void processor_time(void)
{
    static const struct { int which, number; } kinds[] = {{ITIMER_VIRTUAL, SIGVTALRM}, {ITIMER_PROF, SIGPROF}};
    for (int i = 0; i < 2; i++) {
        handle(kinds[i].number);
        struct itimerval every = {{0, 10000}, {0, 10000}}, off = {{0, 0}, {0, 0}}, now;
        CHECK_OK(setitimer(kinds[i].which, &every, NULL));
        usleep(50000);
        /* Asleep it hardly counts. */
        CHECK(count <= 1);
        double start = used(CLOCK_PROCESS_CPUTIME_ID);
        count = 0;
        while (used(CLOCK_PROCESS_CPUTIME_ID) - start < 0.2)
            for (volatile int spin = 0; spin < 100000; spin++) continue;
        CHECK_OK(getitimer(kinds[i].which, &now));
        CHECK_EQ(now.it_interval.tv_usec, 10000);
        CHECK_OK(setitimer(kinds[i].which, &off, NULL));
        CHECK(count >= 3 && count <= 40);
    }
    static const clockid_t clocks[] = {CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
    for (int i = 0; i < 2; i++) {
        handle(SIGRTMIN + 4);
        int timer = create(clocks[i], SIGEV_SIGNAL, SIGRTMIN + 4, 0, 0);
        CHECK_OK(set(timer, 20000000, 0));
        usleep(30000);
        CHECK_EQ(count, 0);
        double start = used(clocks[i]);
        while (count == 0) continue;
        CHECK(used(clocks[i]) - start < 0.2);
        CHECK_OK(syscall(SYS_timer_delete, timer));
    }
    struct timeval before, after;
    struct rusage_times { struct timeval user, system; long rest[14]; } usage;
    CHECK_OK(syscall(SYS_getrusage, 0, &usage));
    before = usage.user;
    double start = used(CLOCK_PROCESS_CPUTIME_ID);
    while (used(CLOCK_PROCESS_CPUTIME_ID) - start < 0.1)
        for (volatile int spin = 0; spin < 100000; spin++) continue;
    CHECK_OK(syscall(SYS_getrusage, 0, &usage));
    after = usage.user;
    long spent = (after.tv_sec - before.tv_sec) * 1000000 + after.tv_usec - before.tv_usec;
    CHECK(spent > 50000);
}

static void descriptors(void)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    uint64_t expirations;
    struct itimerspec time = {{0, 1000000}, {0, 1000000}}, old;
    struct pollfd poller = {fd, POLLIN, 0};
    REQUIRE(fd >= 0);
    CHECK_ERROR(read(fd, &expirations, 8), EAGAIN);
    CHECK_OK(timerfd_settime(fd, 0, &time, NULL));
    CHECK_EQ(poll(&poller, 1, 10000), 1);
    usleep(10000);
    CHECK_EQ(read(fd, &expirations, 8), 8);
    CHECK(expirations >= 5);
    CHECK_ERROR(read(fd, &expirations, 4), EINVAL);
    memset(&time, 0, sizeof time);
    CHECK_OK(timerfd_settime(fd, 0, &time, &old));
    CHECK_EQ(old.it_interval.tv_nsec, 1000000);
    CHECK_OK(timerfd_gettime(fd, &time));
    CHECK_EQ(time.it_value.tv_nsec, 0);
    clock_gettime(CLOCK_MONOTONIC, &time.it_value);
    CHECK_OK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &time, NULL));
    CHECK_EQ(poll(&poller, 1, 10000), 1);
    CHECK_EQ(read(fd, &expirations, 8), 8);
    CHECK_EQ(expirations, 1);
    CHECK_ERROR(timerfd_settime(fd, 0x100, &time, NULL), EINVAL);
    time.it_value.tv_nsec = 1000000000;
    CHECK_ERROR(timerfd_settime(fd, 0, &time, NULL), EINVAL);
    CHECK_ERROR(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL);
    CHECK_ERROR(timerfd_create(CLOCK_MONOTONIC, 0x100), EINVAL);
    int wall = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    struct itimerspec far = {{0, 0}, {4000000000, 0}};
    CHECK_OK(timerfd_settime(wall, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL));
    CHECK_ERROR(read(wall, &expirations, 8), EAGAIN);
    CHECK_ERROR(timerfd_gettime(0x7fff, &time), EBADF);
    int other[2];
    REQUIRE(pipe(other) == 0);
    CHECK_ERROR(timerfd_gettime(other[0], &time), EINVAL);
    close(wall);
    close(fd);
}

static void a_fork_takes_none_along(void)
{
    int timer = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 5, 0, 0);
    CHECK_OK(set(timer, 100000000000, 0));
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec long_time = {{0, 0}, {100, 0}};
    CHECK_OK(timerfd_settime(fd, 0, &long_time, NULL));
    pid_t pid = fork();
    if (pid == 0) {
        struct itimerspec now;
        if (syscall(SYS_timer_gettime, timer, &now) != -1 || errno != EINVAL) _exit(1);
        /* A descriptor is shared. */
        if (timerfd_gettime(fd, &now) != 0 || now.it_value.tv_sec < 90) _exit(2);
        _exit(0);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK(get(timer).it_value.tv_sec >= 90);
    CHECK_OK(syscall(SYS_timer_delete, timer));
    close(fd);
}

/* An alarm goes on in the new program, a POSIX timer does not, a pending signal stays. */
static void over_an_exec(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGRTMAX);
        sigaddset(&set, SIGSEGV);
        sigaddset(&set, SIGALRM);
        sigprocmask(SIG_BLOCK, &set, NULL);
        int timer = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMAX, 0, 0);
        syscall(SYS_timer_settime, timer, 0, &(struct itimerspec){{0, 0}, {100, 0}}, NULL);
        char number[16];
        snprintf(number, sizeof number, "%d", timer);
        sigqueue(getpid(), SIGRTMAX, (union sigval){.sival_int = 11});
        sigqueue(getpid(), SIGRTMAX, (union sigval){.sival_int = 12});
        kill(getpid(), SIGSEGV);
        signal(SIGUSR1, SIG_IGN);
        signal(SIGBUS, SIG_IGN);
        alarm(100);
        execl(program, program, "second", number, NULL);
        _exit(50);
    }
    CHECK_EQ(wait_for(pid), 0);
}

static int second_program(int timer)
{
    struct itimerspec now;
    sigset_t set, pending;
    siginfo_t info;
    const struct timespec at_once = {0, 0};
    unsigned left = alarm(0);
    if (left < 90) return 1;
    if (syscall(SYS_timer_gettime, timer, &now) != -1) return 2;
    sigprocmask(SIG_SETMASK, NULL, &set);
    if (!sigismember(&set, SIGRTMAX) || !sigismember(&set, SIGSEGV) || !sigismember(&set, SIGALRM) || sigismember(&set, SIGBUS))
        return 3;
    sigpending(&pending);
    if (!sigismember(&pending, SIGRTMAX) || !sigismember(&pending, SIGSEGV)) return 4;
    if (sigtimedwait(&set, &info, &at_once) != SIGSEGV) return 5;
    if (sigtimedwait(&set, &info, &at_once) != SIGRTMAX || info.si_value.sival_int != 11) return 6;
    if (sigtimedwait(&set, &info, &at_once) != SIGRTMAX || info.si_value.sival_int != 12) return 7;
    if (sigtimedwait(&set, &info, &at_once) != -1) return 8;
    struct sigaction action;
    sigaction(SIGUSR1, NULL, &action);
    if (action.sa_handler != SIG_IGN) return 9;
    sigaction(SIGBUS, NULL, &action);
    if (action.sa_handler != SIG_IGN) return 10;
    return 0;
}

int main(int words, char **arguments)
{
    program = arguments[0];
    if (words == 3) return second_program(atoi(arguments[2]));
    RUN(to_one_thread);
    RUN(without_a_signal);
    RUN(overruns);
    RUN(processor_time);
    RUN(descriptors);
    RUN(a_fork_takes_none_along);
    RUN(over_an_exec);
    return finish();
}
