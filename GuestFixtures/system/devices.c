/* The few devices that every program expects. */
#include "check.h"
#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <stdlib.h>

static void is_device(const char *path, unsigned high, unsigned low)
{
    struct stat status;
    CHECK_OK(stat(path, &status));
    CHECK(S_ISCHR(status.st_mode));
    CHECK_EQ(major(status.st_rdev), high);
    CHECK_EQ(minor(status.st_rdev), low);
}

static void the_null_device(void)
{
    char byte;
    int fd = open("/dev/null", O_RDWR);
    is_device("/dev/null", 1, 3);
    CHECK_EQ(write(fd, "gone", 4), 4);
    CHECK_EQ(read(fd, &byte, 1), 0);
    close(fd);
}

static void zeroes_and_full(void)
{
    char block[100];
    memset(block, 1, sizeof block);
    int fd = open("/dev/zero", O_RDWR);
    is_device("/dev/zero", 1, 5);
    CHECK_EQ(read(fd, block, sizeof block), sizeof block);
    for (unsigned i = 0; i < sizeof block; i++) CHECK(block[i] == 0);
    close(fd);
    fd = open("/dev/full", O_RDWR);
    is_device("/dev/full", 1, 7);
    CHECK_ERROR(write(fd, "x", 1), ENOSPC);
    CHECK_EQ(read(fd, block, 1), 1);
    close(fd);
}

static void random_ones(void)
{
    is_device("/dev/random", 1, 8);
    is_device("/dev/urandom", 1, 9);
}

static void standard_ones(void)
{
    char target[100] = "";
    CHECK(readlink("/dev/fd", target, sizeof target - 1) > 0);
    CHECK_STR(target, "/proc/self/fd");
    CHECK(readlink("/dev/stdout", target, sizeof target - 1) > 0);
    CHECK_OK(access("/dev/stdin", F_OK));
    struct stat status;
    CHECK_OK(stat("/dev/shm", &status));
    CHECK(S_ISDIR(status.st_mode));
    is_device("/dev/tty", 5, 0);
}

/* Type, numbers, permissions and owner of all that every system has. */
static void the_directory(void)
{
    static const struct {
        const char *name;
        unsigned high, low, mode;
    } nodes[] = {{"null", 1, 3, 0666},   {"zero", 1, 5, 0666}, {"full", 1, 7, 0666}, {"random", 1, 8, 0666},
                 {"urandom", 1, 9, 0666}, {"tty", 5, 0, 0666},  {"ptmx", 5, 2, 0666}};
    char path[300], target[100];
    struct stat status, other;
    for (unsigned i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        snprintf(path, sizeof path, "/dev/%s", nodes[i].name);
        is_device(path, nodes[i].high, nodes[i].low);
        CHECK_OK(lstat(path, &status));
        CHECK_EQ(status.st_mode, S_IFCHR | nodes[i].mode);
        CHECK_EQ(status.st_uid, 0);
        CHECK_EQ(status.st_size, 0);
        CHECK_OK(access(path, R_OK | W_OK));
        CHECK_ERROR(access(path, X_OK), EACCES);
        CHECK_ERROR(readlink(path, target, sizeof target), EINVAL);
        int fd = open(path, O_PATH);
        CHECK_OK(fstat(fd, &other));
        CHECK_EQ(other.st_rdev, status.st_rdev);
        CHECK_EQ(other.st_ino, status.st_ino);
        close(fd);
    }
    if (stat("/dev/console", &status) == 0) is_device("/dev/console", 5, 1);
    static const char *const links[][2] = {{"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
                                           {"stderr", "/proc/self/fd/2"}, {"fd", "/proc/self/fd"}};
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "/dev/%s", links[i][0]);
        CHECK_OK(lstat(path, &status));
        CHECK_EQ(status.st_mode, S_IFLNK | 0777);
        CHECK_EQ(status.st_size, strlen(links[i][1]));
        memset(target, 0, sizeof target);
        CHECK_EQ(readlink(path, target, sizeof target), strlen(links[i][1]));
        CHECK_STR(target, links[i][1]);
    }
    CHECK_OK(stat("/dev/pts", &status));
    CHECK_EQ(status.st_mode, S_IFDIR | 0755);
    CHECK_OK(stat("/dev/shm", &status));
    CHECK_EQ(status.st_mode, S_IFDIR | 01777);
    DIR *stream = opendir("/dev");
    REQUIRE(stream != NULL);
    struct dirent *entry;
    int found = 0;
    while ((entry = readdir(stream)) != NULL) {
        for (unsigned i = 0; i < sizeof nodes / sizeof *nodes; i++) {
            if (strcmp(entry->d_name, nodes[i].name) != 0) continue;
            found++;
            CHECK_EQ(entry->d_type, DT_CHR);
            CHECK_OK(fstatat(dirfd(stream), entry->d_name, &status, 0));
            CHECK_EQ(entry->d_ino, status.st_ino);
        }
        for (int i = 0; i < 4; i++) {
            if (strcmp(entry->d_name, links[i][0]) != 0) continue;
            found++;
            CHECK_EQ(entry->d_type, DT_LNK);
        }
    }
    CHECK_EQ(found, sizeof nodes / sizeof *nodes + 4);
    closedir(stream);
    CHECK_ERROR(open("/dev/nothing", O_RDONLY), ENOENT);
    CHECK_ERROR(open("/dev/null/x", O_RDONLY), ENOTDIR);
    CHECK_ERROR(open("/dev/null", O_RDONLY | O_DIRECTORY), ENOTDIR);
}

/* A descriptor by its name in /dev/fd is opened anew, or as it is. */
static void by_descriptor(void)
{
    char path[40], text[10] = "";
    write_file(temporary("file"), "content", 7);
    int fd = open(temporary("file"), O_RDONLY);
    CHECK_EQ(read(fd, text, 3), 3);
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    int again = open(path, O_RDONLY);
    CHECK_EQ(read(again, text, 7), 7);
    CHECK_STR(text, "content");
    close(again);
    close(fd);
    CHECK_ERROR(open(path, O_RDONLY), ENOENT);
    int pipes[2];
    CHECK_OK(pipe(pipes));
    snprintf(path, sizeof path, "/dev/fd/%d", pipes[0]);
    int writer = open(path, O_WRONLY);
    CHECK_EQ(write(writer, "through", 7), 7);
    CHECK_EQ(read(pipes[0], text, 7), 7);
    CHECK_STR(text, "through");
    close(writer);
    close(pipes[0]);
    close(pipes[1]);
}

static void a_pseudo_terminal(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    REQUIRE(master >= 0);
    CHECK_OK(grantpt(master));
    CHECK_OK(unlockpt(master));
    char name[100] = "";
    CHECK_EQ(ptsname_r(master, name, sizeof name), 0);
    CHECK(strncmp(name, "/dev/pts/", 9) == 0);
    int slave = open(name, O_RDWR | O_NOCTTY);
    REQUIRE(slave >= 0);
    CHECK(isatty(slave) == 1);
    char by_descriptor[100] = "";
    CHECK_EQ(ttyname_r(slave, by_descriptor, sizeof by_descriptor), 0);
    CHECK_STR(by_descriptor, name);
    struct winsize size = {24, 80, 0, 0}, now;
    CHECK_OK(ioctl(master, TIOCSWINSZ, &size));
    CHECK_OK(ioctl(slave, TIOCGWINSZ, &now));
    CHECK_EQ(now.ws_row, 24);
    CHECK_EQ(now.ws_col, 80);
    struct termios settings;
    CHECK_OK(tcgetattr(slave, &settings));
    CHECK(settings.c_lflag & ICANON);
    cfmakeraw(&settings);
    CHECK_OK(tcsetattr(slave, TCSANOW, &settings));
    CHECK_EQ(write(master, "input", 5), 5);
    char text[10] = "";
    CHECK_EQ(read(slave, text, sizeof text), 5);
    CHECK_STR(text, "input");
    CHECK_EQ(write(slave, "out", 3), 3);
    CHECK_EQ(read(master, text, sizeof text), 3);
    close(slave);
    close(master);
}

static void a_controlling_terminal(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    char name[100] = "";
    CHECK_OK(grantpt(master));
    CHECK_OK(unlockpt(master));
    CHECK_EQ(ptsname_r(master, name, sizeof name), 0);
    pid_t pid = fork();
    if (pid == 0) {
        check_failures = 0;
        close(master);
        CHECK_OK(setsid());
        int slave = open(name, O_RDWR | O_NOCTTY);
        CHECK_OK(ioctl(slave, TIOCSCTTY, 0));
        CHECK_EQ(tcgetsid(slave), getpid());
        CHECK_EQ(tcgetpgrp(slave), getpid());
        int terminal = open("/dev/tty", O_RDWR);
        CHECK_OK(terminal);
        /* A child in a group of its own gets the terminal, and gives it back. */
        signal(SIGTTOU, SIG_IGN);
        pid_t child = fork();
        if (child == 0) {
            setpgid(0, 0);
            tcsetpgrp(terminal, getpid());
            _exit(tcgetpgrp(terminal) == getpid() ? 0 : 1);
        }
        CHECK_EQ(wait_for(child), 0);
        CHECK_OK(tcsetpgrp(terminal, getpgrp()));
        CHECK_EQ(tcgetpgrp(terminal), getpgrp());
        CHECK_ERROR(tcsetpgrp(terminal, 999999), ESRCH);
        _exit(check_failures != 0);
    }
    CHECK_EQ(wait_for(pid), 0);
    close(master);
}

static void keys_that_are_signals(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    char name[100] = "", byte;
    CHECK_OK(unlockpt(master));
    CHECK_EQ(ptsname_r(master, name, sizeof name), 0);
    const struct { char key; int signal; } keys[] = {{3, SIGINT}, {28, SIGQUIT}};
    for (int i = 0; i < 2; i++) {
        int ready[2];
        CHECK_OK(pipe(ready));
        pid_t pid = fork();
        if (pid == 0) {
            signal(keys[i].signal, SIG_DFL);
            setsid();
            int slave = open(name, O_RDWR);
            (void)!ioctl(slave, TIOCSCTTY, 0);
            (void)!write(ready[1], "x", 1);
            for (;;) pause();
        }
        CHECK_EQ(read(ready[0], &byte, 1), 1);
        CHECK_EQ(write(master, &keys[i].key, 1), 1);
        CHECK_EQ(WTERMSIG(wait_for(pid)), keys[i].signal);
    }
    close(master);
}

int main(void)
{
    RUN(the_null_device);
    RUN(zeroes_and_full);
    RUN(random_ones);
    RUN(standard_ones);
    RUN(the_directory);
    RUN(by_descriptor);
    RUN(a_pseudo_terminal);
    RUN(a_controlling_terminal);
    RUN(keys_that_are_signals);
    return finish();
}
