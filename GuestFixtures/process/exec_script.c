/* #! scripts: the argument, nesting, what is refused. This program is the interpreter. */
#include "check.h"
#include <limits.h>
#include <sys/stat.h>

static char self[PATH_MAX];

static int say(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        /* The directory differs from run to run. */
        char *slash = strrchr(argv[i], '/');
        printf("%s<%s>", i > 1 ? " " : "", slash ? slash + 1 : argv[i]);
    }
    return 0;
}

static const char *script(const char *name, const char *first_line)
{
    const char *path = temporary(name);
    write_file(path, first_line, strlen(first_line));
    chmod(path, 0755);
    return path;
}

static const char *output_of(const char *path, char *const arguments[])
{
    static char text[4096];
    int pipes[2];
    REQUIRE(pipe(pipes) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[1], 1);
        execv(path, arguments);
        dprintf(1, "errno %d", errno);
        _exit(0);
    }
    close(pipes[1]);
    size_t size = 0;
    ssize_t part;
    while ((part = read(pipes[0], text + size, sizeof text - 1 - size)) > 0) size += (size_t)part;
    text[size] = 0;
    close(pipes[0]);
    CHECK_EQ(wait_for(pid), 0);
    return text;
}

static char *two[] = {"zero", "one", "two", NULL};

static void plain(void)
{
    char line[PATH_MAX + 100];
    snprintf(line, sizeof line, "#!%s\nrest\n", self);
    CHECK_STR(output_of(script("plain", line), two), "<plain> <one> <two>");
}

static void with_an_argument(void)
{
    char line[PATH_MAX + 100];
    /* All that follows is one argument, without the blanks around it. */
    snprintf(line, sizeof line, "#! \t%s \t -a -b  c \t\n", self);
    CHECK_STR(output_of(script("argument", line), two), "<-a -b  c> <argument> <one> <two>");
    snprintf(line, sizeof line, "#!%s -x", self);
    CHECK_STR(output_of(script("unterminated", line), two), "<-x> <unterminated> <one> <two>");
}

static void nested(void)
{
    char line[PATH_MAX + 100];
    snprintf(line, sizeof line, "#!%s first\n", self);
    const char *path = script("inner", line);
    snprintf(line, sizeof line, "#!%s second\n", path);
    path = script("outer", line);
    CHECK_STR(output_of(path, two), "<first> <inner> <second> <outer> <one> <two>");
}

static void nested_too_deep(void)
{
    char line[PATH_MAX + 100], name[20];
    const char *path = self;
    for (int i = 0; i < 8; i++) {
        snprintf(line, sizeof line, "#!%s\n", path);
        snprintf(name, sizeof name, "deep%d", i);
        path = script(name, line);
    }
    char expected[20];
    snprintf(expected, sizeof expected, "errno %d", ELOOP);
    CHECK_STR(output_of(path, two), expected);
    snprintf(line, sizeof line, "#!%s\n", temporary("itself"));
    CHECK_STR(output_of(script("itself", line), two), expected);
}

static void refused(void)
{
    char expected[20];
    snprintf(expected, sizeof expected, "errno %d", ENOENT);
    CHECK_STR(output_of(script("missing", "#!/nonexistent/interpreter\n"), two), expected);
    snprintf(expected, sizeof expected, "errno %d", ENOEXEC);
    CHECK_STR(output_of(script("nothing", "#!\n"), two), expected);
    CHECK_STR(output_of(script("blanks", "#!   \n"), two), expected);
    snprintf(expected, sizeof expected, "errno %d", EACCES);
    CHECK_STR(output_of(script("directory", "#!/etc\n"), two), expected);
    const char *path = script("not-executable", "#!/bin/sh\n");
    chmod(path, 0644);
    CHECK_STR(output_of(path, two), expected);
}

static void without_arguments(void)
{
    char line[PATH_MAX + 100];
    char *none[] = {"zero", NULL};
    snprintf(line, sizeof line, "#!%s\n", self);
    CHECK_STR(output_of(script("lonely", line), none), "<lonely>");
}

static void a_shell_script(void)
{
    const char *path = script("shell", "#!/bin/sh\necho \"$#: $1-$2\"; exit 0\n");
    CHECK_STR(output_of(path, two), "2: one-two\n");
}

int main(int argc, char **argv)
{
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    REQUIRE(length > 0);
    self[length] = 0;
    if (argc > 1) return say(argc, argv);
    RUN(plain);
    RUN(with_an_argument);
    RUN(nested);
    RUN(nested_too_deep);
    RUN(refused);
    RUN(without_arguments);
    RUN(a_shell_script);
    return finish();
}
