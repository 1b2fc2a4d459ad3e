/* The frame that a handler finds, and what sigreturn makes of one that was changed. */
#include "check.h"
#include "machine.h"
#include <sys/auxv.h>
#include <ucontext.h>

enum { VECTORS = 0x46508001 };
static void (*change)(ucontext_t *);
static ucontext_t seen;
static uintptr_t seen_context, seen_info, frame_record[2], seen_record, return_to;

static void look(int number, siginfo_t *info, void *opaque)
{
    (void)number;
    uintptr_t *record = __builtin_frame_address(0);
    /* The handler's own record leads to the one that the kernel made. */
    record = (uintptr_t *)record[0];
    seen_record = (uintptr_t)record;
    memcpy(frame_record, record, sizeof frame_record);
    return_to = (uintptr_t)__builtin_return_address(0);
    memcpy(&seen, opaque, sizeof seen);
    seen_context = (uintptr_t)opaque;
    seen_info = (uintptr_t)info;
    if (change) change(opaque);
}

static void handle(void (*how)(ucontext_t *))
{
    struct sigaction action = {.sa_sigaction = look, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL);
    change = how;
}

static void where_things_lie(void)
{
    handle(NULL);
    uintptr_t sp = 0, fp = 0;
    pid_t self = getpid();
    register long x8 __asm__("x8") = SYS_kill, x0 __asm__("x0") = self, x1 __asm__("x1") = SIGUSR1;
    __asm__ volatile("mov %1, sp\n\tmov %2, x29\n\tsvc #0" : "+r"(x0), "=&r"(sp), "=&r"(fp) : "r"(x8), "r"(x1) : "memory");
    CHECK_EQ(x0, 0);
    CHECK_EQ(seen.uc_mcontext.sp, sp);
    CHECK_EQ(seen.uc_mcontext.regs[8], SYS_kill);
    CHECK_EQ(seen.uc_mcontext.regs[0], 0);
    CHECK_EQ(seen.uc_mcontext.regs[1], SIGUSR1);
    CHECK_EQ(seen.uc_mcontext.regs[29], fp);
    CHECK_EQ(seen.uc_mcontext.pstate & 0x0fffe3ff & ~0x1001000u, 0);
    CHECK_EQ(seen_context - seen_info, 128);
    CHECK_EQ(seen_info % 16, 0);
    CHECK_EQ((uintptr_t)seen.uc_mcontext.__reserved - (uintptr_t)&seen, 464);
    CHECK_EQ(seen_record, (sp - 16) & ~15UL);
    CHECK_EQ(frame_record[0], fp);
    CHECK_EQ(frame_record[1], seen.uc_mcontext.regs[30]);
    /* mov x8, #139; svc #0: by which unwinders know the frame. */
    CHECK_EQ(((uint32_t *)return_to)[0], 0xd2801168);
    CHECK_EQ(((uint32_t *)return_to)[1], 0xd4000001);
}

extern char own_restorer[];
__asm__(".text\nown_restorer:\n\tmov x8, #139\n\tsvc #0\n");

static void a_restorer_of_ones_own(void)
{
    struct { uintptr_t handler; unsigned long flags; uintptr_t restorer; uint64_t mask; } action = {0};
    action.handler = (uintptr_t)look;
    action.flags = SA_SIGINFO | 0x04000000;
    action.restorer = (uintptr_t)own_restorer;
    change = NULL;
    CHECK_OK(syscall(SYS_rt_sigaction, SIGUSR1, &action, NULL, 8));
    raise(SIGUSR1);
    CHECK_EQ(return_to, (uintptr_t)own_restorer);
}

static void small_alternate_stacks(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    stack_t given = {.ss_sp = stack, .ss_size = 5119};
    CHECK_ERROR(sigaltstack(&given, NULL), ENOMEM);
    given.ss_size = 5120;
    CHECK_OK(sigaltstack(&given, NULL));
    CHECK(getauxval(AT_MINSIGSTKSZ) >= 4704 && getauxval(AT_MINSIGSTKSZ) < 65536);
    given.ss_flags = SS_DISABLE;
    CHECK_OK(sigaltstack(&given, NULL));
}

static void no_vectors(ucontext_t *context) { memset(context->uc_mcontext.__reserved, 0, 16); }
static void wrong_size(ucontext_t *context) { ((uint32_t *)context->uc_mcontext.__reserved)[1] = 512; }
static void size_zero(ucontext_t *context) { ((uint32_t *)context->uc_mcontext.__reserved)[1] = 0; }
static void unknown_record(ucontext_t *context)
{
    uint32_t *next = (uint32_t *)(context->uc_mcontext.__reserved + 528);
    next[0] = 0x11223344, next[1] = 16, next[4] = 0, next[5] = 0;
}
static void vectors_twice(ucontext_t *context)
{
    memcpy(context->uc_mcontext.__reserved + 528, context->uc_mcontext.__reserved, 528);
    memset(context->uc_mcontext.__reserved + 1056, 0, 16);
}
static void kernel_state(ucontext_t *context) { context->uc_mcontext.pstate |= 5; }
static void masked_interrupts(ucontext_t *context) { context->uc_mcontext.pstate |= 0x80; }
static void old_processor(ucontext_t *context) { context->uc_mcontext.pstate |= 0x10; }
static void all_flags(ucontext_t *context) { context->uc_mcontext.pstate |= 0xf0000000; }
static void pc_nowhere(ucontext_t *context) { context->uc_mcontext.pc = 0x100000; }
static void pc_in_the_kernel(ucontext_t *context) { context->uc_mcontext.pc = 0xffff800000080000; }
static void sp_misaligned(ucontext_t *context) { context->uc_mcontext.sp += 4; }

static void changed(const char *name, void (*how)(ucontext_t *))
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        handle(how);
        raise(SIGUSR1);
        _exit(7);
    }
    int status;
    waitpid(pid, &status, 0);
    printf("  %s: %s %d\n", name, WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

#define CHANGED(how) changed(#how, how)

static void changed_frames(void)
{
    CHANGED(no_vectors);
    CHANGED(wrong_size);
    CHANGED(size_zero);
    CHANGED(unknown_record);
    CHANGED(vectors_twice);
    CHANGED(kernel_state);
    CHANGED(masked_interrupts);
    CHANGED(old_processor);
    CHANGED(all_flags);
    CHANGED(pc_nowhere);
    CHANGED(pc_in_the_kernel);
    CHANGED(sp_misaligned);
}

/* sigreturn where there is no frame. */
static void no_frame_at_all(void)
{
    static char stack[8192] __attribute__((aligned(16)));
    for (int offset = 0; offset < 16; offset += 8) {
        pid_t pid = fork();
        if (pid == 0) {
            __asm__ volatile("mov sp, %0\n\tmov x8, #139\n\tsvc #0\n\tmov x8, #94\n\tmov x0, #3\n\tsvc #0" : : "r"(stack + offset) : "memory");
        }
        int status;
        waitpid(pid, &status, 0);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    }
}

int main(void)
{
    RUN(where_things_lie);
    RUN(a_restorer_of_ones_own);
    RUN(small_alternate_stacks);
    RUN(changed_frames);
    RUN(no_frame_at_all);
    return finish();
}
