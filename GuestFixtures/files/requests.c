/* ioctl(2) on files, pipes, terminals and devices: what is served, how large what is behind the pointer is, what is not. */
#include "check.h"
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/random.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define INOTTY 0x12345678
static void *volatile nowhere = (void *)8;

static int new_file(const char *name)
{
    int fd = open(temporary(name), O_CREAT | O_TRUNC | O_RDWR, 0644);
    REQUIRE(fd >= 0);
    return fd;
}

static void on_descriptors(void)
{
    int pipes[2], on = 1, off = 0, count = -1;
    CHECK_OK(pipe(pipes));
    CHECK_OK(ioctl(pipes[0], FIOCLEX));
    CHECK_EQ(fcntl(pipes[0], F_GETFD), FD_CLOEXEC);
    CHECK_OK(ioctl(pipes[0], FIONCLEX));
    CHECK_EQ(fcntl(pipes[0], F_GETFD), 0);
    CHECK_OK(ioctl(pipes[0], FIONBIO, &on));
    CHECK_EQ(fcntl(pipes[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    CHECK_OK(ioctl(pipes[0], FIONBIO, &off));
    CHECK_EQ(fcntl(pipes[0], F_GETFL) & O_NONBLOCK, 0);
    CHECK_ERROR(ioctl(pipes[0], FIONBIO, nowhere), EFAULT);
    CHECK_OK(ioctl(pipes[0], FIOASYNC, &on));
    CHECK_EQ(fcntl(pipes[0], F_GETFL) & O_ASYNC, O_ASYNC);
    CHECK_OK(ioctl(pipes[0], FIOASYNC, &off));
    CHECK_EQ(write(pipes[1], "12345", 5), 5);
    CHECK_OK(ioctl(pipes[0], FIONREAD, &count));
    CHECK_EQ(count, 5);
    CHECK_ERROR(ioctl(pipes[0], FIONREAD, nowhere), EFAULT);
    CHECK_ERROR(ioctl(pipes[0], INOTTY, &count), ENOTTY);
    CHECK_ERROR(ioctl(9999, INOTTY, &count), EBADF);
    CHECK_ERROR(ioctl(9999, FIONREAD, &count), EBADF);
    /* The size of a word below the end of a page. */
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(pages + 4096, 4096);
    CHECK_OK(ioctl(pipes[0], FIONREAD, pages + 4092));
    CHECK_ERROR(ioctl(pipes[0], FIONREAD, pages + 4096), EFAULT);
    munmap(pages, 4096);
    close(pipes[0]);
    close(pipes[1]);
}

static void on_files(void)
{
    int fd = new_file("file"), size = -1;
    CHECK_EQ(write(fd, "0123456789", 10), 10);
    CHECK_OK(ioctl(fd, FIGETBSZ, &size));
    struct stat status;
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(size, status.st_blksize);
    long long bytes = -1;
    CHECK_OK(ioctl(fd, 0x5460 /* FIOQSIZE */, &bytes));
    CHECK(bytes >= 0);
    CHECK_ERROR(ioctl(fd, TIOCGWINSZ, &bytes), ENOTTY);
    CHECK_ERROR(ioctl(fd, BLKGETSIZE64, &bytes), ENOTTY);
    /* Attributes of the file system. */
    int flags = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
        flags |= FS_NODUMP_FL;
        CHECK_OK(ioctl(fd, FS_IOC_SETFLAGS, &flags));
        flags = 0;
        CHECK_OK(ioctl(fd, FS_IOC_GETFLAGS, &flags));
        CHECK_EQ(flags & FS_NODUMP_FL, FS_NODUMP_FL);
        CHECK_ERROR(ioctl(fd, FS_IOC_GETFLAGS, nowhere), EFAULT);
    } else {
        CHECK(errno == ENOTTY || errno == EOPNOTSUPP);
    }
    struct fsxattr more = {0};
    if (ioctl(fd, FS_IOC_FSGETXATTR, &more) == 0) {
        CHECK_EQ(more.fsx_xflags & FS_XFLAG_NODUMP, FS_XFLAG_NODUMP);
        CHECK_OK(ioctl(fd, FS_IOC_FSSETXATTR, &more));
        CHECK_ERROR(ioctl(fd, FS_IOC_FSGETXATTR, nowhere), EFAULT);
    }
    int version = 0;
    if (ioctl(fd, FS_IOC_GETVERSION, &version) == -1) CHECK(errno == ENOTTY || errno == EOPNOTSUPP);
    close(fd);
}

static void where_the_file_lies(void)
{
    int fd = new_file("extents");
    char data[4096];
    memset(data, 'x', sizeof data);
    CHECK_EQ(pwrite(fd, data, sizeof data, 0), 4096);
    CHECK_EQ(pwrite(fd, data, sizeof data, 1 << 20), 4096);
    CHECK_OK(fsync(fd));
    union { struct fiemap map; char space[sizeof(struct fiemap) + 4 * sizeof(struct fiemap_extent)]; } request;
    memset(&request, 0, sizeof request);
    request.map.fm_length = FIEMAP_MAX_OFFSET;
    int result = ioctl(fd, FS_IOC_FIEMAP, &request);
    if (result == -1) {
        CHECK(errno == ENOTTY || errno == EOPNOTSUPP);
        close(fd);
        return;
    }
    CHECK_EQ(request.map.fm_mapped_extents, 2);
    request.map.fm_extent_count = 4;
    CHECK_OK(ioctl(fd, FS_IOC_FIEMAP, &request));
    CHECK_EQ(request.map.fm_mapped_extents, 2);
    struct fiemap_extent *extents = (void *)(request.space + sizeof(struct fiemap));
    CHECK_EQ(extents[0].fe_logical, 0);
    CHECK_EQ(extents[1].fe_logical, 1 << 20);
    CHECK_EQ(extents[1].fe_flags & FIEMAP_EXTENT_LAST, FIEMAP_EXTENT_LAST);
    CHECK_ERROR(ioctl(fd, FS_IOC_FIEMAP, nowhere), EFAULT);
    request.map.fm_extent_count = 0x7fffffff;
    CHECK_ERROR(ioctl(fd, FS_IOC_FIEMAP, &request), EINVAL);
    close(fd);
}

/* Copies that share: with file systems that cannot, the errors are what counts. */
static void clones(void)
{
    int in = new_file("original"), out = new_file("clone"), pipes[2];
    CHECK_OK(pipe(pipes));
    CHECK_EQ(write(in, "content", 7), 7);
    int result = ioctl(out, FICLONE, in);
    CHECK(result == 0 || errno == EOPNOTSUPP || errno == EXDEV || errno == ENOTTY);
    CHECK_ERROR(ioctl(out, FICLONE, 9999), EBADF);
    CHECK_ERROR(ioctl(out, FICLONE, -1), EBADF);
    struct file_clone_range range = {.src_fd = in, .src_length = 0};
    int second = ioctl(out, FICLONERANGE, &range);
    CHECK_EQ(second, result);
    range.src_fd = 9999;
    CHECK_ERROR(ioctl(out, FICLONERANGE, &range), EBADF);
    range.src_fd = -1;
    CHECK_ERROR(ioctl(out, FICLONERANGE, &range), EBADF);
    CHECK_ERROR(ioctl(out, FICLONERANGE, nowhere), EFAULT);
    union { struct file_dedupe_range head; char space[sizeof(struct file_dedupe_range) + 2 * sizeof(struct file_dedupe_range_info)]; } same;
    memset(&same, 0, sizeof same);
    same.head.src_length = 7;
    same.head.dest_count = 2;
    struct file_dedupe_range_info *places = (void *)(same.space + sizeof(struct file_dedupe_range));
    places[0].dest_fd = out;
    places[1].dest_fd = 9999;
    result = ioctl(in, FIDEDUPERANGE, &same);
    if (result == 0) {
        CHECK(places[0].status <= 0);
        CHECK_EQ(places[1].status, -EBADF);
    } else {
        CHECK(errno == EOPNOTSUPP || errno == EINVAL || errno == ENOTTY);
    }
    CHECK_EQ(places[1].dest_fd, 9999);
    CHECK_ERROR(ioctl(in, FIDEDUPERANGE, nowhere), EFAULT);
    same.head.dest_count = 1000;
    CHECK_ERROR(ioctl(in, FIDEDUPERANGE, &same), ENOMEM);
    close(in);
    close(out);
    close(pipes[0]);
    close(pipes[1]);
}

static void on_devices(void)
{
    int fd = open("/dev/urandom", O_RDONLY), count = -1;
    CHECK_OK(ioctl(fd, RNDGETENTCNT, &count));
    CHECK(count > 0);
    CHECK_ERROR(ioctl(fd, RNDGETENTCNT, nowhere), EFAULT);
    close(fd);
    fd = open("/dev/null", O_RDWR);
    CHECK_ERROR(ioctl(fd, TIOCGWINSZ, &count), ENOTTY);
    CHECK_ERROR(ioctl(fd, INOTTY, nowhere), ENOTTY);
    close(fd);
}

static void on_terminals(void)
{
    int terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), lock = -1, number = -1;
    REQUIRE(terminal >= 0);
    CHECK_OK(ioctl(terminal, TIOCGPTN, &number));
    CHECK(number >= 0);
    CHECK_OK(ioctl(terminal, 0x80045439 /* TIOCGPTLCK */, &lock));
    CHECK_EQ(lock, 1);
    lock = 0;
    CHECK_OK(ioctl(terminal, TIOCSPTLCK, &lock));
    int line = ioctl(terminal, 0x5441 /* TIOCGPTPEER */, O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK_OK(line);
    CHECK_EQ(fcntl(line, F_GETFD), FD_CLOEXEC);
    CHECK(isatty(line));
    struct winsize size = {30, 100, 7, 8}, seen;
    CHECK_OK(ioctl(terminal, TIOCSWINSZ, &size));
    CHECK_OK(ioctl(line, TIOCGWINSZ, &seen));
    CHECK(memcmp(&size, &seen, sizeof size) == 0);
    CHECK_ERROR(ioctl(line, TIOCGWINSZ, nowhere), EFAULT);
    CHECK_ERROR(ioctl(line, TIOCSWINSZ, nowhere), EFAULT);
    /* struct termios2, whose size is another than the library's. */
    char old[64], modes[64];
    memset(modes, 0x55, sizeof modes);
    CHECK_OK(ioctl(line, 0x802c542a /* TCGETS2 */, modes));
    CHECK_EQ(modes[44], 0x55);
    CHECK_OK(ioctl(line, 0x402c542b /* TCSETS2 */, modes));
    memset(old, 0x55, sizeof old);
    CHECK_OK(ioctl(line, 0x5401 /* TCGETS */, old));
    CHECK_EQ(old[36], 0x55);
    CHECK(memcmp(old, modes, 17) == 0);
    CHECK_ERROR(ioctl(line, 0x802c542a, nowhere), EFAULT);
    /* Raw, so that bytes come as they are; counted on both sides. */
    int flags;
    memcpy(&flags, old + 12, sizeof flags);
    flags &= ~(0000002 | 0000010);
    memcpy(old + 12, &flags, sizeof flags);
    CHECK_OK(ioctl(line, 0x5402 /* TCSETS */, old));
    CHECK_EQ(write(terminal, "abc", 3), 3);
    int count = 0;
    for (int i = 0; i < 1000 && count < 3; i++) {
        CHECK_OK(ioctl(line, FIONREAD, &count));
        usleep(1000);
    }
    CHECK_EQ(count, 3);
    CHECK_OK(ioctl(line, TCFLSH, 0));
    CHECK_OK(ioctl(line, FIONREAD, &count));
    CHECK_EQ(count, 0);
    CHECK_OK(ioctl(line, TIOCOUTQ, &count));
    CHECK_OK(ioctl(line, TCSBRK, 1));
    CHECK_OK(ioctl(line, TIOCEXCL));
    CHECK_OK(ioctl(line, 0x80045440 /* TIOCGEXCL */, &count));
    CHECK_EQ(count, 1);
    CHECK_OK(ioctl(line, TIOCNXCL));
    /* Packet mode: a byte before the data says what happened. */
    int on = 1;
    char packet[10];
    CHECK_OK(ioctl(terminal, TIOCPKT, &on));
    CHECK_OK(ioctl(terminal, 0x80045438 /* TIOCGPKT */, &count));
    CHECK_EQ(count, 1);
    CHECK_EQ(write(line, "x", 1), 1);
    CHECK_EQ(read(terminal, packet, sizeof packet), 2);
    CHECK_EQ(packet[0], 0);
    CHECK_EQ(packet[1], 'x');
    CHECK_OK(ioctl(line, TCXONC, 0));
    CHECK_EQ(read(terminal, packet, sizeof packet), 1);
    CHECK_EQ(packet[0], 4);
    CHECK_OK(ioctl(line, TCXONC, 1));
    CHECK_ERROR(ioctl(line, TIOCGPTN, &number), ENOTTY);
    CHECK_ERROR(ioctl(line, INOTTY, &number), ENOTTY);
    int leader = -1;
    CHECK_ERROR(ioctl(line, TIOCGPGRP, &leader), ENOTTY);
    CHECK_ERROR(ioctl(line, TIOCGSID, &leader), ENOTTY);
    close(line);
    close(terminal);
}

int main(void)
{
    RUN(on_descriptors);
    RUN(on_files);
    RUN(where_the_file_lies);
    RUN(clones);
    RUN(on_devices);
    RUN(on_terminals);
    return finish();
}
