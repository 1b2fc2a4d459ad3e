/* What the calls on paths cost: `costs NAME [DIRECTORY]` prints the median of one in nanoseconds, `costs all` of every
 * one. It works in a directory of its own, below DIRECTORY or the temporary one. */
#include <dirent.h>
#include <sys/stat.h>

#include "check.h"
#include "timing.h"

enum { GROUPS = 20, CALLS = 1000, SLOW_CALLS = 50, ENTRIES = 500 };

static char absolute[400], by_link[400], missing[400], records[32768];
static int directory, file, listed;
static struct stat status;

static void make_file(const char *name)
{
    int made = open(name, O_CREAT | O_WRONLY, 0600);
    REQUIRE(made >= 0);
    close(made);
}

/* a/b/c/file and l -> a, beside `entries` with many files. */
static void prepare(const char *above)
{
    char root[200];
    snprintf(root, sizeof root, "%s/costs-XXXXXX", above);
    REQUIRE(mkdtemp(root) && chdir(root) == 0);
    REQUIRE(mkdir("a", 0700) == 0 && mkdir("a/b", 0700) == 0 && mkdir("a/b/c", 0700) == 0 && mkdir("entries", 0700) == 0);
    make_file("a/b/c/file");
    REQUIRE(symlink("a", "l") == 0 && symlink("file", "a/b/c/link") == 0);
    for (int i = 0; i < ENTRIES; i++) {
        char name[40];
        snprintf(name, sizeof name, "entries/entry-%d", i);
        make_file(name);
    }
    snprintf(absolute, sizeof absolute, "%s/a/b/c/file", root);
    snprintf(by_link, sizeof by_link, "%s/l/b/c/file", root);
    snprintf(missing, sizeof missing, "%s/a/b/c/nothing", root);
    directory = open("a/b/c", O_RDONLY | O_DIRECTORY);
    file = open(absolute, O_RDONLY);
    listed = open("entries", O_RDONLY | O_DIRECTORY);
    REQUIRE(directory >= 0 && file >= 0 && listed >= 0);
}

static void clean_up(void)
{
    char name[40];
    for (int i = 0; i < ENTRIES; i++) {
        snprintf(name, sizeof name, "entries/entry-%d", i);
        unlink(name);
    }
    unlink("a/b/c/link");
    unlink("a/b/c/file");
    unlink("l");
    rmdir("a/b/c");
    rmdir("a/b");
    rmdir("a");
    rmdir("entries");
    char *end = strstr(absolute, "/a/b/c/file");
    *end = 0;
    rmdir(absolute);
}

/* The system calls themselves: libc's functions differ in which they make. */
static long call_getppid(void) { return syscall(SYS_getppid); }
static long call_fstat(void) { return syscall(SYS_fstat, file, &status); }
static long call_fstatat_empty(void) { return syscall(SYS_newfstatat, file, "", &status, AT_EMPTY_PATH); }
static long call_name(void) { return syscall(SYS_newfstatat, directory, "file", &status, AT_SYMLINK_NOFOLLOW); }
static long call_name_followed(void) { return syscall(SYS_newfstatat, directory, "file", &status, 0); }
static long call_link_followed(void) { return syscall(SYS_newfstatat, directory, "link", &status, 0); }
static long call_dots(void) { return syscall(SYS_newfstatat, directory, "../c/file", &status, 0); }
static long call_absolute(void) { return syscall(SYS_newfstatat, AT_FDCWD, absolute, &status, 0); }
static long call_relative(void) { return syscall(SYS_newfstatat, AT_FDCWD, "a/b/c/file", &status, 0); }
static long call_through_link(void) { return syscall(SYS_newfstatat, AT_FDCWD, by_link, &status, 0); }
static long call_missing(void) { return syscall(SYS_newfstatat, AT_FDCWD, missing, &status, 0) == -1 ? 0 : -1; }
static long call_statx(void)
{
    struct statx extended;
    return syscall(SYS_statx, AT_FDCWD, absolute, 0, STATX_BASIC_STATS, &extended);
}
static long call_access(void) { return syscall(SYS_faccessat, AT_FDCWD, absolute, R_OK); }
static long call_access_name(void) { return syscall(SYS_faccessat, directory, "file", R_OK); }
static long call_readlink(void) { return syscall(SYS_readlinkat, directory, "link", records, sizeof records); }
static long call_readlink_absolute(void)
{
    return syscall(SYS_readlinkat, AT_FDCWD, absolute, records, sizeof records) == -1 ? 0 : -1;
}
static long opened(long descriptor)
{
    return descriptor < 0 ? descriptor : close((int)descriptor);
}
static long call_open(void) { return opened(syscall(SYS_openat, AT_FDCWD, absolute, O_RDONLY, 0)); }
static long call_open_name(void) { return opened(syscall(SYS_openat, directory, "file", O_RDONLY | O_NOFOLLOW, 0)); }
static long call_open_through_link(void) { return opened(syscall(SYS_openat, AT_FDCWD, by_link, O_RDONLY, 0)); }
static long call_open_missing(void) { return syscall(SYS_openat, AT_FDCWD, missing, O_RDONLY, 0) == -1 ? 0 : -1; }
static long call_open_to_write(void) { return opened(syscall(SYS_openat, AT_FDCWD, absolute, O_RDWR, 0)); }
static long call_chdir(void) { return syscall(SYS_chdir, "."); }
static long call_getcwd(void) { return syscall(SYS_getcwd, records, sizeof records); }
static long call_mkdir_rmdir(void)
{
    return syscall(SYS_mkdirat, directory, "made", 0700) | syscall(SYS_unlinkat, directory, "made", AT_REMOVEDIR);
}
static long call_list(void)
{
    lseek(listed, 0, SEEK_SET);
    return syscall(SYS_getdents64, listed, records, sizeof records);
}

static const struct {
    const char *name;
    long (*call)(void);
    int is_slow;
} measures[] = {
    {"getppid", call_getppid, 0},
    {"fstat", call_fstat, 0},
    {"fstatat-empty", call_fstatat_empty, 0},
    {"lstat-name", call_name, 0},
    {"stat-name", call_name_followed, 0},
    {"stat-link", call_link_followed, 0},
    {"stat-dots", call_dots, 0},
    {"stat-absolute", call_absolute, 0},
    {"stat-relative", call_relative, 0},
    {"stat-through-link", call_through_link, 0},
    {"stat-missing", call_missing, 0},
    {"statx-absolute", call_statx, 0},
    {"access-absolute", call_access, 0},
    {"access-name", call_access_name, 0},
    {"readlink-name", call_readlink, 0},
    {"readlink-no-link", call_readlink_absolute, 0},
    {"open-close", call_open, 0},
    {"open-close-name", call_open_name, 0},
    {"open-close-through-link", call_open_through_link, 0},
    {"open-missing", call_open_missing, 0},
    {"open-close-to-write", call_open_to_write, 0},
    {"chdir", call_chdir, 0},
    {"getcwd", call_getcwd, 0},
    {"mkdir-rmdir", call_mkdir_rmdir, 1},
    {"getdents-500", call_list, 1},
};

static void measure(const char *name, long (*call)(void), int calls)
{
    double times[GROUPS];
    for (int group = 0; group < GROUPS; group++) {
        double start = now();
        for (int i = 0; i < calls; i++) REQUIRE(call() >= 0);
        times[group] = (now() - start) / calls;
    }
    printf("%s %.0f\n", name, median(times, GROUPS));
}

int main(int argc, char **argv)
{
    if (argc < 2) return 2;
    prepare(argc > 2 ? argv[2] : "/tmp");
    for (unsigned i = 0; i < sizeof measures / sizeof measures[0]; i++) {
        if (strcmp(argv[1], measures[i].name) != 0 && strcmp(argv[1], "all") != 0) continue;
        measure(measures[i].name, measures[i].call, measures[i].is_slow ? SLOW_CALLS : CALLS);
    }
    clean_up();
    return finish();
}
