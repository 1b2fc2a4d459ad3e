/* The space of a file: lengths, holes, far offsets; how it is read and written with flags, directly, ahead. */
#include "check.h"
#include <limits.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

#ifndef FALLOC_FL_KEEP_SIZE
#define FALLOC_FL_KEEP_SIZE 1
#define FALLOC_FL_PUNCH_HOLE 2
#endif
#define FALLOC_FL_COLLAPSE 8
#define FALLOC_FL_ZERO 16
#define FALLOC_FL_INSERT 32
#define NOWHERE ((void *)8)
#define HIPRI 1
#define DSYNC 2
#define SYNC 4
#define NOWAIT 8
#define APPEND 16

static int new_file(const char *name)
{
    int fd = open(temporary(name), O_CREAT | O_TRUNC | O_RDWR, 0644);
    REQUIRE(fd >= 0);
    return fd;
}

static long size_of(int fd)
{
    struct stat status;
    CHECK_OK(fstat(fd, &status));
    return status.st_size;
}

static long blocks_of(int fd)
{
    struct stat status;
    CHECK_OK(fstat(fd, &status));
    return status.st_blocks;
}

static int allocate(int fd, int mode, long offset, long length)
{
    return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

/* Where the file system has no such mode it says so; then nothing follows. */
static int is_served(int result)
{
    if (result == -1 && errno == EOPNOTSUPP) return 0;
    CHECK_EQ(result, 0);
    return 1;
}

static void allocated(void)
{
    int fd = new_file("space"), pipes[2];
    if (!is_served(allocate(fd, 0, 0, 65536))) return;
    CHECK_EQ(size_of(fd), 65536);
    CHECK(blocks_of(fd) >= 128);
    CHECK_OK(allocate(fd, FALLOC_FL_KEEP_SIZE, 65536, 65536));
    CHECK_EQ(size_of(fd), 65536);
    char text[4096];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 16; i++) CHECK_EQ(pwrite(fd, text, 4096, i * 4096), 4096);
    if (is_served(allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 8192))) {
        CHECK_EQ(pread(fd, text, 2, 8191), 2);
        CHECK(text[0] == 'x' && text[1] == 0);
        CHECK_EQ(size_of(fd), 65536);
    }
    if (is_served(allocate(fd, FALLOC_FL_ZERO, 0, 100))) {
        CHECK_EQ(pread(fd, text, 2, 99), 2);
        CHECK(text[0] == 0 && text[1] == 'x');
    }
    if (is_served(allocate(fd, FALLOC_FL_COLLAPSE, 0, 8192))) CHECK_EQ(size_of(fd), 65536 - 8192);
    if (is_served(allocate(fd, FALLOC_FL_INSERT, 4096, 8192))) CHECK_EQ(size_of(fd), 65536);
    CHECK_ERROR(allocate(fd, 0, -1, 10), EINVAL);
    CHECK_ERROR(allocate(fd, 0, 0, 0), EINVAL);
    CHECK_ERROR(allocate(fd, 0, LONG_MAX - 10, 100), EFBIG);
    CHECK_ERROR(allocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10), EOPNOTSUPP);
    CHECK_ERROR(allocate(fd, FALLOC_FL_COLLAPSE | FALLOC_FL_KEEP_SIZE, 0, 4096), EOPNOTSUPP);
    CHECK_ERROR(allocate(fd, 0x10000, 0, 10), EOPNOTSUPP);
    int read_only = open(temporary("space"), O_RDONLY), folder = open(temporary(""), O_RDONLY);
    CHECK_ERROR(allocate(read_only, 0, 0, 10), EBADF);
    CHECK_ERROR(allocate(folder, 0, 0, 10), EBADF);
    CHECK_OK(pipe(pipes));
    CHECK_ERROR(allocate(pipes[1], 0, 0, 10), ESPIPE);
    close(pipes[0]);
    close(pipes[1]);
    close(read_only);
    close(folder);
    close(fd);
}

static volatile int caught;
static void count_signal(int number) { caught = number; }

static void lengths(void)
{
    int fd = new_file("lengths");
    const char *path = temporary("lengths");
    CHECK_EQ(write(fd, "0123456789", 10), 10);
    CHECK_OK(truncate(path, 0x100000000L));
    CHECK_EQ(size_of(fd), 0x100000000L);
    CHECK_OK(ftruncate(fd, 3));
    CHECK_ERROR(truncate(path, -1), EINVAL);
    CHECK(truncate(path, LONG_MAX) == -1 && (errno == EFBIG || errno == EINVAL));
    CHECK(ftruncate(fd, LONG_MAX) == -1 && (errno == EFBIG || errno == EINVAL));
    CHECK_EQ(size_of(fd), 3);
    CHECK_ERROR(truncate(temporary("nothing"), 1), ENOENT);
    CHECK_ERROR(truncate(temporary("lengths/x"), 1), ENOTDIR);
    CHECK_ERROR(syscall(SYS_truncate, NOWHERE, 1L), EFAULT);
    CHECK_OK(symlink("lengths", temporary("lengths-link")));
    CHECK_OK(truncate(temporary("lengths-link"), 5));
    CHECK_EQ(size_of(fd), 5);
    CHECK_OK(mkfifo(temporary("lengths-fifo"), 0600));
    CHECK_ERROR(truncate(temporary("lengths-fifo"), 0), EINVAL);
    CHECK_ERROR(ftruncate(9999, 0), EBADF);
    CHECK_ERROR(truncate("/dev/null", 0), EINVAL);
    /* Set-user-ID goes away with a change by who is not its owner only when it is executable, times change. */
    struct timespec old[2] = {{1, 0}, {1, 0}};
    CHECK_OK(futimens(fd, old));
    CHECK_OK(ftruncate(fd, 5));
    struct stat status;
    CHECK_OK(fstat(fd, &status));
    CHECK(status.st_mtim.tv_sec > 1);
    /* A limit: the signal, or EFBIG; up to it, a part. */
    struct rlimit limit = {1000, RLIM_INFINITY}, before;
    CHECK_OK(getrlimit(RLIMIT_FSIZE, &before));
    limit.rlim_max = before.rlim_max;
    CHECK_OK(setrlimit(RLIMIT_FSIZE, &limit));
    signal(SIGXFSZ, count_signal);
    char text[100] = "";
    CHECK_EQ(pwrite(fd, text, 100, 950), 50);
    CHECK_EQ(caught, 0);
    CHECK_ERROR(pwrite(fd, text, 1, 1000), EFBIG);
    CHECK_EQ(caught, SIGXFSZ);
    caught = 0;
    CHECK_ERROR(ftruncate(fd, 1001), EFBIG);
    CHECK_EQ(caught, SIGXFSZ);
    caught = 0;
    CHECK_ERROR(truncate(path, 1001), EFBIG);
    CHECK_EQ(caught, SIGXFSZ);
    CHECK_OK(setrlimit(RLIMIT_FSIZE, &before));
    close(fd);
}

static void far_away(void)
{
    int fd = new_file("far");
    char text[10] = "";
    long far = 0x200000000L;
    CHECK_EQ(pwrite(fd, "far", 3, far), 3);
    CHECK_EQ(size_of(fd), far + 3);
    CHECK_EQ(lseek(fd, far, SEEK_SET), far);
    CHECK_EQ(read(fd, text, 10), 3);
    CHECK_STR(text, "far");
    CHECK_EQ(lseek(fd, 0, SEEK_HOLE), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_DATA) / 65536, far / 65536);
    CHECK_EQ(lseek(fd, far, SEEK_HOLE), far + 3);
    CHECK_ERROR(lseek(fd, far + 3, SEEK_DATA), ENXIO);
    CHECK_ERROR(lseek(fd, far + 3, SEEK_HOLE), ENXIO);
    CHECK_ERROR(lseek(fd, LONG_MAX, SEEK_SET), EINVAL);
    CHECK_ERROR(lseek(fd, LONG_MAX, SEEK_CUR), EINVAL);
    CHECK_ERROR(pwrite(fd, "x", 1, LONG_MAX), EINVAL);
    CHECK_EQ(pread(fd, text, 1, 0x3fffffffffffL), 0);
    /* So much at once that the kernel cuts it, which a length beyond all memory does not reach. */
    CHECK_ERROR(syscall(SYS_pread64, fd, NOWHERE, 10L, far), EFAULT);
    CHECK_ERROR(syscall(SYS_pwrite64, fd, NOWHERE, 10L, 0L), EFAULT);
    CHECK_ERROR(syscall(SYS_write, fd, text, -1L), EFAULT);
    close(fd);
}

/* What is there before the page that is missing is done; the offset says how much. */
static void partly(void)
{
    int fd = new_file("partly");
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK_OK(munmap(pages + 4096, 4096));
    memset(pages, 'w', 4096);
    ssize_t written = write(fd, pages + 4000, 200);
    CHECK(written == 96 || (written == -1 && errno == EFAULT));
    CHECK_EQ(ftruncate(fd, 200), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    ssize_t count = read(fd, pages + 4000, 200);
    CHECK_EQ(count, 96);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 96);
    struct iovec parts[2] = {{pages + 4000, 96}, {pages + 4096, 10}};
    CHECK_EQ(pwritev(fd, parts, 2, 0), 96);
    parts[0].iov_base = pages + 4096;
    CHECK_ERROR(pwritev(fd, parts, 2, 0), EFAULT);
    CHECK_ERROR(preadv(fd, parts, 2, 0), EFAULT);
    parts[0].iov_len = (size_t)-1;
    CHECK_ERROR(preadv(fd, parts, 2, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_readv, fd, parts, 1025L), EINVAL);
    CHECK_ERROR(syscall(SYS_readv, fd, parts, -1L), EINVAL);
    CHECK_ERROR(syscall(SYS_readv, fd, NOWHERE, 1L), EFAULT);
    munmap(pages, 4096);
    close(fd);
}

static long with_flags(int number, int fd, const char *text, size_t size, long offset, int flags)
{
    struct iovec part = {(void *)(uintptr_t)text, size};
    return syscall(number, fd, &part, 1L, offset, 0L, flags);
}

static void by_flags(void)
{
    int fd = new_file("flags"), pipes[2];
    char text[20] = "";
    CHECK_EQ(with_flags(SYS_pwritev2, fd, "0123456789", 10, 0, DSYNC), 10);
    CHECK_EQ(with_flags(SYS_pwritev2, fd, "ab", 2, -1, SYNC), 2);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 2);
    CHECK_EQ(with_flags(SYS_pwritev2, fd, "end", 3, 0, APPEND), 3);
    CHECK_EQ(size_of(fd), 13);
    CHECK_EQ(with_flags(SYS_preadv2, fd, text, 20, 0, HIPRI), 13);
    CHECK_STR(text, "ab23456789end");
    CHECK_EQ(with_flags(SYS_preadv2, fd, text, 3, -1, 0), 3);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
    long result = with_flags(SYS_preadv2, fd, text, 3, 0, NOWAIT);
    CHECK(result == 3 || (result == -1 && (errno == EAGAIN || errno == EOPNOTSUPP)));
    CHECK_ERROR(with_flags(SYS_preadv2, fd, text, 3, 0, 0x40000000), EOPNOTSUPP);
    CHECK_ERROR(with_flags(SYS_preadv2, fd, text, 3, -2, 0), EINVAL);
    CHECK_ERROR(with_flags(SYS_preadv2, fd, NOWHERE, 3, 0, 0), EFAULT);
    CHECK_OK(pipe(pipes));
    CHECK_ERROR(with_flags(SYS_preadv2, pipes[0], text, 3, -1, NOWAIT), EAGAIN);
    CHECK_ERROR(with_flags(SYS_preadv2, pipes[0], text, 3, 0, 0), ESPIPE);
    close(pipes[0]);
    close(pipes[1]);
    close(fd);
}

static void advised(void)
{
    int fd = new_file("advice"), pipes[2];
    char text[8192] = "";
    CHECK_EQ(write(fd, text, sizeof text), sizeof text);
    CHECK_OK(syscall(SYS_readahead, fd, 0L, 4096L));
    int write_only = open(temporary("advice"), O_WRONLY);
    CHECK_ERROR(syscall(SYS_readahead, write_only, 0L, 4096L), EBADF);
    CHECK_OK(pipe(pipes));
    CHECK_ERROR(syscall(SYS_readahead, pipes[0], 0L, 10L), EINVAL);
    for (int advice = 0; advice <= 5; advice++) CHECK_OK(syscall(SYS_fadvise64, fd, 0L, 0L, advice));
    CHECK_ERROR(syscall(SYS_fadvise64, fd, 0L, 0L, 77), EINVAL);
    CHECK_ERROR(syscall(SYS_fadvise64, fd, 0L, -1L, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_fadvise64, pipes[0], 0L, 0L, 0), ESPIPE);
    CHECK_ERROR(syscall(SYS_fadvise64, 9999, 0L, 0L, 0), EBADF);
    CHECK_OK(syscall(SYS_sync_file_range, fd, 0L, 0L, 7));
    CHECK_OK(syscall(SYS_sync_file_range, fd, 0L, 4096L, 2));
    CHECK_ERROR(syscall(SYS_sync_file_range, fd, 0L, 0L, 8), EINVAL);
    CHECK_ERROR(syscall(SYS_sync_file_range, fd, -1L, 0L, 2), EINVAL);
    CHECK_ERROR(syscall(SYS_sync_file_range, pipes[0], 0L, 0L, 2), ESPIPE);
    CHECK_OK(syncfs(fd));
    CHECK_ERROR(syncfs(9999), EBADF);
    CHECK_ERROR(fsync(pipes[0]), EINVAL);
    /* cachestat: pages in the cache, dirty ones, ... */
    unsigned long range[2] = {0, 8192}, state[5] = {77, 77, 77, 77, 77};
    long result = syscall(451, fd, range, state, 0);
    if (result == -1 && (errno == ENOSYS || errno == EOPNOTSUPP)) return;
    CHECK_EQ(result, 0);
    CHECK(state[0] <= 2);
    CHECK_ERROR(syscall(451, fd, range, state, 1), EINVAL);
    CHECK_ERROR(syscall(451, fd, NOWHERE, state, 0), EFAULT);
    CHECK_ERROR(syscall(451, fd, range, NOWHERE, 0), EFAULT);
    CHECK_ERROR(syscall(451, 9999, range, state, 0), EBADF);
    close(write_only);
    close(pipes[0]);
    close(pipes[1]);
    close(fd);
}

static void directly(void)
{
    int fd = open(temporary("direct"), O_CREAT | O_RDWR | O_DIRECT, 0600);
    if (fd == -1 && errno == EINVAL) return;
    REQUIRE(fd >= 0);
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(page, 'd', 4096);
    CHECK_EQ(write(fd, page, 4096), 4096);
    memset(page, 0, 4096);
    CHECK_EQ(pread(fd, page, 4096, 0), 4096);
    CHECK(page[0] == 'd' && page[4095] == 'd');
    ssize_t count = pread(fd, page + 1, 4096, 0);
    CHECK(count == 4096 || (count == -1 && errno == EINVAL));
    CHECK_EQ(fcntl(fd, F_GETFL) & O_DIRECT, O_DIRECT);
    CHECK_OK(fcntl(fd, F_SETFL, 0));
    CHECK_EQ(pread(fd, page, 5, 1), 5);
    close(fd);
    munmap(page, 8192);
}

int main(void)
{
    RUN(allocated);
    RUN(lengths);
    RUN(far_away);
    RUN(partly);
    RUN(by_flags);
    RUN(advised);
    RUN(directly);
    return finish();
}
