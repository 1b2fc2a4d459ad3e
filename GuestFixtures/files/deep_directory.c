/* A working directory deeper than a path can be long. */
#include "check.h"
#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

static char base[PATH_MAX];

static void deep(void)
{
    /* Deeper than a path can be long. */
    char name[101];
    memset(name, 'd', 100);
    name[100] = 0;
    for (int i = 0; i < 50; i++) {
        CHECK_OK(mkdir(name, 0755));
        CHECK_OK(chdir(name));
    }
    char here[PATH_MAX];
    CHECK_ERROR(syscall(SYS_getcwd, here, sizeof here), ENAMETOOLONG);
    for (int i = 0; i < 50; i++) {
        CHECK_OK(chdir(".."));
        CHECK_OK(rmdir(name));
    }
    CHECK_OK(chdir(base));
}

int main(void)
{
    REQUIRE(chdir(temporary("")) == 0);
    REQUIRE(getcwd(base, sizeof base) != NULL);
    RUN(deep);
    return finish();
}
