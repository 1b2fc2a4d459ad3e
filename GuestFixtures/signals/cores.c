/* Whether a process that a signal ends dumped core: as its limit and its own wish have it. The file itself is of no interest. */
#include "check.h"
#include "machine.h"
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static volatile sig_atomic_t children;
static siginfo_t told;

static void on_child(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    told = *info;
    children++;
}

static void by_raise(int number)
{
    raise(number);
}

static void by_fault(int number)
{
    if (number == SIGSEGV) *(volatile int *)8 = 1;
    else __asm__ volatile(ILLEGAL_INSTRUCTION);
}

/* Ends a child and says what its parent sees. */
static void end(const char *name, void (*how)(int), int number, rlim_t limit, int dumpable)
{
    children = 0;
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit size = {limit, limit};
        if (setrlimit(RLIMIT_CORE, &size) != 0) _exit(99);
        if (chdir(temporary(".")) != 0) _exit(98);
        prctl(PR_SET_DUMPABLE, dumpable);
        how(number);
        _exit(97);
    }
    siginfo_t info;
    CHECK_OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
    WAIT_UNTIL(children == 1);
    int status = wait_for(pid);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), number);
    CHECK_EQ(info.si_status, number);
    CHECK_EQ(info.si_code, WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED);
    CHECK_EQ(told.si_code, info.si_code);
    printf("%s, signal %d: %s\n", name, number, WCOREDUMP(status) ? "dumped" : "not dumped");
    fflush(stdout);
    unlink(temporary("core"));
}

int main(void)
{
    static const int numbers[] = {SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGXCPU, SIGSYS, SIGTERM, SIGKILL, 64};
    struct sigaction action = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct rlimit hard;
    sigaction(SIGCHLD, &action, NULL);
    getrlimit(RLIMIT_CORE, &hard);
    rlim_t much = hard.rlim_max < (256 << 20) ? hard.rlim_max : 256 << 20;
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        end("no limit", by_raise, numbers[i], much, 1);
        end("limit zero", by_raise, numbers[i], 0, 1);
    }
    end("fault", by_fault, SIGSEGV, much, 1);
    end("fault", by_fault, SIGILL, much, 1);
    end("fault, limit zero", by_fault, SIGSEGV, 0, 1);
    end("not dumpable", by_fault, SIGSEGV, much, 0);
    end("not dumpable", by_raise, SIGABRT, much, 0);
    return finish();
}
