/* The file of a running program cannot be written, whoever runs it and however it is named. */
#include "check.h"
#include <sys/stat.h>

static const char *copy;

/* A copy of this program, which the fixture may write. */
static void make_copy(void)
{
    int from = open("/proc/self/exe", O_RDONLY), to = open(copy, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0755);
    REQUIRE(from >= 0 && to >= 0);
    char buffer[65536];
    ssize_t count;
    while ((count = read(from, buffer, sizeof buffer)) > 0) REQUIRE(write(to, buffer, (size_t)count) == count);
    close(from);
    close(to);
}

/* Runs the copy until the returned descriptor is closed. */
static pid_t start_copy(int *hold)
{
    int pipes[2], ready[2];
    REQUIRE(pipe2(pipes, O_CLOEXEC) == 0 && pipe2(ready, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[0], 0);
        dup2(ready[1], 1);
        execl(copy, copy, "wait", NULL);
        _exit(127);
    }
    close(pipes[0]);
    close(ready[1]);
    char byte;
    REQUIRE(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    *hold = pipes[1];
    return pid;
}

static off_t size_of(const char *path)
{
    struct stat status;
    REQUIRE(stat(path, &status) == 0);
    return status.st_size;
}

/* What is refused has not been open for writing, not for an instant: nobody who executes the file may notice. */
static void refused_beside_exec(void)
{
    int hold;
    make_copy();
    pid_t holder = start_copy(&hold);
    pid_t writer = fork();
    if (writer == 0) {
        for (;;)
            if (open(copy, O_WRONLY) >= 0 || errno != ETXTBSY || open(copy, O_RDWR | O_TRUNC) >= 0 || errno != ETXTBSY) _exit(1);
    }
    int refused = 0;
    for (int i = 0; i < 60; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            execl(copy, copy, "end", NULL);
            _exit(errno == ETXTBSY ? 26 : 127);
        }
        if (wait_for(pid) != 0) refused++;
    }
    CHECK_EQ(refused, 0);
    CHECK_EQ(waitpid(writer, NULL, WNOHANG), 0);
    kill(writer, SIGKILL);
    wait_for(writer);
    close(hold);
    CHECK_EQ(wait_for(holder), 0);
    CHECK_OK(unlink(copy));
}

static void own_file(void)
{
    CHECK_ERROR(open("/proc/self/exe", O_RDWR), geteuid() == 0 ? ETXTBSY : EACCES);
}

static void anothers_file(void)
{
    int hold;
    make_copy();
    off_t size = size_of(copy);
    pid_t pid = start_copy(&hold);
    char link[64];
    snprintf(link, sizeof link, "/proc/%d/exe", pid);
    CHECK_ERROR(open(copy, O_WRONLY), ETXTBSY);
    CHECK_ERROR(open(copy, O_RDWR | O_APPEND), ETXTBSY);
    CHECK_ERROR(open(copy, O_WRONLY | O_TRUNC), ETXTBSY);
    CHECK_ERROR(open(copy, O_RDONLY | O_TRUNC), ETXTBSY);
    CHECK_ERROR(open(copy, O_CREAT | O_TRUNC | O_WRONLY, 0600), ETXTBSY);
    CHECK_ERROR(creat(copy, 0600), ETXTBSY);
    CHECK_ERROR(open(link, O_WRONLY), ETXTBSY);
    CHECK_ERROR(truncate(copy, 1), ETXTBSY);
    CHECK_ERROR(truncate(link, 1), ETXTBSY);
    /* What comes before. */
    CHECK_ERROR(open(copy, O_CREAT | O_EXCL | O_WRONLY, 0600), EEXIST);
    CHECK_ERROR(open(copy, O_WRONLY | O_DIRECTORY), ENOTDIR);
    CHECK_OK(chmod(copy, 0500));
    CHECK_ERROR(open(copy, O_WRONLY), geteuid() == 0 ? ETXTBSY : EACCES);
    CHECK_ERROR(open(copy, O_RDONLY | O_TRUNC), geteuid() == 0 ? ETXTBSY : EACCES);
    CHECK_OK(chmod(copy, 0300));
    CHECK_ERROR(open(copy, O_RDWR), geteuid() == 0 ? ETXTBSY : EACCES);
    CHECK_ERROR(open(copy, O_WRONLY), ETXTBSY);
    CHECK_OK(chmod(copy, 0755));
    CHECK_EQ(size_of(copy), size);
    /* What is allowed. */
    int fd = open(copy, O_RDONLY);
    CHECK(fd >= 0);
    close(fd);
    CHECK_OK(chmod(copy, 0700));
    char other[600];
    snprintf(other, sizeof other, "%s.renamed", copy);
    CHECK_OK(rename(copy, other));
    CHECK_ERROR(open(other, O_WRONLY), ETXTBSY);
    /* Another file under the old name. */
    fd = open(copy, O_CREAT | O_WRONLY, 0600);
    CHECK(fd >= 0);
    close(fd);
    CHECK_OK(rename(other, copy));
    close(hold);
    CHECK_EQ(wait_for(pid), 0);
    fd = open(copy, O_RDWR | O_TRUNC);
    CHECK(fd >= 0);
    close(fd);
    CHECK_EQ(size_of(copy), 0);
}

/* A zombie runs nothing. */
static void until_it_ends(void)
{
    int hold;
    make_copy();
    pid_t pid = start_copy(&hold);
    CHECK_ERROR(open(copy, O_WRONLY), ETXTBSY);
    kill(pid, SIGKILL);
    siginfo_t info;
    CHECK_OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
    int fd = open(copy, O_WRONLY);
    CHECK(fd >= 0);
    close(fd);
    wait_for(pid);
    close(hold);
}

static void open_for_writing_is_not_run(void)
{
    make_copy();
    int fd = open(copy, O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    pid_t pid = fork();
    if (pid == 0) {
        execl(copy, copy, "exit", NULL);
        _exit(errno == ETXTBSY ? 5 : 1);
    }
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 5);
    close(fd);
    pid = fork();
    if (pid == 0) {
        execl(copy, copy, "exit", NULL);
        _exit(1);
    }
    CHECK_EQ(wait_for(pid), 0);
}

int main(int argc, char **argv)
{
    char byte;
    if (argc > 1 && strcmp(argv[1], "wait") == 0) return write(1, "x", 1) == 1 && read(0, &byte, 1) == 0 ? 0 : 1;
    if (argc > 1) return 0;
    static char path[512];
    snprintf(path, sizeof path, "%s", temporary("program"));
    copy = path;
    RUN(own_file);
    RUN(anothers_file);
    RUN(refused_beside_exec);
    RUN(until_it_ends);
    RUN(open_for_writing_is_not_run);
    return finish();
}
