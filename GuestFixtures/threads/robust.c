/* Locks whose owner dies, and locks that lend their priority. */
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

static void make(pthread_mutex_t *mutex, int robust, int shared, int protocol)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    if (robust) pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (shared) pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    CHECK_EQ(pthread_mutexattr_setprotocol(&attributes, protocol), 0);
    CHECK_EQ(pthread_mutex_init(mutex, &attributes), 0);
    pthread_mutexattr_destroy(&attributes);
}

static void *shared_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    return memory;
}

/* It was the dead owner's; made whole it works as before. */
static void recover(pthread_mutex_t *mutex)
{
    CHECK_EQ(pthread_mutex_lock(mutex), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(mutex), 0);
    CHECK_EQ(pthread_mutex_lock(mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(mutex), 0);
}

static pthread_mutex_t several[5];

static void *take_all(void *argument)
{
    for (int i = 0; i < 5; i++) pthread_mutex_lock(&several[i]);
    pthread_mutex_unlock(&several[2]);
    return argument;
}

static void *wait_for_lock(void *argument)
{
    return (void *)(long)pthread_mutex_lock(argument);
}

static void owner_thread_ends(void)
{
    for (int protocol = PTHREAD_PRIO_NONE; protocol <= PTHREAD_PRIO_INHERIT; protocol++) {
        for (int i = 0; i < 5; i++) make(&several[i], 1, 0, protocol);
        pthread_t thread;
        pthread_create(&thread, NULL, take_all, NULL);
        pthread_join(thread, NULL);
        CHECK_EQ(pthread_mutex_trylock(&several[2]), 0);
        CHECK_EQ(pthread_mutex_unlock(&several[2]), 0);
        for (int i = 0; i < 5; i++)
            if (i != 2) recover(&several[i]);
        for (int i = 0; i < 5; i++) CHECK_EQ(pthread_mutex_destroy(&several[i]), 0);
    }
}

static volatile int stage;

static void *take_and_end(void *argument)
{
    pthread_mutex_lock(argument);
    stage = 1;
    WAIT_UNTIL(stage == 2);
    return NULL;
}

/* The one that waits for it gets it, with the news. */
static void a_waiter_is_told(void)
{
    for (int protocol = PTHREAD_PRIO_NONE; protocol <= PTHREAD_PRIO_INHERIT; protocol++) {
        pthread_mutex_t mutex;
        pthread_t owner, waiter;
        make(&mutex, 1, 0, protocol);
        stage = 0;
        pthread_create(&owner, NULL, take_and_end, &mutex);
        WAIT_UNTIL(stage == 1);
        pthread_create(&waiter, NULL, wait_for_lock, &mutex);
        usleep(20000);
        stage = 2;
        void *result = NULL;
        pthread_join(owner, NULL);
        pthread_join(waiter, &result);
        CHECK_EQ((long)result, EOWNERDEAD);
        /* That one has ended with it in turn. */
        recover(&mutex);
    }
}

static void not_made_consistent(void)
{
    pthread_mutex_t mutex;
    pthread_t thread;
    make(&mutex, 1, 0, PTHREAD_PRIO_NONE);
    pthread_create(&thread, NULL, wait_for_lock, &mutex);
    pthread_join(thread, NULL);
    CHECK_EQ(pthread_mutex_lock(&mutex), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(pthread_mutex_lock(&mutex), ENOTRECOVERABLE);
}

/* How a process with the lock may end. */
enum { EXIT, THREAD_EXIT, KILLED, FAULT, EXEC, WAYS };

static void end(int way)
{
    switch (way) {
    case EXIT: _exit(0);
    case THREAD_EXIT: syscall(SYS_exit, 0); break;
    case KILLED: kill(getpid(), SIGKILL); break;
    case FAULT: *(volatile int *)16 = 0; break;
    case EXEC: execl("/bin/true", "true", NULL);
    }
    for (;;) pause();
}

static void owner_process_ends(void)
{
    for (int protocol = PTHREAD_PRIO_NONE; protocol <= PTHREAD_PRIO_INHERIT; protocol++)
        for (int way = EXIT; way < WAYS; way++) {
            pthread_mutex_t *mutex = shared_memory(PAGE);
            make(mutex, 1, 1, protocol);
            pid_t pid = fork();
            if (pid == 0) {
                pthread_mutex_lock(mutex);
                end(way);
            }
            wait_for(pid);
            recover(mutex);
            munmap(mutex, PAGE);
        }
}

/* Somebody waits in another process while the owner is killed. */
static void a_process_waits(void)
{
    for (int protocol = PTHREAD_PRIO_NONE; protocol <= PTHREAD_PRIO_INHERIT; protocol++) {
        struct {
            pthread_mutex_t mutex;
            volatile int taken;
        } *both = shared_memory(PAGE);
        make(&both->mutex, 1, 1, protocol);
        pid_t owner = fork();
        if (owner == 0) {
            pthread_mutex_lock(&both->mutex);
            both->taken = 1;
            for (;;) pause();
        }
        WAIT_UNTIL(both->taken);
        pid_t waiter = fork();
        if (waiter == 0) _exit(pthread_mutex_lock(&both->mutex) == EOWNERDEAD ? 5 : 6);
        usleep(20000);
        CHECK_EQ(waitpid(waiter, NULL, WNOHANG), 0);
        CHECK_OK(kill(owner, SIGKILL));
        CHECK_EQ(WEXITSTATUS(wait_for(waiter)), 5);
        wait_for(owner);
        munmap(both, PAGE);
    }
}

/* In a file that two processes map by themselves, at different addresses. */
static void in_a_file(void)
{
    const char *path = temporary("lock");
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    CHECK_OK(ftruncate(fd, (off_t)PAGE));
    pthread_mutex_t *mutex = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    make(mutex, 1, 1, PTHREAD_PRIO_NONE);
    pid_t pid = fork();
    if (pid == 0) {
        pthread_mutex_t *other = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (other == mutex) _exit(1);
        pthread_mutex_lock(other);
        kill(getpid(), SIGKILL);
    }
    CHECK_EQ(WTERMSIG(wait_for(pid)), SIGKILL);
    recover(mutex);
    munmap(mutex, PAGE);
    close(fd);
}

/* A list that leads nowhere, or round in a circle, harms nobody else. */
static void broken_lists(void)
{
    static struct robust_list_head head;
    static struct robust_list entry;
    for (int way = 0; way < 4; way++) {
        pid_t pid = fork();
        if (pid == 0) {
            head.futex_offset = 8;
            head.list_op_pending = NULL;
            entry.next = &entry;
            switch (way) {
            case 0: head.list.next = &entry; break;
            case 1: head.list.next = (struct robust_list *)16; break;
            case 2: head.list.next = (struct robust_list *)0x7ffffffffff0; break;
            case 3: head.list.next = &head.list, head.list_op_pending = (struct robust_list *)3; break;
            }
            syscall(SYS_set_robust_list, &head, sizeof head);
            _exit(way);
        }
        CHECK_EQ(WEXITSTATUS(wait_for(pid)), way);
    }
}

static pthread_mutex_t lender;

static void *lock_and_wait(void *argument)
{
    CHECK_EQ(pthread_mutex_lock(&lender), 0);
    stage = 1;
    WAIT_UNTIL(stage == 2);
    CHECK_EQ(pthread_mutex_unlock(&lender), 0);
    return argument;
}

static void a_lock_that_lends_priority(void)
{
    pthread_t thread;
    make(&lender, 0, 0, PTHREAD_PRIO_INHERIT);
    stage = 0;
    pthread_create(&thread, NULL, lock_and_wait, NULL);
    WAIT_UNTIL(stage == 1);
    CHECK_EQ(pthread_mutex_trylock(&lender), EBUSY);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    CHECK_EQ(pthread_mutex_timedlock(&lender, &until), ETIMEDOUT);
    stage = 2;
    CHECK_EQ(pthread_mutex_lock(&lender), 0);
    CHECK_EQ(pthread_mutex_unlock(&lender), 0);
    pthread_join(thread, NULL);
}

static long counter;

static void *count_up(void *argument)
{
    for (int i = 0; i < 3000; i++) {
        pthread_mutex_lock(&lender);
        counter++;
        pthread_mutex_unlock(&lender);
    }
    return argument;
}

static void many_want_it(void)
{
    pthread_t threads[6];
    counter = 0;
    for (int i = 0; i < 6; i++) pthread_create(&threads[i], NULL, count_up, NULL);
    for (int i = 0; i < 6; i++) pthread_join(threads[i], NULL);
    CHECK_EQ(counter, 18000);
}

static long futex(uint32_t *word, int operation, uint32_t value, void *time, uint32_t *second, uint32_t third)
{
    return syscall(SYS_futex, word, operation, value, time, second, third);
}

static uint32_t word, target;

/* The calls themselves: who owns what is in the word. */
static void calls_of_such_locks(void)
{
    uint32_t self = (uint32_t)syscall(SYS_gettid);
    word = 0;
    CHECK_OK(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
    CHECK_EQ(word, self);
    CHECK_ERROR(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0), EDEADLK);
    CHECK_ERROR(futex(&word, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0), EDEADLK);
    CHECK_OK(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
    CHECK_EQ(word, 0);
    CHECK_ERROR(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0), EPERM);
    word = 0x3fffffff;
    CHECK_ERROR(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0), ESRCH);
    word = 0;
    CHECK_OK(futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
    CHECK_OK(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    CHECK_ERROR(futex((uint32_t *)8, FUTEX_LOCK_PI, 0, NULL, NULL, 0), EFAULT);
    CHECK_ERROR(futex((uint32_t *)((char *)&word + 2), FUTEX_LOCK_PI, 0, NULL, NULL, 0), EINVAL);
    CHECK_ERROR(futex(&word, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, NULL, &word, 0), EINVAL);
    CHECK_ERROR(futex(&word, FUTEX_CMP_REQUEUE_PI_PRIVATE, 2, NULL, &target, 0), EINVAL);
}

static volatile int waiting;

/* As a condition variable of such a lock: woken with it. */
static void *wait_for_requeue(void *argument)
{
    __atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
    long result = futex(&word, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, NULL, &target, 0);
    if (result != 0) return (void *)(long)errno;
    if ((target & FUTEX_TID_MASK) != (uint32_t)syscall(SYS_gettid)) return (void *)-1;
    if (futex(&target, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) != 0) return (void *)-2;
    return argument;
}

static void requeued_to_such_a_lock(void)
{
    pthread_t threads[3];
    word = target = 0;
    waiting = 0;
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, wait_for_requeue, NULL);
    WAIT_UNTIL(waiting == 3);
    usleep(30000);
    CHECK_OK(futex(&target, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
    long moved = 0;
    while (moved < 3) {
        long now = futex(&word, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)10, &target, 0);
        CHECK(now >= 0);
        if (now <= 0) usleep(1000);
        if (now < 0) break;
        moved += now;
    }
    CHECK_OK(futex(&target, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
    for (int i = 0; i < 3; i++) {
        void *result = (void *)9;
        pthread_join(threads[i], &result);
        CHECK_EQ((long)result, 0);
    }
    CHECK_EQ(target, 0);
}

int main(void)
{
    RUN(owner_thread_ends);
    RUN(a_waiter_is_told);
    RUN(not_made_consistent);
    RUN(owner_process_ends);
    RUN(a_process_waits);
    RUN(in_a_file);
    RUN(broken_lists);
    RUN(a_lock_that_lends_priority);
    RUN(many_want_it);
    RUN(calls_of_such_locks);
    RUN(requeued_to_such_a_lock);
    return finish();
}
