/* Scalable vectors, where the processor has them: kept from signal to signal, in the frame, of any length, and inherited. */
#include "faults.h"
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/time.h>

__asm__(".arch_extension sve");

#define LONGEST 256

/* As long as vectors can be; with shorter ones the registers follow each other closely, as in a frame. */
struct state {
    unsigned char bytes[32 * LONGEST + 17 * LONGEST / 8] __attribute__((aligned(16)));
};

#define EACH16(operation)                                                                                            \
    operation(0) operation(1) operation(2) operation(3) operation(4) operation(5) operation(6) operation(7)          \
    operation(8) operation(9) operation(10) operation(11) operation(12) operation(13) operation(14) operation(15)
#define EACH32(operation)                                                                                            \
    EACH16(operation) operation(16) operation(17) operation(18) operation(19) operation(20) operation(21)            \
    operation(22) operation(23) operation(24) operation(25) operation(26) operation(27) operation(28) operation(29)  \
    operation(30) operation(31)
#define LOAD_Z(n) "ldr z" #n ", [%[from], #" #n ", mul vl]\n\t"
#define LOAD_P(n) "ldr p" #n ", [x9, #" #n ", mul vl]\n\t"
#define STORE_Z(n) "str z" #n ", [%[to], #" #n ", mul vl]\n\t"
#define STORE_P(n) "str p" #n ", [x9, #" #n ", mul vl]\n\t"
#define LOAD_ALL                                                                                                      \
    "addvl x9, %[from], #31\n\taddvl x9, x9, #1\n\tldr p0, [x9, #16, mul vl]\n\twrffr p0.b\n\t" EACH32(LOAD_Z) EACH16(LOAD_P)
#define STORE_ALL                                                                                                     \
    "addvl x9, %[to], #31\n\taddvl x9, x9, #1\n\t" EACH32(STORE_Z) EACH16(STORE_P) "rdffr p0.b\n\tstr p0, [x9, #16, mul vl]\n\t"
#define CLOBBERS                                                                                                      \
    "memory", "cc", "x9", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", \
    "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31"

static int has_vectors;

static size_t length(void)
{
    size_t result;
    __asm__ volatile("rdvl %0, #1" : "=r"(result));
    return result;
}

static size_t state_size(size_t bytes) { return 32 * bytes + 17 * bytes / 8; }

static void fill(struct state *state, uint64_t seed)
{
    size_t bytes = length();
    for (size_t i = 0; i < sizeof state->bytes; i++) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        state->bytes[i] = (unsigned char)(seed >> 56);
    }
    /* FFR holds what first-fault loads can leave: ones up to some element. */
    unsigned char *ffr = state->bytes + 32 * bytes + 16 * bytes / 8;
    memset(ffr, 0, bytes / 8);
    ffr[0] = (unsigned char)(0xff >> (seed >> 61));
}

static int same(const struct state *a, const struct state *b) { return memcmp(a, b, state_size(length())) == 0; }

/* Loads all, runs a piece of code that leaves x9 and the vectors alone, stores all. */
#define AROUND(before, after, code, ...)                                                            \
    __asm__ volatile(LOAD_ALL code STORE_ALL : __VA_ARGS__ : [from] "r"(before), [to] "r"(after) : CLOBBERS)

static void what_there_is(void)
{
    uint64_t pfr0, zfr0;
    __asm__("mrs %0, S3_0_C0_C4_0" : "=r"(pfr0));
    __asm__("mrs %0, S3_0_C0_C4_4" : "=r"(zfr0));
    printf("  capabilities %d %lx, registers %x %lx\n", has_vectors, getauxval(AT_HWCAP2) & 0x12200001e7e,
           (unsigned)(pfr0 >> 32) & 15, (unsigned long)zfr0);
    printf("  smallest stack for a handler %lu\n", getauxval(AT_MINSIGSTKSZ));
    if (has_vectors) {
        CHECK_EQ(prctl(PR_SVE_GET_VL), length());
        CHECK_ERROR(prctl(PR_SVE_SET_VL, 17), EINVAL);
        CHECK_ERROR(prctl(PR_SVE_SET_VL, 0), EINVAL);
        CHECK_ERROR(prctl(PR_SVE_SET_VL, 1 << 20 | 16), EINVAL);
        printf("  %zu bytes\n", length());
    } else {
        CHECK_ERROR(prctl(PR_SVE_GET_VL), EINVAL);
        CHECK_ERROR(prctl(PR_SVE_SET_VL, 16), EINVAL);
        catch_faults();
        CHECK_EQ(FAULT_OF(length()), SIGILL);
    }
}

static volatile sig_atomic_t count;
static struct state handlers_own, handlers_after;

static void spoil(int number)
{
    fill(&handlers_own, (uint64_t)number + (uint64_t)count);
    AROUND(&handlers_own, &handlers_after, "");
    if (!same(&handlers_own, &handlers_after)) CHECK_EQ(0, 1);
    count++;
}

/* A loop without system calls, which signals come into. */
static void across_signals(void)
{
    static struct state before, after;
    struct sigaction action = {.sa_handler = spoil, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval every = {{0, 3000}, {0, 3000}}, never = {{0, 0}, {0, 0}};
    count = 0;
    setitimer(ITIMER_REAL, &every, NULL);
    for (uint64_t seed = 1; count < 60; seed++) {
        fill(&before, seed);
        long rounds = 30000;
        AROUND(&before, &after, "1: subs %[rounds], %[rounds], #1\n\tb.ne 1b\n\t", [rounds] "+r"(rounds));
        if (!same(&before, &after)) {
            CHECK_EQ(seed, 0);
            break;
        }
    }
    setitimer(ITIMER_REAL, &never, NULL);
}

/* The 128 bits that FPSIMD instructions know outlive a system call. */
static void across_calls(void)
{
    static struct state before, after;
    size_t bytes = length();
    for (uint64_t seed = 1; seed < 100; seed++) {
        fill(&before, seed);
        register long x8 __asm__("x8") = SYS_getppid, x0 __asm__("x0");
        __asm__ volatile(LOAD_ALL "svc #0\n\t" STORE_ALL
                         : "=r"(x0) : [from] "r"(&before), [to] "r"(&after), "r"(x8) : CLOBBERS);
        for (size_t i = 0; i < 32; i++)
            if (memcmp(before.bytes + i * bytes, after.bytes + i * bytes, 16) != 0) CHECK_EQ(seed, i);
    }
}

/* The record with this magic in a frame, NULL where there is none. */
static unsigned char *find(ucontext_t *context, uint32_t wanted, unsigned *extra)
{
    unsigned char *record = context->uc_mcontext.__reserved;
    for (;;) {
        uint32_t magic, size;
        memcpy(&magic, record, 4);
        memcpy(&size, record + 4, 4);
        if (magic == wanted) return record;
        if (magic == EXTRA_MAGIC) {
            CHECK_EQ(size, 32);
            uint64_t next;
            memcpy(&next, record + 8, 8);
            memcpy(extra, record + 16, 4);
            CHECK_EQ(next, (uintptr_t)record + 48);
            CHECK_EQ(*(uint64_t *)(record + 32), 0);
            record = (unsigned char *)(uintptr_t)next;
            continue;
        }
        if (magic == 0) {
            CHECK_EQ(size, 0);
            return NULL;
        }
        record += size;
    }
}

static enum { LOOK, EDIT, SHORTEN, MISTAKE } wish;
static struct state found;
static uint16_t found_length;
static uint32_t found_size;
static unsigned found_extra;

static void on_trap(int number, siginfo_t *info, void *opaque)
{
    (void)number;
    (void)info;
    ucontext_t *context = opaque;
    found_extra = 0;
    unsigned char *record = find(context, SVE_MAGIC, &found_extra);
    CHECK(record != NULL);
    memcpy(&found_size, record + 4, 4);
    memcpy(&found_length, record + 8, 2);
    if (found_size > 16) memcpy(found.bytes, record + 16, state_size(found_length));
    uint16_t other = (uint16_t)(found_length == 16 ? 32 : 16);
    switch (wish) {
    case EDIT:
        memset(record + 16 + 5 * found_length + 16, 0xa5, found_length - 16u);
        memset(record + 16 + 32 * found_length + 3 * (found_length / 8), 0x11, found_length / 8);
        break;
    case SHORTEN:
        memcpy(record + 4, &(uint32_t){16}, 4);
        /* What is left of the record becomes the end of the list. */
        memset(record + 16, 0, 8);
        break;
    case MISTAKE: memcpy(record + 8, &other, 2); break;
    case LOOK: break;
    }
    context->uc_mcontext.pc += 4;
    count++;
}

static void trap(const struct state *before, struct state *after, int what)
{
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &action, NULL);
    wish = what;
    count = 0;
    AROUND(before, after, "brk #1\n\t");
    CHECK_EQ(count, 1);
}

static void in_the_frame(void)
{
    static struct state before, after;
    size_t bytes = length();
    fill(&before, 3);
    trap(&before, &after, LOOK);
    printf("  %u bytes in a vector, %u in the record, %u elsewhere\n", found_length, found_size, found_extra);
    CHECK_EQ(found_length, bytes);
    CHECK(same(&before, &found));
    CHECK(same(&before, &after));

    fill(&before, 4);
    trap(&before, &after, EDIT);
    memset(before.bytes + 5 * bytes + 16, 0xa5, bytes - 16);
    memset(before.bytes + 32 * bytes + 3 * (bytes / 8), 0x11, bytes / 8);
    CHECK(same(&before, &after));

    fill(&before, 5);
    trap(&before, &after, SHORTEN);
    for (size_t i = 0; i < 32; i++) {
        CHECK(memcmp(before.bytes + i * bytes, after.bytes + i * bytes, 16) == 0);
        memset(before.bytes + i * bytes + 16, 0, bytes - 16);
        CHECK(memcmp(before.bytes + i * bytes, after.bytes + i * bytes, bytes) == 0);
    }
}

static void other_length(void)
{
    static struct state before, after;
    fill(&before, 6);
    trap(&before, &after, MISTAKE);
}

static void a_false_frame(void)
{
    int status = child_status(other_length);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void *length_of_thread(void *unused)
{
    (void)unused;
    return (void *)length();
}

static size_t in_a_thread(void)
{
    pthread_t thread;
    void *result = NULL;
    pthread_create(&thread, NULL, length_of_thread, NULL);
    pthread_join(thread, &result);
    return (size_t)result;
}

static void short_vectors(void) { _exit((int)length() - 1); }

static size_t in_a_child(void) { return (size_t)WEXITSTATUS(child_status(short_vectors)) + 1; }

/* What a program that is executed now has. */
static size_t after_exec(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "scalable", "length", (char *)NULL);
        _exit(255);
    }
    return (size_t)WEXITSTATUS(wait_for(pid)) + 1;
}

static void of_every_length(void)
{
    static struct state before, after;
    size_t usual = length();
    for (size_t wanted = 16; wanted <= LONGEST; wanted *= 2) {
        fill(&before, wanted);
        int result = prctl(PR_SVE_SET_VL, wanted);
        printf("  %zu: %x, %zu", wanted, (unsigned)result, length());
        CHECK_EQ(result, length());
        CHECK_EQ(prctl(PR_SVE_GET_VL), length());
        printf(", thread %zu, child %zu, program %zu\n", in_a_thread(), in_a_child(), after_exec());
        fill(&before, wanted);
        trap(&before, &after, LOOK);
        CHECK_EQ(found_length, length());
        CHECK(same(&before, &found));
        CHECK(same(&before, &after));
        printf("  %u in the record, %u elsewhere\n", found_size, found_extra);
    }
    printf("  inherited: %x", (unsigned)prctl(PR_SVE_SET_VL, PR_SVE_VL_INHERIT | 16));
    printf(", %zu, program %zu\n", length(), after_exec());
    printf("  on exec: %x", (unsigned)prctl(PR_SVE_SET_VL, PR_SVE_SET_VL_ONEXEC | 32));
    printf(", %zu, program %zu\n", length(), after_exec());
    CHECK_OK(prctl(PR_SVE_SET_VL, usual));
    CHECK_EQ(length(), usual);
    across_signals();
}

/* A load that stops before the page that is not there, and says how far it came. */
static void first_faults(void)
{
    char *area = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(area != MAP_FAILED);
    CHECK_OK(mprotect(area + PAGE, PAGE, PROT_NONE));
    for (size_t here = 1; here <= 8; here++) {
        size_t loaded;
        __asm__ volatile("ptrue p0.b\n\tsetffr\n\tldff1b z0.b, p0/z, [%1]\n\trdffr p1.b\n\tcntp %0, p0, p1.b"
                         : "=r"(loaded) : "r"(area + PAGE - here) : "v0", "memory");
        CHECK_EQ(loaded, here);
    }
    catch_faults();
    fault_info.si_addr = NULL;
    CHECK_EQ(FAULT_OF(__asm__ volatile("ptrue p0.b\n\tsetffr\n\tldff1b z0.b, p0/z, [%0]" : : "r"(area + PAGE) : "v0", "memory")),
             SIGSEGV);
    CHECK_EQ((uintptr_t)fault_info.si_addr, (uintptr_t)area + PAGE);
    munmap(area, 2 * PAGE);
}

/* A gather of as many pages as there are elements, the last of which may not be read. */
static void many_pages(void)
{
    CHECK_OK(prctl(PR_SVE_SET_VL, LONGEST));
    size_t elements = length() / 4;
    char *area = mmap(NULL, 2 * elements * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(area != MAP_FAILED);
    uint32_t offsets[LONGEST / 4], values[LONGEST / 4];
    for (size_t i = 0; i < elements; i++) {
        offsets[i] = (uint32_t)(2 * i * PAGE + PAGE - 2);
        memset(area + 2 * i * PAGE, (int)i + 1, 2 * PAGE);
    }
#define GATHER                                                                                                   \
    __asm__ volatile("ptrue p0.s\n\tld1w z1.s, p0/z, [%1]\n\tld1w z0.s, p0/z, [%0, z1.s, uxtw]\n\tst1w z0.s, p0, [%2]" \
                     : : "r"(area), "r"(offsets), "r"(values) : "v0", "v1", "memory")
    GATHER;
    for (size_t i = 0; i < elements; i++) CHECK_EQ(values[i], (i + 1) * 0x01010101);
    catch_faults();
    char *refused = area + (2 * elements - 1) * PAGE;
    CHECK_OK(mprotect(refused, PAGE, PROT_NONE));
    CHECK_EQ(FAULT_OF(GATHER), SIGSEGV);
    CHECK((uintptr_t)fault_info.si_addr >= (uintptr_t)refused - 2 && (uintptr_t)fault_info.si_addr < (uintptr_t)refused + 2);
    CHECK_OK(madvise(area, (2 * elements - 1) * PAGE, MADV_DONTNEED));
    CHECK_EQ(FAULT_OF(GATHER), SIGSEGV);
    munmap(area, 2 * elements * PAGE);
}

int main(int arguments_count, char **arguments)
{
    has_vectors = (getauxval(AT_HWCAP) >> 22) & 1;
    if (arguments_count > 1 && strcmp(arguments[1], "length") == 0) return (int)length() - 1;
    RUN(what_there_is);
    if (!has_vectors) return finish();
    RUN(across_calls);
    RUN(across_signals);
    RUN(in_the_frame);
    RUN(a_false_frame);
    RUN(of_every_length);
    RUN(first_faults);
    RUN(many_pages);
    return finish();
}
