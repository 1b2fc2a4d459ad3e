/* What a program may ask the processor directly, and how system calls leave the registers. */
#include "check.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static void registers_over_a_system_call(void)
{
    uint64_t before[6] = {0x1111111111111111, 0x2222222222222222, 0x3333333333333333, 0x4444444444444444,
                          0x5555555555555555, 0x6666666666666666};
    uint64_t after[8], rcx = 0, r11 = 0, next = 0;
    __asm__ volatile("mov 0(%3), %%rbx; mov 8(%3), %%r12; mov 16(%3), %%r13; mov 24(%3), %%r14; mov 32(%3), %%r15\n\t"
                     "mov 40(%3), %%r8; mov %%r8, %%r9; mov %%r8, %%r10; mov %%r8, %%rdx; mov %%r8, %%rsi; mov %%r8, %%rdi\n\t"
                     "lea 1f(%%rip), %%rax; mov %%rax, %2\n\t"
                     "mov $39, %%eax\n\tstc\n\tsyscall\n\t"
                     "1: mov %%rcx, %0; mov %%r11, %1\n\t"
                     "mov %4, %%rcx\n\t"
                     "mov %%rbx, 0(%%rcx); mov %%r12, 8(%%rcx); mov %%r13, 16(%%rcx); mov %%r14, 24(%%rcx)\n\t"
                     "mov %%r15, 32(%%rcx); mov %%r8, 40(%%rcx)\n\t"
                     "xor %%r9, %%r10; xor %%rdx, %%rsi; or %%rsi, %%r10; mov %%r10, 48(%%rcx); mov %%rdi, 56(%%rcx)"
                     : "=m"(rcx), "=m"(r11), "=m"(next)
                     : "r"((uint64_t *)before), "m"((uint64_t *){(uint64_t *)after})
                     : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                       "memory", "cc");
    for (int i = 0; i < 6; i++) CHECK_EQ(after[i], before[i]);
    CHECK_EQ(after[6], 0);
    CHECK_EQ(after[7], before[5]);
    /* The instruction leaves its return address and the flags. */
    CHECK_EQ(rcx, next);
    CHECK_EQ(r11 & 1, 1);
}

static void flags_over_a_system_call(void)
{
    uint64_t flags = 0;
    __asm__ volatile("std; mov $39, %%eax; syscall; pushf; pop %0; cld" : "=r"(flags)::"rax", "rcx", "r11", "cc", "memory");
    CHECK_EQ(flags & 0x400, 0x400);
    __asm__ volatile("pushf; orq $0x40000, (%%rsp); popf; mov $39, %%eax; syscall; pushf; pop %0;"
                     "pushf; andq $~0x40000, (%%rsp); popf" : "=r"(flags)::"rax", "rcx", "r11", "cc", "memory");
    CHECK_EQ(flags & 0x40000, 0x40000);
}

static void the_clock_runs_forward(void)
{
    unsigned low, high;
    uint64_t last = 0, now;
    for (int i = 0; i < 100000; i++) {
        __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
        now = (uint64_t)high << 32 | low;
        CHECK(now >= last);
        last = now;
        if (i % 1000 == 0) getppid();
    }
}

static uint64_t tsc(void)
{
    unsigned low, high;
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static void the_same_clock_in_a_child(void)
{
    int pipes[2];
    CHECK_OK(pipe(pipes));
    uint64_t before = tsc(), inside = 0;
    pid_t pid = fork();
    if (pid == 0) {
        inside = tsc();
        _exit(write(pipes[1], &inside, sizeof inside) == sizeof inside ? 0 : 1);
    }
    CHECK_EQ(read(pipes[0], &inside, sizeof inside), sizeof inside);
    wait_for(pid);
    uint64_t after = tsc();
    CHECK(before < inside && inside < after);
}

static void identification(void)
{
    unsigned a = 0, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    CHECK(a >= 7);
    char vendor[13] = "";
    memcpy(vendor, &b, 4);
    memcpy(vendor + 4, &d, 4);
    memcpy(vendor + 8, &c, 4);
    CHECK(strlen(vendor) == 12);
    a = 1, c = 0;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    /* SSE2, SSE4.2, POPCNT: every machine with hardware virtualisation has them. */
    CHECK((d & 1u << 26) && (c & 1u << 20) && (c & 1u << 23));
    if (c & 1u << 30) {
        uint64_t value = 0;
        unsigned char carry = 0;
        for (int i = 0; i < 100 && !carry; i++) __asm__ volatile("rdrand %0; setc %1" : "=r"(value), "=q"(carry));
        CHECK_EQ(carry, 1);
    }
    CHECK(__builtin_cpu_supports("sse4.2"));
}

static void system_calls_that_need_no_system(void)
{
    /* The old fixed page: gettimeofday, time, getcpu at fixed addresses. */
    int (*get_time)(struct timeval *, void *) = (void *)0xffffffffff600000;
    long (*seconds)(long *) = (void *)0xffffffffff600400;
    int (*get_cpu)(unsigned *, unsigned *, void *) = (void *)0xffffffffff600800;
    struct timeval now = {0, 0};
    struct timespec reference;
    clock_gettime(CLOCK_REALTIME, &reference);
    CHECK_EQ(get_time(&now, NULL), 0);
    CHECK(now.tv_sec - reference.tv_sec >= 0 && now.tv_sec - reference.tv_sec < 60);
    long stored = 0, returned = seconds(&stored);
    CHECK_EQ(stored, returned);
    /* It goes by the last tick, which may lie in the second before. */
    CHECK(returned >= reference.tv_sec - 1 && returned - reference.tv_sec < 60);
    unsigned cpu = 9999, node = 9999;
    CHECK_EQ(get_cpu(&cpu, &node, NULL), 0);
    CHECK(cpu < 4096 && node < 1024);
}

static void the_shared_objects_clock(void)
{
    /* Against the system call: between two of its answers. */
    clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW};
    for (unsigned i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        struct timespec before, library, after;
        CHECK_OK(syscall(SYS_clock_gettime, clocks[i], &before));
        CHECK_OK(clock_gettime(clocks[i], &library));
        CHECK_OK(syscall(SYS_clock_gettime, clocks[i], &after));
        int64_t first = before.tv_sec * 1000000000LL + before.tv_nsec;
        int64_t second = library.tv_sec * 1000000000LL + library.tv_nsec;
        int64_t third = after.tv_sec * 1000000000LL + after.tv_nsec;
        CHECK(first <= second && second <= third);
    }
    struct timeval day;
    time_t now;
    CHECK_OK(gettimeofday(&day, NULL));
    CHECK((now = time(NULL)) - day.tv_sec <= 60 && now - day.tv_sec >= -1);
}

static jmp_buf place;
static sigjmp_buf signal_place;

static __attribute__((noinline)) void jump_from_below(int depth)
{
    if (depth > 0) jump_from_below(depth - 1);
    else if (depth == 0) longjmp(place, 5);
}

static void long_jumps(void)
{
    volatile int count = 0;
    int value = setjmp(place);
    if (value == 0) {
        count++;
        jump_from_below(50);
    }
    CHECK_EQ(value, 5);
    CHECK_EQ(count, 1);
    sigset_t set, now;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    if (sigsetjmp(signal_place, 1) == 0) {
        sigprocmask(SIG_BLOCK, &set, NULL);
        siglongjmp(signal_place, 1);
    }
    sigprocmask(SIG_SETMASK, NULL, &now);
    CHECK(sigismember(&now, SIGUSR1) == 0);
}

static void self_modifying(void)
{
    /* Written and executed at once: the processor notices, and so must whatever is in between. */
    unsigned char *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 200; i++) {
        unsigned char text[] = {0xb8, (unsigned char)i, 0, 0, 0, 0xc3};
        memcpy(code, text, sizeof text);
        CHECK_EQ(((int (*)(void))(uintptr_t)code)(), i);
    }
}

int main(void)
{
    RUN(registers_over_a_system_call);
    RUN(flags_over_a_system_call);
    RUN(the_clock_runs_forward);
    RUN(the_same_clock_in_a_child);
    RUN(identification);
    RUN(system_calls_that_need_no_system);
    RUN(the_shared_objects_clock);
    RUN(long_jumps);
    RUN(self_modifying);
    return finish();
}
