/* Threads in a program that a translator may run: by the hundred, with locks, local storage, cancellation and forks between. */
#include "check.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

enum { MANY = 300, ROUNDS = 2000 };

static __thread int local = 7;
static __thread char large[10000];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long under_mutex;
static atomic_long atomically;
static pthread_barrier_t barrier;

static void *small_part(void *argument)
{
    CHECK_EQ(local, 7);
    local = (int)(intptr_t)argument;
    large[local % sizeof large] = 1;
    for (int i = 0; i < 20; i++) {
        pthread_mutex_lock(&mutex);
        under_mutex++;
        pthread_mutex_unlock(&mutex);
        atomic_fetch_add(&atomically, 1);
    }
    sched_yield();
    CHECK_EQ(local, (intptr_t)argument);
    return (void *)(intptr_t)(local * 2);
}

static void hundreds_one_after_the_other_and_at_once(void)
{
    static pthread_t threads[MANY];
    under_mutex = 0;
    atomically = 0;
    for (int i = 0; i < MANY; i++) CHECK_EQ(pthread_create(&threads[i], NULL, small_part, (void *)(intptr_t)(i + 1)), 0);
    for (int i = 0; i < MANY; i++) {
        void *result = NULL;
        CHECK_EQ(pthread_join(threads[i], &result), 0);
        CHECK_EQ((intptr_t)result, 2 * (i + 1));
    }
    CHECK_EQ(under_mutex, MANY * 20);
    CHECK_EQ(atomically, MANY * 20);
    CHECK_EQ(local, 7);
}

static void *at_the_barrier(void *argument)
{
    (void)argument;
    int serial = 0;
    for (int i = 0; i < 5; i++) serial += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
    return (void *)(intptr_t)serial;
}

static void all_alive_at_a_barrier(void)
{
    enum { COUNT = 100 };
    pthread_t threads[COUNT];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, COUNT), 0);
    for (int i = 0; i < COUNT; i++) CHECK_EQ(pthread_create(&threads[i], &attributes, at_the_barrier, NULL), 0);
    intptr_t total = 0;
    for (int i = 0; i < COUNT; i++) {
        void *result = NULL;
        CHECK_EQ(pthread_join(threads[i], &result), 0);
        total += (intptr_t)result;
    }
    CHECK_EQ(total, 5);
}

static void *contender(void *argument)
{
    pthread_mutex_t *lock = argument;
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(pthread_mutex_lock(lock), 0);
        under_mutex++;
        CHECK_EQ(pthread_mutex_unlock(lock), 0);
    }
    return NULL;
}

static void locks_of_every_kind(void)
{
    static const int KINDS[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK};
    for (int kind = 0; kind < 3; kind++) {
        pthread_mutexattr_t attributes;
        pthread_mutex_t lock;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_settype(&attributes, KINDS[kind]);
        CHECK_EQ(pthread_mutex_init(&lock, &attributes), 0);
        under_mutex = 0;
        pthread_t threads[8];
        for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, contender, &lock);
        for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
        CHECK_EQ(under_mutex, 8 * ROUNDS);
        CHECK_EQ(pthread_mutex_destroy(&lock), 0);
    }
}

static sem_t ping, pong;
static int volleys;

static void *player(void *argument)
{
    (void)argument;
    for (int i = 0; i < 500; i++) {
        while (sem_wait(&ping)) continue;
        volleys++;
        sem_post(&pong);
    }
    return NULL;
}

static void back_and_forth(void)
{
    sem_init(&ping, 0, 0);
    sem_init(&pong, 0, 0);
    pthread_t thread;
    pthread_create(&thread, NULL, player, NULL);
    for (int i = 0; i < 500; i++) {
        sem_post(&ping);
        while (sem_wait(&pong)) continue;
        CHECK_EQ(volleys, i + 1);
    }
    pthread_join(thread, NULL);
}

static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int tickets, served;

static void *customer(void *argument)
{
    (void)argument;
    pthread_mutex_lock(&mutex);
    while (!tickets) pthread_cond_wait(&condition, &mutex);
    tickets--;
    served++;
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void conditions_and_timeouts(void)
{
    pthread_t threads[20];
    for (int i = 0; i < 20; i++) pthread_create(&threads[i], NULL, customer, NULL);
    for (int i = 0; i < 20; i++) {
        pthread_mutex_lock(&mutex);
        tickets++;
        pthread_mutex_unlock(&mutex);
        if (i % 2) pthread_cond_broadcast(&condition);
        else pthread_cond_signal(&condition);
    }
    pthread_cond_broadcast(&condition);
    for (int i = 0; i < 20; i++) pthread_join(threads[i], NULL);
    CHECK_EQ(served, 20);
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 20000000;
    if (soon.tv_nsec >= 1000000000) {
        soon.tv_sec++;
        soon.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&mutex);
    CHECK_EQ(pthread_cond_timedwait(&condition, &mutex, &soon), ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
}

static int cleaned;
static pthread_key_t key;

static void clean(void *argument) { cleaned += (int)(intptr_t)argument; }

static void *waits_for_ever(void *argument)
{
    (void)argument;
    pthread_setspecific(key, (void *)100);
    pthread_cleanup_push(clean, (void *)1);
    for (;;) pause();
    pthread_cleanup_pop(0);
    return NULL;
}

static void cancelled(void)
{
    CHECK_EQ(pthread_key_create(&key, clean), 0);
    for (int i = 1; i <= 5; i++) {
        pthread_t thread;
        void *result = NULL;
        pthread_create(&thread, NULL, waits_for_ever, NULL);
        usleep(5000);
        CHECK_EQ(pthread_cancel(thread), 0);
        CHECK_EQ(pthread_join(thread, &result), 0);
        CHECK(result == PTHREAD_CANCELED);
        CHECK_EQ(cleaned, i * 101);
    }
}

static atomic_int stop;

static void *spin(void *argument)
{
    (void)argument;
    while (!stop) atomic_fetch_add(&atomically, 1);
    return NULL;
}

static void child_body(void)
{
    /* One thread is left; it can make others. */
    pthread_t thread;
    void *result = NULL;
    CHECK_EQ(pthread_create(&thread, NULL, small_part, (void *)21), 0);
    CHECK_EQ(pthread_join(thread, &result), 0);
    CHECK_EQ((intptr_t)result, 42);
}

static void forks_among_threads(void)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, spin, NULL);
    for (int i = 0; i < 10; i++) CHECK_EQ(child_status(child_body), 0);
    stop = 1;
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
}

int main(void)
{
    RUN(hundreds_one_after_the_other_and_at_once);
    RUN(all_alive_at_a_barrier);
    RUN(locks_of_every_kind);
    RUN(back_and_forth);
    RUN(conditions_and_timeouts);
    RUN(cancelled);
    RUN(forks_among_threads);
    return finish();
}
