/* wait4 and waitid: stops and continues, flags, threads, usage, interruption, and when there are no children. */
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static pid_t exiting(int status)
{
    pid_t pid = fork();
    if (pid == 0) _exit(status);
    REQUIRE(pid > 0);
    return pid;
}

static pid_t sleeping(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) pause();
    }
    REQUIRE(pid > 0);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    wait_for(pid);
}

static void stopped_and_continued(void)
{
    pid_t pid = sleeping();
    int status = 0;
    siginfo_t info;
    kill(pid, SIGSTOP);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ(WSTOPSIG(status), SIGSTOP);
    /* Told once. */
    CHECK_EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
    kill(pid, SIGCONT);
    CHECK_EQ(waitpid(-1, &status, WCONTINUED), pid);
    CHECK(WIFCONTINUED(status));
    CHECK_EQ(status, 0xffff);
    CHECK_EQ(waitpid(pid, &status, WCONTINUED | WNOHANG), 0);
    kill(pid, SIGSTOP);
    for (int i = 0; i < 2; i++) {
        memset(&info, 0, sizeof info);
        CHECK_OK(waitid(P_PID, (id_t)pid, &info, WSTOPPED | (i == 0 ? WNOWAIT : 0)));
        CHECK_EQ(info.si_code, CLD_STOPPED);
        CHECK_EQ(info.si_status, SIGSTOP);
        CHECK_EQ(info.si_pid, pid);
    }
    kill(pid, SIGCONT);
    CHECK_OK(waitid(P_ALL, 0, &info, WCONTINUED));
    CHECK_EQ(info.si_code, CLD_CONTINUED);
    CHECK_EQ(info.si_status, SIGCONT);
    /* Still a member: it can be named, stopped or not. */
    CHECK_OK(kill(pid, 0));
    CHECK_OK(getpgid(pid));
    end(pid);
    CHECK_ERROR(kill(pid, 0), ESRCH);
}

static void flags_and_pointers(void)
{
    siginfo_t info;
    struct rusage usage;
    CHECK_ERROR(waitid(P_ALL, 0, &info, WEXITED | 0x40), EINVAL);
    CHECK_ERROR(waitid(P_ALL, 0, &info, WNOHANG), EINVAL);
    CHECK_ERROR(waitid((idtype_t)77, 0, &info, WEXITED), EINVAL);
    CHECK_ERROR(waitid(P_PID, 0, &info, WEXITED), EINVAL);
    CHECK_ERROR(waitid(P_PID, (id_t)-5, &info, WEXITED), EINVAL);
    CHECK_ERROR(waitid(P_PGID, (id_t)-5, &info, WEXITED), EINVAL);
    CHECK_ERROR(waitid((idtype_t)P_PIDFD, (id_t)-1, &info, WEXITED), EINVAL);
    CHECK_ERROR(waitid((idtype_t)P_PIDFD, 0x7fffffff, &info, WEXITED), EBADF);
    CHECK_ERROR(waitid((idtype_t)P_PIDFD, 1, &info, WEXITED), EBADF);
    CHECK_ERROR(syscall(SYS_wait4, -1, NULL, WSTOPPED | 0x100, NULL), EINVAL);
    CHECK_ERROR(syscall(SYS_wait4, -1, NULL, WEXITED, NULL), EINVAL);
    CHECK_ERROR(syscall(SYS_wait4, -1, NULL, WNOWAIT, NULL), EINVAL);
    /* The status cannot be stored; the child is reaped nevertheless. */
    exiting(1);
    CHECK_ERROR(syscall(SYS_wait4, -1, (int *)8, 0, NULL), EFAULT);
    CHECK_ERROR(wait(NULL), ECHILD);
    exiting(1);
    CHECK_ERROR(syscall(SYS_wait4, -1, NULL, 0, (void *)8), EFAULT);
    CHECK_ERROR(wait(NULL), ECHILD);
    exiting(1);
    CHECK_ERROR(syscall(SYS_waitid, P_ALL, 0, (void *)8, WEXITED, NULL), EFAULT);
    CHECK_ERROR(wait(NULL), ECHILD);
    /* waitid's information and usage may be left out. */
    pid_t pid = exiting(3);
    memset(&usage, 0xff, sizeof usage);
    CHECK_EQ(syscall(SYS_waitid, P_PID, pid, NULL, WEXITED, &usage), 0);
    CHECK(usage.ru_utime.tv_sec == 0);
    CHECK_ERROR(waitpid(pid, NULL, 0), ECHILD);
}

static int cloned(void *argument)
{
    (void)argument;
    return 9;
}

/* A child whose end is told by another signal than SIGCHLD, or none, is a "clone child". */
static void clone_children(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    int status = 0;
    int signals[] = {0, SIGUSR1};
    signal(SIGUSR1, SIG_IGN);
    for (unsigned i = 0; i < 2; i++) {
        pid_t pid = clone(cloned, stack + sizeof stack, signals[i], NULL);
        REQUIRE(pid > 0);
        CHECK_ERROR(waitpid(pid, &status, 0), ECHILD);
        CHECK_ERROR(waitpid(-1, &status, 0), ECHILD);
        CHECK_EQ(waitpid(pid, &status, __WCLONE), pid);
        CHECK_EQ(WEXITSTATUS(status), 9);
        pid = clone(cloned, stack + sizeof stack, signals[i], NULL);
        CHECK_EQ(waitpid(-1, &status, __WALL), pid);
        CHECK_EQ(WEXITSTATUS(status), 9);
    }
    pid_t pid = exiting(4);
    CHECK_ERROR(waitpid(pid, &status, __WCLONE), ECHILD);
    CHECK_EQ(waitpid(pid, &status, __WALL), pid);
    signal(SIGUSR1, SIG_DFL);
}

static pid_t of_thread;

static void *forks(void *argument)
{
    of_thread = sleeping();
    (void)argument;
    return NULL;
}

static void *waits(void *argument)
{
    int status = 0;
    pid_t pid = *(pid_t *)argument;
    if (waitpid(pid, &status, __WNOTHREAD) != -1 || errno != ECHILD) return (void *)1;
    if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 6) return (void *)2;
    return NULL;
}

static void *pauses(void *argument)
{
    of_thread = exiting(8);
    char byte;
    (void)!read(*(int *)argument, &byte, 1);
    return NULL;
}

static void children_of_threads(void)
{
    pthread_t thread;
    void *result;
    pid_t pid = exiting(6);
    REQUIRE(pthread_create(&thread, NULL, waits, &pid) == 0);
    pthread_join(thread, &result);
    CHECK_EQ((long)result, 0);
    /* A thread's child is the process's: it stays when the thread has ended. */
    REQUIRE(pthread_create(&thread, NULL, forks, NULL) == 0);
    pthread_join(thread, NULL);
    kill(of_thread, SIGKILL);
    int status = wait_for(of_thread);
    CHECK(WIFSIGNALED(status));
    /* __WNOTHREAD: not while that thread lives. */
    int pipes[2];
    REQUIRE(pipe(pipes) == 0);
    of_thread = 0;
    REQUIRE(pthread_create(&thread, NULL, pauses, pipes) == 0);
    WAIT_UNTIL(__atomic_load_n(&of_thread, __ATOMIC_SEQ_CST) != 0);
    CHECK_ERROR(waitpid(of_thread, &status, __WNOTHREAD), ECHILD);
    CHECK_EQ(wait_for(of_thread) >> 8, 8);
    close(pipes[1]);
    pthread_join(thread, NULL);
    close(pipes[0]);
}

static long microseconds(const struct rusage *usage)
{
    return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 + usage->ru_utime.tv_usec + usage->ru_stime.tv_usec;
}

static void works(void)
{
    volatile unsigned sum = 0;
    struct rusage own;
    do {
        for (int i = 0; i < 100000; i++) sum += (unsigned)i;
        getrusage(RUSAGE_SELF, &own);
    } while (microseconds(&own) < 30000);
}

/* What reaped children used, and theirs, not what others use still. */
static void usage_of_children(void)
{
    struct rusage before, after, of_child;
    CHECK_OK(getrusage(RUSAGE_CHILDREN, &before));
    pid_t pid = fork();
    if (pid == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0) {
            works();
            _exit(0);
        }
        waitpid(grandchild, NULL, 0);
        _exit(0);
    }
    siginfo_t info;
    CHECK_OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
    CHECK_OK(getrusage(RUSAGE_CHILDREN, &after));
    CHECK_EQ(microseconds(&after), microseconds(&before));
    CHECK_EQ(wait4(pid, NULL, 0, &of_child), pid);
    CHECK(microseconds(&of_child) >= 29000);
    CHECK_OK(getrusage(RUSAGE_CHILDREN, &after));
    CHECK(microseconds(&after) - microseconds(&before) >= 29000);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

static void interrupted(void)
{
    pid_t pid = sleeping();
    siginfo_t info;
    for (int restart = 0; restart < 2; restart++) {
        struct sigaction action = {.sa_handler = on_alarm, .sa_flags = restart ? SA_RESTART : 0};
        sigaction(SIGALRM, &action, NULL);
        alarms = 0;
        struct timespec delay = {0, 20000000};
        timer_t timer;
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
        REQUIRE(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
        struct itimerspec every = {delay, delay};
        pid_t ends = 0;
        if (restart) {
            ends = fork();
            if (ends == 0) {
                usleep(150000);
                _exit(12);
            }
        }
        timer_settime(timer, 0, &every, NULL);
        if (restart) {
            CHECK_EQ(waitid(P_PID, (id_t)ends, &info, WEXITED), 0);
            CHECK_EQ(info.si_status, 12);
            CHECK(alarms > 1);
        } else {
            CHECK_ERROR(waitid(P_PID, (id_t)pid, &info, WEXITED), EINTR);
            CHECK_ERROR(waitpid(pid, NULL, 0), EINTR);
            CHECK_ERROR(waitpid(-1, NULL, WUNTRACED), EINTR);
            CHECK(alarms > 2);
        }
        timer_delete(timer);
    }
    signal(SIGALRM, SIG_DFL);
    end(pid);
}

static void nothing_to_wait_for(void)
{
    siginfo_t info;
    pid_t pid;
    /* Ignored, or with SA_NOCLDWAIT: the wait lasts until the last one has ended, and finds nothing. */
    for (int form = 0; form < 2; form++) {
        struct sigaction action = {.sa_handler = form ? SIG_DFL : SIG_IGN, .sa_flags = form ? SA_NOCLDWAIT : 0};
        sigaction(SIGCHLD, &action, NULL);
        pid = fork();
        if (pid == 0) {
            usleep(50000);
            _exit(1);
        }
        exiting(2);
        CHECK_ERROR(wait(NULL), ECHILD);
        /* The kernel wakes the parent a moment before it forgets the child. */
        WAIT_UNTIL(kill(pid, 0) != 0);
        CHECK_ERROR(kill(pid, 0), ESRCH);
        pid = exiting(3);
        CHECK_ERROR(waitid(P_PID, (id_t)pid, &info, WEXITED), ECHILD);
    }
    signal(SIGCHLD, SIG_DFL);
    /* Nor others' children, nor one's own parent or oneself. */
    CHECK_ERROR(waitpid(getppid(), NULL, WNOHANG), ECHILD);
    CHECK_ERROR(waitid(P_PID, (id_t)getpid(), &info, WEXITED), ECHILD);
    int pipes[2];
    REQUIRE(pipe(pipes) == 0);
    pid = fork();
    if (pid == 0) {
        pid_t grandchild = sleeping();
        (void)!write(pipes[1], &grandchild, sizeof grandchild);
        for (;;) pause();
    }
    pid_t grandchild;
    CHECK_EQ(read(pipes[0], &grandchild, sizeof grandchild), sizeof grandchild);
    CHECK_ERROR(waitpid(grandchild, NULL, WNOHANG), ECHILD);
    kill(grandchild, SIGKILL);
    end(pid);
    close(pipes[0]);
    close(pipes[1]);
}

static void through_descriptors(void)
{
    siginfo_t info;
    pid_t pid = sleeping();
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    REQUIRE(fd >= 0);
    struct pollfd poll_for = {fd, POLLIN, 0};
    CHECK_EQ(poll(&poll_for, 1, 20), 0);
    kill(pid, SIGTERM);
    CHECK_EQ(poll(&poll_for, 1, -1), 1);
    CHECK_EQ(poll_for.revents, POLLIN);
    CHECK_OK(waitid((idtype_t)P_PIDFD, (id_t)fd, &info, WEXITED | WNOWAIT));
    CHECK_EQ(info.si_code, CLD_KILLED);
    CHECK_OK(waitid((idtype_t)P_PIDFD, (id_t)fd, &info, WEXITED));
    CHECK_EQ(info.si_status, SIGTERM);
    CHECK_ERROR(waitid((idtype_t)P_PIDFD, (id_t)fd, &info, WEXITED), ECHILD);
    CHECK_ERROR(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), ESRCH);
    close(fd);
    /* One that does not block. */
    pid = sleeping();
    fd = (int)syscall(SYS_pidfd_open, pid, O_NONBLOCK);
    if (fd >= 0) CHECK_ERROR(waitid((idtype_t)P_PIDFD, (id_t)fd, &info, WEXITED), EAGAIN);
    close(fd);
    /* Another's child cannot be awaited. */
    fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    CHECK_ERROR(waitid((idtype_t)P_PIDFD, (id_t)fd, &info, WEXITED), ECHILD);
    close(fd);
    end(pid);
}

static void by_group(void)
{
    int status;
    siginfo_t info;
    pid_t first = fork();
    if (first == 0) {
        setpgid(0, 0);
        for (;;) pause();
    }
    setpgid(first, first);
    pid_t second = fork();
    if (second == 0) {
        setpgid(0, first);
        _exit(2);
    }
    setpgid(second, first);
    pid_t mine = exiting(3);
    CHECK_EQ(waitpid(-first, &status, 0), second);
    CHECK_EQ(waitpid(-first, &status, WNOHANG), 0);
    CHECK_OK(waitid(P_PGID, 0, &info, WEXITED));
    CHECK_EQ(info.si_pid, mine);
    CHECK_OK(kill(-first, SIGKILL));
    CHECK_OK(waitid(P_PGID, (id_t)first, &info, WEXITED));
    CHECK_EQ(info.si_pid, first);
    CHECK_ERROR(waitid(P_PGID, (id_t)first, &info, WEXITED), ECHILD);
    CHECK_ERROR(kill(-first, 0), ESRCH);
}

int main(void)
{
    RUN(stopped_and_continued);
    RUN(flags_and_pointers);
    RUN(clone_children);
    RUN(children_of_threads);
    RUN(usage_of_children);
    RUN(interrupted);
    RUN(nothing_to_wait_for);
    RUN(through_descriptors);
    RUN(by_group);
    return finish();
}
