/* What a process has: its name, its identity, its limits, its personality, and who inherits them. */
#include "check.h"
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <grp.h>

static void name(void)
{
    char text[17] = "";
    CHECK_OK(prctl(PR_GET_NAME, text, 0, 0, 0));
    CHECK_STR(text, "attributes");
    CHECK_OK(prctl(PR_SET_NAME, "a new name that is too long", 0, 0, 0));
    CHECK_OK(prctl(PR_GET_NAME, text, 0, 0, 0));
    CHECK_STR(text, "a new name that");
    FILE *file = fopen("/proc/self/comm", "r");
    REQUIRE(file != NULL);
    char line[100] = "";
    CHECK(fgets(line, sizeof line, file) != NULL);
    CHECK_STR(line, "a new name that\n");
    fclose(file);
}

static void limits(void)
{
    struct rlimit limit, changed;
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    CHECK(limit.rlim_cur >= 256 && limit.rlim_cur <= limit.rlim_max);
    changed = (struct rlimit){100, limit.rlim_max};
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &changed));
    pid_t child = fork();
    if (child == 0) {
        struct rlimit parents;
        _exit(prlimit(getppid(), RLIMIT_NOFILE, NULL, &parents) == 0 && parents.rlim_cur == 100 ? 0 : 1);
    }
    CHECK_EQ(wait_for(child), 0);
    int last = -1, fd;
    while ((fd = open("/dev/null", O_RDONLY)) >= 0) last = fd;
    CHECK_EQ(errno, EMFILE);
    CHECK_EQ(last, 99);
    CHECK_ERROR(dup2(0, 100), EBADF);
    while (last > 2) close(last--);
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    fd = dup2(0, 150);
    CHECK_EQ(fd, 150);
    close(fd);
    changed = (struct rlimit){10, 5};
    CHECK_ERROR(setrlimit(RLIMIT_NOFILE, &changed), EINVAL);
    CHECK_ERROR(getrlimit(1000, &limit), EINVAL);
    CHECK_OK(syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, &limit));
}

static void file_size_limit(void)
{
    struct rlimit limit = {1000, 1000};
    signal(SIGXFSZ, SIG_IGN);
    CHECK_OK(setrlimit(RLIMIT_FSIZE, &limit));
    int fd = open(temporary("limited"), O_CREAT | O_RDWR, 0600);
    char block[600] = "";
    CHECK_EQ(write(fd, block, 600), 600);
    CHECK_EQ(write(fd, block, 600), 400);
    CHECK_ERROR(write(fd, block, 600), EFBIG);
    signal(SIGXFSZ, SIG_DFL);
    (void)!write(fd, block, 600);
}

static void a_limit_on_files(void)
{
    int status = child_status(file_size_limit);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGXFSZ);
}

static void identity(void)
{
    uid_t real, effective, saved;
    gid_t real_group, effective_group, saved_group;
    CHECK_OK(getresuid(&real, &effective, &saved));
    CHECK_OK(getresgid(&real_group, &effective_group, &saved_group));
    CHECK_EQ(real, getuid());
    CHECK_EQ(effective, geteuid());
    CHECK_EQ(real_group, getgid());
    CHECK_EQ(effective_group, getegid());
    CHECK_OK(setuid(getuid()));
    CHECK_OK(setgid(getgid()));
    CHECK_OK(setresuid((uid_t)-1, (uid_t)-1, (uid_t)-1));
    int count = getgroups(0, NULL);
    CHECK(count >= 0);
    gid_t groups[1000];
    CHECK_EQ(getgroups(1000, groups), count);
    if (geteuid() != 0) CHECK_ERROR(setuid(0), EPERM);
}

static void persona(void)
{
    int before = personality(0xffffffff);
    CHECK(before >= 0);
    CHECK_EQ(personality((unsigned)before | ADDR_NO_RANDOMIZE), before);
    CHECK_EQ(personality(0xffffffff), before | ADDR_NO_RANDOMIZE);
    CHECK_EQ(personality((unsigned)before), before | ADDR_NO_RANDOMIZE);
}

static void flags(void)
{
    CHECK_EQ(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) >= 0, 1);
    CHECK_OK(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
    CHECK_EQ(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
    CHECK_OK(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
    CHECK_ERROR(prctl(PR_SET_DUMPABLE, 7, 0, 0, 0), EINVAL);
    int number = -1;
    CHECK_OK(prctl(PR_GET_PDEATHSIG, &number, 0, 0, 0));
    CHECK_EQ(number, 0);
    CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    CHECK_ERROR(prctl(123456, 0, 0, 0, 0), EINVAL);
    CHECK_OK(prctl(PR_SET_TIMERSLACK, 50000, 0, 0, 0));
    CHECK_EQ(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0), 50000);
}

static void priority(void)
{
    errno = 0;
    int before = getpriority(PRIO_PROCESS, 0);
    CHECK_EQ(errno, 0);
    pid_t pid = fork();
    if (pid == 0) {
        errno = 0;
        _exit(nice(3) == before + 3 && getpriority(PRIO_PROCESS, 0) == before + 3 ? 0 : 1);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), before);
}

int main(void)
{
    RUN(name);
    RUN(limits);
    RUN(a_limit_on_files);
    RUN(identity);
    RUN(persona);
    RUN(flags);
    RUN(priority);
    return finish();
}
