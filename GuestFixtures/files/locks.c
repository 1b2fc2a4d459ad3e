/* Locks of all three kinds, among threads of control that share nothing, something, or all. */
#include "check.h"
#include <sys/file.h>
#include <sys/stat.h>

#ifndef F_OFD_GETLK
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38
#endif
#define NOWHERE ((void *)8)

static struct flock range(int type, long start, long length)
{
    struct flock lock;
    memset(&lock, 0, sizeof lock);
    lock.l_type = (short)type;
    lock.l_whence = SEEK_SET;
    lock.l_start = start;
    lock.l_len = length;
    return lock;
}

static int new_file(void)
{
    int fd = open(temporary("locks"), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644);
    REQUIRE(fd >= 0);
    return fd;
}

/* A child that does something and says so by a byte on a pipe, then waits until it may go on. */
struct child {
    pid_t pid;
    int said, told;
};

static void say(int fd) { REQUIRE(write(fd, "x", 1) == 1); }

static int heard(int fd)
{
    char byte;
    return read(fd, &byte, 1) == 1;
}

static struct child start(void (*body)(int said, int told))
{
    int up[2], down[2];
    struct child child;
    REQUIRE(pipe2(up, O_CLOEXEC) == 0 && pipe2(down, O_CLOEXEC) == 0);
    child.pid = fork();
    REQUIRE(child.pid >= 0);
    if (child.pid == 0) {
        check_failures = 0;
        close(up[0]);
        close(down[1]);
        body(up[1], down[0]);
        _exit(check_failures != 0);
    }
    close(up[1]);
    close(down[0]);
    child.said = up[0];
    child.told = down[1];
    return child;
}

static void end(struct child child)
{
    close(child.told);
    CHECK_EQ(wait_for(child.pid), 0);
    close(child.said);
}

static void holds_the_middle(int said, int told)
{
    int fd = open(temporary("locks"), O_RDWR);
    struct flock lock = range(F_WRLCK, 10, 10);
    CHECK_OK(fcntl(fd, F_SETLK, &lock));
    say(said);
    heard(told);
}

static void of_processes(void)
{
    int fd = new_file();
    struct child child = start(holds_the_middle);
    heard(child.said);
    struct flock lock = range(F_RDLCK, 0, 0);
    CHECK_OK(fcntl(fd, F_GETLK, &lock));
    CHECK_EQ(lock.l_type, F_WRLCK);
    CHECK_EQ(lock.l_start, 10);
    CHECK_EQ(lock.l_len, 10);
    CHECK_EQ(lock.l_pid, child.pid);
    lock = range(F_RDLCK, 0, 10);
    CHECK_OK(fcntl(fd, F_SETLK, &lock));
    lock = range(F_RDLCK, 5, 6);
    CHECK_ERROR(fcntl(fd, F_SETLK, &lock), EAGAIN);
    lock = range(F_WRLCK, 20, 0);
    CHECK_OK(fcntl(fd, F_SETLK, &lock));
    /* The end of the process is the end of its locks. */
    end(child);
    lock = range(F_WRLCK, 0, 0);
    CHECK_OK(fcntl(fd, F_SETLKW, &lock));
    /* Any close of the file releases them all. */
    int other = open(temporary("locks"), O_RDONLY);
    close(other);
    child = start(holds_the_middle);
    CHECK(heard(child.said));
    end(child);
    close(fd);
}

static void waits_for_all(int said, int told)
{
    int fd = open(temporary("locks"), O_RDWR);
    struct flock lock = range(F_WRLCK, 0, 0);
    say(said);
    CHECK_OK(fcntl(fd, F_SETLKW, &lock));
    say(said);
    heard(told);
}

/* Returns when a process waits for a POSIX lock, as /proc/locks tells: "1: -> POSIX  ADVISORY  WRITE 42 fd:00:7 0 0". */
static void until_waiting(pid_t pid)
{
    char wanted[60], text[65536];
    snprintf(wanted, sizeof wanted, " WRITE %d ", pid);
    for (int tries = 0; tries < 3000; tries++, usleep(10000)) {
        int fd = open("/proc/locks", O_RDONLY);
        ssize_t length = 0, count;
        while (length < (ssize_t)sizeof text - 1 && (count = read(fd, text + length, sizeof text - 1 - (size_t)length)) > 0) length += count;
        close(fd);
        text[length] = 0;
        for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
            if (strstr(line, " -> ") != NULL && strstr(line, wanted) != NULL) return;
    }
    CHECK(!"nobody waits");
}

static void waited_for(void)
{
    int fd = new_file();
    struct flock lock = range(F_WRLCK, 100, 1);
    CHECK_OK(fcntl(fd, F_SETLK, &lock));
    struct child child = start(waits_for_all);
    heard(child.said);
    until_waiting(child.pid);
    lock.l_type = F_UNLCK;
    CHECK_OK(fcntl(fd, F_SETLK, &lock));
    CHECK(heard(child.said));
    end(child);
    close(fd);
}

static volatile int alarms;
static int told_by_alarm = -1;

static void count_alarm(int number)
{
    (void)number;
    alarms++;
    if (told_by_alarm >= 0) say(told_by_alarm);
}

/* Again and again: the first may come before the wait has begun. */
static void take_alarms(int flags)
{
    struct sigaction action = {.sa_handler = count_alarm, .sa_flags = flags};
    sigaction(SIGALRM, &action, NULL);
    alarms = 0;
    ualarm(30000, 30000);
}

static void take_no_alarms(void)
{
    ualarm(0, 0);
    CHECK(alarms > 0);
}

static void interrupted(void)
{
    int fd = new_file();
    struct child child = start(holds_the_middle);
    heard(child.said);
    take_alarms(0);
    struct flock lock = range(F_WRLCK, 0, 0);
    CHECK_ERROR(fcntl(fd, F_SETLKW, &lock), EINTR);
    take_no_alarms();
    take_alarms(0);
    lock = range(F_WRLCK, 0, 0);
    CHECK_ERROR(fcntl(fd, F_OFD_SETLKW, &lock), EINTR);
    take_no_alarms();
    end(child);
    CHECK_OK(flock(fd, LOCK_EX));
    int other = open(temporary("locks"), O_RDWR);
    take_alarms(0);
    CHECK_ERROR(flock(other, LOCK_SH), EINTR);
    take_no_alarms();
    /* With SA_RESTART the wait goes on, until the child has heard of three alarms. */
    int pipes[2];
    REQUIRE(pipe2(pipes, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 3; i++) heard(pipes[0]);
        _exit(flock(fd, LOCK_UN) != 0);
    }
    told_by_alarm = pipes[1];
    take_alarms(SA_RESTART);
    CHECK_OK(flock(other, LOCK_SH));
    take_no_alarms();
    told_by_alarm = -1;
    CHECK(alarms >= 3);
    CHECK_EQ(wait_for(pid), 0);
    close(pipes[0]);
    close(pipes[1]);
    close(other);
    close(fd);
}

static void locks_second_then_first(int said, int told)
{
    int fd = open(temporary("locks"), O_RDWR);
    struct flock lock = range(F_WRLCK, 1, 1);
    CHECK_OK(fcntl(fd, F_SETLK, &lock));
    say(said);
    heard(told);
    lock = range(F_WRLCK, 0, 1);
    CHECK_OK(fcntl(fd, F_SETLKW, &lock));
}

static void deadlock(void)
{
    int fd = new_file();
    struct flock lock = range(F_WRLCK, 0, 1);
    CHECK_OK(fcntl(fd, F_SETLK, &lock));
    struct child child = start(locks_second_then_first);
    heard(child.said);
    say(child.told);
    until_waiting(child.pid);
    lock = range(F_WRLCK, 1, 1);
    CHECK_ERROR(fcntl(fd, F_SETLKW, &lock), EDEADLK);
    lock = range(F_UNLCK, 0, 1);
    CHECK_OK(fcntl(fd, F_SETLK, &lock));
    end(child);
    close(fd);
}

static void of_open_files(void)
{
    int fd = new_file(), second = open(temporary("locks"), O_RDWR), copy = dup(fd);
    struct flock lock = range(F_WRLCK, 0, 10);
    CHECK_OK(fcntl(fd, F_OFD_SETLK, &lock));
    lock = range(F_WRLCK, 5, 1);
    CHECK_ERROR(fcntl(second, F_OFD_SETLK, &lock), EAGAIN);
    CHECK_OK(fcntl(copy, F_OFD_SETLK, &lock));
    CHECK_OK(fcntl(second, F_OFD_GETLK, &lock));
    CHECK_EQ(lock.l_type, F_WRLCK);
    CHECK_EQ(lock.l_pid, -1);
    /* A process's lock meets them too. */
    lock = range(F_RDLCK, 0, 1);
    CHECK_ERROR(fcntl(second, F_SETLK, &lock), EAGAIN);
    lock.l_pid = 1;
    CHECK_ERROR(fcntl(second, F_OFD_SETLK, &lock), EINVAL);
    close(fd);
    lock = range(F_WRLCK, 0, 10);
    CHECK_ERROR(fcntl(second, F_OFD_SETLK, &lock), EAGAIN);
    close(copy);
    CHECK_OK(fcntl(second, F_OFD_SETLK, &lock));
    /* A child has the parent's open files, and so its locks. */
    pid_t pid = fork();
    if (pid == 0) {
        check_failures = 0;
        int third = open(temporary("locks"), O_RDWR);
        CHECK_OK(fcntl(second, F_OFD_SETLK, &lock));
        CHECK_ERROR(fcntl(third, F_OFD_SETLK, &lock), EAGAIN);
        _exit(check_failures != 0);
    }
    CHECK_EQ(wait_for(pid), 0);
    close(second);
}

static void of_whole_files(void)
{
    int fd = new_file(), second = open(temporary("locks"), O_RDONLY);
    CHECK_OK(flock(fd, LOCK_SH));
    CHECK_OK(flock(second, LOCK_SH | LOCK_NB));
    CHECK_ERROR(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    CHECK_OK(flock(second, LOCK_UN));
    /* The try gave the shared one up. */
    CHECK_OK(flock(second, LOCK_EX | LOCK_NB));
    int copy = dup(second);
    close(second);
    CHECK_ERROR(flock(fd, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    CHECK_OK(flock(copy, LOCK_UN));
    CHECK_OK(flock(fd, LOCK_SH | LOCK_NB));
    CHECK_ERROR(flock(fd, 0), EINVAL);
    CHECK_ERROR(flock(fd, 77), EINVAL);
    CHECK_ERROR(flock(9999, LOCK_SH), EBADF);
    int object = open(temporary("locks"), O_PATH);
    CHECK_ERROR(flock(object, LOCK_SH), EBADF);
    close(object);
    close(copy);
    close(fd);
}

static void refused(void)
{
    int fd = new_file(), read_only = open(temporary("locks"), O_RDONLY), pipes[2];
    struct flock lock = range(F_WRLCK, 0, 1);
    CHECK_ERROR(fcntl(read_only, F_SETLK, &lock), EBADF);
    lock.l_type = 77;
    CHECK_ERROR(fcntl(fd, F_SETLK, &lock), EINVAL);
    lock = range(F_WRLCK, 0, 1);
    lock.l_whence = 7;
    CHECK_ERROR(fcntl(fd, F_SETLK, &lock), EINVAL);
    lock = range(F_WRLCK, -1, 1);
    CHECK_ERROR(fcntl(fd, F_SETLK, &lock), EINVAL);
    lock = range(F_WRLCK, 0x7fffffffffffffff, 10);
    CHECK_ERROR(fcntl(fd, F_SETLK, &lock), EOVERFLOW);
    lock = range(F_WRLCK, 10, -20);
    CHECK_ERROR(fcntl(fd, F_SETLK, &lock), EINVAL);
    lock = range(F_WRLCK, 10, -10);
    CHECK_OK(fcntl(fd, F_SETLK, &lock));
    CHECK_ERROR(syscall(SYS_fcntl, fd, F_SETLK, NOWHERE), EFAULT);
    CHECK_ERROR(syscall(SYS_fcntl, fd, F_GETLK, NOWHERE), EFAULT);
    CHECK_ERROR(syscall(SYS_fcntl, fd, F_OFD_GETLK, -1L), EFAULT);
    CHECK_OK(pipe(pipes));
    lock = range(F_RDLCK, 0, 1);
    CHECK_OK(fcntl(pipes[0], F_SETLK, &lock));
    close(fd);
    close(read_only);
}

static void kept_by_an_exec(void)
{
    int fd = new_file();
    CHECK_OK(fcntl(fd, F_SETFD, 0));
    struct flock lock = range(F_WRLCK, 0, 0);
    int up[2];
    CHECK_OK(pipe(up));
    pid_t pid = fork();
    if (pid == 0) {
        char number[20];
        snprintf(number, sizeof number, "%d", up[1]);
        close(up[0]);
        fcntl(fd, F_SETLK, &lock);
        execl("/proc/self/exe", "locks", "wait", number, NULL);
        _exit(99);
    }
    close(up[1]);
    CHECK(heard(up[0]));
    CHECK_OK(fcntl(fd, F_GETLK, &lock));
    CHECK_EQ(lock.l_type, F_WRLCK);
    CHECK_EQ(lock.l_pid, pid);
    kill(pid, SIGKILL);
    CHECK_EQ(wait_for(pid), SIGKILL);
    lock = range(F_WRLCK, 0, 0);
    CHECK_OK(fcntl(fd, F_SETLK, &lock));
    close(fd);
    close(up[0]);
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "wait") == 0) {
        say(atoi(argv[2]));
        pause();
    }
    RUN(of_processes);
    RUN(waited_for);
    RUN(interrupted);
    RUN(deadlock);
    RUN(of_open_files);
    RUN(of_whole_files);
    RUN(refused);
    RUN(kept_by_an_exec);
    return finish();
}
