/* Anonymous mappings: zeroed, placed where Linux would place them, taken away in parts. */
#include "faults.h"

static void *map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(p != MAP_FAILED);
    return p;
}

static void zeroed(void)
{
    unsigned char *p = map(64 * PAGE);
    for (size_t i = 0; i < 64 * PAGE; i++) CHECK(p[i] == 0);
    memset(p, 1, 64 * PAGE);
    CHECK_OK(munmap(p, 64 * PAGE));
    CHECK_NOTHING_AT(p);
    CHECK_NOTHING_AT(p + 64 * PAGE - 1);
}

static void lengths_are_rounded_up(void)
{
    unsigned char *p = map(1);
    memset(p, 1, PAGE);
    CHECK_OK(munmap(p, 1));
    CHECK_NOTHING_AT(p + PAGE - 1);
}

static void arguments_are_checked(void)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    CHECK_ERROR(mmap(NULL, 0, PROT_READ, flags, -1, 0), EINVAL);
    CHECK_ERROR(mmap(NULL, USER_TOP, PROT_READ, flags | MAP_NORESERVE, -1, 0), ENOMEM);
    CHECK_ERROR(mmap(NULL, -1UL, PROT_READ, flags, -1, 0), ENOMEM);
    CHECK_ERROR(syscall(SYS_mmap, NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
    CHECK_ERROR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0), EBADF);
    CHECK_ERROR(syscall(SYS_mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, 0, 1), EINVAL);
    CHECK_ERROR(mmap((void *)(PAGE + 1), PAGE, PROT_READ, flags | MAP_FIXED, -1, 0), EINVAL);
    unsigned char *p = map(PAGE);
    CHECK_ERROR(syscall(SYS_munmap, p + 1, PAGE), EINVAL);
    CHECK_ERROR(munmap(p, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_munmap, (void *)0xffff800000000000, PAGE), EINVAL);
    CHECK_ERROR(syscall(SYS_munmap, p, -PAGE), EINVAL);
    /* What is not mapped can be unmapped. */
    CHECK_OK(munmap(p, PAGE));
    CHECK_OK(munmap(p, PAGE));
}

static void a_hole_in_the_middle(void)
{
    unsigned char *p = map(5 * PAGE);
    memset(p, 7, 5 * PAGE);
    CHECK_OK(munmap(p + 2 * PAGE, PAGE));
    CHECK_EQ(p[2 * PAGE - 1], 7);
    CHECK_EQ(p[3 * PAGE], 7);
    CHECK_NOTHING_AT(p + 2 * PAGE);
    CHECK_NOTHING_AT(p + 3 * PAGE - 1);
    /* One call takes both sides and the hole. */
    CHECK_OK(munmap(p, 5 * PAGE));
    CHECK_NOTHING_AT(p);
    CHECK_NOTHING_AT(p + 4 * PAGE);
}

static void never_two_at_one_place(void)
{
    enum { COUNT = 500 };
    static unsigned char *blocks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = map((i % 7 + 1) * PAGE);
        for (int page = 0; page < i % 7 + 1; page++) {
            CHECK_EQ(blocks[i][page * PAGE], 0);
            blocks[i][page * PAGE] = (unsigned char)i;
        }
    }
    for (int i = 0; i < COUNT; i++)
        for (int page = 0; page < i % 7 + 1; page++) CHECK_EQ(blocks[i][page * PAGE], (unsigned char)i);
    for (int i = 0; i < COUNT; i++) CHECK_OK(munmap(blocks[i], (i % 7 + 1) * PAGE));
}

static void large_and_sparse(void)
{
    size_t size = 8UL << 30;
    unsigned char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(p != MAP_FAILED);
    for (size_t at = 0; at < size; at += 128UL << 20) {
        CHECK_EQ(p[at], 0);
        p[at] = 1;
        p[at + PAGE - 1] = 2;
    }
    CHECK_EQ(p[size - 1], 0);
    CHECK_OK(munmap(p, size));
    CHECK_NOTHING_AT(p + (1UL << 30));
}

static void shared_with_a_child(void)
{
    int *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int *private = map(PAGE);
    REQUIRE(shared != MAP_FAILED);
    *private = 1;
    pid_t pid = fork();
    if (pid == 0) {
        *shared = 42;
        *private = 42;
        _exit(*private == 42 ? 0 : 1);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(*shared, 42);
    CHECK_EQ(*private, 1);
}

static void populated_and_locked(void)
{
    unsigned char *p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_EQ(p[15 * PAGE], 0);
    unsigned char *locked = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
    CHECK(locked != MAP_FAILED);
    /* Flags that no kernel knows are ignored in a mapping that does not ask for validation. */
    void *odd = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | 0x40000000, -1, 0);
    CHECK(odd != MAP_FAILED);
}

int main(void)
{
    catch_faults();
    RUN(zeroed);
    RUN(lengths_are_rounded_up);
    RUN(arguments_are_checked);
    RUN(a_hole_in_the_middle);
    RUN(never_two_at_one_place);
    RUN(large_and_sparse);
    RUN(shared_with_a_child);
    RUN(populated_and_locked);
    return finish();
}
