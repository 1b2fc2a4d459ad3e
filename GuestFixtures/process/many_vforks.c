/* A program that calls vfork as often as a build does: nothing of a child is left in its parent. */
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 4096; fd++)
        if (fcntl(fd, F_GETFD) >= 0) count++;
    return count;
}

static void as_often_as_a_build(void)
{
    int before = open_descriptors();
    for (int i = 0; i < 1100; i++) {
        pid_t pid = vfork();
        if (pid == 0) _exit(i & 127);
        REQUIRE(pid > 0);
        int status = 0;
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(WEXITSTATUS(status), i & 127);
        if (check_failures) return;
    }
    CHECK_EQ(open_descriptors(), before);
    /* The lowest free number is still the lowest. */
    int fd = open("/dev/null", O_RDONLY);
    CHECK(fd >= 0 && fd <= before);
    close(fd);
}

int main(void)
{
    RUN(as_often_as_a_build);
    return finish();
}
