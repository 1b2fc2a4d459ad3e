/* The fields of /proc/PID files that tell what this process did: each is changed in a way that is known, then read. */
#include "check.h"
#include <dirent.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char text[1 << 18];

static char *contents(const char *path)
{
    int fd = open(path, O_RDONLY);
    REQUIRE(fd >= 0);
    size_t size = 0;
    ssize_t part;
    while (size < sizeof text - 1 && (part = read(fd, text + size, sizeof text - 1 - size)) > 0) size += (size_t)part;
    text[size] = 0;
    close(fd);
    return text;
}

/* The value behind a label at the beginning of a line. */
static const char *field(const char *path, const char *label)
{
    static char found[512];
    contents(path);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, label, strlen(label)) != 0) continue;
        snprintf(found, sizeof found, "%s", line + strlen(label));
        return found;
    }
    return "nothing";
}

#define STATUS(label) field("/proc/self/status", label)

static void signals(void)
{
    /* Whoever started this may have had some ignored, also of those that libc keeps to itself. */
    unsigned long to_default[4] = {0};
    for (int number = 1; number <= 64; number++) syscall(SYS_rt_sigaction, number, to_default, NULL, 8);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, (void (*)(int))signals);
    signal(SIGSEGV, SIG_IGN);
    signal(SIGILL, (void (*)(int))signals);
    CHECK_STR(STATUS("SigIgn:\t"), "0000000000000600");
    CHECK_STR(STATUS("SigCgt:\t"), "0000000000000808");
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGSEGV);
    sigaddset(&set, SIGRTMAX);
    sigprocmask(SIG_BLOCK, &set, NULL);
    CHECK_STR(STATUS("SigBlk:\t"), "8000000000000401");
    raise(SIGHUP);
    kill(getpid(), SIGRTMAX);
    CHECK_STR(STATUS("SigPnd:\t"), "0000000000000001");
    CHECK_STR(STATUS("ShdPnd:\t"), "8000000000000000");
    signal(SIGHUP, SIG_IGN);
    signal(SIGRTMAX, SIG_IGN);
    for (int number = 1; number < 32; number++) signal(number, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void identity(void)
{
    char expected[100];
    mode_t mask = umask(027);
    CHECK_STR(STATUS("Umask:\t"), "0027");
    umask(mask);
    snprintf(expected, sizeof expected, "%d\t%d\t%d\t%d", getuid(), geteuid(), geteuid(), geteuid());
    CHECK_STR(STATUS("Uid:\t"), expected);
    snprintf(expected, sizeof expected, "%d", getpid());
    CHECK_STR(STATUS("Tgid:\t"), expected);
    CHECK_STR(STATUS("TracerPid:\t"), "0");
    snprintf(expected, sizeof expected, "%d", getppid());
    CHECK_STR(STATUS("PPid:\t"), expected);
    CHECK_STR(STATUS("NoNewPrivs:\t"), "0");
    CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHECK_STR(STATUS("NoNewPrivs:\t"), "1");
    int pid, parent, group, session;
    CHECK_EQ(sscanf(contents("/proc/self/stat"), "%d (fields) R %d %d %d ", &pid, &parent, &group, &session), 4);
    CHECK(pid == getpid() && parent == getppid() && group == getpgrp() && session == getsid(0));
    CHECK_STR(contents("/proc/self/comm"), "fields\n");
}

static void limits(void)
{
    struct rlimit small = {100, 200}, none = {RLIM_INFINITY, RLIM_INFINITY}, core = {0, 0};
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &small));
    CHECK_OK(setrlimit(RLIMIT_CORE, &core));
    CHECK_OK(getrlimit(RLIMIT_CPU, &none));
    CHECK_STR(field("/proc/self/limits", "Max open files"), "            100                  200                  files     ");
    CHECK_STR(field("/proc/self/limits", "Max core file size"), "        0                    0                    bytes     ");
    CHECK_STR(field("/proc/self/limits", "Max cpu time"), "              unlimited            unlimited            seconds   ");
    CHECK_STR(field("/proc/self/limits", "Limit"), "                     Soft Limit           Hard Limit           Units     ");
}

static int entries(const char *path)
{
    DIR *stream = opendir(path);
    REQUIRE(stream != NULL);
    int count = 0;
    while (readdir(stream) != NULL) count++;
    closedir(stream);
    return count;
}

static void descriptors(void)
{
    char path[60], line[60];
    int fd = open(temporary("file"), O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0644);
    CHECK_EQ(write(fd, "12345", 5), 5);
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    CHECK_STR(field(path, "pos:\t"), "5");
    snprintf(line, sizeof line, "0%o", O_RDWR | O_APPEND | O_CLOEXEC | 0100000);
    CHECK_STR(field(path, "flags:\t"), line);
    struct stat status;
    CHECK_OK(fstat(fd, &status));
    snprintf(line, sizeof line, "%lu", status.st_ino);
    CHECK_STR(field(path, "ino:\t"), line);
    close(fd);
    /* Of a file of /proc, and of its directory. */
    fd = open("/proc/self/status", O_RDONLY);
    CHECK_EQ(read(fd, line, 5), 5);
    CHECK_OK(fstat(fd, &status));
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    CHECK_STR(field(path, "pos:\t"), "5");
    snprintf(line, sizeof line, "%lu", status.st_ino);
    CHECK_STR(field(path, "ino:\t"), line);
    close(fd);
    CHECK_EQ(entries("/proc/self/fdinfo"), entries("/proc/self/fd"));
}

static void memory(void)
{
    extern char **environ;
    contents("/proc/self/stat");
    unsigned long fields[53] = {0};
    char *rest = strrchr(text, ')') + 2;
    int count = 3;
    for (char *word = strtok(rest, " "); word; word = strtok(NULL, " ")) fields[count++] = strtoul(word, NULL, 10);
    CHECK_EQ(count, 53);
    unsigned long here = (unsigned long)(uintptr_t)memory, own = (unsigned long)(uintptr_t)&own;
    CHECK(fields[26] <= here && here < fields[27]);
    CHECK(own < fields[28] + PAGE);
    CHECK(fields[47] <= (unsigned long)syscall(SYS_brk, 0));
    CHECK(fields[48] < fields[49] && fields[49] <= fields[50] && fields[50] < fields[51]);
    CHECK_EQ((uintptr_t)environ[0], fields[50]);
    CHECK(fields[45] <= (unsigned long)(uintptr_t)&check_failures || fields[45] != 0);
    /* Arguments can be changed in place. */
    char *first = (char *)(uintptr_t)fields[48];
    CHECK_EQ(fields[49] - fields[48], strlen(first) + 1);
    char saved = *first;
    *first = '#';
    CHECK_EQ(*contents("/proc/self/cmdline"), '#');
    *first = saved;
    /* And moved. */
    static char title[] = "a title of its own";
    if (prctl(PR_SET_MM, PR_SET_MM_ARG_START, title, 0, 0) == 0) {
        CHECK_OK(prctl(PR_SET_MM, PR_SET_MM_ARG_END, title + sizeof title, 0, 0));
        CHECK_STR(contents("/proc/self/cmdline"), title);
    }
    /* Break and heap. */
    unsigned long before = (unsigned long)syscall(SYS_brk, 0);
    CHECK_EQ(syscall(SYS_brk, before + (1 << 20)), before + (1 << 20));
    char end[40];
    snprintf(end, sizeof end, "-%08lx rw-p ", (before + (1 << 20) + PAGE - 1) / PAGE * PAGE);
    char *heap = strstr(contents("/proc/self/maps"), end);
    REQUIRE(heap != NULL);
    CHECK(strncmp(heap + strcspn(heap, "\n") - 6, "[heap]", 6) == 0);
}

/* Lines of mountinfo name each other, and the root is first in nobody's path. */
static void mounts(void)
{
    static struct {
        int id, parent;
    } mount[1000];
    int count = 0, root = 0, proc = 0;
    contents("/proc/self/mountinfo");
    for (char *line = strtok(text, "\n"); line && count < 1000; line = strtok(NULL, "\n")) {
        char point[300], type[100] = "";
        unsigned major, minor;
        CHECK_EQ(sscanf(line, "%d %d %u:%u %*s %299s ", &mount[count].id, &mount[count].parent, &major, &minor, point), 5);
        char *hyphen = strstr(line, " - ");
        REQUIRE(hyphen != NULL);
        sscanf(hyphen, " - %99s", type);
        root += strcmp(point, "/") == 0;
        proc += strcmp(point, "/proc") == 0 && strcmp(type, "proc") == 0;
        count++;
    }
    CHECK(root >= 1);
    CHECK_EQ(proc, 1);
    int lines = 0;
    contents("/proc/self/mounts");
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) lines++;
    CHECK_EQ(lines, count);
    lines = 0;
    contents("/proc/self/mountstats");
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++)
        CHECK(strncmp(line, "device ", 7) == 0 && strstr(line, " with fstype ") != NULL);
    CHECK_EQ(lines, count);
}

static void locks(void)
{
    char expected[100];
    int fd = open(temporary("locked"), O_CREAT | O_RDWR, 0644);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5};
    CHECK_OK(fcntl(fd, F_SETLK, &lock));
    struct stat status;
    CHECK_OK(fstat(fd, &status));
    snprintf(expected, sizeof expected, "POSIX  ADVISORY  WRITE %d ", getpid());
    char *line = strstr(contents("/proc/locks"), expected);
    REQUIRE(line != NULL);
    snprintf(expected, sizeof expected, ":%lu 10 14\n", status.st_ino);
    CHECK(strstr(line, expected) != NULL);
    close(fd);
    snprintf(expected, sizeof expected, " %d ", getpid());
    CHECK(strstr(contents("/proc/locks"), expected) == NULL);
}

static void scheduling(void)
{
    char expected[40];
    CHECK_STR(contents("/proc/self/personality"), "00000000\n");
    personality(ADDR_NO_RANDOMIZE);
    CHECK_STR(contents("/proc/self/personality"), "00040000\n");
    CHECK_OK(setpriority(PRIO_PROCESS, 0, 5));
    int priority, nice;
    char *rest = strrchr(contents("/proc/self/stat"), ')');
    CHECK_EQ(sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %d %d", &priority, &nice), 2);
    CHECK_EQ(nice, 5);
    CHECK_EQ(priority, 25);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    CHECK_OK(sched_setaffinity(0, sizeof set, &set));
    CHECK_STR(STATUS("Cpus_allowed_list:\t"), "0");
    unsigned long run, wait, slices;
    CHECK_EQ(sscanf(contents("/proc/self/schedstat"), "%lu %lu %lu", &run, &wait, &slices), 3);
    snprintf(expected, sizeof expected, "fields (%d, #threads: 1)", getpid());
    CHECK(strncmp(contents("/proc/self/sched"), expected, strlen(expected)) == 0);
}

int main(void)
{
    RUN(signals);
    RUN(identity);
    RUN(descriptors);
    RUN(memory);
    RUN(mounts);
    RUN(locks);
    RUN(scheduling);
    RUN(limits);
    return finish();
}
