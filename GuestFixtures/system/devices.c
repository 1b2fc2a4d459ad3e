/* The few devices that every program expects. */
#include "check.h"
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
    RUN(a_pseudo_terminal);
    RUN(a_controlling_terminal);
    RUN(keys_that_are_signals);
    return finish();
}
