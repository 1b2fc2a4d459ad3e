// KVM's ioctl numbers and structures. In C because the numbers are macros with sizeof in them, and kvm_run is a union.
#pragma once

#include <linux/kvm.h>
#include <stddef.h>
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
static const unsigned long VMRUN_KVM_SET_MP_STATE = KVM_SET_MP_STATE; // KVM_CAP_MP_STATE
static const unsigned long VMRUN_KVM_ENABLE_CAP = KVM_ENABLE_CAP;     // KVM_CAP_ENABLE_CAP_VM
static const unsigned long VMRUN_KVM_GET_DEBUGREGS = KVM_GET_DEBUGREGS; // KVM_CAP_DEBUGREGS
static const unsigned long VMRUN_KVM_SET_DEBUGREGS = KVM_SET_DEBUGREGS;

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

/// KVM_ENABLE_CAP for KVM_CAP_SPLIT_IRQCHIP without an I/O APIC's pins.
static inline struct kvm_enable_cap vmrun_split_irqchip(void)
{
    return (struct kvm_enable_cap){.cap = KVM_CAP_SPLIT_IRQCHIP};
}

/// KVM_ENABLE_CAP for KVM_CAP_X86_DISABLE_EXITS: HLT does not leave the guest.
static inline struct kvm_enable_cap vmrun_halts_inside(void)
{
    return (struct kvm_enable_cap){.cap = KVM_CAP_X86_DISABLE_EXITS, .args = {KVM_X86_DISABLE_EXITS_HLT}};
}

/// XCR0 of the calling process. Only where AT_HWCAP2 or CPUID tells that XGETBV may be used.
static inline uint64_t vmrun_read_xcr0(void)
{
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/// CPUID's answer for one leaf, in KVM's form.
static inline struct kvm_cpuid_entry2 vmrun_processor_leaf(uint32_t function, uint32_t index)
{
    struct kvm_cpuid_entry2 entry = {.function = function, .index = index};
    __asm__("cpuid"
            : "=a"(entry.eax), "=b"(entry.ebx), "=c"(entry.ecx), "=d"(entry.edx)
            : "a"(function), "c"(index));
    return entry;
}

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

/// What the CPUID instruction answers: EAX, EBX, ECX and EDX.
struct vmrun_processor_words {
    uint32_t a, b, c, d;
};

static inline struct vmrun_processor_words vmrun_processor_answer(uint32_t leaf)
{
    struct vmrun_processor_words words = {.a = leaf};
    __asm__ volatile("cpuid" : "+a"(words.a), "=b"(words.b), "+c"(words.c), "=d"(words.d));
    return words;
}

/// The guest's debug registers: four addresses and DR7, with nothing in DR6.
static inline struct kvm_debugregs vmrun_debug_registers(const uint64_t addresses[4], uint64_t control)
{
    struct kvm_debugregs registers = {.dr6 = 0xffff0ff0, .dr7 = control | 0x400};
    for (int i = 0; i < 4; i++)
        registers.db[i] = addresses[i];
    return registers;
}

/// The registers that KVM keeps in kvm_run at every exit (KVM_CAP_SYNC_REGS).
static inline struct kvm_sync_regs *vmrun_sync_regs(struct kvm_run *run)
{
    return &run->s.regs;
}
#elif defined(__aarch64__)
static const unsigned long VMRUN_KVM_ARM_PREFERRED_TARGET = KVM_ARM_PREFERRED_TARGET;
static const unsigned long VMRUN_KVM_ARM_VCPU_INIT = KVM_ARM_VCPU_INIT;
static const unsigned long VMRUN_KVM_ARM_VCPU_FINALIZE = KVM_ARM_VCPU_FINALIZE; // KVM_CAP_ARM_SVE
static const unsigned long VMRUN_KVM_IRQ_LINE = KVM_IRQ_LINE;
static const unsigned long VMRUN_KVM_GET_ONE_REG = KVM_GET_ONE_REG; // KVM_CAP_ONE_REG
static const unsigned long VMRUN_KVM_SET_ONE_REG = KVM_SET_ONE_REG;

// Linux 6.4.
#ifndef KVM_CAP_COUNTER_OFFSET
#define KVM_CAP_COUNTER_OFFSET 227
struct kvm_arm_counter_offset {
    __u64 counter_offset;
    __u64 reserved;
};
#define KVM_ARM_SET_COUNTER_OFFSET _IOW(KVMIO, 0xb5, struct kvm_arm_counter_offset)
#endif
static const unsigned long VMRUN_KVM_ARM_SET_COUNTER_OFFSET = KVM_ARM_SET_COUNTER_OFFSET; // KVM_CAP_COUNTER_OFFSET
static const int VMRUN_KVM_CAP_COUNTER_OFFSET = KVM_CAP_COUNTER_OFFSET;

// Registers by KVM's numbers. KVM_CAP_ONE_REG.
#define VMRUN_CORE_REGISTER(member) \
    (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | (offsetof(struct kvm_regs, member) / sizeof(uint32_t)))
static const uint64_t VMRUN_REG_PC = VMRUN_CORE_REGISTER(regs.pc);
static const uint64_t VMRUN_REG_PSTATE = VMRUN_CORE_REGISTER(regs.pstate);
static const uint64_t VMRUN_REG_SP_EL1 = VMRUN_CORE_REGISTER(sp_el1);
static const uint64_t VMRUN_REG_SCTLR_EL1 = ARM64_SYS_REG(3, 0, 1, 0, 0);
static const uint64_t VMRUN_REG_CPACR_EL1 = ARM64_SYS_REG(3, 0, 1, 0, 2);
static const uint64_t VMRUN_REG_TTBR0_EL1 = ARM64_SYS_REG(3, 0, 2, 0, 0);
static const uint64_t VMRUN_REG_TTBR1_EL1 = ARM64_SYS_REG(3, 0, 2, 0, 1);
static const uint64_t VMRUN_REG_TCR_EL1 = ARM64_SYS_REG(3, 0, 2, 0, 2);
static const uint64_t VMRUN_REG_MAIR_EL1 = ARM64_SYS_REG(3, 0, 10, 2, 0);
static const uint64_t VMRUN_REG_VBAR_EL1 = ARM64_SYS_REG(3, 0, 12, 0, 0);
static const uint64_t VMRUN_REG_CNTKCTL_EL1 = ARM64_SYS_REG(3, 0, 14, 1, 0);
static const uint64_t VMRUN_REG_ID_AA64MMFR0_EL1 = ARM64_SYS_REG(3, 0, 0, 7, 0);

/// The virtual counter, which is to arm64 what the time stamp counter is to x86-64.
static inline uint64_t vmrun_tsc(void)
{
    uint64_t count;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count;
}

/// The interrupt input of a vCPU, for KVM_IRQ_LINE.
static inline uint32_t vmrun_interrupt_line(uint32_t cpu)
{
    return (KVM_ARM_IRQ_TYPE_CPU << KVM_ARM_IRQ_TYPE_SHIFT) | (cpu << KVM_ARM_IRQ_VCPU_SHIFT) | KVM_ARM_IRQ_CPU_IRQ;
}

/// KVM_IRQ_LINE's structure, whose first word has no name that Swift knows.
static inline struct kvm_irq_level vmrun_irq_level(uint32_t irq, uint32_t level)
{
    struct kvm_irq_level value = {.level = level};
    value.irq = irq;
    return value;
}

/// The identification register op0 3, op1 0, CRn 0, CRm, op2, as the kernel shows it to programs; 1 where it does.
int vmrun_identification_register(uint32_t crm, uint32_t op2, uint64_t *value);
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
