/* A process whose parent ends gets another one, which sees its end. */
#include "check.h"
#include <sys/prctl.h>

static void to_the_subreaper(void)
{
    CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
    int flag = 0;
    CHECK_OK(prctl(PR_GET_CHILD_SUBREAPER, &flag, 0, 0, 0));
    CHECK_EQ(flag, 1);
    int pipes[2];
    CHECK_OK(pipe(pipes));
    pid_t me = getpid(), middle = fork();
    if (middle == 0) {
        pid_t child = fork();
        if (child == 0) {
            WAIT_UNTIL(getppid() == me);
            _exit(write(pipes[1], "x", 1) == 1 ? 55 : 1);
        }
        _exit(write(pipes[1], &child, sizeof child) == sizeof child ? 0 : 1);
    }
    pid_t orphan;
    CHECK_EQ(read(pipes[0], &orphan, sizeof orphan), sizeof orphan);
    CHECK_EQ(wait_for(middle), 0);
    char byte;
    CHECK_EQ(read(pipes[0], &byte, 1), 1);
    CHECK_EQ(WEXITSTATUS(wait_for(orphan)), 55);
}

static void a_zombie_too(void)
{
    int pipes[2];
    CHECK_OK(pipe(pipes));
    pid_t middle = fork();
    if (middle == 0) {
        pid_t child = fork();
        if (child == 0) _exit(66);
        siginfo_t info;
        waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
        _exit(write(pipes[1], &child, sizeof child) == sizeof child ? 0 : 1);
    }
    pid_t orphan;
    CHECK_EQ(read(pipes[0], &orphan, sizeof orphan), sizeof orphan);
    CHECK_EQ(wait_for(middle), 0);
    CHECK_EQ(WEXITSTATUS(wait_for(orphan)), 66);
    CHECK_ERROR(wait(NULL), ECHILD);
}

static void told_of_the_parents_death(void)
{
    int pipes[2];
    CHECK_OK(pipe(pipes));
    pid_t middle = fork();
    if (middle == 0) {
        pid_t child = fork();
        if (child == 0) {
            sigset_t set;
            sigemptyset(&set);
            sigaddset(&set, SIGUSR1);
            sigprocmask(SIG_BLOCK, &set, NULL);
            prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0);
            child = getpid();
            (void)!write(pipes[1], &child, sizeof child);
            _exit(sigwaitinfo(&set, NULL) == SIGUSR1 ? 77 : 1);
        }
        for (;;) pause();
    }
    pid_t orphan;
    CHECK_EQ(read(pipes[0], &orphan, sizeof orphan), sizeof orphan);
    kill(middle, SIGKILL);
    wait_for(middle);
    CHECK_EQ(WEXITSTATUS(wait_for(orphan)), 77);
}

int main(void)
{
    RUN(to_the_subreaper);
    RUN(a_zombie_too);
    RUN(told_of_the_parents_death);
    return finish();
}
