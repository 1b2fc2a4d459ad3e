/* Code that is made while the program runs, and the registers that programs may read. */
#include "faults.h"
#include <sys/auxv.h>
#include <pthread.h>

enum { RW = PROT_READ | PROT_WRITE, RX = PROT_READ | PROT_EXEC, ALL = RW | PROT_EXEC };

/* mov w0, #value; ret */
static void write_code(uint32_t *code, unsigned value)
{
    code[0] = 0x52800000 | value << 5;
    code[1] = 0xd65f03c0;
    __builtin___clear_cache((char *)code, (char *)(code + 2));
}

static int call(void *code) { return ((int (*)(void))code)(); }

static void *pages(size_t count, int protection)
{
    void *p = mmap(NULL, count * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(p != MAP_FAILED);
    return p;
}

static void rewritten_in_place(void)
{
    uint32_t *code = pages(1, ALL);
    for (unsigned i = 0; i < 2000; i++) {
        write_code(code + i % 64 * 8, i % 60000);
        if (call(code + i % 64 * 8) != (int)(i % 60000)) CHECK_EQ(i, 0);
    }
    munmap(code, PAGE);
}

static void protected_in_turn(void)
{
    uint32_t *code = pages(1, RW);
    for (unsigned i = 0; i < 100; i++) {
        CHECK_OK(mprotect(code, PAGE, RW));
        write_code(code, i);
        CHECK_EQ(FAULT_OF(call(code)), SIGSEGV);
        CHECK_EQ((uintptr_t)fault_info.si_addr, (uintptr_t)code);
        CHECK_OK(mprotect(code, PAGE, RX));
        CHECK_EQ(call(code), i);
        CHECK_EQ(write_fault(code), SIGSEGV);
    }
    munmap(code, PAGE);
}

/* Data and code in one block of two megabytes, and blocks that are code alone. */
static void next_to_data(void)
{
    enum { COUNT = 2048 };
    char *place = pages(COUNT, RW);
    for (int i = 0; i < COUNT; i += 16) write_code((uint32_t *)(place + i * PAGE), (unsigned)i);
    for (int i = 0; i < COUNT; i += 32) CHECK_OK(mprotect(place + i * PAGE, PAGE, RX));
    for (volatile int i = 0; i < COUNT; i += 16) CHECK_EQ(FAULT_OF(call(place + i * PAGE)), i % 32 ? SIGSEGV : 0);
    CHECK_OK(mprotect(place, COUNT * PAGE, RX));
    for (int i = 0; i < COUNT; i += 16) CHECK_EQ(call(place + i * PAGE), i);
    CHECK_OK(mprotect(place, COUNT * PAGE, RW));
    for (volatile int i = 0; i < COUNT; i += 64) CHECK_EQ(FAULT_OF(call(place + i * PAGE)), SIGSEGV);
    munmap(place, COUNT * PAGE);
}

static void mapped_again(void)
{
    char *place = pages(1, ALL);
    write_code((uint32_t *)place, 5);
    CHECK_EQ(call(place), 5);
    REQUIRE(mmap(place, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == place);
    CHECK_EQ(FAULT_OF(call(place)), SIGSEGV);
    REQUIRE(mmap(place, PAGE, ALL, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == place);
    write_code((uint32_t *)place, 6);
    CHECK_EQ(call(place), 6);
    munmap(place, PAGE);
    CHECK_EQ(FAULT_OF(call(place)), SIGSEGV);
}

static uint32_t *shared_code;

static void *writer(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < 200; i++) {
        uint32_t *own = pages(1, RW);
        write_code(own, i);
        mprotect(own, PAGE, RX);
        if (call(own) != (int)i) return (void *)1;
        if (call(shared_code) != 42) return (void *)2;
        munmap(own, PAGE);
    }
    return NULL;
}

static void in_threads(void)
{
    shared_code = pages(1, ALL);
    write_code(shared_code, 42);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, writer, NULL);
    for (int i = 0; i < 4; i++) {
        void *result;
        pthread_join(threads[i], &result);
        CHECK_EQ((uintptr_t)result, 0);
    }
}

#define READ(name) ({ uint64_t value_; __asm__ volatile("mrs %0, " name : "=r"(value_)); value_; })

static void registers(void)
{
    CHECK(READ("ctr_el0") != 0);
    CHECK_EQ(READ("dczid_el0") & 0x10, 0);
    CHECK(READ("cntfrq_el0") != 0);
    uint64_t before = READ("cntvct_el0");
    usleep(1000);
    CHECK(READ("cntvct_el0") > before);
    CHECK_EQ(READ("tpidr_el0"), (uintptr_t)__builtin_thread_pointer());
    /* What the kernel shows of the others (HWCAP_CPUID), but for branch targets, memory tags and SME, which guests do not have. */
    if (getauxval(AT_HWCAP) & 1 << 11) {
        printf("  midr %lx isar0 %lx isar1 %lx pfr0 %lx pfr1 %lx mmfr0 %lx mmfr1 %lx mmfr2 %lx dfr0 %lx zfr0 %lx none %lx\n", READ("midr_el1"),
               READ("id_aa64isar0_el1"), READ("id_aa64isar1_el1"), READ("id_aa64pfr0_el1"), READ("id_aa64pfr1_el1") & ~0xf000f0f,
               READ("id_aa64mmfr0_el1"), READ("id_aa64mmfr1_el1"), READ("S3_0_C0_C7_2"), READ("id_aa64dfr0_el1"),
               READ("S3_0_C0_C4_4"), READ("S3_0_C0_C5_1"));
    }
    printf("  capabilities %lx %lx\n", getauxval(AT_HWCAP) & 0xffffffff, getauxval(AT_HWCAP2) & ~0xffff0fe07fc60000);
    __asm__ volatile("wfe\n\tyield\n\tsev\n\twfe");
}

int main(void)
{
    catch_faults();
    RUN(rewritten_in_place);
    RUN(protected_in_turn);
    RUN(next_to_data);
    RUN(mapped_again);
    RUN(in_threads);
    RUN(registers);
    return finish();
}
