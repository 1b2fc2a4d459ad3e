/* inotify: what happens to a file is told, in order. */
#include "check.h"
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static char buffer[4096] __attribute__((aligned(8)));
static ssize_t filled, at;
static int watcher;

static struct inotify_event *next_event(void)
{
    if (at >= filled) {
        struct pollfd poller = {.fd = watcher, .events = POLLIN};
        if (poll(&poller, 1, 5000) != 1) return NULL;
        filled = read(watcher, buffer, sizeof buffer);
        at = 0;
        if (filled <= 0) return NULL;
    }
    struct inotify_event *event = (struct inotify_event *)(buffer + at);
    at += (ssize_t)(sizeof *event + event->len);
    return event;
}

static void expect(int watch, uint32_t mask, const char *name)
{
    struct inotify_event *event = next_event();
    REQUIRE(event != NULL);
    CHECK_EQ(event->wd, watch);
    CHECK_EQ(event->mask, mask);
    CHECK_STR(event->len ? event->name : "", name);
}

static void a_directory(void)
{
    watcher = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    REQUIRE(watcher >= 0);
    CHECK_OK(mkdir(temporary("watched"), 0755));
    int watch = inotify_add_watch(watcher, temporary("watched"), IN_CREATE | IN_DELETE | IN_MOVE | IN_CLOSE_WRITE);
    CHECK(watch > 0);
    CHECK_ERROR(read(watcher, buffer, sizeof buffer), EAGAIN);
    write_file(temporary("watched/file"), "x", 1);
    expect(watch, IN_CREATE, "file");
    expect(watch, IN_CLOSE_WRITE, "file");
    CHECK_OK(rename(temporary("watched/file"), temporary("watched/other")));
    struct inotify_event *event = next_event();
    REQUIRE(event != NULL);
    uint32_t cookie = event->cookie;
    CHECK_EQ(event->mask, IN_MOVED_FROM);
    CHECK_STR(event->name, "file");
    event = next_event();
    CHECK_EQ(event->mask, IN_MOVED_TO);
    CHECK_EQ(event->cookie, cookie);
    CHECK_OK(unlink(temporary("watched/other")));
    expect(watch, IN_DELETE, "other");
    CHECK_OK(mkdir(temporary("watched/sub"), 0755));
    expect(watch, IN_CREATE | IN_ISDIR, "sub");
    CHECK_OK(inotify_rm_watch(watcher, watch));
    expect(watch, IN_IGNORED, "");
    CHECK_ERROR(inotify_rm_watch(watcher, watch), EINVAL);
}

static void a_file(void)
{
    write_file(temporary("single"), "", 0);
    CHECK_OK(symlink("single", temporary("link")));
    int watch = inotify_add_watch(watcher, temporary("link"), IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF);
    CHECK(watch > 0);
    int fd = open(temporary("single"), O_WRONLY);
    CHECK_EQ(write(fd, "x", 1), 1);
    expect(watch, IN_MODIFY, "");
    CHECK_OK(fchmod(fd, 0600));
    expect(watch, IN_ATTRIB, "");
    close(fd);
    CHECK_OK(unlink(temporary("single")));
    expect(watch, IN_ATTRIB, "");
    expect(watch, IN_DELETE_SELF, "");
    expect(watch, IN_IGNORED, "");
}

static void errors(void)
{
    CHECK_ERROR(inotify_add_watch(watcher, temporary("missing"), IN_MODIFY), ENOENT);
    CHECK_ERROR(inotify_add_watch(watcher, temporary("watched"), 0), EINVAL);
    CHECK_ERROR(inotify_add_watch(0, temporary("watched"), IN_MODIFY), EINVAL);
    CHECK_ERROR(inotify_init1(0x1234), EINVAL);
}

/* Every use is told once, and looking at a file without opening it is none. */
static void uses(void)
{
    write_file(temporary("used"), "0123456789", 10);
    CHECK_OK(mkdir(temporary("around"), 0755));
    CHECK_OK(symlink("../used", temporary("around/link")));
    int watch = inotify_add_watch(watcher, temporary("used"), IN_ALL_EVENTS);
    struct stat status;
    char text[20];
    CHECK_OK(stat(temporary("used"), &status));
    CHECK_OK(access(temporary("used"), R_OK));
    CHECK_OK(lstat(temporary("around/link"), &status));
    CHECK(readlink(temporary("around/link"), text, sizeof text) > 0);
    int object = open(temporary("around/link"), O_PATH);
    close(object);
    CHECK_ERROR(read(watcher, buffer, sizeof buffer), EAGAIN);
    int fd = open(temporary("around/link"), O_RDONLY);
    expect(watch, IN_OPEN, "");
    CHECK_EQ(read(fd, text, 5), 5);
    expect(watch, IN_ACCESS, "");
    close(fd);
    expect(watch, IN_CLOSE_NOWRITE, "");
    fd = open(temporary("used"), O_RDWR);
    expect(watch, IN_OPEN, "");
    CHECK_OK(ftruncate(fd, 5));
    expect(watch, IN_MODIFY, "");
    close(fd);
    expect(watch, IN_CLOSE_WRITE, "");
    CHECK_OK(truncate(temporary("around/link"), 3));
    expect(watch, IN_MODIFY, "");
    CHECK_OK(chmod(temporary("used"), 0600));
    expect(watch, IN_ATTRIB, "");
    CHECK_OK(utimensat(AT_FDCWD, temporary("used"), NULL, 0));
    expect(watch, IN_ATTRIB, "");
    CHECK_OK(link(temporary("used"), temporary("second-name")));
    expect(watch, IN_ATTRIB, "");
    CHECK_OK(rename(temporary("used"), temporary("moved")));
    expect(watch, IN_MOVE_SELF, "");
    CHECK_OK(inotify_rm_watch(watcher, watch));
    expect(watch, IN_IGNORED, "");
    CHECK_ERROR(read(watcher, buffer, sizeof buffer), EAGAIN);
}

static void flags(void)
{
    CHECK_ERROR(inotify_add_watch(watcher, temporary("moved"), IN_MODIFY | IN_ONLYDIR), ENOTDIR);
    CHECK_OK(symlink("around", temporary("to-around")));
    int link = inotify_add_watch(watcher, temporary("to-around"), IN_ATTRIB | IN_DONT_FOLLOW);
    CHECK_ERROR(inotify_add_watch(watcher, temporary("to-around"), IN_MODIFY | IN_ONLYDIR | IN_DONT_FOLLOW), ENOTDIR);
    int watch = inotify_add_watch(watcher, temporary("to-around"), IN_CREATE | IN_ONLYDIR);
    CHECK(link > 0 && watch > 0 && link != watch);
    /* The same object is the same watch; its mask is replaced, added to, or kept. */
    CHECK_EQ(inotify_add_watch(watcher, temporary("around"), IN_DELETE | IN_MASK_ADD), watch);
    CHECK_ERROR(inotify_add_watch(watcher, temporary("around"), IN_CREATE | IN_MASK_CREATE), EEXIST);
    CHECK_ERROR(inotify_add_watch(watcher, temporary("around"), IN_CREATE | IN_MASK_CREATE | IN_MASK_ADD), EINVAL);
    write_file(temporary("around/file"), "", 0);
    expect(watch, IN_CREATE, "file");
    CHECK_OK(unlink(temporary("around/file")));
    expect(watch, IN_DELETE, "file");
    CHECK_EQ(inotify_add_watch(watcher, temporary("around"), IN_DELETE | IN_ONESHOT), watch);
    write_file(temporary("around/file"), "", 0);
    CHECK_OK(unlink(temporary("around/file")));
    expect(watch, IN_DELETE, "file");
    expect(watch, IN_IGNORED, "");
    CHECK_OK(inotify_rm_watch(watcher, link));
    expect(link, IN_IGNORED, "");
    watch = inotify_add_watch(watcher, temporary("around"), IN_DELETE_SELF | IN_EXCL_UNLINK);
    CHECK_OK(unlink(temporary("around/link")));
    CHECK_OK(rmdir(temporary("around")));
    expect(watch, IN_DELETE_SELF, "");
    expect(watch, IN_IGNORED, "");
}

static void reading(void)
{
    static void *volatile nowhere = (void *)8;
    CHECK_OK(mkdir(temporary("read"), 0755));
    int watch = inotify_add_watch(watcher, temporary("read"), IN_CREATE), waiting = -1;
    write_file(temporary("read/a-name-of-some-length"), "", 0);
    CHECK_OK(ioctl(watcher, FIONREAD, &waiting));
    CHECK_EQ(waiting, sizeof(struct inotify_event) + 32);
    CHECK_ERROR(read(watcher, buffer, 20), EINVAL);
    CHECK_ERROR(read(watcher, nowhere, 1000), EFAULT);
    CHECK_ERROR(write(watcher, "x", 1), EBADF);
    /* What could not be copied is lost, as Linux has it, or still there. */
    while (read(watcher, buffer, sizeof buffer) > 0) continue;
    CHECK_ERROR(inotify_add_watch(watcher, nowhere, IN_CREATE), EFAULT);
    CHECK_ERROR(inotify_add_watch(9999, temporary("read"), IN_CREATE), EBADF);
    CHECK_ERROR(inotify_rm_watch(watcher, 12345), EINVAL);
    CHECK_ERROR(inotify_rm_watch(0, watch), EINVAL);
    /* A child has the same queue. */
    pid_t pid = fork();
    if (pid == 0) {
        write_file(temporary("read/by-the-child"), "", 0);
        _exit(0);
    }
    CHECK_EQ(wait_for(pid), 0);
    expect(watch, IN_CREATE, "by-the-child");
}

int main(void)
{
    RUN(a_directory);
    RUN(a_file);
    RUN(errors);
    RUN(uses);
    RUN(flags);
    RUN(reading);
    return finish();
}
