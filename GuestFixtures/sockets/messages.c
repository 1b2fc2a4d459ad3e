/* Messages: flags, vectors of messages, ancillary data that fits and that does not, descriptors and credentials. */
#include "check.h"
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#define SO_PEERPIDFD 77
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif
#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0x40000000
#endif
/* Volatile, so that no compiler warns of it. */
static void *volatile nowhere = (void *)8;

/* Not struct ucred, which the libraries show each in its own way. */
struct who {
    int pid;
    unsigned uid, gid;
};

static int pair[2];

static void connected(int type)
{
    REQUIRE(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) == 0);
}

static void closed(void)
{
    close(pair[0]);
    close(pair[1]);
}

static void flags_of_streams(void)
{
    connected(SOCK_STREAM);
    char text[20] = "";
    CHECK_ERROR(recv(pair[0], text, 1, MSG_DONTWAIT), EAGAIN);
    CHECK_EQ(send(pair[1], "0123456789", 10, MSG_NOSIGNAL | MSG_MORE), 10);
    CHECK_EQ(recv(pair[0], text, 4, MSG_PEEK), 4);
    CHECK_STR(text, "0123");
    CHECK_EQ(recv(pair[0], text, 20, 0), 10);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 4; i++) {
            usleep(5000);
            if (write(pair[1], "abcde", 5) != 5) _exit(1);
        }
        _exit(0);
    }
    CHECK_EQ(recv(pair[0], text, 20, MSG_WAITALL), 20);
    CHECK(memcmp(text, "abcdeabcdeabcdeabcde", 20) == 0);
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(send(pair[1], "!", 1, MSG_OOB | MSG_NOSIGNAL), 1);
    CHECK_EQ(recv(pair[0], text, 1, MSG_OOB), 1);
    CHECK_EQ(text[0], '!');
    CHECK_OK(shutdown(pair[1], SHUT_WR));
    CHECK_EQ(recv(pair[0], text, 1, 0), 0);
    CHECK_ERROR(send(pair[1], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_ERROR(shutdown(pair[1], 7), EINVAL);
    CHECK_ERROR(send(pair[0], nowhere, 10, MSG_NOSIGNAL), EFAULT);
    CHECK_ERROR(send(9999, "x", 1, 0), EBADF);
    closed();
}

static void flags_of_packets(void)
{
    connected(SOCK_SEQPACKET);
    char text[20] = "";
    CHECK_EQ(send(pair[1], "0123456789", 10, MSG_EOR), 10);
    CHECK_EQ(recv(pair[0], text, 4, MSG_PEEK | MSG_TRUNC), 10);
    struct iovec part = {text, 4};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    CHECK_EQ(recvmsg(pair[0], &message, MSG_PEEK), 4);
    CHECK_EQ(message.msg_flags & MSG_TRUNC, MSG_TRUNC);
    part.iov_len = 20;
    CHECK_EQ(recvmsg(pair[0], &message, 0), 10);
    CHECK_EQ(message.msg_flags & MSG_TRUNC, 0);
    CHECK_EQ(message.msg_controllen, 0);
    CHECK_EQ(send(pair[1], "", 0, 0), 0);
    CHECK_EQ(recv(pair[0], text, 20, 0), 0);
    closed();
}

static void many_at_once(void)
{
    connected(SOCK_DGRAM);
    char in[4][8] = {""}, out[3][8] = {"one", "two", "three"};
    struct iovec parts_in[4], parts_out[3];
    struct mmsghdr received[4], sent[3];
    memset(received, 0, sizeof received);
    memset(sent, 0, sizeof sent);
    for (int i = 0; i < 4; i++) {
        parts_in[i] = (struct iovec){in[i], 8};
        received[i].msg_hdr.msg_iov = &parts_in[i];
        received[i].msg_hdr.msg_iovlen = 1;
        if (i == 3) break;
        parts_out[i] = (struct iovec){out[i], strlen(out[i])};
        sent[i].msg_hdr.msg_iov = &parts_out[i];
        sent[i].msg_hdr.msg_iovlen = 1;
    }
    CHECK_EQ(syscall(SYS_sendmmsg, pair[0], sent, 3, 0), 3);
    CHECK_EQ(sent[2].msg_len, 5);
    /* MSG_WAITFORONE: not more than there are. */
    CHECK_EQ(syscall(SYS_recvmmsg, pair[1], received, 4, 0x10000, NULL), 3);
    CHECK_STR(in[2], "three");
    CHECK_EQ(received[1].msg_len, 3);
    CHECK_ERROR(syscall(SYS_recvmmsg, pair[1], received, 4, MSG_DONTWAIT, NULL), EAGAIN);
    CHECK_EQ(syscall(SYS_recvmmsg, pair[1], received, 0, MSG_DONTWAIT, NULL), 0);
    CHECK_EQ(syscall(SYS_sendmmsg, pair[0], sent, 0, 0), 0);
    /* The time-out is looked at after each message. */
    struct timespec limit = {0, 1};
    CHECK_EQ(syscall(SYS_sendmmsg, pair[0], sent, 3, 0), 3);
    CHECK_EQ(syscall(SYS_recvmmsg, pair[1], received, 4, 0, &limit), 1);
    CHECK_EQ(limit.tv_nsec, 0);
    limit = (struct timespec){0, 2000000000};
    CHECK_ERROR(syscall(SYS_recvmmsg, pair[1], received, 4, 0, &limit), EINVAL);
    CHECK_ERROR(syscall(SYS_recvmmsg, pair[1], received, 4, 0, nowhere), EFAULT);
    CHECK_EQ(syscall(SYS_recvmmsg, pair[1], received, 4, MSG_DONTWAIT, NULL), 2);
    /* What goes wrong in the middle ends it there. */
    parts_out[1].iov_base = nowhere;
    CHECK_EQ(syscall(SYS_sendmmsg, pair[0], sent, 3, 0), 1);
    CHECK_ERROR(syscall(SYS_sendmmsg, pair[0], sent + 1, 2, 0), EFAULT);
    CHECK_ERROR(syscall(SYS_sendmmsg, pair[0], nowhere, 2, 0), EFAULT);
    CHECK_ERROR(syscall(SYS_recvmmsg, pair[1], nowhere, 2, MSG_DONTWAIT, NULL), EFAULT);
    CHECK_ERROR(syscall(SYS_sendmmsg, 9999, sent, 3, 0), EBADF);
    closed();
}

union control {
    struct cmsghdr header;
    char space[2048];
};

static void put(struct msghdr *message, union control *control, int type, const void *data, size_t size)
{
    memset(control, 0, sizeof *control);
    control->header.cmsg_level = SOL_SOCKET;
    control->header.cmsg_type = type;
    control->header.cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(&control->header), data, size);
    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(size);
}

static long send_with(int fd, int type, const void *data, size_t size)
{
    union control control;
    struct iovec part = {"c", 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    put(&message, &control, type, data, size);
    return syscall(SYS_sendmsg, fd, &message, MSG_NOSIGNAL);
}

/* The raw call: its number of bytes, with message and control as the kernel left them. */
static long receive(int fd, struct msghdr *message, union control *control, size_t room, int flags)
{
    static char byte;
    static struct iovec part = {&byte, 1};
    memset(control, 0, sizeof *control);
    memset(message, 0, sizeof *message);
    message->msg_iov = &part;
    message->msg_iovlen = 1;
    message->msg_control = room ? control : NULL;
    message->msg_controllen = room;
    return syscall(SYS_recvmsg, fd, message, flags);
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) != -1;
    return count;
}

static void descriptors(void)
{
    connected(SOCK_STREAM);
    struct msghdr message;
    union control control;
    int memory = memfd_create("passed", MFD_CLOEXEC), given[254];
    CHECK_EQ(write(memory, "content", 7), 7);
    CHECK_EQ(send_with(pair[0], SCM_RIGHTS, &memory, sizeof memory), 1);
    CHECK_EQ(receive(pair[1], &message, &control, sizeof control, MSG_CMSG_CLOEXEC), 1);
    CHECK_EQ(control.header.cmsg_len, CMSG_LEN(sizeof(int)));
    CHECK_EQ(message.msg_controllen, CMSG_SPACE(sizeof(int)));
    CHECK_EQ(message.msg_flags, MSG_CMSG_CLOEXEC);
    int received;
    memcpy(&received, CMSG_DATA(&control.header), sizeof received);
    CHECK_EQ(fcntl(received, F_GETFD), FD_CLOEXEC);
    char text[8] = "";
    CHECK_EQ(pread(received, text, 7, 0), 7);
    CHECK_STR(text, "content");
    close(received);
    /* More than 253 are refused; none is sent. */
    for (int i = 0; i < 254; i++) given[i] = memory;
    CHECK_ERROR(send_with(pair[0], SCM_RIGHTS, given, sizeof given), EINVAL);
    CHECK_EQ(send_with(pair[0], SCM_RIGHTS, given, 253 * sizeof(int)), 1);
    int before = open_descriptors();
    /* Room for some: those come, the others are closed. */
    CHECK_EQ(receive(pair[1], &message, &control, CMSG_LEN(10 * sizeof(int)), 0), 1);
    CHECK_EQ(message.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
    int count = (int)((control.header.cmsg_len - CMSG_LEN(0)) / sizeof(int));
    CHECK(count == 10);
    CHECK_EQ(open_descriptors(), before + count);
    for (int i = 0; i < count; i++) {
        memcpy(&received, CMSG_DATA(&control.header) + i * (int)sizeof(int), sizeof received);
        close(received);
    }
    /* No room at all. */
    CHECK_EQ(send_with(pair[0], SCM_RIGHTS, given, 3 * sizeof(int)), 1);
    CHECK_EQ(receive(pair[1], &message, &control, 0, 0), 1);
    CHECK_EQ(message.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
    CHECK_EQ(send_with(pair[0], SCM_RIGHTS, given, 3 * sizeof(int)), 1);
    CHECK_EQ(read(pair[1], text, 1), 1);
    CHECK_EQ(open_descriptors(), before);
    /* Room that is not there. */
    CHECK_EQ(send_with(pair[0], SCM_RIGHTS, given, 3 * sizeof(int)), 1);
    receive(pair[1], &message, &control, 0, MSG_DONTWAIT | MSG_PEEK);
    message.msg_control = NULL;
    message.msg_controllen = 100;
    CHECK_EQ(syscall(SYS_recvmsg, pair[1], &message, 0), 1);
    CHECK_EQ(message.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
    CHECK_EQ(open_descriptors(), before);
    CHECK_EQ(send_with(pair[0], SCM_RIGHTS, given, 3 * sizeof(int)), 1);
    message.msg_control = nowhere;
    message.msg_controllen = 100;
    CHECK_EQ(syscall(SYS_recvmsg, pair[1], &message, 0), 1);
    CHECK_EQ(message.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
    CHECK_EQ(open_descriptors(), before);
    /* A file that passes itself along, and one that nobody receives, go with the socket. */
    CHECK_EQ(send_with(pair[0], SCM_RIGHTS, &pair[1], sizeof(int)), 1);
    given[0] = 9999;
    CHECK_ERROR(send_with(pair[0], SCM_RIGHTS, given, sizeof(int)), EBADF);
    given[0] = -1;
    CHECK_ERROR(send_with(pair[0], SCM_RIGHTS, given, sizeof(int)), EBADF);
    struct iovec part = {"c", 1};
    struct msghdr bad = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = nowhere, .msg_controllen = 100};
    CHECK_ERROR(syscall(SYS_sendmsg, pair[0], &bad, 0), EFAULT);
    bad.msg_controllen = 0x7fffffff;
    CHECK_ERROR(syscall(SYS_sendmsg, pair[0], &bad, 0), ENOBUFS);
    put(&bad, &control, SCM_RIGHTS, &memory, sizeof memory);
    control.header.cmsg_len = 3;
    CHECK_ERROR(syscall(SYS_sendmsg, pair[0], &bad, 0), EINVAL);
    control.header.cmsg_len = 5000;
    CHECK_ERROR(syscall(SYS_sendmsg, pair[0], &bad, 0), EINVAL);
    put(&bad, &control, 77, &memory, sizeof memory);
    CHECK_ERROR(syscall(SYS_sendmsg, pair[0], &bad, 0), EINVAL);
    closed();
    close(memory);
}

/* The table is full: what does not fit is closed, and the flag says so. */
static void no_room_in_the_table(void)
{
    connected(SOCK_STREAM);
    struct msghdr message;
    union control control;
    int given[5] = {0, 0, 0, 0, 0};
    CHECK_EQ(send_with(pair[0], SCM_RIGHTS, given, sizeof given), 1);
    pid_t pid = fork();
    if (pid == 0) {
        check_failures = 0;
        struct { unsigned long soft, hard; } limit = {0, 0};
        CHECK_OK(syscall(SYS_prlimit64, 0, 7, NULL, &limit));
        limit.soft = (unsigned long)pair[1] + 3;
        CHECK_OK(syscall(SYS_prlimit64, 0, 7, &limit, NULL));
        CHECK_EQ(receive(pair[1], &message, &control, sizeof control, 0), 1);
        CHECK_EQ(message.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
        CHECK_EQ(control.header.cmsg_len, CMSG_LEN(2 * sizeof(int)));
        int more = dup(0);
        CHECK(more == -1 && errno == EMFILE);
        _exit(check_failures != 0);
    }
    CHECK_EQ(wait_for(pid), 0);
    closed();
}

static void credentials(void)
{
    connected(SOCK_STREAM);
    struct msghdr message;
    union control control;
    struct who own = {getpid(), getuid(), getgid()}, seen;
    int on = 1;
    CHECK_OK(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    pid_t pid = fork();
    if (pid == 0) {
        struct who mine = {getpid(), getuid(), getgid()};
        _exit(send_with(pair[0], 2, &mine, sizeof mine) == 1 ? 0 : 1);
    }
    CHECK_EQ(receive(pair[1], &message, &control, sizeof control, 0), 1);
    CHECK_EQ(control.header.cmsg_type, 2);
    memcpy(&seen, CMSG_DATA(&control.header), sizeof seen);
    CHECK_EQ(seen.pid, pid);
    CHECK_EQ(seen.uid, own.uid);
    CHECK_EQ(wait_for(pid), 0);
    own.pid = 0x3fffff;
    long result = send_with(pair[0], 2, &own, sizeof own);
    CHECK(result == -1 && (errno == EPERM || errno == ESRCH));
    CHECK_ERROR(send_with(pair[0], 2, &own, sizeof own - 1), EINVAL);
    closed();
}

static void pidfds(void)
{
    connected(SOCK_STREAM);
    struct msghdr message;
    union control control;
    int on = 1, fd = -1;
    socklen_t length = sizeof fd;
    int result = getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &fd, &length);
    if (result == -1 && errno == ENOPROTOOPT) return closed();
    CHECK_EQ(result, 0);
    CHECK_EQ(length, sizeof fd);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_OK(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    close(fd);
    CHECK_ERROR(getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, nowhere, &length), EFAULT);
    CHECK_OK(setsockopt(pair[1], SOL_SOCKET, SO_PASSPIDFD, &on, sizeof on));
    pid_t pid = fork();
    if (pid == 0) {
        REQUIRE(write(pair[0], "x", 1) == 1);
        pause();
    }
    CHECK_EQ(receive(pair[1], &message, &control, sizeof control, 0), 1);
    CHECK_EQ(control.header.cmsg_type, SCM_PIDFD);
    memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
    CHECK_OK(syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0));
    CHECK_EQ(wait_for(pid), SIGKILL);
    /* A pidfd is passed as any other descriptor. */
    on = 0;
    CHECK_OK(setsockopt(pair[1], SOL_SOCKET, SO_PASSPIDFD, &on, sizeof on));
    CHECK_EQ(send_with(pair[0], SCM_RIGHTS, &fd, sizeof fd), 1);
    close(fd);
    CHECK_EQ(receive(pair[1], &message, &control, sizeof control, 0), 1);
    memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
    CHECK_ERROR(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), ESRCH);
    close(fd);
    closed();
}

static void times_and_marks(void)
{
    connected(SOCK_DGRAM);
    struct msghdr message;
    union control control;
    int on = 1;
    CHECK_OK(setsockopt(pair[1], SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on));
    CHECK_EQ(send(pair[0], "x", 1, 0), 1);
    CHECK_EQ(receive(pair[1], &message, &control, sizeof control, 0), 1);
    CHECK_EQ(control.header.cmsg_type, SO_TIMESTAMPNS);
    struct timespec then, now;
    memcpy(&then, CMSG_DATA(&control.header), sizeof then);
    clock_gettime(CLOCK_REALTIME, &now);
    CHECK(then.tv_sec <= now.tv_sec && then.tv_sec >= now.tv_sec - 10);
    /* Too little room: a part of the header is none. */
    CHECK_EQ(send(pair[0], "x", 1, 0), 1);
    CHECK_EQ(receive(pair[1], &message, &control, 8, 0), 1);
    CHECK_EQ(message.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
    CHECK_EQ(message.msg_controllen, 0);
    closed();
}

static void headers(void)
{
    connected(SOCK_STREAM);
    struct iovec part = {"x", 1}, many[3] = {{"a", 1}, {"b", 1}, {"c", 1}};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    CHECK_ERROR(syscall(SYS_sendmsg, pair[0], nowhere, 0), EFAULT);
    CHECK_ERROR(syscall(SYS_recvmsg, pair[0], nowhere, MSG_DONTWAIT), EFAULT);
    message.msg_iovlen = 1025;
    CHECK_ERROR(syscall(SYS_sendmsg, pair[0], &message, 0), EMSGSIZE);
    message.msg_iovlen = 3;
    message.msg_iov = many;
    CHECK_EQ(syscall(SYS_sendmsg, pair[0], &message, 0), 3);
    message.msg_iov = nowhere;
    CHECK_ERROR(syscall(SYS_sendmsg, pair[0], &message, 0), EFAULT);
    message.msg_iov = many;
    many[1].iov_base = nowhere;
    CHECK_ERROR(syscall(SYS_sendmsg, pair[0], &message, 0), EFAULT);
    message.msg_iovlen = 0;
    CHECK_EQ(syscall(SYS_sendmsg, pair[0], &message, 0), 0);
    message.msg_name = nowhere;
    message.msg_namelen = 10;
    CHECK_ERROR(syscall(SYS_sendmsg, pair[0], &message, 0), EFAULT);
    message.msg_namelen = (socklen_t)-1;
    CHECK_ERROR(syscall(SYS_sendmsg, pair[0], &message, 0), EINVAL);
    char text[10];
    CHECK_EQ(recv(pair[1], text, sizeof text, 0), 3);
    CHECK_ERROR(syscall(SYS_sendmsg, 0, &message, 0), ENOTSOCK);
    closed();
}

static volatile int alarms;
static void count_alarm(int number) { (void)number; alarms++; }

/* Alarms come again and again: the first may come before the call that it is to interrupt. */
static void interrupted(void)
{
    connected(SOCK_STREAM);
    struct sigaction action = {.sa_handler = count_alarm};
    sigaction(SIGALRM, &action, NULL);
    struct msghdr message;
    union control control;
    ualarm(20000, 20000);
    CHECK_ERROR(receive(pair[0], &message, &control, sizeof control, 0), EINTR);
    char text[20];
    ualarm(20000, 20000);
    CHECK_ERROR(recvfrom(pair[0], text, sizeof text, 0, (struct sockaddr *)&control, &(socklen_t){20}), EINTR);
    ualarm(0, 0);
    CHECK(alarms >= 2);
    alarms = 0;
    /* A time-out ends it as if nothing were there; and restarts nothing. */
    struct timeval limit = {0, 20000};
    CHECK_OK(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    CHECK_ERROR(recv(pair[0], text, 1, 0), EAGAIN);
    limit.tv_usec = 500000;
    CHECK_OK(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, NULL);
    ualarm(20000, 20000);
    CHECK_ERROR(recv(pair[0], text, 1, 0), EINTR);
    ualarm(0, 0);
    CHECK(alarms > 0);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    CHECK_OK(bind(listener, (struct sockaddr *)&name, 2));
    CHECK_ERROR(accept(listener, NULL, NULL), EINVAL);
    CHECK_OK(listen(listener, 1));
    action.sa_flags = 0;
    sigaction(SIGALRM, &action, NULL);
    ualarm(20000, 20000);
    CHECK_ERROR(accept(listener, NULL, NULL), EINTR);
    ualarm(0, 0);
    CHECK_ERROR(syscall(SYS_accept4, listener, NULL, NULL, 0x1234), EINVAL);
    close(listener);
    closed();
}

static void counted(void)
{
    connected(SOCK_STREAM);
    int count = -1;
    CHECK_EQ(write(pair[0], "12345", 5), 5);
    CHECK_OK(ioctl(pair[1], FIONREAD, &count));
    CHECK_EQ(count, 5);
    CHECK_OK(ioctl(pair[0], TIOCOUTQ, &count));
    CHECK(count > 0);
    CHECK_ERROR(ioctl(pair[0], FIONREAD, nowhere), EFAULT);
    CHECK_ERROR(ioctl(pair[0], 0x12345678, &count), ENOTTY);
    closed();
}

int main(void)
{
    RUN(flags_of_streams);
    RUN(flags_of_packets);
    RUN(many_at_once);
    RUN(descriptors);
    RUN(no_room_in_the_table);
    RUN(credentials);
    RUN(pidfds);
    RUN(times_and_marks);
    RUN(headers);
    RUN(interrupted);
    RUN(counted);
    return finish();
}
