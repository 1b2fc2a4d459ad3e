/* Extended attributes: by path, of links, by descriptor; sizes, lists, errors; the *at calls where the kernel has them. */
#include "check.h"
#include <sys/stat.h>
#include <sys/xattr.h>

/* Volatile, so that no compiler warns of it. */
static void *volatile nowhere = (void *)8;

static const char *path;

static int are_served(void)
{
    path = temporary("file");
    write_file(path, "", 0);
    return setxattr(path, "user.first", "1", 1, 0) == 0 || errno != EOPNOTSUPP;
}

static void sizes(void)
{
    char value[70000];
    memset(value, 'v', sizeof value);
    CHECK_EQ(getxattr(path, "user.first", value, 100), 1);
    CHECK_EQ(value[0], '1');
    CHECK_EQ(value[1], 'v');
    CHECK_EQ(getxattr(path, "user.first", NULL, 0), 1);
    CHECK_EQ(getxattr(path, "user.first", nowhere, 0), 1);
    CHECK_ERROR(getxattr(path, "user.first", nowhere, 1), EFAULT);
    CHECK_OK(setxattr(path, "user.first", "1234567890", 10, 0));
    CHECK_ERROR(getxattr(path, "user.first", value, 9), ERANGE);
    CHECK_EQ(getxattr(path, "user.first", value, sizeof value), 10);
    CHECK_OK(setxattr(path, "user.empty", NULL, 0, 0));
    CHECK_EQ(getxattr(path, "user.empty", value, 10), 0);
    CHECK_ERROR(setxattr(path, "user.long", value, 65537, 0), E2BIG);
    CHECK_ERROR(setxattr(path, "user.far", nowhere, 10, 0), EFAULT);
    CHECK_ERROR(setxattr(path, nowhere, "x", 1, 0), EFAULT);
    CHECK_ERROR(setxattr(path, "", "x", 1, 0), ERANGE);
    char name[300];
    memset(name, 'n', sizeof name);
    memcpy(name, "user.", 5);
    name[256] = 0;
    CHECK_ERROR(setxattr(path, name, "x", 1, 0), ERANGE);
    name[255] = 0;
    CHECK_OK(setxattr(path, name, "x", 1, 0));
    CHECK_OK(removexattr(path, name));
    CHECK_ERROR(setxattr(path, "user.first", "x", 1, 4), EINVAL);
    CHECK_ERROR(setxattr(path, "user.first", "x", 1, XATTR_CREATE), EEXIST);
    CHECK_ERROR(setxattr(path, "user.none", "x", 1, XATTR_REPLACE), ENODATA);
    CHECK_ERROR(setxattr(path, "strange.name", "x", 1, 0), EOPNOTSUPP);
    CHECK_ERROR(getxattr(path, "strange.name", value, 10), EOPNOTSUPP);
    CHECK_ERROR(getxattr(path, "user.none", value, 10), ENODATA);
    CHECK_ERROR(getxattr(temporary("nobody"), "user.first", value, 10), ENOENT);
    CHECK_ERROR(getxattr(nowhere, "user.first", value, 10), EFAULT);
}

static void lists(void)
{
    char names[1000], again[1000];
    ssize_t size = listxattr(path, NULL, 0);
    CHECK_EQ(size, sizeof "user.first" + sizeof "user.empty");
    CHECK_EQ(listxattr(path, names, sizeof names), size);
    CHECK_ERROR(listxattr(path, names, (size_t)size - 1), ERANGE);
    CHECK_ERROR(listxattr(path, nowhere, 100), EFAULT);
    CHECK_EQ(llistxattr(path, again, sizeof again), size);
    CHECK(memcmp(names, again, (size_t)size) == 0);
    int fd = open(path, O_RDONLY);
    CHECK_EQ(flistxattr(fd, again, sizeof again), size);
    CHECK(memcmp(names, again, (size_t)size) == 0);
    CHECK_EQ(fgetxattr(fd, "user.first", again, 100), 10);
    CHECK_ERROR(fgetxattr(fd, "user.first", again, 5), ERANGE);
    CHECK_ERROR(fgetxattr(fd, "user.first", nowhere, 10), EFAULT);
    CHECK_OK(fsetxattr(fd, "user.third", "3", 1, XATTR_CREATE));
    CHECK_ERROR(fsetxattr(fd, "user.third", "3", 1, XATTR_CREATE), EEXIST);
    CHECK_OK(fremovexattr(fd, "user.third"));
    CHECK_ERROR(fremovexattr(fd, "user.third"), ENODATA);
    CHECK_ERROR(fremovexattr(9999, "user.third"), EBADF);
    CHECK_ERROR(fremovexattr(fd, nowhere), EFAULT);
    close(fd);
}

static void links(void)
{
    char value[100];
    const char *link = temporary("link");
    CHECK_OK(symlink("file", link));
    CHECK_EQ(getxattr(link, "user.first", value, 100), 10);
    CHECK_ERROR(lgetxattr(link, "user.first", value, 100), ENODATA);
    CHECK_ERROR(lsetxattr(link, "user.first", "x", 1, 0), EPERM);
    CHECK_EQ(llistxattr(link, value, 100), 0);
    CHECK_ERROR(lremovexattr(link, "user.first"), EPERM);
    CHECK_OK(setxattr(link, "user.through", "x", 1, 0));
    CHECK_EQ(getxattr(path, "user.through", value, 100), 1);
    CHECK_OK(removexattr(link, "user.through"));
    CHECK_OK(mkfifo(temporary("fifo"), 0600));
    CHECK_ERROR(setxattr(temporary("fifo"), "user.first", "x", 1, 0), EPERM);
    /* The right to the file is needed, not the way in which it is open. */
    int fd = open(path, O_RDONLY);
    CHECK_OK(fsetxattr(fd, "user.first", "1234567890", 10, 0));
    close(fd);
}

static void by_directory(void)
{
    struct { uint64_t value; uint32_t size, flags; } given = {(uintptr_t)"at", 2, 0};
    char value[100] = "";
    int directory = open(temporary(""), O_RDONLY | O_DIRECTORY), fd = open(path, O_PATH);
    long result = syscall(463, directory, "file", 0, "user.at", &given, sizeof given);
    if (result == -1 && errno == ENOSYS) return;
    CHECK_EQ(result, 0);
    given.value = (uintptr_t)value;
    given.size = sizeof value;
    CHECK_EQ(syscall(464, directory, "file", 0, "user.at", &given, sizeof given), 2);
    CHECK_STR(value, "at");
    CHECK_ERROR(syscall(464, fd, "", AT_EMPTY_PATH, "user.at", &given, sizeof given), EBADF);
    close(fd);
    fd = open(path, O_RDONLY);
    CHECK_EQ(syscall(464, fd, "", AT_EMPTY_PATH, "user.at", &given, sizeof given), 2);
    CHECK_EQ(syscall(464, fd, NULL, AT_EMPTY_PATH, "user.at", &given, sizeof given), 2);
    CHECK_ERROR(syscall(464, fd, "", 0, "user.at", &given, sizeof given), ENOENT);
    CHECK_ERROR(syscall(464, directory, "link", AT_SYMLINK_NOFOLLOW, "user.at", &given, sizeof given), ENODATA);
    CHECK_ERROR(syscall(464, directory, "file", AT_REMOVEDIR, "user.at", &given, sizeof given), EINVAL);
    CHECK_ERROR(syscall(464, directory, "file", 0, "user.at", &given, 8L), EINVAL);
    CHECK_ERROR(syscall(464, directory, "file", 0, "user.at", &given, 5000L), E2BIG);
    CHECK_ERROR(syscall(464, directory, "file", 0, "user.at", nowhere, sizeof given), EFAULT);
    given.flags = XATTR_CREATE;
    CHECK_ERROR(syscall(464, directory, "file", 0, "user.at", &given, sizeof given), EINVAL);
    given.value = (uintptr_t)"x";
    given.size = 1;
    CHECK_ERROR(syscall(463, directory, "file", 0, "user.at", &given, sizeof given), EEXIST);
    CHECK(syscall(465, directory, "file", 0, value, sizeof value) > 0);
    CHECK_ERROR(syscall(465, directory, "file", 0, value, 3L), ERANGE);
    CHECK_OK(syscall(466, directory, "file", 0, "user.at"));
    CHECK_ERROR(syscall(466, directory, "file", 0, "user.at"), ENODATA);
    close(directory);
    close(fd);
}

/* A directory's default ACL is what a new file gets, instead of the mask. */
static void default_rights(void)
{
    struct { uint32_t version; struct { uint16_t tag, rights; uint32_t id; } entries[4]; } list = {
        2, {{1, 7, ~0u}, {4, 5, ~0u}, {0x20, 0, ~0u}}};
    CHECK_OK(mkdir(temporary("listed"), 0755));
    size_t size = 4 + 3 * 8;
    if (setxattr(temporary("listed"), "system.posix_acl_default", &list, size, 0) == -1) {
        CHECK_EQ(errno, EOPNOTSUPP);
        return;
    }
    umask(077);
    struct stat status;
    int fd = open(temporary("listed/file"), O_CREAT | O_RDWR, 0666);
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(status.st_mode & 0777, 0640);
    CHECK_OK(mkdir(temporary("listed/below"), 0777));
    CHECK_OK(stat(temporary("listed/below"), &status));
    CHECK_EQ(status.st_mode & 0777, 0750);
    CHECK_EQ(getxattr(temporary("listed/below"), "system.posix_acl_default", NULL, 0), size);
    CHECK_OK(mknod(temporary("listed/node"), S_IFIFO | 0666, 0));
    CHECK_OK(stat(temporary("listed/node"), &status));
    CHECK_EQ(status.st_mode & 0777, 0640);
    close(fd);
    /* Without one, the mask counts. */
    fd = open(temporary("masked"), O_CREAT | O_RDWR, 0666);
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(status.st_mode & 0777, 0600);
    close(fd);
    CHECK_EQ(umask(022), 077);
    CHECK_EQ(umask(0123456), 022);
    CHECK_EQ(umask(022), 0123456 & 0777);
}

int main(void)
{
    umask(022);
    if (are_served()) {
        RUN(sizes);
        RUN(lists);
        RUN(links);
        RUN(by_directory);
    }
    RUN(default_rights);
    return finish();
}
