/* Who root is and what root does with owners, modes and devices. Natively it runs as root; under vmrun, with --fakeroot, as a user
 * without any rights, who must not be able to tell. */
#include <limits.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <grp.h>

#include "check.h"

static char program[PATH_MAX];

#define CHECK_IDS(get, a, b, c)                            \
    do {                                                   \
        unsigned r_ = 77, e_ = 77, s_ = 77;                \
        CHECK_OK(get(&r_, &e_, &s_));                      \
        CHECK_EQ(r_, a);                                   \
        CHECK_EQ(e_, b);                                   \
        CHECK_EQ(s_, c);                                   \
    } while (0)

#define CHECK_OWNER(path, user, group)               \
    do {                                             \
        struct stat status_;                         \
        CHECK_OK(lstat(path, &status_));             \
        CHECK_EQ(status_.st_uid, user);              \
        CHECK_EQ(status_.st_gid, group);             \
    } while (0)

#define CHECK_MODE(path, mode)                       \
    do {                                             \
        struct stat status_;                         \
        CHECK_OK(lstat(path, &status_));             \
        CHECK_EQ(status_.st_mode, mode);             \
    } while (0)

/* The kernel's struct statx, as far as it is looked at; musl has none. */
struct extended {
    uint32_t mask, block_size;
    uint64_t attributes;
    uint32_t links, uid, gid;
    uint16_t mode, padding;
    uint64_t inode, size, blocks, attributes_mask;
    uint64_t times[8];
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t spare[14]; /* to 256 bytes */
};

static uint64_t capabilities(int which)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    memset(data, 0, sizeof data);
    CHECK_OK(syscall(SYS_capget, &header, data));
    if (which == 'e') return data[0].effective | (uint64_t)data[1].effective << 32;
    if (which == 'p') return data[0].permitted | (uint64_t)data[1].permitted << 32;
    return data[0].inheritable | (uint64_t)data[1].inheritable << 32;
}

static int set_capabilities(uint64_t permitted, uint64_t effective, uint64_t inheritable)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {
        {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
        {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)},
    };
    return (int)syscall(SYS_capset, &header, data);
}

#define HAS(set, capability) (capabilities(set) >> (capability) & 1)

/* MARK: ids */

static void being_root(void)
{
    CHECK_IDS(getresuid, 0, 0, 0);
    CHECK_IDS(getresgid, 0, 0, 0);
    CHECK_EQ(getuid(), 0);
    CHECK_EQ(geteuid(), 0);
    CHECK_EQ(getgid(), 0);
    CHECK_EQ(getegid(), 0);
    CHECK_EQ(getauxval(AT_UID), 0);
    CHECK_EQ(getauxval(AT_EUID), 0);
    CHECK_EQ(getauxval(AT_SECURE), 0);
    CHECK(HAS('e', CAP_CHOWN));
    CHECK(HAS('p', CAP_SETUID));
    CHECK(HAS('e', CAP_DAC_OVERRIDE));
    CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_MKNOD), 1);
    CHECK_ERROR(prctl(PR_CAPBSET_READ, 100), EINVAL);
}

static void other_ids(void)
{
    gid_t groups[] = {7, 5, 9}, read[4] = {0};
    CHECK_OK(setgroups(3, groups));
    CHECK_EQ(getgroups(0, NULL), 3);
    CHECK_ERROR(getgroups(2, read), EINVAL);
    CHECK_EQ(getgroups(4, read), 3);
    CHECK_EQ(read[0], 5);
    CHECK_EQ(read[1], 7);
    CHECK_EQ(read[2], 9);
    CHECK_ERROR(syscall(SYS_setuid, -1), EINVAL);
    CHECK_ERROR(syscall(SYS_setgroups, 65537, groups), EINVAL);
    CHECK_ERROR(syscall(SYS_setgroups, 3, (void *)8), EFAULT);
    CHECK_OK(setresgid(1000, 1001, 1002));
    CHECK_IDS(getresgid, 1000, 1001, 1002);
    CHECK_OK(setresuid(2000, 2001, 2002));
    CHECK_IDS(getresuid, 2000, 2001, 2002);
    CHECK_EQ(capabilities('e'), 0);
    CHECK_EQ(capabilities('p'), 0);
    CHECK_ERROR(setuid(0), EPERM);
    CHECK_ERROR(setgroups(1, groups), EPERM);
    CHECK_ERROR(setresuid(0, -1, -1), EPERM);
    CHECK_ERROR(setgid(5), EPERM);
    CHECK_OK(setuid(2002));
    CHECK_IDS(getresuid, 2000, 2002, 2002);
    CHECK_OK(setreuid(2002, 2000));
    CHECK_IDS(getresuid, 2002, 2000, 2000);
    CHECK_OK(setresuid(-1, 2002, -1));
    CHECK_IDS(getresuid, 2002, 2002, 2000);
    CHECK_ERROR(setreuid(2000, 3000), EPERM);
    CHECK_EQ(setfsuid(2000), 2002);
    CHECK_EQ(setfsuid(-1), 2000);
    CHECK_EQ(setfsuid(12), 2000);
    CHECK_EQ(setfsuid(-1), 2000);
    CHECK_EQ(setfsgid(1002), 1001);
    CHECK_EQ(setfsgid(-1), 1002);
    CHECK_OK(setgid(1002));
    CHECK_IDS(getresgid, 1000, 1002, 1002);
    CHECK_OK(setregid(1002, 1000));
    CHECK_IDS(getresgid, 1002, 1000, 1000);
}

static void there_and_back(void)
{
    CHECK_OK(seteuid(1000));
    CHECK_EQ(capabilities('e'), 0);
    CHECK(capabilities('p') != 0);
    CHECK_OK(seteuid(0));
    CHECK_EQ(capabilities('e'), capabilities('p'));
    CHECK_EQ(setfsuid(1000), 0);
    CHECK(!HAS('e', CAP_CHOWN));
    CHECK(HAS('e', CAP_SETUID));
    CHECK_EQ(setfsuid(0), 1000);
    CHECK(HAS('e', CAP_CHOWN));
}

static void rights_that_are_kept(void)
{
    CHECK_EQ(prctl(PR_GET_KEEPCAPS), 0);
    CHECK_OK(prctl(PR_SET_KEEPCAPS, 1));
    CHECK_OK(setresuid(1000, 1000, 1000));
    CHECK_EQ(capabilities('e'), 0);
    CHECK(HAS('p', CAP_CHOWN));
    CHECK_OK(set_capabilities(1 << CAP_CHOWN, 1 << CAP_CHOWN, 0));
    CHECK_ERROR(set_capabilities(3 << CAP_CHOWN, 1 << CAP_CHOWN, 0), EPERM);
    CHECK_ERROR(set_capabilities(0, 1 << CAP_CHOWN, 0), EPERM);
    write_file(temporary("kept"), "", 0);
    CHECK_OK(chown(temporary("kept"), 12, 13));
    CHECK_ERROR(chmod(temporary("kept"), 0600), EPERM);
    CHECK_OK(set_capabilities(0, 0, 0));
    CHECK_ERROR(chown(temporary("kept"), 14, 13), EPERM);
}

static void rights_that_are_dropped(void)
{
    CHECK_OK(prctl(PR_CAPBSET_DROP, CAP_MKNOD));
    CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_MKNOD), 0);
    uint64_t all = capabilities('p');
    CHECK_OK(set_capabilities(all & ~(1ull << CAP_CHOWN), all & ~(1ull << CAP_CHOWN), 0));
    write_file(temporary("dropped"), "", 0);
    CHECK_ERROR(chown(temporary("dropped"), 12, 13), EPERM);
    CHECK_ERROR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0), EPERM);
    CHECK_OK(set_capabilities(capabilities('p'), capabilities('e'), 1 << CAP_SETUID));
    CHECK_OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0));
    CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_SETUID, 0, 0), 1);
    CHECK_OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
    CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_SETUID, 0, 0), 0);
    CHECK_ERROR(prctl(PR_SET_SECUREBITS, 0x10000), EPERM);
    CHECK_OK(prctl(PR_SET_SECUREBITS, 3));
    CHECK_EQ(prctl(PR_GET_SECUREBITS), 3);
    CHECK_ERROR(prctl(PR_SET_SECUREBITS, 2), EPERM);
}

static void *only_this_thread(void *argument)
{
    CHECK_OK(syscall(SYS_setresuid, 41, 42, 43));
    CHECK_IDS(getresuid, 41, 42, 43);
    return argument;
}

/* To the kernel each thread is somebody; libc makes them all one. */
static void of_each_thread(void)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, only_this_thread, NULL) == 0);
    pthread_join(thread, NULL);
    CHECK_IDS(getresuid, 0, 0, 0);
    CHECK_OK(setresuid(0, 55, 0));
    CHECK_EQ(geteuid(), 55);
}

static void in_children(void (*body)(void))
{
    CHECK_EQ(child_status(body), 0);
}

static void ids(void)
{
    in_children(other_ids);
    in_children(there_and_back);
    in_children(rights_that_are_kept);
    in_children(rights_that_are_dropped);
    in_children(of_each_thread);
    CHECK_IDS(getresuid, 0, 0, 0);
}

/* MARK: owners */

static void owners(void)
{
    const char *file = temporary("file"), *link_ = temporary("link"), *hard = temporary("hard");
    write_file(file, "x", 1);
    CHECK_OWNER(file, 0, 0);
    CHECK_OK(symlink("file", link_));
    CHECK_OK(chown(link_, 10, 20));
    CHECK_OWNER(file, 10, 20);
    CHECK_OWNER(link_, 0, 0);
    CHECK_OK(lchown(link_, 11, 21));
    CHECK_OWNER(file, 10, 20);
    CHECK_OWNER(link_, 11, 21);
    CHECK_OK(chown(file, -1, 22));
    CHECK_OWNER(file, 10, 22);
    CHECK_OK(chown(file, 12, -1));
    CHECK_OWNER(file, 12, 22);
    CHECK_OK(chown(file, -1, -1));
    CHECK_OWNER(file, 12, 22);
    CHECK_OK(link(file, hard));
    CHECK_OWNER(hard, 12, 22);

    int fd = open(file, O_RDWR);
    CHECK_OK(fchown(fd, 13, 23));
    struct stat status;
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(status.st_uid, 13);
    CHECK_EQ(status.st_gid, 23);
    CHECK_OWNER(hard, 13, 23);
    struct extended extended;
    CHECK_OK(syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 8, &extended));
    CHECK_EQ(extended.uid, 13);
    CHECK_OK(syscall(SYS_statx, AT_FDCWD, file, 0, 0x7ff, &extended));
    CHECK_EQ(extended.uid, 13);
    CHECK_EQ(extended.gid, 23);
    CHECK_OK(fchownat(fd, "", 14, 24, AT_EMPTY_PATH));
    CHECK_OK(fstatat(AT_FDCWD, link_, &status, 0));
    CHECK_EQ(status.st_uid, 14);
    CHECK_EQ(status.st_gid, 24);
    CHECK_OK(unlink(file));
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(status.st_uid, 14);
    close(fd);
    CHECK_OK(rename(hard, file));
    CHECK_OWNER(file, 14, 24);

    fd = open(file, O_PATH);
    CHECK_ERROR(syscall(SYS_fchown, fd, 1, 1), EBADF);
    CHECK_ERROR(syscall(SYS_fchmod, fd, 0600), EBADF);
    close(fd);
    CHECK_ERROR(fchown(-1, 1, 1), EBADF);
    CHECK_ERROR(fchmod(999, 0), EBADF);
    CHECK_ERROR(syscall(SYS_fstat, -100, &status), EBADF);
    CHECK_ERROR(chown(temporary("missing"), 1, 1), ENOENT);
    CHECK_ERROR(chown((char *)8, 1, 1), EFAULT);
    CHECK_ERROR(fchownat(AT_FDCWD, file, 1, 1, 1), EINVAL);
    CHECK_ERROR(syscall(SYS_newfstatat, AT_FDCWD, file, 8, 0), EFAULT);
    CHECK_OK(chown(file, 0, 0));
    CHECK_OWNER(file, 0, 0);
    unlink(file), unlink(link_);
}

/* The next file has the last one's inode number on many file systems, and nothing else of it. */
static void owners_of_what_is_gone(void)
{
    const char *file = temporary("gone");
    for (int i = 0; i < 200; i++) {
        write_file(file, "", 0);
        CHECK_OWNER(file, 0, 0);
        CHECK_MODE(file, S_IFREG | 0644);
        CHECK_OK(chown(file, 100 + i, 7));
        CHECK_OK(chmod(file, 04755));
        CHECK_OK(unlink(file));
    }
}

static void many_owners(void)
{
    const char *folder = temporary("many");
    char path[PATH_MAX];
    CHECK_OK(mkdir(folder, 0755));
    for (int i = 0; i < 2000; i++) {
        snprintf(path, sizeof path, "%s/%d", folder, i);
        write_file(path, "", 0);
        CHECK_OK(chown(path, i, 3 * i));
    }
    for (int i = 0; i < 2000; i++) {
        snprintf(path, sizeof path, "%s/%d", folder, i);
        CHECK_OWNER(path, i, 3 * i);
        CHECK_OK(unlink(path));
    }
    CHECK_OK(rmdir(folder));
}

/* MARK: modes */

static void modes(void)
{
    const char *file = temporary("mode"), *folder = temporary("folder");
    write_file(file, "secret", 6);
    for (int mode = 0; mode <= 07777; mode += 0111) {
        CHECK_OK(chmod(file, mode));
        CHECK_MODE(file, S_IFREG | (mode_t)mode);
    }
    CHECK_OK(chmod(file, 0));
    int fd = open(file, O_RDWR);
    CHECK(fd >= 0);
    CHECK_OK(fchmod(fd, 06711));
    CHECK_MODE(file, S_IFREG | 06711);
    /* Who is given it has not asked for it. */
    CHECK_OK(fchown(fd, 5, 5));
    CHECK_MODE(file, S_IFREG | 0711);
    CHECK_OK(fchmod(fd, 02700));
    CHECK_OK(fchown(fd, 6, 6));
    CHECK_MODE(file, S_IFREG | 02700);
    close(fd);
    CHECK_OK(chmod(file, 0040));
    CHECK_EQ(access(file, R_OK | W_OK), 0);
    CHECK_ERROR(access(file, X_OK), EACCES);
    CHECK_OK(chmod(file, 0001));
    CHECK_EQ(access(file, R_OK | W_OK | X_OK), 0);
    CHECK_EQ(faccessat(AT_FDCWD, file, R_OK | X_OK, AT_EACCESS), 0);
    CHECK_ERROR(access(file, 8), EINVAL);
    CHECK_ERROR(chmod(temporary("missing"), 0), ENOENT);

    umask(0);
    CHECK_OK(mkdir(folder, 0));
    CHECK_MODE(folder, S_IFDIR);
    char inner[PATH_MAX];
    snprintf(inner, sizeof inner, "%s/inner", folder);
    write_file(inner, "", 0);
    CHECK_OK(unlink(inner));
    CHECK_OK(chmod(folder, 07000));
    CHECK_MODE(folder, S_IFDIR | 07000);
    write_file(inner, "", 0);
    CHECK_OK(unlink(inner));
    CHECK_OK(rmdir(folder));
    umask(0777);
    CHECK_OK(mkdir(folder, 0777));
    CHECK_MODE(folder, S_IFDIR);
    write_file(inner, "", 0);
    CHECK_MODE(inner, S_IFREG);
    fd = open(inner, O_RDWR);
    CHECK(fd >= 0);
    close(fd);
    CHECK_OK(unlink(inner));
    CHECK_OK(rmdir(folder));
    umask(022);
    unlink(file);
}

/* Some file systems have them, and here nobody has to: but what is set is the mode, too. */
static void lists(void)
{
    const char *file = temporary("list");
    /* A version and the entries for the owner, the group and all others: 0640. */
    uint32_t list[] = {2, 0x60001, -1u, 0x40004, -1u, 0x20, -1u};
    write_file(file, "", 0);
    int result = setxattr(file, "system.posix_acl_access", list, sizeof list, 0);
    CHECK(result == 0 || errno == EOPNOTSUPP);
    if (result != 0) CHECK_OK(chmod(file, 0640));
    CHECK_MODE(file, S_IFREG | 0640);
    unlink(file);
}

static void devices(void)
{
    const char *node = temporary("node");
    struct stat status;
    struct extended extended;
    CHECK_OK(mknod(node, S_IFCHR | 0666, makedev(1, 3)));
    CHECK_OK(stat(node, &status));
    CHECK_EQ(status.st_mode, S_IFCHR | 0644);
    CHECK_EQ(status.st_rdev, makedev(1, 3));
    CHECK_EQ(status.st_size, 0);
    CHECK_ERROR(mknod(node, S_IFBLK | 0600, makedev(8, 1)), EEXIST);
    CHECK_OK(chmod(node, 0600));
    CHECK_OK(chown(node, 3, 4));
    CHECK_OK(syscall(SYS_statx, AT_FDCWD, node, AT_SYMLINK_NOFOLLOW, 0x7ff, &extended));
    CHECK_EQ(extended.mode, S_IFCHR | 0600);
    CHECK_EQ(extended.uid, 3);
    CHECK_EQ(extended.rdev_major, 1);
    CHECK_EQ(extended.rdev_minor, 3);
    CHECK_OK(unlink(node));
    CHECK_OK(mknod(node, S_IFBLK | 0640, makedev(259, 4097)));
    CHECK_OK(lstat(node, &status));
    CHECK(S_ISBLK(status.st_mode));
    CHECK_EQ(major(status.st_rdev), 259);
    CHECK_EQ(minor(status.st_rdev), 4097);
    CHECK_OK(unlink(node));
    CHECK_OK(mknod(node, S_IFIFO | 0600, 0));
    CHECK_OK(chown(node, 9, 9));
    CHECK_OWNER(node, 9, 9);
    CHECK_OK(unlink(node));
}

/* MARK: others */

static void made_by_others(void)
{
    CHECK_OK(chmod(temporary(""), 0777));
    CHECK_OK(setresgid(0, 34, 0));
    CHECK_OK(setresuid(0, 33, 0));
    const char *file = temporary("theirs"), *folder = temporary("their_folder"), *link_ = temporary("their_link");
    write_file(file, "", 0);
    CHECK_OWNER(file, 33, 34);
    int fd = open(temporary("exclusive"), O_CREAT | O_EXCL | O_WRONLY, 0600);
    CHECK_OK(fd);
    CHECK_OWNER(temporary("exclusive"), 33, 34);
    CHECK_ERROR(open(temporary("exclusive"), O_CREAT | O_EXCL | O_WRONLY, 0600), EEXIST);
    close(fd);
    fd = open(temporary("."), O_TMPFILE | O_RDWR, 0600);
    struct stat status;
    if (fd >= 0) {
        CHECK_OK(fstat(fd, &status));
        CHECK_EQ(status.st_uid, 33);
        close(fd);
    }
    CHECK_OK(mkdir(folder, 0700));
    CHECK_OWNER(folder, 33, 34);
    CHECK_OK(symlink("x", link_));
    CHECK_OWNER(link_, 33, 34);
    CHECK_ERROR(mknod(temporary("device"), S_IFCHR | 0600, makedev(1, 3)), EPERM);
    CHECK_ERROR(chown(file, 0, -1), EPERM);
    CHECK_ERROR(chown(file, -1, 99), EPERM);
    CHECK_OK(chown(file, 33, 34));
    CHECK_OK(chmod(file, 0040));
    CHECK_ERROR(faccessat(AT_FDCWD, file, R_OK, AT_EACCESS), EACCES);
    CHECK_EQ(access(file, R_OK), 0);
    CHECK_OK(setresuid(0, 0, 0));
    CHECK_OK(setresgid(0, 0, 0));
    const char *of_root = temporary("of_root");
    write_file(of_root, "", 0);
    CHECK_OWNER(of_root, 0, 0);
    CHECK_OK(seteuid(33));
    CHECK_ERROR(chmod(of_root, 0777), EPERM);
    CHECK_ERROR(chown(of_root, 33, 33), EPERM);
    CHECK_ERROR(chroot("/"), EPERM);
    CHECK_OK(seteuid(0));
    CHECK_OK(chroot("/"));
    unlink(file), rmdir(folder), unlink(link_), unlink(temporary("exclusive")), unlink(of_root);
}

/* What a message and a socket say of the other end. */
static int tell(int socket, pid_t pid, uid_t user, gid_t group)
{
    struct ucred who = {pid, user, group};
    char byte = 'x', room[CMSG_SPACE(sizeof who)] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_CREDENTIALS, header->cmsg_len = CMSG_LEN(sizeof who);
    memcpy(CMSG_DATA(header), &who, sizeof who);
    return (int)sendmsg(socket, &message, 0);
}

static struct ucred told(int socket)
{
    struct ucred who = {0, 0, 0};
    char byte, room[CMSG_SPACE(sizeof who)];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    CHECK_EQ(recvmsg(socket, &message, 0), 1);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    CHECK(header && header->cmsg_type == SCM_CREDENTIALS);
    if (header) memcpy(&who, CMSG_DATA(header), sizeof who);
    return who;
}

#define CHECK_WHO(expression, process, user, group) \
    do {                                            \
        struct ucred who_ = expression;             \
        CHECK_EQ(who_.pid, process);                \
        CHECK_EQ(who_.uid, user);                   \
        CHECK_EQ(who_.gid, group);                  \
    } while (0)

static void peers(void)
{
    int pair[2], on = 1;
    struct ucred peer;
    socklen_t size = sizeof peer;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK_OK(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &size));
    CHECK_WHO(peer, getpid(), 0, 0);
    CHECK_OK(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    CHECK_EQ(tell(pair[0], getpid(), 0, 0), 1);
    CHECK_WHO(told(pair[1]), getpid(), 0, 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK_OK(setresgid(50, 51, 52));
        CHECK_OK(setresuid(60, 61, 62));
        CHECK_ERROR(tell(pair[0], getpid(), 0, 51), EPERM);
        CHECK_ERROR(tell(pair[0], getpid(), 61, 0), EPERM);
        CHECK_EQ(tell(pair[0], getpid(), 61, 51), 1);
        int own[2];
        CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, own));
        CHECK_OK(getsockopt(own[0], SOL_SOCKET, SO_PEERCRED, &peer, &size));
        CHECK_WHO(peer, getpid(), 61, 51);
        /* It is there until its message has been read. */
        char byte;
        CHECK_EQ(read(pair[0], &byte, 1), 1);
        _exit(check_failures ? 1 : 0);
    }
    CHECK_WHO(told(pair[1]), child, 61, 51);
    CHECK_EQ(write(pair[1], "x", 1), 1);
    CHECK_EQ(wait_for(child), 0);
    close(pair[0]), close(pair[1]);
}

static int in_program(const char *what)
{
    pid_t child = fork();
    if (child == 0) {
        execl(temporary("lent"), "lent", what, NULL);
        _exit(127);
    }
    return wait_for(child);
}

/* What a process is survives exec; what the file lends comes with it. */
static void over_exec(void)
{
    const char *lent = temporary("lent");
    char buffer[65536];
    int from = open(program, O_RDONLY), to = open(lent, O_CREAT | O_WRONLY, 0700);
    REQUIRE(from >= 0 && to >= 0);
    for (ssize_t count; (count = read(from, buffer, sizeof buffer)) > 0;) REQUIRE(write(to, buffer, (size_t)count) == count);
    close(from), close(to);
    CHECK_OK(chown(lent, 41, 42));
    CHECK_OK(chmod(lent, 0755));
    CHECK_EQ(in_program("plain"), 0);
    CHECK_OK(chmod(lent, 06755));
    CHECK_EQ(in_program("both"), 0);
    CHECK_OK(setresuid(7, 7, 7));
    CHECK_EQ(in_program("both_of_seven"), 0);
    CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHECK_EQ(in_program("none_of_seven"), 0);
}

static int as_program(const char *what)
{
    if (!strcmp(what, "plain")) {
        CHECK_IDS(getresuid, 0, 0, 0);
        CHECK_OWNER(temporary("lent"), 41, 42);
        CHECK(HAS('e', CAP_CHOWN));
        CHECK_EQ(getauxval(AT_SECURE), 0);
    } else if (!strcmp(what, "both")) {
        CHECK_IDS(getresuid, 0, 41, 41);
        CHECK_IDS(getresgid, 0, 42, 42);
        CHECK(!HAS('e', CAP_CHOWN));
        CHECK(HAS('p', CAP_CHOWN));
        CHECK_EQ(getauxval(AT_EUID), 41);
        CHECK_EQ(getauxval(AT_SECURE), 1);
    } else if (!strcmp(what, "both_of_seven")) {
        CHECK_IDS(getresuid, 7, 41, 41);
        CHECK_EQ(capabilities('p'), 0);
        CHECK_EQ(getauxval(AT_UID), 7);
        CHECK_EQ(getauxval(AT_SECURE), 1);
    } else if (!strcmp(what, "none_of_seven")) {
        CHECK_IDS(getresuid, 7, 7, 7);
        CHECK_EQ(getauxval(AT_SECURE), 0);
    } else {
        return 2;
    }
    return finish();
}

int main(int argc, char **argv)
{
    REQUIRE(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    if (argc > 1) return as_program(argv[1]);
    umask(022);
    RUN(being_root);
    RUN(ids);
    RUN(owners);
    RUN(owners_of_what_is_gone);
    RUN(many_owners);
    RUN(modes);
    RUN(lists);
    RUN(devices);
    RUN(peers);
    in_children(made_by_others);
    printf("made_by_others\n"), fflush(stdout);
    in_children(over_exec);
    printf("over_exec\n");
    return finish();
}
