// vmrun's heap. Not libc's: a vfork helper runs in its parent's heap and may be killed at any instruction. Here each operation takes
// effect by one store, so that a death loses one block at most, and the lock knows its owner, so that it can be freed. A fork
// may find any thread inside.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// As malloc(3): 16-byte aligned, NULL where there is no memory.
void *vmrun_heap_allocate(size_t size);
/// As aligned_alloc(3) for alignments (powers of two) of up to 1 MiB.
void *vmrun_heap_allocate_aligned(size_t alignment, size_t size);
/// As realloc(3).
void *vmrun_heap_resize(void *memory, size_t size);
/// As free(3).
void vmrun_heap_free(void *memory);
/// As malloc_usable_size(3).
size_t vmrun_heap_size(void *memory);

/// Frees the heap's lock where the thread `owner`, which is dead, held it.
void vmrun_heap_break_lock(uint32_t owner);
/// In a fork child, whose only thread is not inside.
void vmrun_heap_after_fork(void);
