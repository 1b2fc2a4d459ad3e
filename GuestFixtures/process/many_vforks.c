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

/* Resident memory in KiB, from /proc/self/statm. */
static long resident(void)
{
    long size = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(fscanf(file, "%ld %ld", &size, &pages) == 2);
    fclose(file);
    return pages * 4;
}

static void as_often_as_a_build(void)
{
    int before = open_descriptors();
    long used = 0;
    for (int i = 0; i < 10000; i++) {
        /* By then what is allocated once is there. */
        if (i == 2000) used = resident();
        pid_t pid = vfork();
        if (pid == 0) _exit(i & 127);
        REQUIRE(pid > 0);
        int status = 0;
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(WEXITSTATUS(status), i & 127);
        if (check_failures) return;
    }
    CHECK_EQ(open_descriptors(), before);
    CHECK(resident() < used + 4096);
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
