/* poll, select and epoll, and what they can wait for. */
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>

static void polled(void)
{
    int pipes[2];
    CHECK_OK(pipe(pipes));
    struct pollfd set[3] = {{pipes[0], POLLIN, 9}, {pipes[1], POLLOUT, 9}, {-1, POLLIN, 9}};
    CHECK_EQ(poll(set, 3, 0), 1);
    CHECK_EQ(set[0].revents, 0);
    CHECK_EQ(set[1].revents, POLLOUT);
    CHECK_EQ(set[2].revents, 0);
    CHECK_EQ(write(pipes[1], "x", 1), 1);
    CHECK_EQ(poll(set, 1, -1), 1);
    CHECK_EQ(set[0].revents, POLLIN);
    close(pipes[1]);
    CHECK_EQ(poll(set, 1, -1), 1);
    CHECK_EQ(set[0].revents, POLLIN | POLLHUP);
    close(pipes[0]);
    CHECK_EQ(poll(set, 1, -1), 1);
    CHECK_EQ(set[0].revents, POLLNVAL);
    CHECK_EQ(poll(NULL, 0, 10), 0);
}

static void selected(void)
{
    int pipes[2];
    CHECK_OK(pipe(pipes));
    fd_set readers, writers;
    FD_ZERO(&readers);
    FD_ZERO(&writers);
    FD_SET(pipes[0], &readers);
    FD_SET(pipes[1], &writers);
    CHECK_EQ(select(pipes[1] + 1, &readers, &writers, NULL, NULL), 1);
    CHECK(!FD_ISSET(pipes[0], &readers) && FD_ISSET(pipes[1], &writers));
    struct timeval time = {0, 20000};
    FD_SET(pipes[0], &readers);
#ifdef SYS_select
    CHECK_EQ(syscall(SYS_select, pipes[1] + 1, &readers, NULL, NULL, &time), 0);
#else
    CHECK_EQ(select(pipes[1] + 1, &readers, NULL, NULL, &time), 0);
#endif
    CHECK(!FD_ISSET(pipes[0], &readers));
    /* Linux says what was left of the time: nothing. */
    CHECK_EQ(time.tv_sec, 0);
    CHECK_EQ(time.tv_usec, 0);
    close(pipes[0]);
    FD_SET(pipes[0], &readers);
    CHECK_ERROR(select(pipes[1] + 1, &readers, NULL, NULL, NULL), EBADF);
    close(pipes[1]);
    CHECK_ERROR(select(-1, NULL, NULL, NULL, NULL), EINVAL);
}

static volatile sig_atomic_t count;

static void handler(int number)
{
    (void)number;
    count++;
}

static void with_another_mask(void)
{
    int pipes[2];
    CHECK_OK(pipe(pipes));
    sigset_t blocked, empty;
    sigemptyset(&empty);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGUSR1, &action, NULL);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    raise(SIGUSR1);
    CHECK_EQ(count, 0);
    struct pollfd set = {pipes[0], POLLIN, 0};
    struct timespec time = {10, 0};
    CHECK_ERROR(ppoll(&set, 1, &time, &empty), EINTR);
    CHECK_EQ(count, 1);
    raise(SIGUSR1);
    fd_set readers;
    FD_ZERO(&readers);
    FD_SET(pipes[0], &readers);
    CHECK_ERROR(pselect(pipes[0] + 1, &readers, NULL, NULL, &time, &empty), EINTR);
    CHECK_EQ(count, 2);
    raise(SIGUSR1);
    int events = epoll_create1(0);
    struct epoll_event event;
    CHECK_ERROR(epoll_pwait(events, &event, 1, 10000, &empty), EINTR);
    CHECK_EQ(count, 3);
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    CHECK(sigismember(&now, SIGUSR1) == 1);
    sigprocmask(SIG_SETMASK, &empty, NULL);
}

static void epolled(void)
{
    int events = epoll_create1(EPOLL_CLOEXEC), pipes[2];
    CHECK_OK(pipe(pipes));
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1122334455667788};
    CHECK_OK(epoll_ctl(events, EPOLL_CTL_ADD, pipes[0], &event));
    CHECK_ERROR(epoll_ctl(events, EPOLL_CTL_ADD, pipes[0], &event), EEXIST);
    struct epoll_event got[4];
    CHECK_EQ(epoll_wait(events, got, 4, 0), 0);
    CHECK_EQ(write(pipes[1], "xy", 2), 2);
    CHECK_EQ(epoll_wait(events, got, 4, -1), 1);
    CHECK_EQ(got[0].events, EPOLLIN);
    CHECK_EQ(got[0].data.u64, 0x1122334455667788);
    /* As long as there is something; once only when edges are asked for. */
    CHECK_EQ(epoll_wait(events, got, 4, 0), 1);
    event.events = EPOLLIN | EPOLLET;
    CHECK_OK(epoll_ctl(events, EPOLL_CTL_MOD, pipes[0], &event));
    CHECK_EQ(epoll_wait(events, got, 4, 0), 1);
    CHECK_EQ(epoll_wait(events, got, 4, 0), 0);
    event.events = EPOLLIN | EPOLLONESHOT;
    CHECK_OK(epoll_ctl(events, EPOLL_CTL_MOD, pipes[0], &event));
    CHECK_EQ(epoll_wait(events, got, 4, 0), 1);
    CHECK_EQ(epoll_wait(events, got, 4, 0), 0);
    CHECK_OK(epoll_ctl(events, EPOLL_CTL_DEL, pipes[0], NULL));
    CHECK_ERROR(epoll_ctl(events, EPOLL_CTL_MOD, pipes[0], &event), ENOENT);
    CHECK_ERROR(epoll_ctl(events, EPOLL_CTL_ADD, events, &event), EINVAL);
    int file = open(temporary("file"), O_CREAT | O_RDWR, 0600);
    CHECK_ERROR(epoll_ctl(events, EPOLL_CTL_ADD, file, &event), EPERM);
    CHECK_ERROR(epoll_wait(events, got, 0, 0), EINVAL);
    CHECK_ERROR(epoll_wait(pipes[0], got, 4, 0), EINVAL);
    close(events);
}

static void woken_by_another_process(void)
{
    int events = epoll_create1(0), pipes[2];
    CHECK_OK(pipe(pipes));
    struct epoll_event event = {.events = EPOLLIN};
    CHECK_OK(epoll_ctl(events, EPOLL_CTL_ADD, pipes[0], &event));
    pid_t pid = fork();
    if (pid == 0) {
        usleep(20000);
        _exit(write(pipes[1], "x", 1) == 1 ? 0 : 1);
    }
    CHECK_EQ(epoll_wait(events, &event, 1, 10000), 1);
    CHECK_EQ(wait_for(pid), 0);
}

static void counters(void)
{
    uint64_t value = 0;
    int fd = eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK_EQ(read(fd, &value, 8), 8);
    CHECK_EQ(value, 3);
    CHECK_ERROR(read(fd, &value, 8), EAGAIN);
    value = 5;
    CHECK_EQ(write(fd, &value, 8), 8);
    CHECK_EQ(write(fd, &value, 8), 8);
    CHECK_EQ(read(fd, &value, 8), 8);
    CHECK_EQ(value, 10);
    value = UINT64_MAX;
    CHECK_ERROR(write(fd, &value, 8), EINVAL);
    CHECK_ERROR(read(fd, &value, 4), EINVAL);
    close(fd);
    fd = eventfd(2, EFD_SEMAPHORE);
    CHECK_EQ(read(fd, &value, 8), 8);
    CHECK_EQ(value, 1);
    close(fd);
}

static void timers(void)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec time = {{0, 5000000}, {0, 5000000}}, now;
    CHECK_OK(timerfd_settime(fd, 0, &time, NULL));
    uint64_t expirations = 0, total = 0;
    while (total < 3) {
        CHECK_EQ(read(fd, &expirations, 8), 8);
        CHECK(expirations >= 1);
        total += expirations;
    }
    CHECK_OK(timerfd_gettime(fd, &now));
    CHECK_EQ(now.it_interval.tv_nsec, 5000000);
    memset(&time, 0, sizeof time);
    CHECK_OK(timerfd_settime(fd, 0, &time, &now));
    struct pollfd set = {fd, POLLIN, 0};
    CHECK_EQ(poll(&set, 1, 30), 0);
    time.it_value.tv_nsec = -1;
    CHECK_ERROR(timerfd_settime(fd, 0, &time, NULL), EINVAL);
    CHECK_ERROR(timerfd_create(9999, 0), EINVAL);
    close(fd);
}

static void signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_NONBLOCK);
    CHECK_OK(fd);
    struct signalfd_siginfo info;
    CHECK_ERROR(read(fd, &info, sizeof info), EAGAIN);
    kill(getpid(), SIGUSR2);
    struct pollfd poller = {fd, POLLIN, 0};
    CHECK_EQ(poll(&poller, 1, 1000), 1);
    CHECK_EQ(read(fd, &info, sizeof info), sizeof info);
    CHECK_EQ(info.ssi_signo, SIGUSR2);
    CHECK_EQ(info.ssi_pid, getpid());
    CHECK_EQ(info.ssi_uid, getuid());
    CHECK_ERROR(read(fd, &info, sizeof info), EAGAIN);
    sigset_t pending;
    sigpending(&pending);
    CHECK(sigismember(&pending, SIGUSR2) == 0);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    close(fd);
}

static void children(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        usleep(20000);
        _exit(0);
    }
    int fd = (int)syscall(434 /* pidfd_open */, pid, 0);
    CHECK_OK(fd);
    struct pollfd set = {fd, POLLIN, 0};
    CHECK_EQ(poll(&set, 1, 10000), 1);
    CHECK_EQ(set.revents, POLLIN);
    CHECK_EQ(wait_for(pid), 0);
    close(fd);
}

int main(void)
{
    RUN(polled);
    RUN(selected);
    RUN(with_another_mask);
    RUN(epolled);
    RUN(woken_by_another_process);
    RUN(counters);
    RUN(timers);
    RUN(signals);
    RUN(children);
    return finish();
}
