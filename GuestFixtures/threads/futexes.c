/* The futex call itself, robust lists, and what is cleared when a thread ends. */
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>

static uint32_t word;

static long futex(uint32_t *address, int operation, uint32_t value, const struct timespec *time, uint32_t *second,
                  uint32_t third)
{
    return syscall(SYS_futex, address, operation, value, time, second, third);
}

static void errors(void)
{
    struct timespec none = {0, 1000000};
    word = 5;
    CHECK_ERROR(futex(&word, FUTEX_WAIT, 6, NULL, NULL, 0), EAGAIN);
    CHECK_ERROR(futex(&word, FUTEX_WAIT, 5, &none, NULL, 0), ETIMEDOUT);
    CHECK_ERROR(futex(&word, FUTEX_WAIT_PRIVATE, 5, &none, NULL, 0), ETIMEDOUT);
    CHECK_EQ(futex(&word, FUTEX_WAKE, 10, NULL, NULL, 0), 0);
    CHECK_ERROR(futex((uint32_t *)((char *)&word + 1), FUTEX_WAIT, 5, NULL, NULL, 0), EINVAL);
    CHECK_ERROR(futex((uint32_t *)8, FUTEX_WAIT, 5, NULL, NULL, 0), EFAULT);
    CHECK_ERROR(futex(&word, 99, 0, NULL, NULL, 0), ENOSYS);
    CHECK_ERROR(futex(&word, FUTEX_WAIT_BITSET, 5, NULL, NULL, 0), EINVAL);
    none.tv_nsec = -1;
    CHECK_ERROR(futex(&word, FUTEX_WAIT, 5, &none, NULL, 0), EINVAL);
}

static void *waiter(void *argument)
{
    uint32_t *address = argument;
    long result;
    do {
        result = futex(address, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    } while (result == -1 && errno == EINTR);
    return (void *)(result == 0 || errno == EAGAIN ? 0L : 1L);
}

static void woken(void)
{
    pthread_t threads[4];
    word = 0;
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, waiter, &word);
    int woken = 0;
    while (woken < 4) woken += (int)futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    for (int i = 0; i < 4; i++) {
        void *result = (void *)9;
        pthread_join(threads[i], &result);
        CHECK_EQ((long)result, 0);
    }
}

static void between_processes(void)
{
    uint32_t *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = fork();
    if (pid == 0) {
        while (__atomic_load_n(shared, __ATOMIC_SEQ_CST) == 0) futex(shared, FUTEX_WAIT, 0, NULL, NULL, 0);
        _exit(7);
    }
    usleep(20000);
    __atomic_store_n(shared, 1, __ATOMIC_SEQ_CST);
    CHECK_OK(futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0));
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 7);
}

static void never_between_private_ones(void)
{
    /* The same address in two address spaces is two futexes. */
    word = 0;
    pid_t pid = fork();
    if (pid == 0) {
        struct timespec time = {0, 100000000};
        _exit(futex(&word, FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0) == -1 && errno == ETIMEDOUT ? 0 : 1);
    }
    usleep(30000);
    CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0), 0);
    CHECK_EQ(futex(&word, FUTEX_WAKE, 10, NULL, NULL, 0), 0);
    CHECK_EQ(wait_for(pid), 0);
}

static uint32_t target;

static void requeued(void)
{
    pthread_t threads[3];
    word = target = 0;
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, waiter, &word);
    long moved = 0;
    /* One is woken in all, the others are moved to the second word, as they come. Not in a tight loop: on a busy machine
       natively the threads then hardly come to wait. */
    while (moved < 3) {
        usleep(20000);
        long now = futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, moved == 0 ? 1 : 0, (void *)10, &target, 0);
        if (now > 0) moved += now;
    }
    long woken = 0;
    while (woken < 2) {
        woken += futex(&target, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0);
        usleep(1000);
    }
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    CHECK_ERROR(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, &target, 77), EAGAIN);
}

static void *die_with_the_lock(void *argument)
{
    pthread_mutex_lock(argument);
    return NULL;
}

static void robust_locks(void)
{
    static pthread_mutex_t mutex;
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&mutex, &attributes);
    pthread_t thread;
    pthread_create(&thread, NULL, die_with_the_lock, &mutex);
    pthread_join(thread, NULL);
    CHECK_EQ(pthread_mutex_lock(&mutex), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(&mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}

static void robust_between_processes(void)
{
    pthread_mutex_t *mutex = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(mutex, &attributes);
    pid_t pid = fork();
    if (pid == 0) {
        pthread_mutex_lock(mutex);
        raise(SIGKILL);
    }
    wait_for(pid);
    CHECK_EQ(pthread_mutex_lock(mutex), EOWNERDEAD);
}

static void inherited_priority(void)
{
    static pthread_mutex_t mutex;
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    CHECK_EQ(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT), 0);
    CHECK_EQ(pthread_mutex_init(&mutex, &attributes), 0);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_mutex_trylock(&mutex), EBUSY);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}

static void robust_list_calls(void)
{
    void *head = NULL;
    size_t length = 0;
    CHECK_OK(syscall(SYS_get_robust_list, 0, &head, &length));
    CHECK_EQ(length, 24);
    CHECK_ERROR(syscall(SYS_set_robust_list, head, 23), EINVAL);
    CHECK_OK(syscall(SYS_set_robust_list, head, 24));
    CHECK_ERROR(syscall(SYS_get_robust_list, 999999, &head, &length), ESRCH);
}

int main(void)
{
    RUN(errors);
    RUN(woken);
    RUN(between_processes);
    RUN(never_between_private_ones);
    RUN(requeued);
    RUN(robust_locks);
    RUN(robust_between_processes);
    RUN(inherited_priority);
    RUN(robust_list_calls);
    return finish();
}
