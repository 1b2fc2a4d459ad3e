// What gdb is tried on. Each argument is a scene; without one the program does its sums and exits with 7.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct point {
    int x, y;
    double weight;
};

int total;
volatile long watched;
volatile int handled;
volatile unsigned long turns;
volatile int keep_turning = 1;
char message[32] = "as it was";

__attribute__((noinline)) int add(int first, int second)
{
    int sum = first + second;
    total += sum;
    return sum;
}

__attribute__((noinline)) int weigh(const struct point *point)
{
    int heavy = point->weight > 2.0;
    return add(point->x, point->y) * (heavy ? 2 : 1);
}

__attribute__((noinline)) void change(void)
{
    for (long i = 1; i <= 3; i++)
        watched = i * 10;
}

__attribute__((noinline)) void done(const char *what)
{
    printf("%s\n", what);
    fflush(stdout);
}

static int sums(void)
{
    struct point point = {3, 4, 2.5};
    int result = weigh(&point);
    change();
    printf("%d %d %s\n", result, total, message);
    done("summed");
    return total;
}

static void handler(int signal)
{
    handled = signal;
}

static void signals(void)
{
    signal(SIGUSR1, handler);
    raise(SIGUSR1);
    printf("handled %d\n", handled);
    handled = 0;
    raise(SIGUSR1);
    printf("handled %d\n", handled);
    done("signals");
}

static pthread_barrier_t meeting;
static volatile int may_go;

__attribute__((noinline)) void *work(void *argument)
{
    pthread_barrier_wait(&meeting);
    while (!may_go)
        usleep(1000);
    return argument;
}

static void threads(void)
{
    pthread_t thread[3];
    pthread_barrier_init(&meeting, NULL, 4);
    for (long i = 0; i < 3; i++)
        pthread_create(&thread[i], NULL, work, (void *)i);
    pthread_barrier_wait(&meeting);
    done("met");
    may_go = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    done("joined");
}

// All threads go through the same place all the time.
static void *run_round(void *argument)
{
    for (int i = 0; i < 200; i++)
        add(i, (int)(intptr_t)argument);
    return NULL;
}

static void rounds(void)
{
    pthread_t thread[4];
    for (long i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, run_round, (void *)i);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    done("round");
}

static void spin(void)
{
    while (keep_turning)
        turns++;
    done("turned");
}

// Every signal is blocked, and no call is made.
static void spin_blocked(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    spin();
}

static void rest(void)
{
    struct timespec time = {1, 500000000};
    int result = nanosleep(&time, NULL);
    printf("slept: %s\n", result == 0 ? "whole" : strerror(errno));
    done("rested");
}

static void fault(void)
{
    *(volatile int *)8 = 1;
}

static void children(void)
{
    pid_t child = fork();
    if (child == 0) {
        int sum = add(1, 2);
        _exit(sum == 3 ? 5 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    printf("child %d\n", WEXITSTATUS(status));
    child = vfork();
    if (child == 0) {
        add(1, 2);
        _exit(6);
    }
    waitpid(child, &status, 0);
    printf("child %d\n", WEXITSTATUS(status));
    printf("%d\n", system("exit 3") >> 8);
    add(5, 6);
    done("children");
}

static void vfork_only(void)
{
    int status;
    pid_t child = vfork();
    if (child == 0) {
        add(1, 2);
        _exit(6);
    }
    waitpid(child, &status, 0);
    printf("child %d, %d\n", WEXITSTATUS(status), total);
    done("vforked");
}

static void spawn(void)
{
    printf("%d\n", system("exit 3") >> 8);
    done("spawned");
}

// Each thread makes children of all kinds, all at the same time.
static void *have_children(void *argument)
{
    long failures = 0;
    for (int i = 0; i < 8; i++) {
        int status = 0;
        pid_t child = fork();
        if (child == 0)
            _exit(add(i, 1) == i + 1 ? 5 : 1);
        waitpid(child, &status, 0);
        failures += WEXITSTATUS(status) != 5;
        failures += system("exit 3") >> 8 != 3;
    }
    return argument ? argument : (void *)failures;
}

static void families(void)
{
    pthread_t thread[3];
    long failures = 0;
    for (int i = 0; i < 3; i++)
        pthread_create(&thread[i], NULL, have_children, NULL);
    for (int i = 0; i < 3; i++) {
        void *result;
        pthread_join(thread[i], &result);
        failures += (long)result;
    }
    printf("failures: %ld\n", failures);
    done("families");
}

static void vectors(void)
{
    static const float values[4] = {1.5f, 2.5f, 3.5f, 4.5f};
    float back[4];
    __asm__ volatile("movups %1, %%xmm3\n\t"
                     "fldpi\n\t"
                     ".globl vectors_set\n"
                     "vectors_set: nop\n\t"
                     "fstp %%st(0)\n\t"
                     "movups %%xmm3, %0"
                     : "=m"(back)
                     : "m"(values)
                     : "xmm3", "memory");
    printf("%.1f %.1f %.1f %.1f\n", back[0], back[1], back[2], back[3]);
    done("vectors");
}

// Two calls and the places around them, for single steps: one that ends at once, and one whose end is a signal's handler.
static void calls(void)
{
    long id, sent;
    signal(SIGUSR1, handler);
    for (int i = 0; i < 2; i++) {
        __asm__ volatile(".globl at_call\n"
                         "at_call: syscall\n\t"
                         ".globl behind_call\n"
                         "behind_call: nop"
                         : "=a"(id)
                         : "a"(SYS_getpid)
                         : "rcx", "r11", "memory");
        __asm__ volatile(".globl at_signal\n"
                         "at_signal: syscall\n\t"
                         ".globl behind_signal\n"
                         "behind_signal: nop"
                         : "=a"(sent)
                         : "a"(SYS_kill), "D"(id), "S"(SIGUSR1)
                         : "rcx", "r11", "memory");
    }
    printf("sent %ld, handled %d\n", sent, handled);
    done("called");
}

int main(int count, char **arguments)
{
    const char *scene = count > 1 ? arguments[1] : "sums";
    if (!strcmp(scene, "signals"))
        signals();
    else if (!strcmp(scene, "threads"))
        threads();
    else if (!strcmp(scene, "rounds"))
        rounds();
    else if (!strcmp(scene, "spin"))
        spin();
    else if (!strcmp(scene, "spin-blocked"))
        spin_blocked();
    else if (!strcmp(scene, "rest"))
        rest();
    else if (!strcmp(scene, "fault"))
        fault();
    else if (!strcmp(scene, "children"))
        children();
    else if (!strcmp(scene, "vfork"))
        vfork_only();
    else if (!strcmp(scene, "spawn"))
        spawn();
    else if (!strcmp(scene, "families"))
        families();
    else if (!strcmp(scene, "vectors"))
        vectors();
    else if (!strcmp(scene, "calls"))
        calls();
    else if (!strcmp(scene, "exec"))
        execl(arguments[0], "subject", "sums", (char *)NULL);
    else
        return sums();
    return 0;
}
