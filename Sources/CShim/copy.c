#include "vmrun_copy.h"

#include <errno.h>
#include <string.h>

#define PAGE 4096u

extern const char vmrun_copy_insn[], vmrun_copy_fault[], vmrun_zero_insn[], vmrun_zero_fault[], vmrun_load32_insn[],
    vmrun_store32_insn[], vmrun_exchange32_insn[], vmrun_word_fault[];

uintptr_t vmrun_copy_fixup(uintptr_t ip)
{
    if (ip == (uintptr_t)vmrun_copy_insn)
        return (uintptr_t)vmrun_copy_fault;
    if (ip == (uintptr_t)vmrun_zero_insn)
        return (uintptr_t)vmrun_zero_fault;
    if (ip == (uintptr_t)vmrun_load32_insn || ip == (uintptr_t)vmrun_store32_insn ||
        ip == (uintptr_t)vmrun_exchange32_insn)
        return (uintptr_t)vmrun_word_fault;
    return 0;
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
