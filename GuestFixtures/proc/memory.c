/* /proc/PID/mem, pagemap and clear_refs: a process's memory by its addresses. */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/uio.h>

static char data[3 * PAGE] __attribute__((aligned(4096)));
static const char constant[PAGE] __attribute__((aligned(4096))) = "constant";

static int opened(const char *name, int flags)
{
    char path[100];
    snprintf(path, sizeof path, "/proc/self/%s", name);
    int fd = open(path, flags);
    REQUIRE(fd >= 0);
    return fd;
}

/* An address that no buffer can have, and a count that no vector can; the compiler shall not know. */
static void *volatile bad = (void *)8;
static volatile int too_many = 1025;

/* Where pagemap tells of it. */
static off_t entry_at(const void *address)
{
    return (off_t)((uintptr_t)address / PAGE * 8);
}

static off_t at(const void *address)
{
    return (off_t)(uintptr_t)address;
}

static void own_memory(void)
{
    int fd = opened("mem", O_RDWR);
    char text[16] = "";
    strcpy(data, "hello");
    CHECK_EQ(pread(fd, text, 6, at(data)), 6);
    CHECK_STR(text, "hello");
    CHECK_EQ(pwrite(fd, "HE", 2, at(data)), 2);
    CHECK_STR(data, "HEllo");
    /* By the place of the descriptor, which moves. */
    CHECK_EQ(lseek(fd, at(data), SEEK_SET), at(data));
    CHECK_EQ(read(fd, text, 2), 2);
    CHECK_EQ(write(fd, "LL", 2), 2);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), at(data) + 4);
    CHECK_STR(data, "HELLo");
    CHECK_EQ(lseek(fd, -4, SEEK_CUR), at(data));
    CHECK_ERROR(lseek(fd, 0, SEEK_END), EINVAL);
    CHECK_EQ(read(fd, text, 0), 0);
    close(fd);
}

static void vectors(void)
{
    int fd = opened("mem", O_RDWR);
    char one[3] = "", two[4] = "";
    struct iovec parts[2] = {{one, 2}, {two, 3}};
    strcpy(data, "hello");
    CHECK_EQ(preadv(fd, parts, 2, at(data)), 5);
    CHECK_STR(one, "he");
    CHECK_STR(two, "llo");
    memcpy(one, "AB", 2);
    memcpy(two, "CDE", 3);
    CHECK_EQ(pwritev(fd, parts, 2, at(data)), 5);
    CHECK_STR(data, "ABCDE");
    lseek(fd, at(data) + 1, SEEK_SET);
    CHECK_EQ(readv(fd, parts, 2), 5);
    CHECK_STR(one, "BC");
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), at(data) + 6);
    parts[1].iov_base = bad;
    CHECK_EQ(preadv(fd, parts, 2, at(data)), 2);
    CHECK_ERROR(preadv(fd, bad, 1, at(data)), EFAULT);
    CHECK_ERROR(preadv(fd, parts, too_many, at(data)), EINVAL);
    close(fd);
}

/* What may be read and written this way is what a debugger may: the protection does not matter. */
static void protection_does_not_matter(void)
{
    int fd = opened("mem", O_RDWR);
    char text[16] = "";
    CHECK_EQ(pwrite(fd, "patched!", 8, at(constant)), 8);
    CHECK_EQ(pread(fd, text, 8, at(constant)), 8);
    CHECK_STR(text, "patched!");
    const char *volatile changed = constant;
    CHECK(memcmp(changed, "patched!", 8) == 0);
    char *hidden = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(hidden, "hidden");
    CHECK_OK(mprotect(hidden, PAGE, PROT_NONE));
    CHECK_EQ(pread(fd, text, 7, at(hidden)), 7);
    CHECK_STR(text, "hidden");
    CHECK_EQ(pwrite(fd, "H", 1, at(hidden)), 1);
    CHECK_OK(mprotect(hidden, PAGE, PROT_READ));
    CHECK_STR(hidden, "Hidden");
    close(fd);
}

static int three(void)
{
    return 3;
}

/* Code that has run and is changed runs changed: how debuggers set breakpoints. */
static void code(void)
{
    /* A function that returns 1, and what makes another number of it. */
#if defined(__x86_64__)
    static const unsigned char one[] = {0xb8, 1, 0, 0, 0, 0xc3};
    const unsigned char two = 2;
    const unsigned number = 1;
#else
    static const unsigned char one[] = {0x20, 0, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6};
    const unsigned char two = 0x40;
    const unsigned number = 0;
#endif
    unsigned char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, one, sizeof one);
    __builtin___clear_cache((char *)page, (char *)page + sizeof one);
    CHECK_OK(mprotect(page, PAGE, PROT_READ | PROT_EXEC));
    int (*function)(void) = (int (*)(void))(uintptr_t)page;
    CHECK_EQ(function(), 1);
    int fd = opened("mem", O_RDWR);
    CHECK_EQ(pwrite(fd, &two, 1, at(page) + number), 1);
    CHECK_EQ(function(), 2);
    /* The program's own text as well. */
    unsigned char saved[sizeof one];
    int (*volatile own)(void) = three;
    CHECK_EQ(own(), 3);
    CHECK_EQ(pread(fd, saved, sizeof saved, at((void *)(uintptr_t)own)), sizeof saved);
    CHECK_EQ(pwrite(fd, one, sizeof one, at((void *)(uintptr_t)own)), sizeof one);
    CHECK_EQ(own(), 1);
    CHECK_EQ(pwrite(fd, saved, sizeof saved, at((void *)(uintptr_t)own)), sizeof saved);
    CHECK_EQ(own(), 3);
    close(fd);
}

static void errors(void)
{
    int fd = opened("mem", O_RDWR);
    char text[2 * PAGE];
    char *hole = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(hole + PAGE, PAGE);
    CHECK_EQ(pread(fd, text, 2 * PAGE, at(hole)), PAGE);
    CHECK_ERROR(pread(fd, text, 1, at(hole + PAGE)), EIO);
    CHECK_ERROR(pread(fd, text, 1, 0), EIO);
    CHECK_ERROR(pread(fd, text, 1, 1L << 62), EIO);
    CHECK_ERROR(pread(fd, text, 1, -1), EINVAL);
    CHECK_ERROR(pread(fd, bad, 1, at(data)), EFAULT);
    close(fd);
    fd = opened("mem", O_RDONLY);
    CHECK_ERROR(pwrite(fd, "x", 1, at(data)), EBADF);
    close(fd);
    fd = opened("mem", O_WRONLY);
    CHECK_ERROR(pread(fd, text, 1, at(data)), EBADF);
    close(fd);
}

static void of_a_child(void)
{
    int gate[2];
    char byte;
    CHECK_OK(pipe(gate));
    strcpy(data, "parent");
    pid_t pid = fork();
    if (pid == 0) {
        close(gate[1]);
        (void)!read(gate[0], &byte, 1);
        _exit(strcmp(data, "Parent") != 0);
    }
    char path[100], text[16] = "";
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    int fd = open(path, O_RDWR);
    CHECK_OK(fd);
    CHECK_EQ(pread(fd, text, 7, at(data)), 7);
    CHECK_STR(text, "parent");
    CHECK_EQ(pwrite(fd, "P", 1, at(data)), 1);
    CHECK_STR(data, "parent");
    snprintf(path, sizeof path, "/proc/%d/task/%d/mem", pid, pid);
    int thread = open(path, O_RDONLY);
    CHECK_EQ(pread(thread, text, 7, at(data)), 7);
    CHECK_STR(text, "Parent");
    close(gate[1]);
    CHECK_EQ(wait_for(pid), 0);
    /* Nothing is left to be read. */
    CHECK_EQ(pread(fd, text, 7, at(data)), 0);
    close(fd);
    close(thread);
}

static uint64_t entry(int fd, const void *address)
{
    uint64_t found = ~0UL;
    CHECK_EQ(pread(fd, &found, sizeof found, entry_at(address)), sizeof found);
    return found;
}

#define PRESENT (1UL << 63)
#define FILE_OR_SHARED (1UL << 61)
#define SOFT_DIRTY (1UL << 55)

static void page_map(void)
{
    int fd = opened("pagemap", O_RDONLY);
    char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    p[PAGE] = 1;
    CHECK(!(entry(fd, p) & PRESENT));
    CHECK(entry(fd, p + PAGE) & PRESENT);
    CHECK(!(entry(fd, p + PAGE) & FILE_OR_SHARED));
    CHECK(entry(fd, (void *)(uintptr_t)page_map) & PRESENT);
    CHECK(entry(fd, (void *)(uintptr_t)page_map) & FILE_OR_SHARED);
    uint64_t entries[4];
    CHECK_EQ(pread(fd, entries, sizeof entries, entry_at(p)), sizeof entries);
    CHECK(!(entries[0] & PRESENT) && (entries[1] & PRESENT) && !(entries[2] & PRESENT));
    CHECK_EQ(lseek(fd, entry_at(p), SEEK_SET), entry_at(p));
    CHECK_EQ(read(fd, entries, 16), 16);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), entry_at(p) + 16);
    munmap(p, 4 * PAGE);
    CHECK_EQ(entry(fd, p + PAGE), 0);
    CHECK_ERROR(pread(fd, entries, 8, 4), EINVAL);
    CHECK_ERROR(pread(fd, entries, 7, 0), EINVAL);
    CHECK_EQ(entry(fd, NULL), 0);
    CHECK_EQ(pread(fd, entries, 8, 1L << 45), 0);
    CHECK_ERROR(pread(fd, bad, 8, 0), EFAULT);
    /* Large steps. */
    size_t size = 1 << 20;
    uint64_t *many = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK_EQ(pread(fd, many, size, entry_at(data) / 4096 * 4096), size);
    size_t index = (uintptr_t)data / PAGE - (size_t)(entry_at(data) / 4096 * 4096 / 8);
    CHECK(many[index] & PRESENT);
    close(fd);
}

/* Where the kernel tracks it: what was written to since the bits were cleared. */
static void soft_dirty(void)
{
    int fd = opened("pagemap", O_RDONLY), clear = opened("clear_refs", O_WRONLY);
    char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    p[0] = p[PAGE] = 1;
    int tracked = (entry(fd, p) & SOFT_DIRTY) != 0;
    CHECK_EQ(write(clear, "4\n", 2), 2);
    if (tracked) {
        CHECK(!(entry(fd, p) & SOFT_DIRTY));
        p[PAGE] = 2;
        CHECK(!(entry(fd, p) & SOFT_DIRTY));
        CHECK(entry(fd, p + PAGE) & SOFT_DIRTY);
    }
    CHECK_ERROR(write(clear, "9", 1), EINVAL);
    CHECK_ERROR(open("/proc/self/clear_refs", O_RDONLY | (getuid() ? 0 : O_DIRECTORY)), getuid() ? EACCES : ENOTDIR);
    close(fd);
    close(clear);
}

static void *reader(void *unused)
{
    (void)unused;
    int fd = opened("mem", O_RDONLY);
    long value, wrong = 0;
    for (int i = 0; i < 2000; i++) {
        long *place = (long *)(void *)data + i % 512;
        wrong += pread(fd, &value, sizeof value, at(place)) != sizeof value || value != i % 512;
    }
    close(fd);
    return (void *)wrong;
}

static void many_readers(void)
{
    pthread_t threads[4];
    for (long i = 0; i < 512; i++) ((long *)(void *)data)[i] = i;
    for (int i = 0; i < 4; i++) CHECK_EQ(pthread_create(&threads[i], NULL, reader, NULL), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        CHECK_EQ((long)wrong, 0);
    }
}

int main(void)
{
    RUN(own_memory);
    RUN(vectors);
    RUN(protection_does_not_matter);
    RUN(code);
    RUN(errors);
    RUN(of_a_child);
    RUN(page_map);
    RUN(soft_dirty);
    RUN(many_readers);
    return finish();
}
