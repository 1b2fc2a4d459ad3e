/* Ten thousand signals at random instants into a thread whose every register is known: no signal lost, repeated or out of order, no
   register other than the program left it, no instruction pointer that is not the program's. The argument is how many. */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

enum { QUEUED = 36, TICK = 37, IN_FLIGHT = 8, PHASES = 6, BLOCK = 4096, GENERAL = 15 };

/* What the handler compares with while the instruction pointer is in [begin, end). */
static struct {
    uintptr_t begin, end;
    const greg_t *registers; /* GENERAL values in the order of `order`; NULL: not to be looked at */
    unsigned ignored;        /* bit i: registers[i] changes in the loop */
    int vectors;             /* xmm0 to xmm15 hold `pattern` */
} volatile expected;

static const int order[GENERAL] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_R8,
                                   REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
/* Named in assembly, hence not static. */
unsigned char pattern[16][16];
volatile int done;
long wrong_calls;
greg_t after[GENERAL], in_calls[GENERAL];
unsigned char vectors[16][16];

static volatile sig_atomic_t received, stop, ticks;
static volatile int bad_order, bad_rip, bad_register, bad_vector, bad_flags, bad_code;
static volatile long sent;
static int target_count = 10000;
static pthread_t sender;
static pid_t worker;

static void look(const ucontext_t *context)
{
    uintptr_t rip = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
    /* Where no program has anything. */
    if (rip >> 40 == 0x7d || rip < 65536 || rip >> 47 != 0) bad_rip++;
    if ((context->uc_mcontext.gregs[REG_EFL] & 0x27702) != 0x202) bad_flags++;
    if (rip < expected.begin || rip >= expected.end) return;
    for (int i = 0; expected.registers && i < GENERAL; i++)
        if (!(expected.ignored >> i & 1) && context->uc_mcontext.gregs[order[i]] != expected.registers[i]) bad_register++;
    if (expected.vectors && memcmp(context->uc_mcontext.fpregs->_xmm, pattern, sizeof pattern) != 0) bad_vector++;
}

static void on_queued(int number, siginfo_t *info, void *context)
{
    (void)number;
    if (info->si_value.sival_int != received) bad_order++;
    if (info->si_code != SI_QUEUE) bad_code++;
    look(context);
    received++;
    if (received >= stop) done = 1;
    /* What a handler leaves behind must not be seen outside. */
    __asm__ volatile("xorps %%xmm0, %%xmm0; xorps %%xmm9, %%xmm9; xorps %%xmm15, %%xmm15; fninit"
                     ::: "xmm0", "xmm9", "xmm15");
}

static void on_tick(int number, siginfo_t *info, void *context)
{
    (void)number;
    if (info->si_code != SI_TIMER || info->si_value.sival_int != 4711) bad_code++;
    look(context);
    ticks++;
}

static void *send(void *argument)
{
    unsigned seed = 12345;
    (void)argument;
    while (sent < target_count) {
        while (sent - received >= IN_FLIGHT) usleep(30);
        seed = seed * 1103515245 + 12345;
        for (volatile unsigned i = seed >> 16 & 0xfff; i > 0; i--) continue;
        siginfo_t info;
        memset(&info, 0, sizeof info);
        info.si_code = SI_QUEUE;
        info.si_pid = getpid();
        info.si_uid = getuid();
        info.si_value.sival_int = (int)sent;
        if (syscall(SYS_rt_tgsigqueueinfo, getpid(), worker, QUEUED, &info) == 0) sent++;
        else if (errno != EAGAIN) _exit(2);
    }
    return NULL;
}

/* Until a further share of all signals has come. */
static void begin_phase(void)
{
    stop = received + target_count / PHASES;
    if (stop > target_count) stop = target_count;
    done = 0;
}

static void check_phase(void)
{
    expected.begin = expected.end = 0;
    CHECK_EQ(bad_order, 0);
    CHECK_EQ(bad_rip, 0);
    CHECK_EQ(bad_flags, 0);
    CHECK_EQ(bad_register, 0);
    CHECK_EQ(bad_vector, 0);
    CHECK_EQ(bad_code, 0);
}

extern char loop_begin[], loop_end[];
const greg_t in_loop[GENERAL] = {0x1010101010101010, 0x2020202020202020, 0x3030303030303030, 0x4040404040404040,
                                        0x5050505050505050, 0x6060606060606060, 0x7070707070707070, -0x0808080808080808,
                                        0x0909090909090909, 0x1a1a1a1a1a1a1a1a, 0x1b1b1b1b1b1b1b1b, 0x1c1c1c1c1c1c1c1c,
                                        0x1d1d1d1d1d1d1d1d, 0x1e1e1e1e1e1e1e1e, -0x1f1f1f1f1f1f1f1f};

/* Every general register and every vector register, in a loop that changes none. */
static void all_registers(void)
{
    begin_phase();
    expected.registers = in_loop;
    expected.ignored = 0;
    expected.vectors = 1;
    expected.begin = (uintptr_t)loop_begin;
    expected.end = (uintptr_t)loop_end;
    /* Data is addressed from the instruction pointer: no register is left for it. */
    __asm__ volatile(
        "push %%rbx\n push %%rbp\n"
        "lea pattern(%%rip), %%rax\n"
        "movups (%%rax), %%xmm0\n movups 16(%%rax), %%xmm1\n movups 32(%%rax), %%xmm2\n movups 48(%%rax), %%xmm3\n"
        "movups 64(%%rax), %%xmm4\n movups 80(%%rax), %%xmm5\n movups 96(%%rax), %%xmm6\n movups 112(%%rax), %%xmm7\n"
        "movups 128(%%rax), %%xmm8\n movups 144(%%rax), %%xmm9\n movups 160(%%rax), %%xmm10\n movups 176(%%rax), %%xmm11\n"
        "movups 192(%%rax), %%xmm12\n movups 208(%%rax), %%xmm13\n movups 224(%%rax), %%xmm14\n movups 240(%%rax), %%xmm15\n"
        "lea in_loop(%%rip), %%rax\n"
        "mov 8(%%rax), %%rbx\n mov 16(%%rax), %%rcx\n mov 24(%%rax), %%rdx\n mov 32(%%rax), %%rsi\n"
        "mov 40(%%rax), %%rdi\n mov 48(%%rax), %%rbp\n mov 56(%%rax), %%r8\n mov 64(%%rax), %%r9\n"
        "mov 72(%%rax), %%r10\n mov 80(%%rax), %%r11\n mov 88(%%rax), %%r12\n mov 96(%%rax), %%r13\n"
        "mov 104(%%rax), %%r14\n mov 112(%%rax), %%r15\n mov (%%rax), %%rax\n"
        "loop_begin:\n"
        "cmp %%rax, %%rbx\n test %%r15, %%r14\n cmp %%rcx, %%r11\n xchg %%r8, %%r8\n nop\n"
        "push %%rax\n pop %%rax\n cmpl $0, done(%%rip)\n je loop_begin\n"
        "loop_end:\n"
        "mov %%rax, after(%%rip)\n mov %%rbx, after+8(%%rip)\n mov %%rcx, after+16(%%rip)\n"
        "mov %%rdx, after+24(%%rip)\n mov %%rsi, after+32(%%rip)\n mov %%rdi, after+40(%%rip)\n"
        "mov %%rbp, after+48(%%rip)\n mov %%r8, after+56(%%rip)\n mov %%r9, after+64(%%rip)\n"
        "mov %%r10, after+72(%%rip)\n mov %%r11, after+80(%%rip)\n mov %%r12, after+88(%%rip)\n"
        "mov %%r13, after+96(%%rip)\n mov %%r14, after+104(%%rip)\n mov %%r15, after+112(%%rip)\n"
        "lea vectors(%%rip), %%rax\n"
        "movups %%xmm0, (%%rax)\n movups %%xmm1, 16(%%rax)\n movups %%xmm2, 32(%%rax)\n movups %%xmm3, 48(%%rax)\n"
        "movups %%xmm4, 64(%%rax)\n movups %%xmm5, 80(%%rax)\n movups %%xmm6, 96(%%rax)\n movups %%xmm7, 112(%%rax)\n"
        "movups %%xmm8, 128(%%rax)\n movups %%xmm9, 144(%%rax)\n movups %%xmm10, 160(%%rax)\n movups %%xmm11, 176(%%rax)\n"
        "movups %%xmm12, 192(%%rax)\n movups %%xmm13, 208(%%rax)\n movups %%xmm14, 224(%%rax)\n movups %%xmm15, 240(%%rax)\n"
        "pop %%rbp\n pop %%rbx\n"
        ::: "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc",
          "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
          "xmm13", "xmm14", "xmm15");
    check_phase();
    for (int i = 0; i < GENERAL; i++) CHECK_EQ(after[i], in_loop[i]);
    CHECK(memcmp(vectors, pattern, sizeof pattern) == 0);
}

extern char calls_begin[], behind_the_call[], calls_end[];

/* System calls without a pause: RCX and R11 are what SYSCALL leaves there, nothing else is touched. */
static void system_calls(void)
{
    memcpy(in_calls, in_loop, sizeof in_calls);
    in_calls[2] = (greg_t)behind_the_call;
    in_calls[11] = getpid();
    begin_phase();
    expected.registers = in_calls;
    /* RAX has number or result, R11 the flags. */
    expected.ignored = 1u << 0 | 1u << 10 | 1u << 1;
    expected.vectors = 0;
    expected.begin = (uintptr_t)behind_the_call;
    expected.end = (uintptr_t)calls_end;
    __asm__ volatile(
        "push %%rbp\n xor %%ebx, %%ebx\n"
        "lea in_calls(%%rip), %%rax\n"
        "mov 24(%%rax), %%rdx\n mov 32(%%rax), %%rsi\n"
        "mov 40(%%rax), %%rdi\n mov 48(%%rax), %%rbp\n mov 56(%%rax), %%r8\n mov 64(%%rax), %%r9\n"
        "mov 72(%%rax), %%r10\n mov 88(%%rax), %%r12\n mov 96(%%rax), %%r13\n"
        "mov 104(%%rax), %%r14\n mov 112(%%rax), %%r15\n"
        "calls_begin:\n mov $39, %%eax\n syscall\n"
        "behind_the_call:\n nop\n nop\n"
        "cmp %%r12, %%rax\n setne %%al\n movzbl %%al, %%eax\n add %%rax, %%rbx\n"
        "push %%r11\n andl $0x27702, (%%rsp)\n cmpl $0x202, (%%rsp)\n setne %%al\n movzbl %%al, %%eax\n add %%rax, %%rbx\n"
        "pop %%r11\n"
        "cmpl $0, done(%%rip)\n"
        "calls_end:\n je calls_begin\n"
        "mov %%rbx, wrong_calls(%%rip)\n pop %%rbp\n"
        ::: "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
    check_phase();
    CHECK_EQ(wrong_calls, 0);
}

static unsigned char *forbidden;
static volatile long faults, wrong_faults;
extern char faulting_store[], faulting_ud2[], behind_ud2[];

static void on_fault(int number, siginfo_t *info, void *opaque)
{
    ucontext_t *context = opaque;
    greg_t *rip = &context->uc_mcontext.gregs[REG_RIP];
    faults++;
    look(context);
    if (number == SIGSEGV) {
        if (*rip != (greg_t)faulting_store || info->si_addr != forbidden + 17 || info->si_code != SEGV_ACCERR) wrong_faults++;
        *rip = (greg_t)faulting_ud2;
    } else {
        if (*rip != (greg_t)faulting_ud2 || info->si_addr != faulting_ud2) wrong_faults++;
        *rip = (greg_t)behind_ud2;
    }
}

/* Faults, whose handlers other signals interrupt. */
static void between_faults(void)
{
    begin_phase();
    long rounds = 0;
    expected.registers = NULL;
    while (!done) {
        __asm__ volatile("faulting_store: movb $1, 17(%0)\n faulting_ud2: ud2\n behind_ud2:" ::"r"(forbidden) : "memory");
        rounds++;
    }
    check_phase();
    CHECK_EQ(faults, 2 * rounds);
    CHECK_EQ(wrong_faults, 0);
}

/* String instructions, left in the middle. */
static void string_instructions(void)
{
    static unsigned char from[BLOCK], to[BLOCK];
    long wrong = 0;
    for (int i = 0; i < BLOCK; i++) from[i] = (unsigned char)(i * 7 + i / 256);
    begin_phase();
    while (!done) {
        memset(to, 0, sizeof to);
        void *source = from, *destination = to;
        unsigned long count = BLOCK;
        /* Byte by byte backwards as well: the direction flag is the program's too. */
        __asm__ volatile("rep movsb" : "+S"(source), "+D"(destination), "+c"(count)::"memory");
        if (count != 0 || source != from + BLOCK || destination != to + BLOCK || memcmp(from, to, BLOCK) != 0) wrong++;
        source = from, count = BLOCK;
        unsigned long sum;
        __asm__ volatile("xor %%eax, %%eax\n repe scasb" : "=D"(destination), "+c"(count), "=&a"(sum) : "0"(from) : "cc");
        if (destination != from + 2) wrong++;
    }
    check_phase();
    CHECK_EQ(wrong, 0);
}

/* The stack pointer moves all the time. */
static void pushes_and_pops(void)
{
    long wrong = 0;
    begin_phase();
    while (!done) {
        unsigned long sum = 0;
        __asm__ volatile("mov $200, %%ecx\n"
                         "1: push %%rcx\n push $3\n call 2f\n pop %%rdx\n add %%rdx, %0\n pop %%rdx\n add %%rdx, %0\n dec %%ecx\n"
                         "jnz 1b\n jmp 3f\n 2: push $5\n pop %%rdx\n add %%rdx, %0\n ret\n 3:"
                         : "+r"(sum)
                         :
                         : "rcx", "rdx", "memory", "cc");
        if (sum != 200 * 201 / 2 + 200 * 3 + 200 * 5) wrong++;
    }
    check_phase();
    CHECK_EQ(wrong, 0);
}

/* Calls that wait, and go on where they were interrupted. */
static void waiting_calls(void)
{
    int pipes[2];
    long rounds = 0;
    CHECK_OK(pipe(pipes));
    stop = target_count;
    done = received >= stop;
    pid_t pid = fork();
    if (pid == 0) {
        close(pipes[0]);
        char bytes[64] = {0};
        for (;;) {
            if (write(pipes[1], bytes, sizeof bytes) != sizeof bytes) _exit(1);
            usleep(50);
        }
    }
    close(pipes[1]);
    while (!done) {
        char bytes[64];
        ssize_t got = read(pipes[0], bytes, sizeof bytes);
        if (got <= 0) CHECK(!"a read failed");
        if (got <= 0) break;
        rounds++;
    }
    kill(pid, SIGKILL);
    wait_for(pid);
    check_phase();
    CHECK(rounds > 0);
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    CHECK_OK(sigaction(number, &action, NULL));
}

int main(int count, char **arguments)
{
    if (count > 1) target_count = atoi(arguments[1]);
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 16; j++) pattern[i][j] = (unsigned char)(i * 16 + j + 1);
    worker = (pid_t)syscall(SYS_gettid);
    forbidden = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(forbidden != MAP_FAILED);
    /* Each may interrupt the other, none itself. */
    handle(QUEUED, on_queued, SA_RESTART);
    handle(TICK, on_tick, SA_RESTART);
    handle(SIGSEGV, on_fault, 0);
    handle(SIGILL, on_fault, 0);

    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = TICK, .sigev_value = {.sival_int = 4711}};
    /* Fewer signals are for a slow machine, which must have time between two ticks. */
    long period = target_count < 10000 ? 100000000 : 700000;
    struct itimerspec every = {{0, period}, {0, period}};
    timer_t timer;
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, QUEUED);
    sigaddset(&ours, TICK);
    sigprocmask(SIG_BLOCK, &ours, NULL);
    REQUIRE(pthread_create(&sender, NULL, send, NULL) == 0);
    sigprocmask(SIG_UNBLOCK, &ours, NULL);
    CHECK_OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
    CHECK_OK(timer_settime(timer, 0, &every, NULL));

    RUN(all_registers);
    RUN(system_calls);
    RUN(between_faults);
    RUN(string_instructions);
    RUN(pushes_and_pops);
    RUN(waiting_calls);

    timer_delete(timer);
    pthread_join(sender, NULL);
    CHECK_EQ(received, target_count);
    CHECK_EQ(sent, target_count);
    CHECK(ticks > 0);
    return finish();
}
