/* A superuser that becomes somebody else goes on as before: it forks and executes programs. Whoever is nobody special
 * already does the same without the change. */
#include <grp.h>
#include <spawn.h>

#include "check.h"

extern char **environ;

enum { OTHER = 65534 };

/* By the kernel's own link: the file may lie where the other user cannot reach it by its name. */
static char *own_program[] = {"/proc/self/exe", "other", NULL};

static void become_other(void)
{
    if (geteuid() != 0) return;
    REQUIRE(setgroups(0, NULL) == 0);
    REQUIRE(setresgid(OTHER, OTHER, OTHER) == 0);
    REQUIRE(setresuid(OTHER, OTHER, OTHER) == 0);
}

static void execute(void)
{
    become_other();
    execve(own_program[0], own_program, environ);
    REQUIRE(!"executed");
}

static void executes(void)
{
    CHECK_EQ(child_status(execute), 7 << 8);
}

static void fork_then_execute(void)
{
    become_other();
    CHECK_EQ(child_status(execute), 7 << 8);
}

static void forks_and_executes(void)
{
    CHECK_EQ(child_status(fork_then_execute), 0);
}

static void spawn(void)
{
    pid_t pid = -1;
    become_other();
    CHECK_EQ(posix_spawn(&pid, own_program[0], NULL, NULL, own_program, environ), 0);
    CHECK_EQ(wait_for(pid), 7 << 8);
}

static void spawns(void)
{
    CHECK_EQ(child_status(spawn), 0);
}

static void nothing(void) {}

/* What the executed program does: it is the other user, and can do all of this again. */
static int as_other(void)
{
    CHECK(geteuid() != 0 || getuid() != 0);
    CHECK_EQ(child_status(nothing), 0);
    return check_failures ? 1 : 7;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "other") == 0) return as_other();
    RUN(executes);
    RUN(forks_and_executes);
    RUN(spawns);
    return finish();
}
