/* The AT_* flags of every call that takes some: what each allows, follows and refuses. */
#include "check.h"
#include <sys/stat.h>

static int directory;
#define NOWHERE ((void *)8)

struct extended {
    uint32_t mask, block_size;
    uint64_t attributes;
    uint32_t links, user, group;
    uint16_t mode, spare;
    uint64_t inode, size, blocks, attributes_mask;
    struct { int64_t seconds; uint32_t nanoseconds; int32_t reserved; } access, birth, change, modify;
    uint32_t device[4];
    uint64_t mount, rest[13];
};

static int extended(int at, const char *path, int flags, unsigned mask, void *status)
{
    return (int)syscall(SYS_statx, at, path, flags, mask, status);
}

static void status_of_links_and_descriptors(void)
{
    struct stat file, link, status;
    CHECK_OK(fstatat(directory, "file", &file, 0));
    CHECK_OK(fstatat(directory, "link", &link, AT_SYMLINK_NOFOLLOW));
    CHECK(S_ISLNK(link.st_mode));
    CHECK_EQ(link.st_size, 4);
    CHECK_OK(fstatat(directory, "link", &status, AT_NO_AUTOMOUNT));
    CHECK_EQ(status.st_ino, file.st_ino);
    CHECK_ERROR(syscall(SYS_newfstatat, directory, "", &status, 0), ENOENT);
    CHECK_OK(syscall(SYS_newfstatat, directory, "", &status, AT_EMPTY_PATH));
    CHECK(S_ISDIR(status.st_mode));
    struct stat here;
    CHECK_OK(syscall(SYS_newfstatat, AT_FDCWD, "", &here, AT_EMPTY_PATH));
    CHECK_OK(stat(".", &status));
    CHECK_EQ(here.st_ino, status.st_ino);
    /* An O_PATH descriptor of a link is the link. */
    int object = openat(directory, "link", O_PATH | O_NOFOLLOW);
    CHECK_OK(syscall(SYS_newfstatat, object, "", &status, AT_EMPTY_PATH));
    CHECK_EQ(status.st_ino, link.st_ino);
    /* The flag allows an empty path, it does not ask for one. */
    CHECK_OK(syscall(SYS_newfstatat, directory, "file", &status, AT_EMPTY_PATH));
    CHECK_EQ(status.st_ino, file.st_ino);
    int pipes[2];
    CHECK_OK(pipe(pipes));
    CHECK_OK(syscall(SYS_newfstatat, pipes[0], "", &status, AT_EMPTY_PATH));
    CHECK(S_ISFIFO(status.st_mode));
    CHECK_ERROR(syscall(SYS_newfstatat, directory, "file", &status, 0x10000000), EINVAL);
    CHECK_ERROR(syscall(SYS_newfstatat, 9999, "", &status, AT_EMPTY_PATH), EBADF);
    CHECK_ERROR(syscall(SYS_newfstatat, 9999, "file", &status, 0), EBADF);
    CHECK_OK(syscall(SYS_newfstatat, 9999, "/", &status, 0));
    int file_descriptor = openat(directory, "file", O_RDONLY);
    CHECK_ERROR(syscall(SYS_newfstatat, file_descriptor, "x", &status, 0), ENOTDIR);
    CHECK_ERROR(syscall(SYS_newfstatat, directory, NOWHERE, &status, 0), EFAULT);
    CHECK_ERROR(syscall(SYS_newfstatat, directory, "file", NOWHERE, 0), EFAULT);
    close(object);
    close(pipes[0]);
    close(pipes[1]);
    close(file_descriptor);
}

static void masks_of_statx(void)
{
    struct extended status, again;
    CHECK_OK(extended(directory, "file", 0, 0, &status));
    CHECK_OK(extended(directory, "file", 0, 0x7ff, &status));
    CHECK_EQ(status.mask & 0x7ff, 0x7ff);
    CHECK_OK(extended(directory, "file", 0, 0xfff, &status));
    CHECK_OK(extended(directory, "file", AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0xfff, &again));
    CHECK(memcmp(&status, &again, sizeof status) == 0);
    struct stat plain;
    CHECK_OK(fstatat(directory, "file", &plain, 0));
    CHECK_EQ(status.inode, plain.st_ino);
    CHECK_EQ(status.access.nanoseconds, plain.st_atim.tv_nsec);
    CHECK_EQ(status.change.seconds, plain.st_ctim.tv_sec);
    CHECK_EQ(((uint64_t)status.device[2] << 8 | status.device[3]) != 0, plain.st_dev != 0);
    CHECK_OK(extended(directory, "link", AT_SYMLINK_NOFOLLOW, 0x7ff, &status));
    CHECK(S_ISLNK(status.mode));
    /* AT_STATX_FORCE_SYNC, AT_STATX_DONT_SYNC, and both. */
    CHECK_OK(extended(directory, "file", 0x2000, 0x7ff, &status));
    CHECK_OK(extended(directory, "file", 0x4000, 0x7ff, &status));
    CHECK_ERROR(extended(directory, "file", 0x6000, 0x7ff, &status), EINVAL);
    CHECK_ERROR(extended(directory, "file", AT_SYMLINK_FOLLOW, 0x7ff, &status), EINVAL);
    CHECK_ERROR(extended(directory, "file", 0, 0x80000000, &status), EINVAL);
    CHECK_ERROR(extended(directory, "", 0, 0x7ff, &status), ENOENT);
    CHECK_OK(extended(directory, "", AT_EMPTY_PATH, 0x7ff, &status));
    CHECK(S_ISDIR(status.mode));
    CHECK_ERROR(extended(directory, "file", 0, 0x7ff, NOWHERE), EFAULT);
    CHECK_ERROR(extended(directory, NOWHERE, 0, 0x7ff, &status), EFAULT);
    CHECK_ERROR(extended(9999, "file", 0, 0x7ff, &status), EBADF);
    /* STATX_MNT_ID is answered, and is the same for two files of one directory. */
    CHECK_OK(extended(directory, "file", 0, 0x1000, &status));
    CHECK_OK(extended(directory, "link", AT_SYMLINK_NOFOLLOW, 0x1000, &again));
    CHECK_EQ(status.mask & 0x1000, 0x1000);
    CHECK_EQ(status.mount, again.mount);
    /* A mount's root says so (STATX_ATTR_MOUNT_ROOT), others do not. */
    CHECK_OK(extended(AT_FDCWD, "/", 0, 0x7ff, &status));
    CHECK_OK(extended(directory, "file", 0, 0x7ff, &again));
    CHECK_EQ(again.attributes & 0x2000, 0);
}

static int may(int at, const char *path, int mode, int flags)
{
    return (int)syscall(SYS_faccessat2, at, path, mode, flags);
}

static void access_rights(void)
{
    CHECK_OK(may(directory, "file", R_OK, 0));
    CHECK_OK(may(directory, "file", R_OK, AT_EACCESS));
    CHECK_ERROR(may(directory, "dangling", F_OK, 0), ENOENT);
    CHECK_OK(may(directory, "dangling", F_OK, AT_SYMLINK_NOFOLLOW));
    CHECK_OK(may(directory, "dangling", R_OK | W_OK | X_OK, AT_SYMLINK_NOFOLLOW));
    CHECK_ERROR(may(directory, "", F_OK, 0), ENOENT);
    CHECK_OK(may(directory, "", R_OK | X_OK, AT_EMPTY_PATH));
    CHECK_ERROR(may(directory, "file", X_OK, 0), EACCES);
    CHECK_ERROR(may(directory, "file", X_OK, AT_EACCESS), EACCES);
    CHECK_ERROR(may(directory, "file", 8, 0), EINVAL);
    CHECK_ERROR(may(directory, "file", R_OK, AT_REMOVEDIR << 8), EINVAL);
    CHECK_ERROR(may(directory, NOWHERE, R_OK, 0), EFAULT);
    CHECK_ERROR(may(9999, "file", R_OK, 0), EBADF);
    int file = openat(directory, "file", O_PATH);
    CHECK_OK(may(file, "", R_OK, AT_EMPTY_PATH));
    CHECK_ERROR(may(file, "x", R_OK, 0), ENOTDIR);
    close(file);
}

static void modes(void)
{
    struct stat status;
    CHECK_OK(syscall(SYS_fchmodat, directory, "file", 0640));
    CHECK_OK(fstatat(directory, "file", &status, 0));
    CHECK_EQ(status.st_mode & 07777, 0640);
    CHECK_OK(syscall(SYS_fchmodat, directory, "link", 0644));
    CHECK_OK(fstatat(directory, "file", &status, 0));
    CHECK_EQ(status.st_mode & 07777, 0644);
    CHECK_ERROR(syscall(SYS_fchmodat, directory, "", 0644), ENOENT);
    long result = syscall(452, directory, "file", 0600, 0);
    if (result == -1 && errno == ENOSYS) return;
    CHECK_EQ(result, 0);
    CHECK_ERROR(syscall(452, directory, "link", 0600, AT_SYMLINK_NOFOLLOW), EOPNOTSUPP);
    int file = openat(directory, "file", O_PATH);
    CHECK_OK(syscall(452, file, "", 0644, AT_EMPTY_PATH));
    CHECK_OK(fstatat(directory, "file", &status, 0));
    CHECK_EQ(status.st_mode & 07777, 0644);
    CHECK_ERROR(syscall(452, directory, "file", 0600, AT_REMOVEDIR), EINVAL);
    CHECK_ERROR(syscall(452, directory, NOWHERE, 0600, 0), EFAULT);
    CHECK_ERROR(syscall(SYS_fchmod, file, 0600), EBADF);
    close(file);
}

static void owners(void)
{
    struct stat before, status;
    CHECK_OK(fstatat(directory, "link", &before, AT_SYMLINK_NOFOLLOW));
    CHECK_OK(fchownat(directory, "link", getuid(), getgid(), AT_SYMLINK_NOFOLLOW));
    CHECK_OK(fchownat(directory, "link", (uid_t)-1, (gid_t)-1, 0));
    CHECK_OK(fstatat(directory, "link", &status, AT_SYMLINK_NOFOLLOW));
    CHECK_EQ(status.st_uid, getuid());
    CHECK_ERROR(fchownat(directory, "dangling", getuid(), getgid(), 0), ENOENT);
    CHECK_OK(fchownat(directory, "dangling", getuid(), getgid(), AT_SYMLINK_NOFOLLOW));
    int file = openat(directory, "file", O_PATH);
    CHECK_OK(syscall(SYS_fchownat, file, "", getuid(), getgid(), AT_EMPTY_PATH));
    CHECK_ERROR(syscall(SYS_fchownat, file, "", getuid(), getgid(), 0), ENOENT);
    CHECK_ERROR(syscall(SYS_fchown, file, getuid(), getgid()), EBADF);
    CHECK_ERROR(syscall(SYS_fchownat, directory, "file", 0, 0, AT_REMOVEDIR), EINVAL);
    CHECK_ERROR(syscall(SYS_fchownat, directory, NOWHERE, 0, 0, 0), EFAULT);
    close(file);
}

static void set_times(int at, const char *path, const struct timespec *times, int flags, long seconds)
{
    struct stat status;
    CHECK_OK(syscall(SYS_utimensat, at, path, times, flags));
    CHECK_OK(fstatat(directory, "file", &status, 0));
    CHECK_EQ(status.st_mtim.tv_sec, seconds);
}

static void times(void)
{
    struct timespec given[2] = {{1000, 5}, {2000, 7}};
    struct stat status, after;
    set_times(directory, "file", given, 0, 2000);
    CHECK_OK(fstatat(directory, "file", &status, 0));
    CHECK_EQ(status.st_atim.tv_sec, 1000);
    CHECK_EQ(status.st_mtim.tv_nsec, 7);
    given[0].tv_nsec = UTIME_OMIT;
    given[1].tv_sec = 3000;
    set_times(directory, "file", given, 0, 3000);
    CHECK_OK(fstatat(directory, "file", &status, 0));
    CHECK_EQ(status.st_atim.tv_sec, 1000);
    given[0].tv_nsec = UTIME_NOW;
    given[1].tv_nsec = UTIME_OMIT;
    set_times(directory, "file", given, 0, 3000);
    CHECK_OK(fstatat(directory, "file", &status, 0));
    CHECK(status.st_atim.tv_sec > 1600000000);
    /* Nothing to do: not even the path is looked at. */
    given[0].tv_nsec = UTIME_OMIT;
    CHECK_OK(syscall(SYS_utimensat, directory, "missing", given, 0));
    CHECK_OK(syscall(SYS_utimensat, 9999, NOWHERE, given, 0x10000000));
    given[0] = (struct timespec){0, 1000000000};
    CHECK_ERROR(syscall(SYS_utimensat, directory, "file", given, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_utimensat, directory, "file", NOWHERE, 0), EFAULT);
    given[0] = given[1] = (struct timespec){4000, 0};
    CHECK_ERROR(syscall(SYS_utimensat, directory, "file", given, AT_REMOVEDIR), EINVAL);
    CHECK_ERROR(syscall(SYS_utimensat, directory, "missing", given, 0), ENOENT);
    CHECK_ERROR(syscall(SYS_utimensat, AT_FDCWD, NULL, given, 0), EFAULT);
    /* Without a path: the descriptor's file. */
    int file = openat(directory, "file", O_RDONLY), object = openat(directory, "file", O_PATH);
    set_times(file, NULL, given, 0, 4000);
    CHECK_ERROR(syscall(SYS_utimensat, file, NULL, given, AT_SYMLINK_NOFOLLOW), EINVAL);
    CHECK_ERROR(syscall(SYS_utimensat, object, NULL, given, 0), EBADF);
    given[1].tv_sec = 5000;
    set_times(object, "", given, AT_EMPTY_PATH, 5000);
    /* A link's own. */
    CHECK_OK(fstatat(directory, "file", &status, 0));
    given[1].tv_sec = 6000;
    CHECK_OK(syscall(SYS_utimensat, directory, "link", given, AT_SYMLINK_NOFOLLOW));
    CHECK_OK(fstatat(directory, "link", &after, AT_SYMLINK_NOFOLLOW));
    CHECK_EQ(after.st_mtim.tv_sec, 6000);
    CHECK_OK(fstatat(directory, "file", &after, 0));
    CHECK_EQ(after.st_mtim.tv_sec, 5000);
#ifdef SYS_utime
    /* utime and futimesat: NULL is now. */
    CHECK_OK(syscall(SYS_utime, temporary("file"), NULL));
    CHECK_OK(fstatat(directory, "file", &after, 0));
    CHECK(after.st_mtim.tv_sec > 1600000000);
    long old[2] = {7000, 8000};
    CHECK_OK(syscall(SYS_utime, temporary("file"), old));
    CHECK_OK(fstatat(directory, "file", &after, 0));
    CHECK_EQ(after.st_mtim.tv_sec, 8000);
    long micro[4] = {9000, 999999, 9500, 1};
    CHECK_OK(syscall(SYS_futimesat, directory, "file", micro));
    CHECK_OK(fstatat(directory, "file", &after, 0));
    CHECK_EQ(after.st_mtim.tv_nsec, 1000);
    micro[1] = 1000000;
    CHECK_ERROR(syscall(SYS_futimesat, directory, "file", micro), EINVAL);
    CHECK_ERROR(syscall(SYS_utimes, temporary("file"), NOWHERE), EFAULT);
#endif
    close(file);
    close(object);
}

static void removing(void)
{
    CHECK_OK(mkdirat(directory, "below", 0755));
    CHECK_ERROR(unlinkat(directory, "below", 0), EISDIR);
    CHECK_ERROR(unlinkat(directory, "file", AT_REMOVEDIR), ENOTDIR);
    CHECK_ERROR(unlinkat(directory, "link", AT_REMOVEDIR), ENOTDIR);
    CHECK_ERROR(unlinkat(directory, "below", AT_REMOVEDIR | AT_SYMLINK_NOFOLLOW), EINVAL);
    CHECK_ERROR(unlinkat(directory, "", AT_REMOVEDIR), ENOENT);
    CHECK_ERROR(unlinkat(directory, "below/.", AT_REMOVEDIR), EINVAL);
    CHECK_ERROR(unlinkat(directory, "below/..", AT_REMOVEDIR), ENOTEMPTY);
    CHECK_ERROR(unlinkat(directory, ".", 0), EISDIR);
    CHECK_OK(unlinkat(directory, "below/", AT_REMOVEDIR));
    CHECK_ERROR(unlinkat(directory, NOWHERE, 0), EFAULT);
}

static void links_to_links(void)
{
    struct stat status;
    CHECK_OK(linkat(directory, "link", directory, "second-link", 0));
    CHECK_OK(fstatat(directory, "second-link", &status, AT_SYMLINK_NOFOLLOW));
    CHECK(S_ISLNK(status.st_mode));
    CHECK_EQ(status.st_nlink, 2);
    CHECK_OK(linkat(directory, "link", directory, "second-file", AT_SYMLINK_FOLLOW));
    CHECK_OK(fstatat(directory, "second-file", &status, AT_SYMLINK_NOFOLLOW));
    CHECK(S_ISREG(status.st_mode));
    CHECK_ERROR(linkat(directory, "dangling", directory, "third", AT_SYMLINK_FOLLOW), ENOENT);
    CHECK_ERROR(linkat(directory, ".", directory, "third", 0), EPERM);
    CHECK_ERROR(linkat(directory, "file", directory, "link", 0), EEXIST);
    CHECK_ERROR(linkat(directory, "file", directory, "third", AT_REMOVEDIR), EINVAL);
    CHECK_ERROR(linkat(directory, "", directory, "third", 0), ENOENT);
    CHECK_ERROR(linkat(directory, NOWHERE, directory, "third", 0), EFAULT);
    CHECK_ERROR(linkat(directory, "file", directory, NOWHERE, 0), EFAULT);
    CHECK_ERROR(linkat(directory, "file/", directory, "third", 0), ENOTDIR);
    CHECK_ERROR(linkat(directory, "file", directory, "third/", 0), ENOENT);
}

int main(void)
{
    umask(022);
    directory = open(temporary(""), O_RDONLY | O_DIRECTORY);
    REQUIRE(directory >= 0);
    write_file(temporary("file"), "content", 7);
    CHECK_OK(symlinkat("file", directory, "link"));
    CHECK_OK(symlinkat("nothing", directory, "dangling"));
    RUN(status_of_links_and_descriptors);
    RUN(masks_of_statx);
    RUN(access_rights);
    RUN(modes);
    RUN(owners);
    RUN(times);
    RUN(removing);
    RUN(links_to_links);
    return finish();
}
