/* wait4 and waitid in every form. */
#include "check.h"
#include <sys/resource.h>

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

static void no_children(void)
{
    siginfo_t info;
    CHECK_ERROR(waitpid(-1, NULL, 0), ECHILD);
    CHECK_ERROR(waitpid(0, NULL, WNOHANG), ECHILD);
    CHECK_ERROR(waitpid(getpid(), NULL, 0), ECHILD);
    CHECK_ERROR(waitpid(-getpgrp(), NULL, 0), ECHILD);
    CHECK_ERROR(waitpid(1, NULL, 0), ECHILD);
    CHECK_ERROR(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
    CHECK_ERROR(waitpid(-1, NULL, 0x10000), EINVAL);
    CHECK_ERROR(waitid(P_ALL, 0, &info, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_wait4, INT32_MIN, NULL, 0, NULL), ESRCH);
}

static void statuses(void)
{
    int values[] = {0, 1, 42, 127, 255, 256, -1, 0x1234};
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        int status = wait_for(exiting(values[i]));
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), values[i] & 0xff);
    }
}

static void by_pid(void)
{
    pid_t first = exiting(1), second = exiting(2);
    int status;
    CHECK_EQ(waitpid(second, &status, 0), second);
    CHECK_EQ(WEXITSTATUS(status), 2);
    CHECK_EQ(waitpid(first, &status, 0), first);
    CHECK_EQ(WEXITSTATUS(status), 1);
    CHECK_ERROR(waitpid(first, NULL, 0), ECHILD);
}

static void any(void)
{
    int seen = 0, status;
    for (int i = 0; i < 5; i++) exiting(i);
    for (int i = 0; i < 5; i++) {
        CHECK(waitpid(-1, &status, 0) > 0);
        seen |= 1 << WEXITSTATUS(status);
    }
    CHECK_EQ(seen, 31);
    CHECK_ERROR(wait(NULL), ECHILD);
}

static void without_hanging(void)
{
    pid_t pid = sleeping();
    int status = 0x5555;
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
    CHECK_EQ(status, 0x5555);
    CHECK_EQ(waitpid(-1, &status, WNOHANG), 0);
    siginfo_t info;
    memset(&info, 0xff, sizeof info);
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG), 0);
    CHECK_EQ(info.si_pid, 0);
    CHECK_EQ(info.si_signo, 0);
    kill(pid, SIGKILL);
    status = wait_for(pid);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGKILL);
    CHECK(!WCOREDUMP(status));
}

static void by_group(void)
{
    pid_t mine = exiting(1), other = fork();
    if (other == 0) {
        setpgid(0, 0);
        _exit(2);
    }
    setpgid(other, other);
    int status;
    CHECK_EQ(waitpid(-other, &status, 0), other);
    CHECK_EQ(WEXITSTATUS(status), 2);
    CHECK_ERROR(waitpid(-other, &status, 0), ECHILD);
    CHECK_EQ(waitpid(0, &status, 0), mine);
    pid_t again = exiting(3);
    siginfo_t info;
    CHECK_EQ(waitid(P_PGID, (id_t)getpgrp(), &info, WEXITED), 0);
    CHECK_EQ(info.si_pid, again);
}

static void information(void)
{
    siginfo_t info;
    pid_t pid = exiting(42);
    /* Looked at first, taken then. */
    for (int i = 0; i < 2; i++) {
        memset(&info, 0, sizeof info);
        CHECK_OK(waitid(P_PID, (id_t)pid, &info, WEXITED | (i == 0 ? WNOWAIT : 0)));
        CHECK_EQ(info.si_signo, SIGCHLD);
        CHECK_EQ(info.si_code, CLD_EXITED);
        CHECK_EQ(info.si_pid, pid);
        CHECK_EQ(info.si_uid, getuid());
        CHECK_EQ(info.si_status, 42);
    }
    CHECK_ERROR(waitid(P_PID, (id_t)pid, &info, WEXITED), ECHILD);
    pid = sleeping();
    kill(pid, SIGTERM);
    CHECK_OK(waitid(P_ALL, 0, &info, WEXITED));
    CHECK_EQ(info.si_code, CLD_KILLED);
    CHECK_EQ(info.si_status, SIGTERM);
    CHECK_EQ(info.si_pid, pid);
}

static void by_descriptor(void)
{
    pid_t pid = sleeping();
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    REQUIRE(fd >= 0);
    siginfo_t info;
    memset(&info, 0, sizeof info);
    CHECK_OK(waitid((idtype_t)3 /* P_PIDFD */, (id_t)fd, &info, WEXITED | WNOHANG));
    CHECK_EQ(info.si_pid, 0);
    CHECK_OK(syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0));
    CHECK_OK(waitid((idtype_t)3, (id_t)fd, &info, WEXITED));
    CHECK_EQ(info.si_pid, pid);
    CHECK_ERROR(waitid((idtype_t)3, 9999, &info, WEXITED), EBADF);
    close(fd);
}

static void usage(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        /* Some work, so that there is something to report. */
        volatile unsigned sum = 0;
        struct rusage own;
        do {
            for (int i = 0; i < 100000; i++) sum += (unsigned)i;
            getrusage(RUSAGE_SELF, &own);
        } while (own.ru_utime.tv_sec == 0 && own.ru_utime.tv_usec < 20000 && own.ru_stime.tv_usec < 20000);
        _exit(0);
    }
    struct rusage usage;
    memset(&usage, 0, sizeof usage);
    int status;
    CHECK_EQ(wait4(pid, &status, 0, &usage), pid);
    CHECK(usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec > 10000);
}

static void ignored_children_leave_nothing(void)
{
    signal(SIGCHLD, SIG_IGN);
    pid_t pid = exiting(0);
    CHECK_ERROR(waitpid(pid, NULL, 0), ECHILD);
    signal(SIGCHLD, SIG_DFL);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

static void interrupted_by_a_signal(void)
{
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    pid_t child = sleeping(), parent = getpid(), killer = fork();
    if (killer == 0) {
        usleep(50000);
        kill(parent, SIGALRM);
        _exit(0);
    }
    CHECK_ERROR(waitpid(child, NULL, 0), EINTR);
    CHECK_EQ(alarms, 1);
    wait_for(killer);
    kill(child, SIGKILL);
    wait_for(child);
}

int main(void)
{
    RUN(no_children);
    RUN(statuses);
    RUN(by_pid);
    RUN(any);
    RUN(without_hanging);
    RUN(by_group);
    RUN(information);
    RUN(by_descriptor);
    RUN(usage);
    RUN(ignored_children_leave_nothing);
    RUN(interrupted_by_a_signal);
    return finish();
}
