/* Contexts at the edge: faults while a timer interrupts at every instruction, steps over a system call, and instruction
   pointers that no program can have. */
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

static char *nothing;
static volatile long right, wrong, alarms;
extern char illegal[], forbidden[], behind[];

static void fault(int number, siginfo_t *info, void *opaque)
{
    ucontext_t *context = opaque;
    greg_t *rip = &context->uc_mcontext.gregs[REG_RIP];
    if (number == SIGILL) {
        if (*rip == (greg_t)illegal) right++; else wrong++;
        *rip = (greg_t)forbidden;
    } else {
        if (*rip == (greg_t)forbidden && info->si_addr == nothing) right++; else wrong++;
        *rip = (greg_t)behind;
    }
}

static void tick(int number)
{
    (void)number;
    alarms++;
}

static void catch(int number, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    sigaction(number, &action, NULL);
}

/* A fault belongs to the instruction that caused it, also when a timer's signal comes between the two. */
static void faults_under_a_timer(void)
{
    catch(SIGILL, fault, 0);
    catch(SIGSEGV, fault, 0);
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    nothing = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(nothing != MAP_FAILED);
    struct itimerval every = {{0, 1500}, {0, 1500}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &every, NULL);
    for (int i = 0; i < 3000; i++)
        __asm__ volatile("illegal: ud2\n forbidden: movb $1, (%0)\n behind:" ::"r"(nothing) : "memory");
    setitimer(ITIMER_REAL, &never, NULL);
    CHECK_EQ(right, 6000);
    CHECK_EQ(wrong, 0);
    signal(SIGILL, SIG_DFL);
    signal(SIGSEGV, SIG_DFL);
}

static volatile int steps;
static unsigned long at[32];
extern char stepping[];

static void step(int number, siginfo_t *info, void *opaque)
{
    ucontext_t *context = opaque;
    (void)number, (void)info;
    if (steps < 32) at[steps] = (unsigned long)context->uc_mcontext.gregs[REG_RIP] - (unsigned long)stepping;
    if (++steps == 6) context->uc_mcontext.gregs[REG_EFL] &= ~0x100;
}

static void steps_over_a_system_call(void)
{
    catch(SIGTRAP, step, 0);
    __asm__ volatile("pushf\n orl $0x100, (%%rsp)\n popf\n"
                     "stepping: nop\n mov $39, %%eax\n syscall\n nop\n nop\n nop\n nop\n nop\n nop\n"
                     ::: "rax", "rcx", "r11", "memory", "cc");
    /* nop is 1 byte, mov 5, syscall 2. The system call and what follows it are one step. */
    static const unsigned long expected[] = {1, 6, 9, 10, 11, 12};
    CHECK_EQ(steps, 6);
    for (int i = 0; i < 6; i++) CHECK_EQ(at[i], expected[i]);
}

static sigjmp_buf out;
static volatile int gone;
static greg_t target;
static siginfo_t wild;

static void go_wild(int number, siginfo_t *info, void *opaque)
{
    (void)number;
    if (!gone) {
        gone = 1;
        ((ucontext_t *)opaque)->uc_mcontext.gregs[REG_RIP] = target;
        return;
    }
    wild = *info;
    siglongjmp(out, 1);
}

static void instruction_pointers_that_cannot_be(void)
{
    catch(SIGUSR1, go_wild, SA_NODEFER);
    catch(SIGSEGV, go_wild, SA_NODEFER);
    static const unsigned long targets[] = {0x8000000000000000, 0x0000800000000000};
    for (int i = 0; i < 2; i++) {
        target = (greg_t)targets[i];
        gone = 0;
        if (!sigsetjmp(out, 1)) raise(SIGUSR1);
        CHECK_EQ(wild.si_signo, SIGSEGV);
        CHECK_EQ(wild.si_code, SI_KERNEL);
    }
}

int main(void)
{
    RUN(faults_under_a_timer);
    RUN(steps_over_a_system_call);
    RUN(instruction_pointers_that_cannot_be);
    return finish();
}
