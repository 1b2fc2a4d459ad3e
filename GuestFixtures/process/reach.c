/* `reach PID`: PID is a process outside the session. Nothing that names it reaches it. */
#include "check.h"
#include <linux/sched.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

static pid_t outsider;
static char buffer[64];

static void signals(void)
{
    siginfo_t info = {0};
    info.si_code = SI_QUEUE;
    int signals[] = {0, SIGKILL, SIGTERM, SIGSTOP};
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
        CHECK_ERROR(kill(outsider, signals[i]), ESRCH);
        CHECK_ERROR(syscall(SYS_tkill, outsider, signals[i]), ESRCH);
        CHECK_ERROR(syscall(SYS_tgkill, outsider, outsider, signals[i]), ESRCH);
        CHECK_ERROR(syscall(SYS_tgkill, getpid(), outsider, signals[i]), ESRCH);
        CHECK_ERROR(syscall(SYS_rt_sigqueueinfo, outsider, signals[i], &info), ESRCH);
        CHECK_ERROR(syscall(SYS_rt_tgsigqueueinfo, outsider, outsider, signals[i], &info), ESRCH);
    }
    CHECK_ERROR(kill(1, SIGTERM), ESRCH);
    CHECK_ERROR(kill(-outsider, SIGKILL), ESRCH);
}

static void descriptors(void)
{
    CHECK_ERROR(syscall(SYS_pidfd_open, outsider, 0), ESRCH);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d", outsider);
    CHECK_ERROR(open(path, O_RDONLY), ENOENT);
    CHECK_ERROR(access("/proc/1/stat", F_OK), ENOENT);
}

static void groups(void)
{
    CHECK_ERROR(getpgid(outsider), ESRCH);
    CHECK_ERROR(getsid(outsider), ESRCH);
    CHECK_ERROR(setpgid(outsider, 0), ESRCH);
    pid_t child = fork();
    if (child == 0) _exit(setpgid(0, outsider) == -1 && errno == EPERM ? 0 : 1);
    CHECK_EQ(wait_for(child), 0);
}

static void scheduling(void)
{
    struct sched_param parameters = {0};
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    CHECK_ERROR(syscall(SYS_sched_setparam, outsider, &parameters), ESRCH);
    CHECK_ERROR(syscall(SYS_sched_getparam, outsider, &parameters), ESRCH);
    CHECK_ERROR(syscall(SYS_sched_setscheduler, outsider, SCHED_BATCH, &parameters), ESRCH);
    CHECK_ERROR(syscall(SYS_sched_getscheduler, outsider), ESRCH);
    CHECK_ERROR(syscall(SYS_sched_setaffinity, outsider, sizeof set, &set), ESRCH);
    CHECK_ERROR(syscall(SYS_sched_getaffinity, outsider, sizeof set, &set), ESRCH);
    CHECK_ERROR(syscall(SYS_sched_getattr, outsider, buffer, sizeof buffer, 0), ESRCH);
    CHECK_ERROR(setpriority(PRIO_PROCESS, (id_t)outsider, 19), ESRCH);
    CHECK_ERROR(setpriority(PRIO_PGRP, (id_t)outsider, 19), ESRCH);
    CHECK_ERROR(setpriority(PRIO_USER, 0, 19), EPERM);
    CHECK_ERROR(syscall(SYS_ioprio_set, 1, outsider, 3 << 13), ESRCH);
    CHECK_ERROR(syscall(SYS_ioprio_set, 2, outsider, 3 << 13), ESRCH);
}

static void limits(void)
{
    struct rlimit limit = {10, 10};
    CHECK_ERROR(prlimit(outsider, RLIMIT_NOFILE, &limit, NULL), ESRCH);
    CHECK_ERROR(prlimit(outsider, RLIMIT_CORE, &limit, NULL), ESRCH);
    CHECK_ERROR(prlimit(outsider, RLIMIT_CORE, NULL, &limit), ESRCH);
}

static void memory(void)
{
    struct iovec local = {buffer, sizeof buffer}, remote = {(void *)0x400000, sizeof buffer};
    CHECK_ERROR(process_vm_readv(outsider, &local, 1, &remote, 1, 0), ESRCH);
    CHECK_ERROR(process_vm_writev(outsider, &local, 1, &remote, 1, 0), ESRCH);
    CHECK_ERROR(syscall(SYS_kcmp, getpid(), outsider, 0, 0, 0), ESRCH);
    CHECK_ERROR(syscall(SYS_get_robust_list, outsider, buffer, buffer + 8), ESRCH);
    CHECK_ERROR(syscall(SYS_migrate_pages, outsider, 0, NULL, NULL), ESRCH);
}

static void owners(void)
{
    int pair[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    struct f_owner_ex owner = {F_OWNER_PID, outsider}, group = {F_OWNER_PGRP, getpgrp()};
    CHECK_ERROR(fcntl(pair[0], F_SETOWN, outsider), ESRCH);
    CHECK_ERROR(fcntl(pair[0], F_SETOWN, -outsider), ESRCH);
    CHECK_ERROR(fcntl(pair[0], F_SETOWN_EX, &owner), ESRCH);
    /* The outsider is in this process's group. */
    CHECK_ERROR(fcntl(pair[0], F_SETOWN, -getpgrp()), ESRCH);
    CHECK_ERROR(fcntl(pair[0], F_SETOWN_EX, &group), ESRCH);
    CHECK_OK(fcntl(pair[0], F_SETOWN, getpid()));
}

/* All but this process, which ignores the signal. */
static void broadcasts(void)
{
    signal(SIGUSR1, SIG_IGN);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGUSR1, SIG_DFL);
        for (;;) pause();
    }
    usleep(50000);
    CHECK_OK(kill(0, SIGUSR1));
    CHECK_EQ(wait_for(child), SIGUSR1);
    child = fork();
    if (child == 0) {
        signal(SIGUSR1, SIG_DFL);
        for (;;) pause();
    }
    usleep(50000);
    CHECK_OK(kill(-getpgrp(), SIGUSR1));
    CHECK_EQ(wait_for(child), SIGUSR1);
    child = fork();
    if (child == 0) {
        for (;;) pause();
    }
    CHECK_OK(kill(-1, SIGKILL));
    CHECK_EQ(wait_for(child), SIGKILL);
    CHECK_ERROR(kill(-1, SIGKILL), ESRCH);
    CHECK_OK(setpriority(PRIO_PGRP, 0, 7));
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), 7);
}

int main(int argc, char **argv)
{
    REQUIRE(argc == 2);
    outsider = atoi(argv[1]);
    RUN(signals);
    RUN(descriptors);
    RUN(groups);
    RUN(scheduling);
    RUN(limits);
    RUN(memory);
    RUN(owners);
    RUN(broadcasts);
    return finish();
}
