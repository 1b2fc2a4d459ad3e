/* alarm, setitimer, timer_create: they come, they repeat, they can be read and taken back. */
#include "check.h"
#include <sys/time.h>
#include <time.h>

static volatile sig_atomic_t count;
static siginfo_t information;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    count++;
    information = *info;
}

static void handle(int number)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(number, &action, NULL);
    count = 0;
    memset(&information, 0, sizeof information);
}

static void alarms(void)
{
    handle(SIGALRM);
    CHECK_EQ(alarm(100), 0);
    unsigned left = alarm(0);
    CHECK(left >= 99 && left <= 100);
    CHECK_EQ(alarm(0), 0);
    alarm(1);
    WAIT_UNTIL(count == 1);
    CHECK_EQ(information.si_signo, SIGALRM);
    CHECK_EQ(information.si_code, SI_KERNEL);
}

static void real_time(void)
{
    handle(SIGALRM);
    struct itimerval timer = {{0, 5000}, {0, 5000}}, now;
    CHECK_OK(setitimer(ITIMER_REAL, &timer, NULL));
    WAIT_UNTIL(count >= 5);
    CHECK_OK(getitimer(ITIMER_REAL, &now));
    CHECK_EQ(now.it_interval.tv_usec, 5000);
    memset(&timer, 0, sizeof timer);
    CHECK_OK(setitimer(ITIMER_REAL, &timer, &now));
    CHECK_EQ(now.it_interval.tv_usec, 5000);
    int after = count;
    usleep(30000);
    CHECK_EQ(count, after);
    timer.it_value.tv_usec = 1000000;
    CHECK_ERROR(setitimer(ITIMER_REAL, &timer, NULL), EINVAL);
    CHECK_ERROR(setitimer(77, &timer, NULL), EINVAL);
}

static void processor_time(void)
{
    handle(SIGVTALRM);
    struct itimerval timer = {{0, 0}, {0, 20000}};
    CHECK_OK(setitimer(ITIMER_VIRTUAL, &timer, NULL));
    /* Working, not sleeping. */
    while (count == 0) __asm__ volatile("");
    CHECK_EQ(information.si_signo, SIGVTALRM);
    handle(SIGPROF);
    CHECK_OK(setitimer(ITIMER_PROF, &timer, NULL));
    while (count == 0) __asm__ volatile("");
    CHECK_EQ(count, 1);
}

static void in_a_loop_without_calls(void)
{
    handle(SIGALRM);
    struct itimerval timer = {{0, 2000}, {0, 2000}};
    CHECK_OK(setitimer(ITIMER_REAL, &timer, NULL));
    volatile unsigned long work = 0;
    while (count < 50) work++;
    memset(&timer, 0, sizeof timer);
    CHECK_OK(setitimer(ITIMER_REAL, &timer, NULL));
    CHECK(work > 0);
}

static void posix_timers(void)
{
    handle(SIGRTMIN + 1);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1};
    event.sigev_value.sival_int = 4711;
    timer_t timer;
    CHECK_OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
    struct itimerspec time = {{0, 3000000}, {0, 3000000}}, now;
    CHECK_OK(timer_settime(timer, 0, &time, NULL));
    WAIT_UNTIL(count >= 3);
    CHECK_EQ(information.si_code, SI_TIMER);
    CHECK_EQ(information.si_value.sival_int, 4711);
    CHECK_OK(timer_gettime(timer, &now));
    CHECK_EQ(now.it_interval.tv_nsec, 3000000);
    CHECK(timer_getoverrun(timer) >= 0);
    CHECK_OK(timer_delete(timer));
    int after = count;
    usleep(20000);
    CHECK(count <= after + 1);
    CHECK_ERROR(syscall(SYS_timer_create, 12345, NULL, &timer), EINVAL);
}

static void the_child_has_none(void)
{
    handle(SIGALRM);
    struct itimerval timer = {{0, 0}, {100, 0}};
    setitimer(ITIMER_REAL, &timer, NULL);
    pid_t pid = fork();
    if (pid == 0) {
        getitimer(ITIMER_REAL, &timer);
        _exit(timer.it_value.tv_sec == 0 && alarm(0) == 0 ? 0 : 1);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK(alarm(0) > 90);
}

int main(void)
{
    RUN(alarms);
    RUN(real_time);
    RUN(processor_time);
    RUN(in_a_loop_without_calls);
    RUN(posix_timers);
    RUN(the_child_has_none);
    return finish();
}
