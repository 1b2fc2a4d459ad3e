/* What processes, threads, and talk between them cost: `costs NAME` prints the median of one thing in nanoseconds. */
#include <linux/futex.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "check.h"
#include "timing.h"

extern char **environ;

static char *nothing[] = {"/proc/self/exe", "nothing", NULL};

static void ended(pid_t pid)
{
    REQUIRE(pid > 0);
    CHECK_EQ(wait_for(pid), 0);
}

/* --- Children */

static void fork_exit(void)
{
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    ended(pid);
}

static void fork_execute(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        execve(nothing[0], nothing, environ);
        _exit(1);
    }
    ended(pid);
}

static void vfork_execute(void)
{
    pid_t pid = vfork();
    if (pid == 0) {
        execve(nothing[0], nothing, environ);
        _exit(1);
    }
    ended(pid);
}

static void spawn(void)
{
    pid_t pid = -1;
    CHECK_EQ(posix_spawn(&pid, nothing[0], NULL, NULL, nothing, environ), 0);
    ended(pid);
}

static void many_spawns(void)
{
    for (int i = 0; i < 1000; i++) spawn();
}

static void touch_much(void)
{
    size_t size = 200 << 20;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    for (size_t i = 0; i < size; i += PAGE) memory[i] = 1;
}

static void map_much(void)
{
    /* Neighbours with other rights stay mappings of their own. */
    for (int i = 0; i < 10000; i++) {
        int rights = i % 2 ? PROT_READ : PROT_READ | PROT_WRITE;
        char *memory = mmap(NULL, PAGE, rights, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(memory != MAP_FAILED);
        if (i % 2 == 0) *memory = 1;
    }
}

/* --- Threads */

static void *idle(void *argument)
{
    return argument;
}

static void thread(void)
{
    pthread_t id;
    REQUIRE(pthread_create(&id, NULL, idle, NULL) == 0);
    REQUIRE(pthread_join(id, NULL) == 0);
}

static atomic_int ball;

static void pass(int from, int to)
{
    int seen;
    while ((seen = atomic_load(&ball)) != from) syscall(SYS_futex, &ball, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    atomic_store(&ball, to);
    syscall(SYS_futex, &ball, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *give_back(void *argument)
{
    for (;;) pass(1, 0);
    return argument;
}

static void start_partner_thread(void)
{
    pthread_t id;
    REQUIRE(pthread_create(&id, NULL, give_back, NULL) == 0);
}

static void futex_round(void)
{
    atomic_store(&ball, 1);
    syscall(SYS_futex, &ball, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    int seen;
    while ((seen = atomic_load(&ball)) != 0) syscall(SYS_futex, &ball, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

/* --- Talk between processes */

static int to_partner[2], from_partner[2];

static void start_partner(void)
{
    REQUIRE(pipe(to_partner) == 0 && pipe(from_partner) == 0);
    if (fork() == 0) {
        char byte;
        close(to_partner[1]);
        while (read(to_partner[0], &byte, 1) == 1) REQUIRE(write(from_partner[1], &byte, 1) == 1);
        _exit(0);
    }
}

static void pipe_round(void)
{
    char byte = 1;
    REQUIRE(write(to_partner[1], &byte, 1) == 1);
    REQUIRE(read(from_partner[0], &byte, 1) == 1);
}

static void handle(int number UNUSED) {}

static void take_signals(void)
{
    signal(SIGUSR1, handle);
}

static void signal_self(void)
{
    kill(getpid(), SIGUSR1);
}

static const struct {
    const char *name;
    void (*prepare)(void), (*once)(void);
    int rounds;
} measures[] = {
    {"fork", NULL, fork_exit, 100},
    {"fork-exec", NULL, fork_execute, 50},
    {"vfork-exec", NULL, vfork_execute, 50},
    {"spawn", NULL, spawn, 50},
    {"1000-spawns", NULL, many_spawns, 1},
    {"large-fork", touch_much, fork_exit, 20},
    {"large-fork-exec", touch_much, fork_execute, 20},
    {"large-spawn", touch_much, spawn, 20},
    {"mappings-fork", map_much, fork_exit, 20},
    {"thread", NULL, thread, 500},
    {"futex", start_partner_thread, futex_round, 2000},
    {"pipe", start_partner, pipe_round, 2000},
    {"signal", take_signals, signal_self, 2000},
};

int main(int argc, char **argv)
{
    static double times[2000];
    if (argc < 2) return 2;
    for (unsigned i = 0; i < sizeof measures / sizeof measures[0]; i++) {
        if (strcmp(argv[1], measures[i].name) != 0) continue;
        if (measures[i].prepare) measures[i].prepare();
        for (int round = 0; round < measures[i].rounds; round++) {
            double start = now();
            measures[i].once();
            times[round] = now() - start;
        }
        printf("%s %.0f\n", argv[1], median(times, measures[i].rounds));
        return finish();
    }
    return strcmp(argv[1], "nothing") == 0 ? 0 : 2;
}
