/* RLIMIT_NOFILE in a vfork child: its own, as every limit. */
#include "check.h"
#include <sys/resource.h>

/* A limit on descriptors that the child sets for its program is not the parent's. */
static void a_limit_on_descriptors(void)
{
    struct rlimit before, after;
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &before));
    pid_t pid = vfork();
    if (pid == 0) {
        struct rlimit small = {50, before.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &small) != 0) _exit(1);
        execl("/bin/sh", "sh", "-c", "test $(ulimit -n) = 50", NULL);
        _exit(2);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &after));
    CHECK_EQ(after.rlim_cur, before.rlim_cur);
    CHECK_EQ(after.rlim_max, before.rlim_max);
    CHECK_EQ(dup2(1, 60), 60);
    close(60);
}

int main(void)
{
    RUN(a_limit_on_descriptors);
    return finish();
}
