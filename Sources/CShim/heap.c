#include "vmrun_heap.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "vmrun_syscall.h"
#include "vmrun_thread.h"

// Every block begins with this, 16 bytes before what the caller gets.
struct header {
    uint32_t kind;
    // ALIGNED: how far before this header the block's own lies.
    uint32_t distance;
    // A block with a mapping of its own: the mapping's length. Otherwise the next free block of the same size.
    union {
        size_t length;
        struct header *next;
    };
};

enum { UNIT = 16, FINE = 32, CLASSES = FINE + 4 * 9, OWN_MAPPING = 1000, ALIGNED = 1001 };
#define CHUNK ((size_t)1 << 20)

// Memory that was never handed out.
struct chunk {
    char *next, *end;
};

static struct header *free_blocks[CLASSES];
static struct {
    struct chunk chunk;
    _Alignas(UNIT) char room[128 << 10];
} first;
static struct chunk *current;

// 0 free, otherwise the owner's thread id; the top bit says that somebody waits.
static uint32_t lock_word;
#define CONTENDED 0x80000000u

static void lock(void)
{
    uint32_t seen = 0, own = vmrun_thread_id();
    if (__atomic_compare_exchange_n(&lock_word, &seen, own, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    for (;;) {
        // Others may wait as well, so it is taken as contended.
        seen = 0;
        if (__atomic_compare_exchange_n(&lock_word, &seen, own | CONTENDED, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return;
        uint32_t marked = seen | CONTENDED;
        if (seen != marked &&
            !__atomic_compare_exchange_n(&lock_word, &seen, marked, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            continue;
        vmrun_syscall(SYS_futex, (long)&lock_word, FUTEX_WAIT, marked, 0, 0, 0);
    }
}

static void unlock(void)
{
    if (__atomic_exchange_n(&lock_word, 0, __ATOMIC_RELEASE) & CONTENDED)
        vmrun_syscall(SYS_futex, (long)&lock_word, FUTEX_WAKE, 1, 0, 0, 0);
}

void vmrun_heap_break_lock(uint32_t owner)
{
    if ((__atomic_load_n(&lock_word, __ATOMIC_RELAXED) & ~CONTENDED) == owner)
        unlock();
}

void vmrun_heap_after_fork(void)
{
    __atomic_store_n(&lock_word, 0, __ATOMIC_RELEASE);
}

// Sizes: every multiple of 16 up to 512, then four steps to each doubling, up to 256 KiB. With the header.
static size_t class_size(unsigned class)
{
    if (class < FINE)
        return (class + 1) * UNIT;
    unsigned step = class - FINE;
    size_t base = (size_t)512 << (step / 4);
    return base + base / 4 * (step % 4 + 1);
}

static unsigned class_of(size_t size)
{
    if (size <= FINE * UNIT)
        return (unsigned)((size - 1) / UNIT);
    unsigned doubling = (unsigned)(63 - __builtin_clzl((size - 1) >> 9));
    size_t base = (size_t)512 << doubling;
    return FINE + doubling * 4 + (unsigned)((size - base - 1) / (base / 4));
}

static void *map(size_t size)
{
    if (vmrun_injected_fault(VMRUN_FAULT_HEAP, 0))
        return NULL;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

// With the lock held. One store makes the block the caller's, so whoever dies here loses no more than that block.
static struct header *take(unsigned class)
{
    struct header *block = free_blocks[class];
    if (block) {
        __atomic_store_n(&free_blocks[class], block->next, __ATOMIC_RELAXED);
        return block;
    }
    size_t size = class_size(class);
    if (!current) {
        first.chunk = (struct chunk){first.room, first.room + sizeof first.room};
        __atomic_store_n(&current, &first.chunk, __ATOMIC_RELEASE);
    }
    if ((size_t)(current->end - current->next) < size) {
        struct chunk *chunk = map(CHUNK);
        if (!chunk)
            return NULL;
        *chunk = (struct chunk){(char *)chunk + UNIT, (char *)chunk + CHUNK};
        __atomic_store_n(&current, chunk, __ATOMIC_RELEASE);
    }
    block = (struct header *)current->next;
    __atomic_store_n(&current->next, current->next + size, __ATOMIC_RELAXED);
    return block;
}

void *vmrun_heap_allocate(size_t size)
{
    if (size > PTRDIFF_MAX - CHUNK)
        return NULL;
    size += sizeof(struct header);
    struct header *block;
    if (size > class_size(CLASSES - 1)) {
        size = (size + 4095) & ~(size_t)4095;
        block = map(size);
        if (!block)
            return NULL;
        *block = (struct header){.kind = OWN_MAPPING, .length = size};
        return block + 1;
    }
    unsigned class = class_of(size);
    lock();
    block = take(class);
    unlock();
    if (!block)
        return NULL;
    block->kind = class;
    return block + 1;
}

// The block's own header.
static struct header *header_of(void *memory)
{
    struct header *block = (struct header *)memory - 1;
    return block->kind == ALIGNED ? (struct header *)((char *)block - block->distance) : block;
}

void vmrun_heap_free(void *memory)
{
    if (!memory)
        return;
    struct header *block = header_of(memory);
    if (block->kind == OWN_MAPPING) {
        munmap(block, block->length);
        return;
    }
    lock();
    block->next = free_blocks[block->kind];
    __atomic_store_n(&free_blocks[block->kind], block, __ATOMIC_RELEASE);
    unlock();
}

size_t vmrun_heap_size(void *memory)
{
    struct header *block = header_of(memory);
    size_t size = block->kind == OWN_MAPPING ? block->length : class_size(block->kind);
    return size - (size_t)((char *)memory - (char *)block);
}

void *vmrun_heap_allocate_aligned(size_t alignment, size_t size)
{
    if (alignment <= UNIT)
        return vmrun_heap_allocate(size);
    if (alignment > CHUNK || size > PTRDIFF_MAX - 2 * CHUNK)
        return NULL;
    char *memory = vmrun_heap_allocate(size + alignment);
    if (!memory)
        return NULL;
    char *aligned = (char *)(((uintptr_t)memory + alignment - 1) & ~(uintptr_t)(alignment - 1));
    if (aligned == memory)
        return memory;
    // The distance is a multiple of 16, so there is room for a header.
    struct header *block = (struct header *)aligned - 1;
    block->kind = ALIGNED;
    block->distance = (uint32_t)(aligned - memory);
    return aligned;
}

void *vmrun_heap_resize(void *memory, size_t size)
{
    if (!memory)
        return vmrun_heap_allocate(size);
    size_t present = vmrun_heap_size(memory);
    if (size <= present && size >= present / 2)
        return memory;
    void *other = vmrun_heap_allocate(size);
    if (!other)
        return NULL;
    memcpy(other, memory, size < present ? size : present);
    vmrun_heap_free(memory);
    return other;
}

#ifdef VMRUN_OWN_HEAP
// In place of libc's, for everything that is linked into vmrun. Embedded Swift takes what it gets for memory, NULL too, and an offset from
// NULL is an address of the guest's: so where the host has no memory the process ends.
static void *or_end(void *memory)
{
    if (!memory) {
        static const char text[] = "vmrun: the host has no memory left for vmrun itself\n";
        vmrun_syscall(SYS_write, 2, (long)text, sizeof text - 1, 0, 0, 0);
        vmrun_syscall(SYS_exit_group, 125, 0, 0, 0, 0, 0);
    }
    return memory;
}

void *malloc(size_t size)
{
    return or_end(vmrun_heap_allocate(size));
}

void free(void *memory)
{
    vmrun_heap_free(memory);
}

void *calloc(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    return memset(malloc(total), 0, total);
}

void *realloc(void *memory, size_t size)
{
    return or_end(vmrun_heap_resize(memory, size));
}

void *memalign(size_t alignment, size_t size)
{
    return or_end(vmrun_heap_allocate_aligned(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    *memory = memalign(alignment, size);
    return 0;
}

size_t malloc_usable_size(void *memory)
{
    return memory ? vmrun_heap_size(memory) : 0;
}
#endif
