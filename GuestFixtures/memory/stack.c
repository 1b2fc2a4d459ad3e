/* The stack grows as it is used, down to its limit, and no further. */
#include "faults.h"
#include <sys/resource.h>

static char alternate[65536];

static unsigned use_stack(unsigned depth)
{
    volatile unsigned char frame[16384];
    frame[0] = (unsigned char)depth;
    frame[sizeof frame - 1] = 1;
    if (depth == 0) return frame[0];
    return use_stack(depth - 1) + frame[sizeof frame - 1];
}

static void six_megabytes(void)
{
    struct rlimit limit;
    CHECK_OK(getrlimit(RLIMIT_STACK, &limit));
    CHECK(limit.rlim_cur >= 8UL << 20);
    CHECK_EQ(use_stack(6 * 64), 6 * 64);
}

static void one_jump_far_down(void)
{
    unsigned char *here = __builtin_frame_address(0);
    CHECK_READABLE(here - (4UL << 20));
    CHECK_WRITABLE(here - (5UL << 20));
}

/* Deeper than any stack that a test runs with. */
static unsigned endless(unsigned n)
{
    volatile unsigned char frame[4096];
    frame[0] = (unsigned char)n;
    if (n == 1U << 30) return 0;
    return endless(n + 1) + frame[0];
}

static void overflow(void)
{
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    CHECK_OK(sigaltstack(&stack, NULL));
    struct sigaction action = {.sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    struct rlimit limit = {1 << 20, RLIM_INFINITY};
    getrlimit(RLIMIT_STACK, &limit);
    unsigned char *here = __builtin_frame_address(0);
    CHECK_EQ(FAULT_OF(endless(0)), SIGSEGV);
    unsigned char *where = fault_info.si_addr;
    CHECK(where < here && here - where > 4 << 20 && (size_t)(here - where) < limit.rlim_cur + (1 << 20));
    stack.ss_flags = SS_DISABLE;
    CHECK_OK(sigaltstack(&stack, NULL));
}

static void a_mapping_that_grows(void)
{
    unsigned char *room = mmap(NULL, 512 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(room, 512 * PAGE);
    unsigned char *p = mmap(room + 500 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
    REQUIRE(p == room + 500 * PAGE);
    for (unsigned char *at = p + 3 * PAGE; at > p - 100 * PAGE; at -= PAGE) CHECK_WRITABLE(at);
    CHECK_OK(munmap(p - 110 * PAGE, 114 * PAGE));
}

int main(void)
{
    catch_faults();
    RUN(six_megabytes);
    RUN(one_jump_far_down);
    RUN(overflow);
    RUN(a_mapping_that_grows);
    return finish();
}
