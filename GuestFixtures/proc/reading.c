/* Ways to read /proc: in pieces, at offsets, by many at once, in directories. */
#include "check.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* These do not change while they are read. */
static const char *const steady[] = {"/proc/self/cmdline", "/proc/self/environ", "/proc/self/limits", "/proc/self/auxv",
                                     "/proc/self/mountinfo", "/proc/self/mounts", "/proc/version", "/proc/filesystems",
                                     "/proc/self/comm", "/proc/devices", "/proc/self/mountstats"};
#define COUNT (sizeof steady / sizeof *steady)

static char whole[1 << 16], other[1 << 16];

static size_t all(int fd, char *into, size_t step)
{
    size_t size = 0;
    ssize_t part;
    while ((part = read(fd, into + size, step)) > 0) size += (size_t)part;
    CHECK_EQ(part, 0);
    return size;
}

static void in_pieces(void)
{
    for (unsigned i = 0; i < COUNT; i++) {
        int fd = open(steady[i], O_RDONLY);
        REQUIRE(fd >= 0);
        size_t size = all(fd, whole, 32768);
        CHECK(size > 0);
        static const size_t steps[] = {1, 7, 100, 4096};
        for (int step = 0; step < 4; step++) {
            CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
            CHECK_EQ(all(fd, other, steps[step]), size);
            CHECK(memcmp(whole, other, size) == 0);
        }
        close(fd);
    }
}

static void at_offsets(void)
{
    for (unsigned i = 0; i < COUNT; i++) {
        int fd = open(steady[i], O_RDONLY);
        size_t size = all(fd, whole, 32768);
        for (size_t offset = 0; offset < size; offset += size / 7 + 1) {
            size_t length = size - offset < 10 ? size - offset : 10;
            CHECK_EQ(pread(fd, other, 10, (off_t)offset), length);
            CHECK(memcmp(whole + offset, other, length) == 0);
            CHECK_EQ(lseek(fd, (off_t)offset, SEEK_SET), offset);
            CHECK(read(fd, other, 3) > 0);
            CHECK(memcmp(whole + offset, other, 1) == 0);
        }
        CHECK_EQ(pread(fd, other, 10, (off_t)size), 0);
        CHECK_EQ(pread(fd, other, 10, (off_t)size + 1000), 0);
        CHECK_ERROR(pread(fd, other, 10, -1), EINVAL);
        CHECK_ERROR(lseek(fd, -1, SEEK_SET), EINVAL);
        close(fd);
    }
}

static void vectors(void)
{
    int fd = open("/proc/version", O_RDONLY);
    size_t size = all(fd, whole, 32768);
    char one[6], two[8];
    struct iovec parts[2] = {{one, 6}, {two, 8}};
    CHECK_EQ(preadv(fd, parts, 2, 0), 14);
    CHECK(memcmp(one, "Linux ", 6) == 0 && memcmp(two, "version ", 8) == 0);
    lseek(fd, 0, SEEK_SET);
    CHECK_EQ(readv(fd, parts, 2), 14);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 14);
    close(fd);
    CHECK(size > 14);
}

/* A copy of a descriptor shares its place. */
static void copies(void)
{
    int fd = open("/proc/version", O_RDONLY), copy = dup(fd);
    char text[8] = "";
    CHECK_EQ(read(fd, text, 6), 6);
    CHECK_EQ(read(copy, text, 7), 7);
    CHECK_STR(text, "version");
    pid_t pid = fork();
    if (pid == 0) _exit(read(copy, text, 1) != 1);
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 14);
    close(fd);
    close(copy);
}

static void *reader(void *number)
{
    long wrong = 0;
    for (int round = 0; round < 100; round++) {
        const char *path = steady[(round + (long)number) % COUNT];
        static _Thread_local char first[1 << 16], second[1 << 16];
        int fd = open(path, O_RDONLY);
        if (fd < 0) return (void *)1000;
        ssize_t size = read(fd, first, sizeof first);
        wrong += size <= 0;
        wrong += pread(fd, second, sizeof second, 0) != size || memcmp(first, second, (size_t)size) != 0;
        close(fd);
    }
    return (void *)wrong;
}

static int shared;

static void *shared_reader(void *unused)
{
    (void)unused;
    char text[20];
    long wrong = 0;
    for (int round = 0; round < 300; round++) {
        ssize_t size = pread(shared, text, sizeof text, 0);
        wrong += size != sizeof text || memcmp(text, "Name:\treading\n", 14) != 0;
    }
    return (void *)wrong;
}

static void many_at_once(void)
{
    shared = open("/proc/self/status", O_RDONLY);
    pthread_t threads[6];
    for (long i = 0; i < 6; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, i < 3 ? reader : shared_reader, (void *)i), 0);
    for (int i = 0; i < 6; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        CHECK_EQ((long)wrong, 0);
    }
    close(shared);
}

/* Copies made by the kernel. */
static void by_the_kernel(void)
{
    int from = open("/proc/version", O_RDONLY);
    size_t size = all(from, whole, 32768);
    int to = open(temporary("copy"), O_CREAT | O_RDWR | O_TRUNC, 0644);
    lseek(from, 0, SEEK_SET);
    CHECK_EQ(sendfile(to, from, NULL, sizeof whole), size);
    CHECK_EQ(pread(to, other, sizeof other, 0), size);
    CHECK(memcmp(whole, other, size) == 0);
    close(from);
    close(to);
}

static void ends(void)
{
    int fd = open("/proc/self/status", O_RDONLY);
    CHECK_ERROR(lseek(fd, 0, SEEK_END), EINVAL);
    struct stat status;
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(status.st_size, 0);
    CHECK_EQ(status.st_blocks, 0);
    CHECK(S_ISREG(status.st_mode));
    CHECK_EQ(status.st_mode & 0777, 0444);
    close(fd);
    fd = open("/proc/self", O_RDONLY | O_DIRECTORY);
    CHECK_ERROR(read(fd, other, 10), EISDIR);
    close(fd);
}

static void directories(void)
{
    /* Telling and seeking. */
    DIR *stream = opendir("/proc/self");
    REQUIRE(stream != NULL);
    struct dirent *entry;
    long place = 0;
    char name[256] = "";
    int count = 0, again = 0;
    while ((entry = readdir(stream)) != NULL) {
        if (++count == 10) place = telldir(stream);
        if (count == 11) strcpy(name, entry->d_name);
    }
    CHECK(count > 40);
    seekdir(stream, place);
    entry = readdir(stream);
    REQUIRE(entry != NULL);
    CHECK_STR(entry->d_name, name);
    rewinddir(stream);
    while ((entry = readdir(stream)) != NULL) {
        again++;
        struct stat status;
        if (fstatat(dirfd(stream), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
            CHECK(0);
            continue;
        }
        int type = S_ISDIR(status.st_mode) ? DT_DIR : S_ISLNK(status.st_mode) ? DT_LNK : DT_REG;
        if (entry->d_type != DT_UNKNOWN) CHECK_EQ(entry->d_type, type);
        if (strcmp(entry->d_name, "..") != 0) CHECK_EQ(entry->d_ino, status.st_ino);
    }
    CHECK_EQ(again, count);
    closedir(stream);
    /* By small steps. */
    int fd = open("/proc/self", O_RDONLY | O_DIRECTORY);
    char records[300];
    long size;
    again = 0;
    while ((size = syscall(SYS_getdents64, fd, records, sizeof records)) > 0) {
        for (long at = 0; at < size; at += ((struct dirent64 *)(void *)(records + at))->d_reclen) again++;
    }
    CHECK_EQ(size, 0);
    CHECK_EQ(again, count);
    lseek(fd, 0, SEEK_SET);
    CHECK_ERROR(syscall(SYS_getdents64, fd, records, 8), EINVAL);
    close(fd);
}

/* What a process sees in the files of one that has ended. */
static void of_the_dead(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) pause();
    }
    char path[60];
    snprintf(path, sizeof path, "/proc/%d", pid);
    int directory = open(path, O_RDONLY | O_DIRECTORY), status = openat(directory, "status", O_RDONLY);
    CHECK_OK(status);
    CHECK(read(status, whole, 10) == 10);
    kill(pid, SIGKILL);
    wait_for(pid);
    CHECK_ERROR(pread(status, whole, 10, 0), ESRCH);
    CHECK_ERROR(openat(directory, "stat", O_RDONLY), ESRCH);
    CHECK_ERROR(open(path, O_RDONLY), ENOENT);
    close(status);
    close(directory);
}

int main(void)
{
    RUN(in_pieces);
    RUN(at_offsets);
    RUN(vectors);
    RUN(copies);
    RUN(many_at_once);
    RUN(by_the_kernel);
    RUN(ends);
    RUN(directories);
    RUN(of_the_dead);
    return finish();
}
