/* What every fixture uses: checks that say what went wrong, and sections that print one line each.
 * A fixture prints the same lines wherever it runs; details of a failed check go to stderr. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL
#define UNUSED __attribute__((unused))

static int check_failures UNUSED;

static inline void check_failed(const char *file, int line, const char *what)
{
    int saved = errno;
    check_failures++;
    fprintf(stderr, "%s:%d: %s (errno %d, %s)\n", file, line, what, saved, strerror(saved));
    errno = saved;
}

/* The condition holds. */
#define CHECK(condition)                                                    \
    do {                                                                    \
        if (!(condition)) check_failed(__FILE__, __LINE__, #condition);     \
    } while (0)

/* Both are the same number. */
#define CHECK_EQ(actual, expected)                                                                          \
    do {                                                                                                    \
        long long actual_ = (long long)(actual), expected_ = (long long)(expected);                         \
        if (actual_ != expected_) {                                                                         \
            char text_[400];                                                                                \
            snprintf(text_, sizeof text_, "%s is %lld (0x%llx), not %s = %lld (0x%llx)", #actual, actual_,  \
                     (unsigned long long)actual_, #expected, expected_, (unsigned long long)expected_);     \
            check_failed(__FILE__, __LINE__, text_);                                                        \
        }                                                                                                   \
    } while (0)

#define CHECK_STR(actual, expected)                                                             \
    do {                                                                                        \
        const char *actual_ = (actual), *expected_ = (expected);                                \
        if (strcmp(actual_, expected_) != 0) {                                                  \
            char text_[1000];                                                                   \
            snprintf(text_, sizeof text_, "%s is \"%.300s\", not \"%.300s\"", #actual, actual_, expected_); \
            check_failed(__FILE__, __LINE__, text_);                                            \
        }                                                                                       \
    } while (0)

/* The call succeeds. */
#define CHECK_OK(call)                                                                          \
    do {                                                                                        \
        if ((long)(call) == -1) check_failed(__FILE__, __LINE__, #call " failed");              \
    } while (0)

/* The call returns -1 with this error. */
#define CHECK_ERROR(call, error)                                                                    \
    do {                                                                                            \
        errno = 0;                                                                                  \
        long result_ = (long)(call);                                                                \
        if (result_ != -1 || errno != (error)) {                                                    \
            char text_[400];                                                                        \
            snprintf(text_, sizeof text_, "%s returned %ld, expected %s", #call, result_, #error);  \
            check_failed(__FILE__, __LINE__, text_);                                                \
        }                                                                                           \
    } while (0)

/* Nothing below makes sense when this does not hold. */
#define REQUIRE(condition)                                                  \
    do {                                                                    \
        if (!(condition)) {                                                 \
            check_failed(__FILE__, __LINE__, "required: " #condition);      \
            _exit(1);                                                       \
        }                                                                   \
    } while (0)

/* Run one section and print its line. Flushed at once: a fork must not take half a line along. */
#define RUN(section)                                                                        \
    do {                                                                                    \
        int before_ = check_failures;                                                       \
        section();                                                                          \
        printf("%s: %s\n", #section, check_failures == before_ ? "ok" : "FAILED");          \
        fflush(stdout);                                                                     \
    } while (0)

static inline int finish(void)
{
    fflush(stdout);
    return check_failures ? 1 : 0;
}

/* Fork; the child runs the body and exits with 1 when a check failed in it. */
static inline pid_t start_child(void (*body)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        check_failures = 0;
        body();
        _exit(check_failures ? 1 : 0);
    }
    REQUIRE(pid > 0);
    return pid;
}

static inline int wait_for(pid_t pid)
{
    int status = -1;
    pid_t waited;
    do {
        waited = waitpid(pid, &status, 0);
    } while (waited == -1 && errno == EINTR);
    CHECK_EQ(waited, pid);
    return status;
}

static inline int child_status(void (*body)(void))
{
    return wait_for(start_child(body));
}

/* The path of a name in the fixture's own directory. */
static inline const char *temporary(const char *name)
{
    static char paths[8][512];
    static unsigned next;
    const char *directory = getenv("TMPDIR");
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", directory ? directory : "/tmp", name);
    return path;
}

static inline void write_file(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    REQUIRE(fd >= 0);
    REQUIRE(write(fd, data, size) == (ssize_t)size);
    close(fd);
}

/* Give up the processor until the condition holds; a fixture that waits for ever is a timeout. */
#define WAIT_UNTIL(condition)       \
    do {                            \
        while (!(condition))        \
            usleep(1000);           \
    } while (0)

#endif
