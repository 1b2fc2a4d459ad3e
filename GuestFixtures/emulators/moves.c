/* mremap to places that an emulator chooses, and what MREMAP_DONTUNMAP makes of a hint. */
#include "emulators/mappings.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static bytes move(const void *old, size_t old_size, size_t size, int flags, const void *wanted)
{
    return (bytes)syscall(SYS_mremap, old, old_size, size, flags, wanted);
}

#define FIXED (MREMAP_MAYMOVE | MREMAP_FIXED)
#define DONTUNMAP (MREMAP_MAYMOVE | MREMAP_DONTUNMAP)

/* The stamps of `original`, wherever they are now. */
static int holds(const unsigned char *at, const unsigned char *original, size_t size)
{
    for (size_t i = 0; i < size; i += PAGE) {
        if (*(const uintptr_t *)(at + i) != ((uintptr_t)(original + i) ^ 0x5eed)) return 0;
    }
    return 1;
}

static void to_a_low_place_and_back(void)
{
    static const uintptr_t PLACES[] = {0x10000000, 0x60000000, 0xe0000000, 0x200000000, 0x100000000000};
    bytes high = map_at(NULL, 8 * PAGE, 0), first = high;
    stamp(high, 8 * PAGE);
    for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; i++) {
        bytes low = free_place(PLACES[i], PLACES[i] + 0x10000000, MIB, 16 * PAGE);
        CHECK(move(high, 8 * PAGE, 8 * PAGE, FIXED, low) == low);
        CHECK(holds(low, first, 8 * PAGE));
        CHECK_NOTHING_AT(high);
        /* Longer on the way: zero behind. Shorter: the rest is gone. */
        CHECK(move(low, 8 * PAGE, 12 * PAGE, FIXED, low + 64 * PAGE) == low + 64 * PAGE);
        CHECK(holds(low + 64 * PAGE, first, 8 * PAGE) && is_zero(low + 72 * PAGE, 4 * PAGE));
        CHECK(move(low + 64 * PAGE, 12 * PAGE, 8 * PAGE, FIXED, high) == high);
        CHECK(holds(high, first, 8 * PAGE));
        CHECK_NOTHING_AT(low + 64 * PAGE);
        CHECK_NOTHING_AT(low + 75 * PAGE);
    }
    unmap(high, 8 * PAGE);
}

static void over_what_is_there(void)
{
    bytes target = free_place(0x60000000, 0x70000000, MIB, 16 * PAGE), source = map_at(NULL, 4 * PAGE, 0);
    CHECK(map_at(target, 16 * PAGE, 0) == target);
    stamp(target, 16 * PAGE);
    stamp(source, 4 * PAGE);
    CHECK(move(source, 4 * PAGE, 4 * PAGE, FIXED, target + 4 * PAGE) == target + 4 * PAGE);
    CHECK(is_stamped(target, 4 * PAGE) && is_stamped(target + 8 * PAGE, 8 * PAGE));
    CHECK(holds(target + 4 * PAGE, source, 4 * PAGE));
    /* Onto itself, unaligned, and to no address at all. */
    CHECK_ERROR(move(target, 4 * PAGE, 4 * PAGE, FIXED, target + PAGE), EINVAL);
    CHECK_ERROR(move(target, 4 * PAGE, 4 * PAGE, FIXED, target + 32 * PAGE + 1), EINVAL);
    CHECK_ERROR(move(target, 4 * PAGE, 4 * PAGE, MREMAP_FIXED, target + 32 * PAGE), EINVAL);
    CHECK_ERROR(move(target, 4 * PAGE, 4 * PAGE, FIXED, AT(0xffff800000000000)), EINVAL);
    CHECK_ERROR(move(target, 4 * PAGE, 4 * PAGE, FIXED, AT(USER_TOP)), EINVAL);
    CHECK_ERROR(move(target + 64 * PAGE, 4 * PAGE, 4 * PAGE, FIXED, target + 32 * PAGE), EFAULT);
    CHECK(is_stamped(target, 4 * PAGE));
    unmap(target, 16 * PAGE);
}

static void grown_where_it_lies(void)
{
    /* Below a taken place it cannot grow; it may move, and then it leaves. */
    bytes low = free_place(0x60000000, 0x70000000, MIB, 16 * PAGE);
    CHECK(map_at(low, 2 * PAGE, 0) == low);
    stamp(low, 2 * PAGE);
    CHECK(move(low, 2 * PAGE, 4 * PAGE, 0, NULL) == low);
    CHECK(is_zero(low + 2 * PAGE, 2 * PAGE));
    CHECK(map_at(low + 4 * PAGE, PAGE, 0) == low + 4 * PAGE);
    CHECK_ERROR(move(low, 4 * PAGE, 5 * PAGE, 0, NULL), ENOMEM);
    CHECK(is_stamped(low, 2 * PAGE));
    bytes moved = move(low, 4 * PAGE, 5 * PAGE, MREMAP_MAYMOVE, NULL);
    CHECK(moved != MAP_FAILED && moved != low && holds(moved, low, 2 * PAGE));
    CHECK_NOTHING_AT(low);
    /* A new address without MREMAP_FIXED says nothing. */
    stamp(moved, PAGE);
    CHECK(move(moved, 5 * PAGE, 3 * PAGE, MREMAP_MAYMOVE, low) == moved);
    CHECK(is_stamped(moved, PAGE));
    unmap(moved, 3 * PAGE);
    CHECK(map_at(low, 4 * PAGE, 0) == low);
    unmap(low, 5 * PAGE);
}

static void left_behind(void)
{
    bytes source = map_at(NULL, 4 * PAGE, 0), low = free_place(0x60000000, 0x70000000, MIB, 16 * PAGE);
    stamp(source, 4 * PAGE);
    /* With MREMAP_DONTUNMAP the address is a hint: honoured where it is free, moved where it is taken. */
    CHECK(move(source, 4 * PAGE, 4 * PAGE, DONTUNMAP, low) == low);
    CHECK(holds(low, source, 4 * PAGE));
    CHECK(is_zero(source, 4 * PAGE));
    stamp(source, 4 * PAGE);
    bytes other = move(source, 4 * PAGE, 4 * PAGE, DONTUNMAP, low);
    CHECK(other != MAP_FAILED && other != low && holds(other, source, 4 * PAGE));
    CHECK(holds(low, source, 4 * PAGE));
    /* And where MREMAP_FIXED is there too it replaces. */
    memset(source, 9, 4 * PAGE);
    CHECK(move(source, 4 * PAGE, 4 * PAGE, DONTUNMAP | MREMAP_FIXED, low) == low);
    CHECK_EQ(low[0], 9);
    CHECK_ERROR(move(source, 4 * PAGE, 5 * PAGE, DONTUNMAP, low + 8 * PAGE), EINVAL);
    unmap(source, 4 * PAGE);
    unmap(other, 4 * PAGE);
    unmap(low, 4 * PAGE);
}

static void a_shared_mapping_twice(void)
{
    bytes source = (bytes)syscall(SYS_mmap, NULL, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0L);
    bytes low = free_place(0x60000000, 0x70000000, MIB, 4 * PAGE);
    stamp(source, 4 * PAGE);
    /* Old length 0: the same memory at a second place, one writable, one executable in an emulator. */
    CHECK(move(source, 0, 4 * PAGE, FIXED, low) == low);
    CHECK(holds(low, source, 4 * PAGE));
    low[PAGE + 8] = 77;
    CHECK_EQ(source[PAGE + 8], 77);
    CHECK_OK(mprotect(low, 4 * PAGE, PROT_READ | PROT_EXEC));
    write_function(source + 2 * PAGE, 42);
    CHECK_EQ(((int (*)(void))(low + 2 * PAGE))(), 42);
    CHECK_FAULT(write_fault, low, SIGSEGV, SEGV_ACCERR);
    unmap(source, 4 * PAGE);
    CHECK_EQ(((int (*)(void))(low + 2 * PAGE))(), 42);
    unmap(low, 4 * PAGE);
}

static void code_that_moves(void)
{
    bytes source = map_as(NULL, PAGE, RW | PROT_EXEC, ANONYMOUS), low = free_place(0x60000000, 0x70000000, MIB, PAGE);
    write_function(source, 7);
    CHECK_EQ(((int (*)(void))source)(), 7);
    for (int i = 0; i < 10; i++) {
        CHECK(move(source, PAGE, PAGE, FIXED, low) == low);
        CHECK_EQ(((int (*)(void))low)(), 7);
        CHECK_EQ(FAULT_OF(((int (*)(void))source)()), SIGSEGV);
        CHECK(move(low, PAGE, PAGE, FIXED, source) == source);
        CHECK_EQ(((int (*)(void))source)(), 7);
        CHECK_EQ(FAULT_OF(((int (*)(void))low)()), SIGSEGV);
    }
    unmap(source, PAGE);
}

int main(void)
{
    static char buffer[BUFSIZ];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    catch_faults();
    RUN(to_a_low_place_and_back);
    RUN(over_what_is_there);
    RUN(grown_where_it_lies);
    RUN(left_behind);
    RUN(a_shared_mapping_twice);
    RUN(code_that_moves);
    return finish();
}
