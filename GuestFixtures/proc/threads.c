/* /proc/PID/task: each thread's own directory, of this process and of another. */
#include "check.h"
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define THREADS 3

static char text[1 << 16];
static pid_t tids[THREADS];
static pthread_barrier_t started, done;

static int contents(const char *path)
{
    int fd = open(path, O_RDONLY);
    if (fd < 0) return 0;
    size_t size = 0;
    ssize_t part;
    while (size < sizeof text - 1 && (part = read(fd, text + size, sizeof text - 1 - size)) > 0) size += (size_t)part;
    text[size] = 0;
    close(fd);
    return 1;
}

static void *worker(void *index)
{
    char name[16];
    snprintf(name, sizeof name, "worker-%ld", (long)index);
    prctl(PR_SET_NAME, name, 0, 0, 0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    if (index) pthread_sigmask(SIG_BLOCK, &set, NULL);
    tids[(long)index] = gettid();
    pthread_barrier_wait(&started);
    pthread_barrier_wait(&done);
    return NULL;
}

/* One line of the text that begins so, without its newline. */
static const char *line(const char *beginning)
{
    static char found[256];
    char *start = strncmp(text, beginning, strlen(beginning)) == 0 ? text : NULL;
    char with[64];
    snprintf(with, sizeof with, "\n%s", beginning);
    if (!start && (start = strstr(text, with)) != NULL) start++;
    snprintf(found, sizeof found, "%.*s", start ? (int)strcspn(start, "\n") : 0, start ? start : "");
    return found;
}

static void examine(pid_t process)
{
    char path[200], expected[200];
    for (int i = 0; i < THREADS; i++) {
        snprintf(path, sizeof path, "/proc/%d/task/%d/comm", process, tids[i]);
        CHECK(contents(path));
        snprintf(expected, sizeof expected, "worker-%d\n", i);
        CHECK_STR(text, expected);
        snprintf(path, sizeof path, "/proc/%d/task/%d/status", process, tids[i]);
        CHECK(contents(path));
        snprintf(expected, sizeof expected, "Name:\tworker-%d", i);
        CHECK_STR(line("Name:"), expected);
        snprintf(expected, sizeof expected, "Tgid:\t%d", process);
        CHECK_STR(line("Tgid:"), expected);
        snprintf(expected, sizeof expected, "Pid:\t%d", tids[i]);
        CHECK_STR(line("Pid:"), expected);
        snprintf(expected, sizeof expected, "Threads:\t%d", THREADS + 1);
        CHECK_STR(line("Threads:"), expected);
        CHECK_STR(line("SigBlk:"), i ? "SigBlk:\t0000000000000200" : "SigBlk:\t0000000000000000");
        snprintf(path, sizeof path, "/proc/%d/task/%d/stat", process, tids[i]);
        CHECK(contents(path));
        snprintf(expected, sizeof expected, "%d (worker-%d) S ", tids[i], i);
        CHECK(strncmp(text, expected, strlen(expected)) == 0);
        snprintf(path, sizeof path, "/proc/%d/task/%d/maps", process, tids[i]);
        CHECK(contents(path));
        CHECK(strstr(text, "[stack]") != NULL);
        snprintf(path, sizeof path, "/proc/%d/task/%d/cwd", process, tids[i]);
        struct stat one, two;
        CHECK_OK(stat(path, &one));
        CHECK_OK(stat(".", &two));
        CHECK_EQ(one.st_ino, two.st_ino);
        /* Any thread's number names its process, though no listing shows it. */
        snprintf(path, sizeof path, "/proc/%d/comm", tids[i]);
        CHECK(contents(path));
        snprintf(expected, sizeof expected, "worker-%d\n", i);
        CHECK_STR(text, expected);
        snprintf(path, sizeof path, "/proc/%d/status", tids[i]);
        CHECK(contents(path));
        snprintf(expected, sizeof expected, "Tgid:\t%d", process);
        CHECK_STR(line("Tgid:"), expected);
    }
    snprintf(path, sizeof path, "/proc/%d/task", process);
    struct stat status;
    CHECK_OK(stat(path, &status));
    CHECK_EQ(status.st_nlink, 2 + THREADS + 1);
    DIR *stream = opendir(path);
    REQUIRE(stream != NULL);
    struct dirent *entry;
    int listed = 0, known = 0;
    while ((entry = readdir(stream)) != NULL) {
        if (entry->d_name[0] == '.') continue;
        listed++;
        for (int i = 0; i < THREADS; i++) known += atoi(entry->d_name) == tids[i];
        known += atoi(entry->d_name) == process;
    }
    closedir(stream);
    CHECK_EQ(listed, THREADS + 1);
    CHECK_EQ(known, THREADS + 1);
    snprintf(path, sizeof path, "/proc/%d/task/1/comm", process);
    CHECK(!contents(path));
    snprintf(path, sizeof path, "/proc/%d/task/%d/task", process, process);
    CHECK_ERROR(stat(path, &status), ENOENT);
}

static void start(pthread_t *threads)
{
    pthread_barrier_init(&started, NULL, THREADS + 1);
    pthread_barrier_init(&done, NULL, THREADS + 1);
    for (long i = 0; i < THREADS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, worker, (void *)i), 0);
    pthread_barrier_wait(&started);
    char path[64];
    for (int i = 0; i < THREADS; i++) {
        snprintf(path, sizeof path, "/proc/self/task/%d/stat", tids[i]);
        WAIT_UNTIL(contents(path) && strstr(text, ") S "));
    }
}

static void of_this_process(void)
{
    pthread_t threads[THREADS];
    start(threads);
    examine(getpid());
    pthread_barrier_wait(&done);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    char path[60];
    snprintf(path, sizeof path, "/proc/self/task/%d", tids[0]);
    WAIT_UNTIL(access(path, F_OK) == -1 && errno == ENOENT);
}

static void of_another(void)
{
    int ready[2], gate[2];
    CHECK_OK(pipe(ready));
    CHECK_OK(pipe(gate));
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t threads[THREADS];
        close(gate[1]);
        start(threads);
        (void)!write(ready[1], tids, sizeof tids);
        (void)!read(gate[0], text, 1);
        _exit(0);
    }
    CHECK_EQ(read(ready[0], tids, sizeof tids), sizeof tids);
    examine(pid);
    close(gate[1]);
    wait_for(pid);
}

static void *itself(void *unused)
{
    (void)unused;
    char target[100] = "", expected[100];
    CHECK(readlink("/proc/thread-self", target, sizeof target - 1) > 0);
    snprintf(expected, sizeof expected, "%d/task/%d", getpid(), gettid());
    CHECK_STR(target, expected);
    CHECK(contents("/proc/thread-self/status"));
    snprintf(expected, sizeof expected, "Pid:\t%d", gettid());
    CHECK_STR(line("Pid:"), expected);
    /* Its own descriptors and children. */
    CHECK_OK(unshare(CLONE_FILES));
    int fd = open("/dev/null", O_RDONLY);
    snprintf(target, sizeof target, "/proc/thread-self/fd/%d", fd);
    struct stat status;
    CHECK_OK(stat(target, &status));
    snprintf(target, sizeof target, "/proc/self/fd/%d", fd);
    CHECK_ERROR(lstat(target, &status), ENOENT);
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) pause();
    }
    snprintf(target, sizeof target, "%d ", pid);
    CHECK(contents("/proc/thread-self/children"));
    CHECK_STR(text, target);
    snprintf(expected, sizeof expected, "/proc/self/task/%d/children", getpid());
    CHECK(contents(expected));
    CHECK_STR(text, "");
    kill(pid, SIGKILL);
    wait_for(pid);
    return NULL;
}

static void thread_self(void)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, itself, NULL), 0);
    pthread_join(thread, NULL);
}

int main(void)
{
    RUN(of_this_process);
    RUN(of_another);
    RUN(thread_self);
    return finish();
}
