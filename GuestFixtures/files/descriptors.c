/* Descriptors: lowest number first, duplicated, closed, inherited; none that the program did not open. */
#include "check.h"
#include <dirent.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#endif

static int open_null(void)
{
    return open("/dev/null", O_RDWR);
}

static int is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1;
}

static void only_the_three(void)
{
    /* The program was started with its input, output and errors, and has opened nothing yet. */
    int open_ones = 0;
    for (int fd = 0; fd < 1000; fd++) open_ones += is_open(fd);
    CHECK_EQ(open_ones, 3);
    DIR *stream = opendir("/proc/self/fd");
    REQUIRE(stream != NULL);
    struct dirent *entry;
    open_ones = 0;
    while ((entry = readdir(stream)) != NULL)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(stream)) open_ones++;
    CHECK_EQ(open_ones, 3);
    closedir(stream);
}

static void the_lowest_free(void)
{
    CHECK_EQ(open_null(), 3);
    CHECK_EQ(open_null(), 4);
    CHECK_EQ(open_null(), 5);
    close(4);
    CHECK_EQ(dup(0), 4);
    close(3);
    close(5);
    int pipes[2];
    CHECK_OK(pipe(pipes));
    CHECK_EQ(pipes[0], 3);
    CHECK_EQ(pipes[1], 5);
    CHECK_EQ(eventfd(0, 0), 6);
    for (int fd = 3; fd < 7; fd++) CHECK_OK(close(fd));
    CHECK_ERROR(close(3), EBADF);
}

static void duplicates(void)
{
    int fd = open_null();
    CHECK_EQ(dup2(fd, 20), 20);
    CHECK_EQ(dup2(fd, fd), fd);
    CHECK_ERROR(dup2(99, 99), EBADF);
    CHECK_ERROR(dup2(99, 20), EBADF);
    CHECK(is_open(20));
    CHECK_ERROR(dup2(fd, -1), EBADF);
    CHECK_ERROR(dup2(fd, 1 << 30), EBADF);
    CHECK_ERROR(dup3(fd, fd, 0), EINVAL);
    CHECK_EQ(dup3(fd, 21, O_CLOEXEC), 21);
    CHECK_EQ(fcntl(21, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(20, F_GETFD), 0);
    CHECK_ERROR(syscall(SYS_dup3, fd, 22, O_APPEND), EINVAL);
    CHECK_EQ(fcntl(fd, F_DUPFD, 50), 50);
    CHECK_EQ(fcntl(fd, F_DUPFD_CLOEXEC, 50), 51);
    CHECK_EQ(fcntl(51, F_GETFD), FD_CLOEXEC);
    CHECK_ERROR(fcntl(fd, F_DUPFD, -1), EINVAL);
    CHECK_OK(fcntl(50, F_SETFD, FD_CLOEXEC));
    CHECK_EQ(fcntl(50, F_GETFD), FD_CLOEXEC);
    int numbers[] = {fd, 20, 21, 50, 51};
    for (int i = 0; i < 5; i++) CHECK_OK(close(numbers[i]));
}

static void ranges(void)
{
    for (int fd = 30; fd < 60; fd++) CHECK_EQ(dup2(0, fd), fd);
    CHECK_OK(syscall(436, 40, 49, 0));
    CHECK(is_open(39) && !is_open(40) && !is_open(49) && is_open(50));
    CHECK_OK(syscall(436, 50, ~0U, CLOSE_RANGE_CLOEXEC));
    CHECK_EQ(fcntl(50, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(39, F_GETFD), 0);
    CHECK_ERROR(syscall(436, 50, 40, 0), EINVAL);
    CHECK_ERROR(syscall(436, 50, 60, 0x80), EINVAL);
    CHECK_OK(syscall(436, 3, ~0U, 0));
    CHECK(!is_open(30) && !is_open(59) && is_open(0) && is_open(1) && is_open(2));
    /* Whatever else the machine has open must live on. */
    CHECK_EQ(open_null(), 3);
    CHECK_OK(close(3));
    CHECK_EQ(child_status(only_the_three), 0);
}

static void closing_everything_by_number(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit;
        getrlimit(RLIMIT_NOFILE, &limit);
        for (int fd = 3; fd < (int)limit.rlim_cur && fd < 70000; fd++) close(fd);
        execl("/bin/true", "true", NULL);
        _exit(1);
    }
    CHECK_EQ(wait_for(pid), 0);
}

static void inherited_by_a_program(void)
{
    int kept = open_null();
    CHECK_EQ(dup2(kept, 77), 77);
    CHECK_EQ(dup3(kept, 78, O_CLOEXEC), 78);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "test -e /proc/self/fd/77 && ! test -e /proc/self/fd/78", NULL);
        _exit(100);
    }
    CHECK_EQ(wait_for(pid), 0);
    close(kept);
    close(77);
    close(78);
}

static void high_numbers(void)
{
    struct rlimit limit;
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    int highest = (int)limit.rlim_cur - 1;
    CHECK_EQ(dup2(0, highest), highest);
    CHECK(is_open(highest));
    CHECK_ERROR(dup2(0, highest + 1), EBADF);
    pid_t pid = fork();
    if (pid == 0) _exit(is_open(highest) ? 0 : 1);
    CHECK_EQ(wait_for(pid), 0);
    CHECK_OK(close(highest));
}

static void pipes_across_processes(void)
{
    int pipes[2];
    CHECK_OK(pipe(pipes));
    pid_t children[3];
    for (int i = 0; i < 3; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            close(pipes[0]);
            usleep(20000u * (unsigned)i);
            _exit(write(pipes[1], "x", 1) == 1 ? 0 : 1);
        }
    }
    close(pipes[1]);
    /* The end comes when the last writer has gone. */
    char byte;
    int count = 0;
    while (read(pipes[0], &byte, 1) == 1) count++;
    CHECK_EQ(count, 3);
    for (int i = 0; i < 3; i++) CHECK_EQ(wait_for(children[i]), 0);
    close(pipes[0]);
}

static void a_pipeline_of_much_data(void)
{
    enum { SIZE = 5000000 };
    int pipes[2];
    CHECK_OK(pipe(pipes));
    pid_t pid = fork();
    if (pid == 0) {
        close(pipes[0]);
        char block[10007];
        for (int at = 0; at < SIZE;) {
            int part = SIZE - at < (int)sizeof block ? SIZE - at : (int)sizeof block;
            for (int i = 0; i < part; i++) block[i] = (char)((at + i) * 31 >> 3);
            if (write(pipes[1], block, (size_t)part) != part) _exit(1);
            at += part;
        }
        _exit(0);
    }
    close(pipes[1]);
    static char block[65536];
    int at = 0, wrong = 0;
    ssize_t part;
    while ((part = read(pipes[0], block, sizeof block)) > 0) {
        for (int i = 0; i < part; i++) wrong += block[i] != (char)((at + i) * 31 >> 3);
        at += (int)part;
    }
    CHECK_EQ(at, SIZE);
    CHECK_EQ(wrong, 0);
    CHECK_EQ(wait_for(pid), 0);
    close(pipes[0]);
}

static void non_blocking(void)
{
    int pipes[2];
    char byte, block[4096] = "";
    CHECK_OK(pipe2(pipes, O_NONBLOCK | O_CLOEXEC));
    CHECK_EQ(fcntl(pipes[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    CHECK_EQ(fcntl(pipes[0], F_GETFD), FD_CLOEXEC);
    CHECK_ERROR(read(pipes[0], &byte, 1), EAGAIN);
    long total = 0, part;
    while ((part = write(pipes[1], block, sizeof block)) > 0) total += part;
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(total, fcntl(pipes[1], F_GETPIPE_SZ));
    CHECK_ERROR(pipe2(pipes, 0x1), EINVAL);
}

int main(void)
{
    RUN(only_the_three);
    RUN(the_lowest_free);
    RUN(duplicates);
    RUN(ranges);
    RUN(closing_everything_by_number);
    RUN(inherited_by_a_program);
    RUN(high_numbers);
    RUN(pipes_across_processes);
    RUN(a_pipeline_of_much_data);
    RUN(non_blocking);
    return finish();
}
