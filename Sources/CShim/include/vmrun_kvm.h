// KVM's ioctl numbers and structures. In C because the numbers are macros with sizeof in them, and kvm_run is a union.
#pragma once

#include <linux/kvm.h>
#include <stdint.h>

// On the /dev/kvm descriptor. None needs more than KVM_API_VERSION 12.
static const unsigned long VMRUN_KVM_GET_API_VERSION = KVM_GET_API_VERSION;
static const unsigned long VMRUN_KVM_CREATE_VM = KVM_CREATE_VM;
static const unsigned long VMRUN_KVM_CHECK_EXTENSION = KVM_CHECK_EXTENSION;
static const unsigned long VMRUN_KVM_GET_VCPU_MMAP_SIZE = KVM_GET_VCPU_MMAP_SIZE;
// On a VM descriptor.
static const unsigned long VMRUN_KVM_SET_USER_MEMORY_REGION = KVM_SET_USER_MEMORY_REGION; // KVM_CAP_USER_MEMORY
static const unsigned long VMRUN_KVM_CREATE_VCPU = KVM_CREATE_VCPU;
// On a vCPU descriptor.
static const unsigned long VMRUN_KVM_RUN = KVM_RUN;
static const unsigned long VMRUN_KVM_SET_DEVICE_ATTR = KVM_SET_DEVICE_ATTR; // KVM_CAP_VCPU_ATTRIBUTES
#if defined(__x86_64__)
static const unsigned long VMRUN_KVM_GET_SUPPORTED_CPUID = KVM_GET_SUPPORTED_CPUID; // KVM_CAP_EXT_CPUID
static const unsigned long VMRUN_KVM_SET_CPUID2 = KVM_SET_CPUID2;
static const unsigned long VMRUN_KVM_GET_SREGS = KVM_GET_SREGS;
static const unsigned long VMRUN_KVM_SET_SREGS = KVM_SET_SREGS;
static const unsigned long VMRUN_KVM_SET_MSRS = KVM_SET_MSRS;
static const unsigned long VMRUN_KVM_GET_MSRS = KVM_GET_MSRS;
static const unsigned long VMRUN_KVM_SET_XCRS = KVM_SET_XCRS;   // KVM_CAP_XCRS
static const unsigned long VMRUN_KVM_GET_XSAVE = KVM_GET_XSAVE; // KVM_CAP_XSAVE
static const unsigned long VMRUN_KVM_SET_XSAVE = KVM_SET_XSAVE;
static const unsigned long VMRUN_KVM_GET_VCPU_EVENTS = KVM_GET_VCPU_EVENTS;

#define VMRUN_CPUID_ENTRIES 256

/// KVM_GET_SUPPORTED_CPUID's and KVM_SET_CPUID2's flexible array, with room for what any kernel reports.
struct vmrun_cpuid {
    uint32_t nent, padding;
    struct kvm_cpuid_entry2 entries[VMRUN_CPUID_ENTRIES];
};

/// KVM_SET_MSRS's flexible array.
struct vmrun_msrs {
    uint32_t nmsrs, padding;
    struct kvm_msr_entry entries[8];
};

/// KVM_SET_XCRS for XCR0 alone.
static inline struct kvm_xcrs vmrun_xcr0(uint64_t value)
{
    struct kvm_xcrs xcrs = {.nr_xcrs = 1};
    xcrs.xcrs[0].value = value;
    return xcrs;
}

/// The time stamp counter as this thread sees it.
static inline uint64_t vmrun_tsc(void)
{
    return __builtin_ia32_rdtsc();
}

/// The registers that KVM keeps in kvm_run at every exit (KVM_CAP_SYNC_REGS).
static inline struct kvm_sync_regs *vmrun_sync_regs(struct kvm_run *run)
{
    return &run->s.regs;
}
#endif

static inline uint16_t vmrun_io_port(const struct kvm_run *run)
{
    return run->io.port;
}

static inline uint64_t vmrun_mmio_address(const struct kvm_run *run)
{
    return run->mmio.phys_addr;
}

static inline uint32_t vmrun_internal_suberror(const struct kvm_run *run)
{
    return run->internal.suberror;
}

static inline uint64_t vmrun_fail_entry_reason(const struct kvm_run *run)
{
    return run->fail_entry.hardware_entry_failure_reason;
}
