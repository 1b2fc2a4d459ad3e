/* What a handler may do to the frame that it returns to, and what a kernel makes of frames that it cannot use. Each attempt in a child:
   many are deadly. */
#include "check.h"
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ucontext.h>

enum { EXITED_WELL = 0 };

static void (*edit)(ucontext_t *context);

static void handler(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    edit(context);
}

/* The wait status of a child that receives a signal whose handler makes this change, and then runs `after`. */
static int status_after(void (*change)(ucontext_t *), void (*before)(void), int (*after)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
        sigaction(SIGUSR1, &action, NULL);
        edit = change;
        if (before) before();
        raise(SIGUSR1);
        _exit(after ? after() : 0);
    }
    return wait_for(pid);
}

static fpregset_t state(ucontext_t *context)
{
    return context->uc_mcontext.fpregs;
}

static uint32_t *software(ucontext_t *context)
{
    return (uint32_t *)((char *)state(context) + 464);
}

static void no_state(ucontext_t *context) { context->uc_mcontext.fpregs = NULL; }
static void misaligned_state(ucontext_t *context) { context->uc_mcontext.fpregs = (fpregset_t)((char *)state(context) + 8); }
static void state_nowhere(ucontext_t *context) { context->uc_mcontext.fpregs = (fpregset_t)0x100000; }
static void state_in_the_kernel(ucontext_t *context) { context->uc_mcontext.fpregs = (fpregset_t)0xffff888000000000; }
static void no_magic(ucontext_t *context) { software(context)[0] = 0; }
static void small_size(ucontext_t *context) { software(context)[4] = 100; }
static void large_size(ucontext_t *context) { software(context)[4] = 100000; }
static void small_extended_size(ucontext_t *context) { software(context)[1] = 100; }
static void unknown_features(ucontext_t *context) { ((uint64_t *)software(context))[1] = ~0ull; }
static void no_second_magic(ucontext_t *context) { *(uint32_t *)((char *)state(context) + software(context)[4]) = 0; }
static void unknown_components(ucontext_t *context) { *(uint64_t *)((char *)state(context) + 512) |= 1ull << 62; }
static void compacted(ucontext_t *context) { *(uint64_t *)((char *)state(context) + 520) = 1ull << 63; }
static void reserved_header(ucontext_t *context) { *(uint64_t *)((char *)state(context) + 528) = 1; }
static void reserved_control(ucontext_t *context) { state(context)->mxcsr = 0xffffffff; }
static void rounding(ucontext_t *context) { state(context)->mxcsr = 0x7f80; }
static void a_register(ucontext_t *context) { memset(&state(context)->_xmm[5], 0x5a, 16); }
static void all_flags(ucontext_t *context) { context->uc_mcontext.gregs[REG_EFL] = ~0x40100ll; }
static void no_flags(ucontext_t *context) { context->uc_mcontext.gregs[REG_EFL] = 0; }
static void stack_segment_zero(ucontext_t *context) { context->uc_mcontext.gregs[REG_CSGSFS] &= 0x0000ffffffffffff; }
static void code_segment_zero(ucontext_t *context) { context->uc_mcontext.gregs[REG_CSGSFS] &= ~0xffffll; }
static void code_segment_of_the_kernel(ucontext_t *context) { context->uc_mcontext.gregs[REG_CSGSFS] ^= 0x33 ^ 0x10; }
static void segments_of_no_use(ucontext_t *context) { context->uc_mcontext.gregs[REG_CSGSFS] |= 0x0000123456780000; }
static void rip_of_the_kernel(ucontext_t *context) { context->uc_mcontext.gregs[REG_RIP] = (greg_t)0xffffffff81000000; }
static void rip_nowhere(ucontext_t *context) { context->uc_mcontext.gregs[REG_RIP] = 0x100000; }
static void every_mask(ucontext_t *context) { memset(&context->uc_sigmask, 0xff, 8); }
static void strange_stack(ucontext_t *context) { context->uc_stack.ss_flags = 0x77; context->uc_stack.ss_size = 5; }
static void strange_context_flags(ucontext_t *context) { context->uc_flags = ~0ul; }
static void flags_without_segments(ucontext_t *context) { context->uc_flags = 1; }

static unsigned control(void)
{
    unsigned value;
    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value;
}

static void set_state(void)
{
    unsigned value = 0x1f80 | 0x6000;
    __asm__ volatile("ldmxcsr %0\n fldpi" ::"m"(value));
}

static void caught(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    _exit(info->si_code == SI_KERNEL && info->si_addr == NULL ? 42 : 43);
}

/* What is wrong with a frame is a segmentation fault like any other. */
static void catch_it(void)
{
    struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
}

static void block_it(void)
{
    catch_it();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static int initial_state(void)
{
    unsigned short tags[14];
    __asm__ volatile("fnstenv %0" : "=m"(tags));
    return control() == 0x1f80 && tags[4] == 0xffff ? 0 : 1;
}

static int kept_state(void)
{
    return (control() & ~0x3fu) == 0x7f80 ? 0 : 1;
}

/* Not by raise(), which is a call: the registers must come through as they are. */
static int register_arrives(void)
{
    unsigned char value[16], expected[16];
    long result, self = getpid();
    memset(expected, 0x5a, 16);
    __asm__ volatile("pxor %%xmm5, %%xmm5\n mov $62, %%eax\n mov $10, %%esi\n syscall\n movups %%xmm5, %1"
                     : "=a"(result), "=m"(value) : "D"(self) : "rsi", "rcx", "r11", "xmm5", "memory");
    return memcmp(value, expected, 16) == 0 ? 0 : 1;
}

/* Only what a program may set: no IOPL, no VM, no NT. */
static int flags_arrive(void)
{
    long flags, self = getpid(), number = 62;
    __asm__ volatile("mov $10, %%esi\n syscall\n pushf\n pop %0\n cld" : "=r"(flags), "+a"(number) : "D"(self) : "rsi", "rcx", "r11", "memory", "cc");
    return (flags & 0xfd5) == 0xcd5 + 0x200 - 0x0 - (0xcd5 & 0x200) && (flags & 0x3f7000) == 0 ? 0 : (int)(flags >> 8 & 0x7f) | 0x80;
}

static int no_flags_arrive(void)
{
    long flags, self = getpid(), number = 62;
    __asm__ volatile("mov $10, %%esi\n stc\n syscall\n pushf\n pop %0" : "=r"(flags), "+a"(number) : "D"(self) : "rsi", "rcx", "r11", "memory", "cc");
    return (flags & 0x3f7fd5) == 0x200 ? 0 : 1;
}

static int mask_is_full(void)
{
    uint64_t now = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &now, 8);
    return now == (~0ull ^ 1ull << (SIGKILL - 1) ^ 1ull << (SIGSTOP - 1)) ? 0 : 1;
}

static __thread int local = 77;

static int thread_storage_is_there(void)
{
    return local == 77 ? 0 : 1;
}

static const struct {
    const char *name;
    void (*change)(ucontext_t *);
    void (*before)(void);
    int (*after)(void);
} attempts[] = {
    {"no state", no_state, set_state, initial_state},
    {"misaligned state", misaligned_state, NULL, NULL},
    {"state nowhere", state_nowhere, NULL, NULL},
    {"state in the kernel", state_in_the_kernel, NULL, NULL},
    {"misaligned state, caught", misaligned_state, catch_it, NULL},
    {"misaligned state, blocked", misaligned_state, block_it, NULL},
    {"code segment zero, caught", code_segment_zero, catch_it, NULL},
    {"stack segment zero, caught", stack_segment_zero, catch_it, NULL},
    {"stack segment zero, blocked", stack_segment_zero, block_it, NULL},
    {"no magic", no_magic, set_state, kept_state},
    {"small size", small_size, set_state, kept_state},
    {"large size", large_size, set_state, kept_state},
    {"small extended size", small_extended_size, set_state, kept_state},
    {"unknown features", unknown_features, set_state, kept_state},
    {"no second magic", no_second_magic, set_state, kept_state},
    {"unknown components", unknown_components, set_state, kept_state},
    {"compacted", compacted, set_state, kept_state},
    {"reserved header", reserved_header, set_state, kept_state},
    {"reserved control", reserved_control, NULL, NULL},
    {"rounding", rounding, NULL, kept_state},
    {"a register", a_register, NULL, register_arrives},
    {"all flags", all_flags, NULL, flags_arrive},
    {"no flags", no_flags, NULL, no_flags_arrive},
    {"stack segment zero", stack_segment_zero, NULL, thread_storage_is_there},
    {"code segment zero", code_segment_zero, NULL, NULL},
    {"code segment of the kernel", code_segment_of_the_kernel, NULL, NULL},
    {"segments of no use", segments_of_no_use, NULL, thread_storage_is_there},
    {"rip of the kernel", rip_of_the_kernel, NULL, NULL},
    {"rip nowhere", rip_nowhere, NULL, NULL},
    {"every mask", every_mask, NULL, mask_is_full},
    {"strange stack", strange_stack, NULL, NULL},
    {"strange context flags", strange_context_flags, NULL, NULL},
    {"flags without segments", flags_without_segments, NULL, NULL},
};

/* A frame that finds no room is a segmentation fault, whose handler may have some. */
static int no_room_for_a_frame(int segv_elsewhere)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        stack_t nowhere = {.ss_sp = (void *)0x100000, .ss_size = 65536};
        struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        sigaltstack(&nowhere, NULL);
        sigaction(SIGUSR1, &action, NULL);
        action.sa_sigaction = caught;
        if (segv_elsewhere) action.sa_flags = SA_SIGINFO;
        sigaction(SIGSEGV, &action, NULL);
        raise(SIGUSR1);
        _exit(0);
    }
    return wait_for(pid);
}

/* An emulated processor may take any control word. */
static int control_words_are_checked(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        unsigned all = ~0u;
        catch_it();
        __asm__ volatile("ldmxcsr %0" ::"m"(all));
        _exit(0);
    }
    return wait_for(pid) != 0;
}

/* The stack pointer of rt_sigreturn may be anything. */
static int returns_from(uintptr_t stack)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        __asm__ volatile("mov %0, %%rsp\n mov $15, %%eax\n syscall\n mov $231, %%eax\n xor %%edi, %%edi\n syscall" ::"r"(stack) : "memory");
    }
    return wait_for(pid);
}

int main(void)
{
    for (unsigned i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        if (attempts[i].change == reserved_control && !control_words_are_checked()) continue;
        int status = status_after(attempts[i].change, attempts[i].before, attempts[i].after);
        printf("%s: %s %d\n", attempts[i].name, WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        fflush(stdout);
    }
    static const uintptr_t stacks[] = {8, 0x100000, 0xffff888000000000, 0x8000000000000000, 0x53ffffffff00};
    for (int i = 0; i < 5; i++) CHECK_EQ(WTERMSIG(returns_from(stacks[i])), SIGSEGV);
    CHECK_EQ(WEXITSTATUS(no_room_for_a_frame(1)), 42);
    CHECK_EQ(WTERMSIG(no_room_for_a_frame(0)), SIGSEGV);
    return finish();
}
