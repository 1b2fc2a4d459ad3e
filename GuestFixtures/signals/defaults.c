/* What each signal does by itself, and what the parent is told. */
#include "check.h"
#include <sys/resource.h>

static int signal_to_child(int number)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        /* A group with a parent elsewhere in the session is not orphaned: terminal stops stop it. */
        setpgid(0, 0);
        signal(number, SIG_DFL);
        sigset_t empty;
        sigemptyset(&empty);
        sigprocmask(SIG_SETMASK, &empty, NULL);
        raise(number);
        _exit(99);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    if (WIFSTOPPED(status)) {
        kill(pid, SIGKILL);
        wait_for(pid);
    }
    return status;
}

static void every_signal(void)
{
    for (int number = 1; number <= 64; number++) {
        if (number == 32 || number == 33) continue; /* the C library's own */
        int status = signal_to_child(number);
        switch (number) {
        case SIGCHLD: case SIGURG: case SIGWINCH: case SIGCONT:
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 99);
            break;
        case SIGSTOP: case SIGTSTP: case SIGTTIN: case SIGTTOU:
            CHECK(WIFSTOPPED(status));
            CHECK_EQ(WSTOPSIG(status), number);
            break;
        default:
            CHECK(WIFSIGNALED(status));
            CHECK_EQ(WTERMSIG(status), number);
            CHECK(!WCOREDUMP(status));
        }
    }
}

static volatile sig_atomic_t count;
static siginfo_t information;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    count++;
    information = *info;
}

static void on_child(int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART | flags};
    sigaction(SIGCHLD, &action, NULL);
    count = 0;
    memset(&information, 0, sizeof information);
}

static void the_parent_hears_of_an_exit(void)
{
    on_child(0);
    pid_t pid = fork();
    if (pid == 0) _exit(37);
    WAIT_UNTIL(count == 1);
    CHECK_EQ(information.si_signo, SIGCHLD);
    CHECK_EQ(information.si_code, CLD_EXITED);
    CHECK_EQ(information.si_pid, pid);
    CHECK_EQ(information.si_uid, getuid());
    CHECK_EQ(information.si_status, 37);
    wait_for(pid);
}

static void of_a_kill_of_a_stop_and_of_a_continue(void)
{
    on_child(0);
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) pause();
    }
    kill(pid, SIGSTOP);
    WAIT_UNTIL(count == 1);
    CHECK_EQ(information.si_code, CLD_STOPPED);
    CHECK_EQ(information.si_status, SIGSTOP);
    CHECK_EQ(information.si_pid, pid);
    kill(pid, SIGCONT);
    WAIT_UNTIL(count == 2);
    CHECK_EQ(information.si_code, CLD_CONTINUED);
    CHECK_EQ(information.si_status, SIGCONT);
    kill(pid, SIGKILL);
    WAIT_UNTIL(count == 3);
    CHECK_EQ(information.si_code, CLD_KILLED);
    CHECK_EQ(information.si_status, SIGKILL);
    wait_for(pid);
}

static void not_of_stops_when_not_wanted(void)
{
    on_child(SA_NOCLDSTOP);
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) pause();
    }
    int status;
    kill(pid, SIGSTOP);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    kill(pid, SIGCONT);
    CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
    CHECK_EQ(count, 0);
    kill(pid, SIGKILL);
    wait_for(pid);
    WAIT_UNTIL(count == 1);
}

static void no_zombies_when_not_wanted(void)
{
    on_child(SA_NOCLDWAIT);
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    CHECK_ERROR(waitpid(pid, NULL, 0), ECHILD);
    CHECK_EQ(count, 1);
    signal(SIGCHLD, SIG_DFL);
}

static void broken_pipes(void)
{
    int pipes[2];
    CHECK_OK(pipe(pipes));
    close(pipes[0]);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGPIPE, SIG_DFL);
        (void)!write(pipes[1], "x", 1);
        _exit(0);
    }
    CHECK_EQ(WTERMSIG(wait_for(pid)), SIGPIPE);
    signal(SIGPIPE, SIG_IGN);
    CHECK_ERROR(write(pipes[1], "x", 1), EPIPE);
    signal(SIGPIPE, SIG_DFL);
}

static void aborted(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_IGN);
        abort();
    }
    CHECK_EQ(WTERMSIG(wait_for(pid)), SIGABRT);
}

static void in_the_middle_of_a_loop(void)
{
    /* No system call in sight. */
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) __asm__ volatile("");
    }
    usleep(20000);
    kill(pid, SIGTERM);
    CHECK_EQ(WTERMSIG(wait_for(pid)), SIGTERM);
}

int main(void)
{
    RUN(every_signal);
    RUN(the_parent_hears_of_an_exit);
    RUN(of_a_kill_of_a_stop_and_of_a_continue);
    RUN(not_of_stops_when_not_wanted);
    RUN(no_zombies_when_not_wanted);
    RUN(broken_pipes);
    RUN(aborted);
    RUN(in_the_middle_of_a_loop);
    return finish();
}
