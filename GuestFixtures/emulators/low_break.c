/* The break of a program that lies low, beside the images that an emulator maps around it, and breaks that it emulates. */
#include "emulators/mappings.h"

static bytes brk_to(const void *wanted)
{
    return (bytes)syscall(SYS_brk, wanted);
}

static bytes start, page;

static void page_by_page(void)
{
    start = brk_to(NULL);
    page = AT(((uintptr_t)start + PAGE - 1) & ~(PAGE - 1));
    for (size_t size = 1; size <= 5 * PAGE; size += 511) {
        CHECK(brk_to(page + size) == page + size);
        CHECK(brk_to(NULL) == page + size);
        bytes end = AT(((uintptr_t)page + size + PAGE - 1) & ~(PAGE - 1));
        end[-1] = 1;
        CHECK_NOTHING_AT(end);
    }
    /* Less within a page keeps it, less by a page loses what was in it. */
    CHECK(brk_to(page + 2 * PAGE) == page + 2 * PAGE);
    memset(page, 0xab, 2 * PAGE);
    CHECK(brk_to(page + PAGE + 1) == page + PAGE + 1);
    CHECK_EQ(page[2 * PAGE - 1], 0xab);
    CHECK(brk_to(page + 2 * PAGE) == page + 2 * PAGE);
    CHECK_EQ(page[2 * PAGE - 1], 0xab);
    CHECK(brk_to(page + PAGE) == page + PAGE);
    CHECK_NOTHING_AT(page + PAGE);
    CHECK(brk_to(page + 2 * PAGE) == page + 2 * PAGE);
    CHECK(is_zero(page + PAGE, PAGE));
    CHECK_EQ(page[PAGE - 1], 0xab);
    CHECK(brk_to(start) == start);
}

static void zero_after_regrowing(void)
{
    for (int round = 0; round < 20; round++) {
        size_t size = (1 + round * 7 % 40) * PAGE;
        CHECK(brk_to(page + size) == page + size);
        CHECK(is_zero(page, size));
        memset(page, 0xff, size);
        CHECK(brk_to(start) == start);
        CHECK_NOTHING_AT(page);
    }
}

static void images_in_its_way(void)
{
    /* A plain hint where the break would grow to is honoured; then the break ends a page before it. */
    bytes wall = page + 256 * PAGE;
    CHECK(map_at(wall, 4 * PAGE, 0) == wall);
    stamp(wall, 4 * PAGE);
    CHECK(brk_to(wall + 1) == start);
    CHECK(brk_to(wall) == start);
    CHECK(brk_to(wall - PAGE) == wall - PAGE);
    CHECK(brk_to(wall - PAGE + 1) == wall - PAGE);
    memset(page, 1, 255 * PAGE);
    CHECK(is_stamped(wall, 4 * PAGE));
    /* The page between is free for who asks for it. */
    CHECK(map_at(wall - PAGE, PAGE, MAP_FIXED_NOREPLACE) == wall - PAGE);
    CHECK(brk_to(NULL) == wall - PAGE);
    unmap(wall - PAGE, 5 * PAGE);
    CHECK(brk_to(wall + 4 * PAGE) == wall + 4 * PAGE);
    CHECK(is_zero(wall - PAGE, 5 * PAGE));
    CHECK_EQ(page[0], 1);
    CHECK(brk_to(start) == start);
}

static void holes_in_the_heap(void)
{
    CHECK(brk_to(page + 16 * PAGE) == page + 16 * PAGE);
    memset(page, 5, 16 * PAGE);
    unmap(page + 4 * PAGE, 2 * PAGE);
    CHECK_NOTHING_AT(page + 4 * PAGE);
    /* The break stands where it stood, and moves on; what is missing stays missing. */
    CHECK(brk_to(page + 17 * PAGE) == page + 17 * PAGE);
    CHECK_NOTHING_AT(page + 5 * PAGE);
    CHECK(map_as(page + 4 * PAGE, PAGE, PROT_READ, ANONYMOUS) == page + 4 * PAGE);
    CHECK_FAULT(write_fault, page + 4 * PAGE, SIGSEGV, SEGV_ACCERR);
    CHECK(brk_to(page + 2 * PAGE) == page + 2 * PAGE);
    CHECK_NOTHING_AT(page + 4 * PAGE);
    CHECK(brk_to(page + 16 * PAGE) == page + 16 * PAGE);
    CHECK(is_zero(page + 2 * PAGE, 14 * PAGE));
    CHECK(brk_to(start) == start);
}

/* qemu-user's way: the guest's break is mapped piece by piece behind its image, where nothing may be replaced. */
static void an_emulated_break(void)
{
    bytes image = free_place(0x10000000, 0x30000000, MIB, 4 * MIB), end = image + 4 * PAGE;
    CHECK(map_at(image, 4 * PAGE, 0) == image);
    for (int i = 0; i < 32; i++) {
        CHECK(map_at(end, 3 * PAGE, MAP_FIXED_NOREPLACE) == end);
        CHECK(is_zero(end, 3 * PAGE));
        memset(end, i + 1, 3 * PAGE);
        end += 3 * PAGE;
    }
    unmap(end - 48 * PAGE, 48 * PAGE);
    CHECK_EQ(end[-48 * (long)PAGE - 1], 16);
    CHECK(map_at(end - 48 * PAGE, 48 * PAGE, MAP_FIXED_NOREPLACE) == end - 48 * PAGE);
    CHECK(is_zero(end - 48 * PAGE, 48 * PAGE));
    CHECK(brk_to(NULL) == start);
    unmap(image, end - image);
}

int main(void)
{
    static char buffer[BUFSIZ];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    catch_faults();
    RUN(page_by_page);
    RUN(zero_after_regrowing);
    RUN(images_in_its_way);
    RUN(holes_in_the_heap);
    RUN(an_emulated_break);
    return finish();
}
