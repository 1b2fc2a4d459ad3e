/* Many children that have ended before anybody asks for them, and then every way to ask. */
#include "check.h"
#include <sys/time.h>
#include <time.h>

enum { CHILDREN = 24 };

static pid_t ending_with(int status)
{
    pid_t child = fork();
    if (child == 0) _exit(status);
    CHECK(child > 0);
    return child;
}

static void wait_until_ended(pid_t child)
{
    siginfo_t info;
    CHECK_OK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
    CHECK_EQ(info.si_pid, child);
}

static void nothing(int number) { (void)number; }

int main(void)
{
    pid_t children[CHILDREN];
    int ends[2];
    CHECK_OK(pipe(ends));
    for (int i = 0; i < CHILDREN; i++) children[i] = ending_with(i);
    close(ends[1]);
    /* The last of the children has let go of the pipe, whatever else has become of it. */
    char byte;
    CHECK_EQ(read(ends[0], &byte, 1), 0);
    for (int i = 0; i < CHILDREN; i++) wait_until_ended(children[i]);
    int status;
    for (int i = 0; i < CHILDREN; i++) {
        siginfo_t info = {0};
        switch (i % 4) {
        case 0: CHECK_EQ(waitpid(children[i], &status, 0), children[i]); break;
        case 1: CHECK_EQ(waitpid(children[i], &status, WNOHANG), children[i]); break;
        case 2: CHECK_EQ(wait4(children[i], &status, WUNTRACED, NULL), children[i]); break;
        default:
            CHECK_OK(waitid(P_PID, (id_t)children[i], &info, WEXITED));
            CHECK_EQ(info.si_pid, children[i]);
            status = info.si_status << 8;
        }
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == i);
    }
    CHECK(waitpid(-1, &status, 0) == -1 && errno == ECHILD);
    puts("asked for");

    /* A wait that has to wait, behind ended ones, ends with a signal; and with the child that it is for. */
    struct sigaction action = {.sa_handler = nothing};
    CHECK_OK(sigaction(SIGALRM, &action, NULL));
    pid_t sleeper = fork();
    if (sleeper == 0) {
        pause();
        _exit(0);
    }
    for (int i = 0; i < 8; i++) wait_until_ended(children[i] = ending_with(0));
    struct itimerval often = {{0, 50000}, {0, 50000}}, never = {0};
    CHECK_OK(setitimer(ITIMER_REAL, &often, NULL));
    CHECK(waitpid(sleeper, &status, 0) == -1 && errno == EINTR);
    siginfo_t info;
    CHECK(waitid(P_PID, (id_t)sleeper, &info, WEXITED) == -1 && errno == EINTR);
    CHECK_OK(setitimer(ITIMER_REAL, &never, NULL));
    CHECK_OK(kill(sleeper, SIGKILL));
    CHECK_EQ(waitpid(sleeper, &status, 0), sleeper);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    int reaped = 0;
    while (waitpid(-1, &status, 0) > 0) reaped++;
    CHECK_EQ(reaped, 8);
    puts("interrupted");

    /* Where nobody asks, a wait waits for all and finds none. */
    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < 4; i++) ending_with(0);
    CHECK(waitpid(-1, &status, 0) == -1 && errno == ECHILD);
    puts("unasked for");
    return check_failures != 0;
}
