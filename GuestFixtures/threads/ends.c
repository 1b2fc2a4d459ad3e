/* How threads and their process end: the first one first, all at once, by exec, by a signal. */
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sys/mman.h>

static volatile int *report;

static void *outlive(void *argument)
{
    pid_t process = getpid();
    /* The first thread is a zombie, which its process is not. */
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", process);
    for (int i = 0; i < 2000 && state != 'Z'; i++) {
        FILE *file = fopen(path, "r");
        if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 0;
        if (file) fclose(file);
        usleep(1000);
    }
    report[0] = state;
    report[1] = syscall(SYS_gettid) != process;
    report[2] = kill(process, 0) == 0;
    switch (*(int *)argument) {
    case 0: _exit(50);
    case 1: execl("/bin/sh", "sh", "-c", "test $$ = $0 && exit 51", getenv("SELF"), NULL); break;
    case 2: kill(process, SIGTERM); break;
    case 3: syscall(SYS_exit, 0); break;
    case 4: {
        pid_t pid = fork();
        if (pid == 0) _exit(getppid() == process ? 9 : 8);
        int status = 0;
        waitpid(pid, &status, 0);
        _exit(WEXITSTATUS(status) + 45);
    }
    }
    for (;;) pause();
}

static void the_first_thread_first(void)
{
    for (int way = 0; way < 5; way++) {
        report[0] = report[1] = report[2] = 0;
        pid_t pid = fork();
        if (pid == 0) {
            char text[20];
            snprintf(text, sizeof text, "%d", getpid());
            setenv("SELF", text, 1);
            pthread_t thread;
            pthread_create(&thread, NULL, outlive, &way);
            /* The last thread's status is the process's. */
            syscall(SYS_exit, 7);
        }
        /* The process has not ended with its first thread. */
        usleep(20000);
        int status = wait_for(pid);
        CHECK_EQ(report[0], 'Z');
        CHECK_EQ(report[1], 1);
        CHECK_EQ(report[2], 1);
        if (way == 2)
            CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
        else
            CHECK_EQ(WEXITSTATUS(status), way == 0 ? 50 : way == 1 ? 51 : way == 3 ? 0 : 54);
    }
}

static void *sleeping(void *argument)
{
    for (;;) pause();
    return argument;
}

static void *spinning(void *argument)
{
    for (volatile long i = 0;; i++) continue;
    return argument;
}

static void *ending(void *argument)
{
    syscall(SYS_exit_group, 47);
    return argument;
}

/* From any thread, whatever the others do. */
static void all_at_once(void)
{
    for (int i = 0; i < 10; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            pthread_t threads[4];
            pthread_create(&threads[0], NULL, sleeping, NULL);
            pthread_create(&threads[1], NULL, spinning, NULL);
            pthread_create(&threads[2], NULL, sleeping, NULL);
            pthread_create(&threads[3], NULL, ending, NULL);
            pthread_join(threads[0], NULL);
        }
        CHECK_EQ(WEXITSTATUS(wait_for(pid)), 47);
    }
}

static void *exec_from_here(void *argument)
{
    usleep(10000);
    execl("/bin/sh", "sh", "-c", "test $$ = $0 && exit 48", argument, NULL);
    return NULL;
}

/* An exec takes the process's id, and ends all the others. */
static void exec_from_any(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        char text[20];
        snprintf(text, sizeof text, "%d", getpid());
        pthread_t threads[4];
        pthread_create(&threads[0], NULL, sleeping, NULL);
        pthread_create(&threads[1], NULL, spinning, NULL);
        pthread_create(&threads[2], NULL, exec_from_here, text);
        pthread_create(&threads[3], NULL, spinning, NULL);
        pthread_join(threads[0], NULL);
    }
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 48);
}

static void *fault(void *argument)
{
    *(volatile int *)16 = 1;
    return argument;
}

static void by_a_fault_in_one(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t threads[2];
        pthread_create(&threads[0], NULL, spinning, NULL);
        pthread_create(&threads[1], NULL, fault, NULL);
        pthread_join(threads[0], NULL);
    }
    int status = wait_for(pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static volatile uint32_t cleared;

static void *end_raw(void *argument)
{
    CHECK_EQ(syscall(SYS_set_tid_address, argument), syscall(SYS_gettid));
    syscall(SYS_exit, 0);
    return NULL;
}

/* The word that set_tid_address names is the one that is cleared. */
static void another_word(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    cleared = 77;
    pthread_create(&thread, &attributes, end_raw, (void *)&cleared);
    while (cleared) syscall(SYS_futex, &cleared, FUTEX_WAIT, 77, NULL, NULL, 0);
    CHECK_EQ(cleared, 0);
    /* A bad one is nobody's problem. */
    pthread_create(&thread, &attributes, end_raw, (void *)16);
    usleep(20000);
}

/* In another process the kernel clears nothing without CLONE_CHILD_CLEARTID, and all with it. */
static void the_word_of_a_process(void)
{
    uint32_t *word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *word = 88;
    pid_t pid = fork();
    if (pid == 0) {
        syscall(SYS_set_tid_address, word);
        _exit(0);
    }
    CHECK_EQ(wait_for(pid), 0);
    /* The last user of an address space clears nothing. */
    CHECK_EQ(*word, 88);
    munmap(word, PAGE);
}

static void *end_at_once(void *argument)
{
    return argument;
}

static void *kill_often(void *argument)
{
    pthread_t *thread = argument;
    for (int i = 0; i < 20; i++) pthread_kill(*thread, i % 2 ? SIGUSR1 : 0);
    return NULL;
}

static volatile int handled;

static void handler(int number)
{
    (void)number;
    handled++;
}

/* Signals for a thread that is just ending: delivered or not, and nothing else. */
static void signals_for_ending_threads(void)
{
    signal(SIGUSR1, handler);
    for (int i = 0; i < 300; i++) {
        pthread_t ends, kills;
        pthread_create(&ends, NULL, end_at_once, NULL);
        pthread_create(&kills, NULL, kill_often, &ends);
        pthread_join(kills, NULL);
        pthread_join(ends, NULL);
    }
    pid_t process = getpid();
    for (int i = 0; i < 200; i++) {
        pthread_t ends;
        pthread_create(&ends, NULL, end_at_once, NULL);
        pthread_join(ends, NULL);
        /* Ids that were threads' a moment ago. */
        for (int id = process + 1; id < process + 20; id++) {
            long result = syscall(SYS_tgkill, process, id, 0);
            CHECK(result == 0 || errno == ESRCH);
        }
    }
    CHECK_ERROR(syscall(SYS_tgkill, process, 0, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_tgkill, -1, process, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_tgkill, process + 1, process, 0), ESRCH);
    CHECK_ERROR(syscall(SYS_tgkill, process, process, 65), EINVAL);
    signal(SIGUSR1, SIG_DFL);
}

int main(void)
{
    report = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    RUN(the_first_thread_first);
    RUN(all_at_once);
    RUN(exec_from_any);
    RUN(by_a_fault_in_one);
    RUN(another_word);
    RUN(the_word_of_a_process);
    RUN(signals_for_ending_threads);
    return finish();
}
