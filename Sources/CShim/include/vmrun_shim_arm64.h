// What vmrun and the guest's exception vectors (arm64/vectors.S) say to each other: one page for each vCPU, which only EL1 may
// touch. In C because the assembly needs the offsets.
#pragma once

#define VMRUN_SHIM_SP 248
#define VMRUN_SHIM_PSTATE 264
#define VMRUN_SHIM_ESR 280
#define VMRUN_SHIM_VECTOR 296
#define VMRUN_SHIM_DOORBELL 304
#define VMRUN_SHIM_REQUESTS 312
#define VMRUN_SHIM_TABLES 320
#define VMRUN_SHIM_FPSR 328
#define VMRUN_SHIM_V 336
#define VMRUN_SHIM_ACCESS 848
#define VMRUN_SHIM_LENGTH 856
#define VMRUN_SHIM_CONTROL 864
#define VMRUN_SHIM_KEYS 872
// Behind the page: the scalable vectors, in the pages that a vCPU with them has more.
#define VMRUN_SHIM_SCALABLE 4096

// Bit numbers of `requests`, in the order in which they are done.
#define VMRUN_SHIM_SWITCH_TABLES 0
#define VMRUN_SHIM_FLUSH 1
#define VMRUN_SHIM_POINTER_KEYS 2
#define VMRUN_SHIM_SCALABLE_ACCESS 3
#define VMRUN_SHIM_LOAD_VECTORS 4
#define VMRUN_SHIM_CLEAR_SCALABLE 5
#define VMRUN_SHIM_LOAD_SCALABLE 6
#define VMRUN_SHIM_SAVE_VECTORS 7
#define VMRUN_SHIM_SAVE_SCALABLE 8
#define VMRUN_SHIM_ANSWER 9

#if defined(__aarch64__) && !defined(__ASSEMBLER__)
#include <stddef.h>
#include <stdint.h>

/// FPSR, FPCR and V0 to V31.
struct vmrun_vectors {
    uint32_t fpsr, fpcr;
    uint64_t v[64];
};

/// The user context of a vCPU that stands at its doorbell, and what the shim is to do before it goes back to it.
struct vmrun_shim_page {
    uint64_t x[31];
    uint64_t sp, pc, pstate, tpidr;
    /// ESR_EL1 and FAR_EL1 of the exception, and the number of its vector.
    uint64_t esr, far, vector;
    /// The guest-virtual address whose access leaves the guest.
    uint64_t doorbell;
    uint64_t requests;
    /// TTBR0_EL1 for VMRUN_SHIM_SWITCH_TABLES.
    uint64_t tables;
    struct vmrun_vectors vectors;
    /// CPACR_EL1 and ZCR_EL1 for VMRUN_SHIM_SCALABLE_ACCESS.
    uint64_t access, length;
    /// SCTLR_EL1 and the keys of pointer authentication (IA, IB, DA, DB, GA, each the lower half first) for VMRUN_SHIM_POINTER_KEYS.
    uint64_t control;
    uint64_t keys[10];
};

_Static_assert(offsetof(struct vmrun_shim_page, sp) == VMRUN_SHIM_SP, "sp");
_Static_assert(offsetof(struct vmrun_shim_page, pstate) == VMRUN_SHIM_PSTATE, "pstate");
_Static_assert(offsetof(struct vmrun_shim_page, esr) == VMRUN_SHIM_ESR, "esr");
_Static_assert(offsetof(struct vmrun_shim_page, vector) == VMRUN_SHIM_VECTOR, "vector");
_Static_assert(offsetof(struct vmrun_shim_page, doorbell) == VMRUN_SHIM_DOORBELL, "doorbell");
_Static_assert(offsetof(struct vmrun_shim_page, requests) == VMRUN_SHIM_REQUESTS, "requests");
_Static_assert(offsetof(struct vmrun_shim_page, tables) == VMRUN_SHIM_TABLES, "tables");
_Static_assert(offsetof(struct vmrun_shim_page, vectors.fpsr) == VMRUN_SHIM_FPSR, "fpsr");
_Static_assert(offsetof(struct vmrun_shim_page, vectors.v) == VMRUN_SHIM_V, "v");

_Static_assert(offsetof(struct vmrun_shim_page, access) == VMRUN_SHIM_ACCESS, "access");
_Static_assert(offsetof(struct vmrun_shim_page, length) == VMRUN_SHIM_LENGTH, "length");
_Static_assert(offsetof(struct vmrun_shim_page, control) == VMRUN_SHIM_CONTROL, "control");
_Static_assert(offsetof(struct vmrun_shim_page, keys) == VMRUN_SHIM_KEYS, "keys");

/// The vectors' code: position independent, at most a page, to be placed at a multiple of 2048. A vCPU begins at `_start`.
extern const char vmrun_shim_begin[], vmrun_shim_start[], vmrun_shim_end[];
/// What a signal handler returns to: rt_sigreturn.
extern const char vmrun_sigreturn_begin[], vmrun_sigreturn_end[];

static inline uint64_t vmrun_shim_size(void) { return (uint64_t)(vmrun_shim_end - vmrun_shim_begin); }
static inline uint64_t vmrun_shim_start_offset(void) { return (uint64_t)(vmrun_shim_start - vmrun_shim_begin); }
static inline uint64_t vmrun_sigreturn_size(void) { return (uint64_t)(vmrun_sigreturn_end - vmrun_sigreturn_begin); }
static inline const void *vmrun_shim_code(void) { return vmrun_shim_begin; }
static inline const void *vmrun_sigreturn_code(void) { return vmrun_sigreturn_begin; }
#endif
