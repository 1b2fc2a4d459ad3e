/* A thread's id is not the next thread's: the kernel gives ids out in turn, and whoever still names an ended thread must not
 * reach another one. */
#include <pthread.h>

#include "check.h"

enum { THREADS = 30 };

static pid_t ids[THREADS];

static void *tell_id(void *place)
{
    *(pid_t *)place = (pid_t)syscall(SYS_gettid);
    return NULL;
}

static void one_after_the_other(void)
{
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, tell_id, &ids[i]) == 0);
        REQUIRE(pthread_join(thread, NULL) == 0);
        CHECK(ids[i] != getpid());
        for (int j = 0; j < i; j++) CHECK(ids[i] != ids[j]);
    }
}

static void nobody_has_an_ended_ones(void)
{
    /* pthread_join returns when the kernel says that the thread's memory is free, a moment before the thread is gone. */
    for (int i = 0; i < THREADS; i++) WAIT_UNTIL(syscall(SYS_tgkill, getpid(), ids[i], 0) == -1 && errno == ESRCH);
}

/* More of them than anyone would keep idle. */
static void very_many(void)
{
    for (int round = 0; round < 10; round++) one_after_the_other();
}

int main(void)
{
    RUN(one_after_the_other);
    RUN(nobody_has_an_ended_ones);
    RUN(very_many);
    return finish();
}
