/* Reading, writing, seeking, truncating, copying. */
#include "check.h"
#include <sys/ioctl.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>

static int new_file(const char *name)
{
    int fd = open(temporary(name), O_CREAT | O_TRUNC | O_RDWR, 0644);
    REQUIRE(fd >= 0);
    return fd;
}

static void offsets(void)
{
    int fd = new_file("offsets");
    char text[20] = "";
    CHECK_EQ(write(fd, "0123456789", 10), 10);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
    CHECK_EQ(lseek(fd, -3, SEEK_END), 7);
    CHECK_EQ(read(fd, text, 10), 3);
    CHECK_STR(text, "789");
    CHECK_EQ(read(fd, text, 10), 0);
    CHECK_EQ(pread(fd, text, 3, 2), 3);
    CHECK(memcmp(text, "234", 3) == 0);
    CHECK_EQ(pwrite(fd, "AB", 2, 4), 2);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
    CHECK_ERROR(lseek(fd, -1, SEEK_SET), EINVAL);
    CHECK_ERROR(lseek(fd, 0, 99), EINVAL);
    CHECK_ERROR(pread(fd, text, 1, -1), EINVAL);
    CHECK_EQ(lseek(fd, 100, SEEK_SET), 100);
    CHECK_EQ(write(fd, "X", 1), 1);
    CHECK_EQ(pread(fd, text, 1, 50), 1);
    CHECK_EQ(text[0], 0);
    int pipes[2];
    CHECK_OK(pipe(pipes));
    CHECK_ERROR(lseek(pipes[0], 0, SEEK_CUR), ESPIPE);
    CHECK_ERROR(pread(pipes[0], text, 1, 0), ESPIPE);
    CHECK_ERROR(read(fd + 100, text, 1), EBADF);
    int write_only = open(temporary("offsets"), O_WRONLY);
    CHECK_ERROR(read(write_only, text, 1), EBADF);
    close(fd);
    close(write_only);
}

static void vectors(void)
{
    int fd = new_file("vectors");
    char one[4] = "", two[4] = "", three[10] = "";
    struct iovec out[3] = {{"abc", 3}, {"", 0}, {"defg", 4}}, in[3] = {{one, 2}, {two, 3}, {three, 9}};
    CHECK_EQ(writev(fd, out, 3), 7);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(readv(fd, in, 3), 7);
    CHECK_STR(one, "ab");
    CHECK_STR(two, "cde");
    CHECK_STR(three, "fg");
    CHECK_EQ(pwritev(fd, out, 3, 10), 7);
    memset(three, 0, sizeof three);
    CHECK_EQ(preadv(fd, in + 2, 1, 10), 7);
    CHECK_STR(three, "abcdefg");
    CHECK_EQ(writev(fd, out, 0), 0);
    close(fd);
}

static void appending(void)
{
    int fd = open(temporary("append"), O_CREAT | O_RDWR | O_APPEND, 0644);
    CHECK_EQ(write(fd, "one", 3), 3);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(write(fd, "two", 3), 3);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 6);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_APPEND, O_APPEND);
    CHECK_OK(fcntl(fd, F_SETFL, 0));
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(write(fd, "T", 1), 1);
    char text[7] = "";
    CHECK_EQ(pread(fd, text, 6, 0), 6);
    CHECK_STR(text, "Tnetwo");
    close(fd);
}

static void truncating(void)
{
    int fd = new_file("truncate");
    struct stat status;
    CHECK_EQ(write(fd, "0123456789", 10), 10);
    CHECK_OK(ftruncate(fd, 4));
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(status.st_size, 4);
    CHECK_OK(truncate(temporary("truncate"), 8));
    char text[8];
    CHECK_EQ(pread(fd, text, 8, 0), 8);
    CHECK(memcmp(text, "0123\0\0\0\0", 8) == 0);
    CHECK_ERROR(ftruncate(fd, -1), EINVAL);
    CHECK_ERROR(truncate(temporary("missing"), 0), ENOENT);
    CHECK_ERROR(truncate(temporary(""), 0), EISDIR);
    int read_only = open(temporary("truncate"), O_RDONLY);
    CHECK_ERROR(ftruncate(read_only, 0), EINVAL);
    close(open(temporary("truncate"), O_WRONLY | O_TRUNC));
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(status.st_size, 0);
    close(fd);
}

static void removed_while_open(void)
{
    int fd = new_file("removed");
    struct stat status;
    CHECK_OK(unlink(temporary("removed")));
    CHECK_EQ(write(fd, "still", 5), 5);
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(status.st_nlink, 0);
    char text[6] = "";
    CHECK_EQ(pread(fd, text, 5, 0), 5);
    CHECK_STR(text, "still");
    /* And by its descriptor it can be opened again. */
    char path[50];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, O_RDONLY);
    CHECK_OK(again);
    CHECK_EQ(read(again, text, 5), 5);
    close(fd);
    close(again);
}

static void holes_and_space(void)
{
    int fd = new_file("holes");
    struct stat status;
    CHECK_OK(ftruncate(fd, 1 << 20));
    CHECK_EQ(pwrite(fd, "x", 1, 512 << 10), 1);
    CHECK_EQ(lseek(fd, 0, SEEK_DATA), 512 << 10);
    CHECK_EQ(lseek(fd, 0, SEEK_HOLE), 0);
    CHECK_ERROR(lseek(fd, 2 << 20, SEEK_DATA), ENXIO);
    int result = (int)syscall(SYS_fallocate, fd, 0, 0L, 2L << 20);
    if (result == 0) {
        CHECK_OK(fstat(fd, &status));
        CHECK_EQ(status.st_size, 2 << 20);
    } else {
        CHECK_EQ(errno, EOPNOTSUPP);
    }
    CHECK_OK(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
    CHECK_OK(fsync(fd));
    CHECK_OK(fdatasync(fd));
    close(fd);
}

static void copies_in_the_kernel(void)
{
    int in = new_file("source"), out = new_file("target"), pipes[2];
    CHECK_EQ(write(in, "0123456789", 10), 10);
    off_t offset = 2;
    CHECK_EQ(sendfile(out, in, &offset, 5), 5);
    CHECK_EQ(offset, 7);
    char text[11] = "";
    CHECK_EQ(pread(out, text, 10, 0), 5);
    CHECK_STR(text, "23456");
    long from = 0, to = 5;
    CHECK_EQ(syscall(SYS_copy_file_range, in, &from, out, &to, 5L, 0), 5);
    CHECK_EQ(from, 5);
    CHECK_EQ(pread(out, text, 10, 0), 10);
    CHECK_STR(text, "2345601234");
    CHECK_OK(pipe(pipes));
    from = 8;
    CHECK_EQ(syscall(SYS_splice, in, &from, pipes[1], NULL, 10L, 0), 2);
    CHECK_EQ(read(pipes[0], text, 10), 2);
    CHECK(memcmp(text, "89", 2) == 0);
    struct iovec part = {"page", 4};
    CHECK_EQ(syscall(SYS_vmsplice, pipes[1], &part, 1L, 0), 4);
    CHECK_EQ(read(pipes[0], text, 10), 4);
    CHECK(memcmp(text, "page", 4) == 0);
    close(in);
    close(out);
}

static void locks(void)
{
    int fd = new_file("locks");
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5};
    CHECK_OK(fcntl(fd, F_SETLK, &lock));
    CHECK_OK(flock(fd, LOCK_EX | LOCK_NB));
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        check_failures = 0;
        struct flock other = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 12, .l_len = 1};
        CHECK_ERROR(fcntl(fd, F_SETLK, &other), EAGAIN);
        CHECK_OK(fcntl(fd, F_GETLK, &other));
        CHECK_EQ(other.l_type, F_WRLCK);
        CHECK_EQ(other.l_pid, parent);
        CHECK_EQ(other.l_start, 10);
        int own = open(temporary("locks"), O_RDWR);
        CHECK_ERROR(flock(own, LOCK_SH | LOCK_NB), EWOULDBLOCK);
        _exit(check_failures != 0);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_OK(flock(fd, LOCK_UN));
    lock.l_type = F_UNLCK;
    CHECK_OK(fcntl(fd, F_SETLK, &lock));
    close(fd);
}

static void requests(void)
{
    int fd = new_file("requests"), count = -1, pipes[2];
    CHECK_EQ(write(fd, "0123456789", 10), 10);
    lseek(fd, 4, SEEK_SET);
    CHECK_OK(ioctl(fd, FIONREAD, &count));
    CHECK_EQ(count, 6);
    CHECK_OK(pipe(pipes));
    CHECK_EQ(write(pipes[1], "abc", 3), 3);
    CHECK_OK(ioctl(pipes[0], FIONREAD, &count));
    CHECK_EQ(count, 3);
    int on = 1;
    CHECK_OK(ioctl(pipes[0], FIONBIO, &on));
    CHECK_EQ(fcntl(pipes[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    CHECK_OK(ioctl(fd, FIOCLEX));
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_ERROR(isatty(fd) ? 0 : (errno = ENOTTY, -1), ENOTTY);
    CHECK_ERROR(ioctl(fd, TIOCGWINSZ, &count), ENOTTY);
    CHECK_ERROR(ioctl(-1, FIONREAD, &count), EBADF);
    close(fd);
}

int main(void)
{
    RUN(offsets);
    RUN(vectors);
    RUN(appending);
    RUN(truncating);
    RUN(removed_while_open);
    RUN(holes_and_space);
    RUN(copies_in_the_kernel);
    RUN(locks);
    RUN(requests);
    return finish();
}
