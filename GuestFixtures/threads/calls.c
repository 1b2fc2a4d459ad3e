/* What each thread has for itself, and the calls that are about threads. */
#include "check.h"
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum { COUNT = 8 };

static pthread_barrier_t barrier;

static int number_of(void *argument)
{
    return (int)(long)argument;
}

static void *mask_of_its_own(void *argument)
{
    int number = SIGRTMIN + 1 + number_of(argument);
    sigset_t mask, now;
    sigemptyset(&mask);
    sigaddset(&mask, number);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    for (int i = 0; i < 20; i++) {
        pthread_barrier_wait(&barrier);
        pthread_sigmask(SIG_SETMASK, NULL, &now);
        for (int other = SIGRTMIN + 1; other <= SIGRTMIN + COUNT; other++)
            if (sigismember(&now, other) != (other == number)) return (void *)1;
    }
    return NULL;
}

static void run_all(void *(*body)(void *))
{
    pthread_t threads[COUNT];
    pthread_barrier_init(&barrier, NULL, COUNT);
    for (long i = 0; i < COUNT; i++) pthread_create(&threads[i], NULL, body, (void *)i);
    for (int i = 0; i < COUNT; i++) {
        void *result = (void *)99;
        pthread_join(threads[i], &result);
        CHECK_EQ((long)result, 0);
    }
}

static void masks(void)
{
    run_all(mask_of_its_own);
    /* And a new one begins with its maker's. */
    sigset_t none;
    pthread_sigmask(SIG_SETMASK, NULL, &none);
    for (int other = SIGRTMIN + 1; other <= SIGRTMIN + COUNT; other++) CHECK(!sigismember(&none, other));
}

static __thread volatile int received;

static void receive(int number)
{
    received += number;
}

static pid_t ids[COUNT];

/* Signals sent by id arrive at the thread with that id. */
static void *signal_the_next(void *argument)
{
    int number = number_of(argument), own = SIGRTMIN + 1 + number;
    ids[number] = (pid_t)syscall(SYS_gettid);
    received = 0;
    pthread_barrier_wait(&barrier);
    int next = (number + 1) % COUNT;
    for (int i = 0; i < 50; i++)
        if (syscall(SYS_tgkill, getpid(), ids[next], SIGRTMIN + 1 + next) != 0) return (void *)1;
    for (int i = 0; i < 5000 && received < 50 * own; i++) usleep(1000);
    pthread_barrier_wait(&barrier);
    return (void *)(long)(received == 50 * own ? 0 : 2);
}

static void signals_by_id(void)
{
    for (int number = SIGRTMIN + 1; number <= SIGRTMIN + COUNT; number++) signal(number, receive);
    run_all(signal_the_next);
    for (int number = SIGRTMIN + 1; number <= SIGRTMIN + COUNT; number++) signal(number, SIG_DFL);
}

static void *name_of_its_own(void *argument)
{
    char name[16], read_back[16] = "", path[64], text[32] = "";
    snprintf(name, sizeof name, "thread %d", number_of(argument));
    prctl(PR_SET_NAME, name);
    pthread_barrier_wait(&barrier);
    prctl(PR_GET_NAME, read_back);
    if (strcmp(name, read_back) != 0) return (void *)1;
    snprintf(path, sizeof path, "/proc/self/task/%ld/comm", syscall(SYS_gettid));
    int fd = open(path, O_RDONLY);
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    pthread_barrier_wait(&barrier);
    return (void *)(long)(length > 1 && strncmp(text, name, (size_t)length - 1) == 0 ? 0 : 2);
}

static void names(void)
{
    char before[16], after[16];
    prctl(PR_GET_NAME, before);
    run_all(name_of_its_own);
    prctl(PR_GET_NAME, after);
    CHECK_STR(after, before);
}

static void *affinity_of_its_own(void *argument)
{
    cpu_set_t all, one, now;
    (void)argument;
    if (sched_getaffinity(0, sizeof all, &all) != 0) return (void *)1;
    int chosen = -1, wanted = number_of(argument) % CPU_COUNT(&all);
    for (int cpu = 0; cpu < CPU_SETSIZE && wanted >= 0; cpu++)
        if (CPU_ISSET(cpu, &all)) chosen = cpu, wanted--;
    CPU_ZERO(&one);
    CPU_SET(chosen, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) return (void *)2;
    pthread_barrier_wait(&barrier);
    if (sched_getaffinity(0, sizeof now, &now) != 0 || !CPU_EQUAL(&one, &now)) return (void *)3;
    if (sched_getaffinity((pid_t)syscall(SYS_gettid), sizeof now, &now) != 0 || !CPU_EQUAL(&one, &now)) return (void *)4;
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void affinities(void)
{
    cpu_set_t before, after;
    CHECK_OK(sched_getaffinity(0, sizeof before, &before));
    run_all(affinity_of_its_own);
    /* Also of a thread that came after them. */
    CHECK_OK(sched_getaffinity(0, sizeof after, &after));
    CHECK(CPU_EQUAL(&before, &after));
}

static void *nice_of_its_own(void *argument)
{
    int number = number_of(argument);
    if (setpriority(PRIO_PROCESS, 0, number + 1) != 0) return (void *)1;
    pthread_barrier_wait(&barrier);
    int now = getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
    pthread_barrier_wait(&barrier);
    return (void *)(long)(now == number + 1 ? 0 : 2);
}

static void priorities(void)
{
    int before = getpriority(PRIO_PROCESS, 0);
    run_all(nice_of_its_own);
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), before);
}

static pthread_key_t keys[100];
static volatile long destroyed;

static void destroy(void *value)
{
    __atomic_add_fetch(&destroyed, (long)value, __ATOMIC_SEQ_CST);
}

static void *values_of_its_own(void *argument)
{
    long number = number_of(argument) + 1;
    for (long i = 0; i < 100; i++) pthread_setspecific(keys[i], (void *)(number * 100 + i));
    pthread_barrier_wait(&barrier);
    for (long i = 0; i < 100; i++)
        if (pthread_getspecific(keys[i]) != (void *)(number * 100 + i)) return (void *)1;
    return NULL;
}

static void values(void)
{
    for (int i = 0; i < 100; i++) CHECK_EQ(pthread_key_create(&keys[i], destroy), 0);
    destroyed = 0;
    run_all(values_of_its_own);
    long sum = 0;
    for (long number = 1; number <= COUNT; number++)
        for (long i = 0; i < 100; i++) sum += number * 100 + i;
    CHECK_EQ(destroyed, sum);
    for (int i = 0; i < 100; i++) CHECK_EQ(pthread_key_delete(keys[i]), 0);
}

static volatile int stop;

static void *spin(void *argument)
{
    while (!stop) continue;
    return argument;
}

static long membarrier(int command, unsigned flags)
{
    return syscall(SYS_membarrier, command, flags, 0);
}

static void barriers_of_memory(void)
{
    long commands = membarrier(MEMBARRIER_CMD_QUERY, 0);
    CHECK(commands > 0);
    pthread_t thread;
    stop = 0;
    pthread_create(&thread, NULL, spin, NULL);
    CHECK_ERROR(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0), EPERM);
    CHECK_OK(membarrier(MEMBARRIER_CMD_GLOBAL, 0));
    CHECK_OK(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0));
    for (int i = 0; i < 100; i++) CHECK_OK(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0));
    CHECK_OK(membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0));
    CHECK_OK(membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0));
    CHECK_ERROR(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 8), EINVAL);
    CHECK_ERROR(membarrier(1 << 20, 0), EINVAL);
    stop = 1;
    pthread_join(thread, NULL);
}

static void errors(void)
{
    cpu_set_t none;
    CPU_ZERO(&none);
    CHECK_ERROR(sched_setaffinity(0, sizeof none, &none), EINVAL);
    CHECK_ERROR(syscall(SYS_sched_getaffinity, 0, 1, &none), EINVAL);
    CHECK_ERROR(syscall(SYS_sched_getaffinity, 0, sizeof none, 8), EFAULT);
    CHECK_ERROR(syscall(SYS_sched_getaffinity, -1, sizeof none, &none), ESRCH);
    CHECK_ERROR(syscall(SYS_getcpu, 8, NULL, NULL), EFAULT);
    unsigned cpu = 77, node = 77;
    CHECK_OK(syscall(SYS_getcpu, NULL, NULL, 8));
    CHECK_OK(syscall(SYS_getcpu, &cpu, &node, (void *)8));
    CHECK(cpu < 4096 && node < 64);
    CHECK_OK(syscall(SYS_sched_yield));
    CHECK_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_OTHER);
    CHECK_ERROR(syscall(SYS_set_robust_list, 8, 25), EINVAL);
}

int main(void)
{
    RUN(masks);
    RUN(signals_by_id);
    RUN(names);
    RUN(affinities);
    RUN(priorities);
    RUN(values);
    RUN(barriers_of_memory);
    RUN(errors);
    return finish();
}
