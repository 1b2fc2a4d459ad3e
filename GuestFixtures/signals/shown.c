/* What /proc/PID/status shows of signals: masks, actions and pending ones, one's own, another thread's, another process's; also after
   what changes them without being asked. */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>

#define CLONE_CLEAR_SIGHAND_ 0x100000000ull
#define BIT(number) (1ull << ((number) - 1))

static const char *program;

static unsigned long long field(const char *path, const char *name)
{
    char line[256], wanted[32];
    unsigned long long value = 0;
    int found = 0;
    FILE *file = fopen(path, "r");
    REQUIRE(file != NULL);
    snprintf(wanted, sizeof wanted, "%s:", name);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, wanted, strlen(wanted)) == 0) {
            value = strtoull(line + strlen(wanted), NULL, 16);
            found = 1;
        }
    fclose(file);
    CHECK(found);
    return value;
}

/* The C library's own are not looked at. */
static unsigned long long shown(pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    return field(path, name) & ~(BIT(32) | BIT(33) | BIT(34));
}

static void handler(int number)
{
    (void)number;
}

static const int numbers[] = {SIGUSR1, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGTERM, 64};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

static void actions(void)
{
    for (int i = 0; i < NUMBERS; i++) {
        unsigned long long bit = BIT(numbers[i]);
        CHECK_EQ(shown(getpid(), "SigIgn") & bit, 0);
        CHECK_EQ(shown(getpid(), "SigCgt") & bit, 0);
        signal(numbers[i], SIG_IGN);
        CHECK_EQ(shown(getpid(), "SigIgn") & bit, bit);
        CHECK_EQ(shown(getpid(), "SigCgt") & bit, 0);
        signal(numbers[i], handler);
        CHECK_EQ(shown(getpid(), "SigIgn") & bit, 0);
        CHECK_EQ(shown(getpid(), "SigCgt") & bit, bit);
        /* A child has its parent's. */
        pid_t pid = fork();
        if (pid == 0)
            for (;;) pause();
        CHECK_EQ(shown(pid, "SigCgt"), shown(getpid(), "SigCgt"));
        CHECK_EQ(shown(pid, "SigIgn"), shown(getpid(), "SigIgn"));
        kill(pid, SIGKILL);
        wait_for(pid);
        struct sigaction once = {.sa_handler = handler, .sa_flags = SA_RESETHAND};
        sigaction(numbers[i], &once, NULL);
        raise(numbers[i]);
        CHECK_EQ(shown(getpid(), "SigCgt") & bit, 0);
        signal(numbers[i], SIG_DFL);
    }
}

static void blocked_and_pending(void)
{
    sigset_t set, none;
    sigemptyset(&none);
    sigemptyset(&set);
    unsigned long long all = 0;
    for (int i = 0; i < NUMBERS; i++) {
        sigaddset(&set, numbers[i]);
        all |= BIT(numbers[i]);
        signal(numbers[i], handler);
    }
    sigprocmask(SIG_SETMASK, &set, NULL);
    CHECK_EQ(shown(getpid(), "SigBlk"), all);
    for (int i = 0; i < NUMBERS; i++) {
        if (i % 2) raise(numbers[i]);
        else kill(getpid(), numbers[i]);
    }
    unsigned long long of_thread = 0, of_process = 0;
    for (int i = 0; i < NUMBERS; i++) *(i % 2 ? &of_thread : &of_process) |= BIT(numbers[i]);
    CHECK_EQ(shown(getpid(), "SigPnd"), of_thread);
    CHECK_EQ(shown(getpid(), "ShdPnd"), of_process);
    sigprocmask(SIG_SETMASK, &none, NULL);
    CHECK_EQ(shown(getpid(), "SigPnd"), 0);
    CHECK_EQ(shown(getpid(), "ShdPnd"), 0);
    CHECK_EQ(shown(getpid(), "SigBlk"), 0);
    for (int i = 0; i < NUMBERS; i++) signal(numbers[i], SIG_DFL);
}

static volatile pid_t thread_id;
static volatile int leave;

static void *blocking(void *argument)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    sigaddset(&set, 64);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    thread_id = (pid_t)syscall(SYS_gettid);
    while (!leave) usleep(1000);
    return argument;
}

static void of_another_thread(void)
{
    pthread_t thread;
    char path[64];
    REQUIRE(pthread_create(&thread, NULL, blocking, NULL) == 0);
    WAIT_UNTIL(thread_id);
    snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)thread_id);
    CHECK_EQ(field(path, "SigBlk"), BIT(SIGSEGV) | BIT(64));
    CHECK_EQ(shown(getpid(), "SigBlk"), 0);
    syscall(SYS_tgkill, getpid(), thread_id, 64);
    CHECK_EQ(field(path, "SigPnd"), BIT(64));
    leave = 1;
    pthread_join(thread, NULL);
}

static void of_another_process(void)
{
    int ready[2];
    char byte;
    REQUIRE(pipe(ready) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGBUS);
        sigaddset(&set, SIGHUP);
        sigprocmask(SIG_SETMASK, &set, NULL);
        signal(SIGSEGV, handler);
        signal(SIGQUIT, SIG_IGN);
        signal(SIGFPE, SIG_IGN);
        (void)!write(ready[1], "x", 1);
        for (;;) pause();
    }
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    kill(pid, SIGHUP);
    CHECK_EQ(shown(pid, "SigBlk"), BIT(SIGBUS) | BIT(SIGHUP));
    CHECK_EQ(shown(pid, "SigCgt"), BIT(SIGSEGV));
    CHECK_EQ(shown(pid, "SigIgn"), BIT(SIGQUIT) | BIT(SIGFPE));
    CHECK_EQ(shown(pid, "ShdPnd"), BIT(SIGHUP));
    kill(pid, SIGKILL);
    wait_for(pid);
}

static void in_a_child_without_handlers(void)
{
    struct { unsigned long long flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls; } request = {
        .flags = CLONE_CLEAR_SIGHAND_, .exit_signal = SIGCHLD};
    signal(SIGSEGV, handler);
    signal(SIGUSR1, handler);
    signal(SIGFPE, SIG_IGN);
    int ready[2];
    char byte;
    REQUIRE(pipe(ready) == 0);
    pid_t pid = (pid_t)syscall(435, &request, sizeof request);
    if (pid == 0) {
        (void)!write(ready[1], "x", 1);
        for (;;) pause();
    }
    REQUIRE(pid > 0);
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    CHECK_EQ(shown(pid, "SigCgt"), 0);
    CHECK_EQ(shown(pid, "SigIgn"), BIT(SIGFPE));
    kill(pid, SIGKILL);
    wait_for(pid);
}

static void over_an_exec(void)
{
    sigset_t set, none;
    sigemptyset(&none);
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    sigprocmask(SIG_SETMASK, &set, NULL);
    pid_t pid = fork();
    if (pid == 0) {
        execl(program, program, "show", NULL);
        _exit(99);
    }
    CHECK_EQ(wait_for(pid), 0);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int after_exec(void)
{
    if (shown(getpid(), "SigCgt") != 0) return 1;
    if (shown(getpid(), "SigIgn") != BIT(SIGFPE)) return 2;
    return shown(getpid(), "SigBlk") == BIT(SIGSEGV) ? 0 : 3;
}

int main(int words, char **arguments)
{
    program = arguments[0];
    if (words > 1) return after_exec();
    RUN(actions);
    RUN(blocked_and_pending);
    RUN(of_another_thread);
    RUN(of_another_process);
    RUN(in_a_child_without_handlers);
    RUN(over_an_exec);
    return finish();
}
