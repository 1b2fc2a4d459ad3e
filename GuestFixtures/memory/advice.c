/* madvise, mincore, msync, mlock: what they do, and what they refuse. */
#include "faults.h"
#include <sys/resource.h>

#ifndef MADV_FREE
#define MADV_FREE 8
#endif

static unsigned char *map(size_t size)
{
    unsigned char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(p != MAP_FAILED);
    return p;
}

static void dontneed_zeroes(void)
{
    unsigned char *p = map(4 * PAGE);
    memset(p, 3, 4 * PAGE);
    CHECK_OK(madvise(p + PAGE, 2 * PAGE, MADV_DONTNEED));
    CHECK_EQ(p[0], 3);
    CHECK_EQ(p[PAGE], 0);
    CHECK_EQ(p[3 * PAGE - 1], 0);
    CHECK_EQ(p[3 * PAGE], 3);
    CHECK_WRITABLE(p + PAGE);
}

static void dontneed_rereads_a_file(void)
{
    write_file(temporary("advice"), "original", 8);
    int fd = open(temporary("advice"), O_RDWR);
    char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    p[0] = 'X';
    CHECK_OK(madvise(p, PAGE, MADV_DONTNEED));
    CHECK_EQ(p[0], 'o');
}

static void hints_are_taken(void)
{
    unsigned char *p = map(16 * PAGE);
    memset(p, 3, 16 * PAGE);
    int hints[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_FREE, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
                   MADV_DONTDUMP, MADV_DODUMP};
    for (unsigned i = 0; i < sizeof hints / sizeof *hints; i++) CHECK_OK(madvise(p, 16 * PAGE, hints[i]));
    CHECK_ERROR(madvise(p, PAGE, 9999), EINVAL);
    CHECK_ERROR(madvise(p + 1, PAGE, MADV_DONTNEED), EINVAL);
    CHECK_OK(madvise(p, 0, MADV_DONTNEED));
    munmap(p + PAGE, PAGE);
    CHECK_ERROR(madvise(p, 3 * PAGE, MADV_DONTNEED), ENOMEM);
}

static void not_for_the_child(void)
{
    unsigned char *kept = map(PAGE), *dropped = map(PAGE), *wiped = map(PAGE);
    kept[0] = dropped[0] = wiped[0] = 5;
    CHECK_OK(madvise(dropped, PAGE, MADV_DONTFORK));
    CHECK_OK(madvise(wiped, PAGE, 18 /* MADV_WIPEONFORK */));
    pid_t pid = fork();
    if (pid == 0) {
        check_failures = 0;
        CHECK_EQ(kept[0], 5);
        CHECK_EQ(wiped[0], 0);
        CHECK_NOTHING_AT(dropped);
        _exit(check_failures != 0);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(dropped[0], 5);
}

static void residency(void)
{
    unsigned char *p = map(4 * PAGE), present[4] = {9, 9, 9, 9};
    CHECK_OK(madvise(p, 4 * PAGE, MADV_NOHUGEPAGE));
    p[0] = p[2 * PAGE] = 1;
    CHECK_OK(mincore(p, 4 * PAGE, present));
    for (int i = 0; i < 4; i++) CHECK_EQ(present[i] & 1, i % 2 == 0);
    CHECK_ERROR(mincore(p + 1, PAGE, present), EINVAL);
    munmap(p + PAGE, PAGE);
    CHECK_ERROR(mincore(p, 4 * PAGE, present), ENOMEM);
    CHECK_ERROR(mincore(p, PAGE, (void *)8), EFAULT);
    CHECK_OK(syscall(SYS_mincore, p, 0, 0));
    CHECK_OK(syscall(SYS_mincore, 0, 0, 8));
    CHECK_ERROR(syscall(SYS_mincore, p, 0, -1L), EFAULT);
}

static void synchronisation(void)
{
    unsigned char *p = map(2 * PAGE);
    CHECK_OK(msync(p, 2 * PAGE, MS_SYNC));
    CHECK_OK(msync(p, 2 * PAGE, MS_ASYNC | MS_INVALIDATE));
    CHECK_ERROR(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
    CHECK_ERROR(msync(p + 1, PAGE, MS_SYNC), EINVAL);
    munmap(p + PAGE, PAGE);
    CHECK_ERROR(msync(p, 2 * PAGE, MS_SYNC), ENOMEM);
}

static void locking(void)
{
    unsigned char *p = map(2 * PAGE), present[2];
    CHECK_OK(mlock(p, PAGE));
    CHECK_OK(mincore(p, PAGE, present));
    CHECK_EQ(present[0] & 1, 1);
    CHECK_ERROR(madvise(p, PAGE, MADV_DONTNEED), EINVAL);
    CHECK_OK(munlock(p, PAGE));
    CHECK_OK(syscall(SYS_mlock2, p, 2 * PAGE, 1 /* MLOCK_ONFAULT */));
    munmap(p + PAGE, PAGE);
    CHECK_ERROR(mlock(p, 2 * PAGE), ENOMEM);
    CHECK_ERROR(syscall(SYS_mlockall, 0), EINVAL);
    CHECK_OK(munlockall());
}

int main(void)
{
    catch_faults();
    RUN(dontneed_zeroes);
    RUN(dontneed_rereads_a_file);
    RUN(hints_are_taken);
    RUN(not_for_the_child);
    RUN(residency);
    RUN(synchronisation);
    RUN(locking);
    return finish();
}
