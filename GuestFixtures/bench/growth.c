/* How costs grow: `growth NAME COUNT` prints what one call costs, in nanoseconds, where there is that much of something. */
#include <pthread.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "check.h"
#include "timing.h"

enum { CALLS = 20000, ROUNDS = 15 };

extern char **environ;

static char *nothing[] = {"/proc/self/exe", "nothing", NULL};

static double median_of(void (*once)(void))
{
    double times[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        double start = now();
        once();
        times[round] = now() - start;
    }
    return median(times, ROUNDS);
}

/* --- System calls of many threads at once: the time of all, by how many calls they made. */

static pthread_barrier_t start_line;

static void *call_much(void *argument)
{
    pthread_barrier_wait(&start_line);
    for (long i = 0; i < (long)(intptr_t)argument; i++) syscall(SYS_getppid);
    return NULL;
}

static double threads(long count)
{
    pthread_t ids[1000];
    REQUIRE(count <= 1000);
    intptr_t share = CALLS / count;
    pthread_barrier_init(&start_line, NULL, (unsigned)count + 1);
    for (long i = 0; i < count; i++) REQUIRE(pthread_create(&ids[i], NULL, call_much, (void *)share) == 0);
    double start = now();
    pthread_barrier_wait(&start_line);
    for (long i = 0; i < count; i++) pthread_join(ids[i], NULL);
    return (now() - start) / (double)(share * count);
}

/* --- mmap and munmap of a page beside many mappings */

static void map_once(void)
{
    for (int i = 0; i < 100; i++) {
        char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(memory != MAP_FAILED);
        REQUIRE(munmap(memory, PAGE) == 0);
    }
}

static double mappings(long count)
{
    /* Neighbours with other rights stay mappings of their own. */
    for (long i = 0; i < count; i++) {
        int rights = i % 2 ? PROT_READ : PROT_READ | PROT_WRITE;
        if (mmap(NULL, PAGE, rights, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) {
            fprintf(stderr, "no more than %ld mappings: %s\n", i, strerror(errno));
            exit(3);
        }
    }
    return median_of(map_once) / 100;
}

/* --- Children of a process with much memory, or with many descriptors */

static void fork_once(void)
{
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    CHECK_EQ(wait_for(pid), 0);
}

static double memory(long megabytes)
{
    size_t size = (size_t)megabytes << 20;
    volatile char *touched = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(touched != MAP_FAILED);
    for (size_t i = 0; i < size; i += PAGE) touched[i] = 1;
    return median_of(fork_once);
}

static void spawn_once(void)
{
    pid_t pid = -1;
    CHECK_EQ(posix_spawn(&pid, nothing[0], NULL, NULL, nothing, environ), 0);
    CHECK_EQ(wait_for(pid), 0);
}

static double descriptors(long count)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    for (long i = 3; i < count; i++) {
        if (open("/dev/null", O_RDONLY) < 0) {
            fprintf(stderr, "no more than %ld descriptors: %s\n", i, strerror(errno));
            exit(3);
        }
    }
    return median_of(spawn_once);
}

static const struct {
    const char *name;
    double (*cost)(long count);
} curves[] = {{"threads", threads}, {"mappings", mappings}, {"memory", memory}, {"descriptors", descriptors}};

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "nothing") == 0) return 0;
    if (argc != 3) return 2;
    for (unsigned i = 0; i < sizeof curves / sizeof curves[0]; i++) {
        if (strcmp(argv[1], curves[i].name) != 0) continue;
        printf("%s %.0f\n", argv[1], curves[i].cost(atol(argv[2])));
        return finish();
    }
    return 2;
}
