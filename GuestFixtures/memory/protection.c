/* mprotect, reservations, and what an access against the protection costs. */
#include "faults.h"

static unsigned char *map(size_t size, int protection)
{
    unsigned char *p = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(p != MAP_FAILED);
    return p;
}

static void each_protection(void)
{
    unsigned char *p = map(4 * PAGE, PROT_READ | PROT_WRITE);
    p[PAGE] = 5;
    CHECK_OK(mprotect(p + PAGE, PAGE, PROT_READ));
    CHECK_EQ(p[PAGE], 5);
    CHECK_FAULT(write_fault, p + PAGE, SIGSEGV, SEGV_ACCERR);
    CHECK_FAULT(write_fault, p + 2 * PAGE - 1, SIGSEGV, SEGV_ACCERR);
    CHECK_WRITABLE(p + 2 * PAGE);
    CHECK_WRITABLE(p + PAGE - 1);
    CHECK_OK(mprotect(p + PAGE, PAGE, PROT_NONE));
    CHECK_FAULT(read_fault, p + PAGE + 77, SIGSEGV, SEGV_ACCERR);
    CHECK_OK(mprotect(p, 4 * PAGE, PROT_READ | PROT_WRITE));
    CHECK_EQ(p[PAGE], 5);
    CHECK_WRITABLE(p + PAGE);
}

static void errors(void)
{
    unsigned char *p = map(3 * PAGE, PROT_READ);
    munmap(p + PAGE, PAGE);
    CHECK_ERROR(syscall(SYS_mprotect, p + 1, PAGE, PROT_READ), EINVAL);
    CHECK_ERROR(mprotect(p, 3 * PAGE, PROT_READ | PROT_WRITE), ENOMEM);
    /* The part before the hole was changed all the same. */
    CHECK_WRITABLE(p);
    CHECK_FAULT(write_fault, p + 2 * PAGE, SIGSEGV, SEGV_ACCERR);
    CHECK_OK(mprotect(p, 0, PROT_READ));
    CHECK_ERROR(mprotect(p, PAGE, 0x80), EINVAL);
}

static void reservations(void)
{
    size_t size = 64UL << 30;
    unsigned char *p = map(size, PROT_NONE);
    CHECK_FAULT(read_fault, p, SIGSEGV, SEGV_ACCERR);
    CHECK_FAULT(write_fault, p + size - 1, SIGSEGV, SEGV_ACCERR);
    for (size_t at = 0; at < size; at += 4UL << 30) {
        CHECK_OK(mprotect(p + at, PAGE, PROT_READ | PROT_WRITE));
        CHECK_EQ(p[at], 0);
        p[at] = 1;
    }
    CHECK_FAULT(read_fault, p + PAGE, SIGSEGV, SEGV_ACCERR);
    /* Given back, as an allocator does: nothing there, and zero when it comes again. */
    CHECK(mmap(p, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == p);
    CHECK_OK(mprotect(p, PAGE, PROT_READ));
    CHECK_EQ(p[0], 0);
    CHECK_OK(munmap(p, size));
    CHECK_NOTHING_AT(p);
}

static void execution(void)
{
    unsigned char *p = map(2 * PAGE, PROT_READ | PROT_WRITE);
    write_function(p, 42);
    int (*function)(void) = (int (*)(void))(uintptr_t)p;
    CHECK_EQ(FAULT_OF(function()), SIGSEGV);
    CHECK_EQ(fault_info.si_code, SEGV_ACCERR);
    CHECK_EQ((uintptr_t)fault_info.si_addr, (uintptr_t)p);
    CHECK_EQ(fault_rip, (uintptr_t)p);
    CHECK_OK(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
    CHECK_EQ(function(), 42);
    CHECK_FAULT(write_fault, p, SIGSEGV, SEGV_ACCERR);
    /* Written anew, executed anew. */
    CHECK_OK(mprotect(p, PAGE, PROT_READ | PROT_WRITE));
    write_function(p, 43);
    CHECK_EQ(FAULT_OF(function()), SIGSEGV);
    CHECK_OK(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
    CHECK_EQ(function(), 43);
    /* Code and data on neighbouring pages, as a JIT has them. */
    CHECK_WRITABLE(p + PAGE);
    write_function(p + PAGE, 42);
    CHECK_EQ(FAULT_OF(((int (*)(void))(uintptr_t)(p + PAGE))()), SIGSEGV);
    CHECK_EQ(function(), 43);
    CHECK_OK(mprotect(p, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
    write_function(p, 44);
    CHECK_EQ(function(), 44);
    CHECK_EQ(((int (*)(void))(uintptr_t)(p + PAGE))(), 42);
}

static void a_call_into_nothing(void)
{
    unsigned char *p = map(PAGE, PROT_READ);
    munmap(p, PAGE);
    CHECK_EQ(FAULT_OF(((void (*)(void))(uintptr_t)p)()), SIGSEGV);
    CHECK_EQ(fault_info.si_code, SEGV_MAPERR);
    CHECK_EQ((uintptr_t)fault_info.si_addr, (uintptr_t)p);
    CHECK_EQ(fault_rip, (uintptr_t)p);
    CHECK_EQ(FAULT_OF(((void (*)(void))(uintptr_t)0x10)()), SIGSEGV);
    CHECK_EQ(fault_info.si_code, SEGV_MAPERR);
    CHECK_EQ((uintptr_t)fault_info.si_addr, 0x10);
}

static void read_only_data(void)
{
    static const char text[PAGE] = "constant";
    CHECK_FAULT(write_fault, (uintptr_t)text, SIGSEGV, SEGV_ACCERR);
    CHECK_STR(text, "constant");
    uintptr_t code = (uintptr_t)read_only_data;
    CHECK_FAULT(write_fault, code, SIGSEGV, SEGV_ACCERR);
}

static void thousands_of_changes(void)
{
    unsigned char *p = map(64 * PAGE, PROT_READ | PROT_WRITE);
    for (int i = 0; i < 2000; i++) {
        unsigned char *page = p + (i * 7 % 64) * PAGE;
        CHECK_OK(mprotect(page, PAGE, PROT_READ));
        if (i % 50 == 0) CHECK_FAULT(write_fault, page, SIGSEGV, SEGV_ACCERR);
        CHECK_OK(mprotect(page, PAGE, PROT_READ | PROT_WRITE));
        *page = (unsigned char)i;
    }
}

int main(void)
{
    catch_faults();
    RUN(each_protection);
    RUN(errors);
    RUN(reservations);
    RUN(execution);
    RUN(a_call_into_nothing);
    RUN(read_only_data);
    RUN(thousands_of_changes);
    return finish();
}
