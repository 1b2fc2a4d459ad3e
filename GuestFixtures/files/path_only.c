/* Descriptors of O_PATH: what they allow and what they do not. */
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>

static int object;

static void of_a_file(void)
{
    char text[10];
    struct stat status;
    struct statfs system;
    struct iovec part = {text, 1};
    CHECK_OK(fstat(object, &status));
    CHECK_EQ(status.st_size, 7);
    CHECK_OK(fstatfs(object, &system));
    CHECK_EQ(fcntl(object, F_GETFL), O_PATH);
    CHECK_OK(fcntl(object, F_SETFD, FD_CLOEXEC));
    CHECK_EQ(fcntl(object, F_GETFD), FD_CLOEXEC);
    int copy = fcntl(object, F_DUPFD, 0);
    CHECK_OK(copy);
    close(copy);
    CHECK_ERROR(read(object, text, 1), EBADF);
    CHECK_ERROR(write(object, text, 1), EBADF);
    CHECK_ERROR(readv(object, &part, 1), EBADF);
    CHECK_ERROR(pread(object, text, 1, 0), EBADF);
    CHECK_ERROR(lseek(object, 0, SEEK_SET), EBADF);
    CHECK_ERROR(ftruncate(object, 0), EBADF);
    CHECK_ERROR(syscall(SYS_fchmod, object, 0600), EBADF);
    CHECK_ERROR(syscall(SYS_fchown, object, -1, -1), EBADF);
    CHECK_ERROR(fsync(object), EBADF);
    CHECK_ERROR(ioctl(object, FIONREAD, text), EBADF);
    CHECK_ERROR(ioctl(object, 0x12345678, text), EBADF);
    CHECK_ERROR(fcntl(object, F_SETFL, O_APPEND), EBADF);
    struct flock lock = {.l_type = F_RDLCK};
    CHECK_ERROR(fcntl(object, F_SETLK, &lock), EBADF);
    CHECK_ERROR(fcntl(object, F_GETOWN), EBADF);
    CHECK_ERROR(syscall(SYS_fgetxattr, object, "user.x", text, 1L), EBADF);
    CHECK_ERROR(syscall(SYS_fsetxattr, object, "user.x", text, 1L, 0), EBADF);
    CHECK_ERROR(syscall(SYS_flistxattr, object, text, 1L), EBADF);
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, object, 0) == MAP_FAILED && errno == EBADF);
    CHECK_ERROR(syscall(SYS_getdents64, object, text, 10), EBADF);
    CHECK_ERROR(syscall(SYS_fallocate, object, 0, 0L, 1L), EBADF);
    CHECK_ERROR(syscall(SYS_sendfile, 1, object, NULL, 1L), EBADF);
    CHECK_ERROR(syscall(SYS_fadvise64, object, 0L, 0L, 0), EBADF);
    struct pollfd poller = {.fd = object, .events = POLLIN};
    CHECK_EQ(poll(&poller, 1, 0), 1);
    CHECK_EQ(poller.revents, POLLNVAL);
    int waiter = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    CHECK_ERROR(epoll_ctl(waiter, EPOLL_CTL_ADD, object, &event), EBADF);
    close(waiter);
    CHECK_ERROR(fchdir(object), ENOTDIR);
    CHECK_ERROR(openat(object, "x", O_RDONLY), ENOTDIR);
    CHECK_ERROR(syscall(SYS_connect, object, text, 2), EBADF);
}

static void flags_that_are_ignored(void)
{
    /* Neither made, nor emptied, nor refused for want of rights. */
    CHECK_ERROR(open(temporary("nobody"), O_PATH | O_CREAT, 0600), ENOENT);
    int fd = open(temporary("file"), O_PATH | O_TRUNC | O_APPEND | O_WRONLY | O_SYNC);
    CHECK_OK(fd);
    struct stat status;
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(status.st_size, 7);
    close(fd);
    CHECK_OK(chmod(temporary("file"), 0));
    fd = open(temporary("file"), O_PATH);
    CHECK_OK(fd);
    close(fd);
    CHECK_OK(chmod(temporary("file"), 0644));
    CHECK_ERROR(open(temporary("file"), O_PATH | O_DIRECTORY), ENOTDIR);
    CHECK_OK(mkfifo(temporary("fifo"), 0600));
    fd = open(temporary("fifo"), O_PATH);
    CHECK_OK(fd);
    close(fd);
}

static void of_a_link(void)
{
    CHECK_OK(symlink("file", temporary("link")));
    char text[20] = "";
    int fd = open(temporary("link"), O_PATH | O_NOFOLLOW);
    CHECK_OK(fd);
    CHECK_EQ(readlinkat(fd, "", text, sizeof text), 4);
    CHECK_STR(text, "file");
    CHECK_ERROR(readlinkat(object, "", text, sizeof text), ENOENT);
    CHECK_ERROR(openat(fd, "", O_RDONLY), ENOENT);
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK_ERROR(open(path, O_RDONLY), ELOOP);
    close(fd);
    CHECK_ERROR(open(temporary("link"), O_RDONLY | O_NOFOLLOW), ELOOP);
}

static void of_a_directory(void)
{
    int fd = open(temporary(""), O_PATH | O_DIRECTORY);
    int file = openat(fd, "file", O_RDONLY);
    CHECK_OK(file);
    close(file);
    char before[500], after[500];
    CHECK(getcwd(before, sizeof before));
    CHECK_OK(fchdir(fd));
    CHECK(getcwd(after, sizeof after));
    CHECK_OK(access("file", F_OK));
    CHECK_OK(chdir(before));
    CHECK_OK(mkdirat(fd, "made", 0755));
    CHECK_OK(unlinkat(fd, "made", AT_REMOVEDIR));
    close(fd);
}

static void passed_on(void)
{
    int pair[2];
    CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int))]; } control = {
        .header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), &object, sizeof object);
    struct iovec part = {"x", 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    CHECK_EQ(syscall(SYS_sendmsg, pair[0], &message, 0), 1);
    char byte;
    part.iov_base = &byte;
    CHECK_EQ(syscall(SYS_recvmsg, pair[1], &message, 0), 1);
    int received;
    memcpy(&received, CMSG_DATA(&control.header), sizeof received);
    struct stat status;
    CHECK_OK(fstat(received, &status));
    CHECK_EQ(status.st_size, 7);
    CHECK_ERROR(read(received, &byte, 1), EBADF);
    close(received);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    write_file(temporary("file"), "content", 7);
    object = open(temporary("file"), O_PATH);
    REQUIRE(object >= 0);
    RUN(of_a_file);
    RUN(flags_that_are_ignored);
    RUN(of_a_link);
    RUN(of_a_directory);
    RUN(passed_on);
    return finish();
}
