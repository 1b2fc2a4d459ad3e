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

/* Nobody here adopts it: its parent is another process then, which it cannot name but as its parent. */
static void to_nobody_here(void)
{
    int pipes[2];
    CHECK_OK(pipe(pipes));
    pid_t middle = fork();
    if (middle == 0) {
        pid_t parent = getpid(), child = fork();
        if (child == 0) {
            WAIT_UNTIL(getppid() != parent);
            pid_t seen[2] = {getppid(), 0};
            char text[4096], *field;
            int fd = open("/proc/self/status", O_RDONLY);
            ssize_t length = read(fd, text, sizeof text - 1);
            text[length > 0 ? length : 0] = 0;
            field = strstr(text, "\nPPid:");
            if (field) seen[1] = atoi(field + 6);
            (void)!write(pipes[1], seen, sizeof seen);
            _exit(0);
        }
        _exit(0);
    }
    wait_for(middle);
    pid_t seen[2];
    CHECK_EQ(read(pipes[0], seen, sizeof seen), sizeof seen);
    CHECK(seen[0] > 0);
    CHECK(seen[0] != getpid());
    CHECK_EQ(seen[0], seen[1]);
    CHECK_ERROR(wait(NULL), ECHILD);
    close(pipes[0]);
    close(pipes[1]);
}

static volatile sig_atomic_t told;

static void on_child(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    told = info->si_pid;
}

/* A zombie that changes its parent tells the new one. */
static void a_zombie_is_announced(void)
{
    struct sigaction action = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO};
    int pipes[2];
    CHECK_OK(pipe(pipes));
    pid_t middle = fork();
    if (middle == 0) {
        pid_t child = fork();
        if (child == 0) _exit(66);
        siginfo_t info;
        waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
        (void)!write(pipes[1], &child, sizeof child);
        for (;;) pause();
    }
    pid_t orphan;
    CHECK_EQ(read(pipes[0], &orphan, sizeof orphan), sizeof orphan);
    CHECK_ERROR(waitpid(orphan, NULL, WNOHANG), ECHILD);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigaction(SIGCHLD, &action, NULL);
    kill(middle, SIGKILL);
    CHECK_EQ(wait_for(middle), SIGKILL);
    CHECK_EQ(WEXITSTATUS(wait_for(orphan)), 66);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    CHECK(told == orphan || told == middle);
    signal(SIGCHLD, SIG_DFL);
    close(pipes[0]);
    close(pipes[1]);
}

/* The nearest subreaper among the ancestors gets it, and a thread's orphan goes to the process. */
static void to_the_nearest(void)
{
    int pipes[2];
    CHECK_OK(pipe(pipes));
    pid_t near = fork();
    if (near == 0) {
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        pid_t me = getpid(), middle = fork();
        if (middle == 0) {
            /* The flag is not inherited. */
            int flag = 1;
            prctl(PR_GET_CHILD_SUBREAPER, &flag, 0, 0, 0);
            if (flag != 0) _exit(2);
            if (fork() == 0) {
                WAIT_UNTIL(getppid() == me);
                _exit(44);
            }
            _exit(0);
        }
        int status, sum = 0;
        while (wait(&status) > 0) sum += WEXITSTATUS(status);
        _exit(sum);
    }
    CHECK_EQ(WEXITSTATUS(wait_for(near)), 44);
    CHECK_ERROR(wait(NULL), ECHILD);
    close(pipes[0]);
    close(pipes[1]);
}

int main(void)
{
    RUN(to_nobody_here);
    RUN(to_the_subreaper);
    RUN(a_zombie_is_announced);
    RUN(to_the_nearest);
    RUN(a_zombie_too);
    RUN(told_of_the_parents_death);
    return finish();
}
