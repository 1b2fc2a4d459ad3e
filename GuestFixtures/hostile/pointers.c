/* Makes the system calls of a plan, one a line, and says what each answered: `pointers PLAN`. Cases/hostile.py writes the plan from the table of
 * system calls and compares the answers with the native ones.
 *
 * A line of the plan is `@ NAME ADDRESS`, a name for an address, or `MODE LABEL NUMBER ARGUMENT{6}`. Modes: `.` made one after the other in one
 * process; `g` in one process for all that have the label's first part in common; `l` in a process each; `m` before it the hostile pages are laid out
 * anew; `f` the call may make a child. The grammar of arguments is at `resolve`. */
#include <linux/capability.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>

#include "check.h"

enum { MOST_LINES = 60000, MOST_NAMES = 64, POOL = 1 << 16, FIRST_FREE = 60, SLOT = 4096 };
#define RESERVE (9ul << 30)

struct line {
    char *mode, *label, *rest;
    size_t group; /* how many characters of the label are its first part */
};

/* What a line came to, where the process that made it cannot take it along. */
struct outcome {
    enum { NOT_MADE, BEGUN, ANSWERED } state;
    long result;
    int end; /* a wait status; -1 while it has not ended */
};

static struct line lines[MOST_LINES];
static long line_count;
static struct outcome *outcomes;

static struct {
    const char *name;
    uint64_t value;
} names[MOST_NAMES];
static int name_count;

static unsigned char *reserve, *page;
static _Alignas(16) unsigned char pool[POOL];
static size_t pool_used;
static int message_queue, semaphores, shared_memory;
static timer_t timer;

static void name(const char *text, uint64_t value)
{
    REQUIRE(name_count < MOST_NAMES);
    names[name_count].name = text;
    names[name_count++].value = value;
}

static uint64_t named(const char *text, size_t length)
{
    for (int i = 0; i < name_count; i++)
        if (strlen(names[i].name) == length && strncmp(names[i].name, text, length) == 0) return names[i].value;
    fprintf(stderr, "no name: %.*s\n", (int)length, text);
    _exit(1);
}

/* `page` with a hole behind it, `ro` that cannot be written, `none` that cannot be read, in the midst of a range where nothing is. */
static void lay_out(void)
{
    REQUIRE(mmap(reserve, RESERVE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == reserve);
    REQUIRE(mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0);
    REQUIRE(munmap(page + PAGE, PAGE) == 0);
    REQUIRE(mprotect(page + 2 * PAGE, PAGE, PROT_READ) == 0);
    REQUIRE(munmap(page + 4 * PAGE, PAGE) == 0);
}

static void *take(size_t size)
{
    size = (size + 15) & ~15ul;
    REQUIRE(pool_used + size <= POOL);
    void *piece = pool + pool_used;
    pool_used += size;
    return memset(piece, 0, size);
}

static void empty(int descriptor)
{
    char drained[SLOT];
    while (read(descriptor, drained, sizeof drained) > 0) continue;
}

/* A descriptor in the state in which the call looks at its pointers. */
static uint64_t ready_descriptor(const char *text, size_t length)
{
    int fd = (int)named(text, length);
    const char *which = text + strlen("fd.");
    if (strncmp(which, "file", 4) == 0 || strncmp(which, "dir", 3) == 0) lseek(fd, 0, SEEK_SET);
    if (strncmp(which, "pipew", 5) == 0) empty((int)named("fd.piper", 8));
    if (strncmp(which, "piper", 5) == 0) {
        empty(fd);
        REQUIRE(write((int)named("fd.pipew", 8), pool, SLOT) == SLOT);
    }
    if (strncmp(which, "mq", 2) == 0) {
        char message[64];
        while (mq_receive(fd, message, sizeof message, NULL) >= 0) continue;
        mq_send(fd, message, 1, 0);
    }
    if (strncmp(which, "listener", 8) == 0) {
        struct sockaddr_un address;
        socklen_t size = sizeof address;
        REQUIRE(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
        int caller = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        REQUIRE(connect(caller, (struct sockaddr *)&address, size) == 0);
        close(caller);
    }
    return (uint64_t)fd;
}

/* The number that an argument stands for:
 *
 *     1f          a number, hexadecimal            [A,B,...]   a structure of these words
 *     @NAME       an address by its name           'text'      a string
 *     ~NAME       what leads from there to 0       good        room for anything
 *     fd.NAME     a descriptor                     pid, child, timer, sem, msg, shm */
static uint64_t resolve(const char **at)
{
    const char *text = *at;
    if (*text == '[') {
        uint64_t words[32], *structure;
        int count = 0;
        do {
            (*at)++;
            REQUIRE(count < 32);
            words[count++] = resolve(at);
        } while (**at == ',');
        REQUIRE(*(*at)++ == ']');
        structure = take(SLOT / 8);
        return (uintptr_t)memcpy(structure, words, (size_t)count * 8);
    }
    if (*text == '\'') {
        const char *end = strchr(text + 1, '\'');
        *at = end + 1;
        return (uintptr_t)memcpy(take(SLOT / 8), text + 1, (size_t)(end - text - 1));
    }
    size_t length = strcspn(text, ",] \n");
    *at = text + length;
    if (*text == '@') return named(text + 1, length - 1);
    if (*text == '~') return -named(text + 1, length - 1);
    if (strncmp(text, "fd.", 3) == 0) return ready_descriptor(text, length);
    if (strncmp(text, "good", length) == 0) return (uintptr_t)take(SLOT);
    if (strncmp(text, "pid", length) == 0) return (uint64_t)getpid();
    if (strncmp(text, "sem", length) == 0) return (uint64_t)semaphores;
    if (strncmp(text, "shm", length) == 0) return (uint64_t)shared_memory;
    if (strncmp(text, "timer", length) == 0) return (uint64_t)(uintptr_t)timer;
    if (strncmp(text, "msg", length) == 0) {
        struct { long type; char text[64]; } message = {1, ""};
        while (msgrcv(message_queue, &message, sizeof message.text, 0, IPC_NOWAIT) >= 0) continue;
        REQUIRE(msgsnd(message_queue, &message, 8, IPC_NOWAIT) == 0);
        return (uint64_t)message_queue;
    }
    if (strncmp(text, "child", length) == 0) {
        pid_t child = fork();
        if (child == 0) _exit(0);
        siginfo_t ended;
        while (waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT) == -1 && errno == EINTR) continue;
        return (uint64_t)child;
    }
    char *end;
    uint64_t number = strtoull(text, &end, 16);
    REQUIRE(end == text + length);
    return number;
}

static void on_alarm(int signal UNUSED) {}

static void prepare_signals(void)
{
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    sigaction(SIGPIPE, &action, NULL);
}

/* What waits for ever ends with EINTR. Timers are no child's. */
static void begin(const struct line *line)
{
    /* A program that one alone executes takes its time. */
    struct itimerval often = {{0, 20000}, {strchr(line->mode, 'l') ? 10 : 0, 20000}};
    setitimer(ITIMER_REAL, &often, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    REQUIRE(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
}

static void make(long index)
{
    struct line *line = &lines[index];
    /* Nothing that an earlier call wrote there is taken for a request. */
    if (strchr(line->mode, 'm')) lay_out();
    else memset(page, 0, PAGE);
    const char *at = line->rest;
    pool_used = 0;
    uint64_t values[7];
    for (int i = 0; i < 7; i++) {
        while (*at == ' ') at++;
        values[i] = resolve(&at);
    }
    int may_fork = strchr(line->mode, 'f') != NULL;
    outcomes[index].state = BEGUN;
    errno = 0;
    long result = syscall((long)values[0], values[1], values[2], values[3], values[4], values[5], values[6]);
    if (may_fork && result == 0) _exit(0);
    outcomes[index].result = result == -1 ? -(long)errno : result;
    outcomes[index].state = ANSWERED;
    if (may_fork && result > 0) {
        while (waitpid((pid_t)result, NULL, __WALL) == -1 && errno == EINTR) continue;
    }
    syscall(SYS_close_range, FIRST_FREE, 1000, 0);
}

static long last_of_batch(long first)
{
    struct line *line = &lines[first];
    if (strchr(line->mode, 'l')) return first;
    long last = first;
    while (last + 1 < line_count && strcmp(lines[last + 1].mode, line->mode) == 0 &&
           (*line->mode == '.' || (lines[last + 1].group == line->group && strncmp(lines[last + 1].label, line->label, line->group) == 0)))
        last++;
    return last;
}

static void make_batch(long first, long last)
{
    begin(&lines[first]);
    for (long i = first; i <= last; i++) make(i);
    if (*lines[first].mode == '.') {
        /* Somebody looks at this process's memory from outside. */
        printf("check %d\n", getpid());
        fflush(stdout);
        char go;
        while (read(0, &go, 1) == -1 && errno == EINTR) continue;
    }
    _exit(0);
}

static void make_all(void)
{
    for (long first = 0; first < line_count;) {
        long last = last_of_batch(first);
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) make_batch(first, last);
        int status;
        alarm(60);
        while (waitpid(child, &status, 0) == -1) kill(child, SIGKILL);
        alarm(0);
        long next = first;
        while (next <= last && outcomes[next].state == ANSWERED) next++;
        if (next <= last) outcomes[next].end = status;
        else if (first == last) outcomes[last].end = status;
        first = next > last ? next : next + 1;
    }
}

/* Natively nothing must come of what root may do to a machine. */
static void give_up_rights(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct rights[2];
    REQUIRE(syscall(SYS_capget, &header, rights) == 0);
    static const int dangerous[] = {CAP_SYS_TIME, CAP_SYS_ADMIN, CAP_SYS_BOOT, CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_PTRACE, CAP_NET_ADMIN,
                                    CAP_MKNOD, CAP_SYS_RESOURCE, CAP_SYS_NICE, CAP_SYSLOG, CAP_SYS_TTY_CONFIG};
    for (unsigned i = 0; i < sizeof dangerous / sizeof *dangerous; i++) {
        unsigned bit = ~(1u << dangerous[i] % 32);
        rights[dangerous[i] / 32].effective &= bit;
        rights[dangerous[i] / 32].permitted &= bit;
        rights[dangerous[i] / 32].inheritable &= bit;
    }
    REQUIRE(syscall(SYS_capset, &header, rights) == 0);
}

static void make_descriptors(void)
{
    int pair[2];
    write_file(temporary("file"), "contents", 8);
    REQUIRE(symlink("target", temporary("link")) == 0);
    name("fd.file", (uint64_t)open(temporary("file"), O_RDWR));
    name("fd.file2", (uint64_t)open(temporary("file2"), O_RDWR | O_CREAT, 0600));
    REQUIRE(ftruncate((int)named("fd.file", 7), SLOT) == 0);
    name("fd.dir", (uint64_t)open("/", O_RDONLY | O_DIRECTORY));
    name("fd.zero", (uint64_t)open("/dev/zero", O_RDONLY));
    name("fd.tty", (uint64_t)open("/dev/ptmx", O_RDWR | O_NOCTTY));
    REQUIRE(pipe2(pair, O_NONBLOCK) == 0);
    name("fd.piper", (uint64_t)pair[0]);
    name("fd.pipew", (uint64_t)pair[1]);
    REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) == 0);
    REQUIRE(send(pair[1], "message", 7, 0) == 7);
    name("fd.dgram", (uint64_t)pair[0]);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    name("fd.stream", (uint64_t)pair[0]);
    name("fd.unbound", (uint64_t)socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_un own = {AF_UNIX, ""};
    snprintf(own.sun_path, sizeof own.sun_path, "%s", temporary("socket"));
    REQUIRE(bind(listener, (struct sockaddr *)&own, sizeof own) == 0 && listen(listener, 100) == 0);
    name("fd.listener", (uint64_t)listener);
    int udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof loopback;
    REQUIRE(bind(udp, (struct sockaddr *)&loopback, length) == 0);
    REQUIRE(getsockname(udp, (struct sockaddr *)&loopback, &length) == 0);
    REQUIRE(connect(udp, (struct sockaddr *)&loopback, length) == 0);
    name("fd.udp", (uint64_t)udp);
    name("fd.tcp", (uint64_t)socket(AF_INET, SOCK_STREAM, 0));
    int event = eventfd(1, EFD_NONBLOCK);
    name("fd.event", (uint64_t)event);
    struct epoll_event wanted = {.events = EPOLLIN};
    for (int i = 0; i < 2; i++) {
        int epoll = epoll_create1(0);
        REQUIRE(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &wanted) == 0);
        name(i ? "fd.epoll2" : "fd.epoll", (uint64_t)epoll);
    }
    name("fd.timer", (uint64_t)timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
    name("fd.inotify", (uint64_t)inotify_init1(IN_NONBLOCK));
    name("fd.self", (uint64_t)syscall(SYS_pidfd_open, getpid(), 0));
    struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 64};
    char queue[64];
    snprintf(queue, sizeof queue, "/vmrun-pointers-%d", getpid());
    name("fd.mq", (uint64_t)mq_open(queue, O_RDWR | O_CREAT | O_NONBLOCK, 0600, &attributes));
    mq_unlink(queue);
    message_queue = msgget(IPC_PRIVATE, 0600);
    semaphores = semget(IPC_PRIVATE, 1, 0600);
    shared_memory = shmget(IPC_PRIVATE, PAGE, 0600);
    for (int i = 0; i < name_count; i++)
        if (strncmp(names[i].name, "fd.", 3) == 0 && (int)names[i].value < 0) fprintf(stderr, "%s is missing: the calls on it say EBADF\n", names[i].name);
}

static void read_plan(const char *path)
{
    int fd = open(path, O_RDONLY);
    struct stat status;
    REQUIRE(fd >= 0 && fstat(fd, &status) == 0);
    char *text = mmap(NULL, (size_t)status.st_size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0), *word;
    REQUIRE(text != MAP_FAILED);
    close(fd);
    for (char *rest; (word = strtok_r(text, "\n", &rest)) != NULL; text = NULL) {
        char *mode = strtok_r(word, " ", &word), *label = strtok_r(word, " ", &word);
        if (*mode == '@') {
            name(label, strtoull(word, NULL, 16));
            continue;
        }
        REQUIRE(line_count < MOST_LINES);
        lines[line_count++] = (struct line){mode, label, word, strcspn(label, "/")};
    }
}

static void report(void)
{
    for (long i = 0; i < line_count; i++) {
        struct outcome *outcome = &outcomes[i];
        printf("%s ", lines[i].label);
        if (outcome->state == ANSWERED) printf(outcome->result < 0 ? "errno %ld" : "ok", -outcome->result);
        else printf(outcome->state == BEGUN ? "no answer" : "not made");
        if (outcome->end != -1) {
            if (WIFSIGNALED(outcome->end)) printf(", signal %d", WTERMSIG(outcome->end));
            else printf(", status %d", WEXITSTATUS(outcome->end));
        }
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    /* The program that execve(2) is tried with does nothing. */
    if (argc != 2 || strcmp(argv[0], "/bin/pointers") != 0) return 0;
    char go;
    printf("ready\n");
    fflush(stdout);
    REQUIRE(read(0, &go, 1) == 1);
    outcomes = mmap(NULL, MOST_LINES * sizeof *outcomes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    reserve = mmap(NULL, RESERVE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(outcomes != MAP_FAILED && reserve != MAP_FAILED);
    for (long i = 0; i < MOST_LINES; i++) outcomes[i].end = -1;
    page = reserve + (1 << 20);
    lay_out();
    name("page", (uintptr_t)page);
    name("edge", (uintptr_t)page + PAGE - 4);
    name("hole", (uintptr_t)page + PAGE);
    name("ro", (uintptr_t)page + 2 * PAGE);
    name("none", (uintptr_t)page + 3 * PAGE);
    give_up_rights();
    make_descriptors();
    read_plan(argv[1]);
    prepare_signals();
    make_all();
    report();
    msgctl(message_queue, IPC_RMID, NULL);
    semctl(semaphores, 0, IPC_RMID);
    shmctl(shared_memory, IPC_RMID, NULL);
    return finish();
}
