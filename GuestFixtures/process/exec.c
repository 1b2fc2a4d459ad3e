/* execve: what the new program gets, what is refused, and how. This program is also the one executed. */
#include "check.h"
#include <limits.h>
#include <sys/stat.h>

static char self[PATH_MAX];

/* In the executed program: say on descriptor 1 what was received. */
static int report(int argc, char **argv)
{
    extern char **environ;
    printf("argc=%d", argc);
    for (int i = 0; i < argc; i++) printf(" <%s>", argv[i]);
    printf(" |");
    for (char **entry = environ; *entry; entry++) printf(" <%s>", *entry);
    return 0;
}

/* Run a function in a child whose output comes back as a string. */
static const char *output_of(void (*body)(void))
{
    static char text[4096];
    int pipes[2];
    REQUIRE(pipe(pipes) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[1], 1);
        close(pipes[0]);
        close(pipes[1]);
        body();
        _exit(120);
    }
    close(pipes[1]);
    size_t size = 0;
    ssize_t part;
    while ((part = read(pipes[0], text + size, sizeof text - 1 - size)) > 0) size += (size_t)part;
    text[size] = 0;
    close(pipes[0]);
    int status = wait_for(pid);
    if (status != 0) snprintf(text + size, sizeof text - size, " [status %x]", status);
    return text;
}

static void run_with_odd_arguments(void)
{
    char *arguments[] = {"a name of its own", "report", "", "x y", "-z", NULL};
    char *environment[] = {"ONE=1", "TWO=", "ODD", NULL};
    execve(self, arguments, environment);
}

static void arguments_and_environment(void)
{
    CHECK_STR(output_of(run_with_odd_arguments),
              "argc=5 <a name of its own> <report> <> <x y> <-z> | <ONE=1> <TWO=> <ODD>");
}

static void run_without_environment(void)
{
    char *arguments[] = {"x", "report", NULL};
    execve(self, arguments, NULL);
}

static void no_environment(void)
{
    CHECK_STR(output_of(run_without_environment), "argc=2 <x> <report> |");
}

static void run_relative(void)
{
    char directory[PATH_MAX];
    strcpy(directory, self);
    char *slash = strrchr(directory, '/');
    *slash = 0;
    if (chdir(directory) != 0) _exit(1);
    char relative[PATH_MAX];
    snprintf(relative, sizeof relative, "./../%s/%s", strrchr(directory, '/') + 1, slash + 1);
    char *arguments[] = {"x", "report", NULL}, *environment[] = {NULL};
    execve(relative, arguments, environment);
}

static void a_relative_path(void)
{
    CHECK_STR(output_of(run_relative), "argc=2 <x> <report> |");
}

static void run_through_a_link(void)
{
    unlink(temporary("link"));
    if (symlink(self, temporary("link")) != 0) _exit(1);
    char *arguments[] = {"y", "report", NULL}, *environment[] = {NULL};
    execve(temporary("link"), arguments, environment);
}

static void a_symbolic_link(void)
{
    CHECK_STR(output_of(run_through_a_link), "argc=2 <y> <report> |");
}

static void closes_on_exec(void)
{
    int kept = open("/dev/null", O_RDONLY), closed = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char kept_text[20], closed_text[20];
    snprintf(kept_text, sizeof kept_text, "%d", kept);
    snprintf(closed_text, sizeof closed_text, "%d", closed);
    pid_t pid = fork();
    if (pid == 0) {
        char *arguments[] = {"x", "descriptors", kept_text, closed_text, NULL};
        execv(self, arguments);
        _exit(120);
    }
    CHECK_EQ(wait_for(pid), 0);
    /* In this process nothing was closed. */
    CHECK_OK(fcntl(closed, F_GETFD));
    close(kept);
    close(closed);
}

static int descriptors(char **argv)
{
    CHECK_OK(fcntl(atoi(argv[2]), F_GETFD));
    CHECK_ERROR(fcntl(atoi(argv[3]), F_GETFD), EBADF);
    return finish();
}

static void a_handler(int number)
{
    (void)number;
}

static void signals_across_exec(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGUSR1, a_handler);
        signal(SIGUSR2, SIG_IGN);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGHUP);
        sigprocmask(SIG_SETMASK, &set, NULL);
        raise(SIGHUP);
        char *arguments[] = {"x", "signals", NULL};
        execv(self, arguments);
        _exit(120);
    }
    CHECK_EQ(wait_for(pid), 0);
}

static int signals(void)
{
    struct sigaction action;
    /* Handled ones fall back to the default, ignored ones stay ignored, mask and pending ones stay. */
    sigaction(SIGUSR1, NULL, &action);
    CHECK(action.sa_handler == SIG_DFL);
    sigaction(SIGUSR2, NULL, &action);
    CHECK(action.sa_handler == SIG_IGN);
    sigset_t set;
    sigprocmask(SIG_SETMASK, NULL, &set);
    CHECK(sigismember(&set, SIGTERM) == 1);
    CHECK(sigismember(&set, SIGUSR1) == 0);
    sigpending(&set);
    CHECK(sigismember(&set, SIGHUP) == 1);
    stack_t stack;
    CHECK_OK(sigaltstack(NULL, &stack));
    CHECK_EQ(stack.ss_flags, SS_DISABLE);
    return finish();
}

static void the_process_stays_the_same(void)
{
    int gate[2];
    CHECK_OK(pipe(gate));
    pid_t pid = fork();
    if (pid == 0) {
        char byte, expected[20];
        if (read(gate[0], &byte, 1) != 1) _exit(1);
        snprintf(expected, sizeof expected, "%d", getpid());
        char parent[20];
        snprintf(parent, sizeof parent, "%d", getppid());
        umask(0123);
        if (chdir("/") != 0) _exit(1);
        alarm(1000);
        char *arguments[] = {"x", "identity", expected, parent, NULL};
        execv(self, arguments);
        _exit(120);
    }
    CHECK_EQ(getpgid(pid), getpgrp());
    CHECK_EQ(setpgid(pid, pid), 0);
    CHECK_EQ(write(gate[1], "x", 1), 1);
    CHECK_EQ(wait_for(pid), 0);
}

static int identity(char **argv)
{
    CHECK_EQ(getpid(), atoi(argv[2]));
    CHECK_EQ(syscall(SYS_gettid), atoi(argv[2]));
    CHECK_EQ(getppid(), atoi(argv[3]));
    CHECK_EQ(getpgrp(), getpid());
    CHECK_EQ(umask(0), 0123);
    char here[10];
    CHECK_STR(getcwd(here, sizeof here), "/");
    CHECK(alarm(0) > 900);
    return finish();
}

static void errors(void)
{
    char *arguments[] = {"x", NULL};
    CHECK_ERROR(execv("/nonexistent", arguments), ENOENT);
    CHECK_ERROR(execv("", arguments), ENOENT);
    CHECK_ERROR(execv("/etc/passwd/x", arguments), ENOTDIR);
    CHECK_ERROR(execv("/etc", arguments), EACCES);
    CHECK_ERROR(execv("/etc/passwd", arguments), EACCES);
    write_file(temporary("garbage"), "\1\2\3\4garbage\n", 12);
    chmod(temporary("garbage"), 0755);
    CHECK_ERROR(execv(temporary("garbage"), arguments), ENOEXEC);
    write_file(temporary("empty"), "", 0);
    chmod(temporary("empty"), 0755);
    CHECK_ERROR(execv(temporary("empty"), arguments), ENOEXEC);
    write_file(temporary("short"), "\177ELF\2\1\1", 7);
    chmod(temporary("short"), 0755);
    CHECK_ERROR(execv(temporary("short"), arguments), ENOEXEC);
    unlink(temporary("loop"));
    CHECK_OK(symlink("loop", temporary("loop")));
    CHECK_ERROR(execv(temporary("loop"), arguments), ELOOP);
    /* An open writer keeps a program from running. */
    int in = open(self, O_RDONLY), out = open(temporary("busy"), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0755);
    char buffer[65536];
    ssize_t size;
    while ((size = read(in, buffer, sizeof buffer)) > 0) CHECK_EQ(write(out, buffer, (size_t)size), size);
    CHECK_ERROR(execv(temporary("busy"), arguments), ETXTBSY);
    close(out);
    close(in);
    CHECK_ERROR(execv("/dev/null", arguments), EACCES);
}

static void twice_in_a_row(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        char *arguments[] = {"x", "again", "5", NULL};
        execv(self, arguments);
        _exit(120);
    }
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 17);
}

static int again(char **argv)
{
    int left = atoi(argv[2]);
    if (left == 0) return 17;
    char text[20];
    snprintf(text, sizeof text, "%d", left - 1);
    char *arguments[] = {"x", "again", text, NULL};
    execv(self, arguments);
    return 1;
}

int main(int argc, char **argv)
{
    /* Not from argv[0], which the sections choose. */
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    REQUIRE(length > 0);
    self[length] = 0;
    if (argc > 1) {
        if (strcmp(argv[1], "report") == 0) return report(argc, argv);
        if (strcmp(argv[1], "descriptors") == 0) return descriptors(argv);
        if (strcmp(argv[1], "signals") == 0) return signals();
        if (strcmp(argv[1], "identity") == 0) return identity(argv);
        if (strcmp(argv[1], "again") == 0) return again(argv);
    }
    RUN(arguments_and_environment);
    RUN(no_environment);
    RUN(a_relative_path);
    RUN(a_symbolic_link);
    RUN(closes_on_exec);
    RUN(signals_across_exec);
    RUN(the_process_stays_the_same);
    RUN(errors);
    RUN(twice_in_a_row);
    return finish();
}
