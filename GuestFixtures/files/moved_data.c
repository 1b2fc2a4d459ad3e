/* Data that the kernel moves: copy_file_range, sendfile, splice, tee, vmsplice; offsets, errors, what comes partly. */
#include "check.h"
#include <limits.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define NOWHERE ((long *)8)
#define KERNEL ((long *)-4096L)

static int new_file(const char *name, const char *text)
{
    int fd = open(temporary(name), O_CREAT | O_TRUNC | O_RDWR, 0644);
    REQUIRE(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static const char *content(int fd)
{
    static char text[100];
    memset(text, 0, sizeof text);
    if (pread(fd, text, sizeof text - 1, 0) < 0) strcpy(text, "(none)");
    return text;
}

static long copy(int in, long *from, int out, long *to, size_t count, unsigned flags)
{
    return syscall(SYS_copy_file_range, in, from, out, to, count, flags);
}

static void copied(void)
{
    int in = new_file("in", "0123456789"), out = new_file("out", "");
    CHECK_EQ(copy(in, NULL, out, NULL, 4, 0), 4);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 4);
    CHECK_EQ(lseek(out, 0, SEEK_CUR), 4);
    long from = 8, to = 20;
    CHECK_EQ(copy(in, &from, out, &to, 100, 0), 2);
    CHECK_EQ(from, 10);
    CHECK_EQ(to, 22);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 4);
    CHECK_EQ(copy(in, &from, out, &to, 100, 0), 0);
    CHECK_STR(content(out), "0123");
    from = 0, to = 2;
    CHECK_ERROR(copy(in, &from, in, &to, 4, 0), EINVAL);
    to = 10;
    CHECK_EQ(copy(in, &from, in, &to, 4, 0), 4);
    CHECK_STR(content(in), "01234567890123");
    CHECK_ERROR(copy(in, &from, out, &to, 4, 1), EINVAL);
    from = -1;
    CHECK_ERROR(copy(in, &from, out, &to, 4, 0), EOVERFLOW);
    from = LONG_MAX - 3;
    CHECK_EQ(copy(in, &from, out, &to, 3, 0), 0);
    CHECK_ERROR(copy(in, NOWHERE, out, &to, 4, 0), EFAULT);
    CHECK_ERROR(copy(in, KERNEL, out, &to, 4, 0), EFAULT);
    int read_only = open(temporary("out"), O_RDONLY), append = open(temporary("out"), O_RDWR | O_APPEND);
    int directory = open(temporary(""), O_RDONLY), pipes[2];
    CHECK_OK(pipe(pipes));
    CHECK_ERROR(copy(in, NULL, read_only, NULL, 4, 0), EBADF);
    CHECK_ERROR(copy(in, NULL, append, NULL, 4, 0), EBADF);
    CHECK_ERROR(copy(directory, NULL, out, NULL, 4, 0), EISDIR);
    CHECK_ERROR(copy(pipes[0], NULL, out, NULL, 4, 0), EINVAL);
    CHECK_ERROR(copy(in, NULL, 9999, NULL, 4, 0), EBADF);
    close(read_only);
    close(append);
    close(directory);
    close(pipes[0]);
    close(pipes[1]);
    close(in);
    close(out);
}

static void sent(void)
{
    int in = new_file("in", "0123456789"), out = new_file("out", ""), pair[2], pipes[2];
    off_t offset = 6;
    CHECK_EQ(sendfile(out, in, NULL, 3), 3);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 3);
    CHECK_EQ(sendfile(out, in, &offset, 100), 4);
    CHECK_EQ(offset, 10);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 3);
    CHECK_EQ(sendfile(out, in, &offset, 100), 0);
    CHECK_STR(content(out), "0126789");
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    offset = 0;
    CHECK_EQ(sendfile(pair[0], in, &offset, 10), 10);
    char text[20] = "";
    CHECK_EQ(read(pair[1], text, sizeof text), 10);
    CHECK_STR(text, "0123456789");
    CHECK_ERROR(sendfile(out, pair[1], NULL, 10), EINVAL);
    offset = -1;
    CHECK_ERROR(sendfile(out, in, &offset, 10), EINVAL);
    CHECK_ERROR(syscall(SYS_sendfile, out, in, NOWHERE, 10L), EFAULT);
    CHECK_OK(pipe(pipes));
    offset = 0;
    CHECK_ERROR(sendfile(out, pipes[0], &offset, 10), ESPIPE);
    CHECK_EQ(sendfile(pipes[1], in, &offset, 5), 5);
    CHECK_EQ(read(pipes[0], text, sizeof text), 5);
    int read_only = open(temporary("out"), O_RDONLY), append = open(temporary("out"), O_WRONLY | O_APPEND);
    CHECK_ERROR(sendfile(read_only, in, &offset, 10), EBADF);
    CHECK_ERROR(sendfile(append, in, &offset, 10), EINVAL);
    CHECK_ERROR(sendfile(out, append, &offset, 10), EBADF);
    close(pair[1]);
    signal(SIGPIPE, SIG_IGN);
    offset = 0;
    CHECK_ERROR(sendfile(pair[0], in, &offset, 10), EPIPE);
    close(pair[0]);
    close(pipes[0]);
    close(pipes[1]);
    close(read_only);
    close(append);
    close(in);
    close(out);
}

/* Most files of a process cannot be moved by the kernel, so that programs fall back on reading; some others can. */
static void from_proc(void)
{
    int pipes[2], out = new_file("out", ""), memory = memfd_create("out", 0);
    CHECK_OK(pipe(pipes));
    char text[4096] = "", again[4096] = "";
    static const char *const unmovable[] = {"/proc/self/comm", "/proc/self/status", "/proc/self/maps", "/proc/self/stat"};
    for (int i = 0; i < 4; i++) {
        int fd = open(unmovable[i], O_RDONLY);
        off_t offset = 0;
        CHECK_ERROR(sendfile(out, fd, NULL, 100), EINVAL);
        CHECK_ERROR(sendfile(out, fd, &offset, 100), EINVAL);
        CHECK_ERROR(splice(fd, NULL, pipes[1], NULL, 100, 0), EINVAL);
        CHECK_ERROR(copy(fd, NULL, out, NULL, 100, 0), EXDEV);
        CHECK_ERROR(copy(fd, NULL, memory, NULL, 100, 0), EXDEV);
        CHECK(read(fd, text, 10) > 0);
        close(fd);
    }
    static const char *const movable[] = {"/proc/version", "/proc/self/mounts"};
    for (int i = 0; i < 2; i++) {
        memset(text, 0, sizeof text);
        memset(again, 0, sizeof again);
        int fd = open(movable[i], O_RDONLY);
        ssize_t size = read(fd, text, 64);
        CHECK_EQ(size, 64);
        close(fd);
        fd = open(movable[i], O_RDONLY);
        CHECK_EQ(splice(fd, NULL, pipes[1], NULL, 64, 0), 64);
        CHECK_EQ(read(pipes[0], again, sizeof again), 64);
        CHECK_STR(again, text);
        close(fd);
        fd = open(movable[i], O_RDONLY);
        off_t offset = 0;
        CHECK_EQ(ftruncate(out, 0), 0);
        CHECK_EQ(lseek(out, 0, SEEK_SET), 0);
        CHECK_EQ(sendfile(out, fd, &offset, 64), 64);
        CHECK_EQ(offset, 64);
        CHECK_EQ(sendfile(out, fd, NULL, 64), 64);
        CHECK_EQ(pread(out, again, 64, 64), 64);
        CHECK_STR(again, text);
        close(fd);
    }
    close(out);
    close(pipes[0]);
    close(pipes[1]);
}

static void spliced(void)
{
    int in = new_file("in", "0123456789"), out = new_file("out", ""), one[2], two[2];
    CHECK_OK(pipe(one));
    CHECK_OK(pipe(two));
    loff_t offset = 4;
    CHECK_EQ(splice(in, &offset, one[1], NULL, 3, 0), 3);
    CHECK_EQ(offset, 7);
    CHECK_EQ(splice(in, NULL, one[1], NULL, 2, SPLICE_F_MOVE | SPLICE_F_MORE), 2);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 2);
    CHECK_EQ(tee(one[0], two[1], 100, 0), 5);
    CHECK_EQ(tee(one[0], two[1], 2, SPLICE_F_NONBLOCK), 2);
    offset = 3;
    CHECK_EQ(splice(one[0], NULL, out, &offset, 100, 0), 5);
    CHECK_EQ(offset, 8);
    char text[20] = "";
    CHECK_EQ(pread(out, text, sizeof text, 0), 8);
    CHECK(memcmp(text, "\0\0\0" "45601", 8) == 0);
    CHECK_ERROR(splice(one[0], NULL, out, NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK_ERROR(tee(one[0], two[1], 1, SPLICE_F_NONBLOCK), EAGAIN);
    /* From pipe to pipe it is moved. */
    CHECK_EQ(splice(two[0], NULL, one[1], NULL, 100, 0), 7);
    memset(text, 0, sizeof text);
    CHECK_EQ(read(one[0], text, sizeof text), 7);
    CHECK_STR(text, "4560145");
    CHECK_ERROR(splice(in, NULL, out, NULL, 1, 0), EINVAL);
    CHECK_ERROR(splice(in, NULL, one[1], &offset, 1, 0), ESPIPE);
    CHECK_ERROR(splice(one[0], NULL, one[1], NULL, 1, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_splice, in, NOWHERE, one[1], NULL, 1L, 0), EFAULT);
    CHECK_ERROR(splice(in, NULL, one[1], NULL, 1, 0x100), EINVAL);
    CHECK_ERROR(tee(in, one[1], 1, 0), EINVAL);
    CHECK_ERROR(tee(9999, one[1], 1, 0), EBADF);
    CHECK_EQ(splice(in, NULL, one[1], NULL, 0, 0), 0);
    int append = open(temporary("out"), O_WRONLY | O_APPEND);
    CHECK_EQ(write(one[1], "x", 1), 1);
    CHECK_ERROR(splice(one[0], NULL, append, NULL, 1, 0), EINVAL);
    close(one[1]);
    CHECK_EQ(splice(one[0], NULL, out, NULL, 10, 0), 1);
    CHECK_EQ(splice(one[0], NULL, out, NULL, 10, 0), 0);
    close(append);
    close(one[0]);
    close(two[0]);
    close(two[1]);
    close(in);
    close(out);
}

static volatile int alarms;
static void count_alarm(int number) { (void)number; alarms++; }

static void waited_for(void)
{
    int pipes[2], out = new_file("out", "");
    CHECK_OK(pipe(pipes));
    struct sigaction action = {.sa_handler = count_alarm};
    sigaction(SIGALRM, &action, NULL);
    alarms = 0;
    ualarm(20000, 20000);
    CHECK_ERROR(splice(pipes[0], NULL, out, NULL, 10, 0), EINTR);
    ualarm(0, 0);
    CHECK(alarms > 0);
    pid_t pid = fork();
    if (pid == 0) {
        usleep(20000);
        _exit(write(pipes[1], "late", 4) == 4 ? 0 : 1);
    }
    CHECK_EQ(splice(pipes[0], NULL, out, NULL, 10, 0), 4);
    CHECK_EQ(wait_for(pid), 0);
    CHECK_STR(content(out), "late");
    /* Full: vmsplice waits, or does not. */
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(page, 'p', 4096);
    struct iovec parts[2] = {{page, 4096}, {page, 10}};
    int count = 0;
    while (vmsplice(pipes[1], parts, 1, SPLICE_F_NONBLOCK) == 4096) count++;
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(count, 16);
    alarms = 0;
    ualarm(20000, 20000);
    CHECK_ERROR(vmsplice(pipes[1], parts, 1, 0), EINTR);
    ualarm(0, 0);
    while (count--) CHECK_EQ(read(pipes[0], page, 4096), 4096);
    memset(page, 'q', 4096);
    CHECK_EQ(vmsplice(pipes[1], parts, 2, SPLICE_F_GIFT), 4106);
    char text[5000];
    CHECK_EQ(read(pipes[0], text, sizeof text), 4106);
    CHECK(text[0] == 'q' && text[4105] == 'q');
    /* The other way it reads. */
    CHECK_EQ(write(pipes[1], "back", 4), 4);
    parts[0].iov_len = 100;
    CHECK_EQ(vmsplice(pipes[0], parts, 1, 0), 4);
    CHECK(memcmp(page, "back", 4) == 0);
    parts[1].iov_base = NOWHERE;
    CHECK_ERROR(vmsplice(pipes[1], parts + 1, 1, 0), EFAULT);
    CHECK_ERROR(vmsplice(out, parts, 1, 0), EBADF);
    CHECK_ERROR(syscall(SYS_vmsplice, pipes[1], NOWHERE, 1L, 0), EFAULT);
    CHECK_ERROR(syscall(SYS_vmsplice, pipes[1], parts, 1025L, 0), EINVAL);
    CHECK_EQ(vmsplice(pipes[1], parts, 0, 0), 0);
    close(pipes[0]);
    close(pipes[1]);
    close(out);
    munmap(page, 4096);
}

int main(void)
{
    RUN(copied);
    RUN(sent);
    RUN(from_proc);
    RUN(spliced);
    RUN(waited_for);
    return finish();
}
