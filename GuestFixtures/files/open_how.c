/* openat2: the same as openat, and the ways to forbid a path from leaving. */
#include "check.h"
#include <sys/stat.h>

enum { NO_XDEV = 1, NO_MAGICLINKS = 2, NO_SYMLINKS = 4, BENEATH = 8, IN_ROOT = 16 };

struct how {
    uint64_t flags, mode, resolve;
};

static int directory;

static long open_how(const char *path, uint64_t flags, uint64_t resolve)
{
    struct how how = {flags, flags & O_CREAT ? 0600 : 0, resolve};
    return syscall(437, directory, path, &how, sizeof how);
}

static void as_openat(void)
{
    CHECK_OK(open_how("inside", O_RDONLY, 0));
    CHECK_OK(open_how("new", O_CREAT | O_EXCL | O_WRONLY, 0));
    CHECK_OK(open_how("to-inside", O_RDONLY, 0));
    CHECK_OK(open_how("/", O_RDONLY, 0));
    CHECK_ERROR(open_how("missing", O_RDONLY, 0), ENOENT);
}

static void arguments(void)
{
    struct how how = {O_RDONLY, 0600, 0};
    CHECK_ERROR(syscall(437, directory, "inside", &how, sizeof how), EINVAL);
    how = (struct how){1UL << 40, 0, 0};
    CHECK_ERROR(syscall(437, directory, "inside", &how, sizeof how), EINVAL);
    how = (struct how){O_RDONLY, 0, 0x1000};
    CHECK_ERROR(syscall(437, directory, "inside", &how, sizeof how), EINVAL);
    how = (struct how){O_RDONLY, 0, 0};
    CHECK_ERROR(syscall(437, directory, "inside", &how, sizeof how - 1), EINVAL);
    struct { struct how how; uint64_t more; } larger = {{O_RDONLY, 0, 0}, 0};
    CHECK_OK(syscall(437, directory, "inside", &larger, sizeof larger));
    larger.more = 1;
    CHECK_ERROR(syscall(437, directory, "inside", &larger, sizeof larger), E2BIG);
    CHECK_ERROR(syscall(437, directory, "inside", (void *)8, sizeof how), EFAULT);
}

static void without_links(void)
{
    CHECK_OK(open_how("sub/file", O_RDONLY, NO_SYMLINKS));
    CHECK_ERROR(open_how("to-inside", O_RDONLY, NO_SYMLINKS), ELOOP);
    CHECK_ERROR(open_how("to-sub/file", O_RDONLY, NO_SYMLINKS), ELOOP);
    CHECK_ERROR(open_how("/proc/self/exe", O_RDONLY, NO_MAGICLINKS), ELOOP);
    CHECK_OK(open_how("to-inside", O_RDONLY, NO_MAGICLINKS));
}

static void beneath(void)
{
    CHECK_OK(open_how("sub/../inside", O_RDONLY, BENEATH));
    CHECK_OK(open_how("to-inside", O_RDONLY, BENEATH));
    CHECK_ERROR(open_how("../outside", O_RDONLY, BENEATH), EXDEV);
    CHECK_ERROR(open_how("sub/../../outside", O_RDONLY, BENEATH), EXDEV);
    CHECK_ERROR(open_how("/", O_RDONLY, BENEATH), EXDEV);
    CHECK_ERROR(open_how("to-outside", O_RDONLY, BENEATH), EXDEV);
    CHECK_ERROR(open_how("to-root", O_RDONLY, BENEATH), EXDEV);
}

static void in_its_root(void)
{
    CHECK_OK(open_how("/inside", O_RDONLY, IN_ROOT));
    CHECK_OK(open_how("../../../inside", O_RDONLY, IN_ROOT));
    CHECK_OK(open_how("absolute", O_RDONLY, IN_ROOT));
    CHECK_ERROR(open_how("to-outside", O_RDONLY, IN_ROOT), ENOENT);
    CHECK_ERROR(open_how("inside", O_RDONLY, IN_ROOT | BENEATH), EINVAL);
    int fd = (int)open_how("to-root", O_RDONLY | O_DIRECTORY, IN_ROOT);
    struct stat root, own;
    CHECK_OK(fstat(fd, &root));
    CHECK_OK(fstat(directory, &own));
    CHECK_EQ(root.st_ino, own.st_ino);
}

static void across_devices(void)
{
    CHECK_OK(open_how("inside", O_RDONLY, NO_XDEV));
    int saved = directory;
    directory = open("/", O_RDONLY | O_DIRECTORY);
    CHECK_ERROR(open_how("proc/version", O_RDONLY, NO_XDEV), EXDEV);
    directory = saved;
}

int main(void)
{
    REQUIRE(mkdir(temporary("root"), 0755) == 0);
    REQUIRE(mkdir(temporary("root/sub"), 0755) == 0);
    write_file(temporary("outside"), "secret", 6);
    write_file(temporary("root/inside"), "inside", 6);
    write_file(temporary("root/sub/file"), "file", 4);
    directory = open(temporary("root"), O_RDONLY | O_DIRECTORY);
    REQUIRE(symlinkat("inside", directory, "to-inside") == 0);
    REQUIRE(symlinkat("sub", directory, "to-sub") == 0);
    REQUIRE(symlinkat("../outside", directory, "to-outside") == 0);
    REQUIRE(symlinkat("/", directory, "to-root") == 0);
    REQUIRE(symlinkat("/inside", directory, "absolute") == 0);
    RUN(as_openat);
    RUN(arguments);
    RUN(without_links);
    RUN(beneath);
    RUN(in_its_root);
    RUN(across_devices);
    return finish();
}
