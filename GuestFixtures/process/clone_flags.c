/* What clone(2)'s sharing flags mean without CLONE_VM and without CLONE_THREAD's usual companions. */
#include "check.h"
#include "machine.h"

#include <linux/futex.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>

static long fork_with(unsigned long flags, int *pidfd)
{
    struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD, .pidfd = (uintptr_t)pidfd};
    return syscall(SYS_clone3, &args, sizeof args);
}

static void shared_descriptors(void)
{
    int fd = open("/dev/null", O_RDONLY);
    pid_t pid = fork_with(CLONE_FILES, NULL);
    if (pid == 0) {
        int zero = open("/dev/zero", O_RDONLY);
        dup2(zero, 20);
        close(zero);
        close(fd);
        _exit(0);
    }
    wait_for(pid);
    CHECK_ERROR(fcntl(fd, F_GETFD), EBADF);
    char byte = 1;
    CHECK_EQ(read(20, &byte, 1), 1);
    CHECK_EQ(byte, 0);
    close(20);
}

/* An exec gives the child a table of its own. */
static void exec_stops_sharing_descriptors(void)
{
    pid_t pid = fork_with(CLONE_FILES, NULL);
    if (pid == 0) {
        fcntl(0, F_SETFD, FD_CLOEXEC);
        execl("/bin/sh", "sh", "-c", "exec 1>&- 2>&-; exit 3", (char *)NULL);
        _exit(1);
    }
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 3);
    CHECK_EQ(fcntl(0, F_GETFD), FD_CLOEXEC);
    fcntl(0, F_SETFD, 0);
    CHECK(fcntl(1, F_GETFD) >= 0);
}

static void many_sharers(void)
{
    for (int i = 0; i < 30; i++) {
        pid_t pid = fork_with(CLONE_FILES, NULL);
        if (pid == 0)
            _exit(i);
        CHECK_EQ(WEXITSTATUS(wait_for(pid)), i);
    }
}

static void shared_file_system_state(void)
{
    char before[512], now[512];
    REQUIRE(getcwd(before, sizeof before));
    umask(022);
    pid_t pid = fork_with(CLONE_FS, NULL);
    if (pid == 0) {
        CHECK_OK(chdir("/usr"));
        umask(077);
        _exit(check_failures);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_STR(getcwd(now, sizeof now), "/usr");
    CHECK_EQ(umask(022), 077);
    CHECK_OK(chdir(before));
}

/* CLONE_VFORK alone: a copy of the memory, and the parent waits for exec or exit. */
static void waits_without_sharing(void)
{
    static volatile int mine = 1;
    int ends[2];
    REQUIRE(pipe2(ends, O_NONBLOCK) == 0);
    pid_t pid = fork_with(CLONE_VFORK, NULL);
    if (pid == 0) {
        mine = 2;
        usleep(50000);
        (void)!write(ends[1], "x", 1);
        _exit(4);
    }
    char byte;
    CHECK_EQ(read(ends[0], &byte, 1), 1);
    CHECK_EQ(mine, 1);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 4);

    pid = fork_with(CLONE_VFORK, NULL);
    if (pid == 0) {
        usleep(50000);
        (void)!write(ends[1], "x", 1);
        execl("/bin/sleep", "sleep", "30", (char *)NULL);
        _exit(1);
    }
    CHECK_EQ(read(ends[0], &byte, 1), 1);
    CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
    kill(pid, SIGKILL);
    wait_for(pid);

    pid = fork_with(CLONE_VFORK | CLONE_FILES, NULL);
    if (pid == 0) {
        usleep(20000);
        (void)!write(ends[1], "x", 1);
        _exit(5);
    }
    CHECK_EQ(read(ends[0], &byte, 1), 1);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 5);
    close(ends[0]);
    close(ends[1]);
}

static void pid_descriptors(void)
{
    int pidfd = -1;
    pid_t pid = fork_with(CLONE_PIDFD, &pidfd);
    if (pid == 0)
        _exit(pidfd == -1 ? 6 : 7);
    siginfo_t info;
    CHECK_EQ(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
    CHECK_OK(waitid(P_PIDFD, pidfd, &info, WEXITED));
    CHECK_EQ(info.si_pid, pid);
    CHECK_EQ(info.si_status, 6);
    close(pidfd);
    CHECK_ERROR(fork_with(CLONE_PIDFD, (int *)8), EFAULT);

    struct rlimit before, none;
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    CHECK_ERROR(fork_with(CLONE_PIDFD, &pidfd), EMFILE);
    setrlimit(RLIMIT_NOFILE, &before);
    CHECK_ERROR(waitpid(-1, NULL, WNOHANG), ECHILD);
}

/* --- Threads with descriptors and a working directory of their own */

static char *thread_result;

static void *apart(void *argument)
{
    (void)argument;
    static char now[512];
    CHECK_OK(unshare(CLONE_FILES | CLONE_FS));
    CHECK_OK(chdir("/usr"));
    umask(0111);
    close(30);
    CHECK_ERROR(fcntl(30, F_GETFD), EBADF);
    thread_result = getcwd(now, sizeof now);
    int fd = open("bin", O_RDONLY | O_DIRECTORY);
    CHECK(fd >= 0);
    return NULL;
}

static void *together(void *argument)
{
    char now[512];
    CHECK(fcntl(30, F_GETFD) >= 0);
    CHECK_STR(getcwd(now, sizeof now), argument);
    return NULL;
}

static void threads_apart(void)
{
    char before[512], now[512];
    pthread_t thread;
    REQUIRE(getcwd(before, sizeof before));
    umask(022);
    for (int i = 0; i < 3; i++) {
        REQUIRE(dup2(1, 30) == 30);
        REQUIRE(pthread_create(&thread, NULL, apart, NULL) == 0);
        pthread_join(thread, NULL);
        CHECK_STR(thread_result, "/usr");
        CHECK_STR(getcwd(now, sizeof now), before);
        CHECK_EQ(umask(022), 022);
        CHECK(fcntl(30, F_GETFD) >= 0);
        /* The next thread is like the process again. */
        REQUIRE(pthread_create(&thread, NULL, together, before) == 0);
        pthread_join(thread, NULL);
    }
    close(30);
}

static char stack[65536] __attribute__((aligned(16)));
static volatile int thread_tid, closed = -1;

static long raw(long number, long a, long b, long c)
{
    return in_place(number, a, b, c, 0, 0);
}

static int close_and_leave(void *argument)
{
    (void)argument;
    closed = (int)raw(SYS_close, 30, 0, 0);
    raw(SYS_chdir, (long)"/usr", 0, 0);
    raw(SYS_exit, 0, 0, 0);
    return 0;
}

static void a_thread_that_never_shared(void)
{
    char before[512], now[512];
    REQUIRE(getcwd(before, sizeof before));
    REQUIRE(dup2(1, 30) == 30);
    thread_tid = -1;
    int tid = clone(close_and_leave, stack + sizeof stack,
                    CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID, NULL, NULL, NULL,
                    &thread_tid);
    CHECK(tid > 0);
    while (thread_tid != 0)
        usleep(1000);
    CHECK_EQ(closed, 0);
    CHECK(fcntl(30, F_GETFD) >= 0);
    CHECK_STR(getcwd(now, sizeof now), before);
    close(30);
}

static void *unshare_all(void *argument)
{
    CHECK_ERROR(unshare(CLONE_VM), EINVAL);
    CHECK_ERROR(unshare(CLONE_SIGHAND), EINVAL);
    CHECK_ERROR(unshare(CLONE_THREAD), EINVAL);
    return argument;
}

/* Only a process with one thread has its memory, its handlers and its thread group for itself. */
static void unshare_alone(void)
{
    CHECK_OK(unshare(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD));
}

static void unshared_already(void)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, unshare_all, NULL) == 0);
    pthread_join(thread, NULL);
    CHECK_EQ(child_status(unshare_alone), 0);
    CHECK_ERROR(unshare(CLONE_VFORK), EINVAL);
    CHECK_ERROR(unshare(CLONE_SETTLS | CLONE_FILES), EINVAL);
}

int main(void)
{
    RUN(shared_descriptors);
    RUN(exec_stops_sharing_descriptors);
    RUN(many_sharers);
    RUN(shared_file_system_state);
    RUN(waits_without_sharing);
    RUN(pid_descriptors);
    RUN(threads_apart);
    RUN(a_thread_that_never_shared);
    RUN(unshared_already);
    return finish();
}
