/* getdents(2) and getdents64(2): places in a directory, entries that come and go, buffers that are too small. */
#include "check.h"
#include <dirent.h>
#include <sys/stat.h>

#define NOWHERE ((void *)8)

struct record {
    uint64_t inode;
    int64_t next;
    uint16_t length;
    uint8_t type;
    char name[];
};

static void make(const char *folder, int number)
{
    char name[100];
    snprintf(name, sizeof name, "%s/entry-%03d", folder, number);
    write_file(temporary(name), "", 0);
}

/* The first 15 bytes. */
static void copy_name(char *to, const char *name)
{
    memset(to, 0, 16);
    memcpy(to, name, strnlen(name, 15));
}

static void places(void)
{
    CHECK_OK(mkdir(temporary("places"), 0755));
    for (int i = 0; i < 200; i++) make("places", i);
    int fd = open(temporary("places"), O_RDONLY | O_DIRECTORY);
    char small[400], seen[300] = "";
    int64_t cookies[300];
    char names[300][16];
    int count = 0;
    ssize_t size;
    while ((size = syscall(SYS_getdents64, fd, small, sizeof small)) > 0)
        for (ssize_t at = 0; at < size;) {
            struct record *entry = (struct record *)(small + at);
            CHECK(entry->inode != 0);
            copy_name(names[count], entry->name);
            cookies[count++] = entry->next;
            at += entry->length;
            CHECK_EQ(entry->length % 8, 0);
        }
    CHECK_EQ(size, 0);
    CHECK_EQ(count, 202);
    for (int i = 0; i < count; i++)
        if (strncmp(names[i], "entry-", 6) == 0) seen[atoi(names[i] + 6)]++;
    for (int i = 0; i < 200; i++) CHECK_EQ(seen[i], 1);
    /* From any place, what follows is what followed. */
    for (int i = 0; i < 200; i += 37) {
        CHECK_EQ(lseek(fd, cookies[i], SEEK_SET), cookies[i]);
        CHECK(syscall(SYS_getdents64, fd, small, sizeof small) > 0);
        CHECK_STR(((struct record *)small)->name, names[i + 1]);
    }
#ifdef SYS_getdents
    /* The other form has the same places. */
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    size = syscall(SYS_getdents, fd, small, sizeof small);
    CHECK(size > 0);
    struct { unsigned long inode, next; unsigned short length; char name[]; } *old = (void *)small;
    CHECK_STR(old->name, names[0]);
    CHECK_EQ(old->next, cookies[0]);
    CHECK(small[old->length - 1] == DT_DIR || small[old->length - 1] == DT_REG);
    CHECK_ERROR(syscall(SYS_getdents, fd, small, 10), EINVAL);
    CHECK_ERROR(syscall(SYS_getdents, fd, NOWHERE, 400), EFAULT);
#endif
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    /* One that is too small for the next entry. */
    CHECK_ERROR(syscall(SYS_getdents64, fd, small, 10), EINVAL);
    CHECK_ERROR(syscall(SYS_getdents64, fd, small, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_getdents64, fd, NOWHERE, 400), EFAULT);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK(syscall(SYS_getdents64, fd, small, sizeof small) > 0);
    CHECK_STR(((struct record *)small)->name, names[0]);
    close(fd);
}

static void by_library(void)
{
    DIR *listing = opendir(temporary("places"));
    REQUIRE(listing);
    long place[300];
    char names[300][16];
    int count = 0;
    for (struct dirent *entry; (place[count] = telldir(listing), entry = readdir(listing)); count++)
        copy_name(names[count], entry->d_name);
    CHECK_EQ(count, 202);
    for (int i = 201; i >= 0; i -= 50) {
        seekdir(listing, place[i]);
        struct dirent *entry = readdir(listing);
        CHECK(entry && strcmp(entry->d_name, names[i]) == 0);
    }
    rewinddir(listing);
    struct dirent *entry = readdir(listing);
    CHECK(entry && strcmp(entry->d_name, names[0]) == 0);
    closedir(listing);
}

static void changed_meanwhile(void)
{
    CHECK_OK(mkdir(temporary("changed"), 0755));
    for (int i = 0; i < 300; i++) make("changed", i);
    DIR *listing = opendir(temporary("changed"));
    char seen[700] = "";
    int step = 0;
    for (struct dirent *entry; (entry = readdir(listing)); step++) {
        if (strncmp(entry->d_name, "entry-", 6) != 0) continue;
        seen[atoi(entry->d_name + 6)]++;
        /* What was told already goes, and others come. */
        CHECK_OK(unlinkat(dirfd(listing), entry->d_name, 0));
        if (step < 300) make("changed", 400 + step % 250);
    }
    closedir(listing);
    for (int i = 0; i < 300; i++) CHECK_EQ(seen[i], 1);
    int fd = open(temporary("changed"), O_RDONLY | O_DIRECTORY);
    DIR *rest = opendir(temporary("changed"));
    for (struct dirent *entry; (entry = readdir(rest));)
        if (entry->d_name[0] != '.') CHECK_OK(unlinkat(fd, entry->d_name, 0));
    closedir(rest);
    CHECK_OK(rmdir(temporary("changed")));
    char small[400];
    CHECK_ERROR(syscall(SYS_getdents64, fd, small, sizeof small), ENOENT);
    close(fd);
}

static void refused(void)
{
    char small[400];
    write_file(temporary("file"), "", 0);
    int fd = open(temporary("file"), O_RDONLY), object = open(temporary("places"), O_PATH | O_DIRECTORY), pipes[2];
    CHECK_ERROR(syscall(SYS_getdents64, fd, small, sizeof small), ENOTDIR);
#ifdef SYS_getdents
    CHECK_ERROR(syscall(SYS_getdents, fd, small, sizeof small), ENOTDIR);
#endif
    CHECK_ERROR(syscall(SYS_getdents64, object, small, sizeof small), EBADF);
    CHECK_OK(pipe(pipes));
    CHECK_ERROR(syscall(SYS_getdents64, pipes[0], small, sizeof small), ENOTDIR);
    CHECK_ERROR(syscall(SYS_getdents64, 9999, small, sizeof small), EBADF);
    close(fd);
    close(object);
    fd = open(temporary("places"), O_RDONLY);
    CHECK_ERROR(read(fd, small, 1), EISDIR);
    CHECK_ERROR(open(temporary("places"), O_WRONLY), EISDIR);
    close(fd);
}

int main(void)
{
    RUN(places);
    RUN(by_library);
    RUN(changed_meanwhile);
    RUN(refused);
    return finish();
}
