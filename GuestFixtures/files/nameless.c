/* Files without a name: O_TMPFILE and memfds, how they get one, and how /proc/self/fd leads to them. */
#include "check.h"
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#define MFD_EXEC 0x10U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif
#define NOWHERE ((void *)8)

static int directory;

static const char *link_of(int fd)
{
    static char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

static void made_and_named(void)
{
    int fd = openat(directory, ".", O_TMPFILE | O_RDWR, 0640);
    if (fd == -1 && errno == EOPNOTSUPP) return;
    REQUIRE(fd >= 0);
    struct stat status;
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(status.st_nlink, 0);
    CHECK_EQ(status.st_mode, S_IFREG | 0640);
    CHECK_EQ(write(fd, "content", 7), 7);
    CHECK_OK(linkat(AT_FDCWD, link_of(fd), directory, "named", AT_SYMLINK_FOLLOW));
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(status.st_nlink, 1);
    CHECK_ERROR(linkat(AT_FDCWD, link_of(fd), directory, "named", AT_SYMLINK_FOLLOW), EEXIST);
    /* Without the flag it is the link in /proc itself. */
    CHECK_ERROR(linkat(AT_FDCWD, link_of(fd), directory, "other", 0), EXDEV);
    CHECK_OK(linkat(AT_FDCWD, link_of(fd), directory, "other", AT_SYMLINK_FOLLOW));
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(status.st_nlink, 2);
    /* What had a name and lost it gets none again; what never had one does. */
    CHECK_OK(unlinkat(directory, "named", 0));
    CHECK_OK(unlinkat(directory, "other", 0));
    CHECK_ERROR(linkat(AT_FDCWD, link_of(fd), directory, "named", AT_SYMLINK_FOLLOW), ENOENT);
    close(fd);
    fd = openat(directory, ".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
    CHECK_OK(fd);
    CHECK_ERROR(linkat(AT_FDCWD, link_of(fd), directory, "never", AT_SYMLINK_FOLLOW), ENOENT);
    close(fd);
    CHECK_ERROR(openat(directory, ".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
    CHECK_ERROR(openat(directory, ".", O_TMPFILE | O_RDWR | O_CREAT, 0600), EINVAL);
    CHECK_ERROR(openat(directory, "missing", O_TMPFILE | O_RDWR, 0600), ENOENT);
    write_file(temporary("plain"), "", 0);
    CHECK_ERROR(openat(directory, "plain", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
}

static void named_by_descriptor(void)
{
    int fd = openat(directory, ".", O_TMPFILE | O_RDWR, 0600);
    if (fd == -1) return;
    /* For the superuser always; since Linux 6.10 for who opened it. */
    int result = linkat(fd, "", directory, "by-descriptor", AT_EMPTY_PATH);
    CHECK(result == 0 || errno == ENOENT);
    if (result == 0) CHECK_OK(faccessat(directory, "by-descriptor", F_OK, 0));
    CHECK_ERROR(linkat(fd, "", directory, "x", 0), ENOENT);
    CHECK_ERROR(linkat(directory, "", directory, "x", AT_EMPTY_PATH), EPERM);
    CHECK_ERROR(linkat(9999, "", directory, "x", AT_EMPTY_PATH), EBADF);
    close(fd);
}

static void reopened(void)
{
    write_file(temporary("again"), "0123456789", 10);
    int read_only = open(temporary("again"), O_RDONLY), object = open(temporary("again"), O_PATH);
    char text[11] = "";
    int fd = open(link_of(object), O_RDWR);
    CHECK_OK(fd);
    CHECK_EQ(pread(fd, text, 3, 2), 3);
    CHECK_STR(text, "234");
    CHECK_EQ(lseek(fd, 4, SEEK_SET), 4);
    CHECK_EQ(lseek(read_only, 0, SEEK_CUR), 0);
    close(fd);
    fd = open(link_of(read_only), O_WRONLY | O_TRUNC);
    CHECK_OK(fd);
    CHECK_EQ(write(fd, "new", 3), 3);
    close(fd);
    CHECK_EQ(read(read_only, text, 10), 3);
    CHECK_ERROR(open(link_of(read_only), O_RDONLY | O_NOFOLLOW), ELOOP);
    CHECK_ERROR(open(link_of(read_only), O_RDONLY | O_DIRECTORY), ENOTDIR);
    CHECK_ERROR(open(link_of(read_only), O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
    fd = open(link_of(read_only), O_PATH | O_NOFOLLOW);
    CHECK_OK(fd);
    struct stat status;
    CHECK_OK(fstat(fd, &status));
    CHECK(S_ISLNK(status.st_mode));
    close(fd);
    CHECK_ERROR(open("/proc/self/fd/9999", O_RDONLY), ENOENT);
    /* A pipe gets a new end. */
    int pipes[2];
    CHECK_OK(pipe(pipes));
    fd = open(link_of(pipes[0]), O_WRONLY);
    CHECK_EQ(write(fd, "end", 3), 3);
    CHECK_EQ(read(pipes[0], text, 10), 3);
    close(fd);
    int pair = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_ERROR(open(link_of(pair), O_RDWR), ENXIO);
    close(pair);
    /* A directory is a way to go on. */
    snprintf(text, sizeof text, "x");
    char path[80];
    snprintf(path, sizeof path, "/proc/self/fd/%d/again", directory);
    CHECK_OK(stat(path, &status));
    CHECK_EQ(status.st_size, 3);
    close(read_only);
    close(object);
}

static void in_memory(void)
{
    int fd = memfd_create("a name", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    REQUIRE(fd >= 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
    char text[100] = "";
    CHECK(readlink(link_of(fd), text, sizeof text - 1) > 0);
    CHECK_STR(text, "/memfd:a name (deleted)");
    struct stat status;
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(status.st_mode, S_IFREG | 0777);
    CHECK_EQ(status.st_size, 0);
    CHECK_OK(ftruncate(fd, 8192));
    int again = open(link_of(fd), O_RDONLY);
    CHECK_OK(again);
    CHECK_ERROR(write(again, "x", 1), EBADF);
    CHECK_ERROR(linkat(AT_FDCWD, link_of(fd), directory, "from-memory", AT_SYMLINK_FOLLOW), EXDEV);
    close(again);
    close(fd);
    CHECK_ERROR(memfd_create("x", 0x80000000u), EINVAL);
    CHECK_ERROR(memfd_create(NOWHERE, 0), EFAULT);
    char name[300];
    memset(name, 'n', sizeof name);
    name[249] = 0;
    fd = memfd_create(name, 0);
    CHECK_OK(fd);
    close(fd);
    name[249] = 'n';
    name[250] = 0;
    CHECK_ERROR(memfd_create(name, 0), EINVAL);
    /* MFD_HUGETLB: no pages are set aside, or the size is nobody's. */
    CHECK_ERROR(memfd_create("huge", MFD_HUGETLB | (63u << 26)), ENODEV);
}

static void sealed(void)
{
    int fd = memfd_create("sealed", MFD_ALLOW_SEALING);
    CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
    CHECK_EQ(write(fd, "0123456789", 10), 10);
    CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
    CHECK_ERROR(ftruncate(fd, 5), EPERM);
    CHECK_OK(ftruncate(fd, 20));
    CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
    CHECK_ERROR(ftruncate(fd, 30), EPERM);
    CHECK_ERROR(pwrite(fd, "x", 1, 5000), EPERM);
    CHECK_EQ(pwrite(fd, "x", 1, 19), 1);
    void *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(shared != MAP_FAILED);
    CHECK_ERROR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
    CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
    ((char *)shared)[0] = 'z';
    CHECK_ERROR(pwrite(fd, "x", 1, 0), EPERM);
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EPERM);
    CHECK_OK(munmap(shared, 4096));
    CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    CHECK_ERROR(pwrite(fd, "x", 1, 0), EPERM);
    shared = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(shared != MAP_FAILED && ((char *)shared)[0] == 'z');
    CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
    CHECK_ERROR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
    CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
    close(fd);
    fd = memfd_create("not", 0);
    CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
    CHECK_ERROR(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
    close(fd);
    CHECK_ERROR(fcntl(directory, F_GET_SEALS), EINVAL);
    fd = memfd_create("bits", MFD_ALLOW_SEALING);
    CHECK_ERROR(fcntl(fd, F_ADD_SEALS, 0x8000), EINVAL);
    close(fd);
}

static void not_executable(void)
{
    int fd = memfd_create("data", MFD_NOEXEC_SEAL);
    if (fd == -1 && errno == EINVAL) return;
    struct stat status;
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(status.st_mode & 0777, 0666);
    CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_EXEC);
    CHECK_ERROR(fchmod(fd, 0777), EPERM);
    CHECK_ERROR(memfd_create("both", MFD_NOEXEC_SEAL | MFD_EXEC), EINVAL);
    char *const arguments[] = {"data", NULL};
    CHECK_ERROR(syscall(SYS_execveat, fd, "", arguments, NULL, AT_EMPTY_PATH), EACCES);
    close(fd);
}

static void executed(void)
{
    int program = open("/proc/self/exe", O_RDONLY), fd = memfd_create("program", MFD_CLOEXEC);
    char data[65536];
    ssize_t size;
    while ((size = read(program, data, sizeof data)) > 0) CHECK_EQ(write(fd, data, (size_t)size), size);
    int image = open(link_of(fd), O_RDONLY | O_CLOEXEC);
    close(fd);
    pid_t pid = fork();
    if (pid == 0) {
        char *const arguments[] = {"program", "executed", NULL};
        syscall(SYS_execveat, image, "", arguments, environ, AT_EMPTY_PATH);
        _exit(99);
    }
    CHECK_EQ(wait_for(pid), 7 << 8);
    close(image);
    close(program);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "executed") == 0) return 7;
    umask(0);
    directory = open(temporary(""), O_RDONLY | O_DIRECTORY);
    REQUIRE(directory >= 0);
    RUN(made_and_named);
    RUN(named_by_descriptor);
    RUN(reopened);
    RUN(in_memory);
    RUN(sealed);
    RUN(not_executable);
    RUN(executed);
    return finish();
}
