/* The vectors and their control registers are the thread's own: across system calls, signals, forks and other threads. */
#include "check.h"
#include <pthread.h>
#include <sys/time.h>
#include <ucontext.h>

struct vectors {
    uint64_t v[32][2];
    uint64_t fpsr, fpcr;
};

#define EACH(operation)                                                                                              \
    operation(0) operation(1) operation(2) operation(3) operation(4) operation(5) operation(6) operation(7)          \
    operation(8) operation(9) operation(10) operation(11) operation(12) operation(13) operation(14) operation(15)    \
    operation(16) operation(17) operation(18) operation(19) operation(20) operation(21) operation(22) operation(23)  \
    operation(24) operation(25) operation(26) operation(27) operation(28) operation(29) operation(30) operation(31)
#define LOAD(n) "ldr q" #n ", [%[from], #" #n " * 16]\n\t"
#define STORE(n) "str q" #n ", [%[to], #" #n " * 16]\n\t"
#define CLOBBERS                                                                                                      \
    "memory", "cc", "x9", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", \
    "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31"
#define LOAD_ALL EACH(LOAD) "ldr x9, [%[from], #512]\n\tmsr fpsr, x9\n\tldr x9, [%[from], #520]\n\tmsr fpcr, x9\n\t"
#define STORE_ALL EACH(STORE) "mrs x9, fpsr\n\tstr x9, [%[to], #512]\n\tmrs x9, fpcr\n\tstr x9, [%[to], #520]\n\tmsr fpcr, xzr\n\t"

static void fill(struct vectors *vectors, uint64_t seed)
{
    for (int i = 0; i < 32; i++) {
        vectors->v[i][0] = seed * 0x9e3779b97f4a7c15 + (uint64_t)i;
        vectors->v[i][1] = ~vectors->v[i][0] ^ (uint64_t)i << 40;
    }
    vectors->fpsr = seed & 0x1f;
    vectors->fpcr = (seed % 4) << 22;
}

/* Loads all, makes a system call with two arguments, stores all; its result. */
static long around_call(const struct vectors *before, struct vectors *after, long number, long a, long b)
{
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = 0, x3 __asm__("x3") = 0, x4 __asm__("x4") = 0;
    __asm__ volatile(LOAD_ALL "svc #0\n\t" STORE_ALL
                     : "+r"(x0) : [from] "r"(before), [to] "r"(after), "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : CLOBBERS);
    return x0;
}

static int same(const struct vectors *a, const struct vectors *b) { return memcmp(a, b, sizeof *a) == 0; }

static volatile sig_atomic_t count;
static struct vectors handlers_own, found;

static void spoil(int number, siginfo_t *info, void *opaque)
{
    (void)number;
    (void)info;
    (void)opaque;
    struct vectors after;
    fill(&handlers_own, 77);
    around_call(&handlers_own, &after, SYS_getpid, 0, 0);
    if (!same(&handlers_own, &after)) CHECK_EQ(0, 1);
    count++;
}

/* What the frame says, and a change that sigreturn takes over. */
static void edit(int number, siginfo_t *info, void *opaque)
{
    (void)number;
    (void)info;
    unsigned char *record = ((ucontext_t *)opaque)->uc_mcontext.__reserved;
    uint32_t head[4];
    memcpy(head, record, sizeof head);
    CHECK_EQ(head[0], 0x46508001);
    CHECK_EQ(head[1], 528);
    found.fpsr = head[2];
    found.fpcr = head[3];
    memcpy(found.v, record + 16, 512);
    uint64_t changed[2] = {0x1234, 0x5678};
    memcpy(record + 16 + 9 * 16, changed, 16);
    head[2] = 0x15;
    memcpy(record, head, sizeof head);
    count++;
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(number, &action, NULL);
    count = 0;
}

static void across_calls(void)
{
    struct vectors before, after;
    for (uint64_t seed = 1; seed < 200; seed++) {
        fill(&before, seed);
        around_call(&before, &after, SYS_getppid, 0, 0);
        if (!same(&before, &after)) CHECK_EQ(seed, 0);
    }
}

static void across_handlers(void)
{
    struct vectors before, after;
    handle(SIGUSR1, spoil);
    for (uint64_t seed = 1; seed < 50; seed++) {
        fill(&before, seed);
        CHECK_EQ(around_call(&before, &after, SYS_kill, getpid(), SIGUSR1), 0);
        if (!same(&before, &after)) CHECK_EQ(seed, 0);
    }
    CHECK_EQ(count, 49);
}

static void in_the_frame(void)
{
    struct vectors before, after;
    handle(SIGUSR1, edit);
    fill(&before, 5);
    CHECK_EQ(around_call(&before, &after, SYS_kill, getpid(), SIGUSR1), 0);
    CHECK_EQ(count, 1);
    CHECK(same(&before, &found));
    CHECK_EQ(after.v[9][0], 0x1234);
    CHECK_EQ(after.v[9][1], 0x5678);
    CHECK_EQ(after.fpsr, 0x15);
    before.v[9][0] = 0x1234, before.v[9][1] = 0x5678, before.fpsr = 0x15;
    CHECK(same(&before, &after));
}

static void in_a_child(void)
{
    struct vectors before, after;
    fill(&before, 11);
    long pid = around_call(&before, &after, SYS_clone, SIGCHLD, 0);
    if (pid == 0) _exit(same(&before, &after) ? 0 : 1);
    CHECK(same(&before, &after));
    CHECK_EQ(wait_for((pid_t)pid), 0);
}

/* A loop without system calls, which signals come into. */
static void in_the_middle_of_a_program(void)
{
    struct vectors before, after;
    handle(SIGALRM, spoil);
    struct itimerval every = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &every, NULL);
    for (uint64_t seed = 1; count < 100; seed++) {
        fill(&before, seed);
        long rounds = 30000;
        __asm__ volatile(LOAD_ALL "1: subs %[rounds], %[rounds], #1\n\tb.ne 1b\n\t" STORE_ALL
                         : [rounds] "+r"(rounds) : [from] "r"(&before), [to] "r"(&after) : CLOBBERS);
        if (!same(&before, &after)) CHECK_EQ(seed, 0);
    }
    setitimer(ITIMER_REAL, &never, NULL);
}

static void *calls(void *argument)
{
    struct vectors before, after;
    for (int i = 0; i < 200; i++) {
        fill(&before, (uint64_t)(uintptr_t)argument * 1000 + (uint64_t)i);
        around_call(&before, &after, SYS_sched_yield, 0, 0);
        if (!same(&before, &after)) return (void *)1;
    }
    return NULL;
}

static void in_threads(void)
{
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++) pthread_create(&threads[i], NULL, calls, (void *)(i + 1));
    for (int i = 0; i < 4; i++) {
        void *result;
        pthread_join(threads[i], &result);
        CHECK(result == NULL);
    }
}

int main(void)
{
    RUN(across_calls);
    RUN(across_handlers);
    RUN(in_the_frame);
    RUN(in_a_child);
    RUN(in_the_middle_of_a_program);
    RUN(in_threads);
    return finish();
}
