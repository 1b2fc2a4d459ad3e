/* Which processor and node getcpu(2) names, to a thread and its maker that run on the given processor. */
#include "check.h"
#include <pthread.h>
#include <sched.h>

static void *ask(void *argument)
{
    unsigned cpu = 99, node = 99;
    CHECK_OK(syscall(SYS_getcpu, &cpu, &node, (void *)8));
    printf("%u %u\n", cpu, node);
    return argument;
}

int main(int argc, char **argv)
{
    cpu_set_t set;
    pthread_t thread;
    REQUIRE(argc == 2);
    CPU_ZERO(&set);
    CPU_SET(atoi(argv[1]), &set);
    CHECK_OK(sched_setaffinity(0, sizeof set, &set));
    ask(NULL);
    fflush(stdout);
    REQUIRE(pthread_create(&thread, NULL, ask, NULL) == 0);
    pthread_join(thread, NULL);
    return finish();
}
