/* What the emulators' fixtures share: plain mappings, places that are free, and whether they stay as they were. */
#ifndef MAPPINGS_H
#define MAPPINGS_H

#include "faults.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define KIB (1UL << 10)
#define MIB (1UL << 20)
#define GIB (1UL << 30)
#define RW (PROT_READ | PROT_WRITE)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)
#define RESERVE (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
#define AT(address) ((unsigned char *)(uintptr_t)(address))

typedef unsigned char *bytes;

/* Not the C library's: its mmap changes arguments and errors of its own. */
static inline bytes map_as(const void *hint, size_t size, int protection, int flags)
{
    return (bytes)syscall(SYS_mmap, hint, size, protection, flags, -1, 0L);
}

static inline bytes map_at(const void *hint, size_t size, int flags)
{
    return map_as(hint, size, RW, ANONYMOUS | flags);
}

static inline void unmap(const void *start, size_t size)
{
    CHECK_OK(munmap((void *)start, size));
}

/* Nothing is mapped in the whole range. */
static inline int is_free(const void *start, size_t size)
{
    bytes p = map_as(start, size, PROT_NONE, RESERVE | MAP_FIXED_NOREPLACE);
    if (p == MAP_FAILED) return 0;
    unmap(p, size);
    return p == start;
}

/* The first free place of this size among multiples of `step` in [from, to). */
static inline bytes free_place(uintptr_t from, uintptr_t to, uintptr_t step, size_t size)
{
    for (uintptr_t at = from; at + size <= to; at += step) {
        if (is_free(AT(at), size)) return AT(at);
    }
    REQUIRE(!"a free place");
    return NULL;
}

/* Writes something that tells the pages of [start, start + size) apart, and finds it again. */
static inline void stamp(bytes start, size_t size)
{
    for (size_t at = 0; at < size; at += PAGE) *(uintptr_t *)(start + at) = (uintptr_t)(start + at) ^ 0x5eed;
}

static inline int is_stamped(const unsigned char *start, size_t size)
{
    for (size_t at = 0; at < size; at += PAGE) {
        if (*(const uintptr_t *)(start + at) != ((uintptr_t)(start + at) ^ 0x5eed)) return 0;
    }
    return 1;
}

static inline int is_zero(const unsigned char *start, size_t size)
{
    for (size_t at = 0; at < size; at++) {
        if (start[at]) return 0;
    }
    return 1;
}

/* Where the kernel puts the next mapping that has no hint. */
static inline bytes next_unhinted(size_t size)
{
    bytes p = map_at(NULL, size, 0);
    REQUIRE(p != MAP_FAILED);
    unmap(p, size);
    return p;
}

#endif
