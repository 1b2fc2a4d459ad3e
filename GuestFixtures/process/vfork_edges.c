/* vfork at its edges: what is the child's own, who runs on meanwhile, and every way to let the parent go on. */
#include "check.h"
#include "machine.h"
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>

extern char **environ;
static volatile int shared;

static inline __attribute__((always_inline)) pid_t vfork_with(unsigned long flags)
{
    return (pid_t)in_place(SYS_clone, (long)(CLONE_VFORK | flags), 0, 0, 0, 0);
}

static inline __attribute__((always_inline)) pid_t vfork_by(struct clone_args *arguments)
{
    return (pid_t)in_place(SYS_clone3, (long)arguments, sizeof *arguments, 0, 0, 0);
}

/* The same thing by its other names. */
static void by_every_name(void)
{
    pid_t pid;
    shared = 0;
#ifdef SYS_vfork
    pid = (pid_t)in_place(SYS_vfork, 0, 0, 0, 0, 0);
#else
    pid = vfork_with(CLONE_VM | SIGCHLD);
#endif
    if (pid == 0) {
        shared = 1;
        _exit(1);
    }
    CHECK_EQ(shared, 1);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 1);
    pid = vfork_with(CLONE_VM | SIGCHLD);
    if (pid == 0) {
        shared = 2;
        _exit(2);
    }
    CHECK_EQ(shared, 2);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 2);
    struct clone_args arguments = {.flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD};
    pid = vfork_by(&arguments);
    if (pid == 0) {
        shared = 3;
        _exit(3);
    }
    CHECK_EQ(shared, 3);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 3);
}

/* The signal at its end is the one that was asked for. */
static volatile int arrived;

static void count(int number)
{
    arrived = arrived * 100 + number;
}

static void another_exit_signal(void)
{
    signal(SIGUSR1, count);
    signal(SIGCHLD, count);
    arrived = 0;
    pid_t pid = vfork_with(CLONE_VM | SIGUSR1);
    if (pid == 0) _exit(0);
    CHECK_ERROR(waitpid(pid, NULL, 0), ECHILD);
    int status = -1;
    CHECK_EQ(waitpid(pid, &status, __WCLONE), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(arrived, SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
}

static volatile int stop, steps;

static void *walk(void *argument)
{
    while (!stop) {
        steps++;
        getppid();
        void *memory = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        *(volatile char *)memory = 1;
        munmap(memory, 4 * PAGE);
    }
    return argument;
}

static void other_threads_go_on(void)
{
    pthread_t threads[3];
    stop = 0;
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, walk, NULL);
    for (int i = 0; i < 5; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            /* The parent's threads count on while the parent's own thread waits for this one. */
            int begin = steps;
            while (steps < begin + 200) usleep(100);
            char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            *memory = 7;
            munmap(memory, PAGE);
            _exit(3);
        }
        CHECK_EQ(WEXITSTATUS(wait_for(pid)), 3);
    }
    stop = 1;
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
}

static volatile pid_t victim;
static volatile int signal_for_victim;

static void *kill_it(void *argument)
{
    WAIT_UNTIL(victim != 0);
    usleep(20000);
    CHECK_OK(kill(victim, signal_for_victim));
    return argument;
}

/* Killed before it has executed or ended: the parent goes on. */
static void a_killed_child(void)
{
    int signals[] = {SIGKILL, SIGTERM, SIGSEGV, SIGKILL};
    for (int i = 0; i < 4; i++) {
        pthread_t thread;
        victim = 0;
        signal_for_victim = signals[i];
        pthread_create(&thread, NULL, kill_it, NULL);
        pid_t pid = vfork();
        if (pid == 0) {
            victim = (pid_t)syscall(SYS_getpid);
            if (i == 3)
                for (;;) continue;
            for (;;) pause();
        }
        CHECK_EQ(pid, victim);
        int status = wait_for(pid);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == signals[i]);
        pthread_join(thread, NULL);
    }
    /* And by a fault of its own. */
    pid_t pid = vfork();
    if (pid == 0) {
        *(volatile int *)16 = 1;
        _exit(0);
    }
    int status = wait_for(pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void *stop_and_continue(void *argument)
{
    WAIT_UNTIL(victim != 0);
    CHECK_OK(kill(victim, SIGSTOP));
    usleep(30000);
    shared = 1;
    CHECK_OK(kill(victim, SIGCONT));
    return argument;
}

/* A stopped child is not an ended one. */
static void a_stopped_child(void)
{
    pthread_t thread;
    victim = shared = 0;
    pthread_create(&thread, NULL, stop_and_continue, NULL);
    pid_t pid = vfork();
    if (pid == 0) {
        victim = (pid_t)syscall(SYS_getpid);
        while (!shared) usleep(1000);
        _exit(8);
    }
    CHECK_EQ(shared, 1);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 8);
    pthread_join(thread, NULL);
}

static void a_failing_exec_keeps_the_parent_waiting(void)
{
    char *arguments[] = {"nothing", NULL};
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    shared = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        for (int i = 0; i < 5; i++) {
            execve("/nonexistent/program", arguments, environ);
            if (errno != ENOENT) _exit(1);
            execve("/etc/passwd", arguments, environ);
            if (errno != EACCES) _exit(2);
            execve("/etc", arguments, environ);
            if (errno != EACCES) _exit(3);
            syscall(SYS_execve, 8, arguments, environ);
            if (errno != EFAULT) _exit(4);
            syscall(SYS_execve, "/bin/true", 8, environ);
            if (errno != EFAULT) _exit(5);
        }
        usleep(100000);
        shared = 1;
        execve("/bin/true", arguments, environ);
        _exit(6);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    CHECK_EQ(shared, 1);
    CHECK((end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000 >= 99);
    CHECK_EQ(wait_for(pid), 0);
}

/* In the child's child's child. */
static void nested(void)
{
    volatile int trace = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        trace = trace * 10 + 1;
        pid_t inner = vfork();
        if (inner == 0) {
            trace = trace * 10 + 2;
            pid_t innermost = vfork();
            if (innermost == 0) {
                trace = trace * 10 + 3;
                execl("/bin/sh", "sh", "-c", "exit 7", NULL);
                _exit(1);
            }
            trace = trace * 10 + 4;
            int status = 0;
            if (waitpid(innermost, &status, 0) != innermost) _exit(99);
            _exit(WEXITSTATUS(status) + 1);
        }
        trace = trace * 10 + 5;
        int status = 0;
        if (waitpid(inner, &status, 0) != inner) _exit(99);
        /* fork in it, too: that child has a copy. */
        pid_t copy = fork();
        if (copy == 0) {
            trace = 99;
            _exit(1);
        }
        int other = 0;
        if (waitpid(copy, &other, 0) != copy) _exit(98);
        _exit(WEXITSTATUS(status) + WEXITSTATUS(other));
    }
    CHECK_EQ(trace, 12345);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 9);
}

static void other_handler(int number)
{
    (void)number;
}

static sighandler_t disposition(int number)
{
    struct sigaction action;
    sigaction(number, NULL, &action);
    return action.sa_handler;
}

/* Everything that belongs to a process and not to its memory. */
static void what_is_the_childs_own(void)
{
    char before[500], after[500];
    CHECK(getcwd(before, sizeof before) != NULL);
    umask(022);
    signal(SIGUSR1, count);
    signal(SIGUSR2, SIG_IGN);
    struct rlimit core;
    CHECK_OK(getrlimit(RLIMIT_CORE, &core));
    sigset_t mask;
    sigemptyset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    int fd = open("/dev/null", O_RDONLY), priority = getpriority(PRIO_PROCESS, 0);
    pid_t group = getpgrp(), pid = vfork();
    if (pid == 0) {
        if (chdir("/") != 0) _exit(1);
        if (umask(0777) != 022) _exit(2);
        if (disposition(SIGUSR1) != count || disposition(SIGUSR2) != SIG_IGN) _exit(3);
        signal(SIGUSR1, other_handler);
        signal(SIGUSR2, SIG_DFL);
        signal(SIGHUP, SIG_IGN);
        struct rlimit none = {0, core.rlim_max};
        if (setrlimit(RLIMIT_CORE, &none) != 0) _exit(4);
        if (close(fd) != 0) _exit(5);
        if (dup2(1, 200) != 200) _exit(6);
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, NULL);
        if (setpgid(0, 0) != 0 || getpgrp() == group) _exit(7);
        setpriority(PRIO_PROCESS, 0, priority + 1);
        _exit(0);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK(getcwd(after, sizeof after) != NULL);
    CHECK_STR(after, before);
    CHECK_EQ(umask(022), 022);
    CHECK(disposition(SIGUSR1) == count);
    CHECK(disposition(SIGUSR2) == SIG_IGN);
    CHECK(disposition(SIGHUP) == SIG_DFL);
    struct rlimit now;
    CHECK_OK(getrlimit(RLIMIT_CORE, &now));
    CHECK_EQ(now.rlim_cur, core.rlim_cur);
    CHECK_OK(fcntl(fd, F_GETFD));
    CHECK_ERROR(fcntl(200, F_GETFD), EBADF);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    CHECK(!sigismember(&mask, SIGTERM));
    CHECK_EQ(getpgrp(), group);
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), priority);
    close(fd);
    /* The handler is still the parent's, in fact. */
    arrived = 0;
    raise(SIGUSR1);
    CHECK_EQ(arrived, SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
}

/* Shared after all where it is asked for. */
static void files_and_directory_shared(void)
{
    char before[500], after[500];
    CHECK(getcwd(before, sizeof before) != NULL);
    pid_t pid = vfork_with(CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SIGHAND | SIGCHLD);
    if (pid == 0) {
        if (chdir("/") != 0 || dup2(1, 77) != 77) _exit(1);
        umask(0123);
        signal(SIGUSR1, SIG_IGN);
        _exit(0);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK(getcwd(after, sizeof after) != NULL);
    CHECK_STR(after, "/");
    CHECK_EQ(umask(022), 0123);
    CHECK_OK(close(77));
    CHECK(disposition(SIGUSR1) == SIG_IGN);
    signal(SIGUSR1, SIG_DFL);
    CHECK_OK(chdir(before));
}

/* Only the child has these; the parent's handlers stay. */
static void handlers_cleared(void)
{
    signal(SIGUSR1, count);
    signal(SIGUSR2, SIG_IGN);
    struct clone_args arguments = {.flags = CLONE_VFORK | CLONE_VM | CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
    pid_t pid = vfork_by(&arguments);
    if (pid == 0) _exit(disposition(SIGUSR1) == SIG_DFL && disposition(SIGUSR2) == SIG_IGN ? 0 : 1);
    CHECK_EQ(wait_for(pid), 0);
    CHECK(disposition(SIGUSR1) == count);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
}

static volatile int handled;

static void handle(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    handled++;
}

static void *shower(void *argument)
{
    while (!stop) {
        if (victim != 0) kill(victim, SIGUSR1);
        kill(getpid(), SIGUSR2);
        usleep(200);
    }
    return argument;
}

/* Signals rain on the child and on the parent; the parent's wait for their turn. */
static void many_signals(void)
{
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    pthread_t thread;
    stop = victim = 0;
    sigset_t usr, old;
    sigemptyset(&usr);
    sigaddset(&usr, SIGUSR2);
    sigprocmask(SIG_BLOCK, &usr, &old);
    pthread_create(&thread, NULL, shower, NULL);
    sigprocmask(SIG_SETMASK, &old, NULL);
    for (int i = 0; i < 50; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            victim = (pid_t)syscall(SYS_getpid);
            volatile double x = 1;
            int before = handled;
            for (int j = 0; j < 2000 || handled == before; j++) x = x * 1.0000001 + 1e-9;
            for (int j = 0; j < 20; j++) kill(victim, SIGUSR1);
            /* One that is on its way must not meet a program without a handler. */
            sigset_t last;
            sigemptyset(&last);
            sigaddset(&last, SIGUSR1);
            sigprocmask(SIG_BLOCK, &last, NULL);
            victim = 0;
            if (i & 1) execl("/bin/true", "true", NULL);
            _exit(0);
        }
        CHECK_EQ(wait_for(pid), 0);
    }
    stop = 1;
    pthread_join(thread, NULL);
    CHECK(handled > 1000);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
}

/* A signal for the parent is delivered once it goes on. */
static void a_signal_for_the_waiting_parent(void)
{
    arrived = 0;
    signal(SIGUSR1, count);
    pid_t parent = getpid(), pid = vfork();
    if (pid == 0) {
        kill(parent, SIGUSR1);
        usleep(20000);
        _exit(arrived == 0 ? 0 : 1);
    }
    CHECK_EQ(arrived, SIGUSR1);
    CHECK_EQ(wait_for(pid), 0);
    signal(SIGUSR1, SIG_DFL);
}

/* Registers of the floating-point unit are the thread's, and there are two. */
static void vector_registers(void)
{
#if defined(__x86_64__)
    unsigned value = 0x5a5a5a5a, control = 0x9f80, result = 0, now = 0;
    __asm__ volatile("ldmxcsr %0\n\tmovd %1, %%xmm7" : : "m"(control), "r"(value) : "xmm7");
    long pid;
    __asm__ volatile(
        "mov $58, %%eax\n\tsyscall\n\ttest %%eax, %%eax\n\tjnz 1f\n\t"
        "pxor %%xmm7, %%xmm7\n\tmovl $0x1f80, -64(%%rsp)\n\tldmxcsr -64(%%rsp)\n\t"
        "mov $60, %%eax\n\txor %%edi, %%edi\n\tsyscall\n\t1:\n\tmovd %%xmm7, %1\n\tstmxcsr %2"
        : "=&a"(pid), "=&r"(result), "=m"(now) : : "rcx", "r11", "rdi", "memory", "xmm7");
    unsigned usual = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(usual));
    CHECK_EQ(wait_for((pid_t)pid), 0);
    CHECK_EQ(result, value);
    CHECK_EQ(now, control);
#endif
}

static int spawns_on_its_own_stack(void *argument)
{
    execve("/bin/true", argument, environ);
    return 1;
}

static void own_stack_and_exec(void)
{
    enum { SIZE = 64 << 10 };
    char *stack = mmap(NULL, SIZE + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK_OK(mprotect(stack + PAGE, SIZE, PROT_READ | PROT_WRITE));
    char *arguments[] = {"true", NULL};
    for (int i = 0; i < 20; i++) {
        pid_t pid = clone(spawns_on_its_own_stack, stack + PAGE + SIZE, CLONE_VM | CLONE_VFORK | SIGCHLD, arguments);
        REQUIRE(pid > 0);
        CHECK_EQ(wait_for(pid), 0);
    }
    CHECK_OK(munmap(stack, SIZE + 2 * PAGE));
}

static void a_pidfd(void)
{
    int pidfd = -1;
    struct clone_args arguments = {
        .flags = CLONE_VFORK | CLONE_VM | CLONE_PIDFD, .pidfd = (uintptr_t)&pidfd, .exit_signal = SIGCHLD};
    pid_t pid = vfork_by(&arguments);
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "exit 11", NULL);
        _exit(1);
    }
    CHECK(pidfd >= 0);
    CHECK_EQ(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
    siginfo_t info = {0};
    CHECK_OK(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED));
    CHECK_EQ(info.si_status, 11);
    CHECK_EQ(info.si_pid, pid);
    close(pidfd);
}

static void *spawn_some(void *argument)
{
    char *good[] = {"true", NULL}, *bad[] = {"nothing", NULL};
    for (int i = 0; i < 15; i++) {
        pid_t pid = -1;
        if (posix_spawn(&pid, "/bin/true", NULL, NULL, good, environ) != 0) return (void *)1;
        if (posix_spawn(&(pid_t){0}, "/nonexistent/program", NULL, NULL, bad, environ) != ENOENT) return (void *)2;
        int status = -1;
        if (waitpid(pid, &status, 0) != pid || status != 0) return (void *)3;
    }
    return argument;
}

static void spawns_at_once(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, spawn_some, NULL);
    for (int i = 0; i < 4; i++) {
        void *result = (void *)9;
        pthread_join(threads[i], &result);
        CHECK_EQ((long)result, 0);
    }
    CHECK_ERROR(waitpid(-1, NULL, WNOHANG), ECHILD);
}

static void *vfork_and_exit(void *argument)
{
    pid_t pid = vfork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "sleep 0.05; exit 12", NULL);
        _exit(1);
    }
    *(pid_t *)argument = pid;
    return NULL;
}

/* The child outlives the thread that made it, and is waited for by another. */
static void from_a_thread_that_ends(void)
{
    pthread_t thread;
    pid_t pid = 0;
    pthread_create(&thread, NULL, vfork_and_exit, &pid);
    pthread_join(thread, NULL);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 12);
}

int main(void)
{
    RUN(by_every_name);
    RUN(another_exit_signal);
    RUN(other_threads_go_on);
    RUN(a_killed_child);
    RUN(a_stopped_child);
    RUN(a_failing_exec_keeps_the_parent_waiting);
    RUN(nested);
    RUN(what_is_the_childs_own);
    RUN(files_and_directory_shared);
    RUN(handlers_cleared);
    RUN(many_signals);
    RUN(a_signal_for_the_waiting_parent);
    RUN(vector_registers);
    RUN(own_stack_and_exec);
    RUN(a_pidfd);
    RUN(spawns_at_once);
    RUN(from_a_thread_that_ends);
    return finish();
}
