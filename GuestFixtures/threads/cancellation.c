/* Cancellation: at cancellation points, at any instruction, switched off, with handlers, in the middle of a call. */
#include "check.h"
#include <pthread.h>
#include <semaphore.h>

static volatile int cleaned, started;

static void clean(void *argument)
{
    cleaned += (int)(long)argument;
}

static void *in_read(void *argument)
{
    char byte;
    pthread_cleanup_push(clean, (void *)1);
    pthread_cleanup_push(clean, (void *)10);
    started = 1;
    (void)!read(*(int *)argument, &byte, 1);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

static void cancel_and_join(pthread_t thread)
{
    void *result = NULL;
    CHECK_EQ(pthread_cancel(thread), 0);
    CHECK_EQ(pthread_join(thread, &result), 0);
    CHECK(result == PTHREAD_CANCELED);
}

static void in_a_blocked_call(void)
{
    int pipes[2];
    CHECK_OK(pipe(pipes));
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        cleaned = started = 0;
        pthread_create(&thread, NULL, in_read, &pipes[0]);
        if (i % 2) WAIT_UNTIL(started);
        cancel_and_join(thread);
        /* Before it was there it had nothing to clean up. */
        CHECK(cleaned == 11 || (i % 2 == 0 && cleaned == 0));
    }
    /* Nothing was read by anyone that is gone. */
    CHECK_EQ(write(pipes[1], "x", 1), 1);
    char byte = 0;
    CHECK_EQ(read(pipes[0], &byte, 1), 1);
    CHECK_EQ(byte, 'x');
    close(pipes[0]);
    close(pipes[1]);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

static void unlock(void *argument)
{
    pthread_mutex_unlock(argument);
}

static void *in_condition(void *argument)
{
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push(unlock, &mutex);
    started = 1;
    for (;;) pthread_cond_wait(&never, &mutex);
    pthread_cleanup_pop(1);
    return argument;
}

/* The handler runs with the mutex locked again. */
static void in_a_condition(void)
{
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        started = 0;
        pthread_create(&thread, NULL, in_condition, NULL);
        WAIT_UNTIL(started);
        cancel_and_join(thread);
        CHECK_EQ(pthread_mutex_trylock(&mutex), 0);
        pthread_mutex_unlock(&mutex);
    }
}

static volatile long turns;

static void *computing(void *argument)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    started = 1;
    for (;;) turns++;
    return argument;
}

/* Anywhere in a loop that makes no call at all. */
static void at_any_instruction(void)
{
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        started = 0;
        pthread_create(&thread, NULL, computing, NULL);
        WAIT_UNTIL(started);
        cancel_and_join(thread);
    }
    CHECK(turns > 0);
}

static volatile int may_end;

static void *not_now(void *argument)
{
    int old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    started = 1;
    while (!may_end) usleep(1000);
    pthread_setcancelstate(old, NULL);
    started = 2;
    pthread_testcancel();
    started = 3;
    return argument;
}

static void switched_off(void)
{
    pthread_t thread;
    started = may_end = 0;
    pthread_create(&thread, NULL, not_now, NULL);
    WAIT_UNTIL(started == 1);
    CHECK_EQ(pthread_cancel(thread), 0);
    usleep(20000);
    CHECK_EQ(started, 1);
    may_end = 1;
    void *result = NULL;
    CHECK_EQ(pthread_join(thread, &result), 0);
    CHECK(result == PTHREAD_CANCELED);
    CHECK_EQ(started, 2);
}

static void *deferred_loop(void *argument)
{
    started = 1;
    while (!may_end) turns++;
    started = 2;
    pthread_testcancel();
    started = 3;
    return argument;
}

/* A deferred one waits for a cancellation point. */
static void not_before_a_point(void)
{
    pthread_t thread;
    started = may_end = 0;
    pthread_create(&thread, NULL, deferred_loop, NULL);
    WAIT_UNTIL(started == 1);
    CHECK_EQ(pthread_cancel(thread), 0);
    usleep(20000);
    CHECK_EQ(started, 1);
    may_end = 1;
    void *result = NULL;
    pthread_join(thread, &result);
    CHECK(result == PTHREAD_CANCELED);
    CHECK_EQ(started, 2);
}

static pthread_key_t key;

static void destroy(void *argument)
{
    cleaned += (int)(long)argument;
}

static void *with_a_value(void *argument)
{
    pthread_setspecific(key, (void *)100);
    started = 1;
    sem_wait(argument);
    return NULL;
}

static void values_are_destroyed(void)
{
    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    pthread_key_create(&key, destroy);
    pthread_t thread;
    cleaned = started = 0;
    pthread_create(&thread, NULL, with_a_value, &semaphore);
    WAIT_UNTIL(started);
    cancel_and_join(thread);
    CHECK_EQ(cleaned, 100);
    pthread_key_delete(key);
}

static void *itself(void *argument)
{
    pthread_cleanup_push(clean, (void *)1);
    pthread_cancel(pthread_self());
    pthread_testcancel();
    pthread_cleanup_pop(0);
    return argument;
}

static void by_itself(void)
{
    pthread_t thread;
    void *result = NULL;
    cleaned = 0;
    pthread_create(&thread, NULL, itself, NULL);
    pthread_join(thread, &result);
    CHECK(result == PTHREAD_CANCELED);
    CHECK_EQ(cleaned, 1);
}

int main(void)
{
    RUN(in_a_blocked_call);
    RUN(in_a_condition);
    RUN(at_any_instruction);
    RUN(switched_off);
    RUN(not_before_a_point);
    RUN(values_are_destroyed);
    RUN(by_itself);
    return finish();
}
