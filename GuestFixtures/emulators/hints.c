/* Hints as static emulators give them: low, plain (not fixed), again after munmap, taken, unaligned, impossible. */
#include "emulators/mappings.h"

/* Below 4 GiB, beyond it, in the middle, and where position-independent programs lie. */
static const uintptr_t AREAS[] = {0x10000000, 0x34800000, 0x60000000, 0x90000000, 0xe0000000, 0x100000000, 0x800000000,
                                  0x2000000000, 0x100000000000, 0x200000000000};
#define AREA_COUNT (sizeof AREAS / sizeof *AREAS)
static const size_t SIZES[] = {PAGE, 3 * PAGE, 64 * KIB, 2 * MIB, 16 * MIB + PAGE};
#define SIZE_COUNT (sizeof SIZES / sizeof *SIZES)

static bytes place(size_t area, size_t size)
{
    return free_place(AREAS[area], AREAS[area] + 0x10000000, 0x1000000, size);
}

static void a_free_hint_is_honoured(void)
{
    for (size_t area = 0; area < AREA_COUNT; area++) {
        for (size_t i = 0; i < SIZE_COUNT; i++) {
            bytes wanted = place(area, SIZES[i]);
            bytes p = map_at(wanted, SIZES[i], 0);
            CHECK(p == wanted);
            CHECK(is_zero(p, PAGE));
            stamp(p, SIZES[i]);
            CHECK(is_stamped(p, SIZES[i]));
            unmap(p, SIZES[i]);
        }
    }
}

static void honoured_with_every_kind_of_mapping(void)
{
    static const int FLAGS[] = {MAP_PRIVATE | MAP_ANONYMOUS, MAP_SHARED | MAP_ANONYMOUS, RESERVE, ANONYMOUS | MAP_STACK,
                                ANONYMOUS | MAP_POPULATE, ANONYMOUS | MAP_DENYWRITE};
    static const int PROTECTIONS[] = {PROT_NONE, PROT_READ, RW, PROT_READ | PROT_EXEC, RW | PROT_EXEC};
    bytes wanted = place(2, MIB);
    for (size_t flag = 0; flag < sizeof FLAGS / sizeof *FLAGS; flag++) {
        for (size_t i = 0; i < sizeof PROTECTIONS / sizeof *PROTECTIONS; i++) {
            CHECK(map_as(wanted, MIB, PROTECTIONS[i], FLAGS[flag]) == wanted);
            unmap(wanted, MIB);
        }
    }
    const char *path = temporary("mapped");
    static char contents[3 * PAGE];
    memset(contents, 'f', sizeof contents);
    write_file(path, contents, sizeof contents);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    for (int sharing = MAP_SHARED; sharing <= MAP_PRIVATE; sharing++) {
        CHECK(mmap(wanted, 2 * PAGE, RW, sharing, fd, PAGE) == wanted);
        CHECK_EQ(wanted[PAGE], 'f');
        unmap(wanted, 2 * PAGE);
    }
    close(fd);
    unlink(path);
}

static void the_same_hint_again_after_munmap(void)
{
    for (size_t area = 0; area < AREA_COUNT; area++) {
        bytes wanted = place(area, 8 * PAGE);
        for (int round = 0; round < 50; round++) {
            size_t size = (1 + round % 8) * PAGE;
            CHECK(map_at(wanted, size, 0) == wanted);
            CHECK(is_zero(wanted, size));
            memset(wanted, round + 1, size);
            /* Taken away in one piece, or page by page. */
            if (round % 2) unmap(wanted, size);
            else for (size_t at = 0; at < size; at += PAGE) unmap(wanted + at, PAGE);
            CHECK_NOTHING_AT(wanted);
        }
    }
}

static void a_taken_hint_is_moved(void)
{
    for (size_t area = 0; area < AREA_COUNT; area++) {
        bytes wanted = place(area, 16 * PAGE);
        bytes middle = wanted + 8 * PAGE;
        CHECK(map_at(middle, PAGE, 0) == middle);
        stamp(middle, PAGE);
        /* At it, over its begin, over its end, around it: moved, never EEXIST, and nothing is lost. */
        const struct { bytes hint; size_t size; } tries[] = {
            {middle, PAGE}, {wanted, 9 * PAGE}, {middle, 8 * PAGE}, {wanted, 16 * PAGE}, {middle + 1, PAGE}};
        for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
            bytes p = map_at(tries[i].hint, tries[i].size, 0);
            CHECK(p != MAP_FAILED && (p + tries[i].size <= middle || p >= middle + PAGE));
            CHECK(is_zero(p, tries[i].size));
            unmap(p, tries[i].size);
        }
        CHECK(is_stamped(middle, PAGE));
        /* Beside it there is room. */
        CHECK(map_at(wanted, 8 * PAGE, 0) == wanted);
        CHECK(map_at(middle + PAGE, 7 * PAGE, 0) == middle + PAGE);
        CHECK(is_stamped(middle, PAGE));
        unmap(wanted, 16 * PAGE);
    }
}

static void unaligned_hints(void)
{
    bytes wanted = place(2, 4 * PAGE);
    /* The page that holds the address: rounded down. */
    static const size_t OFFSETS[] = {1, 5, 0x7ff, 0x800, 0xfff};
    for (size_t i = 0; i < sizeof OFFSETS / sizeof *OFFSETS; i++) {
        CHECK(map_at(wanted + OFFSETS[i], 2 * PAGE, 0) == wanted);
        unmap(wanted, 2 * PAGE);
        /* A length is rounded up. */
        CHECK(map_at(wanted + OFFSETS[i], OFFSETS[i], 0) == wanted);
        CHECK_WRITABLE(wanted + PAGE - 1);
        CHECK_NOTHING_AT(wanted + PAGE);
        unmap(wanted, 1);
        CHECK_ERROR(map_at(wanted + OFFSETS[i], PAGE, MAP_FIXED), EINVAL);
        CHECK_ERROR(map_at(wanted + OFFSETS[i], PAGE, MAP_FIXED_NOREPLACE), EINVAL);
    }
    CHECK_NOTHING_AT(wanted);
}

/* Where a hint in the second page leads. The file may say less than a security module asks for. */
static uintptr_t lowest_address(void)
{
    bytes p = map_at(AT(PAGE), PAGE, 0);
    unmap(p, PAGE);
    unsigned long said = 0;
    FILE *file = fopen("/proc/sys/vm/mmap_min_addr", "r");
    REQUIRE(file && fscanf(file, "%lu", &said) == 1);
    fclose(file);
    CHECK((uintptr_t)p >= said && (uintptr_t)p >= PAGE && (uintptr_t)p <= MIB);
    return (uintptr_t)p;
}

static void below_the_lowest_address(void)
{
    uintptr_t lowest = lowest_address();
    /* A hint that is too low means the lowest address; where that is taken, anywhere. */
    for (uintptr_t hint = PAGE; hint <= lowest; hint += PAGE) {
        bytes p = map_at(AT(hint + 3), PAGE, 0);
        CHECK_EQ((uintptr_t)p, lowest);
        unmap(p, PAGE);
    }
    bytes p = map_at(AT(lowest), PAGE, MAP_FIXED_NOREPLACE);
    CHECK_EQ((uintptr_t)p, lowest);
    stamp(p, PAGE);
    bytes moved = map_at(AT(PAGE), PAGE, 0);
    CHECK(moved != MAP_FAILED && moved != p);
    unmap(moved, PAGE);
    CHECK(is_stamped(p, PAGE));
    unmap(p, PAGE);
    /* Within the first page it is no hint at all. */
    bytes unhinted = next_unhinted(PAGE);
    p = map_at(AT(0xfff), PAGE, 0);
    CHECK(p == unhinted);
    unmap(p, PAGE);
}

static void beyond_what_there_is(void)
{
    /* The kernel's half, what is no address at all, and lengths that reach over the end. */
    static const uintptr_t HINTS[] = {0xffff800000000000, 0xfffffffffffff000, 0x8000000000000000, 0x0800000000000000,
                                      0x0100000000000000, 0xffffffffff600000};
    for (size_t i = 0; i < sizeof HINTS / sizeof *HINTS; i++) {
        bytes p = map_at(AT(HINTS[i]), 2 * PAGE, 0);
        CHECK(p != MAP_FAILED && (uintptr_t)p < USER_TOP);
        stamp(p, 2 * PAGE);
        unmap(p, 2 * PAGE);
        CHECK_ERROR(map_at(AT(HINTS[i]), PAGE, MAP_FIXED), ENOMEM);
        CHECK_ERROR(map_at(AT(HINTS[i]), PAGE, MAP_FIXED_NOREPLACE), ENOMEM);
    }
    /* At the very end of user space, and beyond the first 47 bits. */
    for (uintptr_t hint = (USER_TOP) - 4 * PAGE; hint <= (1UL << 47) + PAGE; hint += PAGE) {
        bytes p = map_at(AT(hint), 8 * PAGE, 0);
        CHECK(p != MAP_FAILED);
        stamp(p, 8 * PAGE);
        unmap(p, 8 * PAGE);
    }
    CHECK_ERROR(map_at(AT(0x10000000), ~0UL << 12, 0), ENOMEM);
    CHECK_ERROR(map_at(AT(0x10000000), USER_TOP, 0), ENOMEM);
    CHECK_ERROR(map_at(AT(0x10000000), USER_TOP, MAP_FIXED), ENOMEM);
    CHECK_ERROR(map_at(AT(0x10000000), 0, 0), EINVAL);
}

/* All that is tried low leaves the next mapping without a hint where it was. */
static void unhinted_mappings_are_not_disturbed(void)
{
    bytes before = next_unhinted(PAGE), before_large = next_unhinted(64 * MIB);
    for (size_t area = 0; area < AREA_COUNT; area++) {
        bytes wanted = place(area, 16 * MIB);
        CHECK(map_at(wanted, 16 * MIB, 0) == wanted);
        CHECK(next_unhinted(PAGE) == before);
        unmap(wanted, 16 * MIB);
        CHECK(next_unhinted(PAGE) == before);
        CHECK(map_at(wanted, PAGE, MAP_FIXED_NOREPLACE) == wanted);
        CHECK_ERROR(map_at(wanted, PAGE, MAP_FIXED_NOREPLACE), EEXIST);
        CHECK(next_unhinted(PAGE) == before);
        CHECK(next_unhinted(64 * MIB) == before_large);
        unmap(wanted, PAGE);
    }
#ifdef MAP_32BIT
    bytes low = map_at(NULL, PAGE, MAP_32BIT);
    CHECK((uintptr_t)low < 0x80000000);
    CHECK(next_unhinted(PAGE) == before);
    unmap(low, PAGE);
#endif
    CHECK(next_unhinted(PAGE) == before && next_unhinted(64 * MIB) == before_large);
}

static void one_after_the_other_by_hints(void)
{
    /* An emulator's own allocator: each hint is the end of the mapping before. Half are then given back. */
    enum { COUNT = 200 };
    bytes start = place(3, COUNT * 4 * PAGE), next = start;
    for (int i = 0; i < COUNT; i++) {
        CHECK(map_at(next, 4 * PAGE, 0) == next);
        stamp(next, 4 * PAGE);
        next += 4 * PAGE;
    }
    for (int i = 0; i < COUNT; i += 2) unmap(start + i * 4 * PAGE, 4 * PAGE);
    for (int i = 0; i < COUNT; i++) {
        bytes wanted = start + i * 4 * PAGE;
        bytes p = map_at(wanted, 4 * PAGE, 0);
        CHECK((p == wanted) == (i % 2 == 0));
        if (p != wanted) unmap(p, 4 * PAGE);
    }
    for (int i = 0; i < COUNT; i++) {
        bytes p = start + i * 4 * PAGE;
        CHECK(i % 2 ? is_stamped(p, 4 * PAGE) : is_zero(p, 4 * PAGE));
    }
    unmap(start, COUNT * 4 * PAGE);
}

static void downwards_from_the_mmap_base(void)
{
    /* Hints below what the kernel gives by itself, and between its mappings. */
    bytes first = map_at(NULL, 64 * PAGE, 0);
    for (size_t distance = MIB; distance <= 8 * GIB; distance *= 4) {
        bytes wanted = AT(((uintptr_t)first - distance) & ~0xffffUL);
        if (!is_free(wanted, 4 * PAGE)) continue;
        CHECK(map_at(wanted, 4 * PAGE, 0) == wanted);
        unmap(wanted, 4 * PAGE);
    }
    unmap(first + 16 * PAGE, 4 * PAGE);
    CHECK(map_at(first + 16 * PAGE, 4 * PAGE, 0) == first + 16 * PAGE);
    unmap(first + 16 * PAGE, 4 * PAGE);
    bytes larger = map_at(first + 16 * PAGE, 5 * PAGE, 0);
    CHECK(larger + 5 * PAGE <= first || larger >= first + 64 * PAGE);
    unmap(larger, 5 * PAGE);
    unmap(first, 64 * PAGE);
}

int main(void)
{
    static char buffer[BUFSIZ];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    catch_faults();
    RUN(a_free_hint_is_honoured);
    RUN(honoured_with_every_kind_of_mapping);
    RUN(the_same_hint_again_after_munmap);
    RUN(a_taken_hint_is_moved);
    RUN(unaligned_hints);
    RUN(below_the_lowest_address);
    RUN(beyond_what_there_is);
    RUN(unhinted_mappings_are_not_disturbed);
    RUN(one_after_the_other_by_hints);
    RUN(downwards_from_the_mmap_base);
    return finish();
}
