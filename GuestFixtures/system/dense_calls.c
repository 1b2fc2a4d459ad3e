/* Calls that follow each other densely, as a program makes them that lives in the kernel: what a kernel, or what stands for it, does to make
   them cheap must not show. Each section first makes it believe that more are to come. */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sched.h>

enum { MANY = 400 };

static int file;
static char *self;

static void *dense(void *ignored)
{
    (void)ignored;
    for (int i = 0; i < MANY; i++)
        if (lseek(file, i, SEEK_SET) < 0) CHECK(!"lseek fails");
    return NULL;
}

static void results(void)
{
    char path[512], data[3000], back[3000];
    snprintf(path, sizeof path, "%s", temporary("results"));
    dense(NULL);
    for (int i = 0; i < 150; i++) {
        int length = 1 + i * 19 % 2999;
        memset(data, 'a' + i % 26, sizeof data);
        int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
        CHECK(fd >= 0);
        CHECK_EQ(write(fd, data, length), length);
        struct stat status;
        CHECK_OK(fstat(fd, &status));
        CHECK_EQ(status.st_size, length);
        CHECK_EQ(lseek(fd, -1, SEEK_END), length - 1);
        CHECK_EQ(read(fd, back, sizeof back), 1);
        CHECK_EQ(read(fd, back, sizeof back), 0);
        CHECK_EQ(pread(fd, back, sizeof back, 0), length);
        CHECK(memcmp(data, back, length) == 0);
        struct iovec parts[2] = {{data, 10}, {data, 20}};
        CHECK_EQ(writev(fd, parts, 2), 30);
        CHECK_OK(stat(path, &status));
        CHECK_EQ(status.st_size, length + 30);
        int copy = dup(fd);
        CHECK(copy > fd);
        CHECK_OK(close(fd));
        CHECK_ERROR(close(fd), EBADF);
        CHECK_EQ(lseek(copy, 0, SEEK_CUR), length + 30);
        CHECK_OK(close(copy));
        CHECK_OK(access(path, R_OK));
    }
    CHECK_OK(unlink(path));
    CHECK_ERROR(access(path, R_OK), ENOENT);
}

static void memory(void)
{
    dense(NULL);
    for (int i = 0; i < 100; i++) {
        char *page = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(page != MAP_FAILED);
        page[PAGE] = 1;
        CHECK_OK(mprotect(page + PAGE, PAGE, PROT_READ));
        CHECK_ERROR(pread(file, page + PAGE, 5, 0), EFAULT);
        CHECK_EQ(pread(file, page, 5, 0), 5);
        CHECK_OK(munmap(page + PAGE, PAGE));
        CHECK_ERROR(pread(file, page + PAGE, 5, 0), EFAULT);
        CHECK_OK(munmap(page, 3 * PAGE));
        CHECK_ERROR(syscall(SYS_newfstatat, AT_FDCWD, 8, page, 0), EFAULT);
        CHECK_ERROR(syscall(SYS_newfstatat, AT_FDCWD, "/", 8, 0), EFAULT);
    }
}

static volatile sig_atomic_t caught;
static volatile pid_t catcher;

static void on_signal(int number)
{
    (void)number;
    caught++;
    catcher = (pid_t)syscall(SYS_gettid);
}

static void handle(int number, int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
    CHECK_OK(sigaction(number, &action, NULL));
}

static void *opens_later(void *path)
{
    /* By then the other thread waits in its open, whatever else the machine does. */
    WAIT_UNTIL(caught >= 4);
    int fd = open(path, O_WRONLY);
    CHECK(fd >= 0);
    return (void *)(long)fd;
}

static void waiting_for_the_other_end(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s", temporary("fifo"));
    CHECK_OK(mkfifo(path, 0600));
    handle(SIGALRM, 0);
    caught = 0;
    /* Again and again: the first may come before what it is to interrupt. */
    struct itimerval often = {{0, 50000}, {0, 50000}}, never = {0};
    dense(NULL);
    CHECK_OK(setitimer(ITIMER_REAL, &often, NULL));
    dense(NULL);
    CHECK_ERROR(open(path, O_RDONLY), EINTR);
    CHECK(caught > 0);
    handle(SIGALRM, SA_RESTART);
    pthread_t thread;
    dense(NULL);
    caught = 0;
    CHECK_EQ(pthread_create(&thread, NULL, opens_later, path), 0);
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    CHECK(caught >= 4);
    CHECK_OK(setitimer(ITIMER_REAL, &never, NULL));
    void *writer;
    pthread_join(thread, &writer);
    handle(SIGALRM, 0);
    dense(NULL);
    CHECK_OK(setitimer(ITIMER_REAL, &often, NULL));
    caught = 0;
    char byte;
    CHECK_ERROR(read(fd, &byte, 1), EINTR);
    CHECK(caught > 0);
    CHECK_OK(setitimer(ITIMER_REAL, &never, NULL));
    CHECK_EQ(write((int)(long)writer, "x", 1), 1);
    CHECK_EQ(read(fd, &byte, 1), 1);
    close(fd);
    close((int)(long)writer);
    unlink(path);
}

static void *signals_of_the_writer(void *ignored)
{
    (void)ignored;
    int ends[2];
    CHECK_OK(pipe(ends));
    close(ends[0]);
    for (int i = 0; i < 50; i++) {
        caught = 0;
        dense(NULL);
        CHECK_ERROR(write(ends[1], "x", 1), EPIPE);
        CHECK_EQ(caught, 1);
        CHECK_EQ(catcher, syscall(SYS_gettid));
    }
    close(ends[1]);
    return NULL;
}

static void a_broken_pipe(void)
{
    handle(SIGPIPE, SA_RESTART);
    signals_of_the_writer(NULL);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, signals_of_the_writer, NULL), 0);
    pthread_join(thread, NULL);
    signal(SIGPIPE, SIG_DFL);
}

static void a_file_too_large(void)
{
    struct rlimit limit = {1000, RLIM_INFINITY};
    handle(SIGXFSZ, SA_RESTART);
    CHECK_OK(setrlimit(RLIMIT_FSIZE, &limit));
    char data[600] = "";
    int fd = open(temporary("large"), O_CREAT | O_TRUNC | O_RDWR, 0600);
    caught = 0;
    dense(NULL);
    CHECK_EQ(write(fd, data, 600), 600);
    CHECK_EQ(write(fd, data, 600), 400);
    CHECK_EQ(caught, 0);
    CHECK_ERROR(write(fd, data, 600), EFBIG);
    CHECK_EQ(caught, 1);
    CHECK_ERROR(ftruncate(fd, 2000), EFBIG);
    CHECK_EQ(caught, 2);
    close(fd);
}

static void blocked_faults_stay_pending(void)
{
    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    sigaddset(&set, SIGBUS);
    CHECK_OK(sigprocmask(SIG_BLOCK, &set, NULL));
    for (int i = 0; i < 30; i++) {
        struct stat status;
        int number = i & 1 ? SIGSEGV : SIGBUS;
        dense(NULL);
        CHECK_OK(kill(getpid(), number));
        for (int j = 0; j < 50; j++) CHECK_OK(stat("/", &status));
        CHECK_OK(sigpending(&pending));
        CHECK_EQ(sigismember(&pending, number), 1);
        CHECK_EQ(sigtimedwait(&set, NULL, &(struct timespec){0, 0}), number);
        CHECK_ERROR(sigtimedwait(&set, NULL, &(struct timespec){0, 0}), EAGAIN);
    }
    CHECK_OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
}

static void children(void)
{
    for (int i = 0; i < 20; i++) {
        dense(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            dense(NULL);
            if (i & 1) _exit(getpid() == syscall(SYS_getpid) ? 7 : 1);
            execl(self, self, "again", NULL);
            _exit(1);
        }
        dense(NULL);
        CHECK_EQ(wait_for(pid), i & 1 ? 7 << 8 : 9 << 8);
    }
}

static int *shared_count;

static void *counts(void *argument)
{
    int log = (int)(long)argument;
    char line[16] = "0123456789abcde\n";
    struct stat status;
    for (int i = 0; i < 500; i++) {
        if (write(log, line, 16) != 16) CHECK(!"short write");
        if (fstat(log, &status) != 0 || status.st_size % 16 != 0) CHECK(!"torn");
        if (lseek(log, 0, SEEK_CUR) % 16 != 0) CHECK(!"torn");
        __atomic_add_fetch(shared_count, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void threads_at_once(void)
{
    int log = open(temporary("log"), O_CREAT | O_TRUNC | O_RDWR | O_APPEND, 0600);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) CHECK_EQ(pthread_create(&threads[i], NULL, counts, (void *)(long)log), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    struct stat status;
    CHECK_OK(fstat(log, &status));
    CHECK_EQ(status.st_size, 4 * 500 * 16);
    close(log);
}

static void *has_tables_of_its_own(void *ignored)
{
    (void)ignored;
    dense(NULL);
    CHECK_OK(unshare(CLONE_FILES | CLONE_FS));
    int other = dup(file);
    dense(NULL);
    CHECK_OK(chdir("/"));
    umask(0777);
    CHECK_OK(close(file));
    for (int i = 0; i < MANY; i++) CHECK_ERROR(lseek(file, 0, SEEK_SET), EBADF);
    CHECK_OK(close(other));
    return NULL;
}

static void what_threads_do_not_share(void)
{
    char before[512], after[512];
    umask(022);
    CHECK(getcwd(before, sizeof before) != NULL);
    pthread_t thread;
    dense(NULL);
    CHECK_EQ(pthread_create(&thread, NULL, has_tables_of_its_own, NULL), 0);
    dense(NULL);
    pthread_join(thread, NULL);
    dense(NULL);
    CHECK(getcwd(after, sizeof after) != NULL);
    CHECK_STR(after, before);
    CHECK_EQ(umask(022), 022);
}

static char secret[512];

static void *is_somebody_else(void *ignored)
{
    (void)ignored;
    dense(NULL);
    CHECK_OK(syscall(SYS_setresuid, -1, 65534, -1));
    for (int i = 0; i < MANY; i++) {
        CHECK_ERROR(open(secret, O_RDONLY), EACCES);
        CHECK_EQ(syscall(SYS_geteuid), 65534);
    }
    return NULL;
}

static void who_a_thread_is(void)
{
    if (geteuid() != 0) return;
    snprintf(secret, sizeof secret, "%s", temporary("secret"));
    write_file(secret, "x", 1);
    CHECK_OK(chmod(secret, 0600));
    pthread_t thread;
    dense(NULL);
    CHECK_EQ(syscall(SYS_geteuid), 0);
    CHECK_EQ(pthread_create(&thread, NULL, is_somebody_else, NULL), 0);
    for (int i = 0; i < MANY; i++) {
        int fd = open(secret, O_RDONLY);
        CHECK(fd >= 0);
        CHECK_OK(close(fd));
        CHECK_EQ(syscall(SYS_geteuid), 0);
    }
    pthread_join(thread, NULL);
}

static void *for_ever(void *ignored)
{
    for (;;) dense(ignored);
    return NULL;
}

static void ends_in_the_middle(void)
{
    pthread_t thread;
    for (int i = 0; i < 3; i++) pthread_create(&thread, NULL, for_ever, NULL);
    dense(NULL);
    usleep(3000);
    dense(NULL);
    _exit(23);
}

static void killed_in_the_middle(void)
{
    pthread_t thread;
    for (int i = 0; i < 3; i++) pthread_create(&thread, NULL, for_ever, NULL);
    for_ever(NULL);
}

static void the_end(void)
{
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(child_status(ends_in_the_middle), 23 << 8);
        pid_t pid = start_child(killed_in_the_middle);
        usleep(5000 + i * 1000);
        CHECK_OK(kill(pid, SIGKILL));
        CHECK_EQ(wait_for(pid), SIGKILL);
    }
}

int main(int count, char **arguments)
{
    self = arguments[0];
    if (count > 1) {
        file = open("/dev/zero", O_RDONLY);
        dense(NULL);
        return 9;
    }
    char path[512];
    snprintf(path, sizeof path, "%s", temporary("dense"));
    write_file(path, "0123456789", 10);
    file = open(path, O_RDWR);
    REQUIRE(file >= 0);
    shared_count = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    RUN(results);
    RUN(memory);
    RUN(waiting_for_the_other_end);
    RUN(a_broken_pipe);
    RUN(blocked_faults_stay_pending);
    RUN(children);
    RUN(threads_at_once);
    RUN(the_end);
    RUN(what_threads_do_not_share);
    RUN(who_a_thread_is);
    RUN(a_file_too_large);
    return finish();
}
