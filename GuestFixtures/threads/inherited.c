/* What a new thread has from the one that made it, and what it has not from one that ended before. */
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>

static void run_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, body, argument) == 0);
    pthread_join(thread, NULL);
}

static long microseconds(struct timeval time) { return time.tv_sec * 1000000L + time.tv_usec; }

static void *work(void *argument)
{
    struct timespec time;
    do
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    while (time.tv_sec == 0 && time.tv_nsec < 80000000);
    return argument;
}

static void *used_nothing(void *argument)
{
    struct timespec time, own;
    struct rusage usage;
    clockid_t clock;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    CHECK(time.tv_sec == 0 && time.tv_nsec < 60000000);
    pthread_getcpuclockid(pthread_self(), &clock);
    clock_gettime(clock, &own);
    CHECK(own.tv_sec == 0 && own.tv_nsec < 60000000 && own.tv_nsec >= time.tv_nsec);
    getrusage(RUSAGE_THREAD, &usage);
    CHECK(microseconds(usage.ru_utime) + microseconds(usage.ru_stime) < 60000);
    return argument;
}

static void cpu_time_begins_at_zero(void)
{
    for (int i = 0; i < 3; i++) {
        run_thread(work, NULL);
        run_thread(used_nothing, NULL);
    }
}

static void *change_everything(void *argument)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(*(int *)argument, &set);
    CHECK_OK(sched_setaffinity(0, sizeof set, &set));
    struct sched_param parameter = {0};
    CHECK_OK(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &parameter));
    CHECK_OK(setpriority(PRIO_PROCESS, 0, 7));
    CHECK_OK(prctl(PR_SET_TIMERSLACK, 123456));
    CHECK_OK(prctl(PR_SET_NAME, "changed"));
    CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    return NULL;
}

struct attributes {
    cpu_set_t set;
    int policy, priority, slack, privileges;
    char name[16];
};

static void *look(void *argument)
{
    struct attributes *seen = argument;
    memset(seen, 0, sizeof *seen);
    sched_getaffinity(0, sizeof seen->set, &seen->set);
    seen->policy = syscall(SYS_sched_getscheduler, 0);
    seen->priority = getpriority(PRIO_PROCESS, 0);
    seen->slack = prctl(PR_GET_TIMERSLACK);
    seen->privileges = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    prctl(PR_GET_NAME, seen->name);
    return NULL;
}

static void *change_and_pass_on(void *argument)
{
    int cpu = 0;
    struct attributes own;
    change_everything(&cpu);
    look(&own);
    run_thread(look, argument);
    CHECK(memcmp(&own, argument, sizeof own) == 0);
    return NULL;
}

/* A thread's own attributes go to the threads that it makes, and to nobody else. */
static void attributes(void)
{
    struct attributes before, after, inherited;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    run_thread(look, &before);
    for (int i = 0; i < 3; i++) {
        run_thread(change_and_pass_on, &inherited);
        CHECK(CPU_EQUAL(&inherited.set, &one));
        CHECK_EQ(inherited.policy, SCHED_BATCH);
        CHECK_EQ(inherited.priority, 7);
        CHECK_EQ(inherited.slack, 123456);
        CHECK_EQ(inherited.privileges, 1);
        CHECK_STR(inherited.name, "changed");
        run_thread(look, &after);
        CHECK(memcmp(&before, &after, sizeof before) == 0);
    }
}

/* The parent's death signal comes when the thread that made the child ends. */
static int ends[2];

static void *make_child(void *argument)
{
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        (void)!write(ends[1], "x", 1);
        for (;;)
            pause();
    }
    char byte;
    CHECK_EQ(read(ends[0], &byte, 1), 1);
    *(pid_t *)argument = pid;
    return NULL;
}

static void parent_death_signal(void)
{
    pid_t pid = -1;
    REQUIRE(pipe(ends) == 0);
    run_thread(make_child, &pid);
    close(ends[1]);
    int status = wait_for(pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    close(ends[0]);
}

/* __WNOTHREAD: a thread's own children only. */
static void *has_no_child(void *argument)
{
    CHECK_ERROR(waitpid(-1, NULL, __WNOTHREAD | WNOHANG), ECHILD);
    return argument;
}

static void *leave_child(void *argument)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    *(pid_t *)argument = pid;
    return NULL;
}

static void children_of_ended_threads(void)
{
    pid_t pid = -1;
    run_thread(leave_child, &pid);
    run_thread(has_no_child, NULL);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 3);
}

int main(void)
{
    RUN(cpu_time_begins_at_zero);
    RUN(children_of_ended_threads);
    RUN(parent_death_signal);
    RUN(attributes);
    return finish();
}
