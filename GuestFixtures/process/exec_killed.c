/* A vfork parent goes on when its child is killed, wherever in its exec that is. This program is also the one executed. */
#include "check.h"
#include <limits.h>
#include <sys/mman.h>
#include <time.h>

static char self[PATH_MAX];

/* Shared with the killer. */
static struct shared {
    volatile pid_t victim;
    volatile int rounds_left;
    volatile unsigned wait;
} *shared;

/* Kills whoever is named, some microseconds after it said so. */
static void kill_on_request(void)
{
    while (shared->rounds_left > 0) {
        pid_t victim = shared->victim;
        if (victim <= 0) {
            usleep(50);
            continue;
        }
        struct timespec start, now;
        clock_gettime(CLOCK_MONOTONIC, &start);
        do clock_gettime(CLOCK_MONOTONIC, &now);
        while ((now.tv_sec - start.tv_sec) * 1000000L + (now.tv_nsec - start.tv_nsec) / 1000 < shared->wait);
        kill(victim, SIGKILL);
        shared->victim = -1;
    }
}

static void killed_anywhere_in_an_exec(void)
{
    enum { ROUNDS = 150 };
    shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(shared != MAP_FAILED);
    shared->rounds_left = ROUNDS;
    pid_t killer = start_child(kill_on_request);
    for (int round = 0; round < ROUNDS; round++) {
        /* From before the exec to after it, whose time differs from machine to machine. */
        shared->wait = (unsigned)(round * round / 2);
        pid_t pid = vfork();
        if (pid == 0) {
            shared->victim = getpid();
            execl(self, "x", "sleep", NULL);
            _exit(120);
        }
        REQUIRE(pid > 0);
        int status = wait_for(pid);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        WAIT_UNTIL(shared->victim == -1);
        shared->victim = 0;
        shared->rounds_left--;
    }
    CHECK_EQ(wait_for(killer), 0);
}

int main(int argc, char **argv)
{
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    REQUIRE(length > 0);
    self[length] = 0;
    if (argc > 1 && strcmp(argv[1], "sleep") == 0) {
        sleep(100);
        return 1;
    }
    RUN(killed_anywhere_in_an_exec);
    return finish();
}
