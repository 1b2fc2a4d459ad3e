/* Signals between processes: to one, to a group, to a thread; what the receiver is told; who may say what; broken pipes. */
#include "check.h"
#include <pthread.h>
#include <sys/socket.h>
#include <sys/mman.h>
#include <sys/uio.h>

static volatile struct shared {
    int ready, pid, uid, code, value, number, handled[4];
} *shared;

static void tell(int number, siginfo_t *info, void *context)
{
    (void)context;
    shared->pid = info->si_pid;
    shared->uid = (int)info->si_uid;
    shared->code = info->si_code;
    shared->value = info->si_value.sival_int;
    shared->number = number;
    shared->handled[0]++;
}

static pid_t receiver(int number)
{
    memset((void *)shared, 0, sizeof *shared);
    pid_t pid = fork();
    if (pid == 0) {
        struct sigaction action = {.sa_sigaction = tell, .sa_flags = SA_SIGINFO};
        sigaction(number, &action, NULL);
        shared->ready = 1;
        for (;;) pause();
    }
    WAIT_UNTIL(shared->ready);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK_EQ(WTERMSIG(wait_for(pid)), SIGKILL);
}

static void to_another_process(void)
{
    static const int numbers[] = {SIGUSR1, SIGSEGV, SIGBUS, SIGTRAP, 64};
    for (int i = 0; i < 5; i++) {
        pid_t pid = receiver(numbers[i]);
        CHECK_OK(kill(pid, numbers[i]));
        WAIT_UNTIL(shared->handled[0] == 1);
        CHECK_EQ(shared->pid, getpid());
        CHECK_EQ(shared->uid, getuid());
        CHECK_EQ(shared->code, SI_USER);
        CHECK_OK(sigqueue(pid, numbers[i], (union sigval){.sival_int = 4711}));
        WAIT_UNTIL(shared->handled[0] == 2);
        CHECK_EQ(shared->pid, getpid());
        CHECK_EQ(shared->code, SI_QUEUE);
        CHECK_EQ(shared->value, 4711);
        CHECK_OK(syscall(SYS_tgkill, pid, pid, numbers[i]));
        WAIT_UNTIL(shared->handled[0] == 3);
        CHECK_EQ(shared->code, SI_TKILL);
        CHECK_OK(syscall(SYS_tkill, pid, numbers[i]));
        WAIT_UNTIL(shared->handled[0] == 4);
        CHECK_OK(kill(pid, 0));
        end(pid);
        CHECK_ERROR(kill(pid, 0), ESRCH);
    }
}

static long queue_by_hand(pid_t pid, pid_t tid, int number, int code)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_code = code;
    info.si_pid = 4242;
    info.si_uid = 17;
    info.si_value.sival_int = 99;
    if (tid) return syscall(SYS_rt_tgsigqueueinfo, pid, tid, number, &info);
    return syscall(SYS_rt_sigqueueinfo, pid, number, &info);
}

/* To others only what cannot be taken for the kernel's, nor for tgkill's; to oneself anything. */
static void who_may_say_what(void)
{
    pid_t pid = receiver(SIGUSR1);
    static const int refused[] = {SI_USER, SI_KERNEL, SI_TKILL, 1};
    for (int i = 0; i < 4; i++) {
        CHECK_ERROR(queue_by_hand(pid, 0, SIGUSR1, refused[i]), EPERM);
        CHECK_ERROR(queue_by_hand(pid, pid, SIGUSR1, refused[i]), EPERM);
    }
    static const int allowed[] = {SI_QUEUE, SI_TIMER, SI_MESGQ, SI_ASYNCIO, -60};
    for (int i = 0; i < 5; i++) {
        CHECK_OK(i % 2 ? queue_by_hand(pid, 0, SIGUSR1, allowed[i]) : queue_by_hand(pid, pid, SIGUSR1, allowed[i]));
        WAIT_UNTIL(shared->handled[0] == i + 1);
        CHECK_EQ(shared->code, allowed[i]);
        CHECK_EQ(shared->pid, 4242);
        CHECK_EQ(shared->uid, 17);
    }
    CHECK_ERROR(queue_by_hand(pid, pid, 65, SI_QUEUE), EINVAL);
    CHECK_ERROR(queue_by_hand(pid, 0, -1, SI_QUEUE), EINVAL);
    CHECK_ERROR(queue_by_hand(pid, 999999, SIGUSR1, SI_QUEUE), ESRCH);
    CHECK_ERROR(queue_by_hand(getpid(), pid, SIGUSR1, SI_QUEUE), ESRCH);
    CHECK_ERROR(queue_by_hand(0, pid, SIGUSR1, SI_QUEUE), EINVAL);
    CHECK_ERROR(queue_by_hand(pid, 0, 0, SI_USER), EPERM);
    CHECK_OK(queue_by_hand(pid, 0, 0, SI_QUEUE));
    CHECK_ERROR(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, (void *)8), EFAULT);
    CHECK_ERROR(syscall(SYS_rt_tgsigqueueinfo, pid, pid, SIGUSR1, (void *)8), EFAULT);
    end(pid);
    struct sigaction action = {.sa_sigaction = tell, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < 4; i++) {
        int before = shared->handled[0];
        CHECK_OK(queue_by_hand(getpid(), 0, SIGUSR1, refused[i]));
        CHECK_OK(queue_by_hand(getpid(), (pid_t)syscall(SYS_gettid), SIGUSR1, refused[i]));
        CHECK_EQ(shared->handled[0], before + 2);
        CHECK_EQ(shared->code, refused[i]);
    }
    signal(SIGUSR1, SIG_DFL);
}

static void count_in_slot_1(int number)
{
    (void)number;
    __atomic_add_fetch(&shared->handled[1], 1, __ATOMIC_SEQ_CST);
}

/* kill(0) and kill(-group) reach the group, the sender too, and nobody else. */
static void to_a_group(void)
{
    memset((void *)shared, 0, sizeof *shared);
    pid_t outsider = fork();
    if (outsider == 0) {
        signal(SIGUSR2, count_in_slot_1);
        for (;;) pause();
    }
    pid_t leader = fork();
    if (leader == 0) {
        pid_t children[3];
        setpgid(0, 0);
        signal(SIGUSR2, count_in_slot_1);
        sigset_t set, before;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        sigprocmask(SIG_BLOCK, &set, &before);
        for (int i = 0; i < 3; i++)
            if ((children[i] = fork()) == 0) {
                while (!shared->handled[2]) sigsuspend(&before);
                _exit(0);
            }
        kill(0, SIGUSR2);
        kill(-getpid(), 0);
        sigprocmask(SIG_SETMASK, &before, NULL);
        while (shared->handled[1] < 4) usleep(1000);
        kill(-getpgrp(), SIGUSR2);
        while (shared->handled[1] < 8) usleep(1000);
        shared->handled[2] = 1;
        for (int i = 0; i < 3; i++) {
            kill(children[i], SIGUSR2);
            wait_for(children[i]);
        }
        _exit(0);
    }
    CHECK_EQ(wait_for(leader), 0);
    CHECK(shared->handled[1] >= 8 && shared->handled[1] <= 11);
    CHECK_ERROR(kill(-leader, 0), ESRCH);
    CHECK_ERROR(kill(-999999, 0), ESRCH);
    end(outsider);
}

static volatile sig_atomic_t broken;
static volatile pid_t broken_in;

static void on_broken(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    broken++;
    broken_in = (pid_t)syscall(SYS_gettid);
    CHECK_EQ(info->si_code, SI_USER);
    CHECK_EQ(info->si_pid, getpid());
}

static void *write_there(void *fd)
{
    pid_t self = (pid_t)syscall(SYS_gettid);
    CHECK_ERROR(write(*(int *)fd, "x", 1), EPIPE);
    CHECK_EQ(broken_in, self);
    return NULL;
}

static void broken_pipes(void)
{
    struct sigaction action = {.sa_sigaction = on_broken, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGPIPE, &action, NULL);
    int ends[2], pair[2];
    struct iovec vector = {"x", 1};
    REQUIRE(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    close(ends[0]);
    close(pair[0]);
    CHECK_ERROR(write(ends[1], "x", 1), EPIPE);
    CHECK_EQ(broken, 1);
    CHECK_ERROR(writev(ends[1], &vector, 1), EPIPE);
    CHECK_EQ(broken, 2);
    CHECK_ERROR(send(pair[1], "x", 1, 0), EPIPE);
    CHECK_EQ(broken, 3);
    CHECK_ERROR(send(pair[1], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_EQ(broken, 3);
    /* To the thread that wrote. */
    pthread_t thread;
    pthread_create(&thread, NULL, write_there, &ends[1]);
    pthread_join(thread, NULL);
    CHECK_EQ(broken, 4);
    signal(SIGPIPE, SIG_DFL);
}

static volatile sig_atomic_t children;
static siginfo_t child;

static void on_child(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    children++;
    child = *info;
}

static void what_a_parent_is_told(void)
{
    struct sigaction action = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGCHLD, &action, NULL);
    pid_t pid = fork();
    if (pid == 0) {
        for (volatile long i = 0; i < 100000000; i++) continue;
        _exit(3);
    }
    WAIT_UNTIL(children == 1);
    CHECK_EQ(child.si_code, CLD_EXITED);
    CHECK_EQ(child.si_pid, pid);
    CHECK_EQ(child.si_status, 3);
    /* Kernels that count by ticks take some of a virtual machine's time for their own. */
    CHECK(child.si_utime + child.si_stime > 0);
    CHECK_EQ(wait_for(pid), 3 << 8);
    pid = fork();
    if (pid == 0) {
        raise(SIGTERM);
        _exit(0);
    }
    WAIT_UNTIL(children == 2);
    CHECK_EQ(child.si_code, CLD_KILLED);
    CHECK_EQ(child.si_status, SIGTERM);
    CHECK_EQ(WTERMSIG(wait_for(pid)), SIGTERM);
    signal(SIGCHLD, SIG_DFL);
}

int main(void)
{
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(shared != MAP_FAILED);
    RUN(to_another_process);
    RUN(who_may_say_what);
    RUN(to_a_group);
    RUN(broken_pipes);
    RUN(what_a_parent_is_told);
    return finish();
}
