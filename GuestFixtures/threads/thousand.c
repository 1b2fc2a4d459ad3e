/* A thousand threads: all alive at once, and one after the other. */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>

enum { COUNT = 1000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_here = PTHREAD_COND_INITIALIZER, go = PTHREAD_COND_INITIALIZER;
static int here, going;
static pid_t ids[COUNT];
static __thread long own;

static void *meet(void *argument)
{
    long number = (long)argument;
    own = number;
    ids[number] = (pid_t)syscall(SYS_gettid);
    pthread_mutex_lock(&mutex);
    if (++here == COUNT) pthread_cond_signal(&all_here);
    while (!going) pthread_cond_wait(&go, &mutex);
    pthread_mutex_unlock(&mutex);
    return (void *)(own == number && ids[number] == syscall(SYS_gettid) ? number : -1);
}

static int by_number(const void *one, const void *other)
{
    return *(const int *)one - *(const int *)other;
}

static int count_tasks(void)
{
    char line[200];
    int threads = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, file)) sscanf(line, "Threads: %d", &threads);
    fclose(file);
    return threads;
}

static void all_at_once(void)
{
    static pthread_t threads[COUNT];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, 128 << 10), 0);
    here = going = 0;
    for (long i = 0; i < COUNT; i++) {
        int error = pthread_create(&threads[i], &attributes, meet, (void *)i);
        if (error) {
            /* Nothing below makes sense. */
            errno = error;
            CHECK(!"pthread_create");
            _exit(1);
        }
    }
    pthread_mutex_lock(&mutex);
    while (here < COUNT) pthread_cond_wait(&all_here, &mutex);
    CHECK_EQ(count_tasks(), COUNT + 1);
    going = 1;
    pthread_cond_broadcast(&go);
    pthread_mutex_unlock(&mutex);
    for (long i = 0; i < COUNT; i++) {
        void *result = NULL;
        CHECK_EQ(pthread_join(threads[i], &result), 0);
        CHECK_EQ((long)result, i);
    }
    qsort(ids, COUNT, sizeof ids[0], by_number);
    for (int i = 1; i < COUNT; i++) CHECK(ids[i] > ids[i - 1]);
}

static void *add(void *argument)
{
    *(int *)argument += 1;
    return argument;
}

static void one_after_the_other(void)
{
    int sum = 0;
    for (int i = 0; i < COUNT; i++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, add, &sum) == 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    CHECK_EQ(sum, COUNT);
}

/* What ended one ends all, however many. */
static void ended_together(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, 128 << 10);
        here = going = 0;
        for (long i = 0; i < COUNT; i++) {
            pthread_t thread;
            if (pthread_create(&thread, &attributes, meet, (void *)i) != 0) _exit(1);
        }
        pthread_mutex_lock(&mutex);
        while (here < COUNT) pthread_cond_wait(&all_here, &mutex);
        _exit(46);
    }
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 46);
}

int main(void)
{
    RUN(all_at_once);
    RUN(one_after_the_other);
    RUN(one_after_the_other);
    RUN(all_at_once);
    RUN(ended_together);
    return finish();
}
