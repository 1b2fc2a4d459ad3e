/* chdir, fchdir, getcwd, and directories that go away. */
#include "check.h"
#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

static char base[PATH_MAX];

static void there_and_back(void)
{
    char here[PATH_MAX];
    CHECK_OK(mkdir("one", 0755));
    CHECK_OK(mkdir("one/two", 0755));
    CHECK_OK(chdir("one/two"));
    char expected[PATH_MAX + 20];
    snprintf(expected, sizeof expected, "%s/one/two", base);
    CHECK_STR(getcwd(here, sizeof here), expected);
    /* The kernel's own call counts the zero byte. */
    CHECK_EQ(syscall(SYS_getcwd, here, sizeof here), strlen(expected) + 1);
    CHECK_ERROR(syscall(SYS_getcwd, here, strlen(expected)), ERANGE);
    CHECK_OK(chdir(".."));
    snprintf(expected, sizeof expected, "%s/one", base);
    CHECK_STR(getcwd(here, sizeof here), expected);
    int fd = open("two", O_RDONLY | O_DIRECTORY);
    CHECK_OK(fchdir(fd));
    snprintf(expected, sizeof expected, "%s/one/two", base);
    CHECK_STR(getcwd(here, sizeof here), expected);
    char link[PATH_MAX] = "";
    CHECK(readlink("/proc/self/cwd", link, sizeof link - 1) > 0);
    CHECK_STR(link, expected);
    CHECK_OK(chdir("/"));
    CHECK_STR(getcwd(here, sizeof here), "/");
    CHECK_OK(chdir("/../.."));
    CHECK_STR(getcwd(here, sizeof here), "/");
    CHECK_OK(chdir(base));
    CHECK_STR(getcwd(here, sizeof here), base);
    close(fd);
}

static void through_links(void)
{
    char here[PATH_MAX], expected[PATH_MAX + 20];
    CHECK_OK(symlink("one/two", "short-cut"));
    CHECK_OK(chdir("short-cut"));
    snprintf(expected, sizeof expected, "%s/one/two", base);
    CHECK_STR(getcwd(here, sizeof here), expected);
    /* One up from where it is, not from where the link is. */
    CHECK_OK(chdir(".."));
    snprintf(expected, sizeof expected, "%s/one", base);
    CHECK_STR(getcwd(here, sizeof here), expected);
    CHECK_OK(chdir(base));
}

static void refused(void)
{
    write_file("file", "", 0);
    CHECK_ERROR(chdir("file"), ENOTDIR);
    CHECK_ERROR(chdir("missing"), ENOENT);
    CHECK_ERROR(chdir(""), ENOENT);
    int fd = open("file", O_RDONLY);
    CHECK_ERROR(fchdir(fd), ENOTDIR);
    CHECK_ERROR(fchdir(-1), EBADF);
    close(fd);
    fd = open("one", O_PATH);
    CHECK_OK(fchdir(fd));
    CHECK_OK(chdir(base));
    close(fd);
}

static void renamed(void)
{
    char here[PATH_MAX], expected[PATH_MAX + 20];
    CHECK_OK(mkdir("old", 0755));
    CHECK_OK(chdir("old"));
    CHECK_OK(rename("../old", "../new"));
    snprintf(expected, sizeof expected, "%s/new", base);
    CHECK_STR(getcwd(here, sizeof here), expected);
    CHECK_OK(chdir(base));
}

static void removed(void)
{
    char here[PATH_MAX];
    CHECK_OK(mkdir("gone", 0755));
    CHECK_OK(chdir("gone"));
    char path[PATH_MAX + 20];
    snprintf(path, sizeof path, "%s/gone", base);
    CHECK_OK(rmdir(path));
    CHECK_ERROR(syscall(SYS_getcwd, here, sizeof here), ENOENT);
    CHECK_ERROR(open("file", O_CREAT | O_WRONLY, 0600), ENOENT);
    struct stat status;
    CHECK_OK(stat(".", &status));
    CHECK_EQ(status.st_nlink, 0);
    CHECK_OK(chdir(base));
}

int main(void)
{
    REQUIRE(chdir(temporary("")) == 0);
    REQUIRE(getcwd(base, sizeof base) != NULL);
    RUN(there_and_back);
    RUN(through_links);
    RUN(refused);
    RUN(renamed);
    RUN(removed);
    return finish();
}
