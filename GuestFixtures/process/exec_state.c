/* What of a process goes over an exec and what does not: threads, timers, names, attributes. And an exec that fails. */
#include "check.h"
#include "machine.h"
#include <elf.h>
#include <link.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

static char self[PATH_MAX];

/* Runs `prepare` in a child, which then becomes this program with the given word; that must find everything right. */
static void over_exec(void (*prepare)(void), const char *word)
{
    pid_t pid = fork();
    if (pid == 0) {
        char expected[20];
        check_failures = 0;
        prepare();
        if (check_failures) _exit(1);
        snprintf(expected, sizeof expected, "%d", getpid());
        execl(self, "argument zero", word, expected, NULL);
        _exit(120);
    }
    CHECK_EQ(wait_for(pid), 0);
}

/* --- From a thread that is not the first, while others run, wait, and hold locks */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *spin(void *argument)
{
    volatile unsigned long count = 0;
    (void)argument;
    for (;;) count++;
    return NULL;
}

static void *wait_for_ever(void *argument)
{
    (void)argument;
    pthread_mutex_lock(&mutex);
    return NULL;
}

static void *call_for_ever(void *argument)
{
    (void)argument;
    for (;;) sched_yield();
    return NULL;
}

static void *execute(void *argument)
{
    char *expected = argument;
    prctl(PR_SET_NAME, "not-the-first");
    execl(self, "argument zero", "alone", expected, NULL);
    _exit(120);
}

static void from_another_thread(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        static char expected[20];
        pthread_t thread;
        snprintf(expected, sizeof expected, "%d", getpid());
        pthread_mutex_lock(&mutex);
        for (int i = 0; i < 2; i++) pthread_create(&thread, NULL, spin, NULL);
        for (int i = 0; i < 4; i++) pthread_create(&thread, NULL, wait_for_ever, NULL);
        pthread_create(&thread, NULL, call_for_ever, NULL);
        usleep(20000);
        pthread_create(&thread, NULL, execute, expected);
        pause();
        _exit(121);
    }
    CHECK_EQ(wait_for(pid), 0);
}

static int count_threads(void)
{
    char line[200];
    int count = -1;
    FILE *status = fopen("/proc/self/status", "re");
    REQUIRE(status != NULL);
    while (fgets(line, sizeof line, status)) sscanf(line, "Threads: %d", &count);
    fclose(status);
    return count;
}

static void alone(const char *expected)
{
    CHECK_EQ(getpid(), atoi(expected));
    CHECK_EQ(syscall(SYS_gettid), atoi(expected));
    CHECK_EQ(count_threads(), 1);
    char name[16];
    CHECK_OK(prctl(PR_GET_NAME, name));
    char base[16];
    snprintf(base, sizeof base, "%s", strrchr(self, '/') + 1);
    CHECK_STR(name, base);
}

/* --- Timers */

static int timer_descriptor = 50;

static void set_timers(void)
{
    struct itimerval real = {{7, 0}, {1000, 0}}, used = {{0, 0}, {2000, 0}};
    CHECK_OK(setitimer(ITIMER_REAL, &real, NULL));
    CHECK_OK(setitimer(ITIMER_VIRTUAL, &used, NULL));
    CHECK_OK(setitimer(ITIMER_PROF, &used, NULL));
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    timer_t timer;
    CHECK_OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
    /* Where it lived on it would end the next program. */
    struct itimerspec soon = {{0, 0}, {0, 100000000}};
    CHECK_OK(timer_settime(timer, 0, &soon, NULL));
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    CHECK_EQ(dup2(fd, timer_descriptor), timer_descriptor);
    struct itimerspec later = {{0, 0}, {3000, 0}};
    CHECK_OK(timerfd_settime(timer_descriptor, 0, &later, NULL));
}

static void timers_found(void)
{
    struct itimerval value;
    CHECK_OK(getitimer(ITIMER_REAL, &value));
    CHECK(value.it_value.tv_sec > 900 && value.it_interval.tv_sec == 7);
    CHECK_OK(getitimer(ITIMER_VIRTUAL, &value));
    CHECK(value.it_value.tv_sec > 1900);
    CHECK_OK(getitimer(ITIMER_PROF, &value));
    CHECK(value.it_value.tv_sec > 1900);
    struct itimerspec left;
    CHECK_ERROR(syscall(SYS_timer_gettime, 0, &left), EINVAL);
    CHECK_OK(timerfd_gettime(timer_descriptor, &left));
    CHECK(left.it_value.tv_sec > 2900);
    usleep(250000);
}

/* --- Attributes */

static void set_attributes(void)
{
    CHECK_OK(prctl(PR_SET_DUMPABLE, 0));
    CHECK_OK(prctl(PR_SET_NAME, "another name"));
    CHECK_OK(prctl(PR_SET_PDEATHSIG, SIGUSR2));
    CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
    CHECK_OK(prctl(PR_SET_TIMERSLACK, 12345));
    CHECK_OK(prctl(PR_SET_KEEPCAPS, 1));
    CHECK_OK(setpriority(PRIO_PROCESS, 0, 5));
    struct rlimit core = {0, 0};
    CHECK_OK(setrlimit(RLIMIT_CORE, &core));
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    CHECK_OK(sched_setaffinity(0, sizeof set, &set));
    struct sched_param parameters = {0};
    CHECK_OK(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &parameters));
    umask(0123);
    CHECK_OK(chdir("/"));
    set_floating_control(FLOATING_CONTROL_OTHER);
    CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static void attributes_found(void)
{
    int value = -1;
    CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
    char name[16], base[16];
    CHECK_OK(prctl(PR_GET_NAME, name));
    snprintf(base, sizeof base, "%s", strrchr(self, '/') + 1);
    CHECK_STR(name, base);
    CHECK_OK(prctl(PR_GET_PDEATHSIG, &value));
    CHECK_EQ(value, SIGUSR2);
    CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    CHECK_OK(prctl(PR_GET_CHILD_SUBREAPER, &value));
    CHECK_EQ(value, 1);
    CHECK_EQ(prctl(PR_GET_TIMERSLACK), 12345);
    CHECK_EQ(prctl(PR_GET_KEEPCAPS), 0);
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), 5);
    struct rlimit core;
    CHECK_OK(getrlimit(RLIMIT_CORE, &core));
    CHECK_EQ(core.rlim_max, 0);
    cpu_set_t set;
    CHECK_OK(sched_getaffinity(0, sizeof set, &set));
    CHECK_EQ(CPU_COUNT(&set), 1);
    CHECK_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_BATCH);
    CHECK_EQ(umask(0), 0123);
    CHECK_EQ(floating_control(), FLOATING_CONTROL_USUAL);
    struct rlimit stack;
    getrlimit(RLIMIT_STACK, &stack);
    CHECK(stack.rlim_cur >= 8 << 20);
}

/* --- The auxiliary vector and argv[0] */

static void nothing(void) {}

static void vector_found(char **argv)
{
    CHECK_STR(argv[0], "argument zero");
    CHECK_STR((const char *)getauxval(AT_EXECFN), self);
    CHECK_EQ(getauxval(AT_UID), getuid());
    CHECK_EQ(getauxval(AT_EGID), getegid());
    CHECK_EQ(getauxval(AT_SECURE), 0);
    CHECK_EQ(getauxval(AT_FLAGS), 0);
    CHECK_EQ(getauxval(AT_PAGESZ), PAGE);
    const ElfW(Phdr) *headers = (const void *)getauxval(AT_PHDR);
    REQUIRE(headers != NULL);
    int loads = 0;
    for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) loads += headers[i].p_type == PT_LOAD;
    CHECK(loads > 0);
    CHECK(getauxval(AT_ENTRY) != 0);
    CHECK(getauxval(AT_RANDOM) != 0);
}

/* --- Failing */

static void after_a_failure(void)
{
    /* In the vfork child: nothing has changed, and the parent goes on waiting. */
    static volatile int stage;
    char *arguments[] = {"x", NULL};
    int closing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pid_t pid = vfork();
    if (pid == 0) {
        execv("/nonexistent", arguments);
        if (errno != ENOENT) _exit(1);
        usleep(30000);
        execv("/etc", arguments);
        if (errno != EACCES) _exit(2);
        if (fcntl(closing, F_GETFD) != FD_CLOEXEC) _exit(3);
        usleep(30000);
        stage = 1;
        execl(self, "argument zero", "vector", "0", NULL);
        _exit(4);
    }
    CHECK_EQ(stage, 1);
    CHECK_EQ(wait_for(pid), 0);
    close(closing);
}

static void bad_pointers(void)
{
    char *volatile nowhere = (char *)8;
    char *arguments[] = {"x", NULL}, *wrong[] = {"x", nowhere, NULL};
    CHECK_ERROR(execve(nowhere, arguments, arguments), EFAULT);
    CHECK_ERROR(execve(self, (char **)nowhere, arguments), EFAULT);
    CHECK_ERROR(execve(self, arguments, (char **)nowhere), EFAULT);
    CHECK_ERROR(execve(self, wrong, arguments), EFAULT);
    CHECK_ERROR(execve(self, arguments, wrong), EFAULT);
    /* The file counts first, but not for older kernels: 6.1 copies the arguments before it looks for the file. */
    CHECK(execve("/nonexistent", wrong, arguments) == -1 && (errno == ENOENT || errno == EFAULT));
    char name[PATH_MAX + 10];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    CHECK_ERROR(execve(name, arguments, arguments), ENAMETOOLONG);
    name[300] = 0;
    CHECK_ERROR(execve(name, arguments, arguments), ENAMETOOLONG);
}

/* A small ELF file with one segment; what is wrong with it is for the caller. */
struct program {
    Elf64_Ehdr header;
    Elf64_Phdr segments[2];
    char interpreter[64];
    unsigned char code[64];
};

static struct program sound(void)
{
    /* exit_group(7) */
#if defined(__x86_64__)
    static const unsigned char code[] = {0xb8, 0xe7, 0, 0, 0, 0xbf, 7, 0, 0, 0, 0x0f, 0x05};
    enum { MACHINE = EM_X86_64 };
#else
    static const uint32_t code[] = {0xd2800bc8, 0xd28000e0, 0xd4000001};
    enum { MACHINE = EM_AARCH64 };
#endif
    struct program program = {0};
    memcpy(program.header.e_ident, ELFMAG, SELFMAG);
    program.header.e_ident[EI_CLASS] = ELFCLASS64;
    program.header.e_ident[EI_DATA] = ELFDATA2LSB;
    program.header.e_ident[EI_VERSION] = EV_CURRENT;
    program.header.e_type = ET_EXEC;
    program.header.e_machine = MACHINE;
    program.header.e_version = EV_CURRENT;
    program.header.e_entry = 0x400000 + offsetof(struct program, code);
    program.header.e_phoff = offsetof(struct program, segments);
    program.header.e_ehsize = sizeof program.header;
    program.header.e_phentsize = sizeof program.segments[0];
    program.header.e_phnum = 2;
    program.segments[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x400000,
                                       .p_filesz = sizeof program, .p_memsz = sizeof program, .p_align = PAGE};
    memcpy(program.code, code, sizeof code);
    return program;
}

static int outcome_of(struct program *program)
{
    write_file(temporary("crafted"), program, sizeof *program);
    chmod(temporary("crafted"), 0755);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit core = {0, 0};
        setrlimit(RLIMIT_CORE, &core);
        execl(temporary("crafted"), "x", NULL);
        _exit(errno);
    }
    int status = wait_for(pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void interpret(struct program *program, const char *path)
{
    strcpy(program->interpreter, path);
    program->segments[1] = (Elf64_Phdr){.p_type = PT_INTERP, .p_flags = PF_R, .p_align = 1, .p_filesz = strlen(path) + 1,
                                        .p_offset = offsetof(struct program, interpreter)};
}

static void broken_programs(void)
{
    struct program program = sound();
    CHECK_EQ(outcome_of(&program), 7);
    program.header.e_machine = EM_IA_64;
    CHECK_EQ(outcome_of(&program), ENOEXEC);
    program = sound();
    program.header.e_type = ET_REL;
    CHECK_EQ(outcome_of(&program), ENOEXEC);
    program = sound();
    program.header.e_phentsize = 1;
    CHECK_EQ(outcome_of(&program), ENOEXEC);
    program = sound();
    interpret(&program, "/nonexistent/ld.so");
    CHECK_EQ(outcome_of(&program), ENOENT);
    program = sound();
    interpret(&program, "/etc");
    CHECK_EQ(outcome_of(&program), EACCES);
    program = sound();
    interpret(&program, "/bin/sh");
    program.segments[1].p_filesz--;
    CHECK_EQ(outcome_of(&program), ENOEXEC);
    /* An interpreter that is none. */
    write_file(temporary("interpreter"), "this is not an ELF file, but it is long enough to hold an ELF header.......", 70);
    chmod(temporary("interpreter"), 0755);
    if (strlen(temporary("interpreter")) < sizeof program.interpreter) {
        program = sound();
        interpret(&program, temporary("interpreter"));
        CHECK_EQ(outcome_of(&program), ELIBBAD);
    }
}

/* What Linux finds only when the old program is gone: there is nobody left to return an error to. */
static void past_the_point_of_no_return(void)
{
    struct program program = sound();
    program.segments[0].p_memsz = 16;
    CHECK_EQ(outcome_of(&program), -SIGSEGV);
    program = sound();
    program.segments[0].p_vaddr = 0x400123;
    CHECK_EQ(outcome_of(&program), -SIGSEGV);
    program = sound();
    program.segments[0].p_vaddr = 0x7ffffffff0000000;
    CHECK_EQ(outcome_of(&program), -SIGSEGV);
    program = sound();
    program.segments[0].p_type = PT_NULL;
    CHECK_EQ(outcome_of(&program), -SIGSEGV);
    program = sound();
    program.header.e_entry = 16;
    CHECK_EQ(outcome_of(&program), -SIGSEGV);
}

static void timers_over_exec(void) { over_exec(set_timers, "timers"); }
static void attributes_over_exec(void) { over_exec(set_attributes, "attributes"); }
static void the_vector(void) { over_exec(nothing, "vector"); }

int main(int argc, char **argv)
{
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    REQUIRE(length > 0);
    self[length] = 0;
    if (argc > 2) {
        if (strcmp(argv[1], "alone") == 0) alone(argv[2]);
        if (strcmp(argv[1], "timers") == 0) timers_found();
        if (strcmp(argv[1], "attributes") == 0) attributes_found();
        if (strcmp(argv[1], "vector") == 0) vector_found(argv);
        return finish();
    }
    RUN(from_another_thread);
    RUN(timers_over_exec);
    RUN(attributes_over_exec);
    RUN(the_vector);
    RUN(after_a_failure);
    RUN(bad_pointers);
    RUN(broken_programs);
    RUN(past_the_point_of_no_return);
    return finish();
}
