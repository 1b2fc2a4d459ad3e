/* chroot(2): what is reached afterwards by names, by descriptors from before, and from a working directory outside. */
#include "check.h"
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int outside;

static int has_inside(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

static void not_for_everybody(void)
{
    if (geteuid() != 0) CHECK_ERROR(chroot(temporary("root")), EPERM);
    CHECK_ERROR(chroot(temporary("missing")), ENOENT);
    CHECK_ERROR(chroot(temporary("file")), ENOTDIR);
    CHECK_ERROR(syscall(SYS_chroot, NULL), EFAULT);
}

static void within(void)
{
    char text[300] = "";
    CHECK_OK(chroot(temporary("root")));
    /* The working directory is still outside of it. */
    CHECK(syscall(SYS_getcwd, text, sizeof text) > 0);
    CHECK(strncmp(text, "(unreachable)", 13) == 0);
    CHECK(has_inside("file"));
    CHECK(!has_inside("/file"));
    CHECK(has_inside("/inside"));
    CHECK(has_inside("/../../inside"));
    CHECK(has_inside("/up"));
    CHECK_OK(chdir("/"));
    CHECK(getcwd(text, sizeof text) != NULL);
    CHECK_STR(text, "/");
    CHECK_OK(chdir(".."));
    CHECK(has_inside("inside"));
    /* A descriptor from before leads where it led. */
    struct stat status;
    CHECK_OK(fstatat(outside, "file", &status, 0));
    CHECK_ERROR(fstatat(outside, "root/absolute", &status, 0), ENOENT);
    CHECK_OK(fchdir(outside));
    CHECK(has_inside("file"));
    CHECK(has_inside("../."));
    int fd = openat(outside, "made", O_CREAT | O_WRONLY, 0600);
    CHECK_OK(fd);
    close(fd);
    CHECK_OK(unlinkat(outside, "made", 0));
    /* Back again: what a superuser's chroot allows. */
    CHECK_OK(chroot("."));
    CHECK(has_inside("/file"));
    CHECK(has_inside("/root/inside"));
    CHECK(!has_inside("/inside"));
    CHECK_OK(chdir("/root"));
    CHECK(getcwd(text, sizeof text) != NULL);
    CHECK_STR(text, "/root");
    CHECK_OK(chroot("/root"));
    CHECK(getcwd(text, sizeof text) != NULL);
    CHECK_STR(text, "/");
    /* A socket's name is in the new root. */
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/socket"}, seen;
    socklen_t length = sizeof seen;
    int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_OK(bind(server, (struct sockaddr *)&address, sizeof address));
    CHECK_OK(listen(server, 1));
    CHECK_OK(connect(client, (struct sockaddr *)&address, sizeof address));
    CHECK_OK(getpeername(client, (struct sockaddr *)&seen, &length));
    CHECK_STR(seen.sun_path, "/socket");
    CHECK_OK(fstatat(outside, "root/socket", &status, 0));
    CHECK(S_ISSOCK(status.st_mode));
    close(server);
    close(client);
}

static void a_child_of_its_own(void)
{
    CHECK_EQ(child_status(within), 0);
    CHECK(has_inside(temporary("file")));
}

int main(void)
{
    CHECK_OK(mkdir(temporary("root"), 0755));
    write_file(temporary("file"), "", 0);
    write_file(temporary("root/inside"), "", 0);
    CHECK_OK(symlink("/../../inside", temporary("root/up")));
    CHECK_OK(symlink("/file", temporary("root/absolute")));
    CHECK_OK(chdir(temporary("")));
    outside = open(".", O_RDONLY | O_DIRECTORY);
    RUN(not_for_everybody);
    if (geteuid() == 0) RUN(a_child_of_its_own);
    return finish();
}
