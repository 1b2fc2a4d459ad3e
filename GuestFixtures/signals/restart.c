/* Interrupted calls: which restart with SA_RESTART, which never, and what they say. */
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

static volatile sig_atomic_t count;
static int pipes[2];

static void handler(int number)
{
    (void)number;
    count++;
}

/* A handler for SIGALRM, and an alarm each 30 ms: the first may come before the call that it is to interrupt. */
static void arm(int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(SIGALRM, &action, NULL);
    count = 0;
    struct itimerval timer = {{0, 30000}, {0, 30000}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* No more of them. Whether any came. */
static int disarm(void)
{
    struct itimerval never = {0};
    setitimer(ITIMER_REAL, &never, NULL);
    return count > 0;
}

/* A child that waits until the signal has surely come, then writes. */
static pid_t writer(int fd)
{
    pid_t pid = fork();
    if (pid == 0) {
        usleep(150000);
        _exit(write(fd, "x", 1) == 1 ? 0 : 1);
    }
    return pid;
}

static void read_restarts(void)
{
    char byte;
    pid_t pid = writer(pipes[1]);
    arm(SA_RESTART);
    CHECK_EQ(read(pipes[0], &byte, 1), 1);
    CHECK(disarm());
    wait_for(pid);
}

static void read_is_interrupted(void)
{
    char byte;
    arm(0);
    CHECK_ERROR(read(pipes[0], &byte, 1), EINTR);
    CHECK(disarm());
}

static void write_is_interrupted(void)
{
    int full[2];
    CHECK_OK(pipe(full));
    fcntl(full[1], F_SETFL, O_NONBLOCK);
    static char block[65536];
    while (write(full[1], block, sizeof block) > 0) continue;
    fcntl(full[1], F_SETFL, 0);
    arm(0);
    CHECK_ERROR(write(full[1], block, sizeof block), EINTR);
    CHECK(disarm());
}

static void wait_restarts(void)
{
    pid_t pid = writer(pipes[1]);
    arm(SA_RESTART);
    CHECK_EQ(wait_for(pid), 0);
    CHECK(disarm());
    char byte;
    CHECK_EQ(read(pipes[0], &byte, 1), 1);
}

static void a_socket_restarts(void)
{
    int pair[2];
    char byte;
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    pid_t pid = writer(pair[1]);
    arm(SA_RESTART);
    CHECK_EQ(recv(pair[0], &byte, 1, 0), 1);
    CHECK(disarm());
    wait_for(pid);
    arm(0);
    CHECK_ERROR(recv(pair[0], &byte, 1, 0), EINTR);
    /* With a timeout on the socket it never restarts. */
    struct timeval timeout = {100, 0};
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    arm(SA_RESTART);
    CHECK_ERROR(recv(pair[0], &byte, 1, 0), EINTR);
    CHECK(disarm());
}

static void these_never_restart(void)
{
    struct pollfd poller = {.fd = pipes[0], .events = POLLIN};
    arm(SA_RESTART);
    CHECK_ERROR(poll(&poller, 1, 10000), EINTR);
    arm(SA_RESTART);
    CHECK_ERROR(poll(&poller, 1, -1), EINTR);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipes[0], &set);
    arm(SA_RESTART);
    CHECK_ERROR(select(pipes[0] + 1, &set, NULL, NULL, NULL), EINTR);
    int events = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(events, EPOLL_CTL_ADD, pipes[0], &event);
    arm(SA_RESTART);
    CHECK_ERROR(epoll_wait(events, &event, 1, 10000), EINTR);
    arm(SA_RESTART);
    CHECK_ERROR(pause(), EINTR);
    sigset_t none, usr1;
    sigemptyset(&none);
    arm(SA_RESTART);
    CHECK_ERROR(sigsuspend(&none), EINTR);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    arm(SA_RESTART);
    /* Not by name: musl repeats it. */
    CHECK_ERROR(syscall(SYS_rt_sigtimedwait, &usr1, NULL, NULL, 8), EINTR);
    struct timespec long_time = {100, 0}, left = {0, 0};
    arm(SA_RESTART);
    CHECK_ERROR(nanosleep(&long_time, &left), EINTR);
    CHECK(left.tv_sec >= 90 && left.tv_sec < 100);
    arm(SA_RESTART);
    memset(&left, 0, sizeof left);
    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &long_time, &left), EINTR);
    CHECK(left.tv_sec >= 90 && left.tv_sec < 100);
    close(events);
}

static void an_ignored_signal_interrupts_nothing(void)
{
    char byte;
    signal(SIGALRM, SIG_IGN);
    pid_t pid = writer(pipes[1]);
    struct itimerval timer = {.it_value = {0, 30000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    CHECK_EQ(read(pipes[0], &byte, 1), 1);
    wait_for(pid);
}

static void stopped_and_continued(void)
{
    /* A read goes on after SIGSTOP and SIGCONT; a sleep sleeps on. */
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        _exit(read(pipes[0], &byte, 1) == 1 ? 0 : 1);
    }
    int status;
    usleep(20000);
    kill(pid, SIGSTOP);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    kill(pid, SIGCONT);
    usleep(20000);
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
    CHECK_EQ(write(pipes[1], "x", 1), 1);
    CHECK_EQ(wait_for(pid), 0);
    pid = fork();
    if (pid == 0) {
        struct timespec time = {0, 200000000};
        _exit(nanosleep(&time, NULL) == 0 ? 0 : 1);
    }
    usleep(20000);
    kill(pid, SIGSTOP);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    kill(pid, SIGCONT);
    CHECK_EQ(wait_for(pid), 0);
}

static void part_of_a_read(void)
{
    /* What has been transferred counts; the signal comes all the same. */
    int large[2];
    CHECK_OK(pipe(large));
    static char block[200000];
    pid_t pid = fork();
    if (pid == 0) {
        usleep(200000);
        ssize_t total = 0, part;
        close(large[1]);
        while ((part = read(large[0], block, sizeof block)) > 0) total += part;
        _exit(total > 0 && total < (ssize_t)sizeof block ? 0 : 1);
    }
    close(large[0]);
    /* Behind the fork, which may take long where a processor is emulated. */
    arm(0);
    ssize_t written = write(large[1], block, sizeof block);
    CHECK(written > 0 && written < (ssize_t)sizeof block);
    CHECK(disarm());
    close(large[1]);
    CHECK_EQ(wait_for(pid), 0);
}

int main(void)
{
    REQUIRE(pipe(pipes) == 0);
    RUN(read_restarts);
    RUN(read_is_interrupted);
    RUN(write_is_interrupted);
    RUN(wait_restarts);
    RUN(a_socket_restarts);
    RUN(these_never_restart);
    RUN(an_ignored_signal_interrupts_nothing);
    RUN(stopped_and_continued);
    RUN(part_of_a_read);
    return finish();
}
