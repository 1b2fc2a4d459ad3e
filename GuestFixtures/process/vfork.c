/* vfork and posix_spawn: shared memory until exec or exit, exec's errors in the parent. */
#include "check.h"
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>

extern char **environ;
static volatile int shared;

static void writes_reach_the_parent(void)
{
    shared = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        shared = 42;
        _exit(3);
    }
    /* The parent runs on only after the child has gone. */
    CHECK_EQ(shared, 42);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 3);
}

static void the_parent_waits_for_exec(void)
{
    char *arguments[] = {"sleep", "30", NULL};
    shared = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        shared = 1;
        execve("/bin/sleep", arguments, environ);
        _exit(127);
    }
    /* Not for the child's end: it sleeps on. */
    CHECK_EQ(shared, 1);
    CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
    CHECK_OK(kill(pid, SIGKILL));
    int status = wait_for(pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void a_failing_exec_returns_in_the_child(void)
{
    char *arguments[] = {"nothing", NULL};
    shared = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        execve("/nonexistent/program", arguments, environ);
        shared = errno;
        execve("/etc", arguments, environ);
        _exit(errno == EACCES ? 4 : 5);
    }
    CHECK_EQ(shared, ENOENT);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 4);
}

static void the_parents_memory_is_untouched(void)
{
    enum { SIZE = 16 << 20 };
    unsigned char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(memory, 0x5a, SIZE);
    char *arguments[] = {"true", NULL};
    for (int i = 0; i < 20; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            execve("/bin/true", arguments, environ);
            _exit(127);
        }
        CHECK_EQ(wait_for(pid), 0);
    }
    for (int i = 0; i < SIZE; i += 1000) CHECK(memory[i] == 0x5a);
    munmap(memory, SIZE);
}

static void descriptors_are_the_childs_own(void)
{
    int fd = open("/dev/null", O_RDONLY);
    pid_t pid = vfork();
    if (pid == 0) {
        close(fd);
        (void)!chdir("/");
        _exit(fcntl(fd, F_GETFD) == -1 ? 0 : 1);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_OK(fcntl(fd, F_GETFD));
    close(fd);
}

static int on_its_own_stack(void *argument)
{
    /* What is written here is seen there; the frame lies where the parent said. */
    int here;
    *(uintptr_t *)argument = (uintptr_t)&here;
    return 9;
}

static void a_child_on_its_own_stack(void)
{
    enum { SIZE = 256 << 10 };
    char *stack = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uintptr_t frame = 0;
    pid_t pid = clone(on_its_own_stack, stack + SIZE, CLONE_VM | CLONE_VFORK | SIGCHLD, &frame);
    REQUIRE(pid > 0);
    CHECK(frame > (uintptr_t)stack && frame < (uintptr_t)stack + SIZE);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 9);
    munmap(stack, SIZE);
}

static void spawn_works(void)
{
    char *arguments[] = {"sh", "-c", "exit 7", NULL};
    pid_t pid;
    CHECK_EQ(posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environ), 0);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 7);
    CHECK_EQ(posix_spawnp(&pid, "sh", NULL, NULL, arguments, environ), 0);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 7);
}

static void spawn_reports_a_missing_program(void)
{
    char *arguments[] = {"nothing", NULL};
    pid_t pid = -5;
    CHECK_EQ(posix_spawn(&pid, "/nonexistent/program", NULL, NULL, arguments, environ), ENOENT);
    CHECK_EQ(posix_spawnp(&pid, "no-such-program-anywhere", NULL, NULL, arguments, environ), ENOENT);
    CHECK_EQ(posix_spawn(&pid, "/etc/passwd", NULL, NULL, arguments, environ), EACCES);
    CHECK_ERROR(waitpid(-1, NULL, WNOHANG), ECHILD);
}

static void spawn_with_actions(void)
{
    char *arguments[] = {"sh", "-c", "pwd; echo to 5 >&5; kill -0 $$", NULL};
    int pipes[2];
    CHECK_OK(pipe2(pipes, O_CLOEXEC));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], 5);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    pid_t pid;
    CHECK_OK(chdir("/"));
    CHECK_EQ(posix_spawn(&pid, "/bin/sh", &actions, &attributes, arguments, environ), 0);
    CHECK_EQ(wait_for(pid), 0);
    close(pipes[1]);
    char text[100] = "";
    ssize_t size = 0, part;
    while ((part = read(pipes[0], text + size, sizeof text - 1 - (size_t)size)) > 0) size += part;
    CHECK_STR(text, "/\nto 5\n");
}

static void hundreds(void)
{
    for (int i = 0; i < 300; i++) {
        pid_t pid = vfork();
        if (pid == 0) _exit(i & 0x7f);
        CHECK_EQ(WEXITSTATUS(wait_for(pid)), i & 0x7f);
    }
}

int main(void)
{
    RUN(writes_reach_the_parent);
    RUN(the_parent_waits_for_exec);
    RUN(a_failing_exec_returns_in_the_child);
    RUN(the_parents_memory_is_untouched);
    RUN(descriptors_are_the_childs_own);
    RUN(a_child_on_its_own_stack);
    RUN(spawn_works);
    RUN(spawn_reports_a_missing_program);
    RUN(spawn_with_actions);
    RUN(hundreds);
    return finish();
}
