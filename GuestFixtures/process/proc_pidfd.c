/* A process's directory in /proc serves pidfd_send_signal(2) as a pidfd does. */
#include "check.h"

static int send_by(int fd, int number)
{
    return (int)syscall(SYS_pidfd_send_signal, fd, number, NULL, 0);
}

static int directory_of(pid_t pid, int flags)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    int fd = open(path, O_RDONLY | O_DIRECTORY | flags);
    REQUIRE(fd >= 0);
    return fd;
}

static void sleep_on(void)
{
    for (;;) pause();
}

static void reaches_the_process(void)
{
    pid_t pid = start_child(sleep_on);
    int fd = directory_of(pid, 0);
    CHECK_OK(send_by(fd, 0));
    CHECK_ERROR(send_by(fd, 1000), EINVAL);
    CHECK_OK(send_by(fd, SIGTERM));
    CHECK_EQ(wait_for(pid), SIGTERM);
    CHECK_ERROR(send_by(fd, 0), ESRCH);
    close(fd);
}

static volatile sig_atomic_t handled;

static void handle(int number)
{
    handled = number;
}

static void reaches_itself(void)
{
    signal(SIGUSR1, handle);
    int fd = open("/proc/self", O_RDONLY | O_DIRECTORY);
    REQUIRE(fd >= 0);
    CHECK_OK(send_by(fd, SIGUSR1));
    CHECK_EQ(handled, SIGUSR1);
    close(fd);
}

static void nothing_else_serves(void)
{
    int fd = directory_of(getpid(), O_PATH);
    CHECK_ERROR(send_by(fd, 0), EBADF);
    close(fd);
    static const char *const others[] = {"/proc/self/fd", "/proc/self/stat", "/proc", "/"};
    for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++) {
        fd = open(others[i], O_RDONLY);
        REQUIRE(fd >= 0);
        CHECK_ERROR(send_by(fd, 0), EBADF);
        close(fd);
    }
    CHECK_ERROR(send_by(-1, 0), EBADF);
}

int main(void)
{
    RUN(reaches_the_process);
    RUN(reaches_itself);
    RUN(nothing_else_serves);
    return finish();
}
