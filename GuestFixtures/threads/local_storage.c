/* The thread pointer: set, read, kept over everything that might lose it. */
#include "check.h"
#include <setjmp.h>

static __thread int initialised = 1234;
static __thread int zeroed;
static __thread struct { long a, b; } __attribute__((aligned(256))) aligned = {11, 22};

enum { SET_GS = 0x1001, SET_FS = 0x1002, GET_FS = 0x1003, GET_GS = 0x1004 };

static void first_values(void)
{
    CHECK_EQ(initialised, 1234);
    CHECK_EQ(zeroed, 0);
    CHECK_EQ(aligned.a, 11);
    CHECK_EQ(aligned.b, 22);
    CHECK_EQ((uintptr_t)&aligned % 256, 0);
}

static void the_thread_pointer(void)
{
    unsigned long by_call = 0, by_self;
    CHECK_OK(syscall(SYS_arch_prctl, GET_FS, &by_call));
    __asm__("mov %%fs:0, %0" : "=r"(by_self));
    CHECK_EQ(by_call, by_self);
    CHECK_OK(syscall(SYS_arch_prctl, SET_FS, by_call));
    CHECK_EQ(initialised, 1234);
    CHECK_ERROR(syscall(SYS_arch_prctl, SET_FS, 1UL << 63), EPERM);
    CHECK_ERROR(syscall(SYS_arch_prctl, GET_FS, 8), EFAULT);
    CHECK_ERROR(syscall(SYS_arch_prctl, 0x9999, 0), EINVAL);
}

static void the_other_segment(void)
{
    static unsigned long memory[2] = {0x1111, 0x2222};
    unsigned long base = 1, value;
    CHECK_OK(syscall(SYS_arch_prctl, GET_GS, &base));
    CHECK_EQ(base, 0);
    CHECK_OK(syscall(SYS_arch_prctl, SET_GS, memory));
    __asm__ volatile("mov %%gs:8, %0" : "=r"(value));
    CHECK_EQ(value, 0x2222);
    for (int i = 0; i < 10; i++) getppid();
    raise(SIGCONT);
    __asm__ volatile("mov %%gs:0, %0" : "=r"(value));
    CHECK_EQ(value, 0x1111);
    pid_t pid = fork();
    if (pid == 0) {
        __asm__ volatile("mov %%gs:8, %0" : "=r"(value));
        _exit(value == 0x2222 ? 0 : 1);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_OK(syscall(SYS_arch_prctl, GET_GS, &base));
    CHECK_EQ(base, (unsigned long)memory);
    CHECK_OK(syscall(SYS_arch_prctl, SET_GS, 0));
}

static volatile int inside;

static void handler(int number)
{
    (void)number;
    inside = initialised;
    initialised++;
}

static void in_handlers_and_children(void)
{
    signal(SIGUSR1, handler);
    raise(SIGUSR1);
    CHECK_EQ(inside, 1234);
    CHECK_EQ(initialised, 1235);
    pid_t pid = fork();
    if (pid == 0) {
        initialised = 1;
        _exit(aligned.b == 22 ? 0 : 1);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(initialised, 1235);
}

static void by_instruction(void)
{
    unsigned a = 7, b = 0, c = 0, d = 0;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if (!(b & 1)) return;
    unsigned long old, read_back;
    static unsigned long elsewhere[1000];
    __asm__ volatile("rdfsbase %0\n\t"
                     "wrfsbase %2\n\t"
                     "mov $39, %%eax\n\tsyscall\n\t" /* getpid: an exit with the other base */
                     "rdfsbase %1\n\t"
                     "wrfsbase %0\n\t"
                     : "=&r"(old), "=&r"(read_back)
                     : "r"(elsewhere)
                     : "rax", "rcx", "r11", "memory");
    CHECK_EQ(read_back, (unsigned long)elsewhere);
    CHECK_EQ(aligned.a, 11);
    unsigned long gs;
    __asm__ volatile("wrgsbase %1\n\tmov $39, %%eax\n\tsyscall\n\trdgsbase %0\n\t"
                     : "=&r"(gs) : "r"(elsewhere) : "rax", "rcx", "r11", "memory");
    CHECK_EQ(gs, (unsigned long)elsewhere);
}

int main(void)
{
    RUN(first_values);
    RUN(the_thread_pointer);
    RUN(the_other_segment);
    RUN(in_handlers_and_children);
    RUN(by_instruction);
    return finish();
}
