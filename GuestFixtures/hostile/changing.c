/* Another thread changes what a call has been given while the call looks at it: vectors, messages, structures. What arrives is what one of the
 * versions named; the addresses of things that are not the program's are never followed. */
#include <linux/openat2.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "check.h"

enum { ROUNDS = 4000, SIZE = 64 };

static char good[SIZE], received[SIZE * 4];
/* Natively nothing is there; under vmrun its own memory, or the edge of the guest's. */
static const uintptr_t foreign[] = {0x7f5555555000, 0x6dfffffff000, 0x6e0000000000, 0x6e8000002000, 0x7ffff7ff0000, 0xffff888000000000};
enum { FOREIGN = sizeof foreign / sizeof *foreign };

static _Atomic int stop;
static struct iovec vector[2];
static struct msghdr message;
static struct open_how how;
static char path[64];

static void *change(void *ignored UNUSED)
{
    for (unsigned i = 0; !stop; i++) {
        void *address = i % 2 ? (void *)foreign[i / 2 % FOREIGN] : good;
        ((volatile struct iovec *)vector)[0].iov_base = address;
        ((volatile struct iovec *)vector)[1].iov_len = i % 3 ? SIZE : (size_t)-1 - i;
        ((volatile struct msghdr *)&message)->msg_iov = i % 2 ? (void *)foreign[i / 2 % FOREIGN] : vector;
        ((volatile struct msghdr *)&message)->msg_iovlen = i % 5 ? 1 : (size_t)-1;
        ((volatile struct msghdr *)&message)->msg_control = i % 7 ? NULL : (void *)foreign[i % FOREIGN];
        ((volatile struct open_how *)&how)->flags = i % 2 ? O_RDONLY : O_RDONLY | O_NOFOLLOW;
        ((volatile char *)path)[0] = i % 2 ? '/' : '.';
    }
    return NULL;
}

static void under_change(void (*body)(void))
{
    stop = 0;
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, change, NULL) == 0);
    body();
    stop = 1;
    pthread_join(thread, NULL);
}

static void all_are_good(ssize_t count)
{
    for (ssize_t i = 0; i < count; i++)
        if (received[i] != 'g') {
            CHECK(!"a byte that nobody sent");
            return;
        }
}

static void make_message(void)
{
    vector[0] = vector[1] = (struct iovec){good, SIZE};
    message = (struct msghdr){.msg_iov = vector, .msg_iovlen = 1};
}

static void write_vectors(void)
{
    int ends[2];
    CHECK_OK(pipe2(ends, O_NONBLOCK));
    for (int i = 0; i < ROUNDS; i++) {
        ssize_t sent = writev(ends[1], vector, 2);
        CHECK(sent > 0 || errno == EFAULT || errno == EINVAL);
        if (sent > 0) {
            CHECK_EQ(read(ends[0], received, sizeof received), sent);
            all_are_good(sent);
        }
    }
    close(ends[0]);
    close(ends[1]);
}

static void vectors(void)
{
    make_message();
    under_change(write_vectors);
}

static void send_messages(void)
{
    int pair[2];
    CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair));
    for (int i = 0; i < ROUNDS; i++) {
        ssize_t sent = sendmsg(pair[0], &message, 0);
        CHECK(sent >= 0 || errno == EFAULT || errno == EINVAL || errno == EMSGSIZE);
        if (sent > 0) {
            CHECK_EQ(recv(pair[1], received, sizeof received, 0), sent);
            all_are_good(sent);
        }
    }
    close(pair[0]);
    close(pair[1]);
}

static void messages(void)
{
    make_message();
    under_change(send_messages);
}

static void receive_messages(void)
{
    int pair[2];
    char sent[SIZE];
    memset(sent, 'g', sizeof sent);
    CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair));
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(send(pair[0], sent, sizeof sent, 0), sizeof sent);
        ssize_t got = recvmsg(pair[1], &message, 0);
        CHECK(got >= 0 || errno == EFAULT || errno == EINVAL || errno == EMSGSIZE);
        while (recv(pair[1], received, sizeof received, 0) > 0) continue;
    }
    close(pair[0]);
    close(pair[1]);
}

static void received_messages(void)
{
    make_message();
    under_change(receive_messages);
    memset(good, 'g', sizeof good);
}

static void look_at_paths(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
        CHECK(fd >= 0 || errno == ENOENT || errno == ELOOP);
        if (fd >= 0) close(fd);
    }
}

static void paths(void)
{
    strcpy(path, "/dev/null");
    how = (struct open_how){.flags = O_RDONLY};
    under_change(look_at_paths);
}

int main(void)
{
    memset(good, 'g', sizeof good);
    RUN(vectors);
    RUN(messages);
    RUN(received_messages);
    RUN(paths);
    return finish();
}
