/* What vmrun refuses although the host's kernel has it, each with its errno. Not for a native run by the superuser, whom
 * the kernel would serve. */
#include "check.h"
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static void devices_are_not_made(void)
{
    CHECK_ERROR(mknod(temporary("character"), S_IFCHR | 0600, makedev(1, 1)), EPERM);
    CHECK_ERROR(mknod(temporary("block"), S_IFBLK | 0600, makedev(7, 0)), EPERM);
    CHECK_ERROR(mknod(temporary(""), S_IFBLK | 0600, makedev(7, 0)), EEXIST);
    CHECK_ERROR(mknod(temporary("missing/block"), S_IFBLK | 0600, makedev(7, 0)), ENOENT);
    CHECK_ERROR(mknod(temporary("folder"), S_IFDIR | 0700, 0), EPERM);
    CHECK_ERROR(mknod(temporary("strange"), S_IFLNK | 0600, 0), EINVAL);
    struct stat status;
    CHECK_OK(mknod(temporary("socket"), S_IFSOCK | 0600, 0));
    CHECK_OK(stat(temporary("socket"), &status));
    CHECK(S_ISSOCK(status.st_mode));
    CHECK_OK(mknod(temporary("untyped"), 0600, 0));
    CHECK_OK(stat(temporary("untyped"), &status));
    CHECK(S_ISREG(status.st_mode));
}

static void handles_lead_nowhere(void)
{
    struct { unsigned size; int type; unsigned char bytes[128]; } handle = {.size = 128};
    int mount = -1;
    write_file(temporary("file"), "", 0);
    int result = (int)syscall(SYS_name_to_handle_at, AT_FDCWD, temporary("file"), &handle, &mount, 0);
    CHECK(result == 0 || errno == EOPNOTSUPP);
    CHECK_ERROR(syscall(SYS_open_by_handle_at, AT_FDCWD, &handle, O_RDONLY), EPERM);
    if (result != 0) return;
    handle.size = 0;
    CHECK_ERROR(syscall(SYS_name_to_handle_at, AT_FDCWD, temporary("file"), &handle, &mount, 0), EOVERFLOW);
    CHECK(handle.size > 0);
    handle.size = 1000;
    CHECK_ERROR(syscall(SYS_name_to_handle_at, AT_FDCWD, temporary("file"), &handle, &mount, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_name_to_handle_at, AT_FDCWD, temporary("nobody"), &handle, &mount, 0), ENOENT);
    CHECK_ERROR(syscall(SYS_name_to_handle_at, AT_FDCWD, temporary("file"), 8L, &mount, 0), EFAULT);
    CHECK_ERROR(syscall(SYS_name_to_handle_at, AT_FDCWD, "", &handle, &mount, 0), ENOENT);
}

static void whole_file_systems(void)
{
    CHECK_ERROR(syscall(SYS_fanotify_init, 0, 0), EPERM);
    CHECK_ERROR(syscall(SYS_fanotify_mark, 0, 1, 1L, AT_FDCWD, "/"), EPERM);
    CHECK_ERROR(syscall(457, 0, 0, 0, 0), ENOSYS);
    CHECK_ERROR(syscall(458, 0, 0, 0, 0), ENOSYS);
    int fd = open(temporary(""), O_RDONLY);
    CHECK_ERROR(ioctl(fd, 0xc0045877 /* FIFREEZE */, 0), EPERM);
    CHECK_ERROR(ioctl(fd, 0xc0185879 /* FITRIM */, 0), EPERM);
    close(fd);
}

static void the_hosts_terminals(void)
{
    int terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    CHECK_ERROR(ioctl(terminal, TIOCSTI, "x"), EIO);
    CHECK_ERROR(ioctl(terminal, 0x541d /* TIOCCONS */, 0), EPERM);
    close(terminal);
    int random = open("/dev/urandom", O_RDONLY);
    CHECK_ERROR(ioctl(random, 0x5204 /* RNDZAPENTCNT */, 0), EPERM);
    close(random);
}

static void the_hosts_network(void)
{
    struct { struct nlmsghdr header; struct ifinfomsg about; } request = {
        {sizeof request, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, 9, 0},
        {.ifi_family = AF_UNSPEC, .ifi_index = (int)if_nametoindex("lo"), .ifi_change = 0}};
    struct { struct nlmsghdr header; struct nlmsgerr error; char rest[100]; } answer;
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    CHECK_EQ(send(fd, &request, sizeof request, 0), sizeof request);
    CHECK(recv(fd, &answer, sizeof answer, 0) > 0);
    CHECK_EQ(answer.header.nlmsg_type, NLMSG_ERROR);
    CHECK_EQ(answer.error.error, -EPERM);
    close(fd);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq interface = {.ifr_name = "lo", .ifr_mtu = 1400};
    CHECK_ERROR(ioctl(fd, SIOCSIFMTU, &interface), EPERM);
    CHECK_ERROR(ioctl(fd, SIOCSIFFLAGS, &interface), EPERM);
    close(fd);
}

/* Options with addresses in what they point to. */
static void pointers_in_options(void)
{
    long structure[8] = {0};
    socklen_t size = sizeof structure;
    int fd = socket(AF_INET, SOCK_STREAM, 262);
    if (fd >= 0) CHECK(getsockopt(fd, 284, 4, structure, &size) == -1);
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    size = sizeof structure;
    CHECK(getsockopt(fd, 6, 35, structure, &size) == -1);
    close(fd);
}

int main(void)
{
    RUN(devices_are_not_made);
    RUN(handles_lead_nowhere);
    RUN(whole_file_systems);
    RUN(the_hosts_terminals);
    RUN(the_hosts_network);
    RUN(pointers_in_options);
    return finish();
}
