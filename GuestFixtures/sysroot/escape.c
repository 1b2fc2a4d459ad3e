/* Look for a file that lies outside of the root, on every way that has led out of one somewhere.
 * The first argument is the secret's path on the host, the second where the root is on the host. */
#include "check.h"
#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <sys/xattr.h>

static const char *secret, *root;
static int found;

/* The name of the secret seen from a directory that is `up` below the host's root. */
static const char *climbing(int up)
{
    static char path[PATH_MAX];
    path[0] = 0;
    while (up-- > 0) strcat(path, "../");
    strcat(path, secret + 1);
    return path;
}

static void report(const char *way, const char *path)
{
    found++;
    fprintf(stderr, "found outside by %s: %s\n", way, path);
}

/* Every call that takes a path, with one path that must not lead anywhere. */
static void attempt(int directory, const char *path)
{
    struct stat status;
    char buffer[PATH_MAX];
    int fd = openat(directory, path, O_RDONLY);
    if (fd >= 0) report("open", path), close(fd);
    fd = openat(directory, path, O_PATH);
    if (fd >= 0) report("open with O_PATH", path), close(fd);
    if (fstatat(directory, path, &status, 0) == 0) report("stat", path);
    if (syscall(SYS_statx, directory, path, 0, 0x7ff, buffer) == 0) report("statx", path);
    if (faccessat(directory, path, F_OK, 0) == 0) report("access", path);
    if (fchmodat(directory, path, 0777, 0) == 0) report("chmod", path);
    if (fchownat(directory, path, 0, 0, 0) == 0) report("chown", path);
    if (utimensat(directory, path, NULL, 0) == 0) report("utimens", path);
    if (linkat(directory, path, AT_FDCWD, "/tmp/hard", AT_SYMLINK_FOLLOW) == 0) report("link", path);
    if (syscall(SYS_openat2, directory, path, (uint64_t[3]){O_RDONLY, 0, 0}, 24) >= 0) report("openat2", path);
    if (directory != AT_FDCWD) return;
    struct statfs system;
    if (statfs(path, &system) == 0) report("statfs", path);
    if (truncate(path, 0) == 0) report("truncate", path);
    if (chdir(path) == 0) report("chdir", path);
    if (getxattr(path, "user.x", buffer, 10) >= 0 || errno == ENODATA || errno == EOPNOTSUPP) report("xattr", path);
    int watcher = inotify_init1(IN_NONBLOCK);
    if (inotify_add_watch(watcher, path, IN_ALL_EVENTS) > 0) report("inotify", path);
    close(watcher);
    char *none[] = {NULL};
    execve(path, none, none);
    if (errno == EACCES || errno == ENOEXEC) report("exec", path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) < sizeof address.sun_path) {
        strcpy(address.sun_path, path);
        int client = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(client, (void *)&address, sizeof address) == 0 || errno == ECONNREFUSED)
            report("connect", path);
        close(client);
    }
}

static void the_host_path(void)
{
    attempt(AT_FDCWD, secret);
    CHECK_EQ(found, 0);
}

static void climbing_up(void)
{
    for (int up = 0; up < 20; up++) attempt(AT_FDCWD, climbing(up));
    char path[PATH_MAX];
    for (int up = 0; up < 20; up++) {
        snprintf(path, sizeof path, "/%s", climbing(up));
        attempt(AT_FDCWD, path);
        snprintf(path, sizeof path, "/tmp/./../tmp/%s", climbing(up));
        attempt(AT_FDCWD, path);
    }
    CHECK_EQ(found, 0);
}

static void symbolic_links(void)
{
    char target[PATH_MAX];
    const char *names[] = {"/tmp/absolute", "/tmp/relative", "/tmp/directory", "/tmp/chain"};
    for (int i = 0; i < 4; i++) unlink(names[i]);
    CHECK_OK(symlink(secret, names[0]));
    CHECK_OK(symlink(climbing(19), names[1]));
    snprintf(target, sizeof target, "%.*s", (int)(strrchr(secret, '/') - secret), secret);
    CHECK_OK(symlink(target, names[2]));
    CHECK_OK(symlink("relative", names[3]));
    attempt(AT_FDCWD, names[0]);
    attempt(AT_FDCWD, names[1]);
    attempt(AT_FDCWD, names[3]);
    snprintf(target, sizeof target, "/tmp/directory%s", strrchr(secret, '/'));
    attempt(AT_FDCWD, target);
    snprintf(target, sizeof target, "/tmp/directory/..%s", secret);
    attempt(AT_FDCWD, target);
    /* Nor can anything be made there. */
    int fd = open("/tmp/absolute", O_CREAT | O_WRONLY, 0600);
    if (fd >= 0) close(fd);
    CHECK_EQ(found, 0);
}

static void directory_descriptors(void)
{
    int top = open("/", O_RDONLY | O_DIRECTORY), below = open("/tmp", O_RDONLY | O_DIRECTORY);
    int path = open("/tmp", O_PATH);
    REQUIRE(top >= 0 && below >= 0 && path >= 0);
    for (int up = 0; up < 20; up++) {
        attempt(top, climbing(up));
        attempt(below, climbing(up));
        attempt(path, climbing(up));
    }
    attempt(top, secret);
    /* `..` of the root is the root. */
    struct stat one, other;
    int above = openat(top, "..", O_RDONLY | O_DIRECTORY);
    CHECK_OK(fstat(top, &one));
    CHECK_OK(fstat(above, &other));
    CHECK_EQ(one.st_ino, other.st_ino);
    above = openat(below, "../../../..", O_RDONLY | O_DIRECTORY);
    CHECK_OK(fstat(above, &other));
    CHECK_EQ(one.st_ino, other.st_ino);
    CHECK_EQ(found, 0);
}

static void working_directories(void)
{
    char here[PATH_MAX];
    int top = open("/", O_RDONLY | O_DIRECTORY);
    CHECK_OK(fchdir(top));
    CHECK_OK(chdir("../../.."));
    CHECK_STR(getcwd(here, sizeof here), "/");
    for (int up = 0; up < 20; up++) attempt(AT_FDCWD, climbing(up));
    CHECK_OK(chdir("/tmp"));
    CHECK_STR(getcwd(here, sizeof here), "/tmp");
    for (int up = 0; up < 20; up++) attempt(AT_FDCWD, climbing(up));
    CHECK_EQ(found, 0);
}

static void by_way_of_proc(void)
{
    static const char *ways[] = {"/proc/self/root", "/proc/self/root/..", "/proc/self/cwd/..", "/proc/self/cwd/../../..",
                                 "/proc/thread-self/root", "/proc/1/root", "/proc/1/cwd", "/proc/self/task/1/root",
                                 "/proc/self/exe/..", "/proc/self/fd/0/..", "/proc/self/fd/3/..", "/dev/fd/3/..",
                                 "/proc/self/../..", "/proc/self/map_files/.."};
    char path[PATH_MAX + 100];
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        snprintf(path, sizeof path, "%s%s", ways[i], secret);
        attempt(AT_FDCWD, path);
        for (int up = 0; up < 10; up++) {
            snprintf(path, sizeof path, "%s/%s", ways[i], climbing(up));
            attempt(AT_FDCWD, path);
        }
    }
    /* Whatever is open: no descriptor's directory is outside. */
    for (int fd = 0; fd < 2000; fd++) attempt(fd, climbing(10));
    snprintf(path, sizeof path, "/proc/%d/root%s", getppid(), secret);
    attempt(AT_FDCWD, path);
    CHECK_EQ(found, 0);
}

static void names_that_give_it_away(void)
{
    /* Where the root lies on the host is nobody's business. */
    static char text[1 << 20];
    static const char *files[] = {"/proc/self/maps", "/proc/self/mounts", "/proc/self/mountinfo", "/proc/self/environ",
                                  "/proc/self/cmdline", "/proc/self/smaps"};
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
        int fd = open(files[i], O_RDONLY);
        if (fd < 0) continue;
        ssize_t size = 0, part;
        while ((part = read(fd, text + size, sizeof text - 1 - (size_t)size)) > 0) size += part;
        close(fd);
        /* This program was told by its arguments; there they may stand. */
        if (i == 4) continue;
        for (ssize_t at = 0; at < size; at++) {
            if (memcmp(text + at, root, strlen(root)) == 0) {
                report("its name in", files[i]);
                break;
            }
        }
    }
    char target[PATH_MAX];
    static const char *links[] = {"/proc/self/exe", "/proc/self/cwd", "/proc/self/root"};
    for (unsigned i = 0; i < 3; i++) {
        ssize_t size = readlink(links[i], target, sizeof target - 1);
        if (size < 0) continue;
        target[size] = 0;
        if (strncmp(target, root, strlen(root)) == 0) report("its name in", links[i]);
    }
    CHECK_EQ(found, 0);
}

static volatile int done;

static void *rename_back_and_forth(void *argument)
{
    (void)argument;
    while (!done) {
        rename("/tmp/race/deep/down", "/tmp/race/up");
        rename("/tmp/race/up", "/tmp/race/deep/down");
    }
    return NULL;
}

static void *swap_link_and_directory(void *argument)
{
    (void)argument;
    while (!done)
        syscall(SYS_renameat2, AT_FDCWD, "/tmp/race/link", AT_FDCWD, "/tmp/race/directory", 2 /* RENAME_EXCHANGE */);
    return NULL;
}

static void renamed_while_resolving(void)
{
    mkdir("/tmp/race", 0755);
    mkdir("/tmp/race/deep", 0755);
    mkdir("/tmp/race/deep/down", 0755);
    /* A run before this one may have ended with the two in each other's place. */
    const char *names[] = {"/tmp/race/link", "/tmp/race/directory"};
    for (int i = 0; i < 2; i++) {
        unlink(names[i]);
        rmdir(names[i]);
    }
    CHECK_OK(mkdir("/tmp/race/directory", 0755));
    CHECK_OK(symlink(climbing(19), "/tmp/race/link"));
    pthread_t renamer, swapper;
    pthread_create(&renamer, NULL, rename_back_and_forth, NULL);
    pthread_create(&swapper, NULL, swap_link_and_directory, NULL);
    char path[PATH_MAX + 100];
    int down = -1;
    for (int round = 0; round < 2000; round++) {
        snprintf(path, sizeof path, "/tmp/race/deep/down/../../../%s", climbing(round % 12));
        int fd = open(path, O_RDONLY);
        if (fd >= 0) report("a race", path), close(fd);
        fd = open("/tmp/race/link", O_RDONLY);
        struct stat status;
        if (fd >= 0 && fstat(fd, &status) == 0 && !S_ISDIR(status.st_mode)) report("a race of links", "link");
        if (fd >= 0) close(fd);
        if (down < 0) down = open("/tmp/race/deep/down", O_RDONLY | O_DIRECTORY);
        if (down >= 0 && (fd = openat(down, climbing(round % 12), O_RDONLY)) >= 0) {
            report("a race with a descriptor", path);
            close(fd);
        }
    }
    done = 1;
    pthread_join(renamer, NULL);
    pthread_join(swapper, NULL);
    CHECK_EQ(found, 0);
}

int main(int argc, char **argv)
{
    REQUIRE(argc == 3 && argv[1][0] == '/');
    secret = argv[1];
    root = argv[2];
    RUN(the_host_path);
    RUN(climbing_up);
    RUN(symbolic_links);
    RUN(directory_descriptors);
    RUN(working_directories);
    RUN(by_way_of_proc);
    RUN(names_that_give_it_away);
    RUN(renamed_while_resolving);
    printf("found nothing\n");
    return finish();
}
