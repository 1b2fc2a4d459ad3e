#include "vmrun_faults.h"

#ifdef VMRUN_FAULTS
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct vmrun_faults *faults;
extern const char __ehdr_start[];

// A fresh image has no environment, so it finds the file by its own name. libc's calls are not counted.
static void __attribute__((constructor)) map_faults(void)
{
    static const char suffix[] = ".faults";
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - sizeof suffix);
    if (length <= 0)
        return;
    memcpy(path + length, suffix, sizeof suffix);
    int descriptor = open(path, O_RDWR | O_CLOEXEC);
    if (descriptor < 0)
        return;
    void *memory = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (memory != MAP_FAILED)
        faults = memory;
}

// What a call counts as; -1 for what cannot fail: of futex(2) all but waiting, of fcntl(2) all but duplicates.
static long kind_of(long number, long second)
{
    if (number == SYS_futex)
        return (second & FUTEX_CMD_MASK) == FUTEX_WAIT ? number : -1;
    if (number == SYS_fcntl)
        return second == F_DUPFD || second == F_DUPFD_CLOEXEC ? number : -1;
    return number == SYS_ioctl && second == KVM_RUN ? VMRUN_FAULT_RUN : number;
}

long __attribute__((noinline)) vmrun_injected_fault(long number, long second)
{
    long kind = kind_of(number, second);
    if (!faults || kind < 0 || kind >= VMRUN_FAULT_KINDS)
        return 0;
    uint32_t count = __atomic_add_fetch(&faults->counts[kind], 1, __ATOMIC_RELAXED);
    if (kind != faults->kind || count != (uint32_t)faults->occurrence)
        return 0;
    faults->process = getpid();
    faults->place = (uint64_t)((const char *)__builtin_return_address(0) - __ehdr_start);
    return -faults->error;
}
#endif
