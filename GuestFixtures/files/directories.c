/* Reading directories: everything once, also large ones, also while they change. */
#include "check.h"
#include <dirent.h>
#include <sys/stat.h>

static void names_and_kinds(void)
{
    CHECK_OK(mkdir(temporary("kinds"), 0755));
    CHECK_OK(mkdir(temporary("kinds/directory"), 0755));
    write_file(temporary("kinds/file"), "", 0);
    CHECK_OK(symlink("file", temporary("kinds/link")));
    CHECK_OK(mkfifo(temporary("kinds/fifo"), 0600));
    DIR *stream = opendir(temporary("kinds"));
    struct dirent *entry;
    int seen = 0;
    while ((entry = readdir(stream)) != NULL) {
        struct stat status;
        CHECK_OK(fstatat(dirfd(stream), entry->d_name, &status, AT_SYMLINK_NOFOLLOW));
        if (strcmp(entry->d_name, "..") != 0) CHECK_EQ(entry->d_ino, status.st_ino);
        if (entry->d_type != DT_UNKNOWN) CHECK_EQ(entry->d_type, status.st_mode >> 12);
        seen++;
    }
    CHECK_EQ(seen, 6);
    closedir(stream);
}

static void a_thousand_entries(void)
{
    enum { COUNT = 1000 };
    static char seen[COUNT];
    char name[40];
    CHECK_OK(mkdir(temporary("many"), 0755));
    int directory = open(temporary("many"), O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "entry-with-a-long-name-%04d", i);
        close(openat(directory, name, O_CREAT | O_WRONLY, 0600));
    }
    char buffer[1000];
    long size;
    int others = 0;
    while ((size = syscall(SYS_getdents64, directory, buffer, sizeof buffer)) > 0) {
        for (long at = 0; at < size;) {
            struct { uint64_t inode, offset; uint16_t length; uint8_t type; char name[]; } *entry = (void *)(buffer + at);
            if (strncmp(entry->name, "entry", 5) == 0) seen[atoi(entry->name + 23)]++;
            else others++;
            at += entry->length;
        }
    }
    CHECK_EQ(size, 0);
    CHECK_EQ(others, 2);
    for (int i = 0; i < COUNT; i++) CHECK_EQ(seen[i], 1);
    lseek(directory, 0, SEEK_SET);
    CHECK_ERROR(syscall(SYS_getdents64, directory, buffer, 10), EINVAL);
    close(directory);
}

static void rewound_and_sought(void)
{
    DIR *stream = opendir(temporary("many"));
    int first = 0, second = 0;
    while (readdir(stream)) first++;
    rewinddir(stream);
    long place = -1;
    char expected[256] = "";
    struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        if (++second == 500) place = telldir(stream);
        if (second == 501) strcpy(expected, entry->d_name);
    }
    CHECK_EQ(first, second);
    seekdir(stream, place);
    entry = readdir(stream);
    CHECK(entry != NULL);
    CHECK_STR(entry ? entry->d_name : "", expected);
    closedir(stream);
}

static void removed_while_read(void)
{
    DIR *stream = opendir(temporary("many"));
    struct dirent *entry;
    int removed = 0;
    while ((entry = readdir(stream)) != NULL) {
        if (entry->d_name[0] == '.') continue;
        CHECK_OK(unlinkat(dirfd(stream), entry->d_name, 0));
        removed++;
    }
    closedir(stream);
    CHECK_EQ(removed, 1000);
    CHECK_OK(rmdir(temporary("many")));
}

static void not_a_directory(void)
{
    char buffer[100];
    write_file(temporary("file"), "", 0);
    int fd = open(temporary("file"), O_RDONLY);
    CHECK_ERROR(syscall(SYS_getdents64, fd, buffer, sizeof buffer), ENOTDIR);
    CHECK_ERROR(syscall(SYS_getdents64, -1, buffer, sizeof buffer), EBADF);
    CHECK_ERROR(read(open(temporary(""), O_RDONLY), buffer, 10), EISDIR);
    CHECK(opendir(temporary("file")) == NULL);
    CHECK(opendir(temporary("missing")) == NULL);
    CHECK_ERROR(open(temporary(""), O_WRONLY), EISDIR);
    close(fd);
}

int main(void)
{
    RUN(names_and_kinds);
    RUN(a_thousand_entries);
    RUN(rewound_and_sought);
    RUN(removed_while_read);
    RUN(not_a_directory);
    return finish();
}
