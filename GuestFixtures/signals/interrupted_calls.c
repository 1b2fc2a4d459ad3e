/* Every call that waits, and a signal that comes meanwhile: with a handler, with one that asks for restarts, ignored, and with the
   process stopped and continued (signal(7)). */
#include "check.h"
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>

/* linux/futex.h, which not every C library's headers come with. */
enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1, FUTEX_LOCK_PI = 6, FUTEX_UNLOCK_PI = 7, FUTEX_WAIT_BITSET = 9 };

enum kind {
    RESTARTS = 1,   /* with SA_RESTART */
    STOP_ENDS = 2,  /* EINTR also after SIGSTOP and SIGCONT */
    UNDISTURBED = 4 /* no handler is ever noticed */
};

static int a = -1, b = -1, c = -1, queue = -1;
static pid_t child;
static uint32_t word, second_word;
static char bytes[65536], path[512];
static struct iovec vector = {bytes, 64};
static struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
static struct mmsghdr headers = {.msg_hdr = {.msg_iov = &vector, .msg_iovlen = 1}};
static struct { long type; char text[32]; } message = {1, ""};
static struct pollfd poller;
static struct epoll_event event;
static fd_set set;
static sigset_t no_signals, only_hangup;
static struct timespec wake_up;
static pid_t main_thread;
static volatile pid_t poker_thread;

static void pipes(void)
{
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    a = ends[0], b = ends[1];
    poller = (struct pollfd){a, POLLIN, 0};
    FD_ZERO(&set);
    FD_SET(a, &set);
}

static void fill(int fd)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (write(fd, bytes, sizeof bytes) > 0) continue;
    while (write(fd, bytes, 1) > 0) continue;
    fcntl(fd, F_SETFL, 0);
}

static void empty(int fd)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (read(fd, bytes, sizeof bytes) > 0) continue;
    fcntl(fd, F_SETFL, 0);
}

static void full_pipe(void)
{
    pipes();
    fill(b);
}

static void sockets(void)
{
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    a = ends[0], b = ends[1];
}

static void full_socket(void)
{
    sockets();
    fill(b);
}

static void with_timeout(int fd, int which)
{
    struct timeval long_time = {100, 0};
    CHECK_OK(setsockopt(fd, SOL_SOCKET, which, &long_time, sizeof long_time));
}

static struct sockaddr_un address = {.sun_family = AF_UNIX};

static void listener(int backlog)
{
    snprintf(address.sun_path, sizeof address.sun_path, "%.100s", temporary("s"));
    unlink(address.sun_path);
    a = socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(bind(a, (struct sockaddr *)&address, sizeof address) == 0 && listen(a, backlog) == 0);
    b = socket(AF_UNIX, SOCK_STREAM, 0);
}

static int to_listener(int fd)
{
    return connect(fd, (struct sockaddr *)&address, sizeof address);
}

static void files(void)
{
    snprintf(path, sizeof path, "%s", temporary("file"));
    a = open(path, O_CREAT | O_RDWR, 0600), b = open(path, O_RDWR);
    REQUIRE(a >= 0 && b >= 0);
}

static struct flock whole = {.l_type = F_WRLCK};

static void a_child(int locks)
{
    int ready[2];
    char byte;
    REQUIRE(pipe(ready) == 0);
    child = fork();
    if (child == 0) {
        sigset_t usual;
        sigemptyset(&usual);
        sigprocmask(SIG_SETMASK, &usual, NULL);
        if (locks) fcntl(b, F_SETLK, &whole);
        (void)!write(ready[1], "x", 1);
        for (;;) pause();
    }
    (void)!read(ready[0], &byte, 1);
    close(ready[0]), close(ready[1]);
}

static void terminal(void)
{
    a = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    REQUIRE(a >= 0);
    int unlock = 0;
    CHECK_OK(ioctl(a, TIOCSPTLCK, &unlock));
    b = ioctl(a, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    REQUIRE(b >= 0);
}

static void message_queue(void)
{
    static int number;
    char name[64];
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 32};
    snprintf(name, sizeof name, "/vmrun-test-%d-%d", (int)getpid(), number++);
    a = (int)mq_open(name, O_CREAT | O_RDWR, 0600, &attributes);
    REQUIRE(a >= 0);
    mq_unlink(name);
}

static long futex(uint32_t *at, int operation, uint32_t value, const struct timespec *timeout, uint32_t bits)
{
    return syscall(SYS_futex, at, operation, value, timeout, NULL, bits);
}

static const struct timespec *in(long seconds)
{
    clock_gettime(CLOCK_MONOTONIC, &wake_up);
    wake_up.tv_sec += seconds;
    return &wake_up;
}

static const struct timespec hundred = {100, 0}, *const never = NULL;
static struct { uint64_t value, address; uint32_t flags, reserved; } waiter;
static void nothing(void) {}

/* name, kind, what it needs, the call, what lets it end */
#define CALLS(ROW) \
    ROW(read_of_a_pipe, RESTARTS, pipes(), read(a, bytes, 1), (void)!write(b, "x", 1)) \
    ROW(readv_of_a_pipe, RESTARTS, pipes(), readv(a, &vector, 1), (void)!write(b, "x", 1)) \
    ROW(write_to_a_full_pipe, RESTARTS, full_pipe(), write(b, bytes, 4096), empty(a)) \
    ROW(writev_to_a_full_pipe, RESTARTS, full_pipe(), writev(b, &vector, 1), empty(a)) \
    ROW(splice_from_a_pipe, RESTARTS, (pipes(), c = open("/dev/null", O_WRONLY)), splice(a, NULL, c, NULL, 10, 0), (void)!write(b, "x", 1)) \
    ROW(vmsplice_to_a_full_pipe, RESTARTS, full_pipe(), vmsplice(b, &vector, 1, 0), empty(a)) \
    ROW(read_of_a_socket, RESTARTS, sockets(), read(a, bytes, 1), (void)!write(b, "x", 1)) \
    ROW(recv_of_a_socket, RESTARTS, sockets(), recv(a, bytes, 1, 0), (void)!write(b, "x", 1)) \
    ROW(recvmsg_of_a_socket, RESTARTS, sockets(), recvmsg(a, &header, 0), (void)!write(b, "x", 1)) \
    ROW(recvmmsg_of_a_socket, RESTARTS, sockets(), syscall(SYS_recvmmsg, a, &headers, 1, 0, NULL), (void)!write(b, "x", 1)) \
    ROW(recv_with_a_timeout, STOP_ENDS, (sockets(), with_timeout(a, SO_RCVTIMEO)), recv(a, bytes, 1, 0), (void)!write(b, "x", 1)) \
    ROW(send_to_a_full_socket, RESTARTS, full_socket(), send(b, bytes, 1000, 0), empty(a)) \
    ROW(sendmsg_to_a_full_socket, RESTARTS, full_socket(), sendmsg(b, &header, 0), empty(a)) \
    ROW(send_with_a_timeout, STOP_ENDS, (full_socket(), with_timeout(b, SO_SNDTIMEO)), send(b, bytes, 1000, 0), empty(a)) \
    ROW(accept_of_a_connection, RESTARTS, listener(5), c = accept(a, NULL, NULL), to_listener(b)) \
    ROW(accept_with_a_timeout, STOP_ENDS, (listener(5), with_timeout(a, SO_RCVTIMEO)), c = accept(a, NULL, NULL), to_listener(b)) \
    ROW(connect_with_many_before, RESTARTS, (listener(0), to_listener(b), c = socket(AF_UNIX, SOCK_STREAM, 0)), to_listener(c), close(accept(a, NULL, NULL))) \
    ROW(read_of_an_event, RESTARTS, a = eventfd(0, 0), read(a, bytes, 8), eventfd_write(a, 1)) \
    ROW(read_of_a_signal, RESTARTS, a = signalfd(-1, &only_hangup, 0), read(a, bytes, 128), kill(getpid(), SIGHUP)) \
    ROW(read_of_a_timer, RESTARTS, a = timerfd_create(CLOCK_MONOTONIC, 0), read(a, bytes, 8), timerfd_settime(a, 0, &(struct itimerspec){{0, 0}, {0, 1}}, NULL)) \
    ROW(read_of_inotify, RESTARTS, (a = inotify_init(), inotify_add_watch(a, temporary("."), IN_OPEN)), read(a, bytes, 4096), close(open(temporary("made"), O_CREAT | O_TRUNC | O_RDWR, 0600))) \
    ROW(read_of_a_terminal, RESTARTS, terminal(), read(b, bytes, 10), (void)!write(a, "x\n", 2)) \
    ROW(open_of_a_fifo, RESTARTS, (snprintf(path, sizeof path, "%s", temporary("fifo")), mkfifo(path, 0600)), a = open(path, O_RDONLY), b = open(path, O_RDWR)) \
    ROW(wait_for_a_child, RESTARTS, a_child(0), waitpid(child, NULL, 0), kill(child, SIGKILL)) \
    ROW(waitid_for_a_child, RESTARTS, a_child(0), waitid(P_PID, (id_t)child, (siginfo_t *)bytes, WEXITED | WNOWAIT), kill(child, SIGKILL)) \
    ROW(flock_of_a_file, RESTARTS, (files(), flock(b, LOCK_EX)), flock(a, LOCK_EX), flock(b, LOCK_UN)) \
    ROW(lock_of_another_process, RESTARTS, (files(), a_child(1)), fcntl(a, F_SETLKW, &whole), kill(child, SIGKILL)) \
    ROW(lock_of_an_open_file, RESTARTS, (files(), fcntl(b, F_OFD_SETLK, &whole)), fcntl(a, F_OFD_SETLKW, &whole), flock(close(b), 0)) \
    ROW(futex_wait, RESTARTS, word = 0, futex(&word, FUTEX_WAIT, 0, never, 0), futex(&word, FUTEX_WAKE, 1, never, 0)) \
    ROW(futex_wait_for_a_while, 0, word = 0, futex(&word, FUTEX_WAIT, 0, &hundred, 0), futex(&word, FUTEX_WAKE, 1, never, 0)) \
    ROW(futex_wait_bitset, 0, word = 0, futex(&word, FUTEX_WAIT_BITSET, 0, in(100), 1), futex(&word, FUTEX_WAKE, 1, never, 0)) \
    ROW(futex_lock_pi, RESTARTS | UNDISTURBED, word = (uint32_t)poker_thread, futex(&word, FUTEX_LOCK_PI, 0, never, 0), futex(&word, FUTEX_UNLOCK_PI, 0, never, 0)) \
    ROW(futex_waitv, RESTARTS, (second_word = 0, waiter.address = (uintptr_t)&second_word, waiter.flags = 2), syscall(449, &waiter, 1, 0, NULL, 0), futex(&second_word, FUTEX_WAKE, 1, never, 0)) \
    ROW(poll_for_a_while, 0, pipes(), poll(&poller, 1, 100000), (void)!write(b, "x", 1)) \
    ROW(poll_for_ever, 0, pipes(), poll(&poller, 1, -1), (void)!write(b, "x", 1)) \
    ROW(ppoll_with_a_mask, 0, pipes(), ppoll(&poller, 1, NULL, &no_signals), (void)!write(b, "x", 1)) \
    ROW(select_for_ever, 0, pipes(), select(a + 1, &set, NULL, NULL, NULL), (void)!write(b, "x", 1)) \
    ROW(pselect_with_a_mask, 0, pipes(), pselect(a + 1, &set, NULL, NULL, &hundred, &no_signals), (void)!write(b, "x", 1)) \
    ROW(epoll_wait_for_ever, STOP_ENDS, (pipes(), c = epoll_create1(0), epoll_ctl(c, EPOLL_CTL_ADD, a, &event)), epoll_wait(c, &event, 1, -1), (void)!write(b, "x", 1)) \
    ROW(epoll_pwait_with_a_mask, STOP_ENDS, (pipes(), c = epoll_create1(0), epoll_ctl(c, EPOLL_CTL_ADD, a, &event)), epoll_pwait(c, &event, 1, 100000, &no_signals), (void)!write(b, "x", 1)) \
    ROW(epoll_pwait2_for_a_while, STOP_ENDS, (pipes(), c = epoll_create1(0), epoll_ctl(c, EPOLL_CTL_ADD, a, &event)), syscall(441, c, &event, 1, &hundred, &no_signals, 8), (void)!write(b, "x", 1)) \
    ROW(signal_waited_for, STOP_ENDS, nothing(), syscall(SYS_rt_sigtimedwait, &only_hangup, NULL, NULL, 8), kill(getpid(), SIGHUP)) \
    ROW(signal_waited_for_a_while, STOP_ENDS, nothing(), syscall(SYS_rt_sigtimedwait, &only_hangup, NULL, &hundred, 8), kill(getpid(), SIGHUP)) \
    ROW(msgrcv_of_an_empty_queue, 0, queue = msgget(IPC_PRIVATE, 0600), msgrcv(queue, &message, 32, 0, 0), msgsnd(queue, &(struct { long type; char text[8]; }){1, ""}, 8, 0)) \
    ROW(semop_of_a_busy_one, STOP_ENDS, queue = semget(IPC_PRIVATE, 1, 0600), semop(queue, &(struct sembuf){0, -1, 0}, 1), semop(queue, &(struct sembuf){0, 1, 0}, 1)) \
    ROW(semtimedop_of_a_busy_one, STOP_ENDS, queue = semget(IPC_PRIVATE, 1, 0600), semtimedop(queue, &(struct sembuf){0, -1, 0}, 1, &hundred), semop(queue, &(struct sembuf){0, 1, 0}, 1)) \
    ROW(mq_receive_of_an_empty_queue, RESTARTS, message_queue(), mq_receive(a, bytes, 32, NULL), mq_send(a, "x", 1, 0)) \
    ROW(mq_send_to_a_full_queue, RESTARTS, (message_queue(), mq_send(a, "x", 1, 0)), mq_send(a, "y", 1, 0), mq_receive(a, bytes, 32, NULL)) \
    ROW(sendfile_to_a_full_pipe, RESTARTS, (full_pipe(), files_for_sendfile()), sendfile(b, c, NULL, 100), empty(a))

static void files_for_sendfile(void)
{
    c = open(temporary("data"), O_CREAT | O_RDWR | O_TRUNC, 0600);
    (void)!write(c, bytes, 4096);
    lseek(c, 0, SEEK_SET);
}

#define FUNCTIONS(name, kind, setup, call, release) \
    static void name##_setup(void) { (void)(setup); } \
    static long name##_call(void) { return (long)(call); } \
    static void name##_release(void) { (void)(release); }
CALLS(FUNCTIONS)

static const struct call {
    const char *name;
    int kind;
    void (*setup)(void);
    long (*call)(void);
    void (*release)(void);
} calls[] = {
#define ENTRY(name, kind, setup, call, release) {#name, kind, name##_setup, name##_call, name##_release},
    CALLS(ENTRY)
};

enum mode { INTERRUPT, RESTART, IGNORE, STOP, MODES };
static const char *const mode_names[] = {"interrupted", "restarted", "ignored", "stopped"};

static volatile sig_atomic_t handled;
static volatile int mode, running, finished;
static const struct call *volatile current;

static void handler(int number)
{
    (void)number;
    handled++;
}

static void wait_a_little(void)
{
    struct timespec time = {0, 2000000};
    nanosleep(&time, NULL);
}

/* What must not happen before the call has been left. */
static int must_end_with_eintr(void)
{
    if (mode == INTERRUPT) return !(current->kind & UNDISTURBED);
    if (mode == RESTART) return !(current->kind & RESTARTS);
    return mode == STOP && current->kind & STOP_ENDS;
}

static void stop_and_continue(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        pid_t parent = getppid();
        kill(parent, SIGSTOP);
        wait_a_little();
        kill(parent, SIGCONT);
        _exit(0);
    }
    wait_for(pid);
}

static void *poke(void *argument)
{
    poker_thread = (pid_t)syscall(SYS_gettid);
    for (;;) {
        while (!running) wait_a_little();
        for (int round = 0; running && (must_end_with_eintr() ? round < 500 : round < 2); round++) {
            wait_a_little();
            if (!running) break;
            if (mode == STOP) stop_and_continue();
            else syscall(SYS_tgkill, getpid(), main_thread, SIGUSR1);
            /* Two that are pending at once would be one. */
            while ((mode == INTERRUPT || mode == RESTART) && running && handled == round) wait_a_little();
        }
        wait_a_little();
        if (running || !must_end_with_eintr()) current->release();
        running = 0;
        while (!finished) sched_yield();
        finished = 0;
    }
    return argument;
}

static void close_all(void)
{
    int *const all[] = {&a, &b, &c};
    for (int i = 0; i < 3; i++) {
        if (*all[i] >= 0) close(*all[i]);
        *all[i] = -1;
    }
    if (child) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        child = 0;
    }
    if (queue >= 0) {
        msgctl(queue, IPC_RMID, NULL);
        semctl(queue, 0, IPC_RMID);
        queue = -1;
    }
}

static void try_call(const struct call *call)
{
    struct sigaction action = {.sa_handler = mode == IGNORE ? SIG_IGN : handler, .sa_flags = mode == RESTART ? SA_RESTART : 0};
    sigaction(SIGUSR1, &action, NULL);
    handled = 0;
    current = call;
    call->setup();
    running = 1;
    errno = 0;
    long result = call->call();
    int error = errno, expects_eintr = must_end_with_eintr();
    if (expects_eintr) running = 0;
    while (running) wait_a_little();
    if (expects_eintr ? result != -1 || error != EINTR : result == -1) {
        fprintf(stderr, "%s, %s: %ld, %s\n", call->name, mode_names[mode], result, strerror(error));
        check_failures++;
    }
    if (mode == INTERRUPT || mode == RESTART) CHECK(expects_eintr ? handled >= 1 : handled >= 2);
    else CHECK_EQ(handled, 0);
    finished = 1;
    while (finished) wait_a_little();
    close_all();
}

/* Sleeps say what was left, and are not prolonged by what they slept through. */
static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void sleeps(void)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    for (int absolute = 0; absolute < 2; absolute++) {
        handled = 0;
        timer_t timer;
        struct sigevent by_alarm = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
        struct itimerspec soon = {{0, 20000000}, {0, 20000000}}, off = {{0, 0}, {0, 0}};
        CHECK_OK(timer_create(CLOCK_MONOTONIC, &by_alarm, &timer));
        struct timespec time = {0, 300000000}, left = {-1, -1};
        double start = now();
        if (absolute) {
            clock_gettime(CLOCK_MONOTONIC, &time);
            time.tv_nsec += 300000000;
            if (time.tv_nsec >= 1000000000) time.tv_sec++, time.tv_nsec -= 1000000000;
        }
        CHECK_OK(timer_settime(timer, 0, &soon, NULL));
        int rounds = 0, error;
        while ((error = clock_nanosleep(CLOCK_MONOTONIC, absolute ? TIMER_ABSTIME : 0, &time, &left)) == EINTR) {
            rounds++;
            if (absolute) CHECK_EQ(left.tv_sec, -1);
            else CHECK(left.tv_sec == 0 && left.tv_nsec > 0 && left.tv_nsec < time.tv_nsec);
            if (!absolute) time = left;
        }
        CHECK_EQ(error, 0);
        CHECK_OK(timer_settime(timer, 0, &off, NULL));
        CHECK(rounds >= 1 && handled >= rounds);
        CHECK(now() - start >= 0.299);
        timer_delete(timer);
    }
    /* Stopped meanwhile, a relative one sleeps for what is left. */
    double start = now();
    struct timespec time = {0, 100000000};
    pid_t pid = fork();
    if (pid == 0) {
        wait_a_little();
        kill(getppid(), SIGSTOP);
        usleep(30000);
        kill(getppid(), SIGCONT);
        _exit(0);
    }
    CHECK_EQ(nanosleep(&time, NULL), 0);
    CHECK(now() - start >= 0.1);
    wait_for(pid);
}

int main(void)
{
    pthread_t poker;
    main_thread = (pid_t)syscall(SYS_gettid);
    event = (struct epoll_event){.events = EPOLLIN};
    sigemptyset(&no_signals);
    sigemptyset(&only_hangup);
    sigaddset(&only_hangup, SIGHUP);
    /* SIGHUP stays pending until it is read. */
    sigprocmask(SIG_BLOCK, &only_hangup, NULL);
    no_signals = only_hangup;
    REQUIRE(pthread_create(&poker, NULL, poke, NULL) == 0);
    while (!poker_thread) sched_yield();
    for (mode = 0; mode < MODES; mode++) {
        int before = check_failures;
        for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) try_call(&calls[i]);
        printf("%s: %s\n", mode_names[mode], check_failures == before ? "ok" : "FAILED");
        fflush(stdout);
    }
    RUN(sleeps);
    return finish();
}
