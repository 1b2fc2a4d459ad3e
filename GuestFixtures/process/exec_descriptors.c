/* Open files over exec: the same numbers, offsets and flags, none more; record locks too; also where nothing may be written. */
#include "check.h"
#include <dirent.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char self[PATH_MAX];

/* How many descriptors this process has above the three usual ones. */
static int count_open(void)
{
    DIR *directory = opendir("/proc/self/fd");
    REQUIRE(directory != NULL);
    int count = 0;
    struct dirent *entry;
    while ((entry = readdir(directory)))
        if (entry->d_name[0] != '.' && atoi(entry->d_name) > 2 && atoi(entry->d_name) != dirfd(directory)) count++;
    closedir(directory);
    return count;
}

/* Every third is closed on exec; the offset tells which is which. The highest gets a number far up. */
enum { FIRST = 10, FAR = 1900 };

static int number_of(int index, int count)
{
    return index == count - 1 && count > 1 ? FAR : FIRST + index;
}

static void open_many(int count)
{
    struct rlimit limit = {2048, 2048};
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 2048) limit.rlim_cur = 2048;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (int i = 0; i < count; i++) {
        int fd = open(self, i % 2 ? O_RDONLY | O_APPEND : O_RDONLY | O_NONBLOCK);
        REQUIRE(fd >= 0);
        REQUIRE(lseek(fd, 3 * i + 1, SEEK_SET) == 3 * i + 1);
        int number = number_of(i, count);
        if (fd != number) {
            REQUIRE(dup2(fd, number) == number);
            close(fd);
        }
        if (i % 3 == 2) REQUIRE(fcntl(number, F_SETFD, FD_CLOEXEC) == 0);
    }
}

static int inspect(int count)
{
    int kept = 0;
    for (int i = 0; i < count; i++) {
        int number = number_of(i, count);
        if (i % 3 == 2) {
            CHECK_ERROR(fcntl(number, F_GETFD), EBADF);
            continue;
        }
        kept++;
        CHECK_EQ(fcntl(number, F_GETFD), 0);
        CHECK_EQ(lseek(number, 0, SEEK_CUR), 3 * i + 1);
        CHECK_EQ(fcntl(number, F_GETFL) & (O_APPEND | O_NONBLOCK), i % 2 ? O_APPEND : O_NONBLOCK);
    }
    CHECK_EQ(count_open(), kept);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    CHECK(limit.rlim_cur >= 2048);
    return finish();
}

static void hand_over(int count)
{
    pid_t pid = fork();
    if (pid == 0) {
        open_many(count);
        char text[20];
        snprintf(text, sizeof text, "%d", count);
        execl(self, "x", "inspect", text, NULL);
        _exit(120);
    }
    CHECK_EQ(wait_for(pid), 0);
}

static void any_number_of_descriptors(void)
{
    static const int counts[] = {0, 1, 119, 120, 121, 240, 241, 1000};
    for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++) hand_over(counts[i]);
}

/* A vfork child's descriptors are its own, and so are those of the program that it becomes. */
static void from_a_vfork_child(void)
{
    int kept = open("/dev/null", O_RDONLY | O_CLOEXEC), gone = open("/dev/null", O_RDONLY);
    pid_t pid = vfork();
    if (pid == 0) {
        dup2(kept, 40);
        close(gone);
        execl(self, "x", "vforked", NULL);
        _exit(120);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_ERROR(fcntl(40, F_GETFD), EBADF);
    CHECK_OK(fcntl(gone, F_GETFD));
    close(kept);
    close(gone);
}

static int vforked(void)
{
    CHECK_OK(fcntl(40, F_GETFD));
    CHECK_EQ(count_open(), 1);
    return finish();
}

/* fcntl(2): record locks are kept across execve, though any close of the file would release them. */
static int lock_is_held(const char *path)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
    int fd = open(path, O_RDWR);
    CHECK_OK(fcntl(fd, F_GETLK, &lock));
    close(fd);
    return lock.l_type == F_WRLCK ? lock.l_pid : 0;
}

static void record_locks_are_kept(void)
{
    int ready[2], done[2];
    REQUIRE(pipe(ready) == 0 && pipe(done) == 0);
    write_file(temporary("locked"), "0123456789", 10);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ready[1], 20);
        dup2(done[0], 21);
        for (int fd = 3; fd < 20; fd++) close(fd);
        int fd = open(temporary("locked"), O_RDWR);
        dup2(fd, 30);
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
        if (fcntl(fd, F_SETLK, &lock) != 0) _exit(119);
        execl(self, "x", "locked", NULL);
        _exit(120);
    }
    close(ready[1]);
    close(done[0]);
    char byte;
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    CHECK_EQ(lock_is_held(temporary("locked")), pid);
    close(done[1]);
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(lock_is_held(temporary("locked")), 0);
    close(ready[0]);
}

static int locked(void)
{
    char byte;
    CHECK_EQ(write(20, "x", 1), 1);
    CHECK_EQ(read(21, &byte, 1), 0);
    return finish();
}

/* No file may grow: that is nothing to exec, however long the arguments are. */
static void without_leave_to_write(void)
{
    static const int sizes[] = {1, 70000, 120000};
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int hard = 0; hard < 2; hard++) {
            pid_t pid = fork();
            if (pid == 0) {
                struct rlimit limit;
                getrlimit(RLIMIT_FSIZE, &limit);
                limit.rlim_cur = 0;
                if (hard) limit.rlim_max = 0;
                if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(1);
                char *argument = calloc(1, (size_t)sizes[i] + 1);
                memset(argument, 'x', (size_t)sizes[i]);
                char length[20];
                snprintf(length, sizeof length, "%d", sizes[i]);
                execl(self, "x", "limited", length, argument, argument, argument, argument, NULL);
                _exit(120);
            }
            CHECK_EQ(wait_for(pid), 0);
        }
    }
}

static int limited(int argc, char **argv)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    CHECK_EQ(limit.rlim_cur, 0);
    CHECK_EQ(argc, 7);
    /* Nor to /proc. */
    if (limit.rlim_max > 0) {
        char status[8000];
        int fd = open("/proc/self/status", O_RDONLY);
        CHECK_OK(fd);
        CHECK(read(fd, status, sizeof status) > 100);
        close(fd);
    }
    for (int i = 3; i < argc; i++) CHECK_EQ(strlen(argv[i]), atoi(argv[2]));
    return finish();
}

int main(int argc, char **argv)
{
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    REQUIRE(length > 0);
    self[length] = 0;
    if (argc > 2 && strcmp(argv[1], "inspect") == 0) return inspect(atoi(argv[2]));
    if (argc > 1 && strcmp(argv[1], "vforked") == 0) return vforked();
    if (argc > 1 && strcmp(argv[1], "locked") == 0) return locked();
    if (argc > 2 && strcmp(argv[1], "limited") == 0) return limited(argc, argv);
    /* What whoever started this left open. */
    for (int fd = 3; fd < 4096; fd++) close(fd);
    RUN(any_number_of_descriptors);
    RUN(from_a_vfork_child);
    RUN(record_locks_are_kept);
    RUN(without_leave_to_write);
    return finish();
}
