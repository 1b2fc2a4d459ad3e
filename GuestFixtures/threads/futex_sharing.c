/* Which futexes are one and which are two, and the calls that wait for or wake more than one. */
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>

static long futex(volatile uint32_t *word, int operation, uint32_t value, const void *time, volatile uint32_t *second,
                  uint32_t third)
{
    return syscall(SYS_futex, word, operation, value, time, second, third);
}

static const struct timespec soon = {0, 150000000};

/* A child that waits at `word`: 0 when it was woken, 1 when its time was up. */
static pid_t waiter(volatile uint32_t *word, int operation)
{
    /* The fork may take long where a processor is emulated. */
    static volatile int *about_to;
    if (!about_to) about_to = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(about_to != MAP_FAILED);
    *about_to = 0;
    pid_t pid = fork();
    if (pid == 0) {
        *about_to = 1;
        long result = futex(word, operation, 0, &soon, NULL, 0);
        _exit(result == 0 ? 0 : errno == ETIMEDOUT ? 1 : 2);
    }
    WAIT_UNTIL(*about_to);
    usleep(40000);
    return pid;
}

static void *map(int flags, int fd)
{
    void *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);
    REQUIRE(memory != MAP_FAILED);
    return memory;
}

/* Shared memory makes one futex of two addresses, or of one in two processes. Private ones never meet. */
static void across_processes(void)
{
    uint32_t *shared = map(MAP_SHARED | MAP_ANONYMOUS, -1), *copied = map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
    pid_t pid = waiter(shared, FUTEX_WAIT);
    CHECK_EQ(futex(shared, FUTEX_WAKE, 10, NULL, NULL, 0), 1);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 0);
    /* FUTEX_PRIVATE_FLAG says that nobody else is there. */
    pid = waiter(shared, FUTEX_WAIT_PRIVATE);
    CHECK_EQ(futex(shared, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0), 0);
    CHECK_EQ(futex(shared, FUTEX_WAKE, 10, NULL, NULL, 0), 0);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 1);
    *copied = 0;
    for (int private = 0; private <= FUTEX_PRIVATE_FLAG; private += FUTEX_PRIVATE_FLAG) {
        pid = waiter(copied, FUTEX_WAIT | private);
        CHECK_EQ(futex(copied, FUTEX_WAKE | private, 10, NULL, NULL, 0), 0);
        CHECK_EQ(WEXITSTATUS(wait_for(pid)), 1);
    }
    munmap(shared, PAGE);
    munmap(copied, PAGE);
}

static void by_file(void)
{
    int fds[2] = {open(temporary("words"), O_CREAT | O_RDWR | O_CLOEXEC, 0600), memfd_create("words", MFD_CLOEXEC)};
    for (int i = 0; i < 2; i++) {
        CHECK_OK(ftruncate(fds[i], (off_t)PAGE));
        uint32_t *one = map(MAP_SHARED, fds[i]), *other = map(MAP_SHARED, fds[i]), *copy = map(MAP_PRIVATE, fds[i]);
        pid_t pid = waiter(one, FUTEX_WAIT);
        CHECK_EQ(futex(other + 1, FUTEX_WAKE, 10, NULL, NULL, 0), 0);
        CHECK_EQ(futex(copy, FUTEX_WAKE, 10, NULL, NULL, 0), 0);
        CHECK_EQ(futex(other, FUTEX_WAKE, 10, NULL, NULL, 0), 1);
        CHECK_EQ(WEXITSTATUS(wait_for(pid)), 0);
        munmap(one, PAGE);
        munmap(other, PAGE);
        munmap(copy, PAGE);
        close(fds[i]);
    }
}

/* A vfork child is in the same address space. */
static void with_a_vfork_child(void)
{
    static volatile uint32_t word, ready;
    word = ready = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        ready = 1;
        _exit(futex(&word, FUTEX_WAIT_PRIVATE, 0, &soon, NULL, 0) == -1 && errno == ETIMEDOUT ? 0 : 1);
    }
    CHECK_EQ(ready, 1);
    CHECK_EQ(wait_for(pid), 0);
}

static uint32_t words[200];
static volatile int waiting;

static void *wait_at(void *argument)
{
    uint32_t *word = argument;
    __atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
    long result;
    do {
        result = futex(word, FUTEX_WAIT_PRIVATE, *word, NULL, NULL, 0);
    } while (result == -1 && errno == EINTR);
    return (void *)(result == 0 ? 0L : (long)errno);
}

static void start_waiters(pthread_t *threads, int count, uint32_t *word)
{
    waiting = 0;
    for (int i = 0; i < count; i++) pthread_create(&threads[i], NULL, wait_at, word);
    WAIT_UNTIL(waiting == count);
    usleep(50000);
}

static void join_all(pthread_t *threads, int count)
{
    for (int i = 0; i < count; i++) {
        void *result = (void *)9;
        pthread_join(threads[i], &result);
        CHECK_EQ((long)result, 0);
    }
}

static long wake(uint32_t *word, uint32_t count)
{
    return futex(word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static void requeue(void)
{
    pthread_t threads[6];
    words[0] = words[1] = 0;
    start_waiters(threads, 6, &words[0]);
    CHECK_EQ(futex(&words[0], FUTEX_REQUEUE_PRIVATE, 2, (void *)3, &words[1], 0), 5);
    CHECK_EQ(wake(&words[1], 10), 3);
    CHECK_ERROR(futex(&words[0], FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)1, &words[1], 1), EAGAIN);
    CHECK_EQ(futex(&words[0], FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)1, &words[1], 0), 1);
    CHECK_EQ(wake(&words[0], 10), 0);
    CHECK_EQ(wake(&words[1], 10), 1);
    join_all(threads, 6);
    CHECK_ERROR(futex(&words[0], FUTEX_REQUEUE_PRIVATE, (uint32_t)-1, (void *)1, &words[1], 0), EINVAL);
    CHECK_ERROR(futex((uint32_t *)8, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, &words[1], 0), EFAULT);
}

/* Changes the second word, wakes at the first, and at the second as its old value says. */
static void wake_op(void)
{
    struct {
        uint32_t operation, before, after;
        long woken;
    } cases[] = {
        {FUTEX_OP(FUTEX_OP_SET, 5, FUTEX_OP_CMP_EQ, 1), 1, 5, 2},
        {FUTEX_OP(FUTEX_OP_ADD, 7, FUTEX_OP_CMP_NE, 1), 1, 8, 1},
        {FUTEX_OP(FUTEX_OP_OR, 0x30, FUTEX_OP_CMP_LT, 9), 3, 0x33, 2},
        {FUTEX_OP(FUTEX_OP_ANDN, 3, FUTEX_OP_CMP_GE, 9), 7, 4, 1},
        {FUTEX_OP(FUTEX_OP_XOR, 0xff, FUTEX_OP_CMP_LE, 9), 9, 0xf6, 2},
        {FUTEX_OP((FUTEX_OP_SET | FUTEX_OP_OPARG_SHIFT), 4, FUTEX_OP_CMP_GT, 3), 4, 16, 2},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pthread_t threads[2];
        words[0] = 0;
        words[1] = cases[i].before;
        waiting = 0;
        pthread_create(&threads[0], NULL, wait_at, &words[0]);
        pthread_create(&threads[1], NULL, wait_at, &words[1]);
        WAIT_UNTIL(waiting == 2);
        usleep(30000);
        CHECK_EQ(futex(&words[0], FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &words[1], cases[i].operation), cases[i].woken);
        CHECK_EQ(words[1], cases[i].after);
        wake(&words[1], 1);
        join_all(threads, 2);
    }
    CHECK_ERROR(futex(&words[0], FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &words[1], 0x70000000), ENOSYS);
    CHECK_ERROR(futex(&words[0], FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, (uint32_t *)8, 0), EFAULT);
}

static void bitsets(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec -= 1;
    words[0] = 0;
    CHECK_ERROR(futex(&words[0], FUTEX_WAIT_BITSET_PRIVATE, 0, &until, NULL, 1), ETIMEDOUT);
    CHECK_ERROR(futex(&words[0], FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &soon, NULL, 1), ETIMEDOUT);
    CHECK_ERROR(futex(&words[0], FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 0), EINVAL);
    pid_t pid = fork();
    uint32_t *shared = map(MAP_SHARED | MAP_ANONYMOUS, -1);
    if (pid == 0) _exit(0);
    wait_for(pid);
    pid = fork();
    if (pid == 0) _exit(futex(shared, FUTEX_WAIT_BITSET, 0, NULL, NULL, 6) == 0 ? 0 : 1);
    do {
        usleep(20000);
        CHECK_EQ(futex(shared, FUTEX_WAKE_BITSET, 10, NULL, NULL, 9), 0);
    } while (futex(shared, FUTEX_WAKE_BITSET, 10, NULL, NULL, 4) == 0);
    CHECK_EQ(wait_for(pid), 0);
    munmap(shared, PAGE);
}

/* struct futex_waitv, which older headers do not have. */
struct wait_entry {
    uint64_t value, address;
    uint32_t flags, reserved;
};

enum { WAITV = 449, SIZE_U32 = 2 };

static long waitv(struct wait_entry *entries, unsigned count, const struct timespec *until)
{
    return syscall(WAITV, entries, count, 0, until, CLOCK_MONOTONIC);
}

static void *wait_for_any(void *argument)
{
    static struct wait_entry entries[128];
    for (int i = 0; i < 128; i++)
        entries[i] = (struct wait_entry){words[i], (uintptr_t)&words[i], SIZE_U32 | FUTEX_PRIVATE_FLAG, 0};
    waiting = 1;
    long result = waitv(entries, *(unsigned *)argument, NULL);
    return (void *)(result >= 0 ? result : -(long)errno);
}

static void wait_for_several(void)
{
    memset(words, 0, sizeof words);
    unsigned counts[] = {1, 2, 50, 128};
    for (int i = 0; i < 4; i++) {
        pthread_t thread;
        void *result = NULL;
        waiting = 0;
        pthread_create(&thread, NULL, wait_for_any, &counts[i]);
        WAIT_UNTIL(waiting);
        usleep(40000);
        CHECK_EQ(wake(&words[counts[i] / 2], 1), 1);
        pthread_join(thread, &result);
        CHECK_EQ((long)result, counts[i] / 2);
    }
    struct wait_entry entries[2] = {{0, (uintptr_t)&words[0], SIZE_U32, 0}, {1, (uintptr_t)&words[1], SIZE_U32, 0}};
    struct timespec past = {1, 0};
    CHECK_ERROR(waitv(entries, 2, NULL), EAGAIN);
    entries[1].value = 0;
    CHECK_ERROR(waitv(entries, 2, &past), ETIMEDOUT);
    CHECK_ERROR(waitv(entries, 0, NULL), EINVAL);
    CHECK_ERROR(waitv(entries, 129, NULL), EINVAL);
    CHECK_ERROR(waitv(NULL, 1, NULL), EINVAL);
    CHECK_ERROR(waitv((void *)8, 1, NULL), EFAULT);
    entries[0].reserved = 1;
    CHECK_ERROR(waitv(entries, 2, &past), EINVAL);
    entries[0].reserved = 0;
    entries[0].flags = 0;
    CHECK_ERROR(waitv(entries, 2, &past), EINVAL);
    entries[0].flags = SIZE_U32;
    entries[1].address = 8;
    CHECK_ERROR(waitv(entries, 2, &past), EFAULT);
    entries[1].address = (uintptr_t)&words[1] + 1;
    CHECK_ERROR(waitv(entries, 2, &past), EINVAL);
    CHECK_ERROR(syscall(WAITV, entries, 1, 1, NULL, CLOCK_MONOTONIC), EINVAL);
}

static volatile int handled;

static void handler(int number)
{
    (void)number;
    handled++;
}

static void *interrupted_wait(void *argument)
{
    waiting = 1;
    long result = futex(&words[0], FUTEX_WAIT_PRIVATE, 0, argument, NULL, 0);
    return (void *)(result == 0 ? 0L : (long)errno);
}

/* Without a time it is made again where the handler allows that, with one it ends. */
static void signals_meanwhile(void)
{
    struct timespec long_time = {60, 0};
    for (int i = 0; i < 4; i++) {
        struct sigaction action = {.sa_handler = handler, .sa_flags = i & 1 ? SA_RESTART : 0};
        sigaction(SIGUSR1, &action, NULL);
        pthread_t thread;
        words[0] = waiting = handled = 0;
        pthread_create(&thread, NULL, interrupted_wait, i & 2 ? &long_time : NULL);
        WAIT_UNTIL(waiting);
        usleep(30000);
        pthread_kill(thread, SIGUSR1);
        WAIT_UNTIL(handled);
        usleep(20000);
        long woken = wake(&words[0], 1);
        void *result = (void *)99;
        pthread_join(thread, &result);
        /* ERESTARTSYS without a time, and a restart block with one. */
        CHECK_EQ((long)result, i == 1 ? 0 : EINTR);
        CHECK_EQ(woken, i == 1);
    }
}

int main(void)
{
    RUN(across_processes);
    RUN(by_file);
    RUN(with_a_vfork_child);
    RUN(requeue);
    RUN(wake_op);
    RUN(bitsets);
    RUN(wait_for_several);
    RUN(signals_meanwhile);
    return finish();
}
