/* Threads that fork, vfork, spawn, start threads, map memory and kill children, all at the same time and under a rain of signals:
 * whatever meets whatever, every child is accounted for and nothing hangs. */
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/time.h>

enum { THREADS = 4 };
static unsigned rounds = 120;
extern char **environ;
static volatile sig_atomic_t ticks;
static int wrong;

static void tick(int signal)
{
    (void)signal;
    ticks++;
}

static void complain(const char *what, long value)
{
    __atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
    fprintf(stderr, "%s: %ld\n", what, value);
}

static void expect_status(const char *what, pid_t pid, int expected)
{
    int status = -1;
    pid_t waited;
    do
        waited = waitpid(pid, &status, 0);
    while (waited == -1 && errno == EINTR);
    if (waited != pid || status != expected)
        complain(what, waited == pid ? status : -errno);
}

static void *leave(void *argument) { return argument; }

static void by_fork(unsigned round)
{
    pid_t pid = fork();
    if (pid == 0) {
        /* The child has its own memory, and its allocator works. */
        char *memory = malloc(100000);
        memset(memory, 1, 100000);
        _exit(round % 100);
    }
    expect_status("fork", pid, (int)(round % 100) << 8);
}

static void by_vfork(unsigned round)
{
    volatile unsigned copy = round;
    pid_t pid = vfork();
    if (pid == 0)
        _exit(copy % 100);
    expect_status("vfork", pid, (int)(round % 100) << 8);
}

static void by_vfork_and_exec(unsigned round)
{
    pid_t pid = vfork();
    if (pid == 0) {
        if (round % 2)
            execl("/nonexistent", "nothing", (char *)NULL);
        execl("/bin/true", "true", (char *)NULL);
        _exit(99);
    }
    expect_status("vfork and exec", pid, 0);
}

static void by_spawn(unsigned round)
{
    char *arguments[] = {"true", NULL};
    pid_t pid;
    int error = posix_spawn(&pid, round % 3 ? "/bin/true" : "/nonexistent", NULL, NULL, arguments, environ);
    if (error != (round % 3 ? 0 : ENOENT))
        complain("posix_spawn", error);
    if (error == 0)
        expect_status("posix_spawn", pid, 0);
}

static void by_thread(unsigned round)
{
    pthread_t thread;
    void *result = NULL;
    int error = pthread_create(&thread, NULL, leave, (void *)(long)round);
    if (error)
        return complain("pthread_create", error);
    pthread_join(thread, &result);
    if (result != (void *)(long)round)
        complain("pthread_join", (long)result);
}

static void killed_at_once(unsigned round)
{
    (void)round;
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    if (kill(pid, SIGKILL) != 0)
        complain("kill", errno);
    expect_status("killed", pid, SIGKILL);
}

static void killed_while_starting(unsigned round)
{
    char *arguments[] = {"sleep", "30", NULL};
    pid_t pid;
    if (posix_spawn(&pid, "/bin/sleep", NULL, NULL, arguments, environ) != 0)
        return complain("spawning sleep", errno);
    if (round % 2)
        usleep(round % 7 * 300);
    if (kill(pid, SIGKILL) != 0)
        complain("kill", errno);
    expect_status("killed while starting", pid, SIGKILL);
}

static void mappings(unsigned round)
{
    size_t size = (round % 64 + 1) * PAGE;
    unsigned char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return complain("mmap", errno);
    memory[size - 1] = 7;
    mprotect(memory, size, PROT_READ);
    if (memory[size - 1] != 7)
        complain("memory", memory[size - 1]);
    munmap(memory, size);
}

static void *run(void *argument)
{
    static void (*const acts[])(unsigned) = {by_fork,   by_vfork,       by_vfork_and_exec,     by_spawn,
                                             by_thread, killed_at_once, killed_while_starting, mappings};
    unsigned state = (unsigned)(long)argument * 2654435761u + 1;
    for (unsigned round = 0; round < rounds; round++) {
        state = state * 1103515245u + 12345u;
        acts[(state >> 16) % (sizeof acts / sizeof acts[0])](round);
    }
    return NULL;
}

static void everything_at_once(void)
{
    pthread_t threads[THREADS];
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (long i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, run, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    setitimer(ITIMER_REAL, &never, NULL);
    CHECK_EQ(wrong, 0);
    CHECK(ticks > 0);
    CHECK_ERROR(waitpid(-1, NULL, WNOHANG), ECHILD);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        rounds = (unsigned)atoi(argv[1]);
    RUN(everything_at_once);
    return finish();
}
