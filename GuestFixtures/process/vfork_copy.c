/* CLONE_VFORK without CLONE_VM: the parent waits all the same, but shares nothing. */
#include "check.h"
#include <sched.h>
#include <sys/mman.h>

static volatile int own = 3;
static volatile int *shared;

static pid_t fork_and_wait(void)
{
    return (pid_t)syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, NULL);
}

static void waits_for_the_end(void)
{
    shared[0] = 0;
    pid_t pid = fork_and_wait();
    if (pid == 0) {
        own = 4;
        usleep(50000);
        shared[0] = 1;
        _exit(4);
    }
    CHECK_EQ(own, 3);
    CHECK_EQ(shared[0], 1);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 4);
}

static void waits_for_exec(void)
{
    shared[0] = 0;
    pid_t pid = fork_and_wait();
    if (pid == 0) {
        usleep(50000);
        shared[0] = 1;
        execl("/bin/sleep", "sleep", "30", NULL);
        _exit(1);
    }
    CHECK_EQ(shared[0], 1);
    CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
    CHECK_OK(kill(pid, SIGKILL));
    CHECK_EQ(WTERMSIG(wait_for(pid)), SIGKILL);
}

/* The child's own children are nothing to wait for, though they have what the child had. */
static void not_for_grandchildren(void)
{
    shared[0] = 0;
    pid_t pid = fork_and_wait();
    if (pid == 0) {
        if (fork() == 0) {
            while (!shared[0]) usleep(1000);
            _exit(0);
        }
        _exit(5);
    }
    shared[0] = 1;
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 5);
}

int main(void)
{
    shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    RUN(waits_for_the_end);
    RUN(waits_for_exec);
    RUN(not_for_grandchildren);
    return finish();
}
