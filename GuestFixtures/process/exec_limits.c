/* How much may be given to a program: a quarter of the stack limit in all, 32 pages in one string. */
#include "check.h"
#include <sys/resource.h>

static int try(char **arguments)
{
    pid_t pid = fork();
    if (pid == 0) {
        char *none[] = {NULL};
        execve("/bin/true", arguments, none);
        _exit(errno);
    }
    return WEXITSTATUS(wait_for(pid));
}

static char *string_of(size_t length)
{
    char *string = malloc(length + 1);
    memset(string, 'x', length);
    string[length] = 0;
    return string;
}

static void one_long_string(void)
{
    char *arguments[] = {"true", string_of(32 * PAGE - 1), NULL};
    CHECK_EQ(try(arguments), 0);
    arguments[1] = string_of(32 * PAGE);
    CHECK_EQ(try(arguments), E2BIG);
}

static void many_strings(void)
{
    /* 8 MiB of stack: 2 MiB, pointers included. */
    enum { COUNT = 3000 };
    static char *arguments[COUNT + 1];
    char *kilobyte = string_of(1023);
    for (int i = 0; i < COUNT; i++) arguments[i] = kilobyte;
    CHECK_EQ(try(arguments), E2BIG);
    arguments[1900] = NULL;
    CHECK_EQ(try(arguments), 0);
}

static void pointers_count_too(void)
{
    enum { COUNT = 250000 };
    char **arguments = calloc(COUNT + 1, sizeof *arguments);
    for (int i = 0; i < COUNT; i++) arguments[i] = "";
    /* 250 000 pointers and 250 000 zero bytes: more than 2 MiB. */
    CHECK_EQ(try(arguments), E2BIG);
    arguments[200000] = NULL;
    CHECK_EQ(try(arguments), 0);
}

static void the_limit_follows_the_stack(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    pid_t pid = fork();
    if (pid == 0) {
        limit.rlim_cur = 1 << 20;
        setrlimit(RLIMIT_STACK, &limit);
        static char *arguments[400];
        char *kilobyte = string_of(1023);
        for (int i = 0; i < 300; i++) arguments[i] = kilobyte;
        int too_much = try(arguments);
        arguments[200] = NULL;
        int fits = try(arguments);
        _exit(too_much == E2BIG && fits == 0 ? 0 : 1);
    }
    CHECK_EQ(wait_for(pid), 0);
}

int main(void)
{
    RUN(one_long_string);
    RUN(many_strings);
    RUN(pointers_count_too);
    RUN(the_limit_follows_the_stack);
    return finish();
}
