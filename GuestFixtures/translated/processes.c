/* Processes of a program that a translator may run: fork, vfork, posix_spawn, exec of itself and of others, pipes between them. */
#include "check.h"
#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

extern char **environ;
static const char *self;

static int exit_status(pid_t pid)
{
    int status = wait_for(pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* What became of this program, given these words. */
static int run_again(const char *first, const char *second)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl(self, "zero", first, second, (char *)NULL);
        _exit(99);
    }
    return exit_status(pid);
}

static void executed_again(void)
{
    CHECK_EQ(run_again("exit", "5"), 5);
    CHECK_EQ(run_again("chain", "6"), 6);
    for (int i = 0; i < 10; i++) CHECK_EQ(run_again("exit", "7"), 7);
}

static void by_vfork(void)
{
    for (int i = 0; i < 10; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            execl(self, "zero", "exit", "8", (char *)NULL);
            _exit(99);
        }
        CHECK(pid > 0);
        CHECK_EQ(exit_status(pid), 8);
        pid = vfork();
        if (pid == 0) _exit(9);
        CHECK_EQ(exit_status(pid), 9);
        pid = vfork();
        if (pid == 0) {
            execl("/nonexistent", "zero", (char *)NULL);
            _exit(errno);
        }
        CHECK_EQ(exit_status(pid), ENOENT);
    }
}

static void by_posix_spawn(void)
{
    char text[64] = "";
    int ends[2];
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    char *arguments[] = {"zero", "say", "spawned", NULL};
    pid_t pid = -1;
    CHECK_EQ(posix_spawn(&pid, self, &actions, NULL, arguments, environ), 0);
    close(ends[1]);
    CHECK_EQ(read(ends[0], text, sizeof text - 1), 8);
    CHECK_STR(text, "spawned\n");
    close(ends[0]);
    CHECK_EQ(exit_status(pid), 0);
    posix_spawn_file_actions_destroy(&actions);
    /* A translator whose vfork copies memory cannot hand over the error: the child ends with 127 then. */
    int error = posix_spawn(&pid, "/nonexistent", NULL, NULL, arguments, environ);
    CHECK(error == ENOENT || (error == 0 && exit_status(pid) == 127));
    error = posix_spawnp(&pid, "no-such-program", NULL, NULL, arguments, environ);
    CHECK(error == ENOENT || (error == 0 && exit_status(pid) == 127));
}

static void through_a_shell(void)
{
    char command[600], text[64] = "";
    snprintf(command, sizeof command, "%s say one | cat; %s exit 3; echo $?", self, self);
    FILE *stream = popen(command, "r");
    REQUIRE(stream);
    size_t length = fread(text, 1, sizeof text - 1, stream);
    CHECK_EQ(pclose(stream), 0);
    CHECK_EQ(length, 6);
    CHECK_STR(text, "one\n3\n");
    CHECK_EQ(system("exit 4"), 4 << 8);
}

static void a_script(void)
{
    const char *path = temporary("script");
    char text[600];
    int length = snprintf(text, sizeof text, "#!%s script\n", self);
    write_file(path, text, length);
    CHECK_OK(chmod(path, 0755));
    pid_t pid = fork();
    if (pid == 0) {
        execl(path, "zero", "x", (char *)NULL);
        _exit(99);
    }
    CHECK_EQ(exit_status(pid), 11);
    unlink(path);
}

static void memory_is_copied(void)
{
    enum { SIZE = 4 * 1024 * 1024 };
    unsigned char *own = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(own, 1, SIZE);
    pid_t pid = fork();
    if (pid == 0) {
        for (size_t i = 0; i < SIZE; i++) {
            if (own[i] != 1) _exit(1);
        }
        memset(own, 2, SIZE);
        shared[0] = 3;
        _exit(0);
    }
    CHECK_EQ(exit_status(pid), 0);
    for (size_t i = 0; i < SIZE; i += 997) CHECK_EQ(own[i], 1);
    CHECK_EQ(shared[0], 3);
    munmap(own, SIZE);
    munmap(shared, PAGE);
}

static void many_at_once(void)
{
    enum { COUNT = 40 };
    pid_t children[COUNT];
    for (int i = 0; i < COUNT; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            usleep(1000 * (COUNT - i));
            _exit(i);
        }
        REQUIRE(children[i] > 0);
    }
    int seen[COUNT] = {0}, status;
    for (int i = 0; i < COUNT; i++) {
        pid_t pid = wait(&status);
        for (int j = 0; j < COUNT; j++) {
            if (children[j] == pid) {
                seen[j]++;
                CHECK_EQ(WEXITSTATUS(status), j);
            }
        }
    }
    for (int i = 0; i < COUNT; i++) CHECK_EQ(seen[i], 1);
    CHECK_ERROR(wait(&status), ECHILD);
}

static void a_chain_of_pipes(void)
{
    enum { LENGTH = 8, SIZE = 300000 };
    int first[2], next[2];
    CHECK_OK(pipe2(first, O_CLOEXEC));
    int input = first[0];
    for (int i = 0; i < LENGTH; i++) {
        CHECK_OK(pipe2(next, O_CLOEXEC));
        pid_t pid = fork();
        if (pid == 0) {
            /* Adds one to each byte. */
            unsigned char buffer[5000];
            close(first[1]);
            ssize_t got;
            while ((got = read(input, buffer, sizeof buffer)) > 0) {
                for (ssize_t at = 0; at < got; at++) buffer[at]++;
                if (write(next[1], buffer, got) != got) _exit(1);
            }
            _exit(0);
        }
        close(input);
        close(next[1]);
        input = next[0];
    }
    pid_t writer = fork();
    if (writer == 0) {
        static unsigned char data[SIZE];
        for (int i = 0; i < SIZE; i++) data[i] = (unsigned char)(i * 7);
        size_t done = 0;
        while (done < SIZE) {
            ssize_t put = write(first[1], data + done, SIZE - done);
            if (put <= 0) _exit(1);
            done += put;
        }
        _exit(0);
    }
    close(first[1]);
    size_t total = 0;
    unsigned char buffer[4096];
    ssize_t got;
    while ((got = read(input, buffer, sizeof buffer)) > 0) {
        for (ssize_t i = 0; i < got; i++, total++) CHECK_EQ(buffer[i], (unsigned char)(total * 7 + LENGTH));
    }
    CHECK_EQ(total, SIZE);
    close(input);
    for (int i = 0; i < LENGTH + 1; i++) {
        int status;
        CHECK(wait(&status) > 0 && status == 0);
    }
}

static void sockets_and_poll(void)
{
    int ends[2];
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    pid_t pid = fork();
    if (pid == 0) {
        char text[8] = "";
        if (read(ends[1], text, 5) != 5 || strcmp(text, "query") != 0) _exit(1);
        usleep(10000);
        _exit(write(ends[1], "answer", 6) == 6 ? 0 : 2);
    }
    struct pollfd ready = {.fd = ends[0], .events = POLLIN};
    CHECK_EQ(poll(&ready, 1, 0), 0);
    CHECK_EQ(write(ends[0], "query", 5), 5);
    CHECK_EQ(poll(&ready, 1, 10000), 1);
    char text[8] = "";
    CHECK_EQ(read(ends[0], text, 7), 6);
    CHECK_STR(text, "answer");
    CHECK_EQ(exit_status(pid), 0);
    close(ends[0]);
    close(ends[1]);
}

static int in_clone(void *argument)
{
    *(int *)argument += 1;
    return 12;
}

static void clone_with_odd_flags(void)
{
    static char stack[256 * 1024];
    int value = 1;
    /* With memory in common it is a vfork to a translator, or refused: then as much by all. */
    pid_t pid = clone(in_clone, stack + sizeof stack, CLONE_FILES | CLONE_FS | SIGCHLD, &value);
    if (pid > 0) CHECK_EQ(exit_status(pid), 12);
    CHECK_EQ(value, 1);
    pid = clone(in_clone, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &value);
    CHECK(pid > 0);
    CHECK_EQ(exit_status(pid), 12);
}

static void its_own_program(void)
{
    char path[512] = "", expected[512];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    CHECK(length > 0);
    REQUIRE(realpath(self, expected));
    CHECK_STR(path, expected);
    DIR *directory = opendir("/proc/self/fd");
    REQUIRE(directory);
    int count = 0;
    while (readdir(directory)) count++;
    CHECK(count >= 5);
    closedir(directory);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "exit") == 0) return atoi(argv[2]);
    if (argc == 3 && strcmp(argv[1], "say") == 0) return puts(argv[2]) < 0;
    if (argc == 4 && strcmp(argv[1], "script") == 0) return strcmp(argv[3], "x") == 0 ? 11 : 12;
    if (argc == 3 && strcmp(argv[1], "chain") == 0) {
        char *arguments[] = {"other", "exit", argv[2], NULL};
        execv("/proc/self/exe", arguments);
        return 98;
    }
    char path[512];
    self = realpath(argv[0], path);
    REQUIRE(self);
    RUN(executed_again);
    RUN(by_vfork);
    RUN(by_posix_spawn);
    RUN(through_a_shell);
    RUN(a_script);
    RUN(memory_is_copied);
    RUN(many_at_once);
    RUN(a_chain_of_pipes);
    RUN(sockets_and_poll);
    RUN(clone_with_odd_flags);
    RUN(its_own_program);
    return finish();
}
