/* Random system calls, the same for the same seed: `random SEED CALLS`. Arguments are drawn from what is most likely to be believed wrongly:
 * the edges of address ranges, wrapping lengths, own and foreign descriptors, pointers into memory that other threads fill with garbage
 * meanwhile. It proves nothing by itself; whoever runs it looks at how it ends (Tests/Tools/fuzz_calls.py). */
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "check.h"
#include "xorshift.h"

enum { NUMBERS = 475, POOL_PAGES = 64, GARBLERS = 2, DESCRIPTORS = 24 };

static uint64_t state;
static unsigned char *pool; /* pages of all protections */

static uint64_t next_random(void)
{
    return xorshift(&state);
}

static uint64_t below(uint64_t limit)
{
    return next_random() % limit;
}

static uint64_t some_address(void)
{
    static const uint64_t edges[] = {
        0, 8, PAGE - 1, PAGE, 0x10000, 0x400000, 0x6e0000000000, 0x6dffffffffff, 0x6e0000000000 - PAGE,
        0x555555554000, 0x555555555000, 0x6e8000000000, 0x6e8000003000, 0x6e8000010000, 0x6e8000200000, 0x6e8000200ff8,
        0x7ffff7ff0000, 0x7ffffffde000, 0x7fffffffe000, 0x7ffffffff000, 0x7fffffffffff, 0x800000000000, 0xa80000000000,
        0xa90000000000, 0xffff800000000000, 0xffff888000000000, 0xffffffffff600000, 0xfffffffffffff000, UINT64_MAX,
    };
    switch (below(8)) {
    case 0: return edges[below(sizeof edges / sizeof *edges)] + below(3) * 8;
    case 1: return edges[below(sizeof edges / sizeof *edges)];
    case 2: return (uint64_t)pool + POOL_PAGES * PAGE - below(64);
    case 3: return (uint64_t)pool + below(POOL_PAGES) * PAGE + PAGE - below(32);
    default: return (uint64_t)pool + below(POOL_PAGES * PAGE / 8) * 8;
    }
}

static uint64_t some_number(void)
{
    switch (below(8)) {
    case 0: return 1ull << below(64);
    case 1: return (1ull << below(64)) - 1;
    case 2: return -(int64_t)below(5000);
    case 3: return next_random();
    case 4: return below(16) * PAGE;
    default: return below(64);
    }
}

static uint64_t some_argument(void)
{
    switch (below(4)) {
    case 0: return some_number();
    case 1: return below(DESCRIPTORS + 4);
    case 2: return some_address();
    default: return below(2) ? some_address() : below(256);
    }
}

/* What would end the run, or the descriptors of whoever reads its lines. */
static int is_left_out(long number, const uint64_t *arguments)
{
    switch (number) {
#if defined(__x86_64__)
    case SYS_fork: case SYS_vfork: case SYS_arch_prctl: return below(16) != 0;
#endif
    case SYS_exit: return 1;
    case SYS_exit_group: case SYS_rt_sigreturn: case SYS_rt_sigsuspend: case SYS_execve: case SYS_execveat:
    case SYS_clone: case SYS_clone3: return below(16) != 0;
    case SYS_kill: case SYS_tkill: case SYS_tgkill: case SYS_rt_sigqueueinfo: case SYS_rt_tgsigqueueinfo: return below(8) != 0;
    /* The signals that end what waits. */
    case SYS_rt_sigaction: return (int)arguments[0] == SIGALRM || (int)arguments[0] == SIGUSR1 || below(4) != 0;
    /* Its own memory, but for what the others garble: without it nothing more is learned. */
    case SYS_munmap: case SYS_mremap: case SYS_mprotect: case SYS_madvise: case SYS_mmap: case SYS_pkey_mprotect: case SYS_remap_file_pages:
        return arguments[0] < (uint64_t)pool + POOL_PAGES / 2 * PAGE || arguments[0] >= (uint64_t)pool + POOL_PAGES * PAGE ||
               arguments[1] > (uint64_t)pool + POOL_PAGES * PAGE - arguments[0];
    default: return 0;
    }
}

static void *garble(void *seed)
{
    uint64_t own = (uintptr_t)seed * 88172645463325252u + 1;
    for (;;) {
        xorshift(&own);
        /* The first half can be written. */
        uint64_t *word = (uint64_t *)pool + own % (POOL_PAGES / 2 * PAGE / 8);
        *word = own & 64 ? own >> 8 : (own & 128 ? (uint64_t)pool + (own >> 40) % (POOL_PAGES * PAGE) : own % 64);
        if ((own & 1023) == 0) usleep(100);
    }
    return NULL;
}

/* Whatever the calls wait for, it does not last. */
static void *interrupt(void *main_thread)
{
    for (int i = 0;; i++) {
        usleep(3000);
        pthread_kill(*(pthread_t *)main_thread, i % 2 ? SIGALRM : SIGUSR1);
    }
    return NULL;
}

static void on_signal(int signal UNUSED) {}

static void make_descriptors(void)
{
    int pair[2];
    REQUIRE(pipe2(pair, O_NONBLOCK) == 0);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) == 0);
    const char *paths[] = {"/", "/proc", "/proc/self", "/proc/self/maps", "/proc/self/mem", "/proc/self/fd", "/dev", "/dev/null", "/dev/zero"};
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) open(paths[i], O_RDONLY | O_NONBLOCK);
    write_file(temporary("file"), "contents", 8);
    open(temporary("file"), O_RDWR);
    epoll_create1(0);
    eventfd(0, EFD_NONBLOCK);
}

int main(int argc, char **argv)
{
    REQUIRE(argc == 3);
    uint64_t seed = strtoull(argv[1], NULL, 10);
    state = seed * 6364136223846793005u + 1442695040888963407u;
    pool = mmap(NULL, POOL_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(pool != MAP_FAILED);
    for (size_t i = 0; i < POOL_PAGES * PAGE / 8; i++) ((uint64_t *)pool)[i] = some_argument();
    strcpy((char *)pool, "/proc/self/status");
    strcpy((char *)pool + PAGE, temporary("file"));
    /* The other half: none, read only, shared. */
    mprotect(pool + POOL_PAGES / 2 * PAGE, 8 * PAGE, PROT_NONE);
    mprotect(pool + (POOL_PAGES / 2 + 8) * PAGE, 8 * PAGE, PROT_READ);
    make_descriptors();

    struct sigaction action = {.sa_handler = on_signal};
    for (int signal = 1; signal < 32; signal++)
        if (signal != SIGSEGV && signal != SIGBUS && signal != SIGILL && signal != SIGTRAP) sigaction(signal, &action, NULL);
    pthread_t thread, self = pthread_self();
    pthread_create(&thread, NULL, interrupt, &self);
    for (uintptr_t i = 0; i < GARBLERS; i++) {
        pthread_create(&thread, NULL, garble, (void *)(seed * GARBLERS + i + 1));
    }

    long answered = 0;
    for (long left = strtol(argv[2], NULL, 10); left > 0; left--) {
        long number = (long)below(NUMBERS);
        uint64_t arguments[6];
        for (int i = 0; i < 6; i++) arguments[i] = some_argument();
        if (is_left_out(number, arguments)) continue;
        if (below(4) == 0) arguments[0] = (uint64_t)pool + (below(2) ? 0 : PAGE);
        long result = syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
        if (result != -1 || errno != ENOSYS) answered++;
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
    }
    printf("%ld calls answered\n", answered);
    fflush(stdout);
    _exit(0);
}
