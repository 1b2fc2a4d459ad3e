/* Stop and continue, as a shell uses them; process groups and sessions with Linux's rules. */
#include "check.h"

static pid_t counting(int *pipes)
{
    REQUIRE(pipe(pipes) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(pipes[0]);
        for (;;) {
            if (write(pipes[1], "x", 1) != 1) _exit(1);
            usleep(1000);
        }
    }
    close(pipes[1]);
    return pid;
}

static void stops_and_continues(void)
{
    int pipes[2], status;
    pid_t pid = counting(pipes);
    char byte;
    CHECK_EQ(read(pipes[0], &byte, 1), 1);
    CHECK_EQ(waitpid(pid, &status, WNOHANG | WUNTRACED | WCONTINUED), 0);
    CHECK_OK(kill(pid, SIGSTOP));
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ(WSTOPSIG(status), SIGSTOP);
    /* Reported once. */
    CHECK_EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
    /* It does stand still: after what is in the pipe nothing comes. */
    fcntl(pipes[0], F_SETFL, O_NONBLOCK);
    char drained[4096];
    while (read(pipes[0], drained, sizeof drained) > 0) continue;
    usleep(50000);
    CHECK_ERROR(read(pipes[0], drained, 1), EAGAIN);
    fcntl(pipes[0], F_SETFL, 0);
    CHECK_OK(kill(pid, SIGCONT));
    CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
    CHECK(WIFCONTINUED(status));
    CHECK_EQ(read(pipes[0], &byte, 1), 1);
    CHECK_OK(kill(pid, SIGKILL));
    CHECK_EQ(WTERMSIG(wait_for(pid)), SIGKILL);
    close(pipes[0]);
}

static void each_stopping_signal(void)
{
    int signals[] = {SIGTSTP, SIGTTIN, SIGTTOU, SIGSTOP};
    for (int i = 0; i < 4; i++) {
        int pipes[2], status;
        char byte;
        /* In a group of its own with a parent outside: not orphaned, so it may stop. */
        pid_t pid = counting(pipes);
        setpgid(pid, pid);
        CHECK_EQ(read(pipes[0], &byte, 1), 1);
        CHECK_OK(kill(pid, signals[i]));
        CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
        CHECK(WIFSTOPPED(status));
        CHECK_EQ(WSTOPSIG(status), signals[i]);
        /* SIGKILL works on a stopped process. */
        CHECK_OK(kill(pid, SIGKILL));
        CHECK_EQ(WTERMSIG(wait_for(pid)), SIGKILL);
        close(pipes[0]);
    }
}

static void waitid_says_so(void)
{
    int pipes[2];
    siginfo_t info;
    pid_t pid = counting(pipes);
    kill(pid, SIGSTOP);
    CHECK_OK(waitid(P_PID, (id_t)pid, &info, WSTOPPED));
    CHECK_EQ(info.si_code, CLD_STOPPED);
    CHECK_EQ(info.si_status, SIGSTOP);
    kill(pid, SIGCONT);
    CHECK_OK(waitid(P_PID, (id_t)pid, &info, WCONTINUED));
    CHECK_EQ(info.si_code, CLD_CONTINUED);
    CHECK_EQ(info.si_status, SIGCONT);
    kill(pid, SIGTERM);
    CHECK_OK(waitid(P_PID, (id_t)pid, &info, WEXITED));
    CHECK_EQ(info.si_code, CLD_KILLED);
    close(pipes[0]);
}

static volatile sig_atomic_t continued;

static void on_continue(int number)
{
    (void)number;
    continued = 1;
}

static void a_handler_for_continue(void)
{
    int pipes[2], status;
    CHECK_OK(pipe(pipes));
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGCONT, on_continue);
        if (write(pipes[1], "x", 1) != 1) _exit(1);
        raise(SIGSTOP);
        _exit(continued ? 21 : 22);
    }
    char byte;
    CHECK_EQ(read(pipes[0], &byte, 1), 1);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status));
    kill(pid, SIGCONT);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 21);
    close(pipes[0]);
    close(pipes[1]);
}

static void groups(void)
{
    int gate[2];
    CHECK_OK(pipe(gate));
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        close(gate[1]);
        (void)!read(gate[0], &byte, 1);
        _exit(0);
    }
    CHECK_EQ(getpgid(pid), getpgrp());
    CHECK_EQ(getpgid(0), getpgrp());
    CHECK_EQ(getsid(pid), getsid(0));
    CHECK_OK(setpgid(pid, 0));
    CHECK_EQ(getpgid(pid), pid);
    CHECK_OK(setpgid(pid, getpgrp()));
    CHECK_EQ(getpgid(pid), getpgrp());
    CHECK_ERROR(setpgid(pid, -1), EINVAL);
    CHECK_ERROR(setpgid(pid, 999999), EPERM);
    CHECK_ERROR(getpgid(999999), ESRCH);
    CHECK_ERROR(setpgid(999999, 0), ESRCH);
    close(gate[0]);
    close(gate[1]);
    CHECK_EQ(wait_for(pid), 0);
}

static void a_new_session(void)
{
    CHECK_OK(setpgid(0, 0) == 0 || errno == EPERM ? 0 : -1);
    /* A group leader cannot have one. */
    CHECK_ERROR(setsid(), EPERM);
    pid_t pid = fork();
    if (pid == 0) {
        check_failures = 0;
        CHECK_EQ(setsid(), getpid());
        CHECK_EQ(getsid(0), getpid());
        CHECK_EQ(getpgrp(), getpid());
        CHECK_ERROR(setsid(), EPERM);
        CHECK_ERROR(setpgid(0, 0), EPERM);
        /* No terminal any more. */
        CHECK_ERROR(open("/dev/tty", O_RDWR), ENXIO);
        _exit(check_failures != 0);
    }
    CHECK_EQ(wait_for(pid), 0);
}

static void a_group_is_killed_as_one(void)
{
    pid_t leader = 0, members[3];
    for (int i = 0; i < 3; i++) {
        members[i] = fork();
        if (members[i] == 0) {
            setpgid(0, leader);
            for (;;) pause();
        }
        if (i == 0) leader = members[0];
        CHECK_OK(setpgid(members[i], leader));
    }
    CHECK_OK(kill(-leader, SIGUSR1));
    for (int i = 0; i < 3; i++) CHECK_EQ(WTERMSIG(wait_for(members[i])), SIGUSR1);
    CHECK_ERROR(kill(-leader, 0), ESRCH);
}

static void not_after_exec(void)
{
    int pipes[2];
    CHECK_OK(pipe2(pipes, O_CLOEXEC));
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sleep", "sleep", "100", NULL);
        _exit(1);
    }
    close(pipes[1]);
    char byte;
    /* The pipe ends when the program has been replaced. */
    CHECK_EQ(read(pipes[0], &byte, 1), 0);
    CHECK_ERROR(setpgid(pid, pid), EACCES);
    kill(pid, SIGKILL);
    wait_for(pid);
    close(pipes[0]);
}

int main(void)
{
    RUN(stops_and_continues);
    RUN(each_stopping_signal);
    RUN(waitid_says_so);
    RUN(a_handler_for_continue);
    RUN(groups);
    RUN(a_new_session);
    RUN(a_group_is_killed_as_one);
    RUN(not_after_exec);
    return finish();
}
