/* Signals in a program that a translator may run: handlers, alternate stacks, faults, timers, masks, and deaths by them. */
#include "check.h"
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

static volatile sig_atomic_t caught, last_signal, last_code, last_value;
static volatile uintptr_t last_address, handler_stack;
static sigjmp_buf escape;

static void note(int signal, siginfo_t *info, void *context)
{
    int local;
    (void)context;
    caught++;
    last_signal = signal;
    last_code = info->si_code;
    last_address = (uintptr_t)info->si_addr;
    last_value = info->si_value.sival_int;
    handler_stack = (uintptr_t)&local;
}

static void note_and_escape(int signal, siginfo_t *info, void *context)
{
    note(signal, info, context);
    siglongjmp(escape, 1);
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    CHECK_OK(sigaction(signal, &action, NULL));
    caught = 0;
}

static void every_signal_has_a_handler(void)
{
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction before, action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
        if (signal == SIGKILL || signal == SIGSTOP || (signal >= 32 && signal < SIGRTMIN)) continue;
        /* The last ones are the translator's own, in some versions. */
        if (signal > SIGRTMIN + 20) continue;
        CHECK_OK(sigaction(signal, &action, &before));
        CHECK(before.sa_handler == SIG_DFL);
        caught = 0;
        CHECK_OK(raise(signal));
        CHECK_EQ(caught, 1);
        CHECK_EQ(last_signal, signal);
        CHECK_EQ(last_code, SI_TKILL);
        CHECK_OK(sigaction(signal, &before, NULL));
    }
    struct sigaction action = {.sa_handler = SIG_IGN};
    CHECK_ERROR(sigaction(SIGKILL, &action, NULL), EINVAL);
    CHECK_ERROR(sigaction(SIGSTOP, &action, NULL), EINVAL);
}

static void queued_with_values(void)
{
    handle(SIGRTMIN + 1, note, 0);
    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 1);
    CHECK_OK(sigprocmask(SIG_BLOCK, &set, NULL));
    for (int i = 0; i < 5; i++) CHECK_OK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 10 + i}));
    CHECK_EQ(caught, 0);
    CHECK_OK(sigpending(&pending));
    CHECK(sigismember(&pending, SIGRTMIN + 1));
    siginfo_t info;
    CHECK_EQ(sigtimedwait(&set, &info, &(struct timespec){5, 0}), SIGRTMIN + 1);
    CHECK_EQ(info.si_value.sival_int, 10);
    CHECK_EQ(info.si_pid, getpid());
    CHECK_OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
    CHECK_EQ(caught, 4);
    CHECK_EQ(last_value, 14);
    CHECK_EQ(last_code, SI_QUEUE);
    signal(SIGRTMIN + 1, SIG_DFL);
}

static void on_an_alternate_stack(void)
{
    static char stack[128 * 1024];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack}, old;
    CHECK_OK(sigaltstack(&alternate, &old));
    CHECK(old.ss_flags & SS_DISABLE);
    handle(SIGUSR1, note, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK_EQ(caught, 1);
    CHECK(handler_stack >= (uintptr_t)stack && handler_stack < (uintptr_t)stack + sizeof stack);
    handle(SIGUSR1, note, 0);
    raise(SIGUSR1);
    CHECK(handler_stack < (uintptr_t)stack || handler_stack >= (uintptr_t)stack + sizeof stack);
    CHECK_OK(sigaltstack(NULL, &old));
    CHECK(old.ss_sp == stack && old.ss_flags == 0);
    alternate.ss_size = 16;
    CHECK_ERROR(sigaltstack(&alternate, NULL), ENOMEM);
    signal(SIGUSR1, SIG_DFL);
}

static volatile long depths;

__attribute__((noinline)) static int overflow(volatile char *outer)
{
    volatile char frame[4096];
    frame[0] = outer[0];
    return depths-- ? overflow(frame) + frame[0] : 0;
}

static void a_stack_that_overflows(void)
{
    /* Its handler is on the alternate stack of the section before. */
    for (volatile int round = 0; round < 2; round++) {
        volatile char first = 0;
        depths = 1L << 30;
        handle(SIGSEGV, note_and_escape, SA_ONSTACK);
        if (sigsetjmp(escape, 1) == 0) overflow(&first);
        CHECK_EQ(caught, 1);
        CHECK_EQ(last_signal, SIGSEGV);
    }
    stack_t none = {.ss_flags = SS_DISABLE};
    CHECK_OK(sigaltstack(&none, NULL));
    signal(SIGSEGV, SIG_DFL);
}

static void faults_with_addresses(void)
{
    char *page = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page, PAGE);
    mprotect(page + PAGE, PAGE, PROT_READ);
    handle(SIGSEGV, note_and_escape, 0);
    for (int round = 0; round < 20; round++) {
        if (sigsetjmp(escape, 1) == 0) *(volatile char *)(page + 24) = 1;
        CHECK_EQ(last_code, SEGV_MAPERR);
        CHECK_EQ(last_address, (uintptr_t)page + 24);
        if (sigsetjmp(escape, 1) == 0) *(volatile char *)(page + PAGE + 40) = 1;
        CHECK_EQ(last_code, SEGV_ACCERR);
        CHECK_EQ(last_address, (uintptr_t)page + PAGE + 40);
        if (sigsetjmp(escape, 1) == 0) *(volatile int *)NULL = 1;
        CHECK_EQ(last_code, SEGV_MAPERR);
        CHECK_EQ(last_address, 0);
    }
    CHECK_EQ(caught, 60);
    signal(SIGSEGV, SIG_DFL);
    munmap(page + PAGE, 2 * PAGE);
}

static char *guarded;

static void open_and_retry(int signal, siginfo_t *info, void *context)
{
    note(signal, info, context);
    mprotect((void *)((uintptr_t)info->si_addr & ~(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE);
}

static void mended_faults(void)
{
    enum { COUNT = 64 };
    guarded = mmap(NULL, COUNT * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    handle(SIGSEGV, open_and_retry, 0);
    for (int i = 0; i < COUNT; i++) guarded[i * PAGE + i] = (char)i;
    for (int i = 0; i < COUNT; i++) CHECK_EQ(guarded[i * PAGE + i], i);
    CHECK_EQ(caught, COUNT);
    signal(SIGSEGV, SIG_DFL);
    munmap(guarded, COUNT * PAGE);
}

static void behind_the_end_of_a_file(void)
{
    const char *path = temporary("short");
    write_file(path, "x", 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *mapped = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    CHECK_EQ(mapped[0], 'x');
    handle(SIGBUS, note_and_escape, 0);
    if (sigsetjmp(escape, 1) == 0) CHECK_EQ(*(volatile char *)(mapped + PAGE + 5), 0);
    CHECK_EQ(caught, 1);
    CHECK_EQ(last_code, BUS_ADRERR);
#ifdef __x86_64__
    /* qemu-user gives its own address where the program's begin at a base. */
    CHECK_EQ(last_address, (uintptr_t)mapped + PAGE + 5);
#endif
    signal(SIGBUS, SIG_DFL);
    munmap(mapped, 2 * PAGE);
    close(fd);
    unlink(path);
}

static void alarms_and_timers(void)
{
    handle(SIGALRM, note, 0);
    CHECK_EQ(alarm(1), 0);
    CHECK_ERROR(pause(), EINTR);
    CHECK_EQ(caught, 1);
    struct itimerval interval = {{0, 20000}, {0, 20000}}, none = {{0, 0}, {0, 0}};
    CHECK_OK(setitimer(ITIMER_REAL, &interval, NULL));
    /* In a loop that makes no call: the translator has to notice by itself. */
    while (caught < 6) __asm__ volatile("" ::: "memory");
    CHECK_OK(setitimer(ITIMER_REAL, &none, NULL));
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM, .sigev_value.sival_int = 99};
    CHECK_OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
    caught = 0;
    CHECK_OK(timer_settime(timer, 0, &(struct itimerspec){{0, 0}, {0, 10000000}}, NULL));
    while (caught < 1) usleep(1000);
    CHECK_EQ(last_code, SI_TIMER);
    CHECK_EQ(last_value, 99);
    CHECK_OK(timer_delete(timer));
    signal(SIGALRM, SIG_DFL);
}

static void calls_that_are_interrupted(void)
{
    int ends[2];
    char byte;
    CHECK_OK(pipe(ends));
    handle(SIGALRM, note, 0);
    struct itimerval soon = {{0, 0}, {0, 30000}};
    setitimer(ITIMER_REAL, &soon, NULL);
    CHECK_ERROR(read(ends[0], &byte, 1), EINTR);
    CHECK_EQ(caught, 1);
    /* With SA_RESTART it goes on, until a child writes. */
    handle(SIGALRM, note, SA_RESTART);
    pid_t child = fork();
    if (child == 0) {
        usleep(150000);
        _exit(write(ends[1], "y", 1) == 1 ? 0 : 1);
    }
    setitimer(ITIMER_REAL, &soon, NULL);
    CHECK_EQ(read(ends[0], &byte, 1), 1);
    CHECK_EQ(caught, 1);
    CHECK_EQ(wait_for(child), 0);
    close(ends[0]);
    close(ends[1]);
    signal(SIGALRM, SIG_DFL);
}

static void nested_with_masks(void)
{
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    handle(SIGUSR2, note, 0);
    CHECK_OK(sigprocmask(SIG_BLOCK, &set, &old));
    kill(getpid(), SIGUSR2);
    CHECK_EQ(caught, 0);
    sigset_t open = old;
    sigdelset(&open, SIGUSR2);
    CHECK_ERROR(sigsuspend(&open), EINTR);
    CHECK_EQ(caught, 1);
    CHECK_OK(sigprocmask(SIG_SETMASK, &old, NULL));
    signal(SIGUSR2, SIG_DFL);
}

static void die_by(int number)
{
    signal(number, SIG_DFL);
    raise(number);
}

static void deaths(void)
{
    const int NUMBERS[] = {SIGTERM, SIGKILL, SIGINT, SIGUSR1, SIGPIPE, SIGABRT, SIGALRM, SIGRTMIN + 3};
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++) {
        pid_t child = fork();
        if (child == 0) {
            die_by(NUMBERS[i]);
            _exit(1);
        }
        int status = wait_for(child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == NUMBERS[i]);
    }
    pid_t child = fork();
    if (child == 0) {
        *(volatile int *)NULL = 1;
        _exit(1);
    }
    int status = wait_for(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    child = fork();
    if (child == 0) for (;;) pause();
    CHECK_OK(kill(child, SIGSTOP));
    CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    CHECK_OK(kill(child, SIGCONT));
    CHECK_EQ(waitpid(child, &status, WCONTINUED), child);
    CHECK(WIFCONTINUED(status));
    CHECK_OK(kill(child, SIGTERM));
    CHECK_EQ(wait_for(child), SIGTERM);
}

static void *wait_for_signal(void *set)
{
    int signal = 0;
    CHECK_EQ(sigwait(set, &signal), 0);
    return (void *)(intptr_t)signal;
}

static void to_one_thread(void)
{
    static sigset_t set;
    sigset_t old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, &old), 0);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, wait_for_signal, &set), 0);
    usleep(20000);
    CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
    void *result = NULL;
    CHECK_EQ(pthread_join(thread, &result), 0);
    CHECK_EQ((intptr_t)result, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
}

int main(void)
{
    RUN(every_signal_has_a_handler);
    RUN(queued_with_values);
    RUN(on_an_alternate_stack);
    RUN(a_stack_that_overflows);
    RUN(faults_with_addresses);
    RUN(mended_faults);
    RUN(behind_the_end_of_a_file);
    RUN(alarms_and_timers);
    RUN(calls_that_are_interrupted);
    RUN(nested_with_masks);
    RUN(deaths);
    RUN(to_one_thread);
    return finish();
}
