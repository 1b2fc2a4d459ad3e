/* pidfd_getfd(2): a descriptor of another process, if one may look into it. */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "check.h"

static int channel[2], memory;

static int open_of(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    REQUIRE(fd >= 0);
    return fd;
}

static int get(int pidfd, int number, unsigned flags)
{
    return (int)syscall(SYS_pidfd_getfd, pidfd, number, flags);
}

/* Opens what its parent will ask for, and waits. */
static void holder(void)
{
    memory = (int)syscall(SYS_memfd_create, "shared", 0);
    REQUIRE(write(memory, "content", 7) == 7);
    REQUIRE(send(channel[1], &memory, sizeof memory, 0) == sizeof memory);
    char order;
    while (recv(channel[1], &order, 1, 0) == 1) {
        if (order == 'd') CHECK_OK(prctl(PR_SET_DUMPABLE, 0));
        send(channel[1], &order, 1, 0);
    }
}

static void another_processes(void)
{
    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, channel) == 0);
    pid_t pid = start_child(holder);
    int number = -1, pidfd = open_of(pid);
    CHECK_EQ(recv(channel[0], &number, sizeof number, 0), sizeof number);
    int fd = get(pidfd, number, 0);
    CHECK(fd >= 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    char text[8] = "";
    CHECK_EQ(pread(fd, text, 7, 0), 7);
    CHECK_STR(text, "content");
    /* It is the same open file: the position is shared. */
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 7);
    CHECK_ERROR(get(pidfd, number, 1), EINVAL);
    CHECK_ERROR(get(pidfd, 900, 0), EBADF);
    CHECK_ERROR(get(pidfd, -1, 0), EBADF);
    for (int far = 1000; far < 100000; far = far * 5 / 4) CHECK_ERROR(get(pidfd, far, 0), EBADF);
    CHECK_ERROR(get(channel[0], number, 0), EBADF);
    CHECK_ERROR(get(-1, number, 0), EBADF);

    struct rlimit limit, low = {0, 0};
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    low.rlim_cur = (rlim_t)fd + 1;
    low.rlim_max = limit.rlim_max;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &low));
    CHECK_ERROR(get(pidfd, number, 0), EMFILE);
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    close(fd);

    char answer;
    CHECK_EQ(send(channel[0], "d", 1, 0), 1);
    CHECK_EQ(recv(channel[0], &answer, 1, 0), 1);
    fd = get(pidfd, number, 0);
    if (geteuid() == 0) CHECK(fd >= 0);
    else CHECK(fd == -1 && errno == EPERM);
    close(fd);
    kill(pid, SIGKILL);
    CHECK_EQ(wait_for(pid), SIGKILL);
    CHECK_ERROR(get(pidfd, number, 0), ESRCH);
    close(pidfd), close(channel[0]), close(channel[1]);
}

static void ones_own(void)
{
    int pidfd = open_of(getpid()), fd = get(pidfd, 1, 0);
    CHECK(fd > 1);
    close(fd);
    close(pidfd);
}

int main(void)
{
    RUN(another_processes);
    RUN(ones_own);
    return finish();
}
