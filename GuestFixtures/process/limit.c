/* Run with vmrun --max-processes 16: so many processes there are, and not one more. */
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

#define LIMIT 16

static pid_t children[LIMIT * 2];
static int count;

static void sleep_for_ever(void)
{
    for (;;) pause();
}

static void fill(void)
{
    for (;;) {
        pid_t pid = fork();
        if (pid == 0) sleep_for_ever();
        if (pid < 0) break;
        children[count++] = pid;
        REQUIRE(count < LIMIT);
    }
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(count, LIMIT - 1);
}

static void drain(void)
{
    while (count > 0) {
        kill(children[--count], SIGKILL);
        wait_for(children[count]);
    }
}

static void exactly_so_many(void)
{
    fill();
    CHECK_ERROR(fork(), EAGAIN);
    CHECK_ERROR(syscall(SYS_vfork), EAGAIN);
    CHECK_ERROR(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0), EAGAIN);
    drain();
}

static void again_and_again(void)
{
    for (int i = 0; i < 5; i++) {
        fill();
        drain();
    }
}

static void *nothing(void *argument)
{
    return argument;
}

static void threads_do_not_count(void)
{
    fill();
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, nothing, NULL) == 0);
        pthread_join(thread, NULL);
    }
    drain();
}

static void zombies_count(void)
{
    fill();
    siginfo_t info;
    kill(children[count - 1], SIGKILL);
    CHECK_OK(waitid(P_PID, (id_t)children[count - 1], &info, WEXITED | WNOWAIT));
    CHECK_ERROR(fork(), EAGAIN);
    drain();
}

static void orphans_that_end_do_not_count(void)
{
    CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
    for (int i = 0; i < LIMIT * 2; i++) {
        pid_t middle = fork();
        REQUIRE(middle >= 0);
        if (middle == 0) _exit(fork() < 0);
        CHECK_EQ(wait_for(middle), 0);
        while (wait(NULL) > 0) {}
    }
    CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0));
}

static void ignored_children_do_not_count(void)
{
    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < LIMIT * 3; i++) {
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0) _exit(0);
        while (wait(NULL) > 0) {}
    }
    signal(SIGCHLD, SIG_DFL);
}

static void bomb(int told)
{
    for (unsigned i = 0;; i++) {
        if (fork() >= 0) continue;
        if (errno == EAGAIN) (void)!write(told, "x", 1);
        if ((i + (unsigned)getpid()) % 8 == 0) _exit(0);
        waitpid(-1, NULL, WNOHANG);
    }
}

/* Everybody forks without end, and some end; the group is killed with one signal, and nobody escapes. */
static void a_bomb_is_stopped(void)
{
    CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
    for (int round = 0; round < 4; round++) {
        int pipes[2];
        REQUIRE(pipe2(pipes, O_CLOEXEC) == 0);
        fcntl(pipes[1], F_SETFL, O_NONBLOCK);
        pid_t first = fork();
        REQUIRE(first >= 0);
        if (first == 0) {
            setpgid(0, 0);
            bomb(pipes[1]);
        }
        setpgid(first, first);
        char byte;
        CHECK_EQ(read(pipes[0], &byte, 1), 1);
        /* With the dead reaped there is room for more. */
        for (int i = 0; i < 100; i++) waitpid(-1, NULL, WNOHANG);
        kill(-first, round % 2 ? SIGTERM : SIGKILL);
        while (wait(NULL) > 0) {}
        CHECK_EQ(errno, ECHILD);
        CHECK_ERROR(kill(-first, SIGKILL), ESRCH);
        close(pipes[0]);
        close(pipes[1]);
    }
    CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0));
}

int main(int argc, char **argv)
{
    RUN(exactly_so_many);
    RUN(again_and_again);
    RUN(threads_do_not_count);
    RUN(zombies_count);
    RUN(orphans_that_end_do_not_count);
    RUN(ignored_children_do_not_count);
    RUN(a_bomb_is_stopped);
    if (argc < 2 && check_failures == 0) execl("/proc/self/exe", argv[0], "after-an-exec", NULL);
    return finish();
}
