/* System calls as such: unknown numbers, many of them, odd arguments. */
#include "check.h"

static void unknown_numbers(void)
{
    long numbers[] = {1000, 9999, 0x7fffffff, -1L, 0x40000000, 350 /* a hole in the table */, 423, 100000};
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        CHECK_ERROR(syscall(numbers[i], 1, 2, 3, 4, 5, 6), ENOSYS);
}

static void ten_thousand(void)
{
    pid_t self = getpid();
    for (int i = 0; i < 10000; i++)
        if (syscall(SYS_getpid) != self) CHECK_EQ(syscall(SYS_getpid), self);
}

static void upper_halves_are_ignored(void)
{
    /* An int argument is its lower 32 bits. */
    CHECK_ERROR(syscall(SYS_close, 0xffffffff00000000 | 9999), EBADF);
    int fd = dup(0);
    CHECK_OK(syscall(SYS_close, 0x1234567800000000 | (unsigned long)fd));
    CHECK_ERROR(close(fd), EBADF);
    CHECK_OK(syscall(SYS_umask, 0xffffffff00000000 | 022));
}

static void six_arguments(void)
{
    unsigned char *p = (unsigned char *)syscall(SYS_mmap, NULL, 3 * PAGE, 3, 0x22, -1, 0);
    CHECK((long)p > 0);
    p[2 * PAGE] = 1;
    CHECK_OK(syscall(SYS_munmap, p, 3 * PAGE));
}

static void refused_by_everyone(void)
{
    CHECK_ERROR(syscall(SYS_nfsservctl), ENOSYS);
#if defined(__x86_64__)
    CHECK_ERROR(syscall(SYS_uselib, "x"), ENOSYS);
    CHECK_ERROR(syscall(SYS_create_module), ENOSYS);
    CHECK_ERROR(syscall(SYS_vserver), ENOSYS);
    CHECK_ERROR(syscall(SYS_getpmsg), ENOSYS);
    CHECK_ERROR(syscall(SYS_security), ENOSYS);
#else
    /* Where the numbers have gaps. */
    CHECK_ERROR(syscall(245), ENOSYS);
    CHECK_ERROR(syscall(300), ENOSYS);
    CHECK_ERROR(syscall(423), ENOSYS);
#endif
}

int main(void)
{
    RUN(unknown_numbers);
    RUN(ten_thousand);
    RUN(upper_halves_are_ignored);
    RUN(six_arguments);
    RUN(refused_by_everyone);
    return finish();
}
