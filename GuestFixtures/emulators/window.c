/* The window at 0x400000, where most programs that are not position independent are linked: reserved with a plain hint. */
#include "emulators/mappings.h"

#define WINDOW AT(0x400000)
static size_t window;

/* What of the window this program leaves free: an emulator that is linked low itself has a smaller one. */
static size_t measure(void)
{
    size_t size = 0;
    while (size < 64 * MIB && is_free(WINDOW, size + MIB)) size += MIB;
    return size;
}

static void reserved_and_dereferenced(void)
{
    for (size_t size = PAGE; size <= window; size *= 4) {
        CHECK(map_at(WINDOW, size, 0) == WINDOW);
        CHECK(is_zero(WINDOW, PAGE));
        WINDOW[0] = 1;
        WINDOW[size - 1] = 2;
        CHECK_EQ(WINDOW[0], 1);
        CHECK_NOTHING_AT(WINDOW - 1);
        CHECK_NOTHING_AT(WINDOW + size);
        unmap(WINDOW, size);
        CHECK_NOTHING_AT(WINDOW);
    }
}

static void reserved_without_access_then_opened(void)
{
    CHECK(map_as(WINDOW, window, PROT_NONE, RESERVE) == WINDOW);
    CHECK_FAULT(read_fault, WINDOW, SIGSEGV, SEGV_ACCERR);
    CHECK_FAULT(write_fault, WINDOW + window - 1, SIGSEGV, SEGV_ACCERR);
    /* A segment, as a loader opens it: mapped fixed over, or by mprotect. */
    CHECK(map_at(WINDOW, 4 * PAGE, MAP_FIXED) == WINDOW);
    stamp(WINDOW, 4 * PAGE);
    CHECK_OK(mprotect(WINDOW + 8 * PAGE, 2 * PAGE, RW));
    stamp(WINDOW + 8 * PAGE, 2 * PAGE);
    CHECK_FAULT(read_fault, WINDOW + 4 * PAGE, SIGSEGV, SEGV_ACCERR);
    CHECK_FAULT(read_fault, WINDOW + 10 * PAGE, SIGSEGV, SEGV_ACCERR);
    /* A plain hint into the reservation is moved, one that must not replace fails. */
    bytes moved = map_at(WINDOW + 16 * PAGE, PAGE, 0);
    CHECK(moved != MAP_FAILED && (moved < WINDOW || moved >= WINDOW + window));
    unmap(moved, PAGE);
    CHECK_ERROR(map_at(WINDOW + 16 * PAGE, PAGE, MAP_FIXED_NOREPLACE), EEXIST);
    CHECK(is_stamped(WINDOW, 4 * PAGE) && is_stamped(WINDOW + 8 * PAGE, 2 * PAGE));
    unmap(WINDOW, window);
    CHECK_NOTHING_AT(WINDOW + 8 * PAGE);
}

static void reserved_twice(void)
{
    /* An emulator that asks again, for it forgot or was forked, gets another place and loses nothing. */
    CHECK(map_at(WINDOW, window, 0) == WINDOW);
    stamp(WINDOW, 16 * PAGE);
    bytes again = map_at(WINDOW, window, 0);
    CHECK(again != MAP_FAILED && (again + window <= WINDOW || again >= WINDOW + window));
    CHECK(is_zero(again, PAGE));
    CHECK(is_stamped(WINDOW, 16 * PAGE));
    unmap(again, window);
    unmap(WINDOW, window);
    CHECK(map_at(WINDOW, window, 0) == WINDOW);
    CHECK(is_zero(WINDOW, 16 * PAGE));
    unmap(WINDOW, window);
}

static void child_body(void)
{
    CHECK(is_stamped(WINDOW, 16 * PAGE));
    memset(WINDOW, 0xcc, PAGE);
    unmap(WINDOW, window);
    CHECK(map_at(WINDOW, window, 0) == WINDOW);
    CHECK(is_zero(WINDOW, 16 * PAGE));
}

static void kept_by_a_child(void)
{
    CHECK(map_at(WINDOW, window, 0) == WINDOW);
    stamp(WINDOW, 16 * PAGE);
    CHECK_EQ(child_status(child_body), 0);
    CHECK(is_stamped(WINDOW, 16 * PAGE));
    unmap(WINDOW, window);
}

static int call_fault(void *address)
{
    return FAULT_OF(((void (*)(void))address)());
}

static void code_runs_in_it(void)
{
    CHECK(map_as(WINDOW, window, RW | PROT_EXEC, ANONYMOUS) == WINDOW);
    for (int i = 0; i < 8; i++) {
        bytes at = WINDOW + i * window / 8 + i * FUNCTION_SIZE;
        write_function(at, i + 1);
        CHECK_EQ(((int (*)(void))at)(), i + 1);
        write_function(at, i + 100);
        CHECK_EQ(((int (*)(void))at)(), i + 100);
    }
    CHECK_OK(mprotect(WINDOW, PAGE, PROT_READ));
    CHECK_FAULT(call_fault, WINDOW, SIGSEGV, SEGV_ACCERR);
    CHECK_OK(mprotect(WINDOW, PAGE, PROT_READ | PROT_EXEC));
    CHECK_EQ(((int (*)(void))WINDOW)(), 100);
    unmap(WINDOW, window);
    CHECK_FAULT(call_fault, WINDOW, SIGSEGV, SEGV_MAPERR);
}

int main(void)
{
    static char buffer[BUFSIZ];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    catch_faults();
    window = measure();
    extern char __ehdr_start[];
    /* Only a program that lies there itself has none. */
    int itself = (uintptr_t)__ehdr_start < 0x800000;
    CHECK_EQ(window == 0, itself);
    if (itself) {
        bytes p = map_at(WINDOW, PAGE, 0);
        CHECK(p != MAP_FAILED && p != WINDOW);
        CHECK(memcmp(__ehdr_start, "\177ELF", 4) == 0);
        CHECK_ERROR(map_at(__ehdr_start, PAGE, MAP_FIXED_NOREPLACE), EEXIST);
        printf("the program lies there itself\n");
        return finish();
    }
    RUN(reserved_and_dereferenced);
    RUN(reserved_without_access_then_opened);
    RUN(reserved_twice);
    RUN(kept_by_a_child);
    RUN(code_runs_in_it);
    return finish();
}
