// The guest's exception vectors, which run at EL1 of the VM. SP_EL1 is the vCPU's page (vmrun_shim_arm64.h): the user's context is
// spilled there, and a store to an address without memory leaves the guest. vmrun changes the page, KVM steps over the
// store, and the shim does what the page asks for and goes back to the user.

#include "vmrun_shim_arm64.h"

#if defined(__aarch64__)
    // Executed only where the vCPU has scalable vectors.
    .arch_extension sve
    .section .rodata
    .balign 2048
    .globl vmrun_shim_begin, vmrun_shim_start, vmrun_shim_end, vmrun_sigreturn_begin, vmrun_sigreturn_end

vmrun_shim_begin:
    .set number, 0
    .rept 16
    .balign 128
    stp x0, x1, [sp]
    mov w0, #number
    b spill
    .set number, number + 1
    .endr
    .balign 128

spill:
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x19, [sp, #144]
    stp x20, x21, [sp, #160]
    stp x22, x23, [sp, #176]
    stp x24, x25, [sp, #192]
    stp x26, x27, [sp, #208]
    stp x28, x29, [sp, #224]
    mrs x1, sp_el0
    stp x30, x1, [sp, #VMRUN_SHIM_SP - 8]
    mrs x1, elr_el1
    mrs x2, spsr_el1
    stp x1, x2, [sp, #VMRUN_SHIM_PSTATE - 8]
    mrs x1, tpidr_el0
    mrs x2, esr_el1
    stp x1, x2, [sp, #VMRUN_SHIM_ESR - 8]
    mrs x1, far_el1
    stp x1, x0, [sp, #VMRUN_SHIM_VECTOR - 8]

ring:
    ldr x1, [sp, #VMRUN_SHIM_DOORBELL]
    str wzr, [x1]
vmrun_shim_start:
    ldr x2, [sp, #VMRUN_SHIM_REQUESTS]
    cbnz x2, serve
restore:
    ldp x1, x2, [sp, #VMRUN_SHIM_SP]
    ldp x3, x4, [sp, #VMRUN_SHIM_PSTATE]
    msr sp_el0, x1
    msr elr_el1, x2
    msr spsr_el1, x3
    msr tpidr_el0, x4
    ldp x2, x3, [sp, #16]
    ldp x4, x5, [sp, #32]
    ldp x6, x7, [sp, #48]
    ldp x8, x9, [sp, #64]
    ldp x10, x11, [sp, #80]
    ldp x12, x13, [sp, #96]
    ldp x14, x15, [sp, #112]
    ldp x16, x17, [sp, #128]
    ldp x18, x19, [sp, #144]
    ldp x20, x21, [sp, #160]
    ldp x22, x23, [sp, #176]
    ldp x24, x25, [sp, #192]
    ldp x26, x27, [sp, #208]
    ldp x28, x29, [sp, #224]
    ldr x30, [sp, #240]
    ldp x0, x1, [sp]
    eret

    .macro all_vectors operation
    \operation q0, q1, [sp, #VMRUN_SHIM_V]
    \operation q2, q3, [sp, #VMRUN_SHIM_V + 32]
    \operation q4, q5, [sp, #VMRUN_SHIM_V + 64]
    \operation q6, q7, [sp, #VMRUN_SHIM_V + 96]
    \operation q8, q9, [sp, #VMRUN_SHIM_V + 128]
    \operation q10, q11, [sp, #VMRUN_SHIM_V + 160]
    \operation q12, q13, [sp, #VMRUN_SHIM_V + 192]
    \operation q14, q15, [sp, #VMRUN_SHIM_V + 224]
    \operation q16, q17, [sp, #VMRUN_SHIM_V + 256]
    \operation q18, q19, [sp, #VMRUN_SHIM_V + 288]
    \operation q20, q21, [sp, #VMRUN_SHIM_V + 320]
    \operation q22, q23, [sp, #VMRUN_SHIM_V + 352]
    \operation q24, q25, [sp, #VMRUN_SHIM_V + 384]
    \operation q26, q27, [sp, #VMRUN_SHIM_V + 416]
    \operation q28, q29, [sp, #VMRUN_SHIM_V + 448]
    \operation q30, q31, [sp, #VMRUN_SHIM_V + 480]
    .endm

    .macro each16 operation
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    \operation \n
    .endr
    .endm
    .macro each32 operation
    each16 \operation
    .irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \operation \n
    .endr
    .endm
    .macro clear_above n
    mov v\n\().16b, v\n\().16b
    .endm
    .macro clear_predicate n
    pfalse p\n\().b
    .endm
    .macro load_scalable n
    ldr z\n, [x5, #\n, mul vl]
    .endm
    .macro load_predicate n
    ldr p\n, [x6, #\n, mul vl]
    .endm
    .macro store_scalable n
    str z\n, [x5, #\n, mul vl]
    .endm
    .macro store_predicate n
    str p\n, [x6, #\n, mul vl]
    .endm
    // x5: Z0 to Z31, x6: P0 to P15 and FFR.
    .macro scalable_areas
    add x5, sp, #VMRUN_SHIM_SCALABLE
    addvl x6, x5, #31
    addvl x6, x6, #1
    .endm

    .macro key low, high
    ldp x3, x4, [x5], #16
    msr \low, x3
    msr \high, x4
    .endm
    .macro all_keys // By number: assemblers know the names only with the extension.
    key S3_0_C2_C1_0, S3_0_C2_C1_1 // APIAKey
    key S3_0_C2_C1_2, S3_0_C2_C1_3 // APIBKey
    key S3_0_C2_C2_0, S3_0_C2_C2_1 // APDAKey
    key S3_0_C2_C2_2, S3_0_C2_C2_3 // APDBKey
    key S3_0_C2_C3_0, S3_0_C2_C3_1 // APGAKey
    .endm

serve:
    str xzr, [sp, #VMRUN_SHIM_REQUESTS]
    tbz x2, #VMRUN_SHIM_SWITCH_TABLES, 1f
    ldr x3, [sp, #VMRUN_SHIM_TABLES]
    msr ttbr0_el1, x3
    isb
1:  tbz x2, #VMRUN_SHIM_FLUSH, 2f
    // All vCPUs of the machine: the host has changed entries that are in use.
    dsb ishst
    tlbi vmalle1is
    dsb ish
    isb
2:  tbz x2, #VMRUN_SHIM_POINTER_KEYS, 3f
    add x5, sp, #VMRUN_SHIM_KEYS
    all_keys
    ldr x3, [sp, #VMRUN_SHIM_CONTROL]
    msr sctlr_el1, x3
    isb
3:  tbz x2, #VMRUN_SHIM_SCALABLE_ACCESS, 4f
    ldr x3, [sp, #VMRUN_SHIM_ACCESS]
    ldr x4, [sp, #VMRUN_SHIM_LENGTH]
    msr cpacr_el1, x3
    msr ZCR_EL1, x4
    isb
4:  tbz x2, #VMRUN_SHIM_LOAD_VECTORS, 5f
    add x5, sp, #VMRUN_SHIM_FPSR
    ldp w3, w4, [x5]
    msr fpsr, x3
    msr fpcr, x4
    all_vectors ldp
5:  tbz x2, #VMRUN_SHIM_CLEAR_SCALABLE, 6f
    // A write to the lower 128 bits clears the others.
    each32 clear_above
    each16 clear_predicate
    wrffr p0.b
6:  tbz x2, #VMRUN_SHIM_LOAD_SCALABLE, 7f
    scalable_areas
    ldr p0, [x6, #16, mul vl]
    wrffr p0.b
    each32 load_scalable
    each16 load_predicate
7:  tbz x2, #VMRUN_SHIM_SAVE_VECTORS, 8f
    mrs x3, fpsr
    mrs x4, fpcr
    add x5, sp, #VMRUN_SHIM_FPSR
    stp w3, w4, [x5]
    all_vectors stp
8:  tbz x2, #VMRUN_SHIM_SAVE_SCALABLE, 9f
    scalable_areas
    each32 store_scalable
    each16 store_predicate
    rdffr p0.b
    str p0, [x6, #16, mul vl]
    ldr p0, [x6]
9:  tbnz x2, #VMRUN_SHIM_ANSWER, ring
    b restore
vmrun_shim_end:

    .balign 16
vmrun_sigreturn_begin:
    mov x8, #139
    svc #0
vmrun_sigreturn_end:
#endif

    .section .note.GNU-stack, "", @progbits
