// System calls of many families, each with the same arguments and results in every run: what a trace of them shows can be compared.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

static void handler(int signal) { (void)signal; }

static void files(void)
{
    int fd = open("trace.file", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    write(fd, "one\ttwo\n\"three\"\\\001" "7\0end and something that is longer", 52);
    struct iovec parts[2] = {{"abc", 3}, {"defgh", 5}};
    writev(fd, parts, 2);
    lseek(fd, 2, SEEK_SET);
    char text[8] = "";
    struct iovec places[2] = {{text, 2}, {text + 2, 6}};
    readv(fd, places, 2);
    pread(fd, text, 4, 100000);
    fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, O_NONBLOCK | O_APPEND);
    fcntl(fd, F_GETFD);
    fcntl(fd, F_DUPFD_CLOEXEC, 20);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 2};
    fcntl(fd, F_SETLK, &lock);
    ftruncate(fd, 5);
    fchmod(fd, 0600);
    fsync(fd);
    struct stat status;
    fstat(fd, &status);
    close(fd);
    access("trace.file", R_OK | W_OK);
    access("no.such.file", F_OK);
    open("no/such/file", O_WRONLY | O_APPEND | O_NOFOLLOW | O_DIRECTORY);
    syscall(SYS_openat, -1, "relative", O_PATH);
    syscall(SYS_openat, AT_FDCWD, (char *)16, O_RDONLY);
    symlink("trace.file", "trace.link");
    char target[32];
    readlink("trace.link", target, sizeof target);
    mkdir("trace.directory", 0755);
    rename("trace.link", "trace.directory/link");
    unlink("trace.directory/link");
    rmdir("trace.directory");
    unlinkat(AT_FDCWD, "trace.file", 0);
    umask(027);
    umask(022);
    read(99, text, 4);
    close(-1);
    int ends[2];
    pipe2(ends, O_NONBLOCK);
    read(ends[0], text, 4);
    write(ends[1], "x", 1);
    struct pollfd wanted[2] = {{ends[0], POLLIN | POLLPRI, 0}, {ends[1], POLLOUT, 0}};
    poll(wanted, 2, 100);
    poll(wanted, 0, 0);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    struct timeval time = {1, 5};
    syscall(SYS_select, ends[0] + 1, &set, NULL, NULL, &time);
    close(ends[0]);
    close(ends[1]);
}

static void memory(void)
{
    char *place = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    mprotect(place, 4096, PROT_NONE);
    mprotect(place, 4096, PROT_READ | PROT_EXEC);
    madvise(place, 4096, MADV_DONTNEED);
    msync(place, 4096, MS_SYNC | MS_INVALIDATE);
    mremap(place, 3 * 4096, 4096, MREMAP_MAYMOVE);
    munmap(place, 4096);
    mmap(NULL, 0, PROT_READ, MAP_SHARED, 3, 4096);
    int fd = memfd_create("a name", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    close(fd);
}

static void events(void)
{
    int poll = epoll_create1(EPOLL_CLOEXEC);
    int counter = eventfd(3, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 0x100000002};
    epoll_ctl(poll, EPOLL_CTL_ADD, counter, &event);
    epoll_wait(poll, &event, 1, 10);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec time = {.it_interval = {0, 5}, .it_value = {100, 0}};
    timerfd_settime(timer, 0, &time, NULL);
    close(timer);
    close(counter);
    close(poll);
    struct timespec moment = {0, 1000};
    nanosleep(&moment, NULL);
    syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &moment, NULL);
}

static void sockets(void)
{
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
    send(pair[0], "hello", 5, MSG_NOSIGNAL);
    char text[8];
    recv(pair[1], text, sizeof text, MSG_DONTWAIT);
    shutdown(pair[0], SHUT_WR);
    int on = 1;
    socklen_t length = sizeof on;
    setsockopt(pair[0], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    getsockopt(pair[0], SOL_SOCKET, SO_TYPE, &on, &length);
    close(pair[0]);
    close(pair[1]);
    int local = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "no.such.socket"};
    connect(local, (struct sockaddr *)&name, sizeof name);
    close(local);
    int internet = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_IP);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = 0};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(internet, (struct sockaddr *)&address, sizeof address);
    listen(internet, 5);
    accept4(internet, NULL, NULL, SOCK_CLOEXEC);
    close(internet);
}

static void signals(void)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_NODEFER};
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaction(SIGUSR1, &action, NULL);
    syscall(SYS_kill, getpid(), SIGUSR1);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGIO);
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 8);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &set, 8);
    kill(getpid(), 0);
    stack_t stack = {.ss_flags = SS_DISABLE};
    sigaltstack(&stack, NULL);
}

static void limits(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NPROC, &limit);
    syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, &limit);
    prctl(PR_SET_NAME, "traced");
    prctl(PR_GET_DUMPABLE);
    getpriority(PRIO_PROCESS, 0);
    syscall(SYS_setitimer, ITIMER_VIRTUAL, NULL, NULL);
}

static void *thread(void *argument)
{
    syscall(SYS_getpid);
    return argument;
}

static void processes(void)
{
    int status;
    for (int kind = 0; kind < 3; kind++) {
        pid_t child = fork();
        if (child == 0) {
            if (kind == 0) _exit(7);
            if (kind == 1) {
                execl("/no/such/program", "first", "second", NULL);
                _exit(3);
            }
            *(volatile int *)16 = 1;
        }
        wait4(child, &status, 0, NULL);
    }
    wait4(-1, &status, WNOHANG, NULL);
    pthread_t other;
    pthread_create(&other, NULL, thread, NULL);
    pthread_join(other, NULL);
}

int main(void)
{
    files();
    memory();
    events();
    sockets();
    signals();
    limits();
    processes();
    return 5;
}
