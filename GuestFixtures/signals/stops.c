/* Stopping and continuing: every thread of a process, what a handler changes, what is discarded, and what the parent is told. */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>

static volatile struct shared {
    unsigned long counts[3];
    int ready, continued, stopped, tid;
} *shared;

static void *count_up(void *index)
{
    for (;;) {
        shared->counts[(long)index]++;
        if ((long)index == 1) usleep(100);
    }
    return NULL;
}

static void on_continue(int number)
{
    (void)number;
    shared->continued++;
}

static void on_stop(int number)
{
    (void)number;
    shared->stopped++;
}

static void fresh(void)
{
    memset((void *)shared, 0, sizeof *shared);
}

static pid_t start_counting(void (*prepare)(void))
{
    fresh();
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t thread;
        setpgid(0, 0);
        if (prepare) prepare();
        pthread_create(&thread, NULL, count_up, (void *)1);
        pthread_create(&thread, NULL, count_up, (void *)2);
        shared->ready = 1;
        count_up(NULL);
    }
    WAIT_UNTIL(shared->ready && shared->counts[0] && shared->counts[1] && shared->counts[2]);
    return pid;
}

static int goes_on(void)
{
    struct shared before = *shared;
    for (int i = 0; i < 5000; i++) {
        if (shared->counts[0] != before.counts[0] && shared->counts[1] != before.counts[1] && shared->counts[2] != before.counts[2])
            return 1;
        usleep(1000);
    }
    return 0;
}

static int stands_still(void)
{
    struct shared before = *shared;
    usleep(20000);
    return memcmp((void *)&before.counts, (void *)&shared->counts, sizeof before.counts) == 0;
}

static void told(pid_t pid, int code, int status, int flags)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    CHECK_OK(waitid(P_PID, (id_t)pid, &info, flags | WNOWAIT));
    CHECK_EQ(info.si_code, code);
    CHECK_EQ(info.si_status, status);
    CHECK_EQ(info.si_pid, pid);
    CHECK_EQ(info.si_uid, getuid());
    CHECK_OK(waitid(P_PID, (id_t)pid, &info, flags));
    info.si_pid = 0;
    CHECK_OK(waitid(P_PID, (id_t)pid, &info, flags | WNOHANG));
    CHECK_EQ(info.si_pid, 0);
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK_EQ(WTERMSIG(wait_for(pid)), SIGKILL);
}

static void every_thread_stops(void)
{
    static const int stops[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
    pid_t pid = start_counting(NULL);
    for (int i = 0; i < 4; i++) {
        CHECK_OK(kill(pid, stops[i]));
        told(pid, CLD_STOPPED, stops[i], WSTOPPED);
        CHECK(stands_still());
        CHECK_OK(kill(pid, SIGCONT));
        told(pid, CLD_CONTINUED, SIGCONT, WCONTINUED);
        CHECK(goes_on());
    }
    /* A stopped one dies. */
    CHECK_OK(kill(pid, SIGSTOP));
    told(pid, CLD_STOPPED, SIGSTOP, WSTOPPED);
    CHECK_OK(kill(pid, SIGKILL));
    CHECK_EQ(WTERMSIG(wait_for(pid)), SIGKILL);
}

static void with_handlers(void)
{
    signal(SIGCONT, on_continue);
    signal(SIGTSTP, on_stop);
}

static void handlers_instead(void)
{
    pid_t pid = start_counting(with_handlers);
    CHECK_OK(kill(pid, SIGTSTP));
    WAIT_UNTIL(shared->stopped == 1);
    CHECK(goes_on());
    siginfo_t info = {0};
    CHECK_OK(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG));
    CHECK_EQ(info.si_pid, 0);
    /* The handler of SIGCONT runs, stopped or not. */
    CHECK_OK(kill(pid, SIGCONT));
    WAIT_UNTIL(shared->continued == 1);
    CHECK_OK(kill(pid, SIGSTOP));
    told(pid, CLD_STOPPED, SIGSTOP, WSTOPPED);
    CHECK(stands_still());
    CHECK_EQ(shared->continued, 1);
    CHECK_OK(kill(pid, SIGCONT));
    told(pid, CLD_CONTINUED, SIGCONT, WCONTINUED);
    WAIT_UNTIL(shared->continued == 2);
    CHECK(goes_on());
    end(pid);
}

static void stop_itself_in_a_handler(int number)
{
    /* What a shell's children do: put the default back, stop by it, go on here. */
    signal(number, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    signal(number, stop_itself_in_a_handler);
    shared->stopped++;
}

static void with_a_stopping_handler(void)
{
    signal(SIGTSTP, stop_itself_in_a_handler);
}

static void a_handler_that_stops(void)
{
    pid_t pid = start_counting(with_a_stopping_handler);
    for (int i = 1; i <= 3; i++) {
        CHECK_OK(kill(pid, SIGTSTP));
        told(pid, CLD_STOPPED, SIGTSTP, WSTOPPED);
        CHECK_EQ(shared->stopped, i - 1);
        CHECK_OK(kill(pid, SIGCONT));
        told(pid, CLD_CONTINUED, SIGCONT, WCONTINUED);
        WAIT_UNTIL(shared->stopped == i);
    }
    end(pid);
}

static int pending(int number)
{
    sigset_t set;
    sigpending(&set);
    return sigismember(&set, number);
}

static void each_discards_the_other(void)
{
    sigset_t both, before;
    sigemptyset(&both);
    sigaddset(&both, SIGTSTP);
    sigaddset(&both, SIGCONT);
    CHECK_OK(sigprocmask(SIG_BLOCK, &both, &before));
    signal(SIGCONT, on_continue);
    CHECK_OK(raise(SIGTSTP));
    CHECK_EQ(pending(SIGTSTP), 1);
    CHECK_OK(kill(getpid(), SIGCONT));
    CHECK_EQ(pending(SIGTSTP), 0);
    CHECK_EQ(pending(SIGCONT), 1);
    CHECK_OK(kill(getpid(), SIGTSTP));
    CHECK_EQ(pending(SIGCONT), 0);
    CHECK_EQ(pending(SIGTSTP), 1);
    CHECK_OK(kill(getpid(), SIGCONT));
    CHECK_OK(sigprocmask(SIG_SETMASK, &before, NULL));
    signal(SIGCONT, SIG_DFL);
}

static void an_orphaned_group(void)
{
    /* Nobody could continue it: terminal stops do nothing, SIGSTOP does. */
    fresh();
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        static const int stops[] = {SIGTSTP, SIGTTIN, SIGTTOU};
        for (int i = 0; i < 3; i++) {
            raise(stops[i]);
            kill(getpid(), stops[i]);
        }
        shared->ready = 1;
        raise(SIGSTOP);
        _exit(7);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK_EQ(shared->ready, 1);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ(WSTOPSIG(status), SIGSTOP);
    CHECK_OK(kill(pid, SIGCONT));
    CHECK_EQ(wait_for(pid), 7 << 8);
}

static void groups_that_become_orphans(void)
{
    /* A stopped group whose last parent goes is sent SIGHUP and SIGCONT. */
    fresh();
    pid_t parent = fork();
    if (parent == 0) {
        setpgid(0, 0);
        if (fork() == 0) {
            setpgid(0, 0);
            signal(SIGHUP, on_stop);
            signal(SIGCONT, on_continue);
            shared->tid = getpid();
            raise(SIGSTOP);
            while (!shared->stopped || !shared->continued) usleep(1000);
            shared->ready = 1;
            _exit(0);
        }
        int status;
        waitpid(-1, &status, WUNTRACED);
        _exit(WIFSTOPPED(status) ? 0 : 1);
    }
    CHECK_EQ(wait_for(parent), 0);
    WAIT_UNTIL(shared->ready);
    CHECK_EQ(shared->stopped, 1);
    CHECK_EQ(shared->continued, 1);
}

int main(void)
{
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(shared != MAP_FAILED);
    RUN(every_thread_stops);
    RUN(handlers_instead);
    RUN(a_handler_that_stops);
    RUN(each_discards_the_other);
    RUN(an_orphaned_group);
    RUN(groups_that_become_orphans);
    return finish();
}
