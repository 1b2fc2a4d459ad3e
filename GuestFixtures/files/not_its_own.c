/* Descriptors that the program does not have: there are none, whatever the number, by every call that takes one. */
#include "check.h"
#include <dirent.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

static int own;

static long passed(int pair, int fd)
{
    union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int))]; } control = {
        .header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    struct iovec part = {"x", 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    return syscall(SYS_sendmsg, pair, &message, 0);
}

static void by_any_call(void)
{
    int pair[2], pipes[2], waiter = epoll_create1(0);
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK_OK(pipe(pipes));
    int found = 0;
    for (int fd = 1000; fd < 120000 && found < 5; fd += fd < 4000 || (fd > 5400 && fd < 65000) || fd > 66800 ? 97 : 1) {
        char data[256] = {0};
        struct epoll_event event = {.events = EPOLLIN};
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        struct file_clone_range range = {.src_fd = fd};
        const char *is_there = NULL;
#define IS_BAD(call)                                                    \
    do {                                                                \
        errno = 0;                                                      \
        if ((long)(call) != -1 || errno != EBADF) is_there = #call;     \
    } while (0)
        IS_BAD(fcntl(fd, F_GETFD));
        IS_BAD(syscall(SYS_fcntl, fd, F_DUPFD, 0));
        IS_BAD(dup(fd));
        IS_BAD(dup2(fd, own));
        IS_BAD(syscall(SYS_dup3, fd, own, 0));
        IS_BAD(read(fd, data, 1));
        IS_BAD(fstat(fd, (struct stat *)data));
        IS_BAD(syscall(SYS_close, fd));
        IS_BAD(ioctl(fd, FIONREAD, data));
        IS_BAD(ioctl(own, FICLONE, fd));
        IS_BAD(ioctl(own, FICLONERANGE, &range));
        IS_BAD(syscall(SYS_newfstatat, fd, "x", data, 0));
        IS_BAD(syscall(SYS_newfstatat, fd, "", data, AT_EMPTY_PATH));
        IS_BAD(syscall(SYS_openat, fd, "x", O_RDONLY));
        IS_BAD(fchdir(fd));
        IS_BAD(epoll_ctl(waiter, EPOLL_CTL_ADD, fd, &event));
        IS_BAD(epoll_ctl(fd, EPOLL_CTL_ADD, own, &event));
        IS_BAD(syscall(SYS_sendfile, pair[0], fd, NULL, 1L));
        IS_BAD(syscall(SYS_sendfile, fd, own, NULL, 1L));
        IS_BAD(syscall(SYS_splice, fd, NULL, pipes[1], NULL, 1L, 0));
        IS_BAD(syscall(SYS_splice, pipes[0], NULL, fd, NULL, 1L, 0));
        IS_BAD(syscall(SYS_tee, fd, pipes[1], 1L, 0));
        IS_BAD(syscall(SYS_copy_file_range, fd, NULL, own, NULL, 1L, 0));
        IS_BAD(syscall(SYS_mmap, NULL, 4096L, PROT_READ, MAP_SHARED, fd, 0L));
        IS_BAD(syscall(SYS_linkat, fd, "", AT_FDCWD, "/nowhere", AT_EMPTY_PATH));
        IS_BAD(syscall(SYS_connect, fd, data, 2));
        IS_BAD(syscall(SYS_getsockname, fd, data, data + 128));
        IS_BAD(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
        IS_BAD(syscall(SYS_inotify_add_watch, fd, "/", 2));
        IS_BAD(syscall(SYS_timerfd_gettime, fd, data));
        IS_BAD(syscall(SYS_utimensat, fd, NULL, NULL, 0));
        IS_BAD(passed(pair[0], fd));
        if (poll(&poller, 1, 0) != 1 || poller.revents != POLLNVAL) is_there = "poll";
        char path[50];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (open(path, O_RDONLY) != -1 || errno != ENOENT) is_there = "open";
        if (readlink(path, data, sizeof data) != -1 || errno != ENOENT) is_there = "a link";
        snprintf(path, sizeof path, "/dev/fd/%d", fd);
        if (stat(path, (struct stat *)data) != -1 || errno != ENOENT) is_there = "a link";
        snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
        if (open(path, O_RDONLY) != -1 || errno != ENOENT) is_there = "open";
        if (is_there) fprintf(stderr, "%d by %s\n", fd, is_there), found++;
    }
    CHECK_EQ(found, 0);
    close(waiter);
}

static void in_listings(void)
{
    static const char *const listings[] = {"/proc/self/fd", "/proc/thread-self/fd", "/proc/self/fdinfo", "/dev/fd"};
    for (int i = 0; i < 4; i++) {
        DIR *listing = opendir(listings[i]);
        REQUIRE(listing);
        for (struct dirent *entry; (entry = readdir(listing));) CHECK(atoi(entry->d_name) < 100);
        closedir(listing);
    }
}

static void closed_in_ranges(void)
{
    CHECK_OK(dup2(own, 60));
    CHECK_OK(dup2(own, 61));
    CHECK_OK(syscall(SYS_close_range, 60, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */));
    CHECK_EQ(fcntl(60, F_GETFD), FD_CLOEXEC);
    CHECK_ERROR(syscall(SYS_close_range, 60, ~0u, 8), EINVAL);
    CHECK_ERROR(syscall(SYS_close_range, 61, 60, 0), EINVAL);
    CHECK_OK(syscall(SYS_close_range, 3000, ~0u, 0));
    CHECK_OK(syscall(SYS_close_range, 61, ~0u, 2 /* CLOSE_RANGE_UNSHARE */));
    CHECK_ERROR(fcntl(61, F_GETFD), EBADF);
    CHECK_EQ(fcntl(60, F_GETFD), FD_CLOEXEC);
    /* Nothing that the program needs went with them. */
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "not_its_own", "again", NULL);
        _exit(99);
    }
    CHECK_EQ(wait_for(pid), 5 << 8);
    CHECK_ERROR(dup2(own, 0x7fffffff), EBADF);
    CHECK_ERROR(syscall(SYS_dup3, own, own, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_dup3, own, 70, 1), EINVAL);
    CHECK_OK(syscall(SYS_dup3, own, 70, O_CLOEXEC));
    CHECK_EQ(fcntl(70, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(dup2(own, own), own);
    CHECK_ERROR(syscall(SYS_fcntl, own, F_DUPFD, 0x7fffffff), EINVAL);
    CHECK_EQ(fcntl(own, F_DUPFD, 80), 80);
    CHECK_ERROR(syscall(SYS_close, 9999), EBADF);
}

static volatile int shared_descriptor;

/* A child that shares the table keeps what its parent closes in a table of its own. */
static int shares_descriptors(void *unused)
{
    (void)unused;
    int fd = shared_descriptor;
    if (syscall(SYS_close_range, fd, fd, 2) != 0) return 1;
    return fcntl(fd, F_GETFD) == -1 && errno == EBADF ? 0 : 2;
}

static void unshared(void)
{
    shared_descriptor = dup(own);
    pid_t pid = (pid_t)syscall(SYS_clone, 0x400 /* CLONE_FILES */ | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(shares_descriptors(NULL));
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(fcntl(shared_descriptor, F_GETFD), 0);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) return 5;
    own = open(temporary("own"), O_RDWR | O_CREAT, 0600);
    RUN(in_listings);
    RUN(by_any_call);
    RUN(closed_in_ranges);
    RUN(unshared);
    return finish();
}
