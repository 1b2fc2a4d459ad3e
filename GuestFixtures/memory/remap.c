/* mremap in all its forms. */
#include "faults.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static unsigned char *map(size_t size)
{
    unsigned char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(p != MAP_FAILED);
    for (size_t at = 0; at < size; at += PAGE) p[at] = (unsigned char)(at / PAGE + 1);
    return p;
}

static void *remap(void *old, size_t old_size, size_t new_size, int flags, void *target)
{
    return (void *)syscall(SYS_mremap, old, old_size, new_size, flags, target);
}

static void shrinks_in_place(void)
{
    unsigned char *p = map(4 * PAGE);
    CHECK(remap(p, 4 * PAGE, 2 * PAGE, 0, NULL) == p);
    CHECK_EQ(p[PAGE], 2);
    CHECK_NOTHING_AT(p + 2 * PAGE);
    /* The same size: nothing happens. */
    CHECK(remap(p, 2 * PAGE, 2 * PAGE, 0, NULL) == p);
}

static void grows_in_place(void)
{
    unsigned char *p = map(8 * PAGE);
    munmap(p + 2 * PAGE, 6 * PAGE);
    CHECK(remap(p, 2 * PAGE, 6 * PAGE, 0, NULL) == p);
    CHECK_EQ(p[PAGE], 2);
    CHECK_EQ(p[5 * PAGE], 0);
    CHECK_WRITABLE(p + 6 * PAGE - 1);
}

static void cannot_grow_into_another(void)
{
    unsigned char *p = map(4 * PAGE);
    mprotect(p + 2 * PAGE, 2 * PAGE, PROT_READ);
    CHECK_ERROR(remap(p, 2 * PAGE, 3 * PAGE, 0, NULL), ENOMEM);
    CHECK_EQ(p[2 * PAGE], 3);
}

static void moves_when_it_may(void)
{
    unsigned char *p = map(4 * PAGE);
    mprotect(p + 2 * PAGE, 2 * PAGE, PROT_READ);
    unsigned char *q = remap(p, 2 * PAGE, 100 * PAGE, MREMAP_MAYMOVE, NULL);
    CHECK(q != MAP_FAILED && q != p);
    CHECK_EQ(q[0], 1);
    CHECK_EQ(q[PAGE], 2);
    CHECK_EQ(q[99 * PAGE], 0);
    CHECK_NOTHING_AT(p);
    CHECK_EQ(p[2 * PAGE], 3);
}

static void to_a_fixed_place(void)
{
    unsigned char *p = map(2 * PAGE), *target = map(4 * PAGE);
    CHECK(remap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target + PAGE) == target + PAGE);
    CHECK_EQ(target[0], 1);
    CHECK_EQ(target[PAGE], 1);
    CHECK_EQ(target[2 * PAGE], 2);
    CHECK_EQ(target[3 * PAGE], 4);
    CHECK_NOTHING_AT(p);
    /* Grown or shrunk on the way. */
    p = map(4 * PAGE);
    CHECK(remap(p, 4 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target);
    CHECK_EQ(target[PAGE], 2);
    CHECK_NOTHING_AT(p + 3 * PAGE);
}

static void leaving_the_old_mapping(void)
{
    unsigned char *p = map(3 * PAGE);
    unsigned char *q = remap(p, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    REQUIRE(q != MAP_FAILED);
    CHECK_EQ(q[2 * PAGE], 3);
    CHECK_EQ(p[2 * PAGE], 0);
    CHECK_WRITABLE(p);
    CHECK_EQ(q[0], 1);
}

static void a_second_view_of_a_shared_one(void)
{
    unsigned char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned char *q = remap(p, 0, PAGE, MREMAP_MAYMOVE, NULL);
    REQUIRE(q != MAP_FAILED);
    p[5] = 77;
    CHECK_EQ(q[5], 77);
}

static void errors(void)
{
    unsigned char *p = map(4 * PAGE);
    CHECK_ERROR(remap(p + 1, PAGE, PAGE, 0, NULL), EINVAL);
    CHECK_ERROR(remap(p, PAGE, 0, 0, NULL), EINVAL);
    CHECK_ERROR(remap(p, PAGE, PAGE, 0x100, NULL), EINVAL);
    CHECK_ERROR(remap(p, PAGE, PAGE, MREMAP_FIXED, p + 2 * PAGE), EINVAL);
    CHECK_ERROR(remap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + PAGE), EINVAL);
    CHECK_ERROR(remap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + PAGE + 3), EINVAL);
    munmap(p + 2 * PAGE, 2 * PAGE);
    CHECK_ERROR(remap(p + 2 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE, NULL), EFAULT);
    CHECK_ERROR(remap(p, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE, NULL), EFAULT);
    CHECK_EQ(p[0], 1);
}

static void a_growing_buffer(void)
{
    size_t size = PAGE;
    unsigned char *p = map(size);
    while (size < 256UL << 20) {
        p = remap(p, size, 2 * size, MREMAP_MAYMOVE, NULL);
        REQUIRE(p != MAP_FAILED);
        CHECK_EQ(p[0], 1);
        CHECK_EQ(p[2 * size - 1], 0);
        p[2 * size - 1] = 9;
        p[size - 1] = 0;
        size *= 2;
    }
    CHECK_OK(munmap(p, size));
}

int main(void)
{
    catch_faults();
    RUN(shrinks_in_place);
    RUN(grows_in_place);
    RUN(cannot_grow_into_another);
    RUN(moves_when_it_may);
    RUN(to_a_fixed_place);
    RUN(leaving_the_old_mapping);
    RUN(a_second_view_of_a_shared_one);
    RUN(errors);
    RUN(a_growing_buffer);
    return finish();
}
