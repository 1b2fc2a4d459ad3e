/* Threads as the C library makes them: many, with locks, conditions, barriers, storage of their own. */
#include "check.h"
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static long counter;

static void *square(void *argument)
{
    long value = (long)argument;
    return (void *)(value * value);
}

static void sixty_four(void)
{
    enum { COUNT = 64 };
    pthread_t threads[COUNT];
    for (long i = 0; i < COUNT; i++) CHECK_EQ(pthread_create(&threads[i], NULL, square, (void *)i), 0);
    for (long i = 0; i < COUNT; i++) {
        void *result = NULL;
        CHECK_EQ(pthread_join(threads[i], &result), 0);
        CHECK_EQ((long)result, i * i);
    }
}

static void one_after_another(void)
{
    for (long i = 0; i < 500; i++) {
        pthread_t thread;
        void *result = NULL;
        CHECK_EQ(pthread_create(&thread, NULL, square, (void *)i), 0);
        CHECK_EQ(pthread_join(thread, &result), 0);
        CHECK_EQ((long)result, i * i);
    }
}

static void *count_up(void *argument)
{
    (void)argument;
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void mutual_exclusion(void)
{
    pthread_t threads[4];
    counter = 0;
    for (int i = 0; i < 4; i++) CHECK_EQ(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    CHECK_EQ(counter, 80000);
}

static int turn;

static void *play(void *argument)
{
    int own = (int)(long)argument;
    for (int i = 0; i < 500; i++) {
        pthread_mutex_lock(&mutex);
        while (turn != own) pthread_cond_wait(&condition, &mutex);
        turn = !own;
        counter++;
        pthread_cond_broadcast(&condition);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void ping_pong(void)
{
    pthread_t one, other;
    counter = turn = 0;
    pthread_create(&one, NULL, play, (void *)0);
    pthread_create(&other, NULL, play, (void *)1);
    pthread_join(one, NULL);
    pthread_join(other, NULL);
    CHECK_EQ(counter, 1000);
}

static void waiting_with_a_limit(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_mutex_lock(&mutex);
    CHECK_EQ(pthread_cond_timedwait(&condition, &mutex, &until), ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    CHECK_ERROR(sem_timedwait(&semaphore, &until), ETIMEDOUT);
    CHECK_ERROR(sem_trywait(&semaphore), EAGAIN);
    sem_post(&semaphore);
    CHECK_OK(sem_wait(&semaphore));
}

static pthread_barrier_t barrier;
static int serials, arrived[8];

static void *meet(void *argument)
{
    for (int round = 0; round < 50; round++) {
        __atomic_add_fetch(&arrived[(long)argument], 1, __ATOMIC_SEQ_CST);
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            __atomic_add_fetch(&serials, 1, __ATOMIC_SEQ_CST);
        /* Behind the barrier everybody has been here at least as often. */
        for (int i = 0; i < 8; i++)
            if (__atomic_load_n(&arrived[i], __ATOMIC_SEQ_CST) < round + 1) __atomic_add_fetch(&serials, 1000, 0);
    }
    return NULL;
}

static void barriers(void)
{
    pthread_t threads[8];
    pthread_barrier_init(&barrier, NULL, 8);
    for (long i = 0; i < 8; i++) pthread_create(&threads[i], NULL, meet, (void *)i);
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    CHECK_EQ(serials, 50);
}

static __thread int own = 7;
static __thread char large[5000] = "own";
static pthread_key_t key;
static int destroyed;

static void destroy(void *value)
{
    destroyed += (int)(long)value;
}

static void *look_at_own(void *argument)
{
    int number = (int)(long)argument;
    if (own != 7 || strcmp(large, "own") != 0 || errno != 0) return (void *)1;
    own = number;
    large[4999] = (char)number;
    pthread_setspecific(key, argument);
    for (int i = 0; i < 100; i++) {
        close(-1);
        sched_yield();
        if (own != number || large[4999] != (char)number || errno != EBADF) return (void *)2;
        if (pthread_getspecific(key) != argument) return (void *)3;
    }
    return NULL;
}

static void storage_of_their_own(void)
{
    pthread_t threads[10];
    pthread_key_create(&key, destroy);
    own = 99;
    for (long i = 0; i < 10; i++) pthread_create(&threads[i], NULL, look_at_own, (void *)(i + 1));
    for (int i = 0; i < 10; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        CHECK_EQ((long)result, 0);
    }
    CHECK_EQ(own, 99);
    CHECK_EQ(destroyed, 55);
}

static pid_t first_id, thread_id;

static void *identify(void *argument)
{
    (void)argument;
    thread_id = (pid_t)syscall(SYS_gettid);
    return (void *)(long)(getpid() == first_id && getppid() > 0);
}

static void one_process(void)
{
    pthread_t thread;
    void *result = NULL;
    first_id = getpid();
    CHECK_EQ(syscall(SYS_gettid), first_id);
    pthread_create(&thread, NULL, identify, NULL);
    pthread_join(thread, &result);
    CHECK_EQ((long)result, 1);
    CHECK(thread_id != first_id && thread_id > 0);
    /* The kernel wakes the one that waits before the thread is quite gone. */
    for (int i = 0; i < 1000 && syscall(SYS_tgkill, first_id, thread_id, 0) == 0; i++) usleep(1000);
    CHECK_ERROR(syscall(SYS_tgkill, first_id, thread_id, 0), ESRCH);
}

static void *sleeping(void *argument)
{
    (void)argument;
    for (;;) sleep(100);
    return NULL;
}

static void cancelled(void)
{
    pthread_t thread;
    void *result = NULL;
    pthread_create(&thread, NULL, sleeping, NULL);
    usleep(10000);
    CHECK_EQ(pthread_cancel(thread), 0);
    CHECK_EQ(pthread_join(thread, &result), 0);
    CHECK(result == PTHREAD_CANCELED);
}

static volatile pthread_t handled_by;

static void handler(int number)
{
    (void)number;
    handled_by = pthread_self();
}

static void a_signal_for_one_thread(void)
{
    pthread_t thread;
    signal(SIGUSR1, handler);
    pthread_create(&thread, NULL, sleeping, NULL);
    CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
    WAIT_UNTIL(handled_by != 0);
    CHECK(pthread_equal(handled_by, thread));
    pthread_cancel(thread);
    pthread_join(thread, NULL);
}

static void once_only(void);
static int once_count;

static void once_only(void)
{
    once_count++;
}

static void *do_once(void *argument)
{
    pthread_once(argument, once_only);
    return NULL;
}

static void once(void)
{
    static pthread_once_t control = PTHREAD_ONCE_INIT;
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, do_once, &control);
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    CHECK_EQ(once_count, 1);
}

static void forked_with_threads(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, sleeping, NULL);
    for (int i = 0; i < 5; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            /* The child has one thread, and can make new ones. */
            pthread_t inner;
            void *result = NULL;
            pthread_create(&inner, NULL, square, (void *)6);
            pthread_join(inner, &result);
            _exit((long)result == 36 ? 0 : 1);
        }
        CHECK_EQ(wait_for(pid), 0);
    }
    pthread_cancel(thread);
    pthread_join(thread, NULL);
}

static void exit_ends_all(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t threads[5];
        for (int i = 0; i < 5; i++) pthread_create(&threads[i], NULL, sleeping, NULL);
        _exit(44);
    }
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 44);
}

static void *exec_something(void *argument)
{
    (void)argument;
    execl("/bin/sh", "sh", "-c", "exit 45", NULL);
    return NULL;
}

static void exec_from_another_thread(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t sleeper, executor;
        pthread_create(&sleeper, NULL, sleeping, NULL);
        pthread_create(&executor, NULL, exec_something, NULL);
        pthread_join(executor, NULL);
        _exit(1);
    }
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 45);
}

int main(void)
{
    RUN(sixty_four);
    RUN(one_after_another);
    RUN(mutual_exclusion);
    RUN(ping_pong);
    RUN(waiting_with_a_limit);
    RUN(barriers);
    RUN(storage_of_their_own);
    RUN(one_process);
    RUN(cancelled);
    RUN(a_signal_for_one_thread);
    RUN(once);
    RUN(forked_with_threads);
    RUN(exit_ends_all);
    RUN(exec_from_another_thread);
    return finish();
}
