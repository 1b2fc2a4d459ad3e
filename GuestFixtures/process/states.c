/* What /proc says of processes and threads: their states, and whose children they are. */
#include "check.h"
#include <pthread.h>
#include <sys/prctl.h>

struct seen {
    char state;
    int parent, group, session, threads;
};

/* proc_pid_stat(5); false where there is no such process. */
static int look(const char *path, struct seen *seen)
{
    char text[2048];
    int fd = open(path, O_RDONLY);
    if (fd < 0) return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0) return 0;
    text[length] = 0;
    char *rest = strrchr(text, ')');
    return rest && sscanf(rest + 2, "%c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %d", &seen->state,
                          &seen->parent, &seen->group, &seen->session, &seen->threads) == 5;
}

static struct seen of(pid_t pid)
{
    char path[64];
    struct seen seen = {0};
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    CHECK(look(path, &seen));
    return seen;
}

/* State: of /proc/PID/status. */
static char status_state(pid_t pid)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    int fd = open(path, O_RDONLY);
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length > 0 ? length : 0] = 0;
    char *line = strstr(text, "\nState:\t");
    return line ? line[8] : 0;
}

static void of_processes(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) pause();
    }
    WAIT_UNTIL(of(pid).state == 'S');
    CHECK_EQ(status_state(pid), 'S');
    kill(pid, SIGSTOP);
    WAIT_UNTIL(of(pid).state == 'T');
    CHECK_EQ(status_state(pid), 'T');
    kill(pid, SIGCONT);
    WAIT_UNTIL(of(pid).state == 'S');
    kill(pid, SIGKILL);
    WAIT_UNTIL(of(pid).state == 'Z');
    CHECK_EQ(status_state(pid), 'Z');
    CHECK_EQ(of(pid).parent, getpid());
    wait_for(pid);
    char path[64];
    struct seen seen;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    CHECK(!look(path, &seen));
    pid = fork();
    if (pid == 0) {
        for (volatile unsigned i = 0;; i++) {}
    }
    WAIT_UNTIL(of(pid).state == 'R');
    CHECK_EQ(of(pid).threads, 1);
    kill(pid, SIGKILL);
    wait_for(pid);
    CHECK_EQ(of(getpid()).state, 'R');
    CHECK_EQ(of(getpid()).parent, getppid());
}

static void parents(void)
{
    int pipes[2];
    REQUIRE(pipe(pipes) == 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    pid_t child = fork();
    if (child == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0) {
            setsid();
            for (;;) pause();
        }
        (void)!write(pipes[1], &grandchild, sizeof grandchild);
        for (;;) pause();
    }
    pid_t grandchild;
    REQUIRE(read(pipes[0], &grandchild, sizeof grandchild) == sizeof grandchild);
    CHECK_EQ(of(child).parent, getpid());
    CHECK_EQ(of(child).group, getpgrp());
    CHECK_EQ(of(child).session, getsid(0));
    CHECK_EQ(of(grandchild).parent, child);
    WAIT_UNTIL(of(grandchild).session == grandchild);
    CHECK_EQ(of(grandchild).group, grandchild);
    kill(child, SIGKILL);
    wait_for(child);
    CHECK_EQ(of(grandchild).parent, getpid());
    kill(grandchild, SIGKILL);
    wait_for(grandchild);
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
    close(pipes[0]);
    close(pipes[1]);
}

static int hold[2];
static pid_t sleeper, spinner;
static volatile int stop;

static void *sleeps(void *argument)
{
    char byte;
    __atomic_store_n(&sleeper, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
    (void)!read(hold[0], &byte, 1);
    return argument;
}

static void *spins(void *argument)
{
    __atomic_store_n(&spinner, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
    while (!stop) {}
    return argument;
}

static struct seen of_thread(pid_t tid)
{
    char path[64];
    struct seen seen = {0};
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    look(path, &seen);
    return seen;
}

static void of_threads(void)
{
    REQUIRE(pipe(hold) == 0);
    pthread_t first, second;
    REQUIRE(pthread_create(&first, NULL, sleeps, NULL) == 0);
    REQUIRE(pthread_create(&second, NULL, spins, NULL) == 0);
    WAIT_UNTIL(__atomic_load_n(&sleeper, __ATOMIC_SEQ_CST) && __atomic_load_n(&spinner, __ATOMIC_SEQ_CST));
    WAIT_UNTIL(of_thread(sleeper).state == 'S');
    WAIT_UNTIL(of_thread(spinner).state == 'R');
    CHECK_EQ(of_thread(sleeper).parent, getppid());
    CHECK_EQ(of(getpid()).threads, 3);
    stop = 1;
    close(hold[1]);
    pthread_join(first, NULL);
    pthread_join(second, NULL);
    WAIT_UNTIL(of(getpid()).threads == 1);
    CHECK_EQ(of_thread(sleeper).state, 0);
}

int main(void)
{
    RUN(of_processes);
    RUN(parents);
    RUN(of_threads);
    return finish();
}
