/* A system call that is given a bad address says EFAULT: every kind of bad, every kind of argument. */
#include "faults.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>

/* Calls that architectures after x86-64 do without. */
#if defined(__x86_64__)
#define EFAULT_OF_OLD(name, ...) CHECK_ERROR(syscall(SYS_##name, __VA_ARGS__), EFAULT)
#else
#define EFAULT_OF_OLD(name, ...) no_call(0, __VA_ARGS__)
static void no_call(int first, ...) { (void)first; }
#endif

static unsigned char *page;      /* one good page with nothing behind it */
static unsigned char *read_only; /* one that cannot be written */
static void *bad[7];
enum { BAD = sizeof bad / sizeof *bad };

static void prepare(void)
{
    page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page + PAGE, PAGE);
    read_only = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *none = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bad[0] = NULL;
    bad[1] = (void *)8;
    bad[2] = page + PAGE;
    bad[3] = none;
    bad[4] = (void *)0xffff888000000000;
    bad[5] = (void *)0x8000000000000000;
    bad[6] = (void *)-16;
}

static void paths(void)
{
    struct stat status;
    for (int i = 0; i < BAD; i++) {
        EFAULT_OF_OLD(open, bad[i], O_RDONLY);
        CHECK_ERROR(syscall(SYS_openat, AT_FDCWD, bad[i], O_RDONLY), EFAULT);
        EFAULT_OF_OLD(stat, bad[i], &status);
        CHECK_ERROR(syscall(SYS_chdir, bad[i]), EFAULT);
        EFAULT_OF_OLD(unlink, bad[i]);
        EFAULT_OF_OLD(rename, "/nonexistent-1", bad[i]);
        CHECK_ERROR(syscall(SYS_execve, bad[i], NULL, NULL), EFAULT);
        EFAULT_OF_OLD(mkdir, bad[i], 0755);
        EFAULT_OF_OLD(symlink, bad[i], "/nonexistent-2");
        EFAULT_OF_OLD(access, bad[i], 0);
    }
}

static void a_path_up_to_the_edge(void)
{
    /* Its zero byte is the last byte there is. */
    char *path = (char *)page + PAGE - 2;
    strcpy(path, "/");
    struct stat status;
    CHECK_OK(stat(path, &status));
    CHECK(S_ISDIR(status.st_mode));
    /* Without the zero byte it runs into nothing. */
    path[1] = '/';
    EFAULT_OF_OLD(stat, path, &status);
    /* Too long is another error, but only when it can be read that far. */
    static char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    CHECK_ERROR(stat(longest, &status), ENAMETOOLONG);
}

static void outputs(void)
{
    int fd = open("/", O_RDONLY | O_DIRECTORY), pipes[2];
    CHECK_OK(pipe(pipes));
    struct timeval zero = {0, 0};
    for (int i = 0; i < BAD; i++) {
        EFAULT_OF_OLD(stat, "/", bad[i]);
        CHECK_ERROR(syscall(SYS_fstat, 0, bad[i]), EFAULT);
        CHECK_ERROR(syscall(SYS_uname, bad[i]), EFAULT);
        CHECK_ERROR(syscall(SYS_statfs, "/", bad[i]), EFAULT);
        CHECK_ERROR(syscall(SYS_getcwd, bad[i], 100), EFAULT);
        CHECK_ERROR(syscall(SYS_getdents64, fd, bad[i], 1000), EFAULT);
        EFAULT_OF_OLD(readlink, "/proc/self", bad[i], 100);
        CHECK_ERROR(syscall(SYS_getrandom, bad[i], 16, 0), EFAULT);
        CHECK_ERROR(syscall(SYS_pipe2, bad[i], 0), EFAULT);
        if (bad[i]) {
            CHECK_ERROR(syscall(SYS_gettimeofday, bad[i], NULL), EFAULT);
            EFAULT_OF_OLD(select, 1, bad[i], NULL, NULL, &zero);
            CHECK_ERROR(syscall(SYS_nanosleep, bad[i], NULL), EFAULT);
            CHECK_ERROR(syscall(SYS_rt_sigaction, SIGUSR1, bad[i], NULL, 8), EFAULT);
            CHECK_ERROR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad[i], NULL, 8), EFAULT);
            CHECK_ERROR(syscall(SYS_sigaltstack, bad[i], NULL), EFAULT);
            CHECK_ERROR(syscall(SYS_getgroups, 0, bad[i]) == -1 ? -1 : (errno = EFAULT, -1), EFAULT);
        }
        CHECK_ERROR(syscall(SYS_clock_gettime, CLOCK_REALTIME, bad[i]), EFAULT);
        CHECK_ERROR(syscall(SYS_getrlimit, 0, bad[i]), EFAULT);
        CHECK_ERROR(syscall(SYS_getrusage, 0, bad[i]), EFAULT);
        CHECK_ERROR(syscall(SYS_sysinfo, bad[i]), EFAULT);
        EFAULT_OF_OLD(poll, bad[i], 1, 0);
        CHECK_ERROR(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, bad[i]), EFAULT);
    }
    EFAULT_OF_OLD(stat, "/", page + PAGE - 8);
    CHECK_ERROR(syscall(SYS_uname, read_only), EFAULT);
    CHECK_ERROR(syscall(SYS_getcwd, read_only, 100), EFAULT);
    close(fd);
}

static void reads_and_writes(void)
{
    int pipes[2];
    CHECK_OK(pipe2(pipes, O_NONBLOCK));
    for (int i = 0; i < BAD; i++) {
        CHECK_ERROR(syscall(SYS_write, pipes[1], bad[i], 10), EFAULT);
        CHECK_OK(write(pipes[1], "x", 1));
        CHECK_ERROR(syscall(SYS_read, pipes[0], bad[i], 10), EFAULT);
    }
    char drained[100];
    while (read(pipes[0], drained, sizeof drained) > 0) continue;
    /* Nothing to read: the address is not looked at. */
    CHECK_EQ(syscall(SYS_write, pipes[1], NULL, 0), 0);
    int null = open("/dev/zero", O_RDONLY);
    CHECK_ERROR(syscall(SYS_read, null, read_only, 10), EFAULT);
    CHECK_EQ(syscall(SYS_read, null, page + PAGE - 10, 10), 10);
    CHECK_ERROR(syscall(SYS_read, -1, NULL, 10), EBADF);
    close(null);
}

static void across_the_edge(void)
{
    /* As much as can be written is written. */
    int pipes[2];
    CHECK_OK(pipe2(pipes, O_NONBLOCK));
    memset(page, 'p', PAGE);
    write_file(temporary("edge"), "0123456789", 10);
    int fd = open(temporary("edge"), O_RDONLY);
    ssize_t got = syscall(SYS_read, fd, page + PAGE - 4, 10);
    CHECK(got == 4 || (got == -1 && errno == EFAULT));
    CHECK(memcmp(page + PAGE - 4, "0123", 4) == 0 || got == -1);
}

static void wrapping_lengths(void)
{
    int pipes[2];
    CHECK_OK(pipe(pipes));
    CHECK_ERROR(syscall(SYS_write, pipes[1], page, -1L), EFAULT);
    CHECK_ERROR(syscall(SYS_write, pipes[1], page, 1UL << 63), EFAULT);
    CHECK_ERROR(syscall(SYS_getrandom, (void *)-PAGE, 2 * PAGE, 0), EFAULT);
    CHECK_ERROR(syscall(SYS_read, pipes[0], page, -1L), EFAULT);
}

static void vectors(void)
{
    int pipes[2];
    CHECK_OK(pipe2(pipes, O_NONBLOCK));
    struct iovec vector[3] = {{page, 4}, {NULL, 4}, {page, 4}};
    for (int i = 0; i < BAD; i++) {
        if (i > 0) CHECK_ERROR(syscall(SYS_writev, pipes[1], bad[i], 2), EFAULT);
        CHECK_ERROR(syscall(SYS_readv, pipes[0], bad[i], 2), EFAULT);
        struct iovec one = {bad[i], 4};
        CHECK_ERROR(syscall(SYS_writev, pipes[1], &one, 1), EFAULT);
    }
    /* Whether the good first part goes out is the object's own affair; nothing may come of the bad one. */
    long written = syscall(SYS_writev, pipes[1], vector, 3);
    CHECK(written == 4 || (written == -1 && errno == EFAULT));
    CHECK_ERROR(syscall(SYS_writev, pipes[1], vector, -1), EINVAL);
    CHECK_ERROR(syscall(SYS_writev, pipes[1], vector, 1025), EINVAL);
    vector[0].iov_len = (size_t)-1;
    CHECK_ERROR(syscall(SYS_writev, pipes[1], vector, 1), EINVAL);
    /* A vector that is cut off by the end of the page. */
    struct iovec *cut = (struct iovec *)(page + PAGE - sizeof *cut);
    *cut = (struct iovec){page, 1};
    CHECK_ERROR(syscall(SYS_writev, pipes[1], cut, 2), EFAULT);
    CHECK_EQ(syscall(SYS_writev, pipes[1], cut, 1), 1);
}

static void messages(void)
{
    int pair[2];
    CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    for (int i = 0; i < BAD; i++) {
        CHECK_ERROR(syscall(SYS_sendmsg, pair[0], bad[i], 0), EFAULT);
        CHECK_ERROR(syscall(SYS_recvmsg, pair[0], bad[i], MSG_DONTWAIT), EFAULT);
        if (i == 0) continue;
        struct msghdr message = {.msg_iov = bad[i], .msg_iovlen = 1};
        CHECK_ERROR(syscall(SYS_sendmsg, pair[0], &message, 0), EFAULT);
        struct iovec part = {page, 4};
        message = (struct msghdr){.msg_iov = &part, .msg_iovlen = 1, .msg_name = bad[i], .msg_namelen = 20};
        CHECK_ERROR(syscall(SYS_sendmsg, pair[0], &message, 0), EFAULT);
        message = (struct msghdr){.msg_iov = &part, .msg_iovlen = 1, .msg_control = bad[i], .msg_controllen = 32};
        CHECK_ERROR(syscall(SYS_sendmsg, pair[0], &message, 0), EFAULT);
        CHECK_ERROR(syscall(SYS_bind, pair[0], bad[i], 10), EFAULT);
        CHECK_ERROR(syscall(SYS_getsockname, pair[0], page, bad[i]), EFAULT);
    }
}

static void programs(void)
{
    char *good[] = {"true", NULL};
    char *broken[] = {"true", (char *)8, NULL};
    CHECK_ERROR(syscall(SYS_execve, "/bin/true", broken, good), EFAULT);
    CHECK_ERROR(syscall(SYS_execve, "/bin/true", good, broken), EFAULT);
    for (int i = 1; i < BAD; i++) {
        CHECK_ERROR(syscall(SYS_execve, "/bin/true", bad[i], NULL), EFAULT);
        CHECK_ERROR(syscall(SYS_execve, "/bin/true", good, bad[i]), EFAULT);
    }
}

static void waiting(void)
{
    pid_t pid = fork();
    if (pid == 0) _exit(3);
    /* The child is reaped although its status cannot be stored. */
    CHECK_ERROR(syscall(SYS_wait4, pid, (void *)8, 0, NULL), EFAULT);
    CHECK_ERROR(waitpid(pid, NULL, 0), ECHILD);
}

int main(void)
{
    catch_faults();
    prepare();
    RUN(paths);
    RUN(a_path_up_to_the_edge);
    RUN(outputs);
    RUN(reads_and_writes);
    RUN(across_the_edge);
    RUN(wrapping_lengths);
    RUN(vectors);
    RUN(messages);
    RUN(programs);
    RUN(waiting);
    return finish();
}
