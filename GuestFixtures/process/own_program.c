/* /proc/self/exe: by readlink, open, execve and realpath, also after exec and in a child. */
#include "check.h"
#include <limits.h>
#include <sys/stat.h>

static int inspect(const char *program)
{
    char link[PATH_MAX] = "", *real;
    ssize_t length = readlink("/proc/self/exe", link, sizeof link - 1);
    CHECK(length > 0);
    CHECK_STR(link, program);
    char whole[PATH_MAX];
    snprintf(whole, sizeof whole, "/proc/%d/exe", getpid());
    memset(link, 0, sizeof link);
    CHECK_EQ(readlink(whole, link, sizeof link - 1), length);
    CHECK_STR(link, program);
    /* A short buffer gets what fits. */
    char part[5] = "";
    CHECK_EQ(readlink("/proc/self/exe", part, 4), 4);
    CHECK(memcmp(part, program, 4) == 0);
    real = realpath("/proc/self/exe", NULL);
    CHECK(real != NULL);
    if (real) CHECK_STR(real, program);
    int fd = open("/proc/self/exe", O_RDONLY);
    CHECK_OK(fd);
    char magic[4];
    CHECK_EQ(read(fd, magic, 4), 4);
    CHECK(memcmp(magic, "\177ELF", 4) == 0);
    struct stat by_link, by_name, itself;
    CHECK_OK(stat("/proc/self/exe", &by_link));
    CHECK_OK(stat(program, &by_name));
    CHECK_OK(lstat("/proc/self/exe", &itself));
    CHECK_EQ(by_link.st_ino, by_name.st_ino);
    CHECK_EQ(by_link.st_dev, by_name.st_dev);
    CHECK(S_ISLNK(itself.st_mode));
    CHECK_OK(access("/proc/self/exe", X_OK));
    return check_failures;
}

static char program[PATH_MAX];

static void here(void)
{
    inspect(program);
}

static void in_a_child(void)
{
    CHECK_EQ(child_status(here), 0);
}

static void after_exec(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        /* Through itself; it stays the same file, not /proc/self/exe. */
        char *arguments[] = {"other-name", "inspect", program, NULL};
        execv("/proc/self/exe", arguments);
        _exit(100);
    }
    CHECK_EQ(wait_for(pid), 0);
}

static void after_exec_through_a_link(void)
{
    CHECK_OK(symlink(program, temporary("to-program")));
    pid_t pid = fork();
    if (pid == 0) {
        char *arguments[] = {"other-name", "inspect", program, NULL};
        execv(temporary("to-program"), arguments);
        _exit(100);
    }
    CHECK_EQ(wait_for(pid), 0);
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "inspect") == 0) {
        inspect(argv[2]);
        return finish();
    }
    REQUIRE(realpath(argv[0], program) != NULL);
    RUN(here);
    RUN(in_a_child);
    RUN(after_exec);
    RUN(after_exec_through_a_link);
    return finish();
}
