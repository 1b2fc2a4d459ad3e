/* How a handler runs: on which stack, with which mask, nested, and what it may change on return. */
#include "check.h"
#include "machine.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

static volatile sig_atomic_t depth, deepest, count;
static char alternate[65536];
static uintptr_t frame;

static void nested(int number)
{
    depth++;
    if (depth > deepest) deepest = depth;
    count++;
    if (number == SIGUSR1) raise(SIGUSR2);
    if (number == SIGUSR2) raise(SIGHUP);
    depth--;
}

static void handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    CHECK_OK(sigaction(number, &action, NULL));
}

static void one_interrupts_another(void)
{
    handle(SIGUSR1, nested, 0);
    handle(SIGUSR2, nested, 0);
    handle(SIGHUP, nested, 0);
    raise(SIGUSR1);
    CHECK_EQ(deepest, 3);
    CHECK_EQ(count, 3);
    CHECK_EQ(depth, 0);
}

static void again(int number)
{
    count++;
    deepest = ++depth > deepest ? depth : deepest;
    if (count < 5) raise(number);
    depth--;
}

static void not_itself(void)
{
    count = deepest = depth = 0;
    handle(SIGUSR1, again, 0);
    raise(SIGUSR1);
    CHECK_EQ(count, 5);
    CHECK_EQ(deepest, 1);
}

static void itself_when_it_may(void)
{
    count = deepest = depth = 0;
    handle(SIGUSR1, again, SA_NODEFER);
    raise(SIGUSR1);
    CHECK_EQ(count, 5);
    CHECK_EQ(deepest, 5);
}

static sigset_t inside;

static void look_at_the_mask(int number)
{
    (void)number;
    sigprocmask(SIG_SETMASK, NULL, &inside);
}

static void the_mask_in_a_handler(void)
{
    struct sigaction action = {.sa_handler = look_at_the_mask};
    sigaddset(&action.sa_mask, SIGTERM);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    CHECK(sigismember(&inside, SIGUSR1) == 1);
    CHECK(sigismember(&inside, SIGTERM) == 1);
    CHECK(sigismember(&inside, SIGUSR2) == 0);
    sigprocmask(SIG_SETMASK, NULL, &inside);
    CHECK(sigismember(&inside, SIGUSR1) == 0);
    CHECK(sigismember(&inside, SIGTERM) == 0);
}

static stack_t stack_inside;

static void remember_the_frame(int number)
{
    int here;
    (void)number;
    frame = (uintptr_t)&here;
    sigaltstack(NULL, &stack_inside);
}

static int on_alternate(void)
{
    return frame >= (uintptr_t)alternate && frame < (uintptr_t)alternate + sizeof alternate;
}

static void the_alternate_stack(void)
{
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate}, now;
    CHECK_OK(sigaltstack(&stack, NULL));
    CHECK_OK(sigaltstack(NULL, &now));
    CHECK(now.ss_sp == alternate && now.ss_size == sizeof alternate && now.ss_flags == 0);
    handle(SIGUSR1, remember_the_frame, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK(on_alternate());
    CHECK_EQ(stack_inside.ss_flags, SS_ONSTACK);
    CHECK_OK(sigaltstack(NULL, &now));
    CHECK_EQ(now.ss_flags, 0);
    /* Only for those that ask for it. */
    handle(SIGUSR1, remember_the_frame, 0);
    raise(SIGUSR1);
    CHECK(!on_alternate());
    stack.ss_size = 100;
    CHECK_ERROR(sigaltstack(&stack, NULL), ENOMEM);
    stack.ss_flags = 0x40;
    CHECK_ERROR(syscall(SYS_sigaltstack, &stack, NULL), EINVAL);
    stack.ss_flags = SS_DISABLE;
    CHECK_OK(sigaltstack(&stack, NULL));
    handle(SIGUSR1, remember_the_frame, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK(!on_alternate());
}

static void change_it_inside(int number)
{
    (void)number;
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    CHECK_ERROR(sigaltstack(&stack, NULL), EPERM);
}

static void not_changed_while_in_use(void)
{
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    CHECK_OK(sigaltstack(&stack, NULL));
    handle(SIGUSR1, change_it_inside, SA_ONSTACK);
    raise(SIGUSR1);
    stack.ss_flags = SS_DISABLE;
    CHECK_OK(sigaltstack(&stack, NULL));
}

static uintptr_t inner_frame;

static void inner(int number)
{
    int here;
    (void)number;
    inner_frame = (uintptr_t)&here;
}

static void outer(int number)
{
    int here;
    (void)number;
    frame = (uintptr_t)&here;
    raise(SIGUSR2);
}

static void nested_on_the_alternate_stack(void)
{
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    CHECK_OK(sigaltstack(&stack, NULL));
    handle(SIGUSR1, outer, SA_ONSTACK);
    handle(SIGUSR2, inner, SA_ONSTACK);
    raise(SIGUSR1);
    /* Below the outer one, not at the top again. */
    CHECK(on_alternate());
    CHECK(inner_frame < frame && inner_frame >= (uintptr_t)alternate);
    stack.ss_flags = SS_DISABLE;
    CHECK_OK(sigaltstack(&stack, NULL));
}

static jmp_buf escape;
static sigjmp_buf escape_with_mask;

static void jump(int number)
{
    if (number == SIGUSR1) siglongjmp(escape_with_mask, 7);
    longjmp(escape, 8);
}

static void jumping_out(void)
{
    handle(SIGUSR1, jump, 0);
    for (volatile int i = 0; i < 3; i++) {
        int value = sigsetjmp(escape_with_mask, 1);
        if (value == 0) {
            raise(SIGUSR1);
            CHECK(!"reached");
        }
        CHECK_EQ(value, 7);
    }
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    CHECK(sigismember(&now, SIGUSR1) == 0);
    handle(SIGUSR2, jump, SA_NODEFER);
    if (setjmp(escape) == 0) raise(SIGUSR2);
}

static void edit_the_context(int number, siginfo_t *info, void *pointer)
{
    (void)number;
    (void)info;
    ucontext_t *context = pointer;
#if defined(__x86_64__)
    CHECK_EQ(context->uc_mcontext.gregs[REG_RBX], 0x1111);
    CHECK_EQ(context->uc_mcontext.gregs[REG_R12], 0x2222);
    context->uc_mcontext.gregs[REG_RBX] = 0x3333;
    context->uc_mcontext.gregs[REG_R15] = 0x4444;
    context->uc_mcontext.gregs[REG_EFL] |= 1; /* carry */
    context->uc_mcontext.gregs[REG_RIP] += 2; /* past ud2 */
#else
    CHECK_EQ(context->uc_mcontext.regs[19], 0x1111);
    CHECK_EQ(context->uc_mcontext.regs[20], 0x2222);
    context->uc_mcontext.regs[19] = 0x3333;
    context->uc_mcontext.regs[28] = 0x4444;
    context->uc_mcontext.pstate |= 1 << 29; /* carry */
    context->uc_mcontext.pc += 4;           /* past udf */
#endif
    sigaddset(&context->uc_sigmask, SIGTERM);
}

static void what_a_handler_changes(void)
{
    struct sigaction action = {.sa_sigaction = edit_the_context, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, NULL);
    uint64_t rbx = 0, r15 = 0;
    uint8_t carry = 0;
#if defined(__x86_64__)
    __asm__ volatile("mov $0x1111, %%rbx\n\t"
                     "mov $0x2222, %%r12\n\t"
                     "xor %%r15, %%r15\n\t"
                     "clc\n\t"
                     "ud2\n\t"
                     "setc %2\n\t"
                     "mov %%rbx, %0\n\t"
                     "mov %%r15, %1\n\t"
                     : "=&r"(rbx), "=&r"(r15), "=&r"(carry)
                     :
                     : "rbx", "r12", "r15", "cc", "memory");
#else
    __asm__ volatile("mov x19, #0x1111\n\tmov x20, #0x2222\n\tmov x28, #0\n\tcmn x20, #0\n\tudf #0\n\t"
                     "cset %w2, cs\n\tmov %0, x19\n\tmov %1, x28"
                     : "=&r"(rbx), "=&r"(r15), "=&r"(carry) : : "x19", "x20", "x28", "cc", "memory");
#endif
    CHECK_EQ(rbx, 0x3333);
    CHECK_EQ(r15, 0x4444);
    CHECK_EQ(carry, 1);
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    CHECK(sigismember(&now, SIGTERM) == 1);
    sigdelset(&now, SIGTERM);
    sigprocmask(SIG_SETMASK, &now, NULL);
}

static volatile uintptr_t seen_rip, seen_rsp;

static void look(int number, siginfo_t *info, void *pointer)
{
    (void)number;
    (void)info;
    ucontext_t *context = pointer;
    seen_rip = CONTEXT_PC(context);
    seen_rsp = CONTEXT_SP(context);
    CHECK_EQ((uintptr_t)pointer % 8, 0);
#if defined(__x86_64__)
    CHECK_EQ(context->uc_mcontext.gregs[REG_CSGSFS] & 0xffff, 0x33);
    CHECK_EQ((uintptr_t)context->uc_mcontext.fpregs % 64, 0);
    /* The frame leaves the 128 bytes below the stack pointer alone. */
    CHECK((uintptr_t)pointer < seen_rsp - 128);
#endif
}

static void the_red_zone(void)
{
    struct sigaction action = {.sa_sigaction = look, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL);
#if defined(__x86_64__)
    uint64_t kept = 0, result = 0, target = (uint64_t)getpid();
    __asm__ volatile("movq $0x77, -8(%%rsp)\n\t"
                     "movq $0x88, -128(%%rsp)\n\t"
                     "mov %3, %%rdi\n\t"
                     "mov $10, %%esi\n\t"
                     "mov $62, %%eax\n\t" /* kill(self, SIGUSR1) */
                     "syscall\n\t"
                     "mov -8(%%rsp), %0\n\t"
                     "add -128(%%rsp), %0\n\t"
                     "mov %%rax, %1\n\t"
                     : "=&r"(kept), "=&r"(result), "+m"(target)
                     : "r"(target)
                     : "rax", "rcx", "rdi", "rsi", "r11", "memory", "cc");
    CHECK_EQ(kept, 0x77 + 0x88);
    CHECK_EQ(result, 0);
#else
    raise(SIGUSR1);
#endif
    CHECK(seen_rip != 0);
}

int main(void)
{
    RUN(one_interrupts_another);
    RUN(not_itself);
    RUN(itself_when_it_may);
    RUN(the_mask_in_a_handler);
    RUN(the_alternate_stack);
    RUN(not_changed_while_in_use);
    RUN(nested_on_the_alternate_stack);
    RUN(jumping_out);
    RUN(what_a_handler_changes);
    RUN(the_red_zone);
    return finish();
}
