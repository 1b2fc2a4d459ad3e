/* Children that share their parent's memory are killed while they change it: whatever they were in the middle of, the parent goes on. */
#include <sched.h>
#include <sys/mman.h>
#include <time.h>

#include "check.h"
#include "xorshift.h"

enum { ROUNDS = 120, KEPT = 24, STACK = 256 << 10 };

static uint64_t state = 88172645463325252u;
static unsigned char *kept[KEPT];
static const char *own_path;

static unsigned char *new_stack(void)
{
    unsigned char *place = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(place != MAP_FAILED);
    return place + STACK;
}

/* The child's: no function of the library that would use what its parent has. */
static _Noreturn void change_memory(uint64_t seed)
{
    for (;;) {
        size_t pages = 3 + xorshift(&seed) % 60;
        char *memory = (char *)syscall(SYS_mmap, NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if ((intptr_t)memory <= 0) continue;
        *memory = 1;
        syscall(SYS_mprotect, memory + PAGE, PAGE, PROT_READ);
        syscall(SYS_munmap, memory + (pages - 1) * PAGE, PAGE);
        syscall(SYS_mprotect, memory + PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
        char *moved = (char *)syscall(SYS_mremap, memory, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
        syscall(SYS_munmap, moved, 2 * PAGE);
        /* Not what has gone already: another may have something there. */
        syscall(SYS_munmap, memory + PAGE, (pages - 2) * PAGE);
    }
}

static _Noreturn int change_for_ever(void *seed)
{
    change_memory((uintptr_t)seed);
}

/* Whether memory is in order: mappings are new and empty, nothing of the parent's has changed. */
static void use_memory(int round)
{
    unsigned char *made[12];
    for (int i = 0; i < 12; i++) {
        size_t size = (1 + (size_t)(round + i) % 5) * PAGE;
        made[i] = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(made[i] != MAP_FAILED);
        if (made[i] == MAP_FAILED) return;
        for (size_t at = 0; at < size; at += 512) CHECK_EQ(made[i][at], 0);
        memset(made[i], 0xa5, size);
    }
    for (int i = 0; i < KEPT; i++) CHECK_EQ(kept[i][i * 8], i + 1);
    for (int i = 0; i < 12; i++) {
        CHECK_OK(mprotect(made[i], PAGE, PROT_NONE));
        CHECK_OK(munmap(made[i], (1 + (size_t)(round + i) % 5) * PAGE));
    }
    if (round % 12 == 0) {
        pid_t child = fork();
        if (child == 0) _exit(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
        CHECK_EQ(wait_for(child), 0);
        child = vfork();
        if (child == 0) {
            execl(own_path, own_path, "nothing", NULL);
            _exit(1);
        }
        CHECK_EQ(wait_for(child), 0);
    }
}

static void wait_a_moment(void)
{
    struct timespec moment = {0, (long)(xorshift(&state) % 2500000)};
    nanosleep(&moment, NULL);
}

static void reap_killed(pid_t child)
{
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void beside_their_parent(void)
{
    unsigned char *stack = new_stack();
    for (int round = 0; round < ROUNDS; round++) {
        pid_t child = clone(change_for_ever, stack, CLONE_VM | SIGCHLD, (void *)(uintptr_t)xorshift(&state));
        CHECK(child > 0);
        if (child <= 0) return;
        /* Both at once, too. */
        if (round % 2) use_memory(round);
        wait_a_moment();
        CHECK_OK(kill(child, SIGKILL));
        reap_killed(child);
        use_memory(round);
    }
}

/* The parent stands still until its child is dead: another process kills that one. */
static void in_place_of_their_parent(void)
{
    int pipes[2];
    CHECK_OK(pipe(pipes));
    pid_t killer = fork();
    if (killer == 0) {
        pid_t victim;
        close(pipes[1]);
        while (read(pipes[0], &victim, sizeof victim) == sizeof victim) {
            wait_a_moment();
            kill(victim, SIGKILL);
        }
        _exit(0);
    }
    close(pipes[0]);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t seed = xorshift(&state);
        pid_t child = vfork();
        if (child == 0) {
            pid_t own = (pid_t)syscall(SYS_getpid);
            syscall(SYS_write, pipes[1], &own, sizeof own);
            change_memory(seed);
        }
        CHECK(child > 0);
        if (child <= 0) break;
        reap_killed(child);
        use_memory(round);
    }
    close(pipes[1]);
    CHECK_EQ(wait_for(killer), 0);
}

static _Noreturn int spawn_for_ever(void *unused UNUSED)
{
    for (;;) {
        pid_t child = vfork();
        if (child == 0) {
            syscall(SYS_execve, own_path, (char *[]){(char *)own_path, "nothing", NULL}, NULL);
            syscall(SYS_exit_group, 1);
        }
        syscall(SYS_wait4, child, NULL, 0, NULL);
    }
}

/* Whole processes, each with children in its memory. */
static void with_their_parent(void)
{
    for (int round = 0; round < ROUNDS / 8; round++) {
        pid_t child = fork();
        if (child == 0) {
            for (int i = 0; i < 2; i++)
                clone(i ? spawn_for_ever : change_for_ever, new_stack(), CLONE_VM | CLONE_THREAD | CLONE_SIGHAND, (void *)(uintptr_t)(round + 1));
            change_memory((uint64_t)round + 77);
        }
        for (int i = 0; i < 4; i++) wait_a_moment();
        CHECK_OK(kill(child, SIGKILL));
        reap_killed(child);
        use_memory(round);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) return 0;
    own_path = argv[0];
    for (int i = 0; i < KEPT; i++) {
        kept[i] = mmap(NULL, (size_t)(i % 3 + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(kept[i] != MAP_FAILED);
        kept[i][i * 8] = (unsigned char)(i + 1);
        if (i % 4 == 0) mprotect(kept[i], PAGE, PROT_READ);
    }
    RUN(beside_their_parent);
    RUN(in_place_of_their_parent);
    RUN(with_their_parent);
    return finish();
}
