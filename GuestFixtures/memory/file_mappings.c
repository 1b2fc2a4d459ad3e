/* Files in memory: private and shared, beyond their end, truncated under the mapping. */
#include "faults.h"
#include <sys/stat.h>

static int file_of(const char *name, size_t size)
{
    int fd = open(temporary(name), O_RDWR | O_CREAT | O_TRUNC, 0644);
    REQUIRE(fd >= 0);
    char block[1000];
    for (size_t at = 0; at < size; at += sizeof block) {
        memset(block, (int)('a' + at / sizeof block % 26), sizeof block);
        size_t part = size - at < sizeof block ? size - at : sizeof block;
        REQUIRE(write(fd, block, part) == (ssize_t)part);
    }
    return fd;
}

static void private_copies(void)
{
    int fd = file_of("private", 3 * PAGE);
    char *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_EQ(p[0], 'a');
    CHECK_EQ(p[1000], 'b');
    p[0] = 'X';
    char byte;
    CHECK_EQ(pread(fd, &byte, 1, 0), 1);
    CHECK_EQ(byte, 'a');
    close(fd);
    CHECK_EQ(p[0], 'X');
    CHECK_OK(munmap(p, 3 * PAGE));
}

static void shared_ones_write_through(void)
{
    int fd = file_of("shared", 2 * PAGE);
    char *one = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *other = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
    REQUIRE(one != MAP_FAILED && other != MAP_FAILED);
    one[PAGE + 5] = 'X';
    CHECK_EQ(other[5], 'X');
    char byte = 0;
    CHECK_EQ(pread(fd, &byte, 1, PAGE + 5), 1);
    CHECK_EQ(byte, 'X');
    CHECK_EQ(pwrite(fd, "Y", 1, 7), 1);
    CHECK_EQ(one[7], 'Y');
    CHECK_OK(msync(one, 2 * PAGE, MS_SYNC));
    pid_t pid = fork();
    if (pid == 0) {
        one[9] = 'Z';
        _exit(0);
    }
    wait_for(pid);
    CHECK_EQ(one[9], 'Z');
}

static void the_tail_of_the_last_page(void)
{
    int fd = file_of("tail", PAGE + 100);
    unsigned char *room = mmap(NULL, 5 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char *p = mmap(room, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0);
    REQUIRE(p == room);
    munmap(room + 4 * PAGE, PAGE);
    CHECK_EQ(p[PAGE + 99], 'a' + 4);
    for (size_t i = PAGE + 100; i < 2 * PAGE; i++) CHECK(p[i] == 0);
    CHECK_FAULT(read_fault, p + 2 * PAGE, SIGBUS, BUS_ADRERR);
    CHECK_FAULT(read_fault, p + 4 * PAGE - 1, SIGBUS, BUS_ADRERR);
    CHECK_FAULT(write_fault, p + 3 * PAGE + 123, SIGBUS, BUS_ADRERR);
    CHECK_NOTHING_AT(p + 4 * PAGE);
}

static void truncated_under_the_mapping(void)
{
    int fd = file_of("truncated", 4 * PAGE);
    unsigned char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_READABLE(p + 3 * PAGE);
    CHECK_OK(ftruncate(fd, PAGE));
    CHECK_READABLE(p);
    CHECK_FAULT(read_fault, p + 3 * PAGE + 8, SIGBUS, BUS_ADRERR);
    CHECK_FAULT(write_fault, p + PAGE, SIGBUS, BUS_ADRERR);
    CHECK_OK(ftruncate(fd, 4 * PAGE));
    CHECK_EQ(p[3 * PAGE], 0);
    CHECK_WRITABLE(p + 3 * PAGE);
}

static void access_rights(void)
{
    int fd = file_of("rights", PAGE);
    close(fd);
    int read_only = open(temporary("rights"), O_RDONLY), write_only = open(temporary("rights"), O_WRONLY);
    CHECK_ERROR(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, read_only, 0), EACCES);
    CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, read_only, 0) != MAP_FAILED);
    CHECK_ERROR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, write_only, 0), EACCES);
    void *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, read_only, 0);
    CHECK(p != MAP_FAILED);
    CHECK_ERROR(mprotect(p, PAGE, PROT_READ | PROT_WRITE), EACCES);
    CHECK_FAULT(write_fault, p, SIGSEGV, SEGV_ACCERR);
    int directory = open("/", O_RDONLY | O_DIRECTORY);
    CHECK_ERROR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, directory, 0), ENODEV);
    int pipes[2];
    CHECK_OK(pipe(pipes));
    CHECK_ERROR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, pipes[0], 0), ENODEV);
}

static void offsets(void)
{
    int fd = file_of("offsets", 8 * PAGE);
    char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 5 * PAGE);
    CHECK_EQ(p[0], 'a' + 5 * PAGE / 1000);
    CHECK_ERROR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 100), EINVAL);
    /* An empty file can be mapped; touching it cannot work. */
    int empty = file_of("empty", 0);
    char *q = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, empty, 0);
    CHECK(q != MAP_FAILED);
    CHECK_FAULT(read_fault, q, SIGBUS, BUS_ADRERR);
}

static void executed_from_a_file(void)
{
    unsigned char code[FUNCTION_SIZE];
    write_function(code, 42);
    write_file(temporary("code"), code, sizeof code);
    int fd = open(temporary("code"), O_RDONLY);
    void *p = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_EQ(((int (*)(void))(uintptr_t)p)(), 42);
}

static void special_files(void)
{
    int zero = open("/dev/zero", O_RDWR);
    REQUIRE(zero >= 0);
    unsigned char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(p[PAGE], 0);
    CHECK_WRITABLE(p + PAGE);
    int memory = (int)syscall(SYS_memfd_create, "shared", 0);
    REQUIRE(memory >= 0);
    CHECK_OK(ftruncate(memory, 2 * PAGE));
    unsigned char *one = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    unsigned char *other = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    one[PAGE] = 0x33;
    CHECK_EQ(other[PAGE], 0x33);
}

int main(void)
{
    catch_faults();
    RUN(private_copies);
    RUN(shared_ones_write_through);
    RUN(the_tail_of_the_last_page);
    RUN(truncated_under_the_mapping);
    RUN(access_rights);
    RUN(offsets);
    RUN(executed_from_a_file);
    RUN(special_files);
    return finish();
}
