/* Children that share their parent's memory while both run: clone(2) with CLONE_VM, without CLONE_VFORK and CLONE_THREAD. The
 * child has no thread-local storage of its own, so it calls nothing of libc's: system calls only. */
#include "check.h"
#include "machine.h"

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK = 65536 };
static char stacks[8][STACK] __attribute__((aligned(16)));

/* A system call that leaves errno, which is the parent's, alone. */
static long raw(long number, long a, long b, long c, long d)
{
    return in_place(number, a, b, c, d, 0);
}

static void wait_word(volatile int *word, int value)
{
    while (*word == value)
        raw(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, value, 0);
}

static void set_word(volatile int *word, int value)
{
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
    raw(SYS_futex, (long)word, FUTEX_WAKE_PRIVATE, 1 << 30, 0);
}

static pid_t start(int slot, int (*body)(void *), int flags, void *argument)
{
    pid_t pid = clone(body, stacks[slot] + STACK, CLONE_VM | flags, argument);
    REQUIRE(pid > 0);
    return pid;
}

static int set_by_parent, cleared_at_exit = 1;

static int leave(void *status) { return (int)(long)status; }

static void ids_written_and_cleared(void)
{
    pid_t pid = clone(leave, stacks[0] + STACK,
                      CLONE_VM | CLONE_FILES | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, NULL,
                      &set_by_parent, NULL, &cleared_at_exit);
    REQUIRE(pid > 0);
    CHECK_EQ(set_by_parent, pid);
    wait_for(pid);
    CHECK_EQ(*(volatile int *)&cleared_at_exit, 0);
    CHECK_EQ(syscall(SYS_set_tid_address, &cleared_at_exit), syscall(SYS_gettid));
}

static volatile int turn;

/* Parent and child pass the turn back and forth: neither waits for the other's end. */
static int play(void *argument)
{
    (void)argument;
    for (int i = 0; i < 200; i++) {
        wait_word(&turn, 2 * i);
        set_word(&turn, 2 * i + 2);
    }
    return 7;
}

static void both_run(void)
{
    turn = 0;
    pid_t pid = start(0, play, SIGCHLD, NULL);
    for (int i = 0; i < 200; i++) {
        set_word(&turn, 2 * i + 1);
        wait_word(&turn, 2 * i + 1);
    }
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 7);
}

static volatile int gate;
static volatile long child_ids[4];

static int note_ids(void *argument)
{
    (void)argument;
    child_ids[0] = raw(SYS_getpid, 0, 0, 0, 0);
    child_ids[1] = raw(SYS_getppid, 0, 0, 0, 0);
    child_ids[2] = raw(SYS_gettid, 0, 0, 0, 0);
    wait_word(&gate, 0);
    return 0;
}

static void a_process_of_its_own(void)
{
    gate = 0;
    pid_t pid = start(0, note_ids, SIGCHLD, NULL);
    CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
    set_word(&gate, 1);
    wait_for(pid);
    CHECK_EQ(child_ids[0], pid);
    CHECK_EQ(child_ids[1], getpid());
    CHECK_EQ(child_ids[2], pid);
}

static int change_things(void *argument)
{
    long path = (long)argument;
    raw(SYS_close, 10, 0, 0, 0);
    raw(SYS_chdir, path, 0, 0, 0);
    raw(SYS_umask, 0123, 0, 0, 0);
    /* The kernel's struct sigaction: SIG_IGN for SIGUSR2. */
    static unsigned long ignore[4] = {1, 0, 0, 0};
    raw(SYS_rt_sigaction, SIGUSR2, (long)ignore, 0, 8);
    static struct rlimit limit = {100, 100};
    raw(SYS_setrlimit, RLIMIT_NOFILE, (long)&limit, 0, 0);
    return 0;
}

static void own_tables_without_the_flags(void)
{
    struct rlimit before, after;
    char directory[512], now[512];
    REQUIRE(dup2(1, 10) == 10);
    umask(022);
    signal(SIGUSR2, SIG_DFL);
    REQUIRE(getcwd(directory, sizeof directory));
    getrlimit(RLIMIT_NOFILE, &before);
    wait_for(start(0, change_things, SIGCHLD, "/"));
    CHECK(fcntl(10, F_GETFD) >= 0);
    CHECK_EQ(umask(022), 022);
    CHECK_STR(getcwd(now, sizeof now), directory);
    CHECK(signal(SIGUSR2, SIG_DFL) == SIG_DFL);
    getrlimit(RLIMIT_NOFILE, &after);
    CHECK_EQ(after.rlim_cur, before.rlim_cur);
    close(10);
}

static void shared_tables_with_the_flags(void)
{
    char directory[512], now[512];
    REQUIRE(dup2(1, 10) == 10);
    REQUIRE(getcwd(directory, sizeof directory));
    signal(SIGUSR2, SIG_DFL);
    umask(022);
    wait_for(start(0, change_things, CLONE_FILES | CLONE_FS | CLONE_SIGHAND | SIGCHLD, "/"));
    CHECK_ERROR(fcntl(10, F_GETFD), EBADF);
    CHECK_EQ(umask(022), 0123);
    CHECK_STR(getcwd(now, sizeof now), "/");
    CHECK(signal(SIGUSR2, SIG_DFL) == SIG_IGN);
    CHECK_OK(chdir(directory));
}

static int wait_for_ever(void *argument)
{
    (void)argument;
    set_word(&gate, 1);
    while (gate)
        raw(SYS_ppoll, 0, 0, 0, 0);
    return 0;
}

/* The kernel clears the child tid for a child that is killed, too. */
static void killed_children(void)
{
    static volatile int tid;
    for (int i = 0; i < 50; i++) {
        gate = 0;
        tid = -1;
        pid_t pid = clone(wait_for_ever, stacks[0] + STACK,
                          CLONE_VM | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL, NULL, &tid);
        REQUIRE(pid > 0);
        wait_word(&gate, 0);
        CHECK_EQ(tid, pid);
        CHECK_OK(kill(pid, SIGKILL));
        while (tid != 0)
            syscall(SYS_futex, &tid, FUTEX_WAIT, pid, NULL);
        int status = wait_for(pid);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
}

static int become_echo(void *argument)
{
    static char *arguments[] = {"sh", "-c", "exit 9", NULL}, *environment[] = {NULL};
    (void)argument;
    wait_word(&gate, 0);
    raw(SYS_execve, (long)"/nonexistent", (long)arguments, (long)environment, 0);
    raw(SYS_execve, (long)"/bin/sh", (long)arguments, (long)environment, 0);
    return 1;
}

static void exec_leaves_the_memory(void)
{
    static volatile int tid;
    gate = 0;
    tid = -1;
    pid_t pid = clone(become_echo, stacks[0] + STACK, CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL, NULL, &tid);
    REQUIRE(pid > 0);
    set_word(&gate, 1);
    while (tid != 0)
        syscall(SYS_futex, &tid, FUTEX_WAIT, -1, NULL);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 9);
}

static volatile int waiting, released;

static int wait_in_line(void *argument)
{
    __atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
    wait_word(&released, 0);
    return (int)(long)argument;
}

static void many_at_once(void)
{
    pid_t pids[8];
    waiting = released = 0;
    for (int i = 0; i < 8; i++)
        pids[i] = start(i, wait_in_line, SIGCHLD, (void *)(long)i);
    WAIT_UNTIL(waiting == 8);
    set_word(&released, 1);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(WEXITSTATUS(wait_for(pids[i])), i);
}

static int unmap_for_both(void *page)
{
    return (int)raw(SYS_munmap, (long)page, PAGE, 0, 0);
}

static int fork_once(void *argument)
{
    (void)argument;
    long pid = raw(SYS_clone, SIGCHLD, 0, 0, 0);
    if (pid == 0) {
        gate = 99; /* In a copy. */
        raw(SYS_exit_group, 5, 0, 0, 0);
    }
    int status = 0;
    if (raw(SYS_wait4, pid, (long)&status, 0, 0) != pid)
        return 1;
    return WEXITSTATUS(status);
}

static void children_of_children(void)
{
    gate = 1;
    CHECK_EQ(WEXITSTATUS(wait_for(start(0, fork_once, SIGCHLD, NULL))), 5);
    CHECK_EQ(gate, 1);
    unsigned char resident;
    void *page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK_OK(mincore(page, PAGE, &resident));
    CHECK_EQ(wait_for(start(0, unmap_for_both, SIGCHLD, page)), 0);
    CHECK_ERROR(mincore(page, PAGE, &resident), ENOMEM);
}

/* An exit signal other than SIGCHLD makes a child that only __WCLONE and __WALL see. */
static void other_exit_signals(void)
{
    int status;
    pid_t pid = start(0, leave, 0, (void *)3);
    CHECK_ERROR(waitpid(pid, &status, 0), ECHILD);
    CHECK_EQ(waitpid(pid, &status, __WCLONE), pid);
    CHECK_EQ(WEXITSTATUS(status), 3);
    pid = start(0, leave, SIGCHLD, (void *)4);
    CHECK_EQ(waitpid(pid, &status, __WALL), pid);
    CHECK_EQ(WEXITSTATUS(status), 4);
}

/* The parent ends, and the memory stays for the child. */
static volatile int pipe_end;

static int outlive(void *argument)
{
    while (raw(SYS_getppid, 0, 0, 0, 0) == (long)argument)
        raw(SYS_sched_yield, 0, 0, 0, 0);
    raw(SYS_write, pipe_end, (long)"alive", 5, 0);
    return 0;
}

static void leave_a_child(void)
{
    start(1, outlive, SIGCHLD, (void *)(long)getpid());
}

static void a_child_outlives_its_parent(void)
{
    int ends[2];
    char text[16] = "";
    REQUIRE(pipe(ends) == 0);
    pipe_end = ends[1];
    pid_t pid = start_child(leave_a_child);
    close(ends[1]);
    wait_for(pid);
    CHECK_EQ(read(ends[0], text, sizeof text), 5);
    CHECK_STR(text, "alive");
    CHECK_EQ(read(ends[0], text, sizeof text), 0);
    close(ends[0]);
}

static void a_thousand_one_after_the_other(void)
{
    int wrong = 0;
    for (int i = 0; i < 1000; i++) {
        int status;
        pid_t pid = clone(leave, stacks[0] + STACK, CLONE_VM | SIGCHLD, (void *)(long)(i & 127));
        if (pid <= 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != (i & 127))
            wrong++;
    }
    CHECK_EQ(wrong, 0);
}

int main(void)
{
    RUN(ids_written_and_cleared);
    RUN(both_run);
    RUN(a_process_of_its_own);
    RUN(own_tables_without_the_flags);
    RUN(shared_tables_with_the_flags);
    RUN(killed_children);
    RUN(exec_leaves_the_memory);
    RUN(many_at_once);
    RUN(children_of_children);
    RUN(other_exit_signals);
    RUN(a_child_outlives_its_parent);
    RUN(a_thousand_one_after_the_other);
    return finish();
}
