#include "vmrun_copy.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "vmrun_abi.h"
#include "vmrun_syscall.h"
#include "vmrun_thread.h"

#define PAGE 4096u

#define ROUTINE(name) \
    extern const char vmrun_##name##_begin[], vmrun_##name##_insn[], vmrun_##name##_fault[], vmrun_##name##_slow[]

ROUTINE(copy);
ROUTINE(zero);
ROUTINE(store32);
ROUTINE(load32);
ROUTINE(exchange32);

#define BETWEEN(ip, first, last) ((ip) >= (uintptr_t)vmrun_##first && (ip) < (uintptr_t)vmrun_##last)

uintptr_t vmrun_copy_fixup(uintptr_t ip)
{
#if defined(__aarch64__)
    // Words that fault are gone through again byte by byte.
    extern const char vmrun_copy_bytes[], vmrun_zero_bytes[];
    if (BETWEEN(ip, copy_insn, copy_bytes)) return (uintptr_t)vmrun_copy_bytes;
    if (BETWEEN(ip, zero_insn, zero_bytes)) return (uintptr_t)vmrun_zero_bytes;
#endif
    if (BETWEEN(ip, copy_insn, copy_fault)) return (uintptr_t)vmrun_copy_fault;
    if (BETWEEN(ip, zero_insn, zero_fault)) return (uintptr_t)vmrun_zero_fault;
    if (BETWEEN(ip, store32_insn, store32_fault)) return (uintptr_t)vmrun_store32_fault;
    if (BETWEEN(ip, load32_insn, load32_fault)) return (uintptr_t)vmrun_load32_fault;
    if (BETWEEN(ip, exchange32_insn, exchange32_fault)) return (uintptr_t)vmrun_exchange32_fault;
    return 0;
}

#if defined(__aarch64__)
extern const char vmrun_exchange32_store[];
#define EXCHANGE32_LAST vmrun_exchange32_store
#else
#define EXCHANGE32_LAST vmrun_exchange32_insn
#endif

uintptr_t vmrun_copy_slow_path(uintptr_t ip)
{
    if (BETWEEN(ip, copy_begin, copy_fault)) return (uintptr_t)vmrun_copy_slow;
    if (BETWEEN(ip, zero_begin, zero_fault)) return (uintptr_t)vmrun_zero_slow;
    // Single accesses: behind their last instruction they are done.
    if (ip >= (uintptr_t)vmrun_store32_begin && ip <= (uintptr_t)vmrun_store32_insn) return (uintptr_t)vmrun_store32_slow;
    if (ip >= (uintptr_t)vmrun_load32_begin && ip <= (uintptr_t)vmrun_load32_insn) return (uintptr_t)vmrun_load32_slow;
    if (ip >= (uintptr_t)vmrun_exchange32_begin && ip <= (uintptr_t)EXCHANGE32_LAST)
        return (uintptr_t)vmrun_exchange32_slow;
    return 0;
}

// What the assembly goes on with where a fault would be deadly. The kernel's own copy between two ranges of one process
// touches the local range as read(2) and write(2) do: it grows stacks and answers EFAULT. So the guest's is the local one.
enum { MOST_TRIES = 10000 };

static size_t transfer(long call, const void *own, const void *guest, size_t length)
{
    const struct vmrun_thread *thread = vmrun_thread_self();
    long self = thread ? thread->tid : vmrun_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
    struct iovec local = {(void *)guest, length}, remote = {(void *)own, length};
    long done;
    // What the kernel lacks is memory for its own lists, a moment long.
    for (int tries = 0;; tries++) {
        done = vmrun_syscall(call, self, (long)&local, 1, (long)&remote, 1, 0);
        if (done != -ENOMEM || tries == MOST_TRIES)
            break;
        vmrun_syscall(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
    }
    if (done == -EPERM || done == -ENOSYS) {
        // A sandbox around vmrun forbids it. Most copies do not fault.
        if (call == SYS_process_vm_readv)
            memcpy((void *)guest, own, length);
        else
            memcpy((void *)own, guest, length);
        return 0;
    }
    return done > 0 ? length - (size_t)done : length;
}

__attribute__((used)) size_t vmrun_copy_by_kernel(void *destination, const void *source, size_t length)
{
    if (length == 0)
        return 0;
    if ((uintptr_t)destination < VMRUN_ARENA_TOP)
        return transfer(SYS_process_vm_readv, source, destination, length);
    return transfer(SYS_process_vm_writev, destination, source, length);
}

__attribute__((used)) size_t vmrun_zero_by_kernel(char *destination, size_t length)
{
    static const char zeroes[PAGE];
    while (length) {
        size_t part = length < sizeof zeroes ? length : sizeof zeroes;
        size_t left = transfer(SYS_process_vm_readv, zeroes, destination, part);
        length -= part - left;
        if (left)
            return length;
        destination += part;
    }
    return 0;
}

__attribute__((used)) long vmrun_store32_by_kernel(void *address, uint32_t value)
{
    return transfer(SYS_process_vm_readv, &value, address, sizeof value) ? -EFAULT : 0;
}

__attribute__((used)) long vmrun_load32_by_kernel(const void *address, uint32_t *value)
{
    return transfer(SYS_process_vm_writev, value, address, sizeof *value) ? -EFAULT : 0;
}

long vmrun_exchange32_populated(void *address, uint32_t *expected, uint32_t desired);

// No call of the kernel's does this. The page is made to be there; only a guest that unmaps it in that very instant dies of it.
__attribute__((used)) long vmrun_exchange32_by_kernel(void *address, uint32_t *expected, uint32_t desired)
{
    uintptr_t page = (uintptr_t)address & ~(uintptr_t)(PAGE - 1);
    if (vmrun_syscall(SYS_madvise, (long)page, PAGE, MADV_POPULATE_WRITE, 0, 0, 0) != 0)
        return -EFAULT;
    return vmrun_exchange32_populated(address, expected, desired);
}

long vmrun_copy_string(char *destination, const char *source, size_t capacity, const char *limit)
{
    size_t done = 0;
    while (done < capacity) {
        if (source + done >= limit)
            return -EFAULT;
        // Page by page: a string that ends just before an unmapped page is whole.
        size_t chunk = PAGE - ((uintptr_t)(source + done) & (PAGE - 1));
        if (chunk > capacity - done)
            chunk = capacity - done;
        if (chunk > (size_t)(limit - (source + done)))
            chunk = limit - (source + done);
        size_t left = vmrun_copy(destination + done, source + done, chunk);
        const char *end = memchr(destination + done, 0, chunk - left);
        if (end)
            return end - destination;
        if (left)
            return -EFAULT;
        done += chunk;
    }
    return -ENAMETOOLONG;
}
