// Asks the host for one thing after the other and says which failed, with what errno: for Tests/Tools/faults.py, whose vmrun meets a host
// that fails. Arguments are the things to ask for. Ends with 0 where everything was had, with 1 where not.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static int failed;
static char *self;

static long had(const char *what, long result)
{
    if (result < 0) {
        printf("%s: %d\n", what, errno);
        failed = 1;
    }
    return result;
}

static void expect(const char *what, int condition)
{
    if (!condition) {
        printf("%s: wrong\n", what);
        failed = 1;
    }
}

static void reap(const char *what, pid_t child, int wanted)
{
    int status = -1;
    if (had(what, waitpid(child, &status, 0)) < 0)
        return;
    if (WIFEXITED(status) && WEXITSTATUS(status) == wanted)
        return;
    printf("%s: child %s %d\n", what, WIFSIGNALED(status) ? "signal" : "status",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    failed = 1;
}

static void nothing(void)
{
}

static void forks(void)
{
    for (int round = 0; round < 2; round++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0)
            _exit(7);
        if (had("fork", child) > 0)
            reap("fork", child, 7);
    }
}

static void executes(void)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        execl(self, self, "nothing", (char *)NULL);
        _exit(100 + (errno & 63));
    }
    if (had("fork", child) > 0)
        reap("exec", child, 0);
}

static void replaces(void)
{
    fflush(stdout);
    execl(self, self, "nothing", (char *)NULL);
    had("exec", -1);
}

static void spawns(void)
{
    char *arguments[] = {self, "nothing", NULL};
    fflush(stdout);
    pid_t child = -1;
    errno = posix_spawn(&child, self, NULL, NULL, arguments, environ);
    if (had("spawn", errno ? -1 : 0) == 0)
        reap("spawn", child, 0);
    errno = posix_spawn(&child, "/nonexistent", NULL, NULL, arguments, environ);
    if (errno != ENOENT)
        had("spawn of nothing", -1);
}

static void vforks(void)
{
    fflush(stdout);
    pid_t child = vfork();
    if (child == 0)
        _exit(7);
    if (had("vfork", child) > 0)
        reap("vfork", child, 7);
}

static void *thread_body(void *argument)
{
    return (char *)argument + 1;
}

static void makes_threads(void)
{
    pthread_t threads[3];
    int made = 0;
    for (; made < 3; made++) {
        errno = pthread_create(&threads[made], NULL, thread_body, (void *)1);
        if (had("thread", errno ? -1 : 0) < 0)
            break;
    }
    while (made-- > 0) {
        void *result = NULL;
        errno = pthread_join(threads[made], &result);
        if (had("join", errno ? -1 : 0) == 0)
            expect("join", result == (void *)2);
    }
}

static void forks_beside_threads(void)
{
    makes_threads();
    forks();
    spawns();
}

static void has_memory(void)
{
    size_t size = 4 << 20;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (had("mmap", memory == MAP_FAILED ? -1 : 0) == 0) {
        memset(memory, 1, size);
        had("mprotect", mprotect(memory + 4096, 4096, PROT_READ));
        had("madvise", madvise(memory + 8192, 4096, MADV_DONTNEED));
        had("munmap", munmap(memory + 16384, 4096));
        char *grown = mremap(memory + 65536, 65536, 8 << 20, MREMAP_MAYMOVE);
        if (had("mremap", grown == MAP_FAILED ? -1 : 0) == 0) {
            expect("mremap", grown[65535] == 1);
            had("munmap", munmap(grown, 8 << 20));
        }
        had("munmap", munmap(memory, size));
    }
    char *before = (char *)syscall(SYS_brk, 0);
    if ((char *)syscall(SYS_brk, before + (1 << 20)) == before + (1 << 20)) {
        before[(1 << 20) - 1] = 1;
        syscall(SYS_brk, before);
    } else {
        // The call has no errno of its own.
        errno = ENOMEM;
        had("brk", -1);
    }
    int file = memfd_create("file", 0);
    if (had("memfd", file) >= 0) {
        had("ftruncate", ftruncate(file, 8192));
        char *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (had("mmap of a file", shared == MAP_FAILED ? -1 : 0) == 0) {
            shared[5000] = 1;
            had("msync", msync(shared, 8192, MS_SYNC));
        }
        close(file);
    }
}

static void reads(const char *path)
{
    char text[4096];
    int file = open(path, O_RDONLY);
    if (had(path, file) < 0)
        return;
    had(path, read(file, text, sizeof text));
    close(file);
}

static void uses_files(void)
{
    char text[4096];
    struct stat status;
    reads("/proc/self/status");
    reads("/proc/self/maps");
    reads("/proc/meminfo");
    reads("/dev/null");
    DIR *directory = opendir("/proc/self");
    if (had("opendir", directory ? 0 : -1) == 0) {
        for (errno = 0; readdir(directory);)
            ;
        had("readdir", errno ? -1 : 0);
        closedir(directory);
    }
    had("readlink", readlink("/proc/self/exe", text, sizeof text));
    had("stat", stat("/proc/self/fd/1", &status));
    had("chdir", chdir("/proc"));
    had("getcwd", getcwd(text, sizeof text) ? 0 : -1);
    had("chdir", chdir("/"));
    const char *folder = getenv("TMPDIR");
    if (had("folder", folder ? chdir(folder) : -1) < 0)
        return;
    int file = open("file", O_CREAT | O_RDWR | O_TRUNC, 0600);
    if (had("create", file) >= 0) {
        had("write", write(file, "x", 1));
        close(file);
        if (had("rename", rename("file", "other")) == 0 && had("symlink", symlink("other", "link")) == 0) {
            had("open by a link", file = open("link", O_RDONLY));
            close(file);
            int watch = inotify_init1(0);
            if (had("inotify", watch) >= 0) {
                had("watch", inotify_add_watch(watch, "link", IN_OPEN));
                close(watch);
            }
        }
        unlink("link");
        unlink("other");
        unlink("file");
    }
}

static volatile sig_atomic_t signals;
static sigjmp_buf escape;

static void handler(int number)
{
    signals++;
    if (number == SIGSEGV)
        siglongjmp(escape, 1);
}

static void has_signals(void)
{
    struct sigaction action = {.sa_handler = handler};
    had("sigaction", sigaction(SIGUSR1, &action, NULL));
    had("sigaction", sigaction(SIGSEGV, &action, NULL));
    had("raise", raise(SIGUSR1) ? -1 : 0);
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &before);
    raise(SIGUSR1);
    if (sigsuspend(&before) != -1 || errno != EINTR)
        had("sigsuspend", -1);
    if (!sigsetjmp(escape, 1))
        *(volatile char *)16 = 1;
    expect("handlers", signals == 3);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        // Whatever becomes of its parent.
        alarm(3);
        pause();
        _exit(0);
    }
    if (had("fork", child) > 0) {
        had("kill", kill(child, SIGKILL));
        int status;
        had("wait", waitpid(child, &status, 0));
    }
}

static void uses_sockets(void)
{
    int pair[2];
    if (had("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) < 0)
        return;
    char byte = 'x', control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(header), &pair[0], sizeof(int));
    if (had("sendmsg", sendmsg(pair[0], &message, 0)) >= 0) {
        struct pollfd wait = {.fd = pair[1], .events = POLLIN};
        had("poll", poll(&wait, 1, 2000));
        if (had("recvmsg", recvmsg(pair[1], &message, MSG_DONTWAIT)) >= 0 && CMSG_FIRSTHDR(&message)) {
            int received;
            memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof received);
            close(received);
        }
    }
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s/socket", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (had("socket", listener) >= 0) {
        if (had("bind", bind(listener, (struct sockaddr *)&name, sizeof name)) == 0 && had("listen", listen(listener, 1)) == 0) {
            int client = socket(AF_UNIX, SOCK_STREAM, 0);
            had("connect", connect(client, (struct sockaddr *)&name, sizeof name));
            close(client);
        }
        unlink(name.sun_path);
        close(listener);
    }
    close(pair[0]);
    close(pair[1]);
}

static const struct {
    const char *name;
    void (*function)(void);
} things[] = {
    {"nothing", nothing}, {"fork", forks}, {"exec", executes}, {"replace", replaces}, {"spawn", spawns}, {"vfork", vforks},
    {"threads", makes_threads}, {"threads-and-forks", forks_beside_threads}, {"memory", has_memory}, {"files", uses_files},
    {"signals", has_signals}, {"sockets", uses_sockets},
};

int main(int count, char **arguments)
{
    self = arguments[0];
    for (int index = 1; index < count; index++)
        for (unsigned thing = 0; thing < sizeof things / sizeof *things; thing++)
            if (!strcmp(arguments[index], things[thing].name))
                things[thing].function();
    return failed;
}
