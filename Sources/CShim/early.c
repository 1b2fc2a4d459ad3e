#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "vmrun_syscall.h"

// glibc's start asks this function of its own for the first thread's storage, once, when it is linked statically. glibc's takes the
// break, which the kernel puts in the middle of the arena. Nothing else takes the break: the heap is vmrun's own (heap.c), and
// HostLayout looks where the storage has come to lie.
void *_dl_early_allocate(size_t size);

void *_dl_early_allocate(size_t size)
{
    long result = vmrun_syscall(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return result < 0 ? NULL : (void *)result;
}
