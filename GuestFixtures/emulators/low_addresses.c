/* The first four gigabytes, where emulators of 32-bit machines live: MAP_32BIT, MAP_FIXED_NOREPLACE, and both with hints. */
#include "emulators/mappings.h"

static void in_the_first_two_gigabytes(void)
{
    /* A hint that fits is honoured; without one, or with one that does not fit, the kernel finds a place of its own. */
    bytes wanted = free_place(0x50000000, 0x70000000, MIB, 16 * PAGE);
    CHECK(map_at(wanted, 16 * PAGE, MAP_32BIT) == wanted);
    stamp(wanted, 16 * PAGE);
    static const uintptr_t HINTS[] = {0, 0x90000000, 0xfffff000, 0x100000000, 0x7f0000000000, 0x7fffffff0000};
    for (size_t i = 0; i < sizeof HINTS / sizeof *HINTS; i++) {
        bytes p = map_at(AT(HINTS[i]), 16 * PAGE, MAP_32BIT);
        CHECK(p != MAP_FAILED && (uintptr_t)p + 16 * PAGE <= 0x80000000 && (uintptr_t)p >= 0x40000000);
        stamp(p, 16 * PAGE);
        unmap(p, 16 * PAGE);
    }
    bytes moved = map_at(wanted + 4 * PAGE, 4 * PAGE, MAP_32BIT);
    CHECK(moved != MAP_FAILED && (uintptr_t)moved < 0x80000000 && (moved + 4 * PAGE <= wanted || moved >= wanted + 16 * PAGE));
    unmap(moved, 4 * PAGE);
    CHECK(is_stamped(wanted, 16 * PAGE));
    unmap(wanted, 16 * PAGE);
    /* Below the window that the kernel itself uses a hint still counts. */
    wanted = free_place(0x20000000, 0x30000000, MIB, PAGE);
    CHECK(map_at(wanted, PAGE, MAP_32BIT) == wanted);
    unmap(wanted, PAGE);
    /* MAP_FIXED makes the flag mean nothing. */
    wanted = free_place(0x2000000000, 0x3000000000, GIB, PAGE);
    CHECK(map_at(wanted, PAGE, MAP_32BIT | MAP_FIXED) == wanted);
    unmap(wanted, PAGE);
    CHECK(map_at(wanted, PAGE, MAP_32BIT | MAP_FIXED_NOREPLACE) == wanted);
    unmap(wanted, PAGE);
}

static void until_nothing_is_left(void)
{
    /* A gigabyte less what is there already, in pieces; then ENOMEM, and room again for what is given back. */
    enum { PIECE = 64 * 1024 * 1024, MOST = 20 };
    bytes pieces[MOST];
    int count = 0;
    while (count < MOST) {
        bytes p = map_as(NULL, PIECE, PROT_NONE, RESERVE | MAP_32BIT);
        if (p == MAP_FAILED) break;
        pieces[count++] = p;
    }
    CHECK_EQ(errno, ENOMEM);
    CHECK(count >= 8 && count <= 16);
    CHECK_ERROR(map_as(NULL, GIB, PROT_NONE, RESERVE | MAP_32BIT), ENOMEM);
    for (int i = 0; i < count; i++) {
        CHECK((uintptr_t)pieces[i] + PIECE <= 0x80000000);
        for (int j = 0; j < i; j++) CHECK(pieces[i] != pieces[j]);
    }
    unmap(pieces[count / 2], PIECE);
    bytes again = map_as(NULL, PIECE, PROT_NONE, RESERVE | MAP_32BIT);
    CHECK(again == pieces[count / 2]);
    for (int i = 0; i < count; i++) unmap(pieces[i], PIECE);
}

static void a_probe_for_every_place(void)
{
    /* wine and qemu look so: a fixed probe that replaces nothing, at each megabyte. */
    int found = 0;
    for (uintptr_t at = 0x10000; at < 0x100000000; at += 16 * MIB) {
        bytes p = map_as(AT(at), 64 * KIB, PROT_NONE, RESERVE | MAP_FIXED_NOREPLACE);
        if (p == MAP_FAILED) {
            CHECK_EQ(errno, EEXIST);
            continue;
        }
        CHECK(p == AT(at));
        found++;
        CHECK_OK(mprotect(p, 64 * KIB, RW));
        stamp(p, 64 * KIB);
        CHECK_ERROR(map_as(AT(at), PAGE, PROT_NONE, RESERVE | MAP_FIXED_NOREPLACE), EEXIST);
        CHECK_ERROR(map_as(AT(at) + 60 * KIB, 64 * KIB, PROT_NONE, RESERVE | MAP_FIXED_NOREPLACE), EEXIST);
        CHECK(is_stamped(p, 64 * KIB));
        unmap(p, 64 * KIB);
    }
    /* All but what the program, its heap and what began beside it occupy. */
    CHECK(found >= 240);
}

static void a_whole_32_bit_machine(void)
{
    /* From the end of what lies low to 4 GiB, as reserved_va does it: in one piece, or up to what is taken. */
    uintptr_t start = 0x80000000;
    bytes p = map_as(AT(start), 2 * GIB, PROT_NONE, RESERVE | MAP_FIXED_NOREPLACE);
    CHECK(p == AT(start));
    CHECK(map_at(AT(0xc0000000), 8 * PAGE, MAP_FIXED) == AT(0xc0000000));
    CHECK(map_at(AT(0xfffff000), PAGE, MAP_FIXED) == AT(0xfffff000));
    AT(0xffffffff)[0] = 7;
    stamp(AT(0xc0000000), 8 * PAGE);
    CHECK_NOTHING_AT(0x100000000);
    /* An unhinted mapping keeps away, whatever there is room for. */
    bytes next = map_at(NULL, PAGE, 0);
    CHECK((uintptr_t)next >= 0x100000000);
    unmap(next, PAGE);
    CHECK_EQ(AT(0xffffffff)[0], 7);
    CHECK(is_stamped(AT(0xc0000000), 8 * PAGE));
    unmap(p, 2 * GIB);
}

static void noreplace_where_nothing_is(void)
{
    bytes wanted = free_place(0x60000000, 0x70000000, MIB, 64 * PAGE);
    CHECK(map_at(wanted, 16 * PAGE, MAP_FIXED_NOREPLACE) == wanted);
    /* Side by side on both ends; over an edge by one page it fails and changes nothing. */
    CHECK_ERROR(map_at(wanted + 15 * PAGE, 2 * PAGE, MAP_FIXED_NOREPLACE), EEXIST);
    CHECK_NOTHING_AT(wanted + 16 * PAGE);
    CHECK(map_at(wanted + 16 * PAGE, PAGE, MAP_FIXED_NOREPLACE) == wanted + 16 * PAGE);
    CHECK_ERROR(map_at(wanted + 17 * PAGE, PAGE, MAP_FIXED_NOREPLACE | MAP_HUGETLB), EINVAL);
    /* With MAP_FIXED beside it: still nothing is replaced. */
    stamp(wanted, PAGE);
    CHECK_ERROR(map_at(wanted, PAGE, MAP_FIXED_NOREPLACE | MAP_FIXED), EEXIST);
    CHECK(is_stamped(wanted, PAGE));
    /* Shared and private, files too. */
    CHECK_ERROR(syscall(SYS_mmap, wanted, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0L), EEXIST);
    CHECK_ERROR(syscall(SYS_mmap, wanted, PAGE, RW, MAP_PRIVATE | MAP_FIXED_NOREPLACE, 1000000, 0L), EBADF);
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK_ERROR(syscall(SYS_mmap, wanted, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0L), EEXIST);
    CHECK((bytes)syscall(SYS_mmap, wanted + 32 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0L)
          == wanted + 32 * PAGE);
    CHECK(memcmp(wanted + 32 * PAGE, "\177ELF", 4) == 0);
    close(fd);
    unmap(wanted, 64 * PAGE);
}

int main(void)
{
    static char buffer[BUFSIZ];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    catch_faults();
    RUN(in_the_first_two_gigabytes);
    RUN(until_nothing_is_left);
    RUN(a_probe_for_every_place);
    RUN(a_whole_32_bit_machine);
    RUN(noreplace_where_nothing_is);
    return finish();
}
