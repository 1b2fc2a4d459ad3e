/* AF_UNIX: by path, in pairs, abstract; descriptors and credentials in messages. */
#include "check.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static socklen_t address_of(struct sockaddr_un *address, const char *path)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    strcpy(address->sun_path, path);
    return sizeof *address;
}

static void by_path(void)
{
    struct sockaddr_un address, name;
    socklen_t length = address_of(&address, temporary("socket"));
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_OK(bind(listener, (void *)&address, length));
    struct stat status;
    CHECK_OK(stat(temporary("socket"), &status));
    CHECK(S_ISSOCK(status.st_mode));
    int second = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_ERROR(bind(second, (void *)&address, length), EADDRINUSE);
    CHECK_ERROR(connect(second, (void *)&address, length), ECONNREFUSED);
    CHECK_OK(listen(listener, 5));
    CHECK_OK(connect(second, (void *)&address, length));
    struct sockaddr_un peer;
    socklen_t peer_length = sizeof peer;
    int accepted = accept4(listener, (void *)&peer, &peer_length, SOCK_CLOEXEC);
    CHECK_OK(accepted);
    CHECK_EQ(peer_length, sizeof(sa_family_t));
    CHECK_EQ(write(second, "hello", 5), 5);
    char text[10] = "";
    CHECK_EQ(read(accepted, text, sizeof text), 5);
    CHECK_STR(text, "hello");
    socklen_t name_length = sizeof name;
    CHECK_OK(getsockname(listener, (void *)&name, &name_length));
    CHECK_STR(name.sun_path, temporary("socket"));
    CHECK_EQ(name_length, offsetof(struct sockaddr_un, sun_path) + strlen(temporary("socket")) + 1);
    name_length = sizeof name;
    CHECK_OK(getpeername(second, (void *)&name, &name_length));
    CHECK_STR(name.sun_path, temporary("socket"));
    close(second);
    CHECK_EQ(read(accepted, text, sizeof text), 0);
    CHECK_ERROR(send(accepted, "x", 1, MSG_NOSIGNAL), EPIPE);
    close(accepted);
    close(listener);
    CHECK_OK(unlink(temporary("socket")));
    second = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_ERROR(connect(second, (void *)&address, length), ENOENT);
    close(second);
}

static void relative_to_the_working_directory(void)
{
    struct sockaddr_un address;
    CHECK_OK(chdir(temporary("")));
    socklen_t length = address_of(&address, "relative");
    int receiver = socket(AF_UNIX, SOCK_DGRAM, 0), sender = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK_OK(bind(receiver, (void *)&address, length));
    CHECK_OK(access(temporary("relative"), F_OK));
    CHECK_EQ(sendto(sender, "datagram", 8, 0, (void *)&address, length), 8);
    char text[20] = "";
    CHECK_EQ(recv(receiver, text, sizeof text, 0), 8);
    CHECK_STR(text, "datagram");
    /* A reply finds its way by the address in the message. */
    address_of(&address, "reply");
    CHECK_OK(bind(sender, (void *)&address, length));
    address_of(&address, "relative");
    struct iovec part = {"second", 6};
    struct msghdr message = {.msg_name = &address, .msg_namelen = length, .msg_iov = &part, .msg_iovlen = 1};
    CHECK_EQ(sendmsg(sender, &message, 0), 6);
    struct sockaddr_un from;
    socklen_t from_length = sizeof from;
    CHECK_EQ(recvfrom(receiver, text, sizeof text, 0, (void *)&from, &from_length), 6);
    CHECK_STR(from.sun_path, "reply");
    close(sender);
    close(receiver);
}

static void through_a_link(void)
{
    struct sockaddr_un address;
    CHECK_OK(mkdir(temporary("real"), 0755));
    CHECK_OK(symlink("real", temporary("alias")));
    socklen_t length = address_of(&address, temporary("alias/socket"));
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_OK(bind(listener, (void *)&address, length));
    CHECK_OK(listen(listener, 1));
    CHECK_OK(access(temporary("real/socket"), F_OK));
    address_of(&address, temporary("real/socket"));
    CHECK_OK(connect(client, (void *)&address, length));
    close(client);
    close(listener);
}

static void abstract_names(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int size = snprintf(address.sun_path + 1, 100, "fixture-%d", getpid());
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size);
    int receiver = socket(AF_UNIX, SOCK_DGRAM, 0), sender = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK_OK(bind(receiver, (void *)&address, length));
    CHECK_OK(connect(sender, (void *)&address, length));
    CHECK_EQ(send(sender, "abstract", 8, 0), 8);
    char text[20] = "";
    CHECK_EQ(recv(receiver, text, sizeof text, 0), 8);
    struct sockaddr_un name;
    socklen_t name_length = sizeof name;
    CHECK_OK(getsockname(receiver, (void *)&name, &name_length));
    CHECK_EQ(name_length, length);
    CHECK(memcmp(&name, &address, length) == 0);
    close(sender);
    close(receiver);
}

static int send_descriptors(int socket, const int *descriptors, int count)
{
    union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int) * 253)]; } control;
    memset(&control, 0, sizeof control);
    struct iovec part = {"d", 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
    memcpy(CMSG_DATA(header), descriptors, sizeof(int) * (size_t)count);
    /* Not by name: musl has room for a few control messages only. */
    return (int)syscall(SYS_sendmsg, socket, &message, 0);
}

static int receive_descriptors(int socket, int *descriptors, int room, int flags)
{
    union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int) * 253)]; } control;
    char byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)room)};
    if (recvmsg(socket, &message, flags) != 1) return -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_type != SCM_RIGHTS) return 0;
    int count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(descriptors, CMSG_DATA(header), sizeof(int) * (size_t)count);
    return count;
}

static void descriptors_in_messages(void)
{
    int pair[2];
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    pid_t pid = fork();
    if (pid == 0) {
        int pipes[2];
        REQUIRE(pipe(pipes) == 0);
        REQUIRE(send_descriptors(pair[1], pipes, 1) == 1);
        _exit(write(pipes[1], "through the pipe", 16) == 16 ? 0 : 1);
    }
    int received = -1;
    CHECK_EQ(receive_descriptors(pair[0], &received, 1, 0), 1);
    CHECK_EQ(wait_for(pid), 0);
    char text[20] = "";
    CHECK_EQ(read(received, text, sizeof text), 16);
    CHECK_STR(text, "through the pipe");
    close(received);
    close(pair[0]);
    close(pair[1]);
}

static void many_descriptors(void)
{
    int pair[2], sent[253], received[253];
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    for (int i = 0; i < 253; i++) sent[i] = 0;
    REQUIRE(send_descriptors(pair[0], sent, 253) == 1);
    CHECK_EQ(receive_descriptors(pair[1], received, 253, MSG_CMSG_CLOEXEC), 253);
    struct stat here, there;
    fstat(0, &here);
    for (int i = 0; i < 253; i++) {
        CHECK_OK(fstat(received[i], &there));
        CHECK_EQ(here.st_ino, there.st_ino);
        CHECK_EQ(fcntl(received[i], F_GETFD), FD_CLOEXEC);
        close(received[i]);
    }
    sent[0] = 9999;
    CHECK_ERROR(send_descriptors(pair[0], sent, 1), EBADF);
    close(pair[0]);
    close(pair[1]);
}

static void credentials(void)
{
    int pair[2];
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    struct ucred who;
    socklen_t length = sizeof who;
    CHECK_OK(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &who, &length));
    CHECK_EQ(who.pid, getpid());
    CHECK_EQ(who.uid, geteuid());
    int on = 1;
    CHECK_OK(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    CHECK_EQ(write(pair[0], "x", 1), 1);
    union { struct cmsghdr header; char space[CMSG_SPACE(sizeof who)]; } control;
    char byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    CHECK_EQ(recvmsg(pair[1], &message, 0), 1);
    CHECK_EQ(control.header.cmsg_type, SCM_CREDENTIALS);
    memcpy(&who, CMSG_DATA(&control.header), sizeof who);
    CHECK_EQ(who.pid, getpid());
    close(pair[0]);
    close(pair[1]);
}

static void many_messages(void)
{
    int pair[2];
    CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    char one[4] = "one", two[4] = "two", in_one[8] = "", in_two[8] = "";
    struct iovec out[2] = {{one, 3}, {two, 3}}, in[2] = {{in_one, 8}, {in_two, 8}};
    struct mmsghdr sent[2] = {{.msg_hdr = {.msg_iov = out, .msg_iovlen = 1}},
                              {.msg_hdr = {.msg_iov = out + 1, .msg_iovlen = 1}}};
    struct mmsghdr received[2] = {{.msg_hdr = {.msg_iov = in, .msg_iovlen = 1}},
                                  {.msg_hdr = {.msg_iov = in + 1, .msg_iovlen = 1}}};
    CHECK_EQ(sendmmsg(pair[0], sent, 2, 0), 2);
    CHECK_EQ(recvmmsg(pair[1], received, 2, 0, NULL), 2);
    CHECK_STR(in_one, "one");
    CHECK_STR(in_two, "two");
    CHECK_EQ(received[1].msg_len, 3);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    RUN(by_path);
    RUN(relative_to_the_working_directory);
    RUN(through_a_link);
    RUN(abstract_names);
    RUN(descriptors_in_messages);
    RUN(many_descriptors);
    RUN(credentials);
    RUN(many_messages);
    return finish();
}
