/* Pointer authentication, where the processor has it: whose the keys are, and what prctl(2) does with them. */
#include "faults.h"
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

__asm__(".arch_extension pauth");

static int has_addresses, has_generic;

#define SIGNED(key)                                                                                 \
    static uint64_t key(uint64_t pointer)                                                           \
    {                                                                                               \
        uint64_t modifier = 0x1234;                                                                 \
        __asm__ volatile(#key " %0, %1" : "+r"(pointer) : "r"(modifier));                           \
        return pointer;                                                                             \
    }
SIGNED(pacia)
SIGNED(pacib)
SIGNED(pacda)
SIGNED(pacdb)
SIGNED(autia)
SIGNED(autib)
SIGNED(autda)
SIGNED(autdb)

static uint64_t generic(void)
{
    uint64_t result;
    __asm__ volatile("pacga %0, %1, %2" : "=r"(result) : "r"(0x5555555555UL), "r"(0x77UL));
    return result;
}

/* A pointer signed with each of the keys, and the generic code: what depends on the keys alone. */
struct codes {
    uint64_t values[5];
};

static struct codes codes(void)
{
    uint64_t pointer = 0x5555555550;
    return (struct codes){{pacia(pointer), pacib(pointer), pacda(pointer), pacdb(pointer), generic()}};
}

/* Which of the keys differ: bits as PR_PAC_APIAKEY and the following. */
static int different(struct codes a, struct codes b)
{
    int result = 0;
    for (int i = 0; i < 5; i++) result |= (a.values[i] != b.values[i]) << i;
    return result;
}

/* A code has some bits only, and two of them may be the same by chance: asked several times. */
static int reset(unsigned long keys)
{
    int result = 0;
    for (int i = 0; i < 8; i++) {
        struct codes before = codes();
        CHECK_OK(prctl(PR_PAC_RESET_KEYS, keys, 0, 0, 0));
        result |= different(before, codes());
    }
    return result;
}

static void what_there_is(void)
{
    uint64_t isar1;
    __asm__("mrs %0, S3_0_C0_C6_1" : "=r"(isar1));
    printf("  addresses %d, generic %d, register %lx\n", has_addresses, has_generic, (unsigned long)isar1 & 0xff000ff0);
    if (!has_addresses) {
        CHECK_ERROR(prctl(PR_PAC_RESET_KEYS, 0, 0, 0, 0), EINVAL);
        CHECK_ERROR(prctl(PR_PAC_GET_ENABLED_KEYS, 0, 0, 0, 0), EINVAL);
        CHECK_ERROR(prctl(PR_PAC_SET_ENABLED_KEYS, 1, 1, 0, 0), EINVAL);
    }
}

static void signs_and_tells(void)
{
    uint64_t pointer = (uint64_t)(uintptr_t)&pointer;
    CHECK(pacia(pointer) != pointer || pacib(pointer) != pointer);
    CHECK_EQ(autia(pacia(pointer)), pointer);
    CHECK_EQ(autib(pacib(pointer)), pointer);
    CHECK_EQ(autda(pacda(pointer)), pointer);
    CHECK_EQ(autdb(pacdb(pointer)), pointer);
    catch_faults();
    /* What nobody signed does not serve as a pointer. */
    volatile uint64_t forged = pacda(pointer) ^ 1UL << 52;
    int signal = FAULT_OF(*(volatile char *)(uintptr_t)autda(forged));
    printf("  a forged pointer: signal %d, code %d\n", signal, fault_info.si_code);
}

static void *give_codes(void *place)
{
    *(struct codes *)place = codes();
    return NULL;
}

static struct codes original;

static void compare(void)
{
    CHECK_EQ(different(original, codes()), 0);
    getppid();
    CHECK_EQ(different(original, codes()), 0);
    CHECK(reset(0) == 0x1f);
}

static void whose_they_are(void)
{
    original = codes();
    for (int i = 0; i < 100; i++) getppid();
    CHECK_EQ(different(original, codes()), 0);
    raise(SIGUSR1);
    CHECK_EQ(different(original, codes()), 0);
    CHECK_EQ(child_status(compare), 0);
    CHECK_EQ(different(original, codes()), 0);
    pthread_t thread;
    struct codes others;
    pthread_create(&thread, NULL, give_codes, &others);
    pthread_join(thread, NULL);
    CHECK_EQ(different(original, others), 0);

    int differs = 0;
    for (int i = 0; i < 4; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            char words[5][20], *arguments[] = {"pointers", words[0], words[1], words[2], words[3], words[4], NULL};
            for (int word = 0; word < 5; word++) sprintf(words[word], "%llx", (unsigned long long)original.values[word]);
            execv("/proc/self/exe", arguments);
            _exit(0);
        }
        differs |= WEXITSTATUS(wait_for(pid));
    }
    CHECK_EQ(differs, 0x1f);
}

static pthread_barrier_t barrier;

static void *watch(void *place)
{
    struct codes before = codes();
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    *(int *)place = different(before, codes());
    return NULL;
}

static void other_keys(void)
{
    for (unsigned long key = 0; key < 5; key++) CHECK_EQ(reset(1UL << key), 1 << key);
    CHECK_EQ(reset(0), 0x1f);
    CHECK_ERROR(prctl(PR_PAC_RESET_KEYS, 0x20, 0, 0, 0), EINVAL);
    CHECK_ERROR(prctl(PR_PAC_RESET_KEYS, 1, 1, 0, 0), EINVAL);
    /* A thread's own. */
    pthread_t thread;
    int seen = -1;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, watch, &seen);
    pthread_barrier_wait(&barrier);
    CHECK_EQ(reset(0), 0x1f);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    CHECK_EQ(seen, 0);
}

static void enabled(void) { _exit(prctl(PR_PAC_GET_ENABLED_KEYS, 0, 0, 0, 0)); }

static void switched_off(void)
{
    uint64_t pointer = 0x5555555550;
    CHECK_EQ(prctl(PR_PAC_GET_ENABLED_KEYS, 0, 0, 0, 0), 0xf);
    CHECK_OK(prctl(PR_PAC_SET_ENABLED_KEYS, PR_PAC_APIAKEY | PR_PAC_APDBKEY, PR_PAC_APDBKEY, 0, 0));
    CHECK_EQ(prctl(PR_PAC_GET_ENABLED_KEYS, 0, 0, 0, 0), 0xe);
    CHECK_EQ(pacia(pointer), pointer);
    CHECK_EQ(WEXITSTATUS(child_status(enabled)), 0xe);
    CHECK_ERROR(prctl(PR_PAC_SET_ENABLED_KEYS, 0x10, 0, 0, 0), EINVAL);
    CHECK_ERROR(prctl(PR_PAC_SET_ENABLED_KEYS, 1, 2, 0, 0), EINVAL);
    CHECK_ERROR(prctl(PR_PAC_SET_ENABLED_KEYS, 1, 1, 1, 0), EINVAL);
    CHECK_ERROR(prctl(PR_PAC_GET_ENABLED_KEYS, 1, 0, 0, 0), EINVAL);
    CHECK_OK(prctl(PR_PAC_SET_ENABLED_KEYS, 0xf, 0xf, 0, 0));
    CHECK(reset(PR_PAC_APIAKEY) == PR_PAC_APIAKEY);
}

int main(int count, char **arguments)
{
    has_addresses = getauxval(AT_HWCAP) >> 30 & 1;
    has_generic = getauxval(AT_HWCAP) >> 31 & 1;
    if (count == 6) {
        struct codes before;
        for (int i = 0; i < 5; i++) before.values[i] = strtoull(arguments[1 + i], NULL, 16);
        return different(before, codes());
    }
    RUN(what_there_is);
    if (!has_addresses || !has_generic) return finish();
    signal(SIGUSR1, SIG_IGN);
    RUN(signs_and_tells);
    RUN(whose_they_are);
    RUN(other_keys);
    RUN(switched_off);
    return finish();
}
