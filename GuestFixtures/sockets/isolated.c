/* What reaches the network, and what does not: with "host" as natively, with "none" under --net none. The second argument is an abstract
 * name at which a process outside listens. */
#include "check.h"

#include <dirent.h>
#include <net/if.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static int isolated;
static const char *outside;

static socklen_t abstract(struct sockaddr_un *address, const char *name, size_t length)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path + 1, name, length);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
}

static void families(void)
{
    int pair[2];
    for (int family = -1; family < 50; family++) {
        if (family == AF_UNIX || (!isolated && family != AF_INET)) continue;
        int descriptor = socket(family, SOCK_STREAM, 0);
        if (isolated) {
            CHECK(descriptor == -1 && errno == EAFNOSUPPORT);
            CHECK(socketpair(family, SOCK_STREAM, 0, pair) == -1 && errno == EAFNOSUPPORT);
        } else {
            CHECK_OK(descriptor);
        }
        close(descriptor);
    }
    for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type++) {
        if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET) continue;
        CHECK_OK(socketpair(AF_UNIX, type, 0, pair));
        close(pair[0]);
        close(pair[1]);
    }
}

static void devices(void)
{
    int descriptor = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK_OK(descriptor);
    struct ifreq request = {0};
    strcpy(request.ifr_name, "lo");
    errno = 0;
    CHECK_EQ(ioctl(descriptor, SIOCGIFINDEX, &request), isolated ? -1 : 0);
    CHECK_EQ(errno, isolated ? ENODEV : 0);
    char list[1024];
    struct ifconf all = {.ifc_len = sizeof list, .ifc_buf = list};
    CHECK_EQ(ioctl(descriptor, SIOCGIFCONF, &all), isolated ? -1 : 0);
    close(descriptor);
}

static void own_names(void)
{
    struct sockaddr_un address, seen;
    /* With zero bytes inside, and one at the end. */
    static const char name[] = "isolated\0name";
    socklen_t length = abstract(&address, name, sizeof name), size;
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_OK(bind(server, (struct sockaddr *)&address, length));
    CHECK_OK(listen(server, 1));
    size = sizeof seen;
    CHECK_OK(getsockname(server, (struct sockaddr *)&seen, &size));
    CHECK_EQ(size, length);
    CHECK(memcmp(&seen, &address, length) == 0);
    int second = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(second, (struct sockaddr *)&address, length) == -1 && errno == EADDRINUSE);
    CHECK(connect(second, (struct sockaddr *)&address, length - 1) == -1 && errno == ECONNREFUSED);
    pid_t child = fork();
    if (child == 0) {
        CHECK_OK(connect(second, (struct sockaddr *)&address, length));
        size = sizeof seen;
        CHECK_OK(getpeername(second, (struct sockaddr *)&seen, &size));
        CHECK_EQ(size, length);
        CHECK(memcmp(&seen, &address, length) == 0);
        _exit(check_failures != 0);
    }
    int accepted = accept(server, NULL, NULL), status;
    CHECK_OK(accepted);
    CHECK_OK(waitpid(child, &status, 0));
    CHECK_EQ(status, 0);
    close(accepted);
    close(second);
    close(server);
}

static void chosen_names(void)
{
    struct sockaddr_un address;
    sa_family_t family = AF_UNIX;
    int server = socket(AF_UNIX, SOCK_DGRAM, 0), client = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK_OK(bind(server, (struct sockaddr *)&family, sizeof family));
    socklen_t length = sizeof address;
    CHECK_OK(getsockname(server, (struct sockaddr *)&address, &length));
    CHECK_EQ(length, sizeof family + 6);
    CHECK_EQ(address.sun_path[0], 0);
    CHECK_EQ(strspn(address.sun_path + 1, "0123456789abcdef") >= 5, 1);
    CHECK_OK(sendto(client, "x", 1, 0, (struct sockaddr *)&address, length));
    char byte = 0;
    CHECK_EQ(recv(server, &byte, 1, 0), 1);
    CHECK_EQ(byte, 'x');
    close(server);
    close(client);
}

static void messages_name_their_sender(void)
{
    struct sockaddr_un from, to, seen;
    socklen_t from_length = abstract(&from, "isolated-from", 13), to_length = abstract(&to, "isolated-to", 11);
    int sender = socket(AF_UNIX, SOCK_DGRAM, 0), receiver = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK_OK(bind(sender, (struct sockaddr *)&from, from_length));
    CHECK_OK(bind(receiver, (struct sockaddr *)&to, to_length));
    struct iovec part = {"ab", 2};
    struct msghdr message = {.msg_name = &to, .msg_namelen = to_length, .msg_iov = &part, .msg_iovlen = 1};
    CHECK_EQ(sendmsg(sender, &message, 0), 2);
    char buffer[4];
    part = (struct iovec){buffer, sizeof buffer};
    message = (struct msghdr){.msg_name = &seen, .msg_namelen = sizeof seen, .msg_iov = &part, .msg_iovlen = 1};
    CHECK_EQ(recvmsg(receiver, &message, 0), 2);
    CHECK_EQ(message.msg_namelen, from_length);
    CHECK(memcmp(&seen, &from, from_length) == 0);
    close(sender);
    close(receiver);
}

static void long_names(void)
{
    static char name[108];
    memset(name, 'n', sizeof name);
    struct sockaddr_un address;
    /* The session's prefix takes eight bytes. */
    for (size_t length = 98; length <= 107; length++) {
        int descriptor = socket(AF_UNIX, SOCK_DGRAM, 0);
        socklen_t size = abstract(&address, name, length);
        int fits = !isolated || length <= 99;
        errno = 0;
        CHECK_EQ(bind(descriptor, (struct sockaddr *)&address, size), fits ? 0 : -1);
        CHECK_EQ(errno, fits ? 0 : EINVAL);
        close(descriptor);
    }
}

static void names_of_others(void)
{
    struct sockaddr_un address;
    socklen_t length = abstract(&address, outside, strlen(outside));
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    errno = 0;
    CHECK_EQ(connect(descriptor, (struct sockaddr *)&address, length), isolated ? -1 : 0);
    CHECK_EQ(errno, isolated ? ECONNREFUSED : 0);
    close(descriptor);
}

static int lists(const char *text)
{
    FILE *file = fopen("/proc/net/unix", "r");
    CHECK(file);
    char line[400];
    int found = 0;
    while (file && fgets(line, sizeof line, file)) found += strstr(line, text) != NULL;
    if (file) fclose(file);
    return found;
}

static void state_of_the_network(void)
{
    int descriptor = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un address;
    CHECK_OK(bind(descriptor, (struct sockaddr *)&address, abstract(&address, "isolated-shown", 14)));
    CHECK_EQ(lists(" @isolated-shown\n"), 1);
    CHECK_EQ(lists(outside) > 0, !isolated);
    CHECK_EQ(access("/proc/net/dev", F_OK), isolated ? -1 : 0);
    CHECK_EQ(access("/proc/self/task/self/../../net/route", F_OK), -1);
    DIR *directory = opendir("/proc/self/net");
    CHECK(directory);
    int names = 0;
    while (directory && readdir(directory)) names++;
    CHECK(isolated ? names == 3 : names > 10);
    if (directory) closedir(directory);
    close(descriptor);
}

int main(int count, char **arguments)
{
    if (count != 3) return 2;
    isolated = strcmp(arguments[1], "none") == 0;
    outside = arguments[2];
    RUN(families);
    RUN(devices);
    RUN(own_names);
    RUN(chosen_names);
    RUN(messages_name_their_sender);
    RUN(long_names);
    RUN(names_of_others);
    RUN(state_of_the_network);
    return finish();
}
