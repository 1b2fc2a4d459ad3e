/* The end of a pipe or a socket comes when its last writer anywhere is gone, whichever process that is in. */
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

extern char **environ;

/* 0 at the end, 1 while there is none, 2 with data. */
static int state(int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    poll(&poller, 1, 0);
    if (poller.revents & POLLIN) return 2;
    return poller.revents & POLLHUP ? 0 : 1;
}

static void reads_the_end(int fd)
{
    char byte;
    CHECK_EQ(read(fd, &byte, 1), 0);
    close(fd);
}

static void nap(void)
{
    usleep(20000);
}

static int gate[2];

/* Until the parent opens the gate: a byte for each. */
static void wait_at_the_gate(void)
{
    char byte;
    (void)!read(gate[0], &byte, 1);
}

static void open_the_gate(void)
{
    CHECK_EQ(write(gate[1], "x", 1), 1);
}

static void children(void)
{
    int pipes[2];
    pid_t pids[5];
    CHECK_OK(pipe(pipes));
    CHECK_OK(pipe(gate));
    for (int i = 0; i < 5; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            close(pipes[0]);
            wait_at_the_gate();
            /* By close, by exit, by a signal, by exec, by a child that lives on for a while. */
            switch (i) {
            case 0: close(pipes[1]); wait_at_the_gate(); break;
            case 1: break;
            case 2: kill(getpid(), SIGKILL); break;
            case 3: execl("/bin/true", "true", NULL); break;
            case 4:
                if (fork() == 0) {
                    wait_at_the_gate();
                    _exit(0);
                }
            }
            _exit(0);
        }
    }
    close(pipes[1]);
    /* One byte lets one of them go, whichever; two of them want two. */
    for (int i = 0; i < 6; i++) {
        CHECK_EQ(state(pipes[0]), 1);
        open_the_gate();
        nap();
    }
    open_the_gate();
    for (int i = 0; i < 5; i++) wait_for(pids[i]);
    reads_the_end(pipes[0]);
    close(gate[0]);
    close(gate[1]);
}

/* A program that inherits the end keeps it; one that does not, because of close-on-exec, does not. */
static void programs(void)
{
    for (int inherited = 0; inherited < 2; inherited++) {
        int pipes[2];
        char *arguments[] = {"sh", "-c", "sleep 0.3", NULL};
        pid_t pid;
        CHECK_OK(pipe2(pipes, inherited ? 0 : O_CLOEXEC));
        CHECK_EQ(posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environ), 0);
        close(pipes[1]);
        if (inherited) {
            CHECK_EQ(state(pipes[0]), 1);
            reads_the_end(pipes[0]);
            CHECK_EQ(wait_for(pid), 0);
        } else {
            reads_the_end(pipes[0]);
            CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
            CHECK_EQ(wait_for(pid), 0);
        }
    }
}

/* vfork copies the table: what the child closes the parent still has. */
static void a_vfork_child(void)
{
    int pipes[2];
    CHECK_OK(pipe(pipes));
    pid_t pid = vfork();
    if (pid == 0) {
        close(pipes[1]);
        _exit(state(pipes[0]) == 1 ? 0 : 1);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(state(pipes[0]), 1);
    close(pipes[1]);
    reads_the_end(pipes[0]);
}

static void *hold(void *argument)
{
    char byte;
    (void)!read(*(int *)argument, &byte, 1);
    return NULL;
}

/* Threads share one table; a fork from among them copies it once. */
static void threads(void)
{
    int pipes[2], holds[2];
    pthread_t thread;
    CHECK_OK(pipe(pipes));
    CHECK_OK(pipe(holds));
    pthread_create(&thread, NULL, hold, &holds[0]);
    pid_t pid = fork();
    if (pid == 0) {
        close(pipes[0]);
        close(holds[1]);
        nap();
        nap();
        _exit(0);
    }
    close(pipes[1]);
    CHECK_EQ(state(pipes[0]), 1);
    reads_the_end(pipes[0]);
    CHECK_EQ(wait_for(pid), 0);
    close(holds[1]);
    pthread_join(thread, NULL);
    close(holds[0]);
}

/* On its way in a socket a descriptor is open, too. */
static void in_a_message(void)
{
    int pipes[2], sockets[2];
    CHECK_OK(pipe(pipes));
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
    char byte = 'x', control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &pipes[1], sizeof(int));
    CHECK_EQ(sendmsg(sockets[0], &message, 0), 1);
    close(pipes[1]);
    CHECK_EQ(state(pipes[0]), 1);
    pid_t pid = fork();
    if (pid == 0) {
        memset(control, 0, sizeof control);
        message.msg_controllen = sizeof control;
        _exit(recvmsg(sockets[1], &message, 0) == 1 ? 0 : 1);
    }
    /* Received by a process that has ended with it. */
    CHECK_EQ(wait_for(pid), 0);
    reads_the_end(pipes[0]);
    close(sockets[0]);
    close(sockets[1]);
}

static void sockets(void)
{
    int pair[2];
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        CHECK_EQ(write(pair[1], "ab", 2), 2);
        nap();
        _exit(0);
    }
    close(pair[1]);
    char bytes[3];
    CHECK_EQ(read(pair[0], bytes, 3), 2);
    reads_the_end(pair[0]);
    CHECK_EQ(wait_for(pid), 0);
}

/* And the other way: with the last reader gone a write fails. */
static void the_last_reader(void)
{
    int pipes[2];
    signal(SIGPIPE, SIG_IGN);
    CHECK_OK(pipe(pipes));
    CHECK_OK(pipe(gate));
    pid_t pid = fork();
    if (pid == 0) {
        wait_at_the_gate();
        _exit(0);
    }
    close(pipes[0]);
    CHECK_EQ(write(pipes[1], "x", 1), 1);
    open_the_gate();
    CHECK_EQ(wait_for(pid), 0);
    CHECK_ERROR(write(pipes[1], "x", 1), EPIPE);
    close(pipes[1]);
    close(gate[0]);
    close(gate[1]);
}

static void a_pipeline(void)
{
    char text[100] = "";
    FILE *pipeline = popen("echo one two three | tr ' ' '\\n' | sort | tr '\\n' ' '", "r");
    CHECK(fgets(text, sizeof text, pipeline) != NULL);
    CHECK_STR(text, "one three two ");
    CHECK_EQ(pclose(pipeline), 0);
}

int main(void)
{
    RUN(children);
    RUN(programs);
    RUN(a_vfork_child);
    RUN(threads);
    RUN(in_a_message);
    RUN(sockets);
    RUN(the_last_reader);
    RUN(a_pipeline);
    return finish();
}
