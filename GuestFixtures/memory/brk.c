/* brk moves at page granularity, gives zeroed pages, also where it has been before. */
#include "faults.h"

static unsigned char *current(void)
{
    return (unsigned char *)syscall(SYS_brk, 0);
}

static unsigned char *start;

static void a_bad_value_changes_nothing(void)
{
    start = current();
    CHECK(start != NULL);
    CHECK((unsigned char *)syscall(SYS_brk, 1) == start);
    CHECK((unsigned char *)syscall(SYS_brk, -1L) == start);
    CHECK((unsigned char *)syscall(SYS_brk, 1UL << 62) == start);
    CHECK(current() == start);
}

static void grows_by_bytes(void)
{
    unsigned char *page = (unsigned char *)(((uintptr_t)start + PAGE - 1) & ~(PAGE - 1));
    CHECK((unsigned char *)syscall(SYS_brk, page + 1) == page + 1);
    CHECK(current() == page + 1);
    /* The page that the last byte is in is there whole, the next one is not. */
    for (unsigned i = 0; i < PAGE; i++) CHECK(page[i] == 0);
    memset(page, 0xaa, PAGE);
    CHECK_NOTHING_AT(page + PAGE);
    CHECK((unsigned char *)syscall(SYS_brk, page + PAGE) == page + PAGE);
    CHECK_EQ(page[PAGE - 1], 0xaa);
    CHECK_NOTHING_AT(page + PAGE);
}

static void shrinks_and_regrows_zeroed(void)
{
    unsigned char *page = (unsigned char *)(((uintptr_t)start + PAGE - 1) & ~(PAGE - 1));
    size_t size = 40 * PAGE;
    CHECK((unsigned char *)syscall(SYS_brk, page + size) == page + size);
    memset(page, 0x55, size);
    CHECK((unsigned char *)syscall(SYS_brk, page + PAGE) == page + PAGE);
    CHECK_NOTHING_AT(page + PAGE);
    CHECK_NOTHING_AT(page + size - 1);
    CHECK((unsigned char *)syscall(SYS_brk, page + size) == page + size);
    CHECK_EQ(page[0], 0x55);
    for (size_t i = PAGE; i < size; i += 64) CHECK(page[i] == 0);
    CHECK((unsigned char *)syscall(SYS_brk, start) == start);
    CHECK_NOTHING_AT(page);
}

static void stops_at_a_mapping(void)
{
    unsigned char *page = (unsigned char *)(((uintptr_t)start + PAGE - 1) & ~(PAGE - 1));
    unsigned char *wall = page + 64 * PAGE;
    unsigned char *mapped = mmap(wall, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    REQUIRE(mapped == wall);
    CHECK((unsigned char *)syscall(SYS_brk, wall + 2 * PAGE) == start);
    CHECK((unsigned char *)syscall(SYS_brk, page + 2 * PAGE) == page + 2 * PAGE);
    munmap(wall, PAGE);
    CHECK((unsigned char *)syscall(SYS_brk, wall + 2 * PAGE) == wall + 2 * PAGE);
    page[0] = wall[0] = 1;
    CHECK((unsigned char *)syscall(SYS_brk, start) == start);
}

static void a_hundred_megabytes(void)
{
    unsigned char *end = start + (100UL << 20);
    CHECK((unsigned char *)syscall(SYS_brk, end) == end);
    for (unsigned char *p = start + PAGE; p < end; p += 1 << 20) {
        CHECK(*p == 0);
        *p = 1;
    }
    CHECK((unsigned char *)syscall(SYS_brk, start) == start);
}

static void a_child_has_its_own(void)
{
    CHECK((unsigned char *)syscall(SYS_brk, start + 3 * PAGE) == start + 3 * PAGE);
    pid_t pid = fork();
    if (pid == 0) _exit((unsigned char *)syscall(SYS_brk, start + 9 * PAGE) == start + 9 * PAGE ? 7 : 1);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 7);
    CHECK(current() == start + 3 * PAGE);
}

int main(void)
{
    /* Before anything else: the C library's heap must not move in between. */
    static char buffer[4096];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    catch_faults();
    RUN(a_bad_value_changes_nothing);
    RUN(grows_by_bytes);
    RUN(shrinks_and_regrows_zeroed);
    RUN(stops_at_a_mapping);
    RUN(a_hundred_megabytes);
    RUN(a_child_has_its_own);
    return finish();
}
