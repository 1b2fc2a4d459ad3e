/* Thread-local storage of a library that comes while threads run: dlopened LIBRARY. */
#include "check.h"
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>

enum { COUNT = 6 };

static int *(*its_number)(void);
static char *(*its_array)(void);
static long (*its_sum)(void);
static pthread_barrier_t barrier;
static const char *path;

/* The first half of them was there before the library. */
static void *look(void *argument)
{
    long number = (long)argument;
    if (number < COUNT / 2) pthread_barrier_wait(&barrier);
    if (*its_number() != 4321 || its_array()[19999] != 0 || its_sum() != 11 || its_sum() != 13) return (void *)1;
    *its_number() = (int)number;
    memset(its_array(), (int)number, 20000);
    for (int i = 0; i < 100; i++) {
        sched_yield();
        getppid();
        if (*its_number() != number || its_array()[i * 199] != number) return (void *)2;
    }
    pid_t pid = fork();
    if (pid == 0) _exit(*its_number() == number && its_array()[5000] == number ? 0 : 1);
    int status = -1;
    if (waitpid(pid, &status, 0) != pid || status != 0) return (void *)3;
    return NULL;
}

static void each_its_own(void)
{
    pthread_t threads[COUNT];
    pthread_barrier_init(&barrier, NULL, COUNT / 2 + 1);
    for (long i = 0; i < COUNT / 2; i++) pthread_create(&threads[i], NULL, look, (void *)i);
    void *library = dlopen(path, RTLD_NOW);
    if (library == NULL) fprintf(stderr, "%s\n", dlerror());
    REQUIRE(library != NULL);
    *(void **)&its_number = dlsym(library, "its_number");
    *(void **)&its_array = dlsym(library, "its_array");
    *(void **)&its_sum = dlsym(library, "its_sum");
    REQUIRE(its_number && its_array && its_sum);
    pthread_barrier_wait(&barrier);
    for (long i = COUNT / 2; i < COUNT; i++) pthread_create(&threads[i], NULL, look, (void *)i);
    for (int i = 0; i < COUNT; i++) {
        void *result = (void *)9;
        pthread_join(threads[i], &result);
        CHECK_EQ((long)result, 0);
    }
    CHECK_EQ(*its_number(), 4321);
    CHECK_EQ(its_sum(), 11);
    CHECK_EQ(dlclose(library), 0);
}

static void again_and_again(void)
{
    for (int i = 0; i < 20; i++) {
        void *library = dlopen(path, RTLD_NOW);
        REQUIRE(library != NULL);
        *(void **)&its_number = dlsym(library, "its_number");
        CHECK_OK(*its_number());
        dlclose(library);
    }
}

int main(int count, char **arguments)
{
    REQUIRE(count == 2);
    path = arguments[1];
    RUN(each_its_own);
    RUN(again_and_again);
    return finish();
}
