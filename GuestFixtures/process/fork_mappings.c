/* fork from a program with several threads and open mappings of every kind: what the child has of it. */
#include "check.h"
#include "faults.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { SIZE = 8 * PAGE };

static volatile int stop;

/* Threads that change the address space, take signals and compute all the while. */
static void *busy(void *argument)
{
    while (!stop) {
        char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory != MAP_FAILED) {
            memory[PAGE] = 1;
            mprotect(memory, PAGE, PROT_READ);
            munmap(memory, SIZE);
        }
        free(malloc(1000));
        usleep(200);
    }
    return argument;
}

static unsigned char *map(int prot, int flags, int fd)
{
    unsigned char *memory = mmap(NULL, SIZE, prot, flags, fd, 0);
    REQUIRE(memory != MAP_FAILED);
    return memory;
}

static struct {
    unsigned char *private, *shared, *file_private, *file_shared, *memory_file, *nothing, *locked, *not_forked, *wiped,
        *grows, *read_only;
} kinds;

static int file, memory_file;
static unsigned char *break_start;

static void make_all(void)
{
    int anonymous = MAP_PRIVATE | MAP_ANONYMOUS, both = PROT_READ | PROT_WRITE;
    static unsigned char text[SIZE];
    memset(text, 'f', sizeof text);
    write_file(temporary("mapped"), text, sizeof text);
    file = open(temporary("mapped"), O_RDWR | O_CLOEXEC);
    memory_file = memfd_create("mapped", MFD_CLOEXEC);
    CHECK_OK(ftruncate(memory_file, SIZE));
    kinds.private = map(both, anonymous, -1);
    kinds.shared = map(both, MAP_SHARED | MAP_ANONYMOUS, -1);
    kinds.file_private = map(both, MAP_PRIVATE, file);
    kinds.file_shared = map(both, MAP_SHARED, file);
    kinds.memory_file = map(both, MAP_SHARED, memory_file);
    kinds.nothing = map(PROT_NONE, anonymous, -1);
    kinds.locked = map(both, anonymous, -1);
    kinds.not_forked = map(both, anonymous, -1);
    kinds.wiped = map(both, anonymous, -1);
    kinds.grows = map(both, anonymous | MAP_GROWSDOWN, -1);
    kinds.read_only = map(both, anonymous, -1);
    unsigned char *writable[] = {kinds.private, kinds.shared, kinds.file_private, kinds.memory_file, kinds.locked,
                                 kinds.not_forked, kinds.wiped, kinds.grows, kinds.read_only};
    for (unsigned i = 0; i < sizeof writable / sizeof writable[0]; i++) memset(writable[i], 'a' + (int)i, SIZE);
    CHECK_OK(mlock(kinds.locked, PAGE));
    CHECK_OK(madvise(kinds.not_forked + PAGE, 2 * PAGE, MADV_DONTFORK));
    CHECK_OK(madvise(kinds.wiped + PAGE, 2 * PAGE, MADV_WIPEONFORK));
    CHECK_OK(mprotect(kinds.read_only, SIZE, PROT_READ));
    break_start = (unsigned char *)syscall(SYS_brk, 0);
    break_start = (unsigned char *)(((uintptr_t)break_start + PAGE - 1) & ~(PAGE - 1));
    CHECK_EQ(syscall(SYS_brk, break_start + SIZE), (long)(break_start + SIZE));
    memset(break_start, 'b', SIZE);
}

static void change_all(int value)
{
    unsigned char *writable[] = {kinds.private, kinds.shared, kinds.file_private, kinds.file_shared, kinds.memory_file,
                                 kinds.locked, kinds.not_forked, kinds.wiped, kinds.grows, break_start};
    for (unsigned i = 0; i < sizeof writable / sizeof writable[0]; i++) writable[i][0] = (unsigned char)value;
}

static void look_at_all(void)
{
    CHECK_EQ(kinds.private[SIZE - 1], 'a');
    CHECK_EQ(kinds.shared[SIZE - 1], 'b');
    CHECK_EQ(kinds.file_private[SIZE - 1], 'c');
    CHECK_EQ(kinds.file_shared[SIZE - 1], 'f');
    CHECK_EQ(kinds.memory_file[SIZE - 1], 'd');
    CHECK_EQ(kinds.locked[SIZE - 1], 'e');
    CHECK_EQ(kinds.not_forked[1], 'f');
    CHECK_NOTHING_AT(kinds.not_forked + PAGE);
    CHECK_NOTHING_AT(kinds.not_forked + 3 * PAGE - 1);
    CHECK_EQ(kinds.not_forked[3 * PAGE], 'f');
    CHECK_EQ(kinds.wiped[PAGE - 1], 'g');
    CHECK_EQ(kinds.wiped[PAGE], 0);
    CHECK_EQ(kinds.wiped[3 * PAGE - 1], 0);
    CHECK_EQ(kinds.wiped[3 * PAGE], 'g');
    CHECK_EQ(kinds.grows[SIZE - 1], 'h');
    CHECK_EQ(kinds.read_only[SIZE - 1], 'i');
    CHECK_EQ(break_start[SIZE - 1], 'b');
    CHECK_FAULT(read_fault, kinds.nothing, SIGSEGV, SEGV_ACCERR);
    CHECK_FAULT(write_fault, kinds.read_only, SIGSEGV, SEGV_ACCERR);
    /* What is not there may be mapped there. */
    CHECK(mmap(kinds.not_forked + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
          kinds.not_forked + PAGE);
    /* And the rest changed in every way. */
    CHECK_OK(mprotect(kinds.read_only, SIZE, PROT_READ | PROT_WRITE));
    kinds.read_only[0] = 1;
    CHECK_OK(munmap(kinds.private + PAGE, PAGE));
    CHECK(mremap(kinds.shared, SIZE, SIZE / 2, MREMAP_MAYMOVE) == kinds.shared);
    CHECK(mremap(kinds.locked, PAGE, 2 * SIZE, MREMAP_MAYMOVE) != MAP_FAILED);
    long end = syscall(SYS_brk, 0);
    CHECK(end >= (long)(break_start + SIZE));
    CHECK_EQ(syscall(SYS_brk, end + 2 * (long)SIZE), end + 2 * (long)SIZE);
    CHECK_EQ(((unsigned char *)end)[SIZE], 0);
}

static void in_the_child(void)
{
    look_at_all();
    kinds.private[0] = kinds.shared[0] = kinds.file_private[0] = kinds.file_shared[0] = 9;
    kinds.memory_file[0] = kinds.not_forked[0] = kinds.wiped[0] = break_start[0] = 9;
}

static void every_kind(void)
{
    for (int i = 0; i < 10; i++) {
        change_all(3);
        CHECK_EQ(child_status(in_the_child), 0);
        CHECK_EQ(kinds.private[0], 3);
        CHECK_EQ(kinds.shared[0], 9);
        CHECK_EQ(kinds.file_private[0], 3);
        CHECK_EQ(kinds.file_shared[0], 9);
        CHECK_EQ(kinds.memory_file[0], 9);
        CHECK_EQ(kinds.locked[0], 3);
        CHECK_EQ(kinds.not_forked[0], 3);
        CHECK_EQ(kinds.not_forked[PAGE], 'f');
        CHECK_EQ(kinds.wiped[PAGE], 'g');
        CHECK_EQ(kinds.private[PAGE], 'a');
        CHECK_EQ(break_start[0], 3);
    }
}

/* Grandchildren inherit what a child has: MADV_WIPEONFORK goes on, and a locked page is one no longer. */
static long locked_kilobytes(void)
{
    char line[200];
    long locked = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, status)) sscanf(line, "VmLck: %ld", &locked);
    fclose(status);
    return locked;
}

static void deeper(void)
{
    CHECK_EQ(locked_kilobytes(), 0);
    memset(kinds.wiped, 'w', SIZE);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQ(kinds.wiped[0], 'w');
        CHECK_EQ(kinds.wiped[PAGE], 0);
        CHECK_NOTHING_AT(kinds.not_forked + PAGE);
        _exit(check_failures);
    }
    CHECK_EQ(wait_for(pid), 0);
}

static void further_down(void)
{
    CHECK_EQ(locked_kilobytes(), PAGE / 1024);
    CHECK_EQ(child_status(deeper), 0);
}

/* Registers of every kind, the signal mask, the alternate stack, pending signals. */
static volatile int handled;

static void handler(int number)
{
    (void)number;
    handled++;
}

static void the_thread_itself(void)
{
    static char alternate[65536];
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate}, seen;
    CHECK_OK(sigaltstack(&stack, NULL));
    sigset_t mask, old, now;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGRTMIN + 3);
    sigprocmask(SIG_SETMASK, &mask, &old);
    signal(SIGUSR1, handler);
    handled = 0;
    pthread_kill(pthread_self(), SIGUSR1);
    double values[8] = {1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5}, copies[8];
    long pid;
#if defined(__x86_64__)
    unsigned control = 0x3f80, control_now = 0, usual = 0x1f80;
    unsigned short x87 = 0x27f, x87_now = 0;
    __asm__ volatile("ldmxcsr %5\n\tfldcw %6\n\t"
                     "movupd (%4), %%xmm0\n\tmovupd 16(%4), %%xmm5\n\tmovupd 32(%4), %%xmm10\n\tmovupd 48(%4), %%xmm15\n\t"
                     "mov $57, %%eax\n\tsyscall\n\t"
                     "movupd %%xmm0, (%3)\n\tmovupd %%xmm5, 16(%3)\n\tmovupd %%xmm10, 32(%3)\n\tmovupd %%xmm15, 48(%3)\n\t"
                     "stmxcsr %1\n\tfnstcw %2\n\tldmxcsr %7\n\t"
                     : "=&a"(pid), "=m"(control_now), "=m"(x87_now)
                     : "r"(copies), "r"(values), "m"(control), "m"(x87), "m"(usual)
                     : "rcx", "r11", "memory", "xmm0", "xmm5", "xmm10", "xmm15");
    unsigned short x87_usual = 0x37f;
    __asm__ volatile("fldcw %0" : : "m"(x87_usual));
#else
    unsigned long control = 0xc00000, control_now = 0, usual = 0;
    register long x8 __asm__("x8") = SYS_clone, x0 __asm__("x0") = SIGCHLD, x1 __asm__("x1") = 0, x2 __asm__("x2") = 0;
    register long x3 __asm__("x3") = 0, x4 __asm__("x4") = 0;
    __asm__ volatile("msr fpcr, %4\n\tldr q0, [%2]\n\tldr q5, [%2, #16]\n\tldr q10, [%2, #32]\n\tldr q31, [%2, #48]\n\t"
                     "svc #0\n\t"
                     "str q0, [%3]\n\tstr q5, [%3, #16]\n\tstr q10, [%3, #32]\n\tstr q31, [%3, #48]\n\t"
                     "mrs %1, fpcr\n\tmsr fpcr, %5"
                     : "+r"(x0), "=&r"(control_now)
                     : "r"(values), "r"(copies), "r"(control), "r"(usual), "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
                     : "memory", "v0", "v5", "v10", "v31");
    pid = x0;
#endif
    if (pid == 0) check_failures = 0;
    CHECK(memcmp(values, copies, sizeof values) == 0);
    CHECK_EQ(control_now, control);
#if defined(__x86_64__)
    CHECK_EQ(x87_now, x87);
#endif
    CHECK_OK(sigaltstack(NULL, &seen));
    CHECK(seen.ss_sp == alternate);
    sigprocmask(SIG_SETMASK, NULL, &now);
    CHECK(sigismember(&now, SIGUSR1) && sigismember(&now, SIGRTMIN + 3) && !sigismember(&now, SIGUSR2));
    sigset_t pending;
    sigpending(&pending);
    /* A pending signal is the parent's alone. */
    CHECK_EQ(sigismember(&pending, SIGUSR1), pid != 0);
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK_EQ(handled, pid != 0);
    if (pid == 0) {
        kill(getpid(), SIGUSR1);
        CHECK_EQ(handled, 1);
        _exit(check_failures);
    }
    CHECK_EQ(wait_for((pid_t)pid), 0);
    signal(SIGUSR1, SIG_DFL);
}

/* From every thread at once, each from its own stack. */
static void *fork_some(void *argument)
{
    for (int i = 0; i < 10; i++) {
        volatile long local = (long)argument * 1000 + i;
        pid_t pid = fork();
        if (pid == 0) {
            pid_t inner = local % 2 ? fork() : -1;
            if (inner == 0) _exit(3);
            int status = 0;
            if (inner > 0 && (waitpid(inner, &status, 0) != inner || WEXITSTATUS(status) != 3)) _exit(1);
            free(malloc(100000));
            _exit(local == (long)argument * 1000 + i && syscall(SYS_gettid) == getpid() ? 0 : 2);
        }
        int status = -1;
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) return (void *)1;
    }
    return NULL;
}

static void from_every_thread(void)
{
    pthread_t threads[4];
    for (long i = 0; i < 4; i++) pthread_create(&threads[i], NULL, fork_some, (void *)i);
    for (int i = 0; i < 4; i++) {
        void *result = (void *)9;
        pthread_join(threads[i], &result);
        CHECK_EQ((long)result, 0);
    }
}

int main(void)
{
    pthread_t threads[3];
    static char buffer[4096];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    /* Malloc's heap must not be the break that is looked at. */
    pthread_t first;
    pthread_create(&first, NULL, busy, (void *)(stop = 1, NULL));
    pthread_join(first, NULL);
    stop = 0;
    catch_faults();
    RUN(make_all);
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, busy, NULL);
    RUN(every_kind);
    RUN(further_down);
    RUN(the_thread_itself);
    RUN(from_every_thread);
    stop = 1;
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    return finish();
}
