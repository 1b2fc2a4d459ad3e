/* System calls made again and again from one place, which whoever runs the program may make cheap by changing that place: nothing of it may
   show. The places are `mov $number, %eax; syscall`, in pages of their own. */
#include "check.h"
#include "kicks.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>

enum { MANY = 1800, SITE = 7, SYSCALL = 5, TEXT = 16, IN_FILE = 32 };

typedef long call(long, long, long);

/* Each in a page of its own: `name` is the place, and is called with the call's arguments. */
#define PLACE(name, number)                                                                     \
    __asm__(".pushsection .text\n .balign 4096\n .globl " #name "\n .type " #name ", @function\n" \
            #name ": mov $" #number ", %eax\n syscall\n ret\n .balign 4096\n .popsection");       \
    extern const unsigned char name[]

PLACE(parent_of, 110);
PLACE(parent_of_threads, 110);
PLACE(parent_of_kicked, 110);
PLACE(process_of, 39);
PLACE(reading, 0);
PLACE(changing, 110);
PLACE(stepping, 110);
PLACE(in_memory, 110);
PLACE(looked_at, 110);
PLACE(dropping, 110);
PLACE(beside_window, 110);
PLACE(late, 110);

/* glibc's read(2): no room for another instruction but in the padding. */
#define READER(name)                                                                                    \
    __asm__(".pushsection .text\n .balign 4096\n .globl " #name "\n .type " #name ", @function\n"         \
            #name ": xor %eax, %eax\n syscall\n cmp $-4096, %rax\n ja 1f\n ret\n"                        \
            ".byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0\n 1: ret\n .balign 4096\n .popsection");    \
    extern const unsigned char name[]

READER(reader);
READER(kicked_reader);
READER(threads_reader);

static long at(const void *place, long a, long b, long c) { return ((call *)(uintptr_t)place)(a, b, c); }

/* Calls that answer `expected`, until the place is as hot as it will be. */
static void warm(const void *place, long expected)
{
    long wrong = 0;
    for (int i = 0; i < MANY; i++) wrong += at(place, 0, 0, 0) != expected;
    CHECK_EQ(wrong, 0);
}

static void check_original(const unsigned char *bytes, unsigned char number)
{
    unsigned char expected[] = {0xb8, number, 0, 0, 0, 0x0f, 0x05, 0xc3};
    CHECK(memcmp(bytes, expected, sizeof expected) == 0);
}

static void into_the_middle(void)
{
    warm(parent_of, getppid());
    warm(process_of, getpid());
    for (int i = 0; i < 3; i++) {
        long result;
        __asm__ volatile("call *%1" : "=a"(result) : "r"(parent_of + SYSCALL), "0"(SYS_getuid) : "rcx", "r11", "memory");
        CHECK_EQ(result, getuid());
        __asm__ volatile("call *%1" : "=a"(result) : "r"(process_of + SYSCALL), "0"(SYS_getppid) : "rcx", "r11", "memory");
        CHECK_EQ(result, getppid());
        CHECK_EQ(at(parent_of, 0, 0, 0), getppid());
        CHECK_EQ(at(process_of, 0, 0, 0), getpid());
    }
}

/* Everything but RAX, RCX and R11 stays, and those two are what SYSCALL leaves there. */
static void registers(void)
{
    static const unsigned long flags[] = {0x202, 0xad7, 0x602, 0x246, 0xa03, 0x40202};
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
        long result, behind, kept, after, red = 0x1122334455667788, changed = 0;
        register long r8 __asm__("r8") = 8, r9 __asm__("r9") = 9, r10 __asm__("r10") = 10;
        __asm__ volatile(
            "mov %[red], -24(%%rsp)\n lea -256(%%rsp), %%rsp\n"
            "push %[flags]\n popfq\n"
            "call *%[place]\n"
            "mov %%rcx, %[behind]\n mov %%r11, %[kept]\n pushfq\n popq %[after]\n push $0x202\n popfq\n"
            "lea 256(%%rsp), %%rsp\n cmp %[red], -24(%%rsp)\n setne %b[changed]\n"
            : "=&a"(result), [behind] "=&b"(behind), [kept] "=&r"(kept), [after] "=&r"(after), [changed] "+&d"(changed), "+r"(r8), "+r"(r9),
              "+r"(r10)
            : [red] "S"(red), [flags] "r"(flags[i]), [place] "D"(parent_of)
            : "rcx", "r11", "memory", "cc");
        CHECK_EQ(result, getppid());
        CHECK_EQ(behind, (uintptr_t)parent_of + SITE);
        CHECK_EQ(kept & 0x40fd7, flags[i] & 0x40fd7);
        CHECK_EQ(after & 0x40fd7, flags[i] & 0x40fd7);
        CHECK_EQ(changed & 0xff, 0);
        CHECK(r8 == 8 && r9 == 9 && r10 == 10);
    }
}

static int zero;

static void warm_reader(const unsigned char *place)
{
    char byte = 1;
    long wrong = 0;
    for (int i = 0; i < MANY; i++) wrong += at(place, zero, (long)&byte, 1) != 1;
    CHECK_EQ(wrong, 0);
    CHECK_EQ(byte, 0);
}

static void check_reader(const unsigned char *place)
{
    static const unsigned char expected[] = {0x31, 0xc0, 0x0f, 0x05, 0x48, 0x3d, 0,    0xf0, 0xff, 0xff, 0x77, 0x0b, 0xc3,
                                             0x66, 0x2e, 0x0f, 0x1f, 0x84, 0,    0,    0,    0,    0,    0xc3};
    CHECK(memcmp(place, expected, sizeof expected) == 0);
}

/* The shortest place there is. */
static void readers(void)
{
    warm_reader(reader);
    for (int i = 0; i < 3; i++) {
        long result, behind, kept;
        __asm__ volatile("push $0xad7\n popfq\n call *%[place]\n mov %%rcx, %[behind]\n mov %%r11, %[kept]\n"
                         : "=a"(result), [behind] "=&b"(behind), [kept] "=&d"(kept)
                         : [place] "S"(reader), "D"(-1)
                         : "rcx", "r11", "memory", "cc");
        CHECK_EQ(result, -EBADF);
        CHECK_EQ(behind, (uintptr_t)reader + 4);
        CHECK_EQ(kept & 0xac5, 0x244);
        __asm__ volatile("call *%1" : "=a"(result) : "r"(reader + 2), "0"(SYS_getuid) : "rcx", "r11", "memory");
        CHECK_EQ(result, getuid());
    }
    for (int i = 0; i < 2; i++) {
        CHECK_OK(mprotect((void *)reader, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
        check_reader(reader);
        CHECK_OK(mprotect((void *)reader, PAGE, PROT_READ | PROT_EXEC));
        warm_reader(reader);
    }
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        warm_reader(reader);
        CHECK_OK(mprotect((void *)reader, PAGE, PROT_READ));
        check_reader(reader);
        _exit(check_failures != 0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    warm_reader(reader);
}

static void *call_often(void *parent)
{
    long wrong = 0;
    char byte;
    for (int i = 0; i < 8000; i++) {
        wrong += at(threads_reader, zero, (long)&byte, 1) != 1;
        wrong += at(parent_of_threads, 0, 0, 0) != (long)parent;
        if (i % 64 == 0) sched_yield();
    }
    return (void *)wrong;
}

static void many_threads(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) CHECK_EQ(pthread_create(&threads[i], NULL, call_often, (void *)(long)getppid()), 0);
    /* Meanwhile a page beside it comes and goes. */
    for (int i = 0; i < 50; i++) {
        CHECK_OK(mprotect((void *)(parent_of_threads + PAGE), PAGE, PROT_READ | PROT_EXEC));
        usleep(1000);
    }
    /* And the place itself may be written for a while. */
    for (int i = 0; i < 10; i++) {
        CHECK_OK(mprotect((void *)parent_of_threads, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
        check_original(parent_of_threads, 110);
        CHECK_OK(mprotect((void *)parent_of_threads, PAGE, PROT_READ | PROT_EXEC));
        CHECK_OK(mprotect((void *)threads_reader, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
        CHECK(memcmp(threads_reader, "\x31\xc0\x0f\x05", 4) == 0);
        CHECK_OK(mprotect((void *)threads_reader, PAGE, PROT_READ | PROT_EXEC));
        usleep(3000);
    }
    for (int i = 0; i < 4; i++) {
        void *wrong = NULL;
        CHECK_EQ(pthread_join(threads[i], &wrong), 0);
        CHECK_EQ((long)wrong, 0);
    }
}

static void children(void)
{
    warm(parent_of, getppid());
    pid_t self = getpid();
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            check_failures = 0;
            warm(parent_of, self);
            warm(process_of, getpid());
            pid_t second = fork();
            if (second == 0) _exit(at(parent_of, 0, 0, 0) != getppid());
            int status = -1;
            waitpid(second, &status, 0);
            if (status != 0) _exit(2);
            CHECK_OK(mprotect((void *)parent_of, PAGE, PROT_READ));
            check_original(parent_of, 110);
            _exit(check_failures != 0);
        }
        int status = -1;
        CHECK_EQ(waitpid(child, &status, 0), child);
        CHECK_EQ(status, 0);
        warm(parent_of, getppid());
    }
    pid_t child = vfork();
    if (child == 0) _exit(at(parent_of, 0, 0, 0) != self);
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

static void changed_by_the_program(void)
{
    unsigned char *code = (unsigned char *)changing;
    warm(code, getppid());
    CHECK_OK(mprotect(code, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
    check_original(code, 110);
    code[1] = 39;
    warm(code, getpid());
    CHECK_OK(mprotect(code, PAGE, PROT_READ | PROT_EXEC));
    warm(code, getpid());
    CHECK_OK(mprotect(code, PAGE, PROT_READ | PROT_WRITE));
    check_original(code, 39);
    CHECK_OK(mprotect(code, PAGE, PROT_READ | PROT_EXEC));
    warm(code, getpid());
}

static int file_of(int number)
{
    char path[512];
    snprintf(path, sizeof path, "%s", temporary("code"));
    unsigned char bytes[PAGE] = {[IN_FILE] = 0xb8, (unsigned char)number, 0, 0, 0, 0x0f, 0x05, 0xc3};
    int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0700);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, bytes, sizeof bytes), (long)sizeof bytes);
    CHECK_OK(unlink(path));
    return fd;
}

static unsigned char *map(void *address, int fd, int flags)
{
    unsigned char *code = mmap(address, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | flags, fd, 0);
    CHECK(code != MAP_FAILED);
    return code;
}

static void replaced(void)
{
    int parent = file_of(110), process = file_of(39);
    unsigned char *code = map(NULL, parent, 0);
    warm(code + IN_FILE, getppid());
    CHECK_EQ(map(code, process, MAP_FIXED) - code, 0);
    warm(code + IN_FILE, getpid());
    CHECK_OK(munmap(code, PAGE));
    CHECK_EQ(map(code, parent, MAP_FIXED_NOREPLACE) - code, 0);
    warm(code + IN_FILE, getppid());
    /* It takes its bytes along. */
    unsigned char *elsewhere = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK_EQ((unsigned char *)mremap(code, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere) - elsewhere, 0);
    check_original(elsewhere + IN_FILE, 110);
    warm(elsewhere + IN_FILE, getppid());
    CHECK_OK(munmap(elsewhere, PAGE));
    /* What a file holds is never changed. */
    unsigned char bytes[8];
    CHECK_EQ(pread(parent, bytes, 8, IN_FILE), 8);
    check_original(bytes, 110);
    CHECK_OK(close(parent));
    CHECK_OK(close(process));
    warm(dropping, getppid());
    CHECK_OK(madvise((void *)dropping, PAGE, MADV_DONTNEED));
    check_original(dropping, 110);
    warm(dropping, getppid());
}

static void seen_as_memory(void)
{
    warm(in_memory, getppid());
    unsigned char bytes[8];
    struct iovec local = {bytes, 8}, remote = {(void *)in_memory, 8};
    CHECK_EQ(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), 8);
    check_original(bytes, 110);
    int fd = open("/proc/self/mem", O_RDWR);
    CHECK(fd >= 0);
    CHECK_EQ(pread(fd, bytes, 8, (off_t)(uintptr_t)in_memory), 8);
    check_original(bytes, 110);
    bytes[1] = 39;
    CHECK_EQ(pwrite(fd, bytes, 8, (off_t)(uintptr_t)in_memory), 8);
    CHECK_OK(close(fd));
    warm(in_memory, getpid());
    check_original(in_memory, 39);
}

static volatile sig_atomic_t caught;
static volatile greg_t seen_rip, seen_rax, seen_rcx;
static int writes_to = -1;

static void on_alarm(int number, siginfo_t *info, void *opaque)
{
    const greg_t *registers = ((ucontext_t *)opaque)->uc_mcontext.gregs;
    (void)number;
    (void)info;
    caught++;
    seen_rip = registers[REG_RIP];
    seen_rax = registers[REG_RAX];
    seen_rcx = registers[REG_RCX];
    if (writes_to >= 0 && write(writes_to, "x", 1) != 1) _exit(3);
}

static void alarm_soon(int flags)
{
    struct sigaction action = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | flags};
    struct itimerval soon = {.it_value = {0, 100000}};
    caught = 0;
    CHECK_OK(sigaction(SIGALRM, &action, NULL));
    CHECK_OK(setitimer(ITIMER_REAL, &soon, NULL));
}

static void interrupted(void)
{
    int ends[2];
    char byte = 0;
    CHECK_OK(pipe(ends));
    for (int i = 0; i < MANY; i++)
        if (at(reading, zero, (long)&byte, 1) != 1) CHECK(!"a read fails");
    for (int round = 0; round < 2; round++) {
        alarm_soon(0);
        CHECK_EQ(at(reading, ends[0], (long)&byte, 1), -EINTR);
        CHECK_EQ(caught, 1);
        CHECK_EQ(seen_rip, (uintptr_t)reading + SITE);
        CHECK_EQ(seen_rcx, (uintptr_t)reading + SITE);
        CHECK_EQ(seen_rax, -EINTR);
        writes_to = ends[1];
        alarm_soon(SA_RESTART);
        CHECK_EQ(at(reading, ends[0], (long)&byte, 1), 1);
        writes_to = -1;
        CHECK_EQ(caught, 1);
        CHECK_EQ(byte, 'x');
        CHECK_EQ(seen_rip, (uintptr_t)reading + SYSCALL);
        CHECK_EQ(seen_rcx, (uintptr_t)reading + SITE);
        CHECK_EQ(seen_rax, SYS_read);
    }
    CHECK_OK(close(ends[0]));
    CHECK_OK(close(ends[1]));
}

static volatile int steps;
static volatile uintptr_t path[TEXT];

static void on_step(int number, siginfo_t *info, void *opaque)
{
    greg_t *registers = ((ucontext_t *)opaque)->uc_mcontext.gregs;
    (void)number;
    CHECK_EQ(info->si_code, TRAP_TRACE);
    if (steps < TEXT) path[steps] = (uintptr_t)registers[REG_RIP];
    if (++steps >= 6) registers[REG_EFL] &= ~0x100L;
}

static void single_steps(void)
{
    warm(stepping, getppid());
    struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
    CHECK_OK(sigaction(SIGTRAP, &action, NULL));
    for (int round = 0; round < 3; round++) {
        long result;
        steps = 0;
        __asm__ volatile("pushfq\n orl $0x100, (%%rsp)\n popfq\n call *%1\n nop\n nop\n nop\n nop\n"
                         : "=a"(result) : "r"(stepping) : "rcx", "r11", "memory", "cc");
        CHECK_EQ(result, getppid());
        CHECK_EQ(path[0], (uintptr_t)stepping);
        CHECK_EQ(path[1], (uintptr_t)stepping + SYSCALL);
        /* Linux returns by IRET, which lets one more instruction go: the RET. */
        CHECK(path[2] - (uintptr_t)stepping > SITE);
        CHECK_EQ(steps, 6);
        steps = 0;
        char byte;
        __asm__ volatile("pushfq\n orl $0x100, (%%rsp)\n popfq\n call *%1\n nop\n nop\n nop\n nop\n"
                         : "=a"(result) : "b"(reader), "D"(zero), "S"(&byte), "d"(1L) : "rcx", "r11", "memory", "cc");
        CHECK_EQ(result, 1);
        CHECK_EQ(path[0], (uintptr_t)reader);
        CHECK_EQ(path[1], (uintptr_t)reader + 2);
        CHECK_EQ(path[2], (uintptr_t)reader + 10);
        CHECK_EQ(steps, 6);
    }
    action.sa_sigaction = NULL;
    action.sa_handler = SIG_DFL;
    CHECK_OK(sigaction(SIGTRAP, &action, NULL));
}

static volatile long bad_rip;

static void on_kick(int number, siginfo_t *info, void *opaque)
{
    uintptr_t rip = (uintptr_t)((ucontext_t *)opaque)->uc_mcontext.gregs[REG_RIP];
    greg_t rcx = ((ucontext_t *)opaque)->uc_mcontext.gregs[REG_RCX];
    (void)number;
    (void)info;
    received++;
    if (rip >> 40 == 0x7d || rip < 65536 || rip >> 47 != 0) bad_rip++;
    uintptr_t offset = rip - (uintptr_t)parent_of_kicked;
    if (offset < SITE + 1 && offset != 0 && offset != SYSCALL && offset != SITE) bad_rip++;
    uintptr_t in_reader = rip - (uintptr_t)kicked_reader;
    /* Its instructions, but for the padding in front of the last. */
    if (in_reader < 24 && in_reader != 0 && in_reader != 2 && in_reader != 4 && in_reader != 10 && in_reader != 12 && in_reader != 23)
        bad_rip++;
    if (offset == SITE && rcx != (greg_t)(uintptr_t)parent_of_kicked + SITE) bad_rip++;
}

static void kicked(void)
{
    struct sigaction action = {.sa_sigaction = on_kick, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK_OK(sigaction(SIGUSR1, &action, NULL));
    pthread_t self = pthread_self(), sender;
    CHECK_EQ(pthread_create(&sender, NULL, kick, &self), 0);
    long wrong = 0, parent = getppid();
    for (time_t begin = time(NULL); received < 2000 && time(NULL) - begin < 10;) {
        long result;
        __asm__ volatile("mov $0x1234567812345678, %%rdx\n mov %%rdx, %%rbx\n mov %%rdx, %%r10\n mov %%rdx, %%r15\n call *%1\n"
                         "cmp %%rdx, %%rbx\n jne 1f\n cmp %%rdx, %%r10\n jne 1f\n cmp %%rdx, %%r15\n je 2f\n 1: xor %%eax, %%eax\n 2:\n"
                         : "=a"(result) : "r"(parent_of_kicked) : "rbx", "rcx", "rdx", "r10", "r11", "r15", "memory", "cc");
        wrong += result != parent;
        char byte;
        wrong += at(kicked_reader, zero, (long)&byte, 1) != 1;
        wrong += at(kicked_reader, -1, (long)&byte, 1) != -EBADF;
    }
    stop_sending = 1;
    CHECK_EQ(pthread_join(sender, NULL), 0);
    CHECK_EQ(wrong, 0);
    CHECK_EQ(bad_rip, 0);
}

/* Low addresses are the program's as well. */
static void a_mapping_of_its_own(void)
{
    warm(beside_window, getppid());
    char *own = mmap((void *)0x50f0000, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK_EQ((uintptr_t)own, 0x50f0000);
    memset(own, 0xee, PAGE);
    warm(beside_window, getppid());
    warm(late, getppid());
    warm(parent_of_threads, getppid());
    for (unsigned i = 0; i < PAGE; i++)
        if ((unsigned char)own[i] != 0xee) CHECK(!"its memory has changed");
    CHECK_OK(munmap(own, PAGE));
    warm(late, getppid());
}

/* The heap of a program at low addresses grows over everything there. */
static void a_growing_heap(void)
{
    warm(beside_window, getppid());
    long end = syscall(SYS_brk, 0), wanted = 0x5200000;
    if (end > wanted) return;
    CHECK_EQ(syscall(SYS_brk, wanted), wanted);
    memset((char *)0x50f0000, 0xee, PAGE);
    warm(beside_window, getppid());
    CHECK_EQ(syscall(SYS_brk, end), end);
}

/* With an argument: whether the place is still what it was, which only a test of vmrun's asks. */
int main(int count, char **arguments)
{
    if (count > 1) {
        warm(looked_at, getppid());
        printf("%s: %s\n", arguments[1], looked_at[0] == 0xb8 ? "as it was" : "changed");
        return 0;
    }
    zero = open("/dev/zero", O_RDONLY);
    RUN(into_the_middle);
    RUN(readers);
    RUN(registers);
    RUN(children);
    RUN(changed_by_the_program);
    RUN(replaced);
    RUN(interrupted);
    RUN(single_steps);
    RUN(kicked);
    RUN(many_threads);
    CHECK_EQ(child_status(seen_as_memory), 0);
    CHECK_EQ(child_status(a_growing_heap), 0);
    RUN(a_mapping_of_its_own);
    return finish();
}
