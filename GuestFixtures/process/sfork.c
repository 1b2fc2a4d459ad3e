/* sfork (lib/sfork.h): one flow of control through a child process and back. */
#include "check.h"
#include "lib/sfork.h"
#include <pthread.h>
#include <sys/stat.h>
#include <sys/time.h>

extern char **environ;

static int exec(const char *path, char *const argv[])
{
    return sfork_execveat(AT_FDCWD, path, argv, environ, 0);
}

static void exit_returns_the_pid(void)
{
    pid_t parent = getpid();
    int steps = 0;
    CHECK_EQ(sfork(), 0);
    steps++;
    pid_t inside = getpid();
    CHECK(inside != parent && getppid() == parent);
    pid_t pid = sfork_exit(13);
    /* Here only once, and only the parent. */
    steps++;
    CHECK_EQ(steps, 2);
    CHECK_EQ(pid, inside);
    CHECK_EQ(getpid(), parent);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 13);
}

static void exec_returns_the_pid(void)
{
    char *arguments[] = {"sh", "-c", "exit 21", NULL};
    pid_t parent = getpid();
    CHECK_EQ(sfork(), 0);
    pid_t inside = getpid();
    pid_t pid = exec("/bin/sh", arguments);
    CHECK_EQ(pid, inside);
    CHECK_EQ(getpid(), parent);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 21);
}

/* The parent goes on at the exec, not at the program's end. */
static void the_program_runs_on(void)
{
    char *arguments[] = {"sleep", "60", NULL};
    CHECK_EQ(sfork(), 0);
    pid_t pid = exec("/bin/sleep", arguments);
    CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
    CHECK_OK(kill(pid, SIGKILL));
    CHECK_EQ(WTERMSIG(wait_for(pid)), SIGKILL);
}

static void a_failing_exec_stays_in_the_child(void)
{
    char *arguments[] = {"nothing", NULL};
    pid_t parent = getpid();
    write_file(temporary("no program"), "x", 1);
    CHECK_EQ(sfork(), 0);
    pid_t inside = getpid();
    CHECK_EQ(exec("/nonexistent/program", arguments), -ENOENT);
    CHECK_EQ(getpid(), inside);
    CHECK_EQ(exec("/etc", arguments), -EACCES);
    CHECK_EQ(exec(temporary("no program"), arguments), -EACCES);
    CHECK_EQ(chmod(temporary("no program"), 0755), 0);
    CHECK_EQ(exec(temporary("no program"), arguments), -ENOEXEC);
    CHECK_EQ(exec((char *)8, arguments), -EFAULT);
    CHECK_EQ(sfork_execveat(-1, "program", arguments, environ, 0), -EBADF);
    CHECK_EQ(sfork_execveat(AT_FDCWD, "/bin/sh", arguments, environ, 0x4000000), -EINVAL);
    CHECK_EQ(getpid(), inside);
    char *good[] = {"true", NULL};
    pid_t pid = exec("/bin/true", good);
    CHECK_EQ(pid, inside);
    CHECK_EQ(getpid(), parent);
    CHECK_EQ(wait_for(pid), 0);
}

static void outside_of_any_child(void)
{
    char *arguments[] = {"true", NULL};
    CHECK_EQ(sfork_exit(1), -EINVAL);
    CHECK_EQ(exec("/bin/true", arguments), -EINVAL);
}

/* What is prepared in the child context is the program's; the parent keeps its own. */
static void preparations_are_the_childs(void)
{
    char before[500], after[500], text[200] = "";
    int pipes[2];
    char *arguments[] = {"sh", "-c", "pwd; umask; echo $VARIABLE; read x || echo end", NULL};
    char *variables[] = {"VARIABLE=value", "PATH=/bin:/usr/bin", NULL};
    CHECK(getcwd(before, sizeof before) != NULL);
    CHECK_OK(pipe2(pipes, O_CLOEXEC));
    umask(022);
    CHECK_EQ(sfork(), 0);
    CHECK_OK(dup2(pipes[1], 1));
    CHECK_OK(close(pipes[1]));
    CHECK_OK(chdir("/"));
    umask(077);
    close(0);
    CHECK_EQ(open("/dev/null", O_RDONLY), 0);
    signal(SIGINT, SIG_IGN);
    CHECK_OK(setpgid(0, 0));
    pid_t pid = sfork_execveat(AT_FDCWD, "/bin/sh", arguments, variables, 0);
    CHECK(getcwd(after, sizeof after) != NULL);
    CHECK_STR(after, before);
    CHECK_EQ(umask(022), 022);
    CHECK(fcntl(pipes[1], F_GETFD) == FD_CLOEXEC);
    CHECK(signal(SIGINT, SIG_DFL) == SIG_DFL);
    CHECK(getpgrp() != pid);
    close(pipes[1]);
    ssize_t size = 0, part;
    while ((part = read(pipes[0], text + size, sizeof text - 1 - (size_t)size)) > 0) size += part;
    close(pipes[0]);
    CHECK_STR(text, "/\n0077\nvalue\nend\n");
    CHECK_EQ(wait_for(pid), 0);
}

/* Programs by descriptor, as execveat has them. */
static void by_descriptor(void)
{
    char *arguments[] = {"true", NULL};
    int directory = open("/bin", O_PATH | O_DIRECTORY | O_CLOEXEC), program = open("/bin/true", O_PATH | O_CLOEXEC);
    CHECK_EQ(sfork(), 0);
    pid_t one = sfork_execveat(directory, "true", arguments, environ, 0);
    CHECK(one > 0);
    CHECK_EQ(sfork(), 0);
    pid_t other = sfork_execveat(program, "", arguments, environ, AT_EMPTY_PATH);
    CHECK(other > 0);
    CHECK_EQ(wait_for(one), 0);
    CHECK_EQ(wait_for(other), 0);
    close(directory);
    close(program);
}

/* Deeper and shallower than where the context began: the parent goes on at the child's depth. */
static int __attribute__((noinline)) begin_deeper(int depth)
{
    volatile char room[200];
    memset((char *)room, depth, sizeof room);
    int result = depth == 0 ? sfork() : begin_deeper(depth - 1);
    CHECK_EQ(room[199], depth);
    return result;
}

static pid_t __attribute__((noinline)) end_deeper(int depth, int status)
{
    volatile char room[300];
    memset((char *)room, depth, sizeof room);
    pid_t result = depth == 0 ? sfork_exit(status) : end_deeper(depth - 1, status);
    CHECK_EQ(room[299], depth);
    return result;
}

static void anywhere_on_the_stack(void)
{
    for (int from = 0; from < 30; from += 3)
        for (int to = 0; to < 30; to += 7) {
            CHECK_EQ(begin_deeper(from), 0);
            pid_t pid = end_deeper(to, from + to);
            CHECK_EQ(WEXITSTATUS(wait_for(pid)), from + to);
        }
}

static void locals_and_registers(void)
{
    long a = getpid(), b = a * 3, c = a ^ 77, d = a + 5, e = a - 9, sum = 0;
    double x = (double)a / 7;
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(sfork(), 0);
        a += i, b ^= a, c -= b, d += c, e ^= d;
        x *= 1.25;
        pid_t pid = sfork_exit(i);
        a += 1, b ^= 2, c += 3, d ^= 4, e += 5;
        CHECK_EQ(WEXITSTATUS(wait_for(pid)), i);
    }
    long a2 = getpid(), b2 = a2 * 3, c2 = a2 ^ 77, d2 = a2 + 5, e2 = a2 - 9;
    double y = (double)a2 / 7;
    for (int i = 0; i < 20; i++) {
        a2 += i, b2 ^= a2, c2 -= b2, d2 += c2, e2 ^= d2;
        y *= 1.25;
        a2 += 1, b2 ^= 2, c2 += 3, d2 ^= 4, e2 += 5;
    }
    sum = (a == a2) + (b == b2) + (c == c2) + (d == d2) + (e == e2) + (x == y);
    CHECK_EQ(sum, 6);
}

static void nested(void)
{
    char *arguments[] = {"sh", "-c", "exit 5", NULL};
    pid_t parent = getpid();
    CHECK_EQ(sfork(), 0);
    pid_t child = getpid();
    CHECK_EQ(sfork(), 0);
    pid_t grandchild = getpid();
    CHECK_EQ(getppid(), child);
    CHECK_EQ(exec("/nonexistent/program", arguments), -ENOENT);
    CHECK_EQ(getpid(), grandchild);
    CHECK_EQ(exec("/bin/sh", arguments), grandchild);
    CHECK_EQ(getpid(), child);
    int status = wait_for(grandchild);
    CHECK_EQ(WEXITSTATUS(status), 5);
    CHECK_EQ(sfork(), 0);
    pid_t other = sfork_exit(6);
    CHECK_EQ(getpid(), child);
    CHECK_EQ(WEXITSTATUS(wait_for(other)), 6);
    CHECK_EQ(sfork_exit(WEXITSTATUS(status) + 1), child);
    CHECK_EQ(getpid(), parent);
    CHECK_EQ(WEXITSTATUS(wait_for(child)), 6);
}

/* As many levels as there may be, each the parent of the next. */
static void __attribute__((noinline)) descend(int level)
{
    pid_t before = getpid();
    if (level == SFORK_DEPTH) {
        CHECK_EQ(sfork(), -EAGAIN);
        return;
    }
    CHECK_EQ(sfork(), 0);
    CHECK_EQ(getppid(), before);
    pid_t inside = getpid();
    descend(level + 1);
    CHECK_EQ(getpid(), inside);
    CHECK_EQ(sfork_exit(level), inside);
    CHECK_EQ(getpid(), before);
    CHECK_EQ(WEXITSTATUS(wait_for(inside)), level);
}

static void all_the_way_down(void)
{
    descend(0);
}

/* A child that is killed, or ends itself, gives the parent its pid where the context began. */
static void ended_otherwise(void)
{
    volatile int entered = 0;
    int pid = sfork();
    if (pid == 0) {
        entered++;
        /* Not raise(), which in a vfork child may mean its parent. */
        kill(getpid(), SIGKILL);
    }
    CHECK_EQ(entered, 1);
    CHECK(pid > 0);
    CHECK_EQ(WTERMSIG(wait_for(pid)), SIGKILL);
    pid = sfork();
    if (pid == 0) {
        /* With a level of its own that ends with it. */
        entered++;
        if (sfork() == 0) {
            pid_t inner = sfork_exit(0);
            wait_for(inner);
        }
        _exit(9);
    }
    CHECK(pid > 0);
    CHECK_EQ(entered, 2);
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 9);
    CHECK_EQ(sfork_exit(0), -EINVAL);
}

static volatile int ticks;

static void tick(int number)
{
    (void)number;
    ticks++;
}

/* Signals come all the time, in the parent and in the child. */
static void under_signals(void)
{
    struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    char *arguments[] = {"true", NULL};
    signal(SIGALRM, tick);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 100; i++) {
        while (sfork() != 0) continue;
        for (int j = 0; j < 10; j++) kill(getpid(), SIGALRM);
        pid_t pid = i % 10 ? sfork_exit(i) : exec("/bin/true", arguments);
        sigset_t mask;
        CHECK_OK(sigprocmask(SIG_BLOCK, NULL, &mask));
        CHECK(!sigismember(&mask, SIGALRM));
        CHECK_EQ(WEXITSTATUS(wait_for(pid)), i % 10 ? i : 0);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    CHECK(ticks > 100);
    signal(SIGALRM, SIG_DFL);
}

static void *in_a_thread(void *argument)
{
    for (int i = 0; i < 100; i++) {
        if (sfork() != 0) return (void *)1;
        pid_t pid = sfork_exit((int)(long)argument);
        if (WEXITSTATUS(wait_for(pid)) != (int)(long)argument) return (void *)2;
    }
    return NULL;
}

static void in_several_threads(void)
{
    pthread_t threads[4];
    for (long i = 0; i < 4; i++) CHECK_EQ(pthread_create(&threads[i], NULL, in_a_thread, (void *)(i + 1)), 0);
    for (int i = 0; i < 4; i++) {
        void *result = (void *)9;
        pthread_join(threads[i], &result);
        CHECK_EQ((long)result, 0);
    }
}

int main(void)
{
    RUN(exit_returns_the_pid);
    RUN(exec_returns_the_pid);
    RUN(the_program_runs_on);
    RUN(a_failing_exec_stays_in_the_child);
    RUN(outside_of_any_child);
    RUN(preparations_are_the_childs);
    RUN(by_descriptor);
    RUN(anywhere_on_the_stack);
    RUN(locals_and_registers);
    RUN(nested);
    RUN(all_the_way_down);
    RUN(ended_otherwise);
    RUN(under_signals);
    RUN(in_several_threads);
    return finish();
}
