/* Threads that unmap the stack they stand on: their joiner may use the addresses as soon as it is woken. */
#include "faults.h"
#include <linux/futex.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>

enum { SIZE = 8 * PAGE, GUARD = 4 * PAGE, TIMES = 10000 };
enum { LEGACY, CLONE3 };

#define THREAD_FLAGS                                                                                          \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID | \
     CLONE_CHILD_CLEARTID)

/* What a thread does; it uses no stack for that. */
struct work {
    long number, arguments[5]; /* the call it makes */
    volatile int stage;        /* 3: it must wait; it makes the call, says 1, and ends at 2 */
    volatile uint32_t tid;     /* cleared and woken when it ends */
};

/* r12 holds the work. The child makes the call, says so, waits for its end, and ends. */
#define CHILD                              \
    "test %%eax, %%eax\n\t"                \
    "jnz 2f\n"                             \
    "4:\n\t"                               \
    "cmpl $3, 48(%%r12)\n\t"               \
    "jne 5f\n\t"                           \
    "mov $24, %%eax\n\t"                   \
    "syscall\n\t"                          \
    "jmp 4b\n"                             \
    "5:\n\t"                               \
    "mov (%%r12), %%rax\n\t"               \
    "mov 8(%%r12), %%rdi\n\t"              \
    "mov 16(%%r12), %%rsi\n\t"             \
    "mov 24(%%r12), %%rdx\n\t"             \
    "mov 32(%%r12), %%r10\n\t"             \
    "mov 40(%%r12), %%r8\n\t"              \
    "syscall\n\t"                          \
    "cmpl $2, 48(%%r12)\n\t"               \
    "je 1f\n\t"                            \
    "movl $1, 48(%%r12)\n"                 \
    "3:\n\t"                               \
    "mov $24, %%eax\n\t"                   \
    "syscall\n\t"                          \
    "cmpl $2, 48(%%r12)\n\t"               \
    "jne 3b\n"                             \
    "1:\n\t"                               \
    "xor %%edi, %%edi\n\t"                 \
    "mov $60, %%eax\n\t"                   \
    "syscall\n\t"                          \
    "hlt\n"                                \
    "2:\n"

static long start(int way, char *stack, struct work *work)
{
    register struct work *r12 __asm__("r12") = work;
    if (way == CLONE3) {
        struct clone_args arguments = {
            .flags = THREAD_FLAGS, .stack = (uintptr_t)stack, .stack_size = SIZE,
            .parent_tid = (uintptr_t)&work->tid, .child_tid = (uintptr_t)&work->tid,
        };
        long result = SYS_clone3;
        __asm__ volatile("syscall\n\t" CHILD
                         : "+a"(result) : "D"(&arguments), "S"(sizeof arguments), "r"(r12)
                         : "rcx", "r11", "rdx", "r10", "r8", "memory");
        return result;
    }
    register volatile uint32_t *r10 __asm__("r10") = &work->tid;
    register long r8 __asm__("r8") = 0;
    long result = SYS_clone;
    volatile uint32_t *tid = &work->tid;
    __asm__ volatile("syscall\n\t" CHILD
                     : "+a"(result), "+d"(tid), "+r"(r10), "+r"(r8)
                     : "D"((long)THREAD_FLAGS), "S"(stack + SIZE), "r"(r12)
                     : "rcx", "r11", "memory");
    return result;
}

static void join(struct work *work)
{
    uint32_t tid;
    while ((tid = work->tid) != 0) syscall(SYS_futex, &work->tid, FUTEX_WAIT, tid, NULL, NULL, 0);
}

static void *map(void *address, size_t size, int flags)
{
    return mmap(address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

/* A stack between two pages of another kind, so that its region is its own. */
static char *stack_alone(void)
{
    char *all = mmap(NULL, SIZE + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(all != MAP_FAILED);
    REQUIRE(mprotect(all + GUARD, SIZE, PROT_READ | PROT_WRITE) == 0);
    return all + GUARD;
}

static void free_around(char *stack)
{
    CHECK_OK(munmap(stack - GUARD, GUARD));
    CHECK_OK(munmap(stack + SIZE, GUARD));
}

static struct work unmapping(char *start, size_t size)
{
    return (struct work){.number = SYS_munmap, .arguments = {(long)start, (long)size}};
}

/* Thousands of times at one address: an unmap that comes late takes the next thread's stack away. */
static void again_and_again(int way)
{
    char *stack = stack_alone();
    for (int i = 0; i < TIMES && !check_failures; i++) {
        struct work work = unmapping(stack, SIZE);
        work.stage = 2;
        stack[SIZE - 1] = stack[0] = 1;
        REQUIRE(start(way, stack, &work) > 0);
        join(&work);
        CHECK(map(stack, SIZE, MAP_FIXED_NOREPLACE) == stack);
        CHECK(stack[0] == 0 && stack[SIZE - 1] == 0);
    }
    CHECK_OK(munmap(stack, SIZE));
    free_around(stack);
}

static void reused_at_once_legacy(void) { again_and_again(LEGACY); }
static void reused_at_once_clone3(void) { again_and_again(CLONE3); }

static void go_on(struct work *work)
{
    WAIT_UNTIL(work->stage == 1);
}

static void end(struct work *work)
{
    work->stage = 2;
    join(work);
}

/* What is mapped where the thread has unmapped its stack stays when the thread ends. */
static void a_new_mapping_survives(void)
{
    for (int way = LEGACY; way <= CLONE3; way++)
        for (int i = 0; i < 200 && !check_failures; i++) {
            char *stack = stack_alone();
            struct work work = unmapping(stack, SIZE);
            REQUIRE(start(way, stack, &work) > 0);
            go_on(&work);
            CHECK(map(stack + 2 * PAGE, 3 * PAGE, MAP_FIXED) == stack + 2 * PAGE);
            memset(stack + 2 * PAGE, 0x77, 3 * PAGE);
            end(&work);
            CHECK_EQ(stack[2 * PAGE], 0x77);
            CHECK_EQ(stack[5 * PAGE - 1], 0x77);
            CHECK_NOTHING_AT(stack);
            CHECK_NOTHING_AT(stack + 2 * PAGE - 1);
            CHECK_NOTHING_AT(stack + 5 * PAGE);
            CHECK_OK(munmap(stack + 2 * PAGE, 3 * PAGE));
            free_around(stack);
        }
}

/* What is unmapped beside the stack is gone at once. */
static void neighbours_go_now(void)
{
    for (int way = LEGACY; way <= CLONE3; way++) {
        char *stack = stack_alone();
        CHECK_OK(mprotect(stack - GUARD, GUARD, PROT_READ));
        CHECK_OK(mprotect(stack + SIZE, GUARD, PROT_READ));
        struct work work = unmapping(stack - GUARD, SIZE + 2 * GUARD);
        REQUIRE(start(way, stack, &work) > 0);
        go_on(&work);
        CHECK_NOTHING_AT(stack - 1);
        CHECK_NOTHING_AT(stack - GUARD);
        CHECK_NOTHING_AT(stack + SIZE);
        end(&work);
        CHECK(map(stack - GUARD, SIZE + 2 * GUARD, MAP_FIXED_NOREPLACE) == stack - GUARD);
        CHECK_OK(munmap(stack - GUARD, SIZE + 2 * GUARD));
    }
}

/* One munmap over many live stacks, and many over one: after the threads' ends nothing is left. */
static void many_stacks(void)
{
    enum { COUNT = 20 };
    static struct work works[COUNT];
    size_t each = SIZE + GUARD;
    char *all = mmap(NULL, COUNT * each, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < COUNT; i++) {
        char *stack = all + i * each;
        CHECK_OK(mprotect(stack, SIZE, PROT_READ | PROT_WRITE));
        works[i] = unmapping(all + (i % 4) * PAGE, COUNT * each - (i % 4) * PAGE);
        works[i].stage = 3;
        REQUIRE(start(i % 2, stack, &works[i]) > 0);
    }
    for (int i = 0; i < COUNT; i++) works[i].stage = 0;
    for (int i = 0; i < COUNT; i++) go_on(&works[i]);
    for (int i = 0; i < COUNT; i++) CHECK_NOTHING_AT(all + i * each + SIZE);
    for (int i = 0; i < COUNT; i++) end(&works[i]);
    CHECK(map(all, COUNT * each, MAP_FIXED_NOREPLACE) == all);
    CHECK_OK(munmap(all, COUNT * each));
}

/* mremap takes the addresses away as well. */
static void moved_and_shrunk(void)
{
    for (int way = LEGACY; way <= CLONE3; way++) {
        char *stack = stack_alone(), *target = stack_alone();
        struct work move = {
            .number = SYS_mremap,
            .arguments = {(long)stack, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, (long)target}};
        stack[5] = 55;
        REQUIRE(start(way, stack, &move) > 0);
        go_on(&move);
        CHECK_EQ(target[5], 55);
        CHECK_FAULT(read_fault, stack, SIGSEGV, fault_info.si_code);
        end(&move);
        CHECK_NOTHING_AT(stack);
        CHECK(map(stack, SIZE, MAP_FIXED_NOREPLACE) == stack);
        struct work shrink = {.number = SYS_mremap, .arguments = {(long)stack, SIZE, PAGE, 0}};
        stack[0] = 44;
        REQUIRE(start(way, stack, &shrink) > 0);
        go_on(&shrink);
        end(&shrink);
        CHECK_EQ(stack[0], 44);
        CHECK_NOTHING_AT(stack + PAGE);
        CHECK_OK(munmap(stack, PAGE));
        CHECK_OK(munmap(target, SIZE));
        free_around(stack);
        free_around(target);
    }
}

/* A stack that is replaced is replaced at once, and what replaced it goes at once. */
static void replaced(void)
{
    char *stack = stack_alone();
    stack[0] = 1;
    struct work work = {.number = SYS_getpid};
    REQUIRE(start(CLONE3, stack, &work) > 0);
    go_on(&work);
    CHECK(map(stack, 2 * PAGE, MAP_FIXED) == stack);
    CHECK_EQ(stack[0], 0);
    CHECK_OK(munmap(stack, PAGE));
    CHECK_NOTHING_AT(stack);
    stack[PAGE] = 3;
    end(&work);
    CHECK_EQ(stack[PAGE], 3);
    CHECK_OK(munmap(stack, SIZE));
    free_around(stack);
}

static char *forked_stack;

static void look(void)
{
    CHECK_NOTHING_AT(forked_stack);
    CHECK_NOTHING_AT(forked_stack + SIZE - 1);
    CHECK(map(forked_stack, SIZE, MAP_FIXED_NOREPLACE) == forked_stack);
}

/* A child has only the thread that forked: the others' stacks need not wait. */
static void in_a_child(void)
{
    char *stack = forked_stack = stack_alone();
    struct work work = unmapping(stack, SIZE);
    REQUIRE(start(LEGACY, stack, &work) > 0);
    go_on(&work);
    CHECK_EQ(child_status(look), 0);
    end(&work);
    CHECK_NOTHING_AT(stack);
    free_around(stack);
}

/* vfork's child shares the memory: what it unmaps is unmapped in the parent. */
static void by_a_vfork_child(void)
{
    char *stack = stack_alone();
    struct work work = {.number = SYS_getpid};
    REQUIRE(start(CLONE3, stack, &work) > 0);
    go_on(&work);
    pid_t pid = vfork();
    if (pid == 0) _exit(munmap(stack - GUARD, SIZE + GUARD) == 0 ? 0 : 1);
    CHECK_EQ(wait_for(pid), 0);
    CHECK_NOTHING_AT(stack - 1);
    end(&work);
    CHECK_NOTHING_AT(stack);
    CHECK(map(stack, SIZE, MAP_FIXED_NOREPLACE) == stack);
    CHECK_OK(munmap(stack, SIZE));
    CHECK_OK(munmap(stack + SIZE, GUARD));
}

static volatile int running;

static void *do_nothing(void *argument)
{
    __atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
    return argument;
}

static int count_mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    int lines = 0, byte;
    while ((byte = fgetc(maps)) != EOF) lines += byte == '\n';
    fclose(maps);
    return lines;
}

/* Detached threads free their stacks themselves, in some C libraries from that very stack. */
static void detached(void)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 64 << 10);
    int before = 0;
    for (int i = 0; i < 3000; i++) {
        pthread_t thread;
        __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
        REQUIRE(pthread_create(&thread, &attributes, do_nothing, NULL) == 0);
        WAIT_UNTIL(running < 8);
        if (i == 100) before = count_mappings();
    }
    WAIT_UNTIL(running == 0);
    for (int i = 0; i < 1000 && count_mappings() > before + 40; i++) usleep(1000);
    CHECK(count_mappings() <= before + 40);
}

int main(void)
{
    catch_faults();
    RUN(reused_at_once_legacy);
    RUN(reused_at_once_clone3);
    RUN(a_new_mapping_survives);
    RUN(neighbours_go_now);
    RUN(many_stacks);
    RUN(moved_and_shrunk);
    RUN(replaced);
    RUN(in_a_child);
    RUN(by_a_vfork_child);
    RUN(detached);
    return finish();
}
