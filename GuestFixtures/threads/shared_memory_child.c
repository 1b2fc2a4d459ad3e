/* A child that shares its parent's memory while both run: clone(2) with CLONE_VM and without CLONE_VFORK. */
#include "check.h"

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

static int set_by_parent, cleared_at_exit = 1;

static int child(void *argument)
{
    (void)argument;
    return 0;
}

static void ids_written_and_cleared(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    pid_t pid = clone(child, stack + sizeof stack,
                      CLONE_VM | CLONE_FILES | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, NULL,
                      &set_by_parent, NULL, &cleared_at_exit);
    REQUIRE(pid > 0);
    CHECK_EQ(set_by_parent, pid);
    wait_for(pid);
    CHECK_EQ(*(volatile int *)&cleared_at_exit, 0);
    CHECK_EQ(syscall(SYS_set_tid_address, &cleared_at_exit), syscall(SYS_gettid));
}

int main(void)
{
    RUN(ids_written_and_cleared);
    return finish();
}
