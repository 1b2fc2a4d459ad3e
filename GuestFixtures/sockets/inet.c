/* TCP and UDP over the loopback device, both versions of IP: addresses, errors, options, ancillary data. */
#include "check.h"
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#ifndef SO_PEEK_OFF
#define SO_PEEK_OFF 42
#endif

/* Volatile, so that no compiler warns of it. */
static void *volatile nowhere = (void *)8;

union address {
    struct sockaddr plain;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    char bytes[128];
};

static int family;

static socklen_t loopback(union address *address, int port)
{
    memset(address, 0, sizeof *address);
    address->plain.sa_family = (sa_family_t)family;
    if (family == AF_INET) {
        address->four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address->four.sin_port = htons((uint16_t)port);
        return sizeof address->four;
    }
    address->six.sin6_addr = in6addr_loopback;
    address->six.sin6_port = htons((uint16_t)port);
    return sizeof address->six;
}

static int port_of(int fd, long number)
{
    union address address;
    socklen_t length = sizeof address;
    CHECK_OK(syscall(number, fd, &address, &length));
    CHECK_EQ(length, family == AF_INET ? sizeof address.four : sizeof address.six);
    CHECK_EQ(address.plain.sa_family, family);
    return ntohs(family == AF_INET ? address.four.sin_port : address.six.sin6_port);
}

static int bound(int type)
{
    union address address;
    socklen_t length = loopback(&address, 0);
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    CHECK_OK(bind(fd, &address.plain, length));
    return fd;
}

static void streams(void)
{
    int listener = bound(SOCK_STREAM), port = port_of(listener, SYS_getsockname), on = 1;
    union address address, peer;
    socklen_t length = loopback(&address, port), peer_length = sizeof peer;
    int client = socket(family, SOCK_STREAM, 0);
    CHECK_ERROR(connect(client, &address.plain, length), ECONNREFUSED);
    close(client);
    CHECK_OK(listen(listener, 5));
    client = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int result = connect(client, &address.plain, length);
    CHECK(result == 0 || errno == EINPROGRESS);
    struct pollfd poller = {.fd = client, .events = POLLOUT};
    CHECK_EQ(poll(&poller, 1, 5000), 1);
    int error = -1;
    socklen_t size = sizeof error;
    CHECK_OK(getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &size));
    CHECK_EQ(error, 0);
    int accepted = accept4(listener, &peer.plain, &peer_length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK_OK(accepted);
    CHECK_EQ(fcntl(accepted, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    CHECK_EQ(port_of(accepted, SYS_getpeername), port_of(client, SYS_getsockname));
    CHECK_EQ(ntohs(family == AF_INET ? peer.four.sin_port : peer.six.sin6_port), port_of(client, SYS_getsockname));
    CHECK_OK(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    CHECK_EQ(send(client, "hello", 5, MSG_MORE), 5);
    CHECK_EQ(send(client, " world", 6, 0), 6);
    char text[100] = "";
    poller.fd = accepted;
    poller.events = POLLIN;
    CHECK_EQ(poll(&poller, 1, 5000), 1);
    ssize_t count = 0;
    for (int i = 0; i < 5000 && count < 11; i++) {
        ssize_t part = recv(accepted, text + count, sizeof text - (size_t)count, 0);
        if (part > 0) count += part;
        else usleep(1000);
    }
    CHECK_STR(text, "hello world");
    /* Out of band: a mark in the stream. */
    CHECK_EQ(send(client, "ab!", 3, MSG_OOB), 3);
    poller.events = POLLPRI;
    CHECK_EQ(poll(&poller, 1, 5000), 1);
    int mark = -1;
    CHECK_EQ(recv(accepted, text, 10, 0), 2);
    CHECK_OK(ioctl(accepted, SIOCATMARK, &mark));
    CHECK_EQ(mark, 1);
    CHECK_EQ(recv(accepted, text, 1, MSG_OOB), 1);
    CHECK_EQ(text[0], '!');
    CHECK_OK(shutdown(client, SHUT_WR));
    poller.events = POLLIN | POLLRDHUP;
    CHECK_EQ(poll(&poller, 1, 5000), 1);
    CHECK(poller.revents & POLLRDHUP);
    CHECK_EQ(recv(accepted, text, 10, 0), 0);
    struct tcp_info info;
    size = sizeof info;
    CHECK_OK(getsockopt(accepted, IPPROTO_TCP, TCP_INFO, &info, &size));
    CHECK(info.tcpi_state != 0);
    size = 2;
    CHECK_OK(getsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, &size));
    CHECK_EQ(size, 2);
    /* A reset. */
    struct linger now = {1, 0};
    CHECK_OK(setsockopt(accepted, SOL_SOCKET, SO_LINGER, &now, sizeof now));
    close(accepted);
    poller.fd = client;
    CHECK_EQ(poll(&poller, 1, 5000), 1);
    CHECK_ERROR(recv(client, text, 10, 0), ECONNRESET);
    close(client);
    CHECK_ERROR(syscall(SYS_accept4, listener, nowhere, nowhere, SOCK_NONBLOCK | 0x1000000), EINVAL);
    close(listener);
}

static void datagrams(void)
{
    int receiver = bound(SOCK_DGRAM), sender = bound(SOCK_DGRAM);
    union address address, from;
    socklen_t length = loopback(&address, port_of(receiver, SYS_getsockname)), from_length = sizeof from;
    CHECK_EQ(sendto(sender, "one", 3, 0, &address.plain, length), 3);
    char text[20] = "";
    CHECK_EQ(recvfrom(receiver, text, 2, MSG_PEEK | MSG_TRUNC, &from.plain, &from_length), 3);
    CHECK_EQ(from_length, length);
    CHECK_EQ(ntohs(family == AF_INET ? from.four.sin_port : from.six.sin6_port), port_of(sender, SYS_getsockname));
    CHECK_EQ(recv(receiver, text, sizeof text, MSG_DONTWAIT), 3);
    CHECK_ERROR(recv(receiver, text, sizeof text, MSG_DONTWAIT), EAGAIN);
    char *large = calloc(1, 70000);
    CHECK_ERROR(sendto(sender, large, 70000, 0, &address.plain, length), EMSGSIZE);
    free(large);
    CHECK_ERROR(send(sender, "x", 1, 0), EDESTADDRREQ);
    CHECK_ERROR(sendto(sender, "x", 1, 0, &address.plain, 4), EINVAL);
    CHECK_ERROR(sendto(sender, "x", 1, 0, nowhere, length), EFAULT);
    /* An address of another kind. */
    struct sockaddr_un strange = {.sun_family = AF_UNIX, .sun_path = "/tmp/x"};
    CHECK_ERROR(sendto(sender, "x", 1, 0, (struct sockaddr *)&strange, sizeof strange), family == AF_INET ? EAFNOSUPPORT : EINVAL);
    CHECK_ERROR(bind(sender, (struct sockaddr *)&strange, sizeof strange), EAFNOSUPPORT);
    CHECK_ERROR(bind(receiver, &address.plain, length), EINVAL);
    int second = socket(family, SOCK_DGRAM, 0);
    CHECK_ERROR(bind(second, &address.plain, length), EADDRINUSE);
    /* Connected, it hears from its peer only, and of errors. */
    CHECK_OK(connect(second, &address.plain, length));
    CHECK_EQ(send(second, "two", 3, 0), 3);
    CHECK_EQ(recv(receiver, text, sizeof text, 0), 3);
    close(receiver);
    CHECK_EQ(send(second, "three", 5, 0), 5);
    CHECK_ERROR(recv(second, text, sizeof text, 0), ECONNREFUSED);
    address.plain.sa_family = AF_UNSPEC;
    CHECK_OK(connect(second, &address.plain, length));
    CHECK_ERROR(send(second, "x", 1, 0), EDESTADDRREQ);
    close(second);
    close(sender);
}

static int control_type(struct msghdr *message, int level, void *data, size_t size)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header))
        if (header->cmsg_level == level) {
            memcpy(data, CMSG_DATA(header), size);
            return header->cmsg_type;
        }
    return -1;
}

static void ancillary(void)
{
    int receiver = bound(SOCK_DGRAM), sender = socket(family, SOCK_DGRAM, 0), on = 1;
    union address address;
    socklen_t length = loopback(&address, port_of(receiver, SYS_getsockname));
    int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
    CHECK_OK(setsockopt(receiver, level, family == AF_INET ? IP_PKTINFO : IPV6_RECVPKTINFO, &on, sizeof on));
    CHECK_OK(setsockopt(receiver, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on));
    union { struct cmsghdr header; char space[256]; } control;
    char text[20] = "";
    struct iovec part = {"info", 4};
    struct msghdr message = {.msg_name = &address, .msg_namelen = length, .msg_iov = &part, .msg_iovlen = 1};
    /* The sender says which way it goes. */
    struct in_pktinfo way4 = {.ipi_ifindex = 0, .ipi_spec_dst.s_addr = htonl(INADDR_LOOPBACK)};
    struct { struct in6_addr address; unsigned interface; } way6 = {in6addr_loopback, 0};
    memset(&control, 0, sizeof control);
    control.header.cmsg_level = level;
    size_t size = family == AF_INET ? sizeof way4 : sizeof way6;
    control.header.cmsg_type = family == AF_INET ? IP_PKTINFO : IPV6_PKTINFO;
    control.header.cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(&control.header), family == AF_INET ? (void *)&way4 : (void *)&way6, size);
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(size);
    CHECK_EQ(sendmsg(sender, &message, 0), 4);
    union address from;
    part = (struct iovec){text, sizeof text};
    message.msg_name = &from;
    message.msg_controllen = sizeof control;
    CHECK_EQ(recvmsg(receiver, &message, 0), 4);
    CHECK_STR(text, "info");
    CHECK_EQ(message.msg_namelen, length);
    if (family == AF_INET) {
        struct in_pktinfo seen;
        CHECK_EQ(control_type(&message, level, &seen, sizeof seen), IP_PKTINFO);
        CHECK_EQ(seen.ipi_addr.s_addr, htonl(INADDR_LOOPBACK));
        CHECK(seen.ipi_ifindex > 0);
    } else {
        memset(&way6, 0, sizeof way6);
        CHECK_EQ(control_type(&message, level, &way6, sizeof way6), IPV6_PKTINFO);
        CHECK(memcmp(&way6.address, &in6addr_loopback, 16) == 0);
        CHECK(way6.interface > 0);
    }
    struct timeval when;
    CHECK_EQ(control_type(&message, SOL_SOCKET, &when, sizeof when), SO_TIMESTAMP);
    CHECK(when.tv_sec > 1600000000);
    /* Room for the first only. */
    memset(text, 0, sizeof text);
    CHECK_EQ(sendto(sender, "cut", 3, 0, &address.plain, length), 3);
    message.msg_controllen = CMSG_SPACE(sizeof when);
    CHECK_EQ(recvmsg(receiver, &message, 0), 3);
    CHECK_EQ(message.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
    CHECK_EQ(message.msg_controllen, CMSG_SPACE(sizeof when));
    close(receiver);
    close(sender);
}

/* What became of a datagram stands in the queue of errors. */
static void errors_in_a_queue(void)
{
    int gone = bound(SOCK_DGRAM), sender = socket(family, SOCK_DGRAM, 0), on = 1;
    union address address, name;
    socklen_t length = loopback(&address, port_of(gone, SYS_getsockname));
    close(gone);
    int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
    CHECK_OK(setsockopt(sender, level, family == AF_INET ? IP_RECVERR : IPV6_RECVERR, &on, sizeof on));
    CHECK_EQ(sendto(sender, "lost", 4, 0, &address.plain, length), 4);
    struct pollfd poller = {.fd = sender, .events = 0};
    CHECK_EQ(poll(&poller, 1, 5000), 1);
    CHECK_EQ(poller.revents, POLLERR);
    union { struct cmsghdr header; char space[256]; } control;
    char text[20] = "";
    struct iovec part = {text, sizeof text};
    struct msghdr message = {.msg_name = &name, .msg_namelen = sizeof name, .msg_iov = &part, .msg_iovlen = 1,
                             .msg_control = &control, .msg_controllen = sizeof control};
    CHECK_EQ(recvmsg(sender, &message, MSG_ERRQUEUE), 4);
    CHECK_STR(text, "lost");
    CHECK_EQ(message.msg_flags & MSG_ERRQUEUE, MSG_ERRQUEUE);
    struct sock_extended_err what;
    CHECK_EQ(control_type(&message, level, &what, sizeof what), family == AF_INET ? IP_RECVERR : IPV6_RECVERR);
    CHECK_EQ(what.ee_errno, ECONNREFUSED);
    CHECK(memcmp(&name, &address, length) == 0);
    CHECK_ERROR(recvmsg(sender, &message, MSG_ERRQUEUE), EAGAIN);
    close(sender);
}

static void options(void)
{
    int fd = socket(family, SOCK_STREAM, 0), value = -1, large[20];
    socklen_t size = sizeof value;
    CHECK_OK(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size));
    CHECK_EQ(value, SOCK_STREAM);
    CHECK_OK(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &size));
    CHECK_EQ(value, family);
    size = sizeof large;
    CHECK_OK(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, large, &size));
    CHECK_EQ(size, sizeof value);
    CHECK_EQ(large[0], IPPROTO_TCP);
    CHECK_ERROR(getsockopt(fd, SOL_SOCKET, SO_TYPE, nowhere, &size), EFAULT);
    CHECK_ERROR(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, nowhere), EFAULT);
    size = (socklen_t)-1;
    CHECK_ERROR(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size), EINVAL);
    CHECK_ERROR(setsockopt(fd, SOL_SOCKET, SO_TYPE, &value, sizeof value), ENOPROTOOPT);
    CHECK_ERROR(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, 2), EINVAL);
    CHECK_ERROR(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, nowhere, 4), EFAULT);
    CHECK_ERROR(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, -1), EINVAL);
    CHECK_ERROR(setsockopt(fd, SOL_SOCKET, 12345, &value, sizeof value), ENOPROTOOPT);
    CHECK_ERROR(setsockopt(fd, IPPROTO_TCP, 12345, &value, sizeof value), ENOPROTOOPT);
    CHECK_ERROR(getsockopt(fd, 12345, 1, &value, &(socklen_t){4}), family == AF_INET ? EOPNOTSUPP : ENOPROTOOPT);
    CHECK_ERROR(getsockopt(0x7ffe, SOL_SOCKET, SO_TYPE, &value, &(socklen_t){4}), EBADF);
    CHECK_ERROR(getsockopt(0, SOL_SOCKET, SO_TYPE, &value, &(socklen_t){4}), ENOTSOCK);
    char name[16] = "";
    size = sizeof name;
    CHECK_OK(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &size));
    CHECK(name[0] != 0);
    CHECK_OK(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)));
    struct timeval limit = {3, 500000}, seen = {0, 0};
    CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit));
    size = sizeof seen;
    CHECK_OK(getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &seen, &size));
    CHECK_EQ(seen.tv_sec, 3);
    /* A filter: none passes. */
    int receiver = bound(SOCK_DGRAM), sender = socket(family, SOCK_DGRAM, 0);
    struct { unsigned short code; unsigned char yes, no; unsigned k; } drop = {6, 0, 0, 0};
    struct { unsigned short count; void *program; } filter = {1, &drop};
    CHECK_OK(setsockopt(receiver, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter));
    union address address;
    socklen_t length = loopback(&address, port_of(receiver, SYS_getsockname));
    CHECK_EQ(sendto(sender, "x", 1, 0, &address.plain, length), 1);
    CHECK_ERROR(recv(receiver, name, 1, MSG_DONTWAIT), EAGAIN);
    CHECK_OK(setsockopt(receiver, SOL_SOCKET, SO_DETACH_FILTER, &(int){0}, sizeof(int)));
    CHECK_EQ(sendto(sender, "x", 1, 0, &address.plain, length), 1);
    CHECK_EQ(recv(receiver, name, 1, 0), 1);
    filter.program = nowhere;
    CHECK_ERROR(setsockopt(receiver, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter), EFAULT);
    filter.count = 0;
    filter.program = &drop;
    CHECK_ERROR(setsockopt(receiver, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter), EINVAL);
    close(receiver);
    close(sender);
    close(fd);
}

static void kinds(void)
{
    int pair[2];
    CHECK_ERROR(socket(12345, SOCK_STREAM, 0), EAFNOSUPPORT);
    CHECK_ERROR(socket(family, 77, 0), EINVAL);
    CHECK_ERROR(socket(family, SOCK_STREAM, 12345), EINVAL);
    CHECK_ERROR(socket(family, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
    CHECK_ERROR(socket(family, SOCK_STREAM | 0x100000, 0), EINVAL);
    CHECK_ERROR(socketpair(family, SOCK_STREAM, 0, pair), EOPNOTSUPP);
    CHECK_ERROR(socketpair(AF_UNIX, SOCK_STREAM, 0, nowhere), EFAULT);
    int raw = socket(family, SOCK_RAW, family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
    CHECK(geteuid() == 0 ? raw >= 0 || errno == EPERM : raw == -1 && errno == EPERM);
    if (raw >= 0) close(raw);
}

int main(void)
{
    static const int families[2] = {AF_INET, AF_INET6};
    for (int i = 0; i < 2; i++) {
        family = families[i];
        int fd = socket(family, SOCK_DGRAM, 0);
        union address address;
        socklen_t length = loopback(&address, 0);
        /* A host may be without the newer version. */
        int is_there = fd >= 0 && bind(fd, &address.plain, length) == 0;
        close(fd);
        if (!is_there) continue;
        printf("version %d\n", family == AF_INET ? 4 : 6);
        RUN(streams);
        RUN(datagrams);
        RUN(ancillary);
        RUN(errors_in_a_queue);
        RUN(options);
        RUN(kinds);
    }
    return finish();
}
