/* The calls that take a directory and a name. */
#include "check.h"
#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/xattr.h>

static int directory;

static void make_and_remove(void)
{
    CHECK_OK(mkdirat(directory, "sub", 0750));
    CHECK_ERROR(mkdirat(directory, "sub", 0750), EEXIST);
    CHECK_ERROR(mkdirat(directory, "missing/sub", 0750), ENOENT);
    struct stat status;
    CHECK_OK(fstatat(directory, "sub", &status, 0));
    CHECK(S_ISDIR(status.st_mode));
    CHECK_EQ(status.st_mode & 0777, 0750);
    CHECK_ERROR(unlinkat(directory, "sub", 0), EISDIR);
    int file = openat(directory, "sub/file", O_CREAT | O_WRONLY | O_EXCL, 0640);
    CHECK_OK(file);
    CHECK_ERROR(openat(directory, "sub/file", O_CREAT | O_WRONLY | O_EXCL, 0640), EEXIST);
    CHECK_EQ(write(file, "12345", 5), 5);
    close(file);
    CHECK_ERROR(unlinkat(directory, "sub", AT_REMOVEDIR), ENOTEMPTY);
    CHECK_ERROR(unlinkat(directory, "sub/file", AT_REMOVEDIR), ENOTDIR);
    CHECK_OK(unlinkat(directory, "sub/file", 0));
    CHECK_OK(unlinkat(directory, "sub", AT_REMOVEDIR));
    CHECK_ERROR(fstatat(directory, "sub", &status, 0), ENOENT);
}

static void trailing_slashes_and_dots(void)
{
    CHECK_OK(mkdirat(directory, "d/", 0755));
    int file = openat(directory, "d//./../d/f", O_CREAT | O_WRONLY, 0644);
    CHECK_OK(file);
    close(file);
    CHECK_ERROR(openat(directory, "d/f/", O_RDONLY), ENOTDIR);
    CHECK_ERROR(openat(directory, "d/f/..", O_RDONLY), ENOTDIR);
    CHECK_ERROR(openat(directory, "d/new/", O_CREAT | O_WRONLY, 0644), EISDIR);
    CHECK_ERROR(openat(directory, "", O_RDONLY), ENOENT);
    CHECK_ERROR(unlinkat(directory, "d/.", AT_REMOVEDIR), EINVAL);
    CHECK_ERROR(unlinkat(directory, "d/..", AT_REMOVEDIR), ENOTEMPTY);
    CHECK_OK(openat(directory, "d/..", O_RDONLY | O_DIRECTORY));
    CHECK_ERROR(openat(directory, "d/f", O_RDONLY | O_DIRECTORY), ENOTDIR);
    CHECK_OK(unlinkat(directory, "d/f", 0));
    CHECK_OK(unlinkat(directory, "d/", AT_REMOVEDIR));
}

static void bad_directories(void)
{
    int file = openat(directory, "plain", O_CREAT | O_RDWR, 0644);
    CHECK_ERROR(openat(file, "x", O_RDONLY), ENOTDIR);
    CHECK_ERROR(openat(-1, "x", O_RDONLY), EBADF);
    CHECK_ERROR(openat(12345, "x", O_RDONLY), EBADF);
    /* An absolute path needs none. */
    CHECK_OK(openat(-1, "/", O_RDONLY));
    struct stat status;
    CHECK_OK(fstatat(file, "", &status, AT_EMPTY_PATH));
    CHECK(S_ISREG(status.st_mode));
    CHECK_ERROR(fstatat(file, "", &status, 0), ENOENT);
    CHECK_ERROR(fstatat(directory, "plain", &status, 0x40000000), EINVAL);
    close(file);
}

static void links(void)
{
    struct stat status, target;
    char text[PATH_MAX] = "";
    write_file(temporary("original"), "content", 7);
    CHECK_OK(linkat(directory, "original", directory, "hard", 0));
    CHECK_OK(fstatat(directory, "hard", &status, 0));
    CHECK_EQ(status.st_nlink, 2);
    CHECK_ERROR(linkat(directory, "original", directory, "hard", 0), EEXIST);
    CHECK_OK(symlinkat("original", directory, "soft"));
    CHECK_EQ(readlinkat(directory, "soft", text, sizeof text), 8);
    CHECK_STR(text, "original");
    CHECK_ERROR(readlinkat(directory, "original", text, sizeof text), EINVAL);
    CHECK_ERROR(syscall(SYS_readlinkat, directory, "soft", text, 0), EINVAL);
    CHECK_OK(fstatat(directory, "soft", &status, AT_SYMLINK_NOFOLLOW));
    CHECK(S_ISLNK(status.st_mode));
    CHECK_EQ(status.st_size, 8);
    CHECK_OK(fstatat(directory, "soft", &status, 0));
    CHECK_OK(fstatat(directory, "original", &target, 0));
    CHECK_EQ(status.st_ino, target.st_ino);
    CHECK_ERROR(openat(directory, "soft", O_RDONLY | O_NOFOLLOW), ELOOP);
    int path = openat(directory, "soft", O_PATH | O_NOFOLLOW);
    CHECK_OK(path);
    memset(text, 0, sizeof text);
    CHECK_EQ(readlinkat(path, "", text, sizeof text), 8);
    close(path);
    /* A link to the link, or to what it names. */
    CHECK_OK(linkat(directory, "soft", directory, "hard-to-soft", 0));
    CHECK_OK(fstatat(directory, "hard-to-soft", &status, AT_SYMLINK_NOFOLLOW));
    CHECK(S_ISLNK(status.st_mode));
    CHECK_OK(linkat(directory, "soft", directory, "hard-through-soft", AT_SYMLINK_FOLLOW));
    CHECK_OK(fstatat(directory, "hard-through-soft", &status, AT_SYMLINK_NOFOLLOW));
    CHECK(S_ISREG(status.st_mode));
    CHECK_OK(symlinkat("nowhere", directory, "dangling"));
    CHECK_ERROR(openat(directory, "dangling", O_RDONLY), ENOENT);
    CHECK_ERROR(openat(directory, "dangling", O_CREAT | O_EXCL | O_WRONLY, 0644), EEXIST);
    CHECK_OK(openat(directory, "dangling", O_CREAT | O_WRONLY, 0644));
    CHECK_OK(faccessat(directory, "nowhere", F_OK, 0));
    CHECK_OK(symlinkat("turn", directory, "turn"));
    CHECK_ERROR(openat(directory, "turn", O_RDONLY), ELOOP);
    CHECK_ERROR(symlinkat("", directory, "nothing"), ENOENT);
}

static void chains_of_links(void)
{
    char name[20], previous[20] = "chain-end";
    write_file(temporary(previous), "end", 3);
    for (int i = 0; i < 45; i++) {
        snprintf(name, sizeof name, "chain%d", i);
        CHECK_OK(symlinkat(previous, directory, name));
        strcpy(previous, name);
    }
    /* Forty are followed, no more. */
    CHECK_OK(openat(directory, "chain39", O_RDONLY));
    CHECK_ERROR(openat(directory, "chain40", O_RDONLY), ELOOP);
}

static void renames(void)
{
    write_file(temporary("from"), "1", 1);
    write_file(temporary("to"), "2", 1);
    CHECK_ERROR(syscall(SYS_renameat2, directory, "from", directory, "to", 1 /* RENAME_NOREPLACE */), EEXIST);
    CHECK_OK(syscall(SYS_renameat2, directory, "from", directory, "to", 2 /* RENAME_EXCHANGE */));
    char byte;
    int fd = openat(directory, "to", O_RDONLY);
    CHECK_EQ(read(fd, &byte, 1), 1);
    CHECK_EQ(byte, '1');
    close(fd);
    CHECK_OK(renameat(directory, "to", directory, "from"));
    CHECK_ERROR(faccessat(directory, "to", F_OK, 0), ENOENT);
    CHECK_ERROR(renameat(directory, "to", directory, "from"), ENOENT);
    CHECK_OK(mkdirat(directory, "folder", 0755));
    CHECK_ERROR(renameat(directory, "from", directory, "folder"), EISDIR);
    CHECK_ERROR(renameat(directory, "folder", directory, "from"), ENOTDIR);
    CHECK_ERROR(renameat(directory, "folder", directory, "folder/inside"), EINVAL);
    CHECK_ERROR(syscall(SYS_renameat2, directory, "from", directory, "x", 0x80), EINVAL);
    CHECK_OK(rename(temporary("from"), temporary("folder/from")));
    CHECK_OK(faccessat(directory, "folder/from", R_OK, 0));
}

static void permissions(void)
{
    write_file(temporary("mode"), "", 0);
    struct stat status;
    CHECK_OK(fchmodat(directory, "mode", 04751, 0));
    CHECK_OK(fstatat(directory, "mode", &status, 0));
    CHECK_EQ(status.st_mode & 07777, 04751);
    CHECK_OK(fchownat(directory, "mode", getuid(), getgid(), AT_SYMLINK_NOFOLLOW));
    CHECK_OK(fchownat(directory, "mode", (uid_t)-1, (gid_t)-1, 0));
    CHECK_OK(chmod(temporary("mode"), 0444));
    CHECK_OK(syscall(439 /* faccessat2 */, directory, "mode", R_OK, AT_EACCESS));
    CHECK_ERROR(faccessat(directory, "mode", X_OK, 0), EACCES);
    CHECK_ERROR(syscall(439, directory, "mode", 99, 0), EINVAL);
    if (geteuid() != 0) {
        CHECK_ERROR(faccessat(directory, "mode", W_OK, 0), EACCES);
        CHECK_ERROR(openat(directory, "mode", O_WRONLY), EACCES);
        CHECK_ERROR(chown(temporary("mode"), 0, 0), EPERM);
    }
    mode_t before = umask(077);
    int fd = openat(directory, "masked", O_CREAT | O_WRONLY, 0666);
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(status.st_mode & 0777, 0600);
    CHECK_OK(fchmod(fd, 0666));
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(status.st_mode & 0777, 0666);
    CHECK_EQ(umask(before), 077);
    close(fd);
}

static void times(void)
{
    write_file(temporary("times"), "", 0);
    struct timespec both[2] = {{1000000000, 123456789}, {1234567890, 987654321}};
    struct stat status;
    CHECK_OK(utimensat(directory, "times", both, 0));
    CHECK_OK(fstatat(directory, "times", &status, 0));
    CHECK_EQ(status.st_atim.tv_sec, 1000000000);
    CHECK_EQ(status.st_atim.tv_nsec, 123456789);
    CHECK_EQ(status.st_mtim.tv_sec, 1234567890);
    CHECK_EQ(status.st_mtim.tv_nsec, 987654321);
    both[0].tv_nsec = UTIME_OMIT;
    both[1].tv_nsec = UTIME_NOW;
    CHECK_OK(utimensat(directory, "times", both, 0));
    CHECK_OK(fstatat(directory, "times", &status, 0));
    CHECK_EQ(status.st_atim.tv_sec, 1000000000);
    CHECK(status.st_mtim.tv_sec > 1500000000);
    int fd = openat(directory, "times", O_WRONLY);
    both[0] = both[1] = (struct timespec){77, 0};
    CHECK_OK(futimens(fd, both));
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(status.st_mtim.tv_sec, 77);
    struct timeval old[2] = {{55, 0}, {66, 0}};
    CHECK_OK(utimes(temporary("times"), old));
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(status.st_atim.tv_sec, 55);
    CHECK_EQ(status.st_mtim.tv_sec, 66);
    both[0].tv_nsec = 1000000000;
    CHECK_ERROR(utimensat(directory, "times", both, 0), EINVAL);
    close(fd);
}

/* The kernel's struct statx, as far as it is looked at; musl has none. */
struct extended {
    uint32_t mask, block_size;
    uint64_t attributes;
    uint32_t links, user, group;
    uint16_t mode, spare;
    uint64_t inode, size, rest[26];
};

static void extended_status(void)
{
    write_file(temporary("extended"), "123", 3);
    struct extended status;
    struct stat plain;
    memset(&status, 0, sizeof status);
    CHECK_OK(syscall(SYS_statx, directory, "extended", 0, 0x7ff, &status));
    CHECK_OK(fstatat(directory, "extended", &plain, 0));
    CHECK_EQ(status.size, 3);
    CHECK_EQ(status.inode, plain.st_ino);
    CHECK_EQ(status.mode, plain.st_mode);
    CHECK_EQ(status.links, 1);
    CHECK_EQ(status.user, getuid());
    int fd = openat(directory, "extended", O_RDONLY);
    CHECK_OK(syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 0x7ff, &status));
    CHECK_EQ(status.inode, plain.st_ino);
    CHECK_ERROR(syscall(SYS_statx, directory, "missing", 0, 0x7ff, &status), ENOENT);
    CHECK_ERROR(syscall(SYS_statx, directory, "extended", 0, 0x80000000, &status), EINVAL);
    close(fd);
}

static void nodes(void)
{
    CHECK_OK(mkfifoat(directory, "fifo", 0644));
    struct stat status;
    CHECK_OK(fstatat(directory, "fifo", &status, 0));
    CHECK(S_ISFIFO(status.st_mode));
    CHECK_ERROR(openat(directory, "fifo", O_WRONLY | O_NONBLOCK), ENXIO);
    int reader = openat(directory, "fifo", O_RDONLY | O_NONBLOCK);
    int writer = openat(directory, "fifo", O_WRONLY);
    CHECK_EQ(write(writer, "through", 7), 7);
    char text[10] = "";
    CHECK_EQ(read(reader, text, sizeof text), 7);
    CHECK_STR(text, "through");
    close(writer);
    CHECK_EQ(read(reader, text, sizeof text), 0);
    close(reader);
    CHECK_OK(mknodat(directory, "regular", S_IFREG | 0600, 0));
    CHECK_OK(fstatat(directory, "regular", &status, 0));
    CHECK(S_ISREG(status.st_mode));
    CHECK_ERROR(mknodat(directory, "regular", S_IFREG | 0600, 0), EEXIST);
    /* Blocks until the other side comes. */
    pid_t pid = fork();
    if (pid == 0) {
        int out = open(temporary("fifo"), O_WRONLY);
        _exit(out >= 0 && write(out, "x", 1) == 1 ? 0 : 1);
    }
    reader = open(temporary("fifo"), O_RDONLY);
    CHECK_EQ(read(reader, text, 1), 1);
    CHECK_EQ(wait_for(pid), 0);
    close(reader);
}

static void extended_attributes(void)
{
    write_file(temporary("attributes"), "", 0);
    const char *path = temporary("attributes");
    char value[100] = "";
    if (setxattr(path, "user.one", "first", 5, 0) == -1 && errno == EOPNOTSUPP) return;
    CHECK_EQ(getxattr(path, "user.one", value, sizeof value), 5);
    CHECK_STR(value, "first");
    CHECK_EQ(getxattr(path, "user.one", NULL, 0), 5);
    CHECK_ERROR(getxattr(path, "user.one", value, 2), ERANGE);
    CHECK_ERROR(setxattr(path, "user.one", "x", 1, XATTR_CREATE), EEXIST);
    CHECK_ERROR(setxattr(path, "user.two", "x", 1, XATTR_REPLACE), ENODATA);
    CHECK_ERROR(getxattr(path, "user.two", value, sizeof value), ENODATA);
    CHECK_ERROR(setxattr(path, "nonsense", "x", 1, 0), EOPNOTSUPP);
    int fd = open(path, O_RDWR);
    CHECK_OK(fsetxattr(fd, "user.two", "second", 6, 0));
    ssize_t size = listxattr(path, value, sizeof value);
    int names = 0;
    for (char *name = value; name < value + size; name += strlen(name) + 1) names += strncmp(name, "user.", 5) == 0;
    CHECK_EQ(names, 2);
    CHECK_EQ(flistxattr(fd, NULL, 0), size);
    CHECK_OK(fremovexattr(fd, "user.one"));
    CHECK_ERROR(removexattr(path, "user.one"), ENODATA);
    /* A link has none of the user's. */
    CHECK_OK(symlink("attributes", temporary("attributes-link")));
    CHECK_EQ(getxattr(temporary("attributes-link"), "user.two", value, sizeof value), 6);
    CHECK_ERROR(lgetxattr(temporary("attributes-link"), "user.two", value, sizeof value), ENODATA);
    close(fd);
}

static void file_systems(void)
{
    struct statfs by_path, by_descriptor;
    CHECK_OK(statfs(temporary(""), &by_path));
    CHECK_OK(fstatfs(directory, &by_descriptor));
    CHECK_EQ(by_path.f_type, by_descriptor.f_type);
    CHECK_EQ(by_path.f_bsize, by_descriptor.f_bsize);
    CHECK(by_path.f_blocks >= by_path.f_bfree);
    CHECK_ERROR(statfs(temporary("missing"), &by_path), ENOENT);
    CHECK_OK(fsync(directory));
    CHECK_EQ(pathconf(temporary(""), _PC_NAME_MAX), 255);
    char long_name[300];
    memset(long_name, 'n', sizeof long_name);
    long_name[256] = 0;
    CHECK_ERROR(openat(directory, long_name, O_CREAT | O_WRONLY, 0600), ENAMETOOLONG);
    long_name[255] = 0;
    CHECK_OK(openat(directory, long_name, O_CREAT | O_WRONLY, 0600));
}

int main(void)
{
    umask(022);
    directory = open(temporary(""), O_RDONLY | O_DIRECTORY);
    REQUIRE(directory >= 0);
    RUN(make_and_remove);
    RUN(trailing_slashes_and_dots);
    RUN(bad_directories);
    RUN(links);
    RUN(chains_of_links);
    RUN(renames);
    RUN(permissions);
    RUN(times);
    RUN(extended_status);
    RUN(nodes);
    RUN(extended_attributes);
    RUN(file_systems);
    return finish();
}
