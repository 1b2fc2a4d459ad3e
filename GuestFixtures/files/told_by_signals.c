/* What the kernel tells by a signal: leases, directories that change, readiness; and who gets it. */
#include "check.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#ifndef F_SETSIG
#define F_SETSIG 10
#define F_GETSIG 11
#endif
#ifndef F_SETOWN_EX
#define F_SETOWN_EX 15
#define F_GETOWN_EX 16
#endif
#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17
#endif
#ifndef F_SETLEASE
#define F_SETLEASE 1024
#define F_GETLEASE 1025
#endif
#ifndef F_NOTIFY
#define F_NOTIFY 1026
#endif
#ifndef DN_CREATE
#define DN_MODIFY 2
#define DN_CREATE 4
#define DN_DELETE 8
#define DN_RENAME 0x10
#define DN_ATTRIB 0x20
#define DN_MULTISHOT 0x80000000
#endif
#define NOWHERE ((void *)8)

struct owner {
    int type, pid;
};

static volatile int caught, code, descriptor;
static volatile long band;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)context;
    code = info->si_code;
    descriptor = info->si_fd;
    band = info->si_band;
    caught = number;
}

static void take(int number)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(number, &action, NULL);
    caught = 0;
}

static void arrives(int number)
{
    for (int i = 0; i < 3000 && !caught; i++) usleep(1000);
    CHECK_EQ(caught, number);
    caught = 0;
}

static void leases(void)
{
    write_file(temporary("leased"), "x", 1);
    int fd = open(temporary("leased"), O_RDONLY);
    CHECK_EQ(fcntl(fd, F_GETLEASE), F_UNLCK);
    CHECK_OK(fcntl(fd, F_SETLEASE, F_RDLCK));
    CHECK_EQ(fcntl(fd, F_GETLEASE), F_RDLCK);
    CHECK_ERROR(fcntl(fd, F_SETLEASE, 77), EINVAL);
    take(SIGIO);
    /* Who does not want to wait is told so, and the holder gets its signal. */
    CHECK_ERROR(open(temporary("leased"), O_WRONLY | O_NONBLOCK), EWOULDBLOCK);
    arrives(SIGIO);
    CHECK_EQ(fcntl(fd, F_GETLEASE), F_UNLCK);
    pid_t pid = fork();
    if (pid == 0) {
        int other = open(temporary("leased"), O_WRONLY);
        _exit(other >= 0 && write(other, "y", 1) == 1 ? 0 : 1);
    }
    usleep(20000);
    CHECK_OK(fcntl(fd, F_SETLEASE, F_UNLCK));
    CHECK_EQ(wait_for(pid), 0);
    /* A write lease, with a signal of one's own and the descriptor in it. */
    close(fd);
    fd = open(temporary("leased"), O_RDWR);
    take(SIGRTMIN + 3);
    CHECK_OK(fcntl(fd, F_SETSIG, SIGRTMIN + 3));
    CHECK_EQ(fcntl(fd, F_GETSIG), SIGRTMIN + 3);
    CHECK_OK(fcntl(fd, F_SETLEASE, F_WRLCK));
    pid = fork();
    if (pid == 0) {
        int other = open(temporary("leased"), O_RDONLY);
        _exit(other >= 0 ? 0 : 1);
    }
    arrives(SIGRTMIN + 3);
    CHECK_EQ(descriptor, fd);
    CHECK_EQ(fcntl(fd, F_GETLEASE), F_RDLCK);
    /* A file that is open for writing has no read lease. */
    CHECK_ERROR(fcntl(fd, F_SETLEASE, F_RDLCK), EAGAIN);
    CHECK_OK(fcntl(fd, F_SETLEASE, F_UNLCK));
    CHECK_EQ(wait_for(pid), 0);
    /* Another open file is in the way. */
    int other = open(temporary("leased"), O_RDONLY);
    CHECK_ERROR(fcntl(fd, F_SETLEASE, F_WRLCK), EAGAIN);
    CHECK_ERROR(fcntl(other, F_SETLEASE, F_RDLCK), EAGAIN);
    close(other);
    int pipes[2];
    CHECK_OK(pipe(pipes));
    CHECK_ERROR(fcntl(pipes[0], F_SETLEASE, F_RDLCK), EINVAL);
    close(fd);
}

static void directories(void)
{
    CHECK_OK(mkdir(temporary("told"), 0755));
    int fd = open(temporary("told"), O_RDONLY | O_DIRECTORY);
    take(SIGRTMIN + 4);
    CHECK_OK(fcntl(fd, F_SETSIG, SIGRTMIN + 4));
    if (fcntl(fd, F_NOTIFY, DN_CREATE) == -1) {
        CHECK_EQ(errno, EINVAL);
        return;
    }
    write_file(temporary("told/file"), "x", 1);
    arrives(SIGRTMIN + 4);
    CHECK_EQ(descriptor, fd);
    /* Once, unless many were asked for. */
    write_file(temporary("told/second"), "x", 1);
    usleep(20000);
    CHECK_EQ(caught, 0);
    CHECK_OK(fcntl(fd, F_NOTIFY, DN_CREATE | DN_DELETE | DN_RENAME | DN_ATTRIB | (int)DN_MULTISHOT));
    CHECK_OK(chmod(temporary("told/file"), 0600));
    arrives(SIGRTMIN + 4);
    CHECK_OK(rename(temporary("told/file"), temporary("told/third")));
    arrives(SIGRTMIN + 4);
    CHECK_OK(unlink(temporary("told/third")));
    arrives(SIGRTMIN + 4);
    CHECK_OK(fcntl(fd, F_NOTIFY, 0));
    CHECK_OK(unlink(temporary("told/second")));
    usleep(20000);
    CHECK_EQ(caught, 0);
    int file = open(temporary("leased"), O_RDONLY);
    CHECK_ERROR(fcntl(file, F_NOTIFY, DN_CREATE), ENOTDIR);
    close(file);
    close(fd);
}

static void readiness(void)
{
    int pair[2], on = 1;
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK_EQ(fcntl(pair[0], F_GETOWN), 0);
    CHECK_OK(fcntl(pair[0], F_SETOWN, getpid()));
    CHECK_EQ(fcntl(pair[0], F_GETOWN), getpid());
    take(SIGIO);
    CHECK_OK(fcntl(pair[0], F_SETFL, O_ASYNC));
    CHECK_EQ(fcntl(pair[0], F_GETFL) & O_ASYNC, O_ASYNC);
    CHECK_EQ(write(pair[1], "x", 1), 1);
    arrives(SIGIO);
    /* A signal that says what happened and where. */
    take(SIGRTMIN + 5);
    CHECK_OK(fcntl(pair[0], F_SETSIG, SIGRTMIN + 5));
    CHECK_EQ(write(pair[1], "x", 1), 1);
    arrives(SIGRTMIN + 5);
    CHECK_EQ(descriptor, pair[0]);
    CHECK_EQ(code, POLL_IN);
    CHECK_EQ(band, POLLIN | POLLRDNORM);
    CHECK_OK(fcntl(pair[0], F_SETFL, 0));
    /* FIOASYNC is the same flag. */
    CHECK_OK(ioctl(pair[0], FIOASYNC, &on));
    CHECK_EQ(fcntl(pair[0], F_GETFL) & O_ASYNC, O_ASYNC);
    CHECK_EQ(write(pair[1], "x", 1), 1);
    arrives(SIGRTMIN + 5);
    close(pair[1]);
    arrives(SIGRTMIN + 5);
    CHECK_ERROR(fcntl(pair[0], F_SETSIG, 65), EINVAL);
    close(pair[0]);
}

static void owners(void)
{
    int pair[2];
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    struct owner owner = {0, (int)syscall(SYS_gettid)}, seen = {-1, -1};
    CHECK_OK(syscall(SYS_fcntl, pair[0], F_SETOWN_EX, &owner));
    CHECK_OK(syscall(SYS_fcntl, pair[0], F_GETOWN_EX, &seen));
    CHECK_EQ(seen.type, 0);
    CHECK_EQ(seen.pid, owner.pid);
    owner = (struct owner){1, getpid()};
    CHECK_OK(syscall(SYS_fcntl, pair[0], F_SETOWN_EX, &owner));
    CHECK_OK(syscall(SYS_fcntl, pair[0], F_GETOWN_EX, &seen));
    CHECK_EQ(seen.type, 1);
    owner = (struct owner){3, getpid()};
    CHECK_ERROR(syscall(SYS_fcntl, pair[0], F_SETOWN_EX, &owner), EINVAL);
    owner = (struct owner){1, 0x3ffffff};
    CHECK_ERROR(syscall(SYS_fcntl, pair[0], F_SETOWN_EX, &owner), ESRCH);
    CHECK_ERROR(syscall(SYS_fcntl, pair[0], F_SETOWN_EX, NOWHERE), EFAULT);
    CHECK_ERROR(syscall(SYS_fcntl, pair[0], F_GETOWN_EX, NOWHERE), EFAULT);
    uid_t ids[2] = {77, 77};
    int result = (int)syscall(SYS_fcntl, pair[0], F_GETOWNER_UIDS, ids);
    if (result == 0) CHECK_EQ(ids[0], getuid());
    else CHECK_EQ(errno, EINVAL);
    CHECK_ERROR(fcntl(pair[0], F_SETOWN, 0x3ffffff), ESRCH);
    /* To a child, and to a process group. */
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGIO);
        sigprocmask(SIG_BLOCK, &set, NULL);
        setpgid(0, 0);
        owner = (struct owner){2, getpid()};
        REQUIRE(syscall(SYS_fcntl, pair[0], F_SETOWN_EX, &owner) == 0);
        seen = (struct owner){-1, -1};
        REQUIRE(syscall(SYS_fcntl, pair[0], F_GETOWN_EX, &seen) == 0 && seen.type == 2 && seen.pid == getpid());
        REQUIRE(fcntl(pair[0], F_SETFL, O_ASYNC) == 0);
        REQUIRE(write(pair[1], "x", 1) == 1);
        struct timespec limit = {3, 0};
        siginfo_t info;
        _exit(sigtimedwait(&set, &info, &limit) == SIGIO ? 0 : 1);
    }
    CHECK_EQ(wait_for(pid), 0);
    /* The name of a group that is gone is told no more. */
    CHECK_OK(syscall(SYS_fcntl, pair[0], F_GETOWN_EX, &seen));
    CHECK_EQ(seen.pid, 0);
    CHECK_OK(fcntl(pair[1], F_SETOWN, 0));
    CHECK_EQ(fcntl(pair[1], F_GETOWN), 0);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    RUN(leases);
    RUN(directories);
    RUN(readiness);
    RUN(owners);
    return finish();
}
