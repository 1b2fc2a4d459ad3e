/* The links of /proc that lead to objects: to a program, files, directories and namespaces, whatever their names are. */
#include "check.h"
#include <dirent.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char target[PATH_MAX + 20];

static const char *text(const char *path)
{
    ssize_t length = readlink(path, target, sizeof target - 1);
    CHECK(length > 0);
    target[length > 0 ? length : 0] = 0;
    return target;
}

static int same(const char *one, const char *two)
{
    struct stat first, second;
    CHECK_OK(stat(one, &first));
    CHECK_OK(stat(two, &second));
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

static char program[PATH_MAX];

static int run(const char *path)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl(path, path, "again", program, (char *)NULL);
        _exit(99);
    }
    return WEXITSTATUS(wait_for(pid));
}

static void the_program(void)
{
    strcpy(program, text("/proc/self/exe"));
    CHECK(program[0] == '/');
    CHECK(same("/proc/self/exe", program));
    char resolved[PATH_MAX];
    CHECK_STR(realpath("/proc/self/exe", resolved), program);
    struct stat status;
    CHECK_OK(lstat("/proc/self/exe", &status));
    CHECK(S_ISLNK(status.st_mode));
    CHECK_EQ(status.st_mode & 0777, 0777);
    char magic[4];
    int fd = open("/proc/self/exe", O_RDONLY);
    CHECK_EQ(read(fd, magic, 4), 4);
    CHECK(memcmp(magic, "\177ELF", 4) == 0);
    CHECK_ERROR(open("/proc/self/exe", O_RDONLY | O_NOFOLLOW), ELOOP);
    if (access(program, W_OK) == 0) CHECK_ERROR(open("/proc/self/exe", O_WRONLY), ETXTBSY);
    CHECK_EQ(run("/proc/self/exe"), 42);
    CHECK_EQ(run("/proc/thread-self/exe"), 42);
    char path[60];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK_EQ(run(path), 42);
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    CHECK_EQ(run(path), 42);
    snprintf(path, sizeof path, "/proc/%d/exe", getpid());
    CHECK_EQ(run(path), 42);
    close(fd);
}

static void the_working_directory(void)
{
    char here[PATH_MAX], resolved[PATH_MAX];
    CHECK_OK(mkdir(temporary("inner"), 0755));
    write_file(temporary("inner/file"), "content", 7);
    CHECK_OK(chdir(temporary("inner")));
    REQUIRE(getcwd(here, sizeof here) != NULL);
    CHECK_STR(text("/proc/self/cwd"), here);
    CHECK_STR(realpath("/proc/self/cwd", resolved), here);
    CHECK(same("/proc/self/cwd", "."));
    CHECK(same("/proc/self/cwd/file", "file"));
    CHECK(same("/proc/self/cwd/..", ".."));
    CHECK(same("/proc/self/task/../cwd", "."));
    /* Of a child, which stays while the parent goes. */
    int gate[2];
    CHECK_OK(pipe(gate));
    pid_t pid = fork();
    if (pid == 0) {
        close(gate[1]);
        (void)!read(gate[0], here, 1);
        _exit(0);
    }
    CHECK_OK(chdir("/"));
    CHECK_STR(text("/proc/self/cwd"), "/");
    char path[60];
    snprintf(path, sizeof path, "/proc/%d/cwd", pid);
    CHECK_STR(text(path), here);
    snprintf(path, sizeof path, "/proc/%d/cwd/file", pid);
    CHECK_OK(access(path, R_OK));
    close(gate[1]);
    wait_for(pid);
    CHECK_ERROR(readlink(path, target, sizeof target), ENOENT);
    /* A directory that is gone. */
    CHECK_OK(chdir(temporary("inner")));
    unlink(temporary("inner/file"));
    CHECK_OK(rmdir(temporary("inner")));
    strcat(here, " (deleted)");
    CHECK_STR(text("/proc/self/cwd"), here);
    struct stat status;
    CHECK_OK(stat("/proc/self/cwd", &status));
    CHECK(S_ISDIR(status.st_mode));
    CHECK_OK(chdir("/proc/self/cwd"));
    CHECK_OK(chdir("/"));
}

static void the_root(void)
{
    CHECK_STR(text("/proc/self/root"), "/");
    CHECK(same("/proc/self/root", "/"));
    CHECK(same("/proc/self/root/proc/self/root/..", "/"));
    char resolved[PATH_MAX];
    CHECK_STR(realpath("/proc/self/root", resolved), "/");
    CHECK(same("/proc/self/root/dev/null", "/dev/null"));
}

static void descriptors(void)
{
    char path[60], name[PATH_MAX];
    strcpy(name, temporary("file"));
    write_file(name, "content", 7);
    int fd = open(name, O_RDONLY);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct stat status;
    CHECK_OK(lstat(path, &status));
    CHECK_EQ(status.st_mode, S_IFLNK | 0500);
    int writer = open(path, O_WRONLY);
    CHECK_OK(writer);
    CHECK_EQ(write(writer, "CON", 3), 3);
    snprintf(path, sizeof path, "/proc/self/fd/%d", writer);
    CHECK_OK(lstat(path, &status));
    CHECK_EQ(status.st_mode, S_IFLNK | 0300);
    close(writer);
    CHECK_ERROR(lstat(path, &status), ENOENT);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    /* A link to a file without a name. */
    CHECK_OK(unlink(name));
    int again = open(path, O_RDONLY);
    char content[8] = "";
    CHECK_EQ(read(again, content, 7), 7);
    CHECK_STR(content, "CONtent");
    CHECK(strstr(text(path), " (deleted)") != NULL);
    close(again);
    close(fd);
    /* Directories. */
    fd = open("/", O_RDONLY | O_DIRECTORY);
    snprintf(path, sizeof path, "/proc/self/fd/%d/proc/version", fd);
    CHECK_OK(access(path, R_OK));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK_STR(text(path), "/");
    close(fd);
    fd = open("/proc", O_RDONLY | O_DIRECTORY);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK_STR(text(path), "/proc");
    CHECK(same(path, "/proc"));
    CHECK_OK(faccessat(fd, "self/status", R_OK, 0));
    close(fd);
    /* Of the tree itself, and through it. */
    fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
    snprintf(path, sizeof path, "%d", fd);
    CHECK(readlinkat(fd, path, target, sizeof target) > 0);
    close(fd);
    fd = memfd_create("in-memory", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK_STR(text(path), "/memfd:in-memory (deleted)");
    again = open(path, O_RDWR);
    CHECK_EQ(write(again, "x", 1), 1);
    CHECK_EQ(lseek(fd, 0, SEEK_END), 1);
    close(again);
    close(fd);
    CHECK_ERROR(readlink("/proc/self/fd/x", target, sizeof target), ENOENT);
    CHECK_ERROR(readlink("/proc/self/fd/-1", target, sizeof target), ENOENT);
    CHECK_ERROR(readlink("/proc/self/fd/00", target, sizeof target), ENOENT);
    CHECK_ERROR(readlink("/proc/self/status", target, sizeof target), EINVAL);
}

static void namespaces(void)
{
    DIR *stream = opendir("/proc/self/ns");
    REQUIRE(stream != NULL);
    struct dirent *entry;
    int count = 0;
    while ((entry = readdir(stream)) != NULL) {
        if (entry->d_name[0] == '.') continue;
        char path[300], expected[300];
        struct stat link, status;
        snprintf(path, sizeof path, "/proc/self/ns/%s", entry->d_name);
        /* time:[4026531834] */
        strcpy(expected, entry->d_name);
        char *more = strstr(expected, "_for_children");
        if (more) *more = 0;
        size_t length = strlen(expected);
        CHECK(strncmp(text(path), expected, length) == 0);
        CHECK(strncmp(target + length, ":[", 2) == 0 && target[strlen(target) - 1] == ']');
        CHECK_OK(lstat(path, &link));
        CHECK(S_ISLNK(link.st_mode));
        CHECK_OK(stat(path, &status));
        CHECK_EQ(status.st_ino, strtoul(target + length + 2, NULL, 10));
        int fd = open(path, O_RDONLY);
        CHECK_OK(fd);
        close(fd);
        count++;
    }
    closedir(stream);
    CHECK(count >= 8);
    CHECK_ERROR(readlink("/proc/self/ns/nothing", target, sizeof target), ENOENT);
    CHECK(same("/proc/self/ns/pid", "/proc/thread-self/ns/pid"));
}

/* Following these takes privileges on some kernels; their names do not. */
static void mapped_files(void)
{
    char name[PATH_MAX], path[PATH_MAX];
    strcpy(name, temporary("mapped"));
    write_file(name, "x", 1);
    int fd = open(name, O_RDONLY);
    char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    snprintf(path, sizeof path, "%lx-%lx", (unsigned long)p, (unsigned long)p + PAGE);
    DIR *stream = opendir("/proc/self/map_files");
    REQUIRE(stream != NULL);
    struct dirent *entry;
    int found = 0;
    while ((entry = readdir(stream)) != NULL) found += strcmp(entry->d_name, path) == 0;
    closedir(stream);
    CHECK_EQ(found, 1);
    snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", (unsigned long)p, (unsigned long)p + PAGE);
    if (getuid() == 0) {
        CHECK_STR(text(path), name);
        CHECK(same(path, name));
    } else if (readlink(path, target, sizeof target) == -1) {
        CHECK_EQ(errno, EPERM);
    } else {
        CHECK_STR(text(path), name);
    }
    munmap(p, PAGE);
    CHECK_ERROR(readlink(path, target, sizeof target), ENOENT);
    CHECK_ERROR(readlink("/proc/self/map_files/0-1000", target, sizeof target), ENOENT);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "again") == 0) return strcmp(text("/proc/self/exe"), argv[2]) == 0 ? 42 : 1;
    RUN(the_program);
    RUN(the_working_directory);
    RUN(the_root);
    RUN(descriptors);
    RUN(namespaces);
    RUN(mapped_files);
    return finish();
}
