/* Execs of a process with one thread, again and again: nothing of the program before may be left. */
#include "check.h"
#include "machine.h"
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static char self[PATH_MAX];

static void become(const char *word, const char *argument)
{
    execl(self, self, word, argument, NULL);
    _exit(120);
}

/* --- A hundred programs, one over the other */

static void again_and_again(void)
{
    pid_t pid = fork();
    if (pid == 0) become("count", "100");
    CHECK_EQ(wait_for(pid), 0);
}

static int count(int left)
{
    char text[20];
    static char zero[3 * PAGE];
    /* Its own memory, new. */
    for (size_t i = 0; i < sizeof zero; i += 64) CHECK_EQ(zero[i], 0);
    memset(zero, 1, sizeof zero);
    char *heap = (char *)syscall(SYS_brk, 0);
    CHECK_EQ(syscall(SYS_brk, heap + 2 * PAGE), (long)heap + 2 * PAGE);
    for (size_t i = 0; i < 2 * PAGE; i += 64) CHECK_EQ(heap[i], 0);
    memset(heap, 1, 2 * PAGE);
    CHECK(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) != MAP_FAILED);
    if (check_failures) return 1;
    if (left == 0) return 0;
    snprintf(text, sizeof text, "%d", left - 1);
    become("count", text);
    return 1;
}

/* --- What the processor held */

static void registers(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        set_floating_control(FLOATING_CONTROL_OTHER);
        become("floating", "");
    }
    CHECK_EQ(wait_for(pid), 0);
}

/* --- Mappings: none is left, and what was executable is not */

static void *const somewhere = (void *)0x20000000;

static void mappings(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        unsigned char *code = mmap(somewhere, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        CHECK(code == somewhere);
        memset(code, 0, PAGE);
        CHECK_OK(mlock(code, PAGE));
        become("unmapped", "");
    }
    CHECK_EQ(wait_for(pid), 0);
}

static void unmapped(void)
{
    unsigned char residence;
    CHECK_ERROR(mincore(somewhere, PAGE, &residence), ENOMEM);
    char line[400];
    FILE *status = fopen("/proc/self/status", "re");
    unsigned long locked = 99;
    while (fgets(line, sizeof line, status)) sscanf(line, "VmLck: %lu", &locked);
    fclose(status);
    CHECK_EQ(locked, 0);
}

/* --- Signals: handlers, flags, masks, the alternate stack, what is pending */

static volatile int caught;

static void catch(int signal)
{
    caught = signal;
}

static void signals(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        static char stack[64 << 10];
        struct sigaction action = {.sa_handler = catch, .sa_flags = SA_RESTART | SA_NODEFER | SA_ONSTACK};
        sigfillset(&action.sa_mask);
        for (int signal = 1; signal <= 64; signal++) sigaction(signal, &action, NULL);
        struct sigaction ignore = {.sa_handler = SIG_IGN, .sa_flags = SA_NOCLDSTOP};
        CHECK_OK(sigaction(SIGUSR1, &ignore, NULL));
        CHECK_OK(sigaction(SIGSEGV, &ignore, NULL));
        stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
        CHECK_OK(sigaltstack(&alternate, NULL));
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        sigaddset(&set, SIGRTMIN + 3);
        CHECK_OK(sigprocmask(SIG_BLOCK, &set, NULL));
        CHECK_OK(kill(getpid(), SIGUSR2));
        for (int i = 0; i < 3; i++) CHECK_OK(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = i}));
        become("signalled", "");
    }
    CHECK_EQ(wait_for(pid), 0);
}

static void signalled(void)
{
    for (int signal = 1; signal <= 64; signal++) {
        struct sigaction action;
        if (sigaction(signal, NULL, &action) != 0) continue;
        CHECK(action.sa_handler == (signal == SIGUSR1 || signal == SIGSEGV ? SIG_IGN : SIG_DFL));
        CHECK_EQ(action.sa_flags & ~0x04000000, 0);
        CHECK_EQ(sigismember(&action.sa_mask, SIGUSR1), 0);
    }
    stack_t alternate;
    CHECK_OK(sigaltstack(NULL, &alternate));
    CHECK_EQ(alternate.ss_flags, SS_DISABLE);
    sigset_t set;
    CHECK_OK(sigprocmask(SIG_BLOCK, NULL, &set));
    CHECK_EQ(sigismember(&set, SIGUSR2), 1);
    CHECK_EQ(sigismember(&set, SIGHUP), 0);
    struct timespec now = {0};
    siginfo_t info;
    for (int i = 0; i < 3; i++) {
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, SIGRTMIN + 3);
        CHECK_EQ(sigtimedwait(&one, &info, &now), SIGRTMIN + 3);
        CHECK_EQ(info.si_value.sival_int, i);
    }
    signal(SIGUSR2, catch);
    sigemptyset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    CHECK_EQ(caught, SIGUSR2);
}

/* --- Descriptors: those to be closed are, wherever they are, and no others */

static void descriptors(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        int ends[2];
        for (int fd = 3; fd < 2000; fd++) close(fd);
        CHECK_OK(pipe2(ends, O_CLOEXEC));
        for (int fd = 20; fd < 900; fd++) CHECK_EQ(dup3(ends[0], fd, fd % 3 ? O_CLOEXEC : 0) == -1 ? -1 : fd, fd);
        become("closed", "");
    }
    CHECK_EQ(wait_for(pid), 0);
}

static void closed(void)
{
    for (int fd = 3; fd < 1000; fd++) {
        int expected = fd >= 20 && fd < 900 && fd % 3 == 0 ? 0 : -1;
        CHECK_EQ(fcntl(fd, F_GETFD), expected);
    }
}

/* --- A robust lock is given up at the exec, and no list is left */

struct lock {
    struct robust_list list;
    unsigned word;
};

static struct lock *shared;

static void robust_locks(void)
{
    shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = fork();
    if (pid == 0) {
        static struct robust_list_head head;
        head.list.next = &shared->list;
        head.futex_offset = offsetof(struct lock, word);
        shared->list.next = &head.list;
        shared->word = (unsigned)syscall(SYS_gettid);
        CHECK_OK(syscall(SYS_set_robust_list, &head, sizeof head));
        become("unlisted", "");
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(shared->word, FUTEX_OWNER_DIED);
}

/* --- The parent may no longer choose the group of a child that has executed */

static void groups(void)
{
    int ready[2], go[2];
    char byte, number[20];
    CHECK_OK(pipe2(ready, O_CLOEXEC));
    CHECK_OK(pipe(go));
    pid_t pid = fork();
    if (pid == 0) {
        close(go[1]);
        snprintf(number, sizeof number, "%d", go[0]);
        become("wait", number);
    }
    close(ready[1]);
    close(go[0]);
    /* Its end of the pipe goes with the exec. */
    CHECK_EQ(read(ready[0], &byte, 1), 0);
    CHECK_ERROR(setpgid(pid, pid), EACCES);
    CHECK_ERROR(setpgid(pid, getpgrp()), EACCES);
    CHECK_ERROR(setpgid(pid, -1), EINVAL);
    close(go[1]);
    CHECK_EQ(wait_for(pid), 0);
    close(ready[0]);
}

/* The flag that /proc shows of it; a child of one that has executed has not. */
#define PF_FORKNOEXEC 0x40

static unsigned long process_flags(void)
{
    char text[1000];
    FILE *file = fopen("/proc/self/stat", "re");
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = 0;
    unsigned long flags = 0;
    sscanf(strrchr(text, ')') + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags);
    return flags;
}

static void has_not_executed(void)
{
    CHECK(process_flags() & PF_FORKNOEXEC);
}

static void children_of_the_executed(void)
{
    pid_t pid = fork();
    if (pid == 0) become("child", "");
    CHECK_EQ(wait_for(pid), 0);
}

static int child_of_the_executed(void)
{
    CHECK(!(process_flags() & PF_FORKNOEXEC));
    int go[2];
    char byte;
    CHECK_OK(pipe(go));
    pid_t pid = fork();
    if (pid == 0) {
        close(go[1]);
        has_not_executed();
        _exit(read(go[0], &byte, 1) != 0 || check_failures);
    }
    CHECK_OK(setpgid(pid, pid));
    CHECK_EQ(getpgid(pid), pid);
    close(go[1]);
    close(go[0]);
    CHECK_EQ(wait_for(pid), 0);
    return finish();
}

/* --- What /proc and prctl show */

static void names(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_NAME, "before");
        become("named", "second");
    }
    CHECK_EQ(wait_for(pid), 0);
}

static void named(void)
{
    char name[16], base[16], text[PATH_MAX + 100], expected[PATH_MAX + 100];
    CHECK_OK(prctl(PR_GET_NAME, name));
    snprintf(base, sizeof base, "%s", strrchr(self, '/') + 1);
    CHECK_STR(name, base);
    int fd = open("/proc/self/cmdline", O_RDONLY);
    ssize_t length = read(fd, text, sizeof text);
    close(fd);
    int wanted = snprintf(expected, sizeof expected, "%s%cnamed%csecond", self, 0, 0) + 1;
    CHECK_EQ(length, wanted);
    CHECK(length == wanted && memcmp(text, expected, (size_t)length) == 0);
}

int main(int argc, char **argv)
{
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    REQUIRE(length > 0);
    self[length] = 0;
    if (argc > 2) {
        const char *word = argv[1];
        char byte;
        if (strcmp(word, "count") == 0) return count(atoi(argv[2]));
        if (strcmp(word, "floating") == 0) return floating_control() != FLOATING_CONTROL_USUAL;
        if (strcmp(word, "unmapped") == 0) unmapped();
        if (strcmp(word, "signalled") == 0) signalled();
        if (strcmp(word, "closed") == 0) closed();
        if (strcmp(word, "wait") == 0) return (int)read(atoi(argv[2]), &byte, 1);
        if (strcmp(word, "child") == 0) return child_of_the_executed();
        if (strcmp(word, "named") == 0) named();
        return finish();
    }
    RUN(again_and_again);
    RUN(registers);
    RUN(mappings);
    RUN(signals);
    RUN(descriptors);
    RUN(robust_locks);
    RUN(groups);
    RUN(children_of_the_executed);
    RUN(names);
    return finish();
}
