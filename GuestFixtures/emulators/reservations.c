/* Address space reserved by the gigabyte without access and opened piece by piece, as emulators and run-times do. */
#include "emulators/mappings.h"

static void opened_by_mprotect(void)
{
    const size_t size = 64 * GIB;
    bytes base = map_as(NULL, size, PROT_NONE, RESERVE);
    REQUIRE(base != MAP_FAILED);
    CHECK_FAULT(read_fault, base + 5 * GIB, SIGSEGV, SEGV_ACCERR);
    for (int i = 0; i < 32; i++) {
        bytes part = base + (size / 32) * i + i * PAGE;
        CHECK_OK(mprotect(part, 3 * PAGE, RW));
        CHECK(is_zero(part, 3 * PAGE));
        stamp(part, 3 * PAGE);
        CHECK_FAULT(read_fault, part + 3 * PAGE, SIGSEGV, SEGV_ACCERR);
        if (i) CHECK_FAULT(write_fault, part - PAGE, SIGSEGV, SEGV_ACCERR);
    }
    for (int i = 0; i < 32; i++) {
        bytes part = base + (size / 32) * i + i * PAGE;
        CHECK(is_stamped(part, 3 * PAGE));
        CHECK_OK(mprotect(part + PAGE, PAGE, PROT_NONE));
        CHECK_FAULT(read_fault, part + PAGE, SIGSEGV, SEGV_ACCERR);
        CHECK(is_stamped(part, PAGE) && is_stamped(part + 2 * PAGE, PAGE));
    }
    unmap(base, size);
    CHECK_NOTHING_AT(base + size / 2);
}

static void opened_by_fixed_mappings(void)
{
    const size_t size = 16 * GIB;
    bytes base = map_as(NULL, size, PROT_NONE, RESERVE);
    REQUIRE(base != MAP_FAILED);
    for (size_t at = 0; at < size; at += GIB) {
        CHECK(map_at(base + at, 4 * PAGE, MAP_FIXED) == base + at);
        stamp(base + at, 4 * PAGE);
        CHECK_ERROR(map_at(base + at, 4 * PAGE, MAP_FIXED_NOREPLACE), EEXIST);
        CHECK_ERROR(map_at(base + at + GIB / 2, PAGE, MAP_FIXED_NOREPLACE), EEXIST);
    }
    for (size_t at = 0; at < size; at += GIB) {
        CHECK(is_stamped(base + at, 4 * PAGE));
        /* Closed again, as a run-time gives pages back without leaving the place. */
        CHECK(map_as(base + at, 2 * PAGE, PROT_NONE, RESERVE | MAP_FIXED) == base + at);
        CHECK_FAULT(read_fault, base + at, SIGSEGV, SEGV_ACCERR);
        CHECK(is_stamped(base + at + 2 * PAGE, 2 * PAGE));
    }
    unmap(base, size);
}

static void a_hole_in_a_reservation(void)
{
    const size_t size = 8 * GIB;
    bytes base = map_as(NULL, size, PROT_NONE, RESERVE);
    REQUIRE(base != MAP_FAILED);
    bytes hole = base + 3 * GIB;
    unmap(hole, 16 * PAGE);
    CHECK_NOTHING_AT(hole);
    CHECK(map_at(hole, 16 * PAGE, 0) == hole);
    unmap(hole, 16 * PAGE);
    CHECK(map_at(hole + PAGE, 14 * PAGE, MAP_FIXED_NOREPLACE) == hole + PAGE);
    stamp(hole + PAGE, 14 * PAGE);
    CHECK_ERROR(map_at(hole, 2 * PAGE, MAP_FIXED_NOREPLACE), EEXIST);
    CHECK(map_at(hole, PAGE, MAP_FIXED_NOREPLACE) == hole);
    CHECK(is_stamped(hole + PAGE, 14 * PAGE));
    unmap(base, size);
}

/* A 32-bit machine's whole memory, at an aligned place: mapped larger, its ends cut off. */
static void aligned_by_cutting(void)
{
    const size_t size = 4 * GIB;
    for (int round = 0; round < 4; round++) {
        bytes raw = map_as(NULL, 2 * size, PROT_NONE, RESERVE);
        REQUIRE(raw != MAP_FAILED);
        bytes base = AT(((uintptr_t)raw + size - 1) & ~(size - 1));
        if (base > raw) unmap(raw, base - raw);
        if (raw + size > base) unmap(base + size, raw + size - base);
        CHECK_EQ((uintptr_t)base % size, 0);
        CHECK(map_at(base + 0x400000, MIB, MAP_FIXED) == base + 0x400000);
        stamp(base + 0x400000, MIB);
        CHECK(map_at(base + size - PAGE, PAGE, MAP_FIXED) == base + size - PAGE);
        base[size - 1] = 1;
        CHECK(is_stamped(base + 0x400000, MIB));
        unmap(base, size);
    }
}

static void by_a_hint(void)
{
    /* As box64 and qemu reserve what the program is linked to: far down, many GiB. */
    const size_t size = 32 * GIB;
    bytes wanted = free_place(0x1000000000, 0x400000000000, 0x1000000000, size);
    CHECK(map_as(wanted, size, PROT_NONE, RESERVE) == wanted);
    CHECK_OK(mprotect(wanted + size - PAGE, PAGE, RW));
    wanted[size - 1] = 1;
    bytes elsewhere = map_as(wanted, size, PROT_NONE, RESERVE);
    CHECK(elsewhere != MAP_FAILED && elsewhere != wanted);
    unmap(elsewhere, size);
    CHECK_EQ(wanted[size - 1], 1);
    unmap(wanted, size);
    CHECK(map_as(wanted, size, PROT_NONE, RESERVE) == wanted);
    unmap(wanted, size);
}

static bytes shared_base;

static void child_body(void)
{
    CHECK(is_stamped(shared_base + GIB, 4 * PAGE));
    CHECK_FAULT(read_fault, shared_base, SIGSEGV, SEGV_ACCERR);
    CHECK_OK(mprotect(shared_base, PAGE, RW));
    shared_base[0] = 1;
    memset(shared_base + GIB, 0, 4 * PAGE);
}

static void kept_by_a_child(void)
{
    shared_base = map_as(NULL, 128 * GIB, PROT_NONE, RESERVE);
    REQUIRE(shared_base != MAP_FAILED);
    CHECK_OK(mprotect(shared_base + GIB, 4 * PAGE, RW));
    stamp(shared_base + GIB, 4 * PAGE);
    CHECK_EQ(child_status(child_body), 0);
    CHECK(is_stamped(shared_base + GIB, 4 * PAGE));
    CHECK_FAULT(read_fault, shared_base, SIGSEGV, SEGV_ACCERR);
    unmap(shared_base, 128 * GIB);
}

static void given_back_and_taken_again(void)
{
    bytes base = map_as(NULL, 4 * GIB, RW, RESERVE);
    REQUIRE(base != MAP_FAILED);
    for (size_t at = 0; at < 4 * GIB; at += 256 * MIB) {
        stamp(base + at, 4 * PAGE);
        CHECK_OK(madvise(base + at, 4 * PAGE, MADV_DONTNEED));
        CHECK(is_zero(base + at, 4 * PAGE));
    }
    unmap(base, 4 * GIB);
}

int main(void)
{
    static char buffer[BUFSIZ];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    catch_faults();
    RUN(opened_by_mprotect);
    RUN(opened_by_fixed_mappings);
    RUN(a_hole_in_a_reservation);
    RUN(aligned_by_cutting);
    RUN(by_a_hint);
    RUN(kept_by_a_child);
    RUN(given_back_and_taken_again);
    return finish();
}
