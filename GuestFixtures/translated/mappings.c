/* Memory of a program that a translator may run: what it maps, protects, moves and generates, and what the kernel says of it. */
#include "check.h"
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define RW (PROT_READ | PROT_WRITE)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)

static void mapped_and_unmapped(void)
{
    enum { COUNT = 300 };
    unsigned char *places[COUNT];
    for (int i = 0; i < COUNT; i++) {
        places[i] = mmap(NULL, (1 + i % 7) * PAGE, RW, ANONYMOUS, -1, 0);
        REQUIRE(places[i] != MAP_FAILED);
        memset(places[i], i, (1 + i % 7) * PAGE);
    }
    for (int i = 0; i < COUNT; i += 2) CHECK_OK(munmap(places[i], (1 + i % 7) * PAGE));
    for (int i = 1; i < COUNT; i += 2) {
        CHECK_EQ(places[i][0], (unsigned char)i);
        CHECK_EQ(places[i][(1 + i % 7) * PAGE - 1], (unsigned char)i);
        CHECK_OK(munmap(places[i], (1 + i % 7) * PAGE));
    }
}

static void hints(void)
{
    unsigned char *p = mmap(NULL, 16 * PAGE, RW, ANONYMOUS, -1, 0), *hint = p + 4 * PAGE;
    munmap(p, 16 * PAGE);
    CHECK(mmap(hint, PAGE, RW, ANONYMOUS, -1, 0) == hint);
    hint[0] = 1;
    unsigned char *moved = mmap(hint, PAGE, RW, ANONYMOUS, -1, 0);
    CHECK(moved != MAP_FAILED && moved != hint);
    CHECK(mmap(hint, PAGE, RW, ANONYMOUS | MAP_FIXED, -1, 0) == hint);
    CHECK_EQ(hint[0], 0);
    munmap(hint, PAGE);
    munmap(moved, PAGE);
}

static void gigabytes_reserved(void)
{
    size_t size = sizeof(void *) == 8 ? (size_t)8 << 30 : (size_t)256 << 20;
    unsigned char *p = mmap(NULL, size, PROT_NONE, ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(p != MAP_FAILED);
    for (int i = 0; i < 16; i++) {
        unsigned char *part = p + size / 16 * i;
        CHECK_OK(mprotect(part, 2 * PAGE, RW));
        part[PAGE] = (unsigned char)(i + 1);
    }
    for (int i = 0; i < 16; i++) CHECK_EQ(p[size / 16 * i + PAGE], i + 1);
    CHECK_OK(munmap(p, size));
}

static void grown_and_moved(void)
{
    unsigned char *p = mmap(NULL, 4 * PAGE, RW, ANONYMOUS, -1, 0);
    memset(p, 7, 4 * PAGE);
    for (size_t size = 8 * PAGE; size <= 1024 * PAGE; size *= 2) {
        p = mremap(p, size / 2, size, MREMAP_MAYMOVE);
        REQUIRE(p != MAP_FAILED);
        CHECK_EQ(p[4 * PAGE - 1], 7);
        CHECK_EQ(p[size - 1], 0);
    }
    CHECK(mremap(p, 1024 * PAGE, PAGE, 0) == p);
    CHECK_EQ(p[0], 7);
    munmap(p, PAGE);
}

static void files(void)
{
    const char *path = temporary("file");
    int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    CHECK_OK(ftruncate(fd, 3 * PAGE));
    unsigned char *shared = mmap(NULL, 3 * PAGE, RW, MAP_SHARED, fd, 0);
    unsigned char *own = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, PAGE);
    shared[PAGE + 5] = 50;
    CHECK_EQ(own[5], 50);
    own[5] = 51;
    CHECK_EQ(shared[PAGE + 5], 50);
    CHECK_OK(msync(shared, 3 * PAGE, MS_SYNC));
    unsigned char byte = 0;
    CHECK_EQ(pread(fd, &byte, 1, PAGE + 5), 1);
    CHECK_EQ(byte, 50);
    munmap(shared, 3 * PAGE);
    munmap(own, PAGE);
    close(fd);
    unlink(path);
}

/* Machine code that answers n, for the processor this is compiled for. */
static size_t write_function(unsigned char *at, unsigned n)
{
#if defined(__aarch64__)
    uint32_t code[] = {0x52800000 | n << 5, 0xd65f03c0};
#elif defined(__riscv)
    uint32_t code[] = {0x00000513 | n << 20, 0x00008067};
#elif defined(__arm__)
    uint32_t code[] = {0xe3a00000 | n, 0xe12fff1e};
#else
    unsigned char code[] = {0xb8, (unsigned char)n, 0, 0, 0, 0xc3};
#endif
    memcpy(at, code, sizeof code);
    __builtin___clear_cache((char *)at, (char *)at + sizeof code);
    return sizeof code;
}

static void code_made_and_changed(void)
{
    unsigned char *p = mmap(NULL, 2 * PAGE, RW, ANONYMOUS, -1, 0);
    for (unsigned n = 0; n < 200; n++) {
        CHECK_OK(mprotect(p, 2 * PAGE, RW));
        unsigned char *at = p + n * 16;
        write_function(at, n);
        write_function(p, (n + 1) & 0xff);
        CHECK_OK(mprotect(p, 2 * PAGE, PROT_READ | PROT_EXEC));
        if (n) CHECK_EQ(((int (*)(void))at)(), n);
        CHECK_EQ(((int (*)(void))p)(), (n + 1) & 0xff);
    }
    CHECK_OK(munmap(p, 2 * PAGE));
}

static void code_of_two_mappings(void)
{
    const char *path = temporary("code");
    int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0700);
    CHECK_OK(ftruncate(fd, PAGE));
    unsigned char *writable = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
    unsigned char *executable = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    REQUIRE(writable != MAP_FAILED && executable != MAP_FAILED);
    write_function(writable, 33);
    __builtin___clear_cache((char *)executable, (char *)executable + 16);
    CHECK_EQ(((int (*)(void))executable)(), 33);
    munmap(writable, PAGE);
    munmap(executable, PAGE);
    close(fd);
    unlink(path);
}

static void the_list_of_mappings(void)
{
    unsigned char *p = mmap(NULL, 3 * PAGE, PROT_READ, ANONYMOUS, -1, 0);
    CHECK_OK(mprotect(p + PAGE, PAGE, PROT_NONE));
    FILE *file = fopen("/proc/self/maps", "r");
    REQUIRE(file);
    char line[512], permissions[8];
    int found = 0, stack = 0;
    unsigned long start, end, previous = 0, local = (unsigned long)&local;
    while (fgets(line, sizeof line, file)) {
        CHECK_EQ(sscanf(line, "%lx-%lx %7s", &start, &end, permissions), 3);
        CHECK(start >= previous && end > start);
        previous = end;
        if (start <= (unsigned long)p + PAGE && end > (unsigned long)p + PAGE) found += strcmp(permissions, "---p") == 0;
        if (start <= local && end > local) stack += strncmp(permissions, "rw", 2) == 0;
    }
    fclose(file);
    CHECK_EQ(found, 1);
    CHECK_EQ(stack, 1);
    munmap(p, 3 * PAGE);
}

static void bad_pointers(void)
{
    int ends[2];
    CHECK_OK(pipe(ends));
    unsigned char *gone = mmap(NULL, PAGE, RW, ANONYMOUS, -1, 0);
    munmap(gone, PAGE);
    CHECK_ERROR(write(ends[1], gone, 4), EFAULT);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    CHECK_ERROR(read(ends[0], gone, 1), EFAULT);
    struct iovec parts[2] = {{"ab", 2}, {gone, 2}};
    ssize_t put = writev(ends[1], parts, 2);
    CHECK(put == 2 || (put == -1 && errno == EFAULT));
    CHECK_ERROR(open((char *)gone, O_RDONLY), EFAULT);
    close(ends[0]);
    close(ends[1]);
}

static void the_heap(void)
{
    void *start = sbrk(0);
    CHECK(start != (void *)-1);
    /* Not where the C library has none. */
    if (sbrk(3 * PAGE) != (void *)-1) {
        memset(start, 1, 3 * PAGE);
        CHECK(sbrk(-3 * (long)PAGE) != (void *)-1);
    }
    enum { COUNT = 2000 };
    static char *blocks[COUNT];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            blocks[i] = malloc(1 + i * 37 % 5000);
            blocks[i][0] = (char)i;
        }
        for (int i = 0; i < COUNT; i++) {
            CHECK_EQ(blocks[i][0], (char)i);
            free(blocks[i]);
        }
    }
    char *large = malloc(64 << 20);
    REQUIRE(large);
    large[0] = large[(64 << 20) - 1] = 1;
    free(large);
}

static void what_the_start_tells(void)
{
    CHECK_EQ(getauxval(AT_PAGESZ), PAGE);
    CHECK(getauxval(AT_PHDR) != 0 && getauxval(AT_ENTRY) != 0 && getauxval(AT_RANDOM) != 0);
    CHECK_EQ(getauxval(AT_UID), getuid());
    CHECK_EQ(getauxval(AT_SECURE), 0);
    CHECK_EQ(sysconf(_SC_PAGESIZE), PAGE);
}

int main(void)
{
    RUN(mapped_and_unmapped);
    RUN(hints);
    RUN(gigabytes_reserved);
    RUN(grown_and_moved);
    RUN(files);
    RUN(code_made_and_changed);
    RUN(code_of_two_mappings);
    RUN(the_list_of_mappings);
    RUN(bad_pointers);
    RUN(the_heap);
    RUN(what_the_start_tells);
    return finish();
}
