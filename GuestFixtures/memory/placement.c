/* Where mappings go: fixed ones, hints, low hints as static emulators use them, MAP_32BIT. */
#include "faults.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

static unsigned char *map_at(void *hint, size_t size, int flags)
{
    return mmap(hint, size, RW, ANONYMOUS | flags, -1, 0);
}

static void fixed_replaces(void)
{
    unsigned char *p = map_at(NULL, 4 * PAGE, 0);
    memset(p, 9, 4 * PAGE);
    CHECK(map_at(p + PAGE, 2 * PAGE, MAP_FIXED) == p + PAGE);
    CHECK_EQ(p[PAGE - 1], 9);
    CHECK_EQ(p[PAGE], 0);
    CHECK_EQ(p[3 * PAGE - 1], 0);
    CHECK_EQ(p[3 * PAGE], 9);
    CHECK_OK(munmap(p, 4 * PAGE));
}

static void noreplace_does_not(void)
{
    unsigned char *p = map_at(NULL, 4 * PAGE, 0);
    p[0] = 9;
    CHECK_ERROR(map_at(p, PAGE, MAP_FIXED_NOREPLACE), EEXIST);
    CHECK_ERROR(map_at(p - PAGE, 2 * PAGE, MAP_FIXED_NOREPLACE), EEXIST);
    CHECK_ERROR(map_at(p + 3 * PAGE, PAGE, MAP_FIXED_NOREPLACE), EEXIST);
    CHECK_EQ(p[0], 9);
    CHECK_OK(munmap(p + PAGE, PAGE));
    CHECK(map_at(p + PAGE, PAGE, MAP_FIXED_NOREPLACE) == p + PAGE);
    CHECK_OK(munmap(p, 4 * PAGE));
}

static void a_free_hint_is_honoured(void)
{
    unsigned char *p = map_at(NULL, 64 * PAGE, 0);
    munmap(p, 64 * PAGE);
    unsigned char *wanted = p + 16 * PAGE;
    CHECK(map_at(wanted, PAGE, 0) == wanted);
    /* Taken now: the next one is moved, and does not harm it. */
    *wanted = 3;
    unsigned char *moved = map_at(wanted, PAGE, 0);
    CHECK(moved != MAP_FAILED && moved != wanted);
    CHECK_EQ(*wanted, 3);
    /* A hint inside a page means the page, rounded up as Linux does it. */
    unsigned char *odd = map_at(wanted + 2 * PAGE + 5, PAGE, 0);
    CHECK_EQ((uintptr_t)odd % PAGE, 0);
    munmap(odd, PAGE);
    munmap(moved, PAGE);
    munmap(wanted, PAGE);
}

/* A low address that nothing of this program's occupies. */
static unsigned char *free_low(uintptr_t from)
{
    for (uintptr_t at = from; at < 0xf0000000; at += 0x1000000) {
        unsigned char *p = map_at((void *)at, PAGE, MAP_FIXED_NOREPLACE);
        if (p == (void *)at) {
            munmap(p, PAGE);
            return p;
        }
    }
    REQUIRE(!"a free low address");
    return NULL;
}

static void low_hints(void)
{
    unsigned char *unhinted = map_at(NULL, PAGE, 0);
    munmap(unhinted, PAGE);
    unsigned char *low = free_low(0x60000000);
    CHECK(map_at(low, PAGE, 0) == low);
    low[0] = 1;
    CHECK(map_at(low, PAGE, 0) != low);
    munmap(low, PAGE);
    CHECK(map_at(low, 16 * PAGE, 0) == low);
    CHECK_EQ(low[0], 0);
    /* The next mapping without a hint goes where it would have gone. */
    unsigned char *next = map_at(NULL, PAGE, 0);
    CHECK((uintptr_t)next > 0x100000000);
    munmap(low, 16 * PAGE);
}

static void the_window_at_0x400000(void)
{
    /* A program linked there has it already; box64 and qemu reserve it when it is free. */
    extern char __ehdr_start[];
    unsigned char *window = (unsigned char *)0x400000;
    unsigned char *p = map_at(window, PAGE, 0);
    if ((uintptr_t)__ehdr_start < 0x800000) {
        CHECK(p != MAP_FAILED && p != window);
        CHECK(memcmp(__ehdr_start, "\177ELF", 4) == 0);
        return;
    }
    CHECK(p == window);
    p[0] = 1;
    CHECK_OK(munmap(p, PAGE));
    unsigned char *big = map_at(window, 16UL << 20, 0);
    CHECK(big == window);
    CHECK_EQ(big[0], 0);
    big[(16UL << 20) - 1] = 1;
    CHECK_OK(munmap(big, 16UL << 20));
    /* What PROT_NONE reserves, a fixed mapping then fills. */
    CHECK(mmap(window, 1UL << 20, PROT_NONE, ANONYMOUS | MAP_NORESERVE, -1, 0) == window);
    CHECK(map_at(window + PAGE, PAGE, MAP_FIXED) == window + PAGE);
    CHECK_WRITABLE(window + PAGE);
    CHECK_FAULT(read_fault, window, SIGSEGV, SEGV_ACCERR);
    CHECK_OK(munmap(window, 1UL << 20));
}

static void below_the_minimum(void)
{
    /* Address 0 is nobody's; 64 KiB is where the first mapping may be. A hint below is moved there or higher. */
    unsigned char *p = map_at((void *)PAGE, PAGE, 0);
    CHECK(p != MAP_FAILED && (uintptr_t)p >= 0x1000);
    munmap(p, PAGE);
    unsigned char *lowest = map_at((void *)0x10000, PAGE, MAP_FIXED_NOREPLACE);
    CHECK(lowest == (void *)0x10000);
    lowest[0] = 1;
    CHECK_OK(munmap(lowest, PAGE));
    CHECK_NOTHING_AT((void *)0x10000);
}

static void above_the_top(void)
{
    CHECK_ERROR(map_at((void *)0xffff800000000000, PAGE, MAP_FIXED), ENOMEM);
    unsigned char *p = map_at((void *)0xffff800000000000, PAGE, 0);
    CHECK(p != MAP_FAILED && (uintptr_t)p < USER_TOP);
    munmap(p, PAGE);
}

static void in_32_bits(void)
{
#ifdef MAP_32BIT
    unsigned char *blocks[8];
    for (int i = 0; i < 8; i++) {
        blocks[i] = map_at(NULL, 3 * PAGE, MAP_32BIT);
        CHECK(blocks[i] != MAP_FAILED && (uintptr_t)blocks[i] + 3 * PAGE <= 0x80000000);
        memset(blocks[i], i, 3 * PAGE);
    }
    for (int i = 0; i < 8; i++) {
        CHECK_EQ(blocks[i][2 * PAGE], i);
        CHECK_OK(munmap(blocks[i], 3 * PAGE));
    }
    /* With a hint that is free, below 2 GiB: there. */
    unsigned char *low = free_low(0x50000000);
    unsigned char *p = map_at(low, PAGE, MAP_32BIT);
    CHECK((uintptr_t)p < 0x80000000);
    munmap(p, PAGE);
    CHECK_ERROR(map_at(NULL, 3UL << 30, MAP_32BIT | MAP_NORESERVE), ENOMEM);
#endif
}

static void top_down(void)
{
    /* Of two new mappings the second lies below the first, when nothing else is free in between. */
    unsigned char *first = map_at(NULL, 32UL << 20, 0), *second = map_at(NULL, 32UL << 20, 0);
    CHECK(second < first);
    munmap(first, 32UL << 20);
    munmap(second, 32UL << 20);
}

int main(void)
{
    catch_faults();
    RUN(fixed_replaces);
    RUN(noreplace_does_not);
    RUN(a_free_hint_is_honoured);
    RUN(low_hints);
    RUN(the_window_at_0x400000);
    RUN(below_the_minimum);
    RUN(above_the_top);
    RUN(in_32_bits);
    RUN(top_down);
    return finish();
}
