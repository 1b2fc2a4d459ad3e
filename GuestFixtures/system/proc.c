/* /proc as programs use it on themselves. */
#include "check.h"
#include <dirent.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>

extern char **environ;
static char text[1 << 20];

static size_t contents(const char *path)
{
    int fd = open(path, O_RDONLY);
    REQUIRE(fd >= 0);
    size_t size = 0;
    ssize_t part;
    while ((part = read(fd, text + size, sizeof text - 1 - size)) > 0) size += (size_t)part;
    CHECK_EQ(part, 0);
    text[size] = 0;
    close(fd);
    return size;
}

/* The permissions of the mapping that holds an address, as /proc/self/maps has them; "" without one. */
static const char *permissions(void *address)
{
    static char found[5];
    FILE *maps = fopen("/proc/self/maps", "r");
    REQUIRE(maps != NULL);
    char line[5000];
    unsigned long start, end, last = 0;
    char flags[5];
    found[0] = 0;
    while (fgets(line, sizeof line, maps)) {
        unsigned long offset, inode;
        unsigned major, minor;
        REQUIRE(sscanf(line, "%lx-%lx %4s %lx %x:%x %lu", &start, &end, flags, &offset, &major, &minor, &inode) == 7);
        CHECK(start < end && start >= last && start % PAGE == 0 && end % PAGE == 0);
        last = end;
        if ((uintptr_t)address >= start && (uintptr_t)address < end) strcpy(found, flags);
    }
    fclose(maps);
    return found;
}

static void maps(void)
{
    CHECK_STR(permissions((void *)maps), "r-xp");
    CHECK_STR(permissions(text), "rw-p");
    int here;
    CHECK_STR(permissions(&here), "rw-p");
    unsigned char *p = mmap(NULL, 3 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK_STR(permissions(p), "r--p");
    mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
    CHECK_STR(permissions(p + PAGE), "rwxp");
    CHECK_STR(permissions(p + 2 * PAGE), "r--p");
    mprotect(p, PAGE, PROT_NONE);
    CHECK_STR(permissions(p), "---p");
    munmap(p, 3 * PAGE);
    CHECK_STR(permissions(p + PAGE), "");
    p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK_STR(permissions(p), "rw-s");
}

static void names_in_maps(void)
{
    char program[PATH_MAX] = "";
    CHECK(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    contents("/proc/self/maps");
    CHECK(strstr(text, program) != NULL);
    CHECK(strstr(text, "[stack]") != NULL);
    char path[PATH_MAX];
    strcpy(path, temporary("mapped"));
    write_file(path, "x", 1);
    int fd = open(path, O_RDONLY);
    mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    contents("/proc/self/maps");
    CHECK(strstr(text, path) != NULL);
    CHECK(strstr(text, "vmrun") == NULL || strstr(program, "vmrun") != NULL || strstr(path, "vmrun") != NULL);
}

static void status(void)
{
    char line[100];
    contents("/proc/self/status");
    CHECK(strncmp(text, "Name:\tproc\n", 11) == 0);
    snprintf(line, sizeof line, "\nPid:\t%d\n", getpid());
    CHECK(strstr(text, line) != NULL);
    snprintf(line, sizeof line, "\nPPid:\t%d\n", getppid());
    CHECK(strstr(text, line) != NULL);
    snprintf(line, sizeof line, "\nUid:\t%d\t%d\t%d\t", getuid(), geteuid(), geteuid());
    CHECK(strstr(text, line) != NULL);
    CHECK(strstr(text, "\nThreads:\t1\n") != NULL);
    CHECK(strstr(text, "\nVmRSS:") != NULL);
    CHECK(strstr(text, "\nState:\tR (running)\n") != NULL);
    contents("/proc/self/stat");
    int pid, parent, group;
    char state;
    CHECK_EQ(sscanf(text, "%d (proc) %c %d %d", &pid, &state, &parent, &group), 4);
    CHECK_EQ(pid, getpid());
    CHECK_EQ(parent, getppid());
    CHECK_EQ(group, getpgrp());
}

static void command_line_and_environment(int argc, char **argv)
{
    size_t size = contents("/proc/self/cmdline"), at = 0;
    for (int i = 0; i < argc; i++) {
        CHECK_STR(text + at, argv[i]);
        at += strlen(argv[i]) + 1;
    }
    CHECK_EQ(size, at);
    size = contents("/proc/self/environ");
    at = 0;
    for (char **entry = environ; *entry; entry++) {
        CHECK_STR(text + at, *entry);
        at += strlen(*entry) + 1;
    }
    CHECK_EQ(size, at);
}

static int saved_argc;
static char **saved_argv;

static void arguments(void)
{
    command_line_and_environment(saved_argc, saved_argv);
}

static void descriptors(void)
{
    char path[100], target[PATH_MAX] = "", expected[PATH_MAX];
    strcpy(expected, temporary("opened"));
    write_file(expected, "content", 7);
    int fd = open(expected, O_RDWR);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK(readlink(path, target, sizeof target - 1) > 0);
    CHECK_STR(target, expected);
    struct stat by_link, itself;
    CHECK_OK(stat(path, &by_link));
    CHECK_OK(fstat(fd, &itself));
    CHECK_EQ(by_link.st_ino, itself.st_ino);
    CHECK_OK(lstat(path, &by_link));
    CHECK(S_ISLNK(by_link.st_mode));
    int again = open(path, O_RDONLY);
    CHECK_OK(again);
    CHECK_EQ(read(again, text, 7), 7);
    /* Removed: the link says so. */
    unlink(expected);
    memset(target, 0, sizeof target);
    CHECK(readlink(path, target, sizeof target - 1) > 0);
    strcat(expected, " (deleted)");
    CHECK_STR(target, expected);
    CHECK_OK(stat(path, &by_link));
    close(fd);
    CHECK_ERROR(readlink(path, target, sizeof target), ENOENT);
    int pipes[2];
    CHECK_OK(pipe(pipes));
    snprintf(path, sizeof path, "/proc/self/fd/%d", pipes[0]);
    memset(target, 0, sizeof target);
    CHECK(readlink(path, target, sizeof target - 1) > 0);
    CHECK(strncmp(target, "pipe:[", 6) == 0);
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pipes[0]);
    CHECK(contents(path) > 0);
    CHECK(strstr(text, "pos:\t0\n") != NULL);
    CHECK_OK(access("/dev/fd/0", F_OK));
    CHECK_OK(lstat("/dev/stdin", &by_link));
}

static void listing(void)
{
    DIR *stream = opendir("/proc/self/fd");
    struct dirent *entry;
    REQUIRE(stream != NULL);
    int own = 0, wrong = 0;
    while ((entry = readdir(stream)) != NULL) {
        if (entry->d_name[0] == '.') continue;
        if (atoi(entry->d_name) == dirfd(stream)) own++;
        wrong += fcntl(atoi(entry->d_name), F_GETFD) == -1;
    }
    CHECK_EQ(own, 1);
    CHECK_EQ(wrong, 0);
    closedir(stream);
    int self = 0, by_number = 0;
    char number[20];
    snprintf(number, sizeof number, "%d", getpid());
    stream = opendir("/proc");
    while ((entry = readdir(stream)) != NULL) {
        self += strcmp(entry->d_name, "self") == 0;
        by_number += strcmp(entry->d_name, number) == 0;
    }
    closedir(stream);
    CHECK_EQ(self, 1);
    CHECK_EQ(by_number, 1);
    stream = opendir("/proc/self/task");
    REQUIRE(stream != NULL);
    int threads = 0;
    while ((entry = readdir(stream)) != NULL) threads += entry->d_name[0] != '.';
    CHECK_EQ(threads, 1);
    closedir(stream);
}

static void links(void)
{
    char target[PATH_MAX] = "", number[20];
    snprintf(number, sizeof number, "%d", getpid());
    CHECK(readlink("/proc/self", target, sizeof target) > 0);
    CHECK_STR(target, number);
    memset(target, 0, sizeof target);
    CHECK(readlink("/proc/thread-self", target, sizeof target) > 0);
    char expected[60];
    snprintf(expected, sizeof expected, "%d/task/%d", getpid(), getpid());
    CHECK_STR(target, expected);
    memset(target, 0, sizeof target);
    CHECK_EQ(readlink("/proc/self/root", target, sizeof target), 1);
    CHECK_STR(target, "/");
    struct stat here, there;
    CHECK_OK(stat("/proc/self/cwd", &here));
    CHECK_OK(stat(".", &there));
    CHECK_EQ(here.st_ino, there.st_ino);
    CHECK_OK(stat("/proc/self/root", &here));
    CHECK_OK(stat("/", &there));
    CHECK_EQ(here.st_ino, there.st_ino);
}

static void the_name(void)
{
    contents("/proc/self/comm");
    CHECK_STR(text, "proc\n");
    prctl(PR_SET_NAME, "renamed", 0, 0, 0);
    contents("/proc/self/comm");
    CHECK_STR(text, "renamed\n");
    int fd = open("/proc/self/comm", O_WRONLY);
    CHECK_EQ(write(fd, "proc", 4), 4);
    close(fd);
    contents("/proc/self/comm");
    CHECK_STR(text, "proc\n");
}

static void a_child(void)
{
    int gate[2];
    CHECK_OK(pipe(gate));
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        close(gate[1]);
        (void)!read(gate[0], &byte, 1);
        _exit(0);
    }
    char path[100], line[100];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    contents(path);
    snprintf(line, sizeof line, "\nPPid:\t%d\n", getpid());
    CHECK(strstr(text, line) != NULL);
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    contents(path);
    CHECK_STR(text, saved_argv[0]);
    close(gate[1]);
    siginfo_t info;
    CHECK_OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    contents(path);
    char state = 0;
    CHECK_EQ(sscanf(text, "%*d (proc) %c", &state), 1);
    CHECK_EQ(state, 'Z');
    wait_for(pid);
    CHECK_ERROR(open(path, O_RDONLY), ENOENT);
}

static void of_the_system(void)
{
    CHECK(contents("/proc/meminfo") > 0);
    CHECK(strncmp(text, "MemTotal:", 9) == 0);
    CHECK(contents("/proc/cpuinfo") > 0);
    CHECK(strstr(text, "processor\t: 0\n") != NULL);
    CHECK(contents("/proc/uptime") > 0);
    CHECK(contents("/proc/loadavg") > 0);
    CHECK(contents("/proc/version") > 0);
    CHECK(strncmp(text, "Linux version ", 14) == 0);
    CHECK(contents("/proc/stat") > 0);
    CHECK(strncmp(text, "cpu ", 4) == 0);
    CHECK(contents("/proc/filesystems") > 0);
    CHECK(contents("/proc/self/mounts") > 0);
    CHECK(contents("/proc/self/mountinfo") > 0);
    CHECK(contents("/proc/sys/kernel/pid_max") > 0);
    CHECK(contents("/proc/sys/vm/mmap_min_addr") > 0);
    CHECK(contents("/proc/sys/vm/overcommit_memory") > 0);
    CHECK(contents("/proc/self/limits") > 0);
    CHECK(strstr(text, "Max open files") != NULL);
    CHECK(contents("/proc/self/statm") > 0);
    struct statfs system;
    CHECK_OK(statfs("/proc/self", &system));
    CHECK_EQ(system.f_type, 0x9fa0);
    CHECK_ERROR(open("/proc/missing", O_RDONLY), ENOENT);
    CHECK_ERROR(open("/proc/self/missing", O_RDONLY), ENOENT);
    CHECK_ERROR(open("/proc/new-file", O_CREAT | O_WRONLY, 0600), ENOENT);
}

static void pieces_and_offsets(void)
{
    int fd = open("/proc/self/status", O_RDONLY);
    char byte, first;
    CHECK_EQ(read(fd, &first, 1), 1);
    CHECK_EQ(first, 'N');
    CHECK_EQ(read(fd, &byte, 1), 1);
    CHECK_EQ(byte, 'a');
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(read(fd, &byte, 1), 1);
    CHECK_EQ(byte, 'N');
    CHECK_EQ(pread(fd, &byte, 1, 2), 1);
    CHECK_EQ(byte, 'm');
    close(fd);
}

int main(int argc, char **argv)
{
    saved_argc = argc;
    saved_argv = argv;
    RUN(maps);
    RUN(names_in_maps);
    RUN(status);
    RUN(arguments);
    RUN(descriptors);
    RUN(listing);
    RUN(links);
    RUN(the_name);
    RUN(a_child);
    RUN(of_the_system);
    RUN(pieces_and_offsets);
    return finish();
}
