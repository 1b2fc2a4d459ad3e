/* Blocked signals of every number, those that faults use too: they are pending, are read, are waited for, and reach a thread that
   has them open. And calls work while everything is blocked. */
#include "check.h"
#include "machine.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>

static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGUSR1, SIGCHLD, 36, 63, 64};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

static volatile sig_atomic_t count, in_thread;
static siginfo_t information;
static pid_t other;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    information = *info;
    if (syscall(SYS_gettid) == other) in_thread++;
    /* Others wait for this one. */
    count++;
}

static void handle(int number)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    CHECK_OK(sigaction(number, &action, NULL));
    count = in_thread = 0;
}

static void block_only(int number, sigset_t *set)
{
    sigemptyset(set);
    if (number) sigaddset(set, number);
    CHECK_OK(sigprocmask(SIG_SETMASK, set, NULL));
}

static int is_pending(int number)
{
    sigset_t pending;
    CHECK_OK(sigpending(&pending));
    return sigismember(&pending, number);
}

static const struct timespec at_once = {0, 0};

static void pending_and_taken(void)
{
    for (int i = 0; i < NUMBERS; i++) {
        int number = numbers[i];
        sigset_t set;
        siginfo_t info;
        handle(number);
        block_only(number, &set);
        CHECK_OK(kill(getpid(), number));
        CHECK_EQ(count, 0);
        CHECK_EQ(is_pending(number), 1);
        CHECK_EQ(sigtimedwait(&set, &info, &at_once), number);
        CHECK_EQ(info.si_code, SI_USER);
        CHECK_EQ(info.si_pid, getpid());
        CHECK_EQ(is_pending(number), 0);
        CHECK_ERROR(sigtimedwait(&set, &info, &at_once), EAGAIN);
        /* To the thread, and delivered when it is opened. */
        CHECK_OK(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number));
        CHECK_EQ(count, 0);
        block_only(0, &set);
        CHECK_EQ(count, 1);
        CHECK_EQ(information.si_code, SI_TKILL);
        signal(number, SIG_DFL);
    }
}

static void every_instance_of_a_real_time_signal(void)
{
    static const int real_time[] = {36, 63, 64};
    for (int i = 0; i < 3; i++) {
        sigset_t set;
        siginfo_t info;
        handle(real_time[i]);
        block_only(real_time[i], &set);
        for (int value = 0; value < 50; value++)
            CHECK_OK(sigqueue(getpid(), real_time[i], (union sigval){.sival_int = value}));
        for (int value = 0; value < 25; value++) {
            CHECK_EQ(sigtimedwait(&set, &info, &at_once), real_time[i]);
            CHECK_EQ(info.si_value.sival_int, value);
        }
        block_only(0, &set);
        CHECK_EQ(count, 25);
        signal(real_time[i], SIG_DFL);
    }
}

static void read_from_a_descriptor(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < NUMBERS; i++) sigaddset(&set, numbers[i]);
    CHECK_OK(sigprocmask(SIG_SETMASK, &set, NULL));
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), events = epoll_create1(0);
    REQUIRE(fd >= 0 && events >= 0);
    struct epoll_event event = {.events = EPOLLIN};
    CHECK_OK(epoll_ctl(events, EPOLL_CTL_ADD, fd, &event));
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    struct signalfd_siginfo info;
    CHECK_EQ(poll(&poller, 1, 0), 0);
    CHECK_ERROR(read(fd, &info, sizeof info), EAGAIN);
    for (int i = 0; i < NUMBERS; i++) {
        CHECK_OK(sigqueue(getpid(), numbers[i], (union sigval){.sival_int = 100 + i}));
        CHECK_EQ(poll(&poller, 1, 0), 1);
        CHECK_EQ(epoll_wait(events, &event, 1, 0), 1);
        CHECK_EQ(read(fd, &info, sizeof info), sizeof info);
        CHECK_EQ(info.ssi_signo, numbers[i]);
        CHECK_EQ(info.ssi_code, SI_QUEUE);
        CHECK_EQ(info.ssi_int, 100 + i);
        CHECK_EQ(info.ssi_pid, getpid());
    }
    /* Two at a time, and one that comes while a reader waits. */
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_OK(sigqueue(getpid(), 64, (union sigval){.sival_int = 7}));
    struct signalfd_siginfo two[3];
    CHECK_EQ(read(fd, two, sizeof two), 2 * sizeof *two);
    CHECK_EQ(two[0].ssi_signo, SIGUSR1);
    CHECK_EQ(two[1].ssi_signo, 64);
    for (int i = 0; i < NUMBERS; i++) {
        if (numbers[i] == SIGCHLD) continue; /* the child's end is another */
        pid_t pid = fork();
        if (pid == 0) {
            usleep(10000);
            _exit(kill(getppid(), numbers[i]));
        }
        poller.fd = i % 2 ? fd : events;
        do {
            CHECK_EQ(poll(&poller, 1, 20000), 1);
            CHECK_EQ(read(fd, &info, sizeof info), sizeof info);
        } while (info.ssi_signo == SIGCHLD);
        CHECK_EQ(info.ssi_signo, numbers[i]);
        CHECK_EQ(info.ssi_pid, pid);
        CHECK_EQ(wait_for(pid), 0);
        while (read(fd, &info, sizeof info) > 0) continue;
    }
    close(fd);
    close(events);
    block_only(0, &set);
}

static volatile int go_on;

static void *with_all_open(void *argument)
{
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    other = (pid_t)syscall(SYS_gettid);
    while (!go_on) usleep(1000);
    return argument;
}

static void sent_to_the_process(void)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    for (int i = 0; i < NUMBERS; i++) {
        pthread_t thread;
        go_on = other = 0;
        handle(numbers[i]);
        CHECK_OK(sigprocmask(SIG_SETMASK, &all, NULL));
        REQUIRE(pthread_create(&thread, NULL, with_all_open, NULL) == 0);
        WAIT_UNTIL(other != 0);
        CHECK_OK(kill(getpid(), numbers[i]));
        WAIT_UNTIL(count == 1);
        CHECK_EQ(in_thread, 1);
        CHECK_EQ(is_pending(numbers[i]), 0);
        go_on = 1;
        pthread_join(thread, NULL);
        /* The thread is gone, and takes nothing any more. */
        CHECK_OK(kill(getpid(), numbers[i]));
        usleep(5000);
        CHECK_EQ(is_pending(numbers[i]), 1);
        CHECK_EQ(count, 1);
        CHECK_OK(sigprocmask(SIG_SETMASK, &none, NULL));
        CHECK_EQ(count, 2);
        signal(numbers[i], SIG_DFL);
    }
}

static void *wait_for_any(void *result)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    *(int *)result = sigwaitinfo(&all, &information);
    return NULL;
}

static void waited_for_by_another_thread(void)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    CHECK_OK(sigprocmask(SIG_SETMASK, &all, NULL));
    for (int i = 0; i < NUMBERS; i++) {
        pthread_t thread;
        int result = 0;
        REQUIRE(pthread_create(&thread, NULL, wait_for_any, &result) == 0);
        usleep(2000);
        CHECK_OK(sigqueue(getpid(), numbers[i], (union sigval){.sival_int = i}));
        pthread_join(thread, NULL);
        CHECK_EQ(result, numbers[i]);
        CHECK_EQ(information.si_value.sival_int, i);
    }
    CHECK_OK(sigprocmask(SIG_SETMASK, &none, NULL));
}

static void no_more_than_the_limit(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t set;
        struct rlimit none = {0, 0};
        block_only(64, &set);
        if (setrlimit(RLIMIT_SIGPENDING, &none) != 0) _exit(1);
        if (sigqueue(getpid(), 64, (union sigval){.sival_int = 1}) != -1 || errno != EAGAIN) _exit(2);
        if (kill(getpid(), 64) != 0 || is_pending(64) != 1) _exit(3);
        _exit(0);
    }
    CHECK_EQ(wait_for(pid), 0);
}

/* Inherited over fork not at all, over exec as they are: here by the mask of the parent. */
static void not_inherited(void)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    CHECK_OK(sigprocmask(SIG_SETMASK, &all, NULL));
    for (int i = 0; i < NUMBERS; i++) CHECK_OK(kill(getpid(), numbers[i]));
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < NUMBERS; i++)
            if (is_pending(numbers[i])) _exit(1);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    siginfo_t info;
    for (int i = 0; i < NUMBERS; i++) CHECK(sigtimedwait(&all, &info, &at_once) > 0);
    CHECK_ERROR(sigtimedwait(&all, &info, &at_once), EAGAIN);
    CHECK_OK(sigprocmask(SIG_SETMASK, &none, NULL));
}

/* What is not there is EFAULT as ever, in every way in which a kernel is handed memory. */
static void bad_addresses(void)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    char *pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(pages != MAP_FAILED);
    munmap(pages + PAGE, PAGE);
    mprotect(pages + 2 * PAGE, PAGE, PROT_READ);
    char *edge = pages + PAGE, *hole = edge, *constant = pages + 2 * PAGE;
    int file = open(temporary("short"), O_CREAT | O_RDWR | O_TRUNC, 0600);
    REQUIRE(file >= 0);
    char *beyond = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK_OK(sigprocmask(SIG_SETMASK, &all, NULL));
    char *bad[] = {hole, beyond, edge - 4, (char *)8};
    for (int i = 0; i < 4; i++) {
        CHECK_ERROR(syscall(SYS_rt_sigprocmask, SIG_SETMASK, bad[i], NULL, 8), EFAULT);
        CHECK_ERROR(syscall(SYS_rt_sigaction, SIGUSR1, bad[i], NULL, 8), EFAULT);
        CHECK_ERROR(syscall(SYS_rt_sigaction, SIGUSR1, NULL, bad[i], 8), EFAULT);
        CHECK_ERROR(syscall(SYS_rt_sigpending, bad[i], 8), EFAULT);
        CHECK_ERROR(syscall(SYS_nanosleep, bad[i], NULL), EFAULT);
        CHECK_ERROR(syscall(SYS_fstat, 0, bad[i]), EFAULT);
        CHECK_ERROR(syscall(SYS_rt_sigtimedwait, bad[i], NULL, NULL, 8), EFAULT);
    }
    struct timespec *in_constant = (struct timespec *)constant;
    CHECK_OK(syscall(SYS_nanosleep, in_constant, NULL));
    CHECK_ERROR(syscall(SYS_rt_sigaction, SIGUSR1, NULL, constant, 8), EFAULT);
    memset(edge - 8, 'x', 8);
    CHECK_ERROR(open(edge - 8, O_RDONLY), EFAULT);
    CHECK_ERROR(syscall(SYS_execve, edge - 8, NULL, NULL), EFAULT);
    strcpy(edge - 8, "/dev/no");
    CHECK_ERROR(open(edge - 8, O_RDONLY), ENOENT);
    char *arguments[] = {edge - 8, hole, NULL};
    CHECK_ERROR(execve("/bin/sh", arguments, arguments + 2), EFAULT);
    CHECK_OK(sigprocmask(SIG_SETMASK, &none, NULL));
    close(file);
}

static volatile uintptr_t frame;

static void remember(int number)
{
    (void)number;
    frame = (uintptr_t)__builtin_frame_address(0);
}

/* The frame of a handler goes where the stack has not grown to yet. */
static void the_stack_grows_for_a_frame(void)
{
    struct sigaction action = {.sa_handler = remember};
    sigfillset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
    for (uintptr_t size = 300000; size < 1500000; size += 300000) {
        frame = 0;
        long result, self = getpid();
#if defined(__x86_64__)
        __asm__ volatile("mov %%rsp, %%rbx\n sub %2, %%rsp\n mov $62, %%eax\n mov $10, %%esi\n syscall\n mov %%rbx, %%rsp"
                         : "=a"(result) : "D"(self), "r"(size) : "rbx", "rsi", "rcx", "r11", "memory");
#else
        __asm__ volatile("mov x19, sp\n sub sp, x19, %2\n mov x8, #129\n mov x0, %1\n mov x1, #10\n svc #0\n mov sp, x19\n mov %0, x0"
                         : "=r"(result) : "r"(self), "r"(size) : "x0", "x1", "x8", "x19", "memory");
#endif
        CHECK_EQ(result, 0);
        CHECK(frame != 0);
    }
}

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

/* An ignored one ends no call, whoever sends it. */
static void ignored_ones_interrupt_nothing(void)
{
    static const int ignored[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, 64};
    signal(SIGALRM, on_alarm);
    for (unsigned i = 0; i < sizeof ignored / sizeof *ignored; i++) {
        int pipes[2];
        char byte;
        CHECK_OK(pipe(pipes));
        signal(ignored[i], SIG_IGN);
        pid_t parent = getpid(), pid = fork();
        if (pid == 0) {
            usleep(20000);
            kill(parent, ignored[i]);
            usleep(20000);
            kill(parent, ignored[i]);
            usleep(20000);
            _exit(write(pipes[1], "xy", 2) == 2 ? 0 : 1);
        }
        struct pollfd poller = {.fd = pipes[0], .events = POLLIN};
        CHECK_EQ(poll(&poller, 1, -1), 1);
        CHECK_EQ(read(pipes[0], &byte, 1), 1);
        CHECK_EQ(wait_for(pid), 0);
        /* While it is blocked it waits; to ignore it then is to drop it. */
        sigset_t set;
        block_only(ignored[i], &set);
        signal(ignored[i], SIG_DFL);
        kill(getpid(), ignored[i]);
        CHECK_EQ(is_pending(ignored[i]), 1);
        signal(ignored[i], SIG_IGN);
        CHECK_EQ(is_pending(ignored[i]), 0);
        block_only(0, &set);
        signal(ignored[i], SIG_DFL);
        close(pipes[0]);
        close(pipes[1]);
    }
}

/* A process may send itself what looks like a fault. */
static void faults_by_hand(void)
{
    static const struct { int number, code; } faults[] = {
        {SIGSEGV, SEGV_MAPERR}, {SIGSEGV, SI_KERNEL}, {SIGBUS, BUS_ADRERR}, {SIGFPE, FPE_INTDIV}, {SIGILL, ILL_ILLOPC},
        {SIGTRAP, TRAP_BRKPT}};
    for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++) {
        siginfo_t info;
        handle(faults[i].number);
        memset(&info, 0, sizeof info);
        info.si_signo = faults[i].number;
        info.si_code = faults[i].code;
        info.si_addr = (void *)0x123456;
        CHECK_OK(syscall(SYS_rt_sigqueueinfo, getpid(), faults[i].number, &info));
        CHECK_EQ(count, 1);
        CHECK_EQ(information.si_code, faults[i].code);
        CHECK_EQ((uintptr_t)information.si_addr, 0x123456);
        CHECK_OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), faults[i].number, &info));
        CHECK_EQ(count, 2);
        signal(faults[i].number, SIG_DFL);
    }
    pid_t pid = fork();
    if (pid == 0) {
        siginfo_t info;
        memset(&info, 0, sizeof info);
        info.si_code = SEGV_MAPERR;
        _exit(syscall(SYS_rt_sigqueueinfo, getppid(), SIGSEGV, &info) == -1 && errno == EPERM ? 0 : 1);
    }
    CHECK_EQ(wait_for(pid), 0);
}

int main(void)
{
    RUN(pending_and_taken);
    RUN(every_instance_of_a_real_time_signal);
    RUN(read_from_a_descriptor);
    RUN(sent_to_the_process);
    RUN(waited_for_by_another_thread);
    RUN(no_more_than_the_limit);
    RUN(not_inherited);
    RUN(bad_addresses);
    RUN(the_stack_grows_for_a_frame);
    RUN(ignored_ones_interrupt_nothing);
    RUN(faults_by_hand);
    return finish();
}
