/* seccomp(2): programs that confine themselves. */
#include "check.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <ucontext.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#else
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

enum { MANY = 3000 };

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ARGUMENT(index, half) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * (index) + 4 * (half))
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, value)
/* `answer` for one number; the others are allowed. */
#define FOR_CALL(number, answer) \
    { LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), ANSWER(answer), ANSWER(SECCOMP_RET_ALLOW) }

static long install_with(unsigned long flags, const struct sock_filter *code, size_t count)
{
    struct sock_fprog program = {.len = (unsigned short)count, .filter = (struct sock_filter *)(uintptr_t)code};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

#define INSTALL(flags, ...)                                        \
    ({                                                             \
        const struct sock_filter code_[] = __VA_ARGS__;            \
        install_with(flags, code_, sizeof code_ / sizeof *code_);  \
    })

static void renounce(void) { CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); }

/* The section in a process of its own, which keeps the filters. */
#define RUN_CHILD(section)                                                                   \
    do {                                                                                     \
        printf("%s: %s\n", #section, child_status(section) == 0 ? "ok" : "FAILED");          \
        fflush(stdout);                                                                      \
    } while (0)

static int status_line(const char *name)
{
    char text[8192];
    int fd = open("/proc/self/status", O_RDONLY);
    ssize_t length = read(fd, text, sizeof text - 1);
    REQUIRE(length > 0);
    close(fd);
    text[length] = 0;
    const char *line = strstr(text, name);
    return line ? atoi(line + strlen(name)) : -1;
}

static long parent(void) { return syscall(SYS_getppid); }

static void refused(void)
{
    CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
    CHECK_EQ(status_line("\nSeccomp:\t"), 0);
    renounce();
    /* Calls that are hot already. */
    long expected = getppid(), wrong = 0;
    for (int i = 0; i < MANY; i++) wrong += parent() != expected || syscall(SYS_getuid) != getuid();
    CHECK_EQ(wrong, 0);
    CHECK_OK(INSTALL(0, FOR_CALL(SYS_getppid, SECCOMP_RET_ERRNO | 99)));
    for (int i = 0; i < MANY; i++) wrong += parent() != -1 || errno != 99;
    CHECK_EQ(wrong, 0);
    CHECK_EQ(prctl(PR_GET_SECCOMP), 2);
    CHECK_EQ(status_line("\nSeccomp:\t"), 2);
    CHECK_EQ(status_line("\nSeccomp_filters:\t"), 1);
    CHECK_OK(INSTALL(0, FOR_CALL(SYS_getuid, SECCOMP_RET_ERRNO)));
    CHECK_EQ(syscall(SYS_getuid), 0);
    CHECK_OK(INSTALL(0, FOR_CALL(SYS_getgid, SECCOMP_RET_ERRNO | 0xffff)));
    CHECK_ERROR(syscall(SYS_getgid), 4095);
    CHECK_EQ(status_line("\nSeccomp_filters:\t"), 3);
    CHECK_OK(INSTALL(0, FOR_CALL(SYS_getpgid, SECCOMP_RET_TRACE | 7)));
    CHECK_ERROR(syscall(SYS_getpgid, 0), ENOSYS);
    CHECK_OK(INSTALL(0, FOR_CALL(SYS_getsid, SECCOMP_RET_LOG)));
    CHECK(syscall(SYS_getsid, 0) > 0);
    /* The most severe answer counts, and of equal ones the newest filter's. */
    CHECK_OK(INSTALL(0, FOR_CALL(SYS_getppid, SECCOMP_RET_ERRNO | 98)));
    CHECK_ERROR(parent(), 98);
    CHECK_OK(INSTALL(0, FOR_CALL(SYS_getppid, SECCOMP_RET_TRACE)));
    CHECK_ERROR(parent(), 98);
    /* Numbers that are none, and calls that nothing else serves. */
    CHECK_OK(INSTALL(0, FOR_CALL(100000, SECCOMP_RET_ERRNO | 97)));
    CHECK_ERROR(syscall(100000), 97);
    CHECK_ERROR(syscall(100001), ENOSYS);
}

/* Arguments in both halves, the architecture, arithmetic. */
static void computed(void)
{
    renounce();
    CHECK_OK(INSTALL(0, {
        LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0), ANSWER(SECCOMP_RET_KILL_PROCESS),
        LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_lseek, 1, 0), ANSWER(SECCOMP_RET_ALLOW),
        ARGUMENT(0, 0), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 1000, 0, 12),
        ARGUMENT(1, 1), BPF_STMT(BPF_ST, 3), ARGUMENT(1, 0), BPF_STMT(BPF_MISC | BPF_TAX, 0), BPF_STMT(BPF_LD | BPF_MEM, 3),
        BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0), BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 6), BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 2),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff), BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO), BPF_STMT(BPF_RET | BPF_A, 0),
        ANSWER(SECCOMP_RET_KILL_PROCESS), ANSWER(SECCOMP_RET_ALLOW),
    }));
    CHECK_ERROR(syscall(SYS_lseek, 5000, 0x300000004, 0), (3 + 4) * 3);
    CHECK_ERROR(syscall(SYS_lseek, 5000, 0x10, 0), 0x30);
    CHECK_ERROR(syscall(SYS_lseek, 999, 0, 0), EBADF);
}

static volatile sig_atomic_t traps;
static siginfo_t seen;
static unsigned long seen_result, seen_place;

static void on_trap(int number, siginfo_t *info, void *opaque)
{
    ucontext_t *context = opaque;
    CHECK_EQ(number, SIGSYS);
    traps++;
    seen = *info;
#if defined(__x86_64__)
    seen_result = (unsigned long)context->uc_mcontext.gregs[REG_RAX];
    seen_place = (unsigned long)context->uc_mcontext.gregs[REG_RIP];
    context->uc_mcontext.gregs[REG_RAX] = 4711;
#else
    seen_result = context->uc_mcontext.regs[8];
    seen_place = context->uc_mcontext.pc;
    context->uc_mcontext.regs[0] = 4711;
#endif
}

static void trapped(void)
{
    renounce();
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    CHECK_OK(sigaction(SIGSYS, &action, NULL));
    CHECK_OK(INSTALL(0, FOR_CALL(SYS_getpriority, SECCOMP_RET_TRAP | 17)));
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(syscall(SYS_getpriority, 1, 2), 4711);
        CHECK_EQ(traps, i + 1);
        CHECK_EQ(seen.si_signo, SIGSYS);
        CHECK_EQ(seen.si_code, 1);
        CHECK_EQ(seen.si_errno, 17);
        CHECK_EQ(seen.si_syscall, SYS_getpriority);
        CHECK_EQ(seen.si_arch, ARCHITECTURE);
        CHECK_EQ((unsigned long)seen.si_call_addr, seen_place);
        CHECK_EQ(seen_result, SYS_getpriority);
    }
    /* By the place that a call is made from. */
    CHECK_OK(INSTALL(0, {
        LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 0, 4),
        LOAD(instruction_pointer), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)seen_place, 0, 1), ANSWER(SECCOMP_RET_KILL_PROCESS),
        ANSWER(SECCOMP_RET_ALLOW), ANSWER(SECCOMP_RET_ALLOW),
    }));
    signal(SIGSYS, SIG_DFL);
    syscall(SYS_getpriority, 0, 0);
    CHECK(!"a trap comes back");
}

/* A signal that nobody may keep out. */
static void trapped_while_blocked(void)
{
    renounce();
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    CHECK_OK(sigaction(SIGSYS, &action, NULL));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    CHECK_OK(sigprocmask(SIG_BLOCK, &set, NULL));
    CHECK_OK(INSTALL(0, FOR_CALL(SYS_getppid, SECCOMP_RET_TRAP)));
    parent();
    CHECK(!"a trap comes back");
}

static void killed(void)
{
    renounce();
    signal(SIGSYS, SIG_IGN);
    CHECK_OK(INSTALL(0, FOR_CALL(SYS_getppid, SECCOMP_RET_KILL_PROCESS)));
    parent();
}

static void killed_by_division(void)
{
    renounce();
    CHECK_OK(INSTALL(0, {
        LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 3), BPF_STMT(BPF_LD | BPF_IMM, 1),
        BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), ANSWER(SECCOMP_RET_ALLOW), ANSWER(SECCOMP_RET_ALLOW),
    }));
    parent();
}

static volatile pid_t asker;

static void *ask_parent(void *unused UNUSED)
{
    asker = (pid_t)syscall(SYS_gettid);
    parent();
    CHECK(!"the thread goes on");
    return NULL;
}

static void thread_killed(void)
{
    renounce();
    CHECK_OK(INSTALL(0, FOR_CALL(SYS_getppid, SECCOMP_RET_KILL_THREAD)));
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, ask_parent, NULL), 0);
    /* Nobody tells a C library of such an end. */
    WAIT_UNTIL(asker != 0 && syscall(SYS_tgkill, getpid(), asker, 0) == -1);
    /* The last one. */
    parent();
}

static int signal_of(void (*body)(void))
{
    int status = child_status(body);
    return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void ends(void)
{
    CHECK_EQ(signal_of(trapped), SIGSYS);
    CHECK_EQ(signal_of(trapped_while_blocked), SIGSYS);
    CHECK_EQ(signal_of(killed), SIGSYS);
    CHECK_EQ(signal_of(killed_by_division), SIGSYS);
    CHECK_EQ(signal_of(thread_killed), SIGSYS);
}

static const char *self_path;

static void *parent_in_thread(void *unused UNUSED)
{
    long wrong = 0;
    for (int i = 0; i < MANY; i++) wrong += parent() != -1 || errno != 99;
    return (void *)wrong;
}

/* What a process becomes, makes, and becomes again. */
static void inherited(void)
{
    renounce();
    CHECK_OK(INSTALL(0, FOR_CALL(SYS_getppid, SECCOMP_RET_ERRNO | 99)));
    CHECK_OK(INSTALL(0, FOR_CALL(SYS_getpgid, SECCOMP_RET_ERRNO | 98)));
    pthread_t thread;
    void *wrong = NULL;
    CHECK_EQ(pthread_create(&thread, NULL, parent_in_thread, NULL), 0);
    CHECK_EQ(pthread_join(thread, &wrong), 0);
    CHECK_EQ((long)wrong, 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK_EQ((long)parent_in_thread(NULL), 0);
        CHECK_EQ(status_line("\nSeccomp_filters:\t"), 2);
        _exit(check_failures != 0);
    }
    CHECK_EQ(wait_for(child), 0);
    char *arguments[] = {(char *)(uintptr_t)self_path, "confined", NULL}, *environment[] = {NULL};
    child = fork();
    if (child == 0) {
        execve(self_path, arguments, environment);
        _exit(2);
    }
    CHECK_EQ(wait_for(child), 0);
    child = vfork();
    if (child == 0) {
        if (parent() != -1 || errno != 99) _exit(3);
        execve(self_path, arguments, environment);
        _exit(2);
    }
    CHECK_EQ(wait_for(child), 0);
    CHECK_EQ(posix_spawn(&child, self_path, NULL, NULL, arguments, environment), 0);
    CHECK_EQ(wait_for(child), 0);
    /* The last of many images. */
    execve(self_path, arguments, environment);
    _exit(2);
}

/* What runs in the end: everything is as it was before the exec. */
static int confined(void)
{
    CHECK_EQ((long)parent_in_thread(NULL), 0);
    CHECK_ERROR(syscall(SYS_getpgid, 0), 98);
    CHECK_EQ(prctl(PR_GET_SECCOMP), 2);
    CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    CHECK_EQ(status_line("\nSeccomp_filters:\t"), 2);
    CHECK_OK(INSTALL(0, FOR_CALL(SYS_getppid, SECCOMP_RET_KILL_PROCESS)));
    return check_failures != 0;
}

static volatile int stage;
static volatile long results[4];

static void *worker(void *opaque)
{
    int own = (int)(long)opaque;
    long expected = getppid();
    if (own == 3) {
        while (stage < 1) usleep(1000);
        CHECK_OK(INSTALL(0, FOR_CALL(SYS_getpgid, SECCOMP_RET_ERRNO | 98)));
        results[own] = syscall(SYS_gettid);
        stage = 2;
        while (stage < 3) usleep(1000);
        return NULL;
    }
    /* Busy with what is cheap, until it is refused. */
    long count = 0, result;
    while ((result = parent()) == expected) {
        count++;
        if (stage == 9) break;
    }
    results[own] = errno;
    CHECK_EQ(result, -1);
    CHECK_EQ(syscall(SYS_getuid), -1);
    CHECK_EQ(errno, 97);
    return NULL;
}

static void synchronized(void)
{
    renounce();
    pthread_t threads[4];
    for (long i = 0; i < 3; i++) CHECK_EQ(pthread_create(&threads[i], NULL, worker, (void *)i), 0);
    usleep(20000);
    CHECK_OK(INSTALL(SECCOMP_FILTER_FLAG_TSYNC, {
        LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1), ANSWER(SECCOMP_RET_ERRNO | 99),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getuid, 0, 1), ANSWER(SECCOMP_RET_ERRNO | 97), ANSWER(SECCOMP_RET_ALLOW),
    }));
    CHECK_ERROR(parent(), 99);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK_EQ(results[i], 99);
    }
    /* A thread with a filter of its own cannot follow. */
    CHECK_EQ(pthread_create(&threads[3], NULL, worker, (void *)3), 0);
    stage = 1;
    while (stage < 2) usleep(1000);
    CHECK_EQ(INSTALL(SECCOMP_FILTER_FLAG_TSYNC, {ANSWER(SECCOMP_RET_ALLOW)}), results[3]);
    CHECK_ERROR(INSTALL(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH, {ANSWER(SECCOMP_RET_ALLOW)}), ESRCH);
    CHECK_EQ(status_line("\nSeccomp_filters:\t"), 1);
    stage = 3;
    CHECK_EQ(pthread_join(threads[3], NULL), 0);
    CHECK_OK(INSTALL(SECCOMP_FILTER_FLAG_TSYNC, {ANSWER(SECCOMP_RET_ALLOW)}));
}

static void strict(void)
{
    CHECK_OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
    if (write(STDOUT_FILENO, "strict\n", 7) != 7) syscall(SYS_exit, 1);
    syscall(SYS_exit, 42);
}

static void strict_too_far(void)
{
    CHECK_OK(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL));
    syscall(SYS_getpid);
}

static void strict_after_filters(void)
{
    renounce();
    CHECK_OK(INSTALL(0, {ANSWER(SECCOMP_RET_ALLOW)}));
    CHECK_ERROR(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT), EINVAL);
}

static void strict_mode(void)
{
    fflush(stdout);
    CHECK_EQ(signal_of(strict), -42);
    CHECK_EQ(signal_of(strict_too_far), SIGKILL);
    CHECK_EQ(signal_of(strict_after_filters), 0);
}

static void bad_programs(void)
{
    renounce();
    CHECK_ERROR(INSTALL(0, {LOAD(nr)}), EINVAL);
    CHECK_ERROR(INSTALL(0, {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), ANSWER(0)}), EINVAL);
    CHECK_ERROR(INSTALL(0, {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), ANSWER(0)}), EINVAL);
    CHECK_ERROR(INSTALL(0, {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), ANSWER(0)}), EINVAL);
    CHECK_ERROR(INSTALL(0, {BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), ANSWER(0)}), EINVAL);
    CHECK_ERROR(INSTALL(0, {BPF_STMT(BPF_LD | BPF_MEM, 0), ANSWER(0)}), EINVAL);
    CHECK_ERROR(INSTALL(0, {BPF_STMT(BPF_ST, 16), ANSWER(0)}), EINVAL);
    CHECK_ERROR(INSTALL(0, {BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), ANSWER(0)}), EINVAL);
    CHECK_ERROR(INSTALL(0, {BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), ANSWER(0)}), EINVAL);
    CHECK_ERROR(INSTALL(0, {BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), ANSWER(0)}), EINVAL);
    CHECK_ERROR(INSTALL(0, {BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), ANSWER(0)}), EINVAL);
    CHECK_ERROR(INSTALL(0, {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), ANSWER(0)}), EINVAL);
    CHECK_ERROR(INSTALL(0, {BPF_STMT(0xffff, 0), ANSWER(0)}), EINVAL);
    /* Written on one of two ways only. */
    CHECK_ERROR(INSTALL(0, {
        LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), BPF_STMT(BPF_ST, 1), BPF_STMT(BPF_LD | BPF_MEM, 1), ANSWER(0),
    }), EINVAL);
    CHECK_ERROR(install_with(0, NULL, 1), EINVAL);
    CHECK_ERROR(install_with(0, (struct sock_filter *)8, 1), EFAULT);
    CHECK_ERROR(install_with(0, NULL, 0), EINVAL);
    CHECK_ERROR(install_with(0, NULL, 4097), EINVAL);
    CHECK_ERROR(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL), EFAULT);
    CHECK_ERROR(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0x100, NULL), EINVAL);
    CHECK_ERROR(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL), EINVAL);
    CHECK_ERROR(syscall(SYS_seccomp, 77, 0, NULL), EINVAL);
    CHECK_ERROR(prctl(PR_SET_SECCOMP, 5, 0), EINVAL);
    uint32_t known[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO, SECCOMP_RET_TRACE,
                        SECCOMP_RET_LOG, SECCOMP_RET_ALLOW}, unknown = 0x12340000;
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++) CHECK_OK(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &known[i]));
    CHECK_ERROR(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &unknown), EOPNOTSUPP);
    CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
    /* No end of filters. */
    static struct sock_filter large[4096];
    for (int i = 0; i < 4096; i++) large[i] = (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW);
    int count = 0;
    while (install_with(0, large, 4096) == 0 && count < 20) count++;
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(count, 3);
    CHECK_EQ(status_line("\nSeccomp_filters:\t"), 3);
}

int main(int count, char **arguments UNUSED)
{
    if (count > 1) return confined();
    static char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    CHECK(length > 0);
    self_path = path;
    RUN_CHILD(refused);
    RUN_CHILD(computed);
    RUN(ends);
    RUN_CHILD(inherited);
    RUN_CHILD(synchronized);
    RUN(strict_mode);
    RUN_CHILD(bad_programs);
    return finish();
}
