/* renameat2(2): replace, do not replace, exchange, leave a white-out. */
#include "check.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define NOREPLACE 1
#define EXCHANGE 2
#define WHITEOUT 4
#define NOWHERE ((void *)8)

static int directory;

static int move(const char *from, const char *to, unsigned flags)
{
    return (int)syscall(SYS_renameat2, directory, from, directory, to, flags);
}

static void make(const char *name, const char *text) { write_file(temporary(name), text, strlen(text)); }

static const char *text_of(const char *name)
{
    static char text[100];
    int fd = openat(directory, name, O_RDONLY);
    memset(text, 0, sizeof text);
    if (fd < 0 || read(fd, text, sizeof text - 1) < 0) strcpy(text, "(none)");
    close(fd);
    return text;
}

static void not_replaced(void)
{
    make("one", "1");
    make("two", "2");
    CHECK_ERROR(move("one", "two", NOREPLACE), EEXIST);
    CHECK_STR(text_of("two"), "2");
    CHECK_OK(move("one", "three", NOREPLACE));
    CHECK_STR(text_of("three"), "1");
    CHECK_ERROR(move("missing", "two", NOREPLACE), ENOENT);
    CHECK_ERROR(move("three", "three", NOREPLACE), EEXIST);
    CHECK_OK(move("three", "three", 0));
    CHECK_OK(symlinkat("nothing", directory, "dangling"));
    CHECK_ERROR(move("three", "dangling", NOREPLACE), EEXIST);
    CHECK_OK(move("three", "dangling", 0));
    CHECK_STR(text_of("dangling"), "1");
}

static void exchanged(void)
{
    make("left", "l");
    make("right", "r");
    CHECK_OK(move("left", "right", EXCHANGE));
    CHECK_STR(text_of("left"), "r");
    CHECK_STR(text_of("right"), "l");
    CHECK_ERROR(move("left", "nobody", EXCHANGE), ENOENT);
    CHECK_OK(mkdirat(directory, "folder", 0755));
    make("folder/inside", "i");
    CHECK_OK(move("left", "folder", EXCHANGE));
    CHECK_STR(text_of("left/inside"), "i");
    CHECK_STR(text_of("folder"), "r");
    /* A directory does not go below itself, from either side. */
    CHECK_OK(mkdirat(directory, "left/deep", 0755));
    CHECK_ERROR(move("left", "left/deep", EXCHANGE), EINVAL);
    CHECK_ERROR(move("left/deep", "left", EXCHANGE), EINVAL);
    CHECK_ERROR(move("left", "left/deep/x", 0), EINVAL);
}

static void with_a_white_out(void)
{
    make("covered", "c");
    if (move("covered", "moved", WHITEOUT) == -1) {
        /* Only file systems that an overlay may use have them, and only the superuser makes devices. */
        CHECK(errno == EINVAL || errno == EPERM);
        return;
    }
    struct stat status;
    CHECK_OK(fstatat(directory, "covered", &status, 0));
    CHECK(S_ISCHR(status.st_mode));
    CHECK_EQ(status.st_rdev, makedev(0, 0));
    CHECK_STR(text_of("moved"), "c");
    CHECK_OK(unlinkat(directory, "covered", 0));
}

static void refused(void)
{
    make("a", "a");
    make("b", "b");
    CHECK_ERROR(move("a", "b", EXCHANGE | NOREPLACE), EINVAL);
    CHECK_ERROR(move("a", "b", EXCHANGE | WHITEOUT), EINVAL);
    CHECK_ERROR(move("a", "b", 8), EINVAL);
    CHECK_ERROR(move(NOWHERE, "b", 0), EFAULT);
    CHECK_ERROR(move("a", NOWHERE, 0), EFAULT);
    CHECK_ERROR(move("a", "", 0), ENOENT);
    CHECK_ERROR(move("", "b", 0), ENOENT);
    CHECK_ERROR(move("a/", "b", 0), ENOTDIR);
    CHECK_ERROR(move("a", "b/", 0), ENOTDIR);
    CHECK_ERROR(move("a", "missing/x", 0), ENOENT);
    CHECK_ERROR(move("a/x", "b", 0), ENOTDIR);
    CHECK_ERROR(move(".", "b", 0), EBUSY);
    CHECK_ERROR(move("a", "..", 0), EBUSY);
    CHECK_ERROR(move("a", ".", NOREPLACE), EEXIST);
    CHECK_OK(mkdirat(directory, "full", 0755));
    CHECK_OK(mkdirat(directory, "full/x", 0755));
    CHECK_OK(mkdirat(directory, "empty", 0755));
    CHECK_ERROR(move("empty", "full", 0), ENOTEMPTY);
    CHECK_ERROR(move("a", "empty", 0), EISDIR);
    CHECK_ERROR(move("empty", "a", 0), ENOTDIR);
    CHECK_OK(move("full", "empty", 0));
    CHECK_OK(faccessat(directory, "empty/x", F_OK, 0));
    CHECK_ERROR(syscall(SYS_renameat2, 9999, "a", directory, "b", 0), EBADF);
    CHECK_ERROR(syscall(SYS_renameat2, directory, "a", 9999, "b", 0), EBADF);
    CHECK_STR(text_of("a"), "a");
    CHECK_STR(text_of("b"), "b");
}

int main(void)
{
    umask(022);
    directory = open(temporary(""), O_RDONLY | O_DIRECTORY);
    REQUIRE(directory >= 0);
    RUN(not_replaced);
    RUN(exchanged);
    RUN(with_a_white_out);
    RUN(refused);
    return finish();
}
