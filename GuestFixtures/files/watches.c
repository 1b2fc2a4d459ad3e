/* inotify: what happens to a file is told, in order. */
#include "check.h"
#include <poll.h>
#include <sys/inotify.h>
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

int main(void)
{
    RUN(a_directory);
    RUN(a_file);
    RUN(errors);
    return finish();
}
