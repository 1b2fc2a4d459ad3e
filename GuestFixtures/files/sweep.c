/* Every command of fcntl(2) and the requests of terminals and files, asked of every kind of descriptor: what each answers is
 * printed, so that a run can be compared with another one. */
#include "check.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

static int opened(int kind, const char **name)
{
    int pair[2];
    sigset_t set;
    sigemptyset(&set);
    switch (kind) {
    case 0: *name = "file"; return open(temporary("file"), O_RDWR | O_CREAT, 0600);
    case 1: *name = "directory"; return open(temporary(""), O_RDONLY | O_DIRECTORY);
    case 2: *name = "path"; return open(temporary("file"), O_PATH);
    case 3: *name = "reading end"; return pipe(pair) == 0 ? pair[0] : -1;
    case 4: *name = "writing end"; return pipe(pair) == 0 ? pair[1] : -1;
    case 5: *name = "socket"; return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 ? pair[0] : -1;
    case 6: *name = "memory"; return memfd_create("m", MFD_ALLOW_SEALING);
    case 7: *name = "event"; return eventfd(0, EFD_NONBLOCK);
    case 8: *name = "timer"; return timerfd_create(CLOCK_MONOTONIC, 0);
    case 9: *name = "signals"; return signalfd(-1, &set, 0);
    case 10: *name = "epoll"; return epoll_create1(0);
    case 11: *name = "watcher"; return inotify_init1(0);
    case 12: *name = "null"; return open("/dev/null", O_RDWR);
    case 13: *name = "zero"; return open("/dev/zero", O_RDWR);
    case 14: *name = "terminal"; return open("/dev/ptmx", O_RDWR | O_NOCTTY);
    case 15: *name = "number"; return 9999;
    default: *name = NULL; return -1;
    }
}

static void show(const char *kind, const char *what, unsigned long number, long result)
{
    printf("%s %s %lx: %s\n", kind, what, number, result == -1 ? strerror(errno) : "ok");
}

static void commands(const char *name, int fd)
{
    for (long command = -1; command < 50; command++) {
        char data[64] = {0};
        /* What waits, and what reports to somebody. */
        if (command == F_SETLKW || command == F_OFD_SETLKW || command == F_SETFL || command == F_SETOWN) continue;
        show(name, "fcntl with nothing", (unsigned long)command, syscall(SYS_fcntl, fd, command, 0L) == -1 ? -1 : 0);
        if (command == F_DUPFD) continue;
        show(name, "fcntl from nowhere", (unsigned long)command, syscall(SYS_fcntl, fd, command, 8L) == -1 ? -1 : 0);
        show(name, "fcntl", (unsigned long)command, syscall(SYS_fcntl, fd, command, data) == -1 ? -1 : 0);
    }
    for (long command = 1024; command < 1045; command++) {
        char data[64] = {0};
        if (command == F_NOTIFY) continue;
        show(name, "fcntl with nothing", (unsigned long)command, syscall(SYS_fcntl, fd, command, 0L) == -1 ? -1 : 0);
        /* Where the data are would be a size. */
        if (command == F_SETPIPE_SZ) continue;
        show(name, "fcntl", (unsigned long)command, syscall(SYS_fcntl, fd, command, data) == -1 ? -1 : 0);
    }
}

/* Those that only ask. */
static const unsigned long asking[] = {
    0x5401, 0x5405, 0x540f, 0x5411, 0x5413, 0x5415, 0x5419, 0x541b, 0x541e, 0x5424, 0x5429, 0x5450, 0x5451, 0x5456, 0x545d, 0x5460,
    0x802c542a, 0x80045430, 0x80045438, 0x80045439, 0x80045440, 0x80045432, 0x80086601, 0x80087601, 0x801c581f, 0xc020660b,
    0x40049409, 0x4020940d, 0xc0189436, 1, 2, 0x125e, 0x1260, 0x1263, 0x1268, 0x80081270, 0x80081272, 0x80081280, 0x1278, 0x1279,
    0x127a, 0x127b, 0x127c, 0x127e, 0x80045200, 0x0301, 0x81009431, 0x80111500, 0x80811501, 0x40085400, 0x80088a02, 0x40088a01};

static void requests(const char *name, int fd)
{
    for (unsigned i = 0; i < sizeof asking / sizeof asking[0]; i++) {
        char data[4096] = {0};
        show(name, "ioctl", asking[i], syscall(SYS_ioctl, fd, asking[i], data) == -1 ? -1 : 0);
        show(name, "ioctl to nowhere", asking[i], syscall(SYS_ioctl, fd, asking[i], 8L) == -1 ? -1 : 0);
    }
}

int main(void)
{
    const char *name;
    for (int kind = 0;; kind++) {
        int fd = opened(kind, &name);
        if (!name) break;
        if (fd == -1) {
            printf("%s: %s\n", name, strerror(errno));
            continue;
        }
        commands(name, fd);
        close(fd);
        fd = opened(kind, &name);
        requests(name, fd);
        close(fd);
        for (int extra = 3; extra < 200; extra++) close(extra);
    }
    return finish();
}
