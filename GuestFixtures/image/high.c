/* Linked far above 4 GiB, without a C library, whose static form cannot lie there. */
#include <stdint.h>

extern char __ehdr_start[];
static unsigned char zeroed[1 << 20];
static int initialised = 42;

static long call(long number, long first, long second, long third)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(first), "S"(second), "d"(third)
                     : "rcx", "r11", "memory");
    return result;
}

void _start(void)
{
    static const char good[] = "far up: ok\n";
    int status = 0;
    if ((uintptr_t)__ehdr_start != LINKED_AT) status = 1;
    if (initialised != 42) status = 2;
    for (unsigned i = 0; i < sizeof zeroed; i += 100)
        if (zeroed[i] != 0) status = 3;
    zeroed[sizeof zeroed - 1] = 1;
    /* brk begins behind the image. */
    uintptr_t here = (uintptr_t)call(12, 0, 0, 0);
    if (here < (uintptr_t)zeroed + sizeof zeroed) status = 4;
    if ((uintptr_t)call(12, (long)here + 100000, 0, 0) != here + 100000) status = 5;
    *(volatile char *)(here + 99999) = 1;
    if (status == 0) call(1, 1, (long)good, sizeof good - 1);
    call(231, status, 0, 0);
    __builtin_unreachable();
}
