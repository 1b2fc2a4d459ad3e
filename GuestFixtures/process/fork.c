/* fork: two processes, one past, two futures. */
#include "check.h"
#include <sys/mman.h>
#include <sys/stat.h>

static int variable = 1;

static void memory_is_copied(void)
{
    static char big[8 << 20];
    memset(big, 1, sizeof big);
    int *heap = malloc(sizeof *heap);
    *heap = 5;
    int local = 7;
    pid_t pid = fork();
    if (pid == 0) {
        int good = variable == 1 && *heap == 5 && local == 7 && big[5 << 20] == 1;
        variable = *heap = local = 99;
        memset(big, 2, sizeof big);
        _exit(good ? 0 : 1);
    }
    memset(big + (4 << 20), 3, 4 << 20);
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(variable, 1);
    CHECK_EQ(*heap, 5);
    CHECK_EQ(local, 7);
    CHECK_EQ(big[100], 1);
    CHECK_EQ(big[5 << 20], 3);
    free(heap);
}

static void identity(void)
{
    pid_t parent = getpid();
    int pipes[2];
    CHECK_OK(pipe(pipes));
    pid_t pid = fork();
    if (pid == 0) {
        pid_t ids[4] = {getpid(), getppid(), (pid_t)syscall(SYS_gettid), getpgrp()};
        _exit(write(pipes[1], ids, sizeof ids) == sizeof ids ? 0 : 1);
    }
    pid_t ids[4];
    CHECK_EQ(read(pipes[0], ids, sizeof ids), sizeof ids);
    CHECK_EQ(ids[0], pid);
    CHECK_EQ(ids[1], parent);
    CHECK_EQ(ids[2], pid);
    CHECK_EQ(ids[3], getpgrp());
    CHECK_EQ(wait_for(pid), 0);
}

static void grandchildren(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        pid_t inner = fork();
        if (inner == 0) {
            pid_t innermost = fork();
            if (innermost == 0) _exit(getppid() > 0 ? 33 : 1);
            int status = 0;
            waitpid(innermost, &status, 0);
            _exit(WEXITSTATUS(status) + 1);
        }
        int status = 0;
        waitpid(inner, &status, 0);
        _exit(WEXITSTATUS(status) + 1);
    }
    CHECK_EQ(WEXITSTATUS(wait_for(pid)), 35);
}

static void descriptors_share_their_offset(void)
{
    write_file(temporary("offset"), "abcdefgh", 8);
    int fd = open(temporary("offset"), O_RDONLY);
    pid_t pid = fork();
    if (pid == 0) {
        char two[2];
        CHECK_EQ(read(fd, two, 2), 2);
        close(fd);
        _exit(two[1] == 'b' ? 0 : 1);
    }
    CHECK_EQ(wait_for(pid), 0);
    char byte;
    CHECK_EQ(read(fd, &byte, 1), 1);
    CHECK_EQ(byte, 'c');
}

static void files_and_mask_are_inherited(void)
{
    umask(0137);
    CHECK_OK(chdir(temporary("")));
    pid_t pid = fork();
    if (pid == 0) {
        int mask = umask(0);
        char here[500];
        _exit(mask == 0137 && getcwd(here, sizeof here) && access(".", F_OK) == 0 && chdir("/") == 0 ? 0 : 1);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(umask(022), 0137);
    struct stat here, there;
    CHECK_OK(stat(".", &here));
    CHECK_OK(stat(temporary(""), &there));
    CHECK_EQ(here.st_ino, there.st_ino);
}

static void many_in_a_row(void)
{
    for (int i = 0; i < 100; i++) {
        pid_t pid = fork();
        if (pid == 0) _exit(i);
        CHECK_EQ(WEXITSTATUS(wait_for(pid)), i);
    }
}

static void many_at_once(void)
{
    enum { COUNT = 20 };
    pid_t pids[COUNT];
    int gate[2];
    CHECK_OK(pipe(gate));
    for (int i = 0; i < COUNT; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            char byte;
            close(gate[1]);
            /* Until the parent lets all of them go. */
            if (read(gate[0], &byte, 1) != 0) _exit(255);
            _exit(i);
        }
    }
    close(gate[1]);
    for (int i = 0; i < COUNT; i++) CHECK_EQ(WEXITSTATUS(wait_for(pids[i])), i);
    close(gate[0]);
    CHECK_ERROR(waitpid(-1, NULL, 0), ECHILD);
}

static void mappings_are_inherited(void)
{
    char *private = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    private[0] = shared[0] = 1;
    pid_t pid = fork();
    if (pid == 0) {
        private[0]++;
        shared[0]++;
        pid_t inner = fork();
        if (inner == 0) {
            private[0]++;
            shared[0]++;
            _exit(private[0] == 3 ? 0 : 1);
        }
        _exit(wait_for(inner) == 0 && munmap(private, PAGE) == 0 ? 0 : 1);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(private[0], 1);
    CHECK_EQ(shared[0], 3);
}

int main(void)
{
    RUN(memory_is_copied);
    RUN(identity);
    RUN(grandchildren);
    RUN(descriptors_share_their_offset);
    RUN(files_and_mask_are_inherited);
    RUN(many_in_a_row);
    RUN(many_at_once);
    RUN(mappings_are_inherited);
    return finish();
}
