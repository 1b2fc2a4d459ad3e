/* execveat and fexecve: programs by descriptor, by directory and name, from memory. */
#include "check.h"
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

extern char **environ;
static char self[PATH_MAX];

#define IN_CHILD(call, expected)                                    \
    do {                                                            \
        pid_t pid_ = fork();                                        \
        if (pid_ == 0) {                                            \
            call;                                                   \
            _exit(errno == 0 ? 255 : errno);                        \
        }                                                           \
        CHECK_EQ(WEXITSTATUS(wait_for(pid_)), expected);            \
    } while (0)

static char *arguments[] = {"x", "inner", NULL};

static long execute_at(int directory, const char *path, int flags)
{
    return syscall(SYS_execveat, directory, path, arguments, environ, flags);
}

static void by_descriptor(void)
{
    int fd = open(self, O_RDONLY | O_CLOEXEC), path = open(self, O_PATH | O_CLOEXEC);
    IN_CHILD(execute_at(fd, "", AT_EMPTY_PATH), 42);
    IN_CHILD(execute_at(path, "", AT_EMPTY_PATH), 42);
    IN_CHILD(fexecve(fd, arguments, environ), 42);
    IN_CHILD(execute_at(fd, "", 0), ENOENT);
    IN_CHILD(execute_at(-1, "", AT_EMPTY_PATH), EBADF);
    IN_CHILD(execute_at(999, "", AT_EMPTY_PATH), EBADF);
    IN_CHILD(execute_at(AT_FDCWD, "", AT_EMPTY_PATH), EACCES);
    int pair[2];
    CHECK_OK(pipe(pair));
    close(pair[1]);
    IN_CHILD(execute_at(pair[0], "", AT_EMPTY_PATH), EACCES);
    close(pair[0]);
    int unbound = socket(AF_UNIX, SOCK_STREAM, 0);
    IN_CHILD(execute_at(unbound, "", AT_EMPTY_PATH), EACCES);
    close(unbound);
    close(fd);
    close(path);
}

static void by_directory(void)
{
    char directory[PATH_MAX];
    strcpy(directory, self);
    char *name = strrchr(directory, '/');
    *name++ = 0;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    IN_CHILD(execute_at(fd, name, 0), 42);
    IN_CHILD(execute_at(fd, "missing", 0), ENOENT);
    IN_CHILD(execute_at(fd, self, 0), 42);
    IN_CHILD(execute_at(fd, "", AT_EMPTY_PATH), EACCES);
    IN_CHILD((void)!chdir(directory), 255);
    IN_CHILD(execute_at(-1, self, 0), 42);
    IN_CHILD(execute_at(fd, name, 0x8000), EINVAL);
    int file = open(self, O_RDONLY | O_CLOEXEC);
    IN_CHILD(execute_at(file, "name", 0), ENOTDIR);
}

static void links(void)
{
    CHECK_OK(symlink(self, temporary("link")));
    IN_CHILD(execute_at(AT_FDCWD, temporary("link"), 0), 42);
    IN_CHILD(execute_at(AT_FDCWD, temporary("link"), AT_SYMLINK_NOFOLLOW), ELOOP);
}

static void from_memory(void)
{
    int memory = (int)syscall(SYS_memfd_create, "program", 1 /* MFD_CLOEXEC */);
    REQUIRE(memory >= 0);
    int in = open(self, O_RDONLY);
    char buffer[65536];
    ssize_t size;
    while ((size = read(in, buffer, sizeof buffer)) > 0) CHECK_EQ(write(memory, buffer, (size_t)size), size);
    IN_CHILD(execute_at(memory, "", AT_EMPTY_PATH), 42);
}

static void a_script_by_descriptor(void)
{
    write_file(temporary("script"), "#!/bin/sh\nexit 43\n", 18);
    chmod(temporary("script"), 0755);
    int fd = open(temporary("script"), O_RDONLY);
    IN_CHILD(execute_at(fd, "", AT_EMPTY_PATH), 43);
    /* The interpreter could not open what is closed on exec: it is told so at once. */
    int closing = open(temporary("script"), O_RDONLY | O_CLOEXEC);
    IN_CHILD(execute_at(closing, "", AT_EMPTY_PATH), ENOENT);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "inner") == 0) return 42;
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    REQUIRE(length > 0);
    self[length] = 0;
    errno = 0;
    RUN(by_descriptor);
    RUN(by_directory);
    RUN(links);
    RUN(from_memory);
    RUN(a_script_by_descriptor);
    return finish();
}
