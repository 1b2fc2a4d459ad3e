/* The names of AF_UNIX sockets, as each side and each process sees them: whatever was bound, by whomever, is what the
 * others are told, and what they are told can be answered. */
#include "check.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define HEAD offsetof(struct sockaddr_un, sun_path)
/* Volatile, so that no compiler warns of it. */
static void *volatile nowhere = (void *)8;

/* Room for the NUL that the kernel adds behind 108 bytes. */
union name {
    struct sockaddr_un address;
    char bytes[130];
};

static socklen_t named(union name *name, const char *path)
{
    memset(name, 0, sizeof *name);
    name->address.sun_family = AF_UNIX;
    memcpy(name->address.sun_path, path, strnlen(path, 108));
    return (socklen_t)(HEAD + strnlen(path, 108));
}

static int bound(int type, const char *path)
{
    union name name;
    socklen_t length = named(&name, path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    CHECK_OK(bind(fd, (void *)&name, length));
    return fd;
}

static void is_named(union name *name, socklen_t length, const char *path)
{
    CHECK_EQ(length, HEAD + strlen(path) + 1);
    CHECK_STR(name->address.sun_path, path);
}

static void asked(long number, int fd, const char *path)
{
    union name name;
    socklen_t length = sizeof name;
    memset(&name, 0x55, sizeof name);
    CHECK_OK(syscall(number, fd, &name, &length));
    is_named(&name, length, path);
}

#define own(fd, path) asked(SYS_getsockname, fd, path)
#define other(fd, path) asked(SYS_getpeername, fd, path)

/* A client in another process binds before it connects; the server is told that name, and a datagram comes back by it. */
static void between_processes(void)
{
    char client_path[100], server_path[100];
    snprintf(client_path, sizeof client_path, "%s", temporary("client"));
    snprintf(server_path, sizeof server_path, "%s", temporary("server"));
    int server = bound(SOCK_STREAM, server_path);
    CHECK_OK(listen(server, 5));
    pid_t pid = fork();
    if (pid == 0) {
        check_failures = 0;
        int client = bound(SOCK_STREAM, client_path);
        union name name;
        socklen_t length = named(&name, server_path);
        CHECK_OK(connect(client, (void *)&name, length));
        own(client, client_path);
        other(client, server_path);
        char byte;
        CHECK_EQ(read(client, &byte, 1), 0);
        _exit(check_failures != 0);
    }
    union name name;
    socklen_t length = sizeof name;
    int accepted = accept(server, (void *)&name, &length);
    is_named(&name, length, client_path);
    other(accepted, client_path);
    own(accepted, server_path);
    close(accepted);
    CHECK_EQ(wait_for(pid), 0);
    close(server);
}

static void answered(int type)
{
    char asker_path[100];
    snprintf(asker_path, sizeof asker_path, "%s/asker-%d", temporary("."), type);
    const char *path = temporary(type == SOCK_DGRAM ? "datagrams" : "packets");
    int server = bound(type, path);
    if (type != SOCK_DGRAM) CHECK_OK(listen(server, 5));
    pid_t pid = fork();
    if (pid == 0) {
        check_failures = 0;
        int client = bound(type, asker_path);
        union name name;
        socklen_t length = named(&name, path);
        CHECK_OK(connect(client, (void *)&name, length));
        CHECK_EQ(send(client, "question", 8, 0), 8);
        char text[20] = "";
        CHECK_EQ(recv(client, text, sizeof text, 0), 6);
        CHECK_STR(text, "answer");
        _exit(check_failures != 0);
    }
    int from = type == SOCK_DGRAM ? server : accept(server, NULL, NULL);
    union name name;
    socklen_t length = sizeof name;
    char text[20] = "";
    CHECK_EQ(recvfrom(from, text, sizeof text, 0, (void *)&name, &length), 8);
    is_named(&name, length, asker_path);
    if (type == SOCK_DGRAM) {
        CHECK_OK(chdir("/"));
        CHECK_EQ(sendto(from, "answer", 6, 0, (void *)&name, length), 6);
    } else {
        other(from, asker_path);
        CHECK_EQ(send(from, "answer", 6, 0), 6);
        close(from);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_OK(unlink(asker_path));
    close(server);
}

static void by_datagrams(void) { answered(SOCK_DGRAM); }
static void by_packets(void) { answered(SOCK_SEQPACKET); }

/* Same last component, other directories, one descriptor after the other: each keeps its own name. */
static void alike(void)
{
    char paths[3][100], text[4];
    int receivers = bound(SOCK_DGRAM, temporary("receiver")), senders[3];
    for (int i = 0; i < 3; i++) {
        snprintf(paths[i], sizeof paths[i], "%s-%d", temporary("folder"), i);
        CHECK_OK(mkdir(paths[i], 0755));
        strcat(paths[i], "/same");
        pid_t pid = fork();
        if (pid == 0) {
            check_failures = 0;
            senders[i] = bound(SOCK_DGRAM, paths[i]);
            union name name;
            socklen_t length = named(&name, temporary("receiver"));
            CHECK_EQ(sendto(senders[i], "x", 1, 0, (void *)&name, length), 1);
            own(senders[i], paths[i]);
            _exit(check_failures != 0);
        }
        CHECK_EQ(wait_for(pid), 0);
    }
    for (int i = 0; i < 3; i++) {
        union name name;
        socklen_t length = sizeof name;
        CHECK_EQ(recvfrom(receivers, text, sizeof text, 0, (void *)&name, &length), 1);
        is_named(&name, length, paths[i]);
    }
    /* And in one process. */
    for (int i = 0; i < 3; i++) {
        CHECK_OK(unlink(paths[i]));
        senders[i] = bound(SOCK_DGRAM, paths[i]);
    }
    for (int i = 0; i < 3; i++) own(senders[i], paths[i]);
    for (int i = 0; i < 3; i++) close(senders[i]);
    close(receivers);
}

/* The name outlives the program that bound it. */
static void after_an_exec(void)
{
    int fd = bound(SOCK_STREAM, temporary("kept"));
    CHECK_OK(fcntl(fd, F_SETFD, 0));
    pid_t pid = fork();
    if (pid == 0) {
        char number[20];
        snprintf(number, sizeof number, "%d", fd);
        execl("/proc/self/exe", "names", "kept", number, temporary("kept"), NULL);
        _exit(99);
    }
    CHECK_EQ(wait_for(pid), 0);
    close(fd);
}

/* 108 bytes, and nothing behind them. */
static void as_long_as_can_be(void)
{
    char path[200];
    const char *folder = temporary("");
    CHECK_OK(chdir(folder));
    memset(path, 'n', sizeof path);
    path[108] = 0;
    int server = bound(SOCK_STREAM, path), client;
    CHECK_OK(listen(server, 1));
    own(server, path);
    struct stat status;
    CHECK_OK(stat(path, &status));
    CHECK(S_ISSOCK(status.st_mode));
    union name name;
    socklen_t length = named(&name, path);
    CHECK_EQ(length, HEAD + 108);
    client = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_OK(connect(client, (void *)&name, length));
    other(client, path);
    close(client);
    close(server);
    /* The same with directories before it. */
    size_t size = strlen(folder);
    REQUIRE(size < 100);
    memcpy(path, folder, size);
    memset(path + size, 'm', sizeof path - size);
    path[108] = 0;
    server = bound(SOCK_STREAM, path);
    CHECK_OK(listen(server, 1));
    own(server, path);
    length = named(&name, path);
    client = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_OK(connect(client, (void *)&name, length));
    other(client, path);
    close(client);
    client = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_ERROR(bind(client, (void *)&name, HEAD + 109), EINVAL);
    CHECK_ERROR(connect(client, (void *)&name, HEAD + 109), EINVAL);
    CHECK_ERROR(bind(client, (void *)&name, length), EADDRINUSE);
    /* What is bound once is not bound again. */
    named(&name, "second");
    CHECK_ERROR(bind(server, (void *)&name, HEAD + 6), EINVAL);
    close(client);
    close(server);
}

static void cut(void)
{
    char path[100];
    snprintf(path, sizeof path, "%s", temporary("cut"));
    int fd = bound(SOCK_DGRAM, path);
    union name name;
    memset(&name, 0x55, sizeof name);
    socklen_t length = 5;
    CHECK_OK(getsockname(fd, (void *)&name, &length));
    CHECK_EQ(length, HEAD + strlen(path) + 1);
    CHECK(memcmp(name.address.sun_path, path, 3) == 0);
    CHECK_EQ(name.address.sun_path[3], 0x55);
    length = 0;
    CHECK_OK(getsockname(fd, nowhere, &length));
    CHECK_EQ(length, HEAD + strlen(path) + 1);
    length = (socklen_t)-1;
    CHECK_ERROR(getsockname(fd, (void *)&name, &length), EINVAL);
    CHECK_ERROR(getsockname(fd, (void *)&name, nowhere), EFAULT);
    length = sizeof name;
    CHECK_ERROR(getsockname(fd, nowhere, &length), EFAULT);
    CHECK_ERROR(getpeername(fd, (void *)&name, &length), ENOTCONN);
    CHECK_ERROR(getsockname(0x7fff, (void *)&name, &length), EBADF);
    int file = open(path, O_PATH);
    CHECK_ERROR(getsockname(file, (void *)&name, &length), EBADF);
    close(file);
    file = open("/", O_RDONLY);
    CHECK_ERROR(getsockname(file, (void *)&name, &length), ENOTSOCK);
    close(file);
    close(fd);
}

static void without_a_path(void)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0), second = socket(AF_UNIX, SOCK_DGRAM, 0);
    union name name, seen;
    socklen_t length = sizeof seen;
    CHECK_OK(getsockname(fd, (void *)&seen, &length));
    CHECK_EQ(length, HEAD);
    /* The kernel finds a name: a zero and five digits. */
    named(&name, "");
    CHECK_OK(bind(fd, (void *)&name, HEAD));
    length = sizeof seen;
    CHECK_OK(getsockname(fd, (void *)&seen, &length));
    CHECK_EQ(length, HEAD + 6);
    CHECK_EQ(seen.address.sun_path[0], 0);
    CHECK_OK(connect(second, (void *)&seen, length));
    CHECK_EQ(send(second, "x", 1, 0), 1);
    close(second);
    /* Abstract, with zeroes in it, as long as it can be. */
    second = socket(AF_UNIX, SOCK_DGRAM, 0);
    memset(name.address.sun_path, 'a', 108);
    memset(name.address.sun_path, 0, 4);
    snprintf(name.address.sun_path + 4, 20, "%d", getpid());
    CHECK_OK(bind(second, (void *)&name, HEAD + 108));
    length = sizeof seen;
    CHECK_OK(getsockname(second, (void *)&seen, &length));
    CHECK_EQ(length, HEAD + 108);
    CHECK(memcmp(&seen, &name, length) == 0);
    CHECK_EQ(sendto(fd, "y", 1, 0, (void *)&name, HEAD + 108), 1);
    CHECK_ERROR(sendto(fd, "y", 1, 0, (void *)&name, HEAD + 107), ECONNREFUSED);
    /* A connection is taken back with AF_UNSPEC. */
    CHECK_OK(connect(fd, (void *)&name, HEAD + 108));
    name.address.sun_family = AF_UNSPEC;
    CHECK_OK(connect(fd, (void *)&name, sizeof name.address));
    CHECK_ERROR(send(fd, "z", 1, 0), ENOTCONN);
    name.address.sun_family = AF_INET;
    CHECK_ERROR(connect(fd, (void *)&name, sizeof name.address), EINVAL);
    CHECK_ERROR(bind(fd, (void *)&name, sizeof name.address), EINVAL);
    CHECK_ERROR(bind(fd, nowhere, 10), EFAULT);
    CHECK_ERROR(bind(fd, (void *)&name, 200), EINVAL);
    CHECK_ERROR(bind(fd, (void *)&name, -1), EINVAL);
    CHECK_ERROR(connect(fd, nowhere, 10), EFAULT);
    close(fd);
    close(second);
}

static void in_folders(void)
{
    union name name;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_OK(mkdir(temporary("sub"), 0755));
    CHECK_OK(symlink("sub", temporary("to-sub")));
    CHECK_OK(symlink("sub/end", temporary("to-end")));
    CHECK_OK(symlink("sub/nobody", temporary("to-nobody")));
    CHECK_OK(chdir(temporary("")));
    socklen_t length = named(&name, "missing/end");
    CHECK_ERROR(bind(fd, (void *)&name, length), ENOENT);
    length = named(&name, "to-nobody");
    CHECK_ERROR(bind(fd, (void *)&name, length), EADDRINUSE);
    CHECK_ERROR(connect(fd, (void *)&name, length), ENOENT);
    length = named(&name, "to-sub/./../sub/end");
    CHECK_OK(bind(fd, (void *)&name, length));
    own(fd, "to-sub/./../sub/end");
    CHECK_OK(listen(fd, 1));
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    length = named(&name, "to-end");
    CHECK_OK(connect(client, (void *)&name, length));
    other(client, "to-sub/./../sub/end");
    close(client);
    /* Renamed, it is the same socket with the same name. */
    CHECK_OK(rename("sub/end", "sub/moved"));
    client = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_ERROR(connect(client, (void *)&name, length), ENOENT);
    length = named(&name, "sub/moved");
    CHECK_OK(connect(client, (void *)&name, length));
    other(client, "to-sub/./../sub/end");
    close(client);
    client = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK_ERROR(connect(client, (void *)&name, length), EPROTOTYPE);
    length = named(&name, "sub");
    CHECK_ERROR(connect(client, (void *)&name, length), ECONNREFUSED);
    length = named(&name, "sub/moved/x");
    CHECK_ERROR(connect(client, (void *)&name, length), ENOTDIR);
    close(client);
    close(fd);
    umask(027);
    fd = bound(SOCK_STREAM, "masked");
    struct stat status;
    CHECK_OK(stat("masked", &status));
    CHECK_EQ(status.st_mode, S_IFSOCK | 0750);
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[1], "kept") == 0) {
        own(atoi(argv[2]), argv[3]);
        return check_failures != 0;
    }
    umask(022);
    RUN(between_processes);
    RUN(by_datagrams);
    RUN(by_packets);
    RUN(alike);
    RUN(after_an_exec);
    RUN(as_long_as_can_be);
    RUN(cut);
    RUN(without_a_path);
    RUN(in_folders);
    return finish();
}
