/* Stacks that an emulator makes for its program: MAP_GROWSDOWN by hint and fixed, its guard gap, and what lies below. */
#include "emulators/mappings.h"

#define GROWING (ANONYMOUS | MAP_GROWSDOWN | MAP_STACK)

static bytes low_place(void)
{
    return free_place(0x60000000, 0x78000000, 0x1000000, 16 * MIB);
}

static void grows_below_its_start(void)
{
    bytes place = low_place() + 8 * MIB;
    bytes stack = map_as(place, 4 * PAGE, RW, GROWING);
    CHECK(stack == place);
    stamp(stack, 4 * PAGE);
    /* Page after page, and in one leap. */
    for (int i = 1; i <= 16; i++) CHECK_WRITABLE(stack - i * PAGE);
    CHECK_WRITABLE(stack - MIB);
    CHECK(is_zero(stack - MIB + PAGE, PAGE));
    CHECK(is_stamped(stack, 4 * PAGE));
    unmap(place - 2 * MIB, 2 * MIB + 4 * PAGE);
    CHECK_NOTHING_AT(place);
    CHECK_NOTHING_AT(place - PAGE);
}

static void not_into_what_is_below(void)
{
    bytes place = low_place() + 8 * MIB, below = place - 2 * MIB;
    CHECK(map_as(place, 4 * PAGE, RW, GROWING) == place);
    CHECK(map_at(below, PAGE, MAP_FIXED_NOREPLACE) == below);
    stamp(below, PAGE);
    /* A megabyte above the mapping below is kept free, but for one that cannot be accessed. */
    CHECK_WRITABLE(place - MIB / 2);
    CHECK_FAULT(read_fault, below + PAGE, SIGSEGV, SEGV_MAPERR);
    CHECK_FAULT(write_fault, below + 16 * PAGE, SIGSEGV, SEGV_MAPERR);
    CHECK(is_stamped(below, PAGE));
    unmap(below, 2 * MIB + 4 * PAGE);
}

static void hints_keep_away_from_it(void)
{
    bytes place = low_place() + 8 * MIB;
    CHECK(map_as(place, 4 * PAGE, RW, GROWING) == place);
    stamp(place, 4 * PAGE);
    /* A plain hint within its guard gap is moved, a fixed mapping goes there. */
    bytes near = map_at(place - 16 * PAGE, 16 * PAGE, 0);
    CHECK(near != MAP_FAILED && near != place - 16 * PAGE);
    unmap(near, 16 * PAGE);
    bytes far = map_at(place - 4 * MIB, PAGE, 0);
    CHECK(far == place - 4 * MIB);
    unmap(far, PAGE);
    bytes fixed = map_at(place - 16 * PAGE, PAGE, MAP_FIXED_NOREPLACE);
    CHECK(fixed == place - 16 * PAGE);
    unmap(fixed, PAGE);
    /* Above it there is no gap. */
    bytes above = map_at(place + 4 * PAGE, PAGE, 0);
    CHECK(above == place + 4 * PAGE);
    CHECK(is_stamped(place, 4 * PAGE));
    unmap(place, 5 * PAGE);
}

/* What an emulator does instead: the whole stack, and a guard that it makes itself. */
static void a_stack_with_its_own_guard(void)
{
    const size_t size = 8 * MIB;
    bytes stack = map_as(low_place(), size, RW, RESERVE | MAP_STACK);
    CHECK(stack != MAP_FAILED);
    CHECK_OK(mprotect(stack, PAGE, PROT_NONE));
    for (size_t at = size - PAGE; at >= PAGE; at -= 64 * PAGE) {
        CHECK_WRITABLE(stack + at);
        if (at < 65 * PAGE) break;
    }
    CHECK_FAULT(write_fault, stack, SIGSEGV, SEGV_ACCERR);
    CHECK_FAULT(write_fault, stack + PAGE - 1, SIGSEGV, SEGV_ACCERR);
    unmap(stack, size);
}

static uintptr_t deepest;

__attribute__((noinline)) static void descend(int depth)
{
    volatile unsigned char frame[3000];
    frame[0] = (unsigned char)depth;
    frame[sizeof frame - 1] = 1;
    deepest = (uintptr_t)frame;
    if (depth) descend(depth - 1);
    CHECK_EQ(frame[0], (unsigned char)depth);
}

/* Calls a function with its stack pointer elsewhere, as an emulator does that runs a program in its own process. */
static void call_on(bytes top, void (*function)(int), int argument)
{
#if defined(__x86_64__)
    __asm__ volatile("mov %%rsp, %%rbx\n\tmov %0, %%rsp\n\tcall *%1\n\tmov %%rbx, %%rsp"
                     : : "r"(top), "r"(function), "D"(argument)
                     : "rbx", "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
#else
    register long x0 __asm__("x0") = argument;
    __asm__ volatile("mov x19, sp\n\tmov sp, %1\n\tblr %2\n\tmov sp, x19"
                     : "+r"(x0) : "r"(top), "r"(function)
                     : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",
                       "x18", "x19", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "memory", "cc");
#endif
}

static void code_runs_on_it(void)
{
    bytes place = low_place() + 8 * MIB;
    CHECK(map_as(place, 4 * PAGE, RW, GROWING) == place);
    call_on(place + 4 * PAGE, descend, 300);
    CHECK(deepest < (uintptr_t)place - 200 * PAGE && deepest > (uintptr_t)place - 8 * MIB);
    call_on(place + 4 * PAGE, descend, 20);
    unmap(place - 4 * MIB, 4 * MIB + 4 * PAGE);
    CHECK_NOTHING_AT(place);
}

int main(void)
{
    static char buffer[BUFSIZ];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    /* A fault on a foreign stack must not need that stack. */
    static unsigned char alternate[65536];
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    REQUIRE(sigaltstack(&stack, NULL) == 0);
    catch_faults();
    RUN(grows_below_its_start);
    RUN(not_into_what_is_below);
    RUN(hints_keep_away_from_it);
    RUN(a_stack_with_its_own_guard);
    RUN(code_runs_on_it);
    return finish();
}
