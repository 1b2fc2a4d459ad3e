/* A vfork parent goes on whatever becomes of its child's exec: without room to load, failing again and again. */
#include "check.h"
#include <limits.h>
#include <sys/resource.h>

static char self[PATH_MAX];

static void without_room(void)
{
    static const rlim_t sizes[] = {1 << 20, 16 << 20, 64 << 20, 256 << 20, 1 << 30};
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            struct rlimit limit = {sizes[i], sizes[i]}, core = {0, 0};
            setrlimit(RLIMIT_CORE, &core);
            setrlimit(RLIMIT_AS, &limit);
            /* What it would say of itself is nobody's business here. */
            close(2);
            execl(self, "x", "end", NULL);
            _exit(120);
        }
        REQUIRE(pid > 0);
        /* It ran or it did not. */
        int status = wait_for(pid);
        CHECK(WIFEXITED(status) || WIFSIGNALED(status));
    }
}

static void one_failure_after_the_other(void)
{
    char *arguments[] = {"x", NULL};
    pid_t pid = vfork();
    if (pid == 0) {
        for (int i = 0; i < 200; i++) {
            if (execv("/nonexistent", arguments) != -1 || errno != ENOENT) _exit(1);
            if (execv("/", arguments) != -1 || errno != EACCES) _exit(2);
        }
        execl(self, "x", "end", NULL);
        _exit(120);
    }
    CHECK_EQ(wait_for(pid), 0);
}

int main(int argc, char **argv)
{
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    REQUIRE(length > 0);
    self[length] = 0;
    if (argc > 1) return (void)argv, 0;
    RUN(without_room);
    RUN(one_failure_after_the_other);
    return finish();
}
