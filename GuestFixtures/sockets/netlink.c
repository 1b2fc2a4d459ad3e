/* What programs ask of the network: by netlink as getifaddrs(3) and ip(8) do, and by ioctl(2). */
#include "check.h"
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void *volatile nowhere = (void *)8;
static char answer[65536];

static int opened(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    REQUIRE(fd >= 0);
    struct sockaddr_nl name = {.nl_family = AF_NETLINK};
    socklen_t length = sizeof name;
    CHECK_OK(bind(fd, (struct sockaddr *)&name, sizeof name));
    CHECK_OK(getsockname(fd, (struct sockaddr *)&name, &length));
    CHECK_EQ(length, sizeof name);
    CHECK(name.nl_pid != 0);
    return fd;
}

/* Asks for all of a kind; how many messages of the answer are of the other. */
static int dump(int kind, int expected)
{
    struct { struct nlmsghdr header; struct rtgenmsg about; } request = {
        {sizeof request, (uint16_t)kind, NLM_F_REQUEST | NLM_F_DUMP, 7, 0}, {AF_UNSPEC}};
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK}, from;
    int fd = opened(), count = 0, is_done = 0;
    CHECK_EQ(sendto(fd, &request, sizeof request, 0, (struct sockaddr *)&kernel, sizeof kernel), sizeof request);
    while (!is_done) {
        struct iovec part = {answer, sizeof answer};
        struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1};
        ssize_t size = recvmsg(fd, &message, 0);
        REQUIRE(size > 0);
        CHECK_EQ(message.msg_namelen, sizeof from);
        CHECK_EQ(from.nl_pid, 0);
        unsigned rest = (unsigned)size;
        for (struct nlmsghdr *header = (void *)answer; NLMSG_OK(header, rest); header = NLMSG_NEXT(header, rest)) {
            CHECK_EQ(header->nlmsg_seq, 7);
            if (header->nlmsg_type == NLMSG_DONE) is_done = 1;
            else if (header->nlmsg_type == expected) count++;
            else REQUIRE(header->nlmsg_type != NLMSG_ERROR);
        }
    }
    close(fd);
    return count;
}

static void dumps(void)
{
    CHECK(dump(RTM_GETLINK, RTM_NEWLINK) > 0);
    CHECK(dump(RTM_GETADDR, RTM_NEWADDR) > 0);
    CHECK(dump(RTM_GETROUTE, RTM_NEWROUTE) >= 0);
}

/* The error that a request gets, without the sign. */
static int error_of(void *request, size_t size)
{
    int fd = opened();
    CHECK_EQ(send(fd, request, size, 0), size);
    ssize_t count = recv(fd, answer, sizeof answer, 0);
    CHECK(count >= (ssize_t)sizeof(struct nlmsghdr));
    struct nlmsghdr *header = (void *)answer;
    close(fd);
    return header->nlmsg_type == NLMSG_ERROR ? -((struct nlmsgerr *)NLMSG_DATA(header))->error : 0;
}

static void single_requests(void)
{
    struct { struct nlmsghdr header; struct ifinfomsg about; } request = {
        {sizeof request, RTM_GETLINK, NLM_F_REQUEST, 9, 0}, {.ifi_family = AF_UNSPEC, .ifi_index = (int)if_nametoindex("lo")}};
    CHECK_EQ(error_of(&request, sizeof request), 0);
    request.about.ifi_index = 123456;
    CHECK_EQ(error_of(&request, sizeof request), ENODEV);
    request.header.nlmsg_type = 999;
    CHECK_EQ(error_of(&request, sizeof request), EOPNOTSUPP);
    struct sockaddr_nl bad = {.nl_family = AF_INET};
    int fd = opened();
    CHECK_ERROR(sendto(fd, &request, sizeof request, 0, (struct sockaddr *)&bad, sizeof bad), EINVAL);
    CHECK_ERROR(send(fd, nowhere, 100, 0), EFAULT);
    CHECK_ERROR(recv(fd, answer, sizeof answer, MSG_DONTWAIT), EAGAIN);
    CHECK_ERROR(socket(AF_NETLINK, SOCK_STREAM, NETLINK_ROUTE), ESOCKTNOSUPPORT);
    CHECK_ERROR(socket(AF_NETLINK, SOCK_RAW, 1000), EPROTONOSUPPORT);
    close(fd);
}

static void by_names(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    unsigned index = if_nametoindex("lo");
    char name[IF_NAMESIZE] = "";
    CHECK(index > 0);
    CHECK(if_indextoname(index, name) != NULL);
    CHECK_STR(name, "lo");
    struct if_nameindex *list = if_nameindex();
    REQUIRE(list);
    int count = 0, is_there = 0;
    for (; list[count].if_index; count++) is_there |= strcmp(list[count].if_name, "lo") == 0;
    CHECK(is_there);
    if_freenameindex(list);
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strcpy(request.ifr_name, "lo");
    CHECK_OK(ioctl(fd, SIOCGIFFLAGS, &request));
    CHECK((request.ifr_flags & (IFF_UP | IFF_LOOPBACK)) == (IFF_UP | IFF_LOOPBACK));
    CHECK_OK(ioctl(fd, SIOCGIFADDR, &request));
    CHECK_EQ(((struct sockaddr_in *)&request.ifr_addr)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    CHECK_OK(ioctl(fd, SIOCGIFNETMASK, &request));
    CHECK_EQ(((struct sockaddr_in *)&request.ifr_addr)->sin_addr.s_addr, htonl(0xff000000));
    CHECK_OK(ioctl(fd, SIOCGIFMTU, &request));
    CHECK(request.ifr_mtu > 1000);
    CHECK_OK(ioctl(fd, SIOCGIFINDEX, &request));
    CHECK_EQ(request.ifr_ifindex, index);
    CHECK_OK(ioctl(fd, SIOCGIFHWADDR, &request));
    CHECK_EQ(request.ifr_hwaddr.sa_family, 772);
    CHECK_OK(ioctl(fd, SIOCGIFTXQLEN, &request));
    CHECK_OK(ioctl(fd, SIOCGIFMETRIC, &request));
    strcpy(request.ifr_name, "nobody0");
    CHECK_ERROR(ioctl(fd, SIOCGIFFLAGS, &request), ENODEV);
    CHECK_ERROR(ioctl(fd, SIOCGIFFLAGS, nowhere), EFAULT);
    close(fd);
}

/* A list behind a pointer in a structure. */
static void lists(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq interfaces[64];
    struct ifconf list = {.ifc_len = sizeof interfaces, .ifc_req = interfaces};
    CHECK_OK(ioctl(fd, SIOCGIFCONF, &list));
    int size = list.ifc_len, is_there = 0;
    CHECK(size > 0 && size % (int)sizeof(struct ifreq) == 0);
    for (int i = 0; i < size / (int)sizeof(struct ifreq); i++) is_there |= strcmp(interfaces[i].ifr_name, "lo") == 0;
    CHECK(is_there);
    list.ifc_req = NULL;
    list.ifc_len = 0;
    CHECK_OK(ioctl(fd, SIOCGIFCONF, &list));
    CHECK_EQ(list.ifc_len, size);
    list.ifc_req = interfaces;
    list.ifc_len = sizeof(struct ifreq) - 1;
    CHECK_OK(ioctl(fd, SIOCGIFCONF, &list));
    CHECK_EQ(list.ifc_len, 0);
    list.ifc_req = nowhere;
    list.ifc_len = sizeof interfaces;
    CHECK_ERROR(ioctl(fd, SIOCGIFCONF, &list), EFAULT);
    CHECK_ERROR(ioctl(fd, SIOCGIFCONF, nowhere), EFAULT);
    close(fd);
}

static void packets(void)
{
    int fd = socket(AF_PACKET, SOCK_RAW, htons(3));
    if (geteuid() != 0) CHECK(fd == -1 && errno == EPERM);
    if (fd >= 0) close(fd);
}

int main(void)
{
    RUN(dumps);
    RUN(single_requests);
    RUN(by_names);
    RUN(lists);
    RUN(packets);
    return finish();
}
