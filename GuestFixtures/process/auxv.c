/* The auxiliary vector is complete and true. */
#include "check.h"
#include "machine.h"

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#else
#define MACHINE EM_AARCH64
#endif
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/times.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

extern char **environ;

static Elf64_auxv_t *vector;
static char **arguments;

static int has(unsigned long type)
{
    for (Elf64_auxv_t *entry = vector; entry->a_type != AT_NULL; entry++)
        if (entry->a_type == type) return 1;
    return 0;
}

static unsigned long value(unsigned long type)
{
    for (Elf64_auxv_t *entry = vector; entry->a_type != AT_NULL; entry++)
        if (entry->a_type == type) return entry->a_un.a_val;
    check_failures++;
    fprintf(stderr, "auxv has no entry %lu\n", type);
    return 0;
}

static void follows_the_environment(void)
{
    char **end = environ;
    while (*end) end++;
    vector = (Elf64_auxv_t *)(end + 1);
    CHECK_EQ((uintptr_t)arguments % 8, 0);
    /* The stack pointer at entry, where argc lies, is 16-byte aligned by the ABI. */
    CHECK_EQ((uintptr_t)(arguments - 1) % 16, 0);
}

static void program_headers(void)
{
    Elf64_Phdr *headers = (Elf64_Phdr *)value(AT_PHDR);
    CHECK_EQ(value(AT_PHENT), sizeof *headers);
    unsigned long count = value(AT_PHNUM);
    CHECK(count > 2 && count < 30);
    int loads = 0;
    uintptr_t base = 0;
    for (unsigned long i = 0; i < count; i++)
        if (headers[i].p_type == PT_PHDR) base = (uintptr_t)headers - headers[i].p_vaddr;
    int entry_is_inside = 0;
    for (unsigned long i = 0; i < count; i++) {
        if (headers[i].p_type != PT_LOAD) continue;
        loads++;
        uintptr_t start = base + headers[i].p_vaddr;
        if (value(AT_ENTRY) >= start && value(AT_ENTRY) < start + headers[i].p_memsz && (headers[i].p_flags & PF_X))
            entry_is_inside = 1;
    }
    CHECK(loads >= 2);
    /* Not every linker writes PT_PHDR; without it only a fixed image's addresses are known. */
    if (base != 0 || value(AT_BASE) == 0) CHECK(entry_is_inside || base == 0);
}

static void base_is_the_interpreter(void)
{
    Elf64_Phdr *headers = (Elf64_Phdr *)value(AT_PHDR);
    int interpreted = 0;
    for (unsigned long i = 0; i < value(AT_PHNUM); i++)
        if (headers[i].p_type == PT_INTERP) interpreted = 1;
    CHECK(has(AT_BASE));
    if (!interpreted) {
        CHECK_EQ(value(AT_BASE), 0);
        return;
    }
    CHECK_EQ(value(AT_BASE) % PAGE, 0);
    CHECK(memcmp((void *)value(AT_BASE), ELFMAG, SELFMAG) == 0);
}

static void random_bytes(void)
{
    unsigned char *bytes = (unsigned char *)value(AT_RANDOM);
    unsigned char all = 0;
    for (int i = 0; i < 16; i++) all |= bytes[i];
    CHECK(all != 0);
    CHECK((uintptr_t)bytes > (uintptr_t)arguments);
}

static void strings(void)
{
    CHECK_STR((char *)value(AT_PLATFORM), MACHINE_NAME);
    CHECK_STR((char *)value(AT_EXECFN), arguments[0]);
}

static void numbers(void)
{
    CHECK_EQ(value(AT_PAGESZ), PAGE);
    CHECK_EQ(value(AT_CLKTCK), sysconf(_SC_CLK_TCK));
    CHECK_EQ(value(AT_FLAGS), 0);
    CHECK_EQ(value(AT_UID), getuid());
    CHECK_EQ(value(AT_EUID), geteuid());
    CHECK_EQ(value(AT_GID), getgid());
    CHECK_EQ(value(AT_EGID), getegid());
    CHECK_EQ(value(AT_SECURE), 0);
    CHECK(value(AT_MINSIGSTKSZ) >= 1024 && value(AT_MINSIGSTKSZ) < 65536);
}

static void processor(void)
{
#if defined(__x86_64__)
    unsigned a = 1, b = 0, c = 0, d = 0;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    /* AT_HWCAP is CPUID 1 EDX as the kernel sees it; what every x86-64 processor has must be there. */
    unsigned long baseline = 1UL << 0 | 1UL << 4 | 1UL << 8 | 1UL << 15 | 1UL << 24 | 1UL << 25 | 1UL << 26;
    CHECK_EQ(value(AT_HWCAP) & baseline, baseline);
    /* Bit 1 of AT_HWCAP2: user code may use wrfsbase. Then it must work. */
    if (value(AT_HWCAP2) & 2) {
        unsigned long base;
        __asm__ volatile("rdfsbase %0" : "=r"(base));
        CHECK(base != 0);
    }
#else
    /* Floating point and vectors, which every arm64 processor for Linux has. */
    CHECK_EQ(value(AT_HWCAP) & 3, 3);
#endif
}

static void vdso(void)
{
#if defined(__aarch64__)
    /* A kernel may be built without one; a guest of a KVM that cannot share the host's counter has none either. */
    if (getauxval(AT_SYSINFO_EHDR) == 0) return;
#endif
    unsigned char *image = (unsigned char *)value(AT_SYSINFO_EHDR);
    CHECK_EQ((uintptr_t)image % PAGE, 0);
    if (!image) return;
    CHECK(memcmp(image, ELFMAG, SELFMAG) == 0);
    CHECK_EQ(((Elf64_Ehdr *)image)->e_machine, MACHINE);
    CHECK_EQ(((Elf64_Ehdr *)image)->e_type, ET_DYN);
}

static void no_entry_twice(void)
{
    for (Elf64_auxv_t *one = vector; one->a_type != AT_NULL; one++)
        for (Elf64_auxv_t *other = one + 1; other->a_type != AT_NULL; other++)
            CHECK(one->a_type != other->a_type);
}

static void libc_agrees(void)
{
    CHECK_EQ(getauxval(AT_PHDR), value(AT_PHDR));
    CHECK_EQ(getauxval(AT_RANDOM), value(AT_RANDOM));
    CHECK_EQ(getauxval(AT_HWCAP2), value(AT_HWCAP2));
}

int main(int argc, char **argv)
{
    (void)argc;
    arguments = argv;
    RUN(follows_the_environment);
    RUN(program_headers);
    RUN(base_is_the_interpreter);
    RUN(random_bytes);
    RUN(strings);
    RUN(numbers);
    RUN(processor);
    RUN(vdso);
    RUN(no_entry_twice);
    RUN(libc_agrees);
    return finish();
}
