/* The small loads of the benchmark, one for each thing that a program can do much of; and `timed`, which measures a command
 * from the inside of a machine that has to be booted. */
#include <sys/mman.h>

#include "check.h"
#include "timing.h"

static int call_getppid(int times)
{
    for (int i = 0; i < times; i++) REQUIRE(syscall(SYS_getppid) >= 0);
    return 0;
}

static int compute(int millions)
{
    uint64_t state = 88172645463325252u;
    for (long i = 0; i < millions * 1000000L; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    return state == 0;
}

static int touch_advised(int megabytes, int advice)
{
    size_t size = (size_t)megabytes << 20;
    volatile char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    /* A kernel without huge pages refuses it. */
    madvise((void *)memory, size, advice);
    for (size_t i = 0; i < size; i += PAGE) memory[i] = 1;
    return 0;
}

static int touch(int megabytes)
{
    return touch_advised(megabytes, MADV_NORMAL);
}

static int touch_huge(int megabytes)
{
    return touch_advised(megabytes, MADV_HUGEPAGE);
}

static int nothing(int number UNUSED)
{
    return 0;
}

/* Waits to be killed, having said that it is there. */
static int idle(int number UNUSED)
{
    puts("idle");
    fflush(stdout);
    for (;;) pause();
    return 1;
}

/* Runs a command, what it prints thrown away, and prints for each run its milliseconds and how it ended. */
static int timed(int rounds, char **command)
{
    for (int round = 0; round < rounds; round++) {
        double start = now();
        pid_t pid = fork();
        if (pid == 0) {
            int null = open("/dev/null", O_RDWR);
            dup2(null, 0);
            dup2(null, 1);
            execv(command[0], command);
            _exit(127);
        }
        int status = wait_for(pid);
        printf("timed %.3f %d\n", (now() - start) / 1e6, status);
        fflush(stdout);
    }
    return 0;
}

static const struct {
    const char *name;
    int (*run)(int number);
} loads[] = {
    {"nothing", nothing}, {"getppid", call_getppid}, {"compute", compute}, {"touch", touch},
    {"touch-huge", touch_huge}, {"idle", idle},
};

int main(int argc, char **argv)
{
    int number = argc > 2 ? atoi(argv[2]) : 0;
    if (argc > 3 && strcmp(argv[1], "timed") == 0) return timed(number, argv + 3);
    for (unsigned i = 0; argc > 1 && i < sizeof loads / sizeof loads[0]; i++) {
        if (strcmp(argv[1], loads[i].name) == 0) return loads[i].run(number);
    }
    return 2;
}
