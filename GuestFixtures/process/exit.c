/* End in the way that the arguments say: a status, or a signal. For tests of vmrun's own status. */
#include "check.h"
#include "machine.h"
#include <sys/resource.h>

int main(int argc, char **argv)
{
    REQUIRE(argc == 3);
    int number = atoi(argv[2]);
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (strcmp(argv[1], "status") == 0) exit(number);
    if (strcmp(argv[1], "group") == 0) syscall(SYS_exit_group, number);
    if (strcmp(argv[1], "thread") == 0) syscall(SYS_exit, number);
    if (strcmp(argv[1], "signal") == 0) {
        signal(number, SIG_DFL);
        kill(getpid(), number);
        pause();
    }
    if (strcmp(argv[1], "abort") == 0) abort();
    if (strcmp(argv[1], "fault") == 0) *(volatile int *)8 = 1;
    if (strcmp(argv[1], "spin") == 0) {
        for (;;) relax();
    }
    if (strcmp(argv[1], "spin-with-calls") == 0) {
        for (;;) syscall(SYS_getppid);
    }
    if (strcmp(argv[1], "sleep") == 0) sleep((unsigned)number);
    return 0;
}
