/* More threads than one virtual machine has processors for, and threads after many vforks. */
#include "check.h"
#include "machine.h"
#include <pthread.h>
#include <sys/mman.h>

enum { MANY = 1100, STACK = 32768 };
static pthread_t threads[MANY];
static volatile int started;
static pthread_barrier_t may_end;

static void *body(void *argument)
{
    __atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
    pthread_barrier_wait(&may_end);
    return argument;
}

static void all_at_once(void)
{
    pthread_attr_t attributes;
    int made = 0, right = 0;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    started = 0;
    pthread_barrier_init(&may_end, NULL, MANY + 1);
    while (made < MANY && pthread_create(&threads[made], &attributes, body, (void *)(long)made) == 0)
        made++;
    REQUIRE(made == MANY);
    WAIT_UNTIL(started == MANY);
    pthread_barrier_wait(&may_end);
    for (long i = 0; i < made; i++) {
        void *result = NULL;
        if (pthread_join(threads[i], &result) == 0 && result == (void *)i)
            right++;
    }
    CHECK_EQ(right, MANY);
}

/* Code that has been made executable in one machine and is taken away must be gone in all. */
static void execution_ends_everywhere(void)
{
    unsigned char *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    write_function(code, 42);
    mprotect(code, PAGE, PROT_READ | PROT_EXEC);
    CHECK_EQ(((int (*)(void))code)(), 42);
    mprotect(code, PAGE, PROT_READ);
    pid_t pid = fork();
    if (pid == 0) {
        ((int (*)(void))code)();
        _exit(0);
    }
    CHECK_EQ(WTERMSIG(wait_for(pid)), SIGSEGV);
}

static void many_vforks_then_threads(void)
{
    int wrong = 0;
    for (int i = 0; i < 1500; i++) {
        pid_t pid = vfork();
        if (pid == 0)
            _exit(i & 127);
        int status = -1;
        if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != (i & 127))
            wrong++;
    }
    CHECK_EQ(wrong, 0);
    all_at_once();
}

int main(void)
{
    RUN(all_at_once);
    RUN(execution_ends_everywhere);
    RUN(many_vforks_then_threads);
    return finish();
}
