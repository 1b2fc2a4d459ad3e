/* What the faults of arm64 programs come to: signal, code, address, program counter and syndrome. */
#include "faults.h"

static uintptr_t resume_at, seen_pc, seen_address;
static uint64_t seen_syndrome;

/* The ESR record of a frame, 0 where there is none. */
static uint64_t syndrome(ucontext_t *context)
{
    unsigned char *record = context->uc_mcontext.__reserved;
    for (;;) {
        uint32_t magic, size;
        memcpy(&magic, record, 4);
        memcpy(&size, record + 4, 4);
        if (magic == 0) return 0;
        if (magic == 0x45535201) {
            uint64_t value;
            memcpy(&value, record + 8, 8);
            return value;
        }
        record += size;
    }
}

static void look(int number, siginfo_t *info, void *opaque)
{
    ucontext_t *context = opaque;
    (void)number;
    fault_info = *info;
    seen_pc = context->uc_mcontext.pc;
    seen_address = context->uc_mcontext.fault_address;
    seen_syndrome = syndrome(context);
    context->uc_mcontext.pc = resume_at;
}

static void watch(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_sigaction = look, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    for (const int *number = (const int[]){SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, 0}; *number; number++)
        sigaction(*number, &action, NULL);
}

/* Runs one instruction with x0 = address; what came of it is in fault_info, where it happened in `at`. */
#define ATTEMPT(text, address, at)                                                                          \
    do {                                                                                                    \
        register uintptr_t x0 __asm__("x0") = (uintptr_t)(address);                                         \
        memset(&fault_info, 0, sizeof fault_info);                                                          \
        seen_pc = 0;                                                                                        \
        __asm__ volatile("adr x1, 2f\n\tstr x1, %1\n\tadr x1, 1f\n\tstr x1, %2\n\t1: " text   \
                         "\n\t2:"                                                                             \
                         : "+r"(x0), "=m"(resume_at), "=m"(at) : : "x1", "x2", "x3", "x4", "x30", "memory", "v0"); \
    } while (0)

#define EXPECT(signal, code, address, pc)                              \
    do {                                                               \
        CHECK_EQ(fault_info.si_signo, signal);                         \
        CHECK_EQ(fault_info.si_code, code);                            \
        CHECK_EQ((uintptr_t)fault_info.si_addr, (uintptr_t)(address)); \
        CHECK_EQ(seen_pc, pc);                                         \
    } while (0)

/* The exception class, whether a write, and the kind of fault without its level. */
#define EXPECT_SYNDROME(class, write, kind)               \
    do {                                                  \
        CHECK_EQ(seen_syndrome >> 26, class);             \
        CHECK_EQ(seen_syndrome >> 6 & 1, write);          \
        CHECK_EQ(seen_syndrome >> 2 & 15, (kind) >> 2);   \
    } while (0)

enum { DATA = 0x24, FETCH = 0x20, TRANSLATION = 4, PERMISSION = 12 };
static unsigned char *page;
static uintptr_t at;

static void data_accesses(void)
{
    ATTEMPT("ldr x3, [x0]", 8, at);
    EXPECT(SIGSEGV, SEGV_MAPERR, 8, at);
    EXPECT_SYNDROME(DATA, 0, TRANSLATION);
    CHECK_EQ(seen_address, 8);
    ATTEMPT("str x3, [x0]", page + PAGE, at);
    EXPECT(SIGSEGV, SEGV_ACCERR, page + PAGE, at);
    EXPECT_SYNDROME(DATA, 1, PERMISSION);
    ATTEMPT("ldr x3, [x0]", page + 2 * PAGE, at);
    EXPECT(SIGSEGV, SEGV_ACCERR, page + 2 * PAGE, at);
    ATTEMPT("str x3, [x0]", page + 3 * PAGE, at);
    EXPECT(SIGSEGV, SEGV_MAPERR, page + 3 * PAGE, at);
    EXPECT_SYNDROME(DATA, 1, TRANSLATION);
    ATTEMPT("ldr x3, [x0]", page, at);
    CHECK_EQ(fault_info.si_signo, 0);
}

static void the_second_page_of_an_access(void)
{
    ATTEMPT("ldp x3, x4, [x0]", page + 2 * PAGE - 8, at);
    EXPECT(SIGSEGV, SEGV_ACCERR, page + 2 * PAGE, at);
    ATTEMPT("str q0, [x0]", page + PAGE - 8, at);
    EXPECT(SIGSEGV, SEGV_ACCERR, page + PAGE, at);
    ATTEMPT("ldr x3, [x0]", page + 2 * PAGE - 3, at);
    EXPECT(SIGSEGV, SEGV_ACCERR, page + 2 * PAGE, at);
}

static void exclusive_accesses(void)
{
    ATTEMPT("ldxr x3, [x0]\n\tstxr w4, x3, [x0]", page, at);
    CHECK_EQ(fault_info.si_signo, 0);
    ATTEMPT("ldxr x3, [x0]", page + 2 * PAGE, at);
    EXPECT(SIGSEGV, SEGV_ACCERR, page + 2 * PAGE, at);
    ATTEMPT("ldxr x3, [x0]", page + 4, at);
    EXPECT(SIGBUS, BUS_ADRALN, page + 4, at);
}

static void cache_maintenance(void)
{
    ATTEMPT("dc cvau, x0\n\tdsb ish\n\tic ivau, x0\n\tdsb ish\n\tisb", page, at);
    CHECK_EQ(fault_info.si_signo, 0);
    ATTEMPT("dc cvau, x0", page + PAGE, at);
    CHECK_EQ(fault_info.si_signo, 0);
    ATTEMPT("dc zva, x0", page, at);
    CHECK_EQ(fault_info.si_signo, 0);
    ATTEMPT("dc zva, x0", page + PAGE, at);
    EXPECT(SIGSEGV, SEGV_ACCERR, page + PAGE, at);
}

static void addresses_that_no_program_has(void)
{
    ATTEMPT("ldr x3, [x0]", 0xffff800000000000, at);
    CHECK_EQ(fault_info.si_signo, SIGSEGV);
    CHECK_EQ(seen_pc, at);
    ATTEMPT("ldr x3, [x0]", 0xfffffffffffffff8, at);
    CHECK_EQ(fault_info.si_signo, SIGSEGV);
    /* The top byte is the program's own. */
    ATTEMPT("ldr x3, [x0]", (uintptr_t)page | 0x5aUL << 56, at);
    CHECK_EQ(fault_info.si_signo, 0);
    ATTEMPT("ldr x3, [x0]", (uintptr_t)(page + 3 * PAGE) | 0x5aUL << 56, at);
    EXPECT(SIGSEGV, SEGV_MAPERR, page + 3 * PAGE, at);
    ATTEMPT("ldr x3, [x0]", 0x0001000000000000, at);
    CHECK_EQ(fault_info.si_signo, SIGSEGV);
}

static void execution(void)
{
    ATTEMPT("blr x0", page, at);
    EXPECT(SIGSEGV, SEGV_ACCERR, page, (uintptr_t)page);
    EXPECT_SYNDROME(FETCH, 0, PERMISSION);
    ATTEMPT("blr x0", page + 3 * PAGE, at);
    EXPECT(SIGSEGV, SEGV_MAPERR, page + 3 * PAGE, (uintptr_t)page + 3 * PAGE);
    EXPECT_SYNDROME(FETCH, 0, TRANSLATION);
    ATTEMPT("blr x0", 0, at);
    EXPECT(SIGSEGV, SEGV_MAPERR, 0, 0);
}

static void instructions(void)
{
    ATTEMPT("udf #0", 0, at);
    EXPECT(SIGILL, ILL_ILLOPC, at, at);
    ATTEMPT("udf #1234", 0, at);
    EXPECT(SIGILL, ILL_ILLOPC, at, at);
    ATTEMPT("brk #7", 0, at);
    EXPECT(SIGTRAP, TRAP_BRKPT, at, at);
    ATTEMPT("mrs x3, sctlr_el1", 0, at);
    EXPECT(SIGILL, ILL_ILLOPC, at, at);
    ATTEMPT("msr ttbr0_el1, x0", 0, at);
    EXPECT(SIGILL, ILL_ILLOPC, at, at);
    ATTEMPT("msr daifset, #2", 0, at);
    EXPECT(SIGILL, ILL_ILLOPC, at, at);
    ATTEMPT("tlbi vmalle1", 0, at);
    EXPECT(SIGILL, ILL_ILLOPC, at, at);
    ATTEMPT("hvc #0", 0, at);
    EXPECT(SIGILL, ILL_ILLOPC, at, at);
    ATTEMPT("smc #0", 0, at);
    EXPECT(SIGILL, ILL_ILLOPC, at, at);
    ATTEMPT("eret", 0, at);
    EXPECT(SIGILL, ILL_ILLOPC, at, at);
}

static void beyond_the_end_of_a_file(void)
{
    int fd = open(".", O_TMPFILE | O_RDWR, 0600);
    REQUIRE(fd >= 0 && ftruncate(fd, PAGE) == 0);
    unsigned char *file = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ATTEMPT("str x3, [x0]", file, at);
    CHECK_EQ(fault_info.si_signo, 0);
    ATTEMPT("ldr x3, [x0]", file + PAGE + 16, at);
    EXPECT(SIGBUS, BUS_ADRERR, file + PAGE + 16, at);
    ATTEMPT("str x3, [x0]", file + PAGE + 24, at);
    EXPECT(SIGBUS, BUS_ADRERR, file + PAGE + 24, at);
    munmap(file, 2 * PAGE);
    close(fd);
}

static void mend(int number, siginfo_t *info, void *opaque)
{
    (void)number;
    (void)opaque;
    fault_info = *info;
    mprotect((void *)((uintptr_t)info->si_addr & ~(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE);
}

static void mended_and_made_again(void)
{
    struct sigaction action = {.sa_sigaction = mend, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    unsigned char *places = mmap(NULL, 64 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 64; i++) {
        *(volatile uint64_t *)(places + i * PAGE + 8) = (uint64_t)i;
        CHECK_EQ((uintptr_t)fault_info.si_addr, (uintptr_t)places + i * PAGE + 8);
    }
    for (int i = 0; i < 64; i++) CHECK_EQ(*(volatile uint64_t *)(places + i * PAGE + 8), i);
    munmap(places, 64 * PAGE);
    watch();
}

int main(void)
{
    watch();
    unsigned char *all = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page = all;
    /* Once touched: before, even what may be read is not there for the processor. */
    memset(all, 1, 4 * PAGE);
    mprotect(page + PAGE, PAGE, PROT_READ);
    mprotect(page + 2 * PAGE, PAGE, PROT_NONE);
    munmap(page + 3 * PAGE, PAGE);
    RUN(data_accesses);
    RUN(the_second_page_of_an_access);
    RUN(exclusive_accesses);
    RUN(cache_maintenance);
    RUN(addresses_that_no_program_has);
    RUN(execution);
    RUN(instructions);
    RUN(beyond_the_end_of_a_file);
    RUN(mended_and_made_again);
    return finish();
}
