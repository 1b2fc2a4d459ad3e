/* What the system says of itself: names, memory, time, limits, random bytes. */
#include "check.h"
#include "machine.h"
#include <sched.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <time.h>

static void names(void)
{
    struct utsname name;
    CHECK_OK(uname(&name));
    CHECK_STR(name.sysname, "Linux");
    CHECK_STR(name.machine, MACHINE_NAME);
    CHECK(atoi(name.release) >= 3);
    CHECK(strlen(name.nodename) > 0);
    char host[300];
    CHECK_OK(gethostname(host, sizeof host));
    CHECK_STR(host, name.nodename);
}

static void memory_and_load(void)
{
    struct sysinfo info;
    CHECK_OK(sysinfo(&info));
    CHECK(info.totalram > 0 && info.freeram <= info.totalram);
    CHECK(info.uptime > 0 && info.procs > 0 && info.mem_unit > 0);
    CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
    CHECK_EQ(sysconf(_SC_PAGESIZE), PAGE);
}

static void randomness(void)
{
    unsigned char one[256], other[256];
    CHECK_EQ(syscall(SYS_getrandom, one, sizeof one, 0), sizeof one);
    CHECK_EQ(syscall(SYS_getrandom, other, sizeof other, 1 /* GRND_NONBLOCK */), sizeof other);
    CHECK(memcmp(one, other, sizeof one) != 0);
    CHECK_ERROR(syscall(SYS_getrandom, one, 10, 0x100), EINVAL);
    CHECK_EQ(syscall(SYS_getrandom, one, 0, 0), 0);
    int fd = open("/dev/urandom", O_RDONLY);
    CHECK_EQ(read(fd, one, sizeof one), sizeof one);
    CHECK(memcmp(one, other, sizeof one) != 0);
    close(fd);
}

static void clocks(void)
{
    struct timespec time, resolution;
    clockid_t all[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
                       CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        CHECK_OK(clock_gettime(all[i], &time));
        CHECK(time.tv_nsec >= 0 && time.tv_nsec < 1000000000);
        CHECK_OK(clock_getres(all[i], &resolution));
        CHECK(resolution.tv_sec == 0 && resolution.tv_nsec > 0);
    }
    CHECK_ERROR(clock_gettime(9999, &time), EINVAL);
    CHECK_ERROR(syscall(SYS_clock_gettime, 9999, &time), EINVAL);
    CHECK_ERROR(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &time), EINVAL);
    struct tms times_used;
    CHECK(times(&times_used) != (clock_t)-1);
    struct rusage usage;
    CHECK_OK(getrusage(RUSAGE_SELF, &usage));
    CHECK_OK(getrusage(RUSAGE_CHILDREN, &usage));
    CHECK_OK(getrusage(RUSAGE_THREAD, &usage));
    CHECK_ERROR(getrusage(99, &usage), EINVAL);
}

static void processor_time_counts_work(void)
{
    struct timespec before, now;
    CHECK_OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before));
    do {
        for (volatile int i = 0; i < 100000; i++) continue;
        CHECK_OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now));
    } while ((now.tv_sec - before.tv_sec) * 1000000000LL + now.tv_nsec - before.tv_nsec < 20000000);
    struct rusage usage;
    CHECK_OK(getrusage(RUSAGE_SELF, &usage));
    CHECK(usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_sec * 1000000 +
              usage.ru_stime.tv_usec >= 10000);
}

static void sleeping(void)
{
    struct timespec time = {0, 20000000}, before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    CHECK_OK(nanosleep(&time, NULL));
    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL), 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec >= 40000000);
    after.tv_nsec = 0;
    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &after, NULL), 0);
    time.tv_nsec = 1000000000;
    CHECK_ERROR(nanosleep(&time, NULL), EINVAL);
    time.tv_nsec = 0;
    time.tv_sec = -1;
    CHECK_ERROR(nanosleep(&time, NULL), EINVAL);
}

static void scheduling(void)
{
    CHECK_OK(sched_yield());
    CHECK_EQ(sched_getscheduler(0) == -1 ? syscall(SYS_sched_getscheduler, 0) : sched_getscheduler(0), SCHED_OTHER);
    CHECK_EQ(syscall(SYS_sched_get_priority_max, SCHED_FIFO), 99);
    CHECK_EQ(syscall(SYS_sched_get_priority_min, SCHED_FIFO), 1);
    struct sched_param parameter = {.sched_priority = 77};
    CHECK_OK(syscall(SYS_sched_getparam, 0, &parameter));
    CHECK_EQ(parameter.sched_priority, 0);
    cpu_set_t set;
    CHECK_OK(sched_getaffinity(0, sizeof set, &set));
    int count = CPU_COUNT(&set);
    CHECK(count >= 1);
    CHECK_OK(sched_setaffinity(0, sizeof set, &set));
    CPU_ZERO(&set);
    CHECK_ERROR(sched_setaffinity(0, sizeof set, &set), EINVAL);
    struct timespec slice;
    CHECK_OK(syscall(SYS_sched_rr_get_interval, 0, &slice));
    CHECK_ERROR(syscall(SYS_sched_getscheduler, 999999), ESRCH);
}

static void which_processor(void)
{
    /* vmrun always answers 0 and 0, which is true of some processor. */
    unsigned cpu = 9999, node = 9999;
    CHECK_OK(syscall(SYS_getcpu, &cpu, &node, NULL));
    CHECK((long)cpu < sysconf(_SC_NPROCESSORS_CONF));
    CHECK(node < 1024);
    CHECK_OK(syscall(SYS_getcpu, NULL, NULL, NULL));
    CHECK_ERROR(syscall(SYS_getcpu, (void *)8, NULL, NULL), EFAULT);
    CHECK(sched_getcpu() >= 0);
}

int main(void)
{
    RUN(names);
    RUN(memory_and_load);
    RUN(randomness);
    RUN(clocks);
    RUN(processor_time_counts_work);
    RUN(sleeping);
    RUN(scheduling);
    RUN(which_processor);
    return finish();
}
