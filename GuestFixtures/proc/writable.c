/* The files of /proc that a user may write, and those that nobody may. */
#include "check.h"
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/stat.h>

static char text[4096];

static const char *contents(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    ssize_t size = read(fd, text, sizeof text - 1);
    REQUIRE(size >= 0);
    text[size] = 0;
    close(fd);
    return text;
}

/* What write(2) returns, or -1. */
static ssize_t put(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t result = write(fd, value, strlen(value));
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

static void *named(void *path)
{
    char own[16];
    CHECK_EQ(put(path, "a-thread"), 8);
    CHECK_OK(prctl(PR_GET_NAME, own, 0, 0, 0));
    CHECK_STR(own, "a-thread");
    snprintf(path, 100, "/proc/self/task/%d/comm", gettid());
    CHECK_STR(contents(path), "a-thread\n");
    /* Another thread of the process may be named too. */
    snprintf(path, 100, "/proc/self/task/%d/comm", getpid());
    CHECK_EQ(put(path, "leader"), 6);
    return NULL;
}

static void comm(void)
{
    char path[100] = "/proc/thread-self/comm";
    pthread_t thread;
    CHECK_EQ(put("/proc/self/comm", "twenty-characters-are-cut\n"), 26);
    CHECK_STR(contents("/proc/self/comm"), "twenty-characte\n");
    CHECK_EQ(pthread_create(&thread, NULL, named, path), 0);
    pthread_join(thread, NULL);
    CHECK_STR(contents("/proc/self/comm"), "leader\n");
    CHECK(strncmp(contents("/proc/self/status"), "Name:\tleader\n", 13) == 0);
    /* A child has it, and may not be renamed from here: only threads may. */
    int gate[2];
    CHECK_OK(pipe(gate));
    pid_t pid = fork();
    if (pid == 0) {
        close(gate[1]);
        (void)!read(gate[0], path, 1);
        _exit(0);
    }
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    CHECK_STR(contents(path), "leader\n");
    CHECK_ERROR(put(path, "other"), EINVAL);
    close(gate[1]);
    wait_for(pid);
}

static void oom_score_adj(void)
{
    CHECK_EQ(put("/proc/self/oom_score_adj", "500\n"), 4);
    CHECK_STR(contents("/proc/self/oom_score_adj"), "500\n");
    CHECK_ERROR(put("/proc/self/oom_score_adj", "1001"), EINVAL);
    CHECK_ERROR(put("/proc/self/oom_score_adj", "x"), EINVAL);
    pid_t pid = fork();
    if (pid == 0) _exit(strcmp(contents("/proc/self/oom_score_adj"), "500\n") != 0);
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(put("/proc/self/oom_score_adj", "600"), 3);
    CHECK(atoi(contents("/proc/self/oom_score")) >= 0);
}

static void timer_slack(void)
{
    CHECK_EQ(put("/proc/self/timerslack_ns", "70000"), 5);
    CHECK_STR(contents("/proc/self/timerslack_ns"), "70000\n");
    CHECK_EQ(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0), 70000);
    CHECK_OK(prctl(PR_SET_TIMERSLACK, 60000, 0, 0, 0));
    CHECK_STR(contents("/proc/self/timerslack_ns"), "60000\n");
    CHECK_ERROR(put("/proc/self/timerslack_ns", "x"), EINVAL);
    /* Without a right to others' a thread may do this to its own alone, however often. */
    int refused = 0;
    for (int i = 0; i < 2000; i++)
        if (put("/proc/self/timerslack_ns", "50000") != 5 || strcmp(contents("/proc/self/timerslack_ns"), "50000\n") != 0) refused++;
    CHECK_EQ(refused, 0);
}

static void core_dump_filter(void)
{
    const char *path = "/proc/self/coredump_filter";
    CHECK_STR(contents(path), "00000033\n");
    CHECK_EQ(put(path, "0x7f\n"), 5);
    CHECK_STR(contents(path), "0000007f\n");
    CHECK_EQ(put(path, "0xffffffff"), 10);
    CHECK_STR(contents(path), "000001ff\n");
    CHECK_EQ(put(path, "010"), 3);
    CHECK_STR(contents(path), "00000008\n");
    const char *wrong[] = {"x", "0x", "-1", "1 ", "9g", "08", "\n"};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) CHECK_ERROR(put(path, wrong[i]), EINVAL);
    CHECK_ERROR(put(path, "4294967296"), ERANGE);
    CHECK_STR(contents(path), "00000008\n");
    /* One descriptor for both; each write is a whole number, wherever it goes. */
    int fd = open(path, O_RDWR);
    CHECK_OK(fd);
    CHECK_EQ(read(fd, text, sizeof text), 9);
    CHECK_EQ(write(fd, "35", 2), 2);
    CHECK_EQ(pread(fd, text, sizeof text, 0), 9);
    CHECK(memcmp(text, "00000023\n", 9) == 0);
    CHECK_EQ(pwrite(fd, "+1", 2, 100), 2);
    close(fd);
    CHECK_STR(contents(path), "00000001\n");
    fd = open(path, O_RDONLY);
    CHECK_ERROR(write(fd, "1", 1), EBADF);
    close(fd);
    /* Children and new programs have it. */
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_STR(contents(path), "00000001\n");
        put(path, "2");
        execlp("/proc/self/exe", "writable", "filter", (char *)NULL);
        _exit(99);
    }
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 42);
    CHECK_STR(contents(path), "00000001\n");
}

static void others(void)
{
    CHECK_EQ(put("/proc/self/clear_refs", "1"), 1);
    CHECK_EQ(put("/proc/self/oom_adj", "15"), 2);
    CHECK_STR(contents("/proc/self/oom_adj"), "15\n");
    CHECK_STR(contents("/proc/self/oom_score_adj"), "1000\n");
}

static void read_only(void)
{
    const char *paths[] = {"/proc/self/stat", "/proc/self/maps", "/proc/self/cmdline", "/proc/self/limits",
                           "/proc/self/environ", "/proc/self/wchan", "/proc/version", "/proc/meminfo",
                           "/proc/sys/kernel/ostype"};
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct stat status;
        CHECK_OK(stat(paths[i], &status));
        CHECK(S_ISREG(status.st_mode));
        CHECK_EQ(status.st_mode & 0222, 0);
        CHECK_EQ(status.st_size, 0);
        if (getuid() != 0) {
            CHECK_ERROR(open(paths[i], O_WRONLY), EACCES);
            CHECK_ERROR(open(paths[i], O_RDWR), EACCES);
            CHECK_ERROR(access(paths[i], W_OK), EACCES);
        } else {
            CHECK(put(paths[i], "x") < 0);
        }
        CHECK_OK(access(paths[i], R_OK));
        CHECK_ERROR(access(paths[i], X_OK), EACCES);
    }
    CHECK_ERROR(open("/proc/self/new", O_CREAT | O_WRONLY, 0600), ENOENT);
    CHECK_ERROR(mkdir("/proc/self/new", 0700), ENOENT);
    CHECK_ERROR(open("/proc/self/status", O_CREAT | O_EXCL | O_WRONLY, 0600), EEXIST);
    CHECK_ERROR(open("/proc/self/status/", O_RDONLY), ENOTDIR);
    CHECK_ERROR(open("/proc/self/status", O_RDONLY | O_DIRECTORY), ENOTDIR);
    CHECK_ERROR(open("/proc/self", O_WRONLY), EISDIR);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "filter") == 0)
        return strcmp(contents("/proc/self/coredump_filter"), "00000002\n") == 0 ? 42 : 1;
    RUN(comm);
    RUN(oom_score_adj);
    RUN(timer_slack);
    RUN(core_dump_filter);
    RUN(others);
    RUN(read_only);
    return finish();
}
