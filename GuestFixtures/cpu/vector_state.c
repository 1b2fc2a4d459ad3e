/* x87, SSE, AVX and AVX-512 registers survive whatever happens: system calls, faults, signals, fork.
 * On a processor without a feature its part says the same words. */
#include "faults.h"
#include <math.h>
#include <sys/time.h>
#include <sys/utsname.h>

static int has_avx, has_avx512;

static void find_features(void)
{
    unsigned a = 1, b, c = 0, d, low, high;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if (!(c & 1u << 27)) return; /* OSXSAVE */
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    has_avx = (c & 1u << 28) && (low & 6) == 6;
    a = 7, c = 0;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    has_avx512 = (b & 1u << 16) && (low & 0xe6) == 0xe6;
}

/* What happens in between. It is called from assembly with every register already filled, so it is
 * itself written in instructions: a system call by number, with two arguments. */
struct action {
    long number, first, second;
};

static unsigned char pattern[32][64] __attribute__((aligned(64)));
static unsigned char kept[32][64] __attribute__((aligned(64)));
static uint64_t masks[8], kept_masks[8];

static void fill(unsigned char seed)
{
    for (int i = 0; i < 32; i++)
        for (int j = 0; j < 64; j++) pattern[i][j] = (unsigned char)(seed + i * 67 + j * 3);
    for (int i = 0; i < 8; i++) masks[i] = (seed + (uint64_t)i * 0x1111) & 0xffff;
    memset(kept, 0, sizeof kept);
    memset(kept_masks, 0, sizeof kept_masks);
}

#define SYSCALL "mov %0, %%rax; mov %1, %%rdi; mov %2, %%rsi; syscall; "
#define EACH16(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define HIGH16(op) op(16) op(17) op(18) op(19) op(20) op(21) op(22) op(23) op(24) op(25) op(26) op(27) op(28) op(29) op(30) op(31)
#define LOAD128(n) "movups 64*" #n "(%%r8), %%xmm" #n "; "
#define KEEP128(n) "movups %%xmm" #n ", 64*" #n "(%%r9); "
#define LOAD256(n) "vmovups 64*" #n "(%%r8), %%ymm" #n "; "
#define KEEP256(n) "vmovups %%ymm" #n ", 64*" #n "(%%r9); "
#define LOAD512(n) "vmovups 64*" #n "(%%r8), %%zmm" #n "; "
#define KEEP512(n) "vmovups %%zmm" #n ", 64*" #n "(%%r9); "
#define MASKS(op) op(1) op(2) op(3) op(4) op(5) op(6) op(7)
#define LOADK(n) "kmovw 8*" #n "(%%r10), %%k" #n "; "
#define KEEPK(n) "kmovw %%k" #n ", 8*" #n "(%%r12); "
#define OPERANDS : : "m"(action->number), "m"(action->first), "m"(action->second), "r"(p), "r"(k), "r"(m), "r"(n) \
    : "rax", "rcx", "rdi", "rsi", "r11", "memory"

static void across(const struct action *action)
{
    register unsigned char *p __asm__("r8") = pattern[0];
    register unsigned char *k __asm__("r9") = kept[0];
    register uint64_t *m __asm__("r10") = masks;
    register uint64_t *n __asm__("r12") = kept_masks;
    if (has_avx512)
        __asm__ volatile(EACH16(LOAD512) HIGH16(LOAD512) MASKS(LOADK) SYSCALL EACH16(KEEP512) HIGH16(KEEP512)
                         MASKS(KEEPK) "vzeroupper" OPERANDS);
    else if (has_avx)
        __asm__ volatile(EACH16(LOAD256) SYSCALL EACH16(KEEP256) "vzeroupper" OPERANDS);
    else
        __asm__ volatile(EACH16(LOAD128) SYSCALL EACH16(KEEP128) OPERANDS);
}

static int lost(void)
{
    int registers = has_avx512 ? 32 : 16, bytes = has_avx512 ? 64 : has_avx ? 32 : 16, count = 0;
    for (int i = 0; i < registers; i++)
        if (memcmp(pattern[i], kept[i], (size_t)bytes) != 0) {
            fprintf(stderr, "vector register %d is changed\n", i);
            count++;
        }
    for (int i = 1; i < 8 && has_avx512; i++) count += masks[i] != kept_masks[i];
    return count;
}

static void over_system_calls(void)
{
    static struct utsname name;
    struct action actions[] = {{SYS_getpid, 0, 0}, {SYS_uname, (long)&name, 0}, {SYS_close, -1, 0},
                               {SYS_sched_yield, 0, 0}, {9999, 0, 0}};
    for (int round = 0; round < 50; round++)
        for (unsigned i = 0; i < sizeof actions / sizeof *actions; i++) {
            fill((unsigned char)(round + (int)i));
            across(&actions[i]);
            CHECK_EQ(lost(), 0);
        }
}

/* A handler that leaves nothing in the registers as it was. */
static void destroy(int number)
{
    (void)number;
    if (has_avx512) __asm__ volatile("vzeroall; kxorw %%k1, %%k1, %%k1; vpxorq %%zmm16, %%zmm16, %%zmm16;"
                                     "vpxorq %%zmm31, %%zmm31, %%zmm31" ::: "memory");
    else if (has_avx) __asm__ volatile("vzeroall" ::: "memory");
    else __asm__ volatile("xorps %%xmm0, %%xmm0; xorps %%xmm15, %%xmm15" ::: "memory");
    unsigned control = 0x1f80 | 0x6000; /* rounding towards zero */
    unsigned short x87 = 0x0c7f;
    __asm__ volatile("fninit; fldpi; fldl2e; ldmxcsr %0; fldcw %1" ::"m"(control), "m"(x87));
}

static void over_a_signal(void)
{
    signal(SIGUSR1, destroy);
    for (int round = 0; round < 50; round++) {
        struct action action = {SYS_kill, getpid(), SIGUSR1};
        fill((unsigned char)(round * 5));
        across(&action);
        CHECK_EQ(lost(), 0);
    }
}

static void over_timer_signals(void)
{
    signal(SIGALRM, destroy);
    struct itimerval timer = {{0, 200}, {0, 200}};
    setitimer(ITIMER_REAL, &timer, NULL);
    for (int round = 0; round < 3000; round++) {
        struct action action = {SYS_getppid, 0, 0};
        fill((unsigned char)round);
        across(&action);
        if (lost() != 0) CHECK_EQ(lost(), 0);
    }
    memset(&timer, 0, sizeof timer);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void over_fork(void)
{
    for (int round = 0; round < 5; round++) {
        struct action action = {SYS_fork, 0, 0};
        pid_t self = getpid();
        fill((unsigned char)(round * 9));
        across(&action);
        int missing = lost();
        if (getpid() != self) _exit(missing == 0 ? 0 : 1);
        CHECK_EQ(missing, 0);
        int status = -1;
        CHECK(wait(&status) > 0);
        CHECK_EQ(status, 0);
    }
}

static unsigned char *page;

static void repair(int number)
{
    destroy(number);
    mprotect(page, PAGE, PROT_READ | PROT_WRITE);
}

static void over_a_fault(void)
{
    signal(SIGSEGV, repair);
    page = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int round = 0; round < 20; round++) {
        unsigned char in[32] __attribute__((aligned(32))), out[32] __attribute__((aligned(32)));
        memset(in, round + 1, sizeof in);
        mprotect(page, PAGE, PROT_NONE);
        if (has_avx)
            __asm__ volatile("vmovaps %1, %%ymm9; movb $1, (%2); vmovaps %%ymm9, %0; vzeroupper"
                             : "=m"(out) : "m"(in), "r"(page) : "memory");
        else
            __asm__ volatile("movaps %1, %%xmm9; movb $1, (%2); movaps %%xmm9, %0"
                             : "=m"(out) : "m"(in), "r"(page) : "xmm9", "memory");
        CHECK(memcmp(in, out, has_avx ? 32 : 16) == 0);
    }
    signal(SIGSEGV, SIG_DFL);
}

static void the_control_registers(void)
{
    unsigned set = 0x1f80 | 0x2000 | 0x8000, now = 0, normal = 0x1f80;
    unsigned short x87_set = 0x027f, x87_now = 0, x87_normal = 0x037f;
    __asm__ volatile("ldmxcsr %0; fldcw %1" ::"m"(set), "m"(x87_set));
    for (int i = 0; i < 20; i++) getppid();
    kill(getpid(), SIGUSR1);
    pid_t pid = fork();
    __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(now), "=m"(x87_now));
    int same = (now & 0xffc0) == set && x87_now == x87_set;
    if (pid == 0) _exit(same ? 0 : 1);
    __asm__ volatile("ldmxcsr %0; fldcw %1" ::"m"(normal), "m"(x87_normal));
    CHECK(same);
    CHECK_EQ(wait_for(pid), 0);
}

static void the_x87_stack(void)
{
    double values[8], back[8];
    for (int i = 0; i < 8; i++) values[i] = 1.5 + i;
    for (int round = 0; round < 20; round++) {
        pid_t self = getpid();
        __asm__ volatile("fninit\n\t"
                         "fldl 0(%1); fldl 8(%1); fldl 16(%1); fldl 24(%1)\n\t"
                         "fldl 32(%1); fldl 40(%1); fldl 48(%1); fldl 56(%1)\n\t"
                         "mov %2, %%rdi; mov $10, %%esi; mov $62, %%eax; syscall\n\t"
                         "fstpl 56(%0); fstpl 48(%0); fstpl 40(%0); fstpl 32(%0)\n\t"
                         "fstpl 24(%0); fstpl 16(%0); fstpl 8(%0); fstpl 0(%0)\n\t"
                         ::"r"(back), "r"(values), "r"((long)self)
                         : "rax", "rcx", "rdi", "rsi", "r11", "memory", "st", "st(1)", "st(2)", "st(3)", "st(4)",
                           "st(5)", "st(6)", "st(7)");
        CHECK(memcmp(values, back, sizeof values) == 0);
    }
}

static void a_fresh_program(void)
{
    /* What a program starts with is the same for each. */
    unsigned control = 0;
    unsigned short x87 = 0;
    __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(control), "=m"(x87));
    CHECK_EQ(control & 0xffc0, 0x1f80);
    CHECK_EQ(x87, 0x037f);
}

static void arithmetic(void)
{
    volatile double x = 2;
    volatile long double y = 3;
    printf("%.17g %.17g %.17g %.18Lg\n", sqrt(x), exp(x), sin(x), sqrtl(y));
    printf("%a %a\n", x / 3, pow(x, 0.3));
}

int main(void)
{
    find_features();
    RUN(a_fresh_program);
    RUN(over_system_calls);
    RUN(over_a_signal);
    RUN(over_timer_signals);
    RUN(over_fork);
    RUN(over_a_fault);
    RUN(the_control_registers);
    RUN(the_x87_stack);
    RUN(arithmetic);
    return finish();
}
