// arc4random_buf(3), by which Swift seeds its hash tables, for C libraries without it.
#ifdef VMRUN_OWN_HEAP
#include <stddef.h>
#include <sys/syscall.h>

#include "vmrun_syscall.h"

void arc4random_buf(void *buffer, size_t size)
{
    char *next = buffer;
    while (size > 0) {
        long count = vmrun_syscall(SYS_getrandom, (long)next, (long)size, 0, 0, 0, 0);
        if (count > 0) {
            next += count;
            size -= (size_t)count;
        }
    }
}
#endif
