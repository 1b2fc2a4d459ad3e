/* What clone and clone3 say to every kind of wrong argument. Only what is the same for every user is asked. */
#include "check.h"
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>

/* Newer than some headers. */
#define CLEAR_SIGHAND 0x100000000ULL
#define INTO_CGROUP 0x200000000ULL
#define NEW_TIME 0x80ULL

static int pidfd_word, tid_word;

/* What a call comes to: an errno's name, or that a child was made, which ends at once. */
static const char *outcome(long result)
{
    if (result == 0) _exit(0);
    if (result > 0) {
        int status;
        if (waitpid((pid_t)result, &status, __WALL) == result) return "a child";
        return "a child that nobody may wait for";
    }
    switch (errno) {
    case EINVAL: return "EINVAL";
    case EFAULT: return "EFAULT";
    case E2BIG: return "E2BIG";
    case EPERM: return "EPERM";
    case EBADF: return "EBADF";
    case ENOSYS: return "ENOSYS";
    case ENOMEM: return "ENOMEM";
    case EEXIST: return "EEXIST";
    case EAGAIN: return "EAGAIN";
    default: return "another error";
    }
}

#define TRY_LEGACY(flags, parent, child, tls) \
    printf("clone(%s): %s\n", #flags, outcome(syscall(SYS_clone, flags, NULL, parent, child, tls)))

static void legacy(void)
{
    TRY_LEGACY(SIGCHLD, NULL, NULL, 0);
    TRY_LEGACY(0, NULL, NULL, 0);
    TRY_LEGACY(64, NULL, NULL, 0);
    TRY_LEGACY(65, NULL, NULL, 0);
    TRY_LEGACY(255, NULL, NULL, 0);
    TRY_LEGACY(CLONE_THREAD | SIGCHLD, NULL, NULL, 0);
    TRY_LEGACY(CLONE_THREAD | CLONE_VM, NULL, NULL, 0);
    TRY_LEGACY(CLONE_THREAD | CLONE_SIGHAND, NULL, NULL, 0);
    TRY_LEGACY(CLONE_SIGHAND | SIGCHLD, NULL, NULL, 0);
    TRY_LEGACY(CLONE_SIGHAND | CLONE_FILES | SIGCHLD, NULL, NULL, 0);
    TRY_LEGACY(CLONE_FS | CLONE_NEWNS | SIGCHLD, NULL, NULL, 0);
    TRY_LEGACY(CLONE_FS | CLONE_NEWUSER | SIGCHLD, NULL, NULL, 0);
    TRY_LEGACY(CLONE_VM | CLONE_NEWPID | CLONE_THREAD | CLONE_SIGHAND, NULL, NULL, 0);
    TRY_LEGACY(CLONE_VM | CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND, NULL, NULL, 0);
    TRY_LEGACY(CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, &pidfd_word, NULL, 0);
    TRY_LEGACY(CLONE_PIDFD | CLONE_DETACHED | SIGCHLD, &pidfd_word, NULL, 0);
    TRY_LEGACY(CLONE_PIDFD | SIGCHLD, (void *)8, NULL, 0);
    TRY_LEGACY(CLONE_DETACHED | SIGCHLD, NULL, NULL, 0);
    TRY_LEGACY(CLONE_SETTLS | SIGCHLD, NULL, NULL, 1UL << 63);
    TRY_LEGACY(CLONE_PARENT_SETTID | SIGCHLD, &tid_word, NULL, 0);
    TRY_LEGACY(CLONE_PARENT_SETTID | SIGCHLD, (void *)8, NULL, 0);
    TRY_LEGACY(CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, NULL, (void *)8, 0);
    TRY_LEGACY(CLONE_UNTRACED | SIGCHLD, NULL, NULL, 0);
    TRY_LEGACY(CLONE_PTRACE | SIGCHLD, NULL, NULL, 0);
    TRY_LEGACY(CLONE_IO | SIGCHLD, NULL, NULL, 0);
    TRY_LEGACY(CLONE_SYSVSEM | SIGCHLD, NULL, NULL, 0);
    TRY_LEGACY(CLONE_FILES | CLONE_FS | SIGCHLD, NULL, NULL, 0);
    TRY_LEGACY(CLONE_VFORK | SIGCHLD, NULL, NULL, 0);
}

#define TRY(what, size, ...)                                                                   \
    do {                                                                                       \
        struct clone_args arguments = {.exit_signal = SIGCHLD};                                \
        arguments = (struct clone_args){__VA_ARGS__};                                          \
        printf("clone3 %s: %s\n", what, outcome(syscall(SYS_clone3, &arguments, (size_t)size))); \
    } while (0)

enum { WHOLE = sizeof(struct clone_args) };

static void flags(void)
{
    TRY("as fork", WHOLE, .exit_signal = SIGCHLD);
    TRY("no signal", WHOLE, .exit_signal = 0);
    TRY("signal 64", WHOLE, .exit_signal = 64);
    TRY("signal 65", WHOLE, .exit_signal = 65);
    TRY("a huge signal", WHOLE, .exit_signal = 1ULL << 40);
    TRY("a signal in the flags", WHOLE, .flags = SIGCHLD);
    TRY("THREAD alone", WHOLE, .flags = CLONE_THREAD);
    TRY("THREAD|VM", WHOLE, .flags = CLONE_THREAD | CLONE_VM);
    TRY("SIGHAND alone", WHOLE, .flags = CLONE_SIGHAND, .exit_signal = SIGCHLD);
    TRY("THREAD with a signal", WHOLE, .flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, .exit_signal = SIGCHLD);
    TRY("PARENT with a signal", WHOLE, .flags = CLONE_PARENT, .exit_signal = SIGCHLD);
    TRY("DETACHED", WHOLE, .flags = CLONE_DETACHED, .exit_signal = SIGCHLD);
    TRY("FS|NEWNS", WHOLE, .flags = CLONE_FS | CLONE_NEWNS, .exit_signal = SIGCHLD);
    TRY("FS|NEWUSER", WHOLE, .flags = CLONE_FS | CLONE_NEWUSER, .exit_signal = SIGCHLD);
    TRY("SIGHAND|CLEAR_SIGHAND", WHOLE, .flags = CLONE_VM | CLONE_SIGHAND | CLEAR_SIGHAND, .exit_signal = SIGCHLD);
    TRY("CLEAR_SIGHAND", WHOLE, .flags = CLEAR_SIGHAND, .exit_signal = SIGCHLD);
    TRY("an unknown flag", WHOLE, .flags = 1ULL << 63, .exit_signal = SIGCHLD);
    TRY("another unknown flag", WHOLE, .flags = 1ULL << 45, .exit_signal = SIGCHLD);
    TRY("VFORK", WHOLE, .flags = CLONE_VFORK, .exit_signal = SIGCHLD);
    TRY("SETTLS with a kernel address", WHOLE, .flags = CLONE_SETTLS, .tls = 1ULL << 63, .exit_signal = SIGCHLD);
}

static void pointers(void)
{
    TRY("PIDFD nowhere", WHOLE, .flags = CLONE_PIDFD, .pidfd = 8, .exit_signal = SIGCHLD);
    TRY("PIDFD and PARENT_SETTID at one place", WHOLE, .flags = CLONE_PIDFD | CLONE_PARENT_SETTID,
        .pidfd = (uintptr_t)&pidfd_word, .parent_tid = (uintptr_t)&pidfd_word, .exit_signal = SIGCHLD);
    TRY("PIDFD|DETACHED", WHOLE, .flags = CLONE_PIDFD | CLONE_DETACHED, .pidfd = (uintptr_t)&pidfd_word,
        .exit_signal = SIGCHLD);
    TRY("PARENT_SETTID nowhere", WHOLE, .flags = CLONE_PARENT_SETTID, .parent_tid = 8, .exit_signal = SIGCHLD);
    TRY("CHILD_SETTID nowhere", WHOLE, .flags = CLONE_CHILD_SETTID, .child_tid = 8, .exit_signal = SIGCHLD);
    printf("clone3 at nowhere: %s\n", outcome(syscall(SYS_clone3, 8, (size_t)WHOLE)));
    printf("clone3 at NULL: %s\n", outcome(syscall(SYS_clone3, NULL, (size_t)WHOLE)));
    printf("clone3 in the kernel: %s\n", outcome(syscall(SYS_clone3, 1UL << 63, (size_t)WHOLE)));
    char *edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK_OK(munmap(edge + PAGE, PAGE));
    printf("clone3 over the edge: %s\n", outcome(syscall(SYS_clone3, edge + PAGE - 64, (size_t)WHOLE)));
    struct clone_args *last = (struct clone_args *)(edge + PAGE - 64);
    last->exit_signal = SIGCHLD;
    printf("clone3 up to the edge: %s\n", outcome(syscall(SYS_clone3, last, (size_t)64)));
    munmap(edge, PAGE);
}

static void stacks(void)
{
    static char room[65536];
    TRY("a stack without size", WHOLE, .stack = (uintptr_t)room, .exit_signal = SIGCHLD);
    TRY("a size without stack", WHOLE, .stack_size = sizeof room, .exit_signal = SIGCHLD);
    TRY("a stack in the kernel", WHOLE, .stack = 1ULL << 63, .stack_size = PAGE, .exit_signal = SIGCHLD);
    TRY("a stack that wraps", WHOLE, .stack = (uintptr_t)room, .stack_size = -1ULL, .exit_signal = SIGCHLD);
}

static void ids_and_groups(void)
{
    pid_t ids[2] = {1, 0}, zero = 0, negative = -5, beyond = 1 << 30;
    TRY("set_tid without size", WHOLE, .set_tid = (uintptr_t)ids, .exit_signal = SIGCHLD);
    TRY("set_tid's size without it", WHOLE, .set_tid_size = 1, .exit_signal = SIGCHLD);
    TRY("set_tid for too many levels", WHOLE, .set_tid = (uintptr_t)ids, .set_tid_size = 33, .exit_signal = SIGCHLD);
    TRY("set_tid of zero", WHOLE, .set_tid = (uintptr_t)&zero, .set_tid_size = 1, .exit_signal = SIGCHLD);
    TRY("set_tid of less", WHOLE, .set_tid = (uintptr_t)&negative, .set_tid_size = 1, .exit_signal = SIGCHLD);
    TRY("set_tid of more than there are", WHOLE, .set_tid = (uintptr_t)&beyond, .set_tid_size = 1, .exit_signal = SIGCHLD);
    TRY("set_tid nowhere", WHOLE, .set_tid = 8, .set_tid_size = 1, .exit_signal = SIGCHLD);
    TRY("INTO_CGROUP -1", WHOLE, .flags = INTO_CGROUP, .cgroup = (uint64_t)-1, .exit_signal = SIGCHLD);
    TRY("INTO_CGROUP 999", WHOLE, .flags = INTO_CGROUP, .cgroup = 999, .exit_signal = SIGCHLD);
    TRY("INTO_CGROUP beyond an int", WHOLE, .flags = INTO_CGROUP, .cgroup = 1ULL << 40, .exit_signal = SIGCHLD);
    TRY("INTO_CGROUP stdin", WHOLE, .flags = INTO_CGROUP, .cgroup = 0, .exit_signal = SIGCHLD);
    TRY("cgroup without its flag", WHOLE, .cgroup = 999, .exit_signal = SIGCHLD);
}

static void sizes(void)
{
    static struct {
        struct clone_args arguments;
        char tail[2 * PAGE];
    } large = {.arguments = {.exit_signal = SIGCHLD}};
    size_t sizes[] = {0, 1, 63, 64, 65, 72, 79, 80, 81, 87, 88, 89, 96, 200, PAGE - 1, PAGE, PAGE + 1, 1UL << 32, -1UL};
    for (int nonzero = 0; nonzero < 2; nonzero++) {
        for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            memset((char *)&large + 88, 0, sizeof large - 88);
            if (nonzero) {
                if (sizes[i] > 88 && sizes[i] < sizeof large) ((char *)&large)[sizes[i] - 1] = 1;
                else continue;
            }
            printf("clone3 of %zd bytes%s: %s\n", (ssize_t)sizes[i], nonzero ? ", the last one set" : "",
                   outcome(syscall(SYS_clone3, &large, sizes[i])));
        }
    }
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    /* Exit signals of all kinds come. */
    for (int number = 1; number <= 64; number++) signal(number, number == SIGCHLD ? SIG_DFL : SIG_IGN);
    RUN(legacy);
    RUN(flags);
    RUN(pointers);
    RUN(stacks);
    RUN(ids_and_groups);
    RUN(sizes);
    return finish();
}
