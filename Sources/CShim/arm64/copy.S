// Guest memory access with fix-ups; see vmrun_copy.h and x86_64/copy.S. The routines keep what is done in one register and
// change it only when it is done, so each can be stopped at any of its instructions and go on elsewhere.

#if defined(__aarch64__)
    .text

    .macro go_slow_where_faults_are_blocked slow
    adrp x9, :gottprel:vmrun_faults_blocked
    ldr x9, [x9, #:gottprel_lo12:vmrun_faults_blocked]
    mrs x10, tpidr_el0
    ldr w9, [x10, x9]
    cbnz w9, \slow
    .endm

    .globl vmrun_copy, vmrun_copy_begin, vmrun_copy_insn, vmrun_copy_bytes, vmrun_copy_fault, vmrun_copy_slow
    .type vmrun_copy, @function
vmrun_copy:
    .cfi_startproc
    mov x3, #0
vmrun_copy_begin:
    go_slow_where_faults_are_blocked vmrun_copy_slow
vmrun_copy_insn:
    sub x8, x2, x3
    cmp x8, #32
    b.lo vmrun_copy_bytes
    add x6, x1, x3
    ldp x4, x5, [x6]
    ldp x7, x8, [x6, #16]
    add x6, x0, x3
    stp x4, x5, [x6]
    stp x7, x8, [x6, #16]
    add x3, x3, #32
    b vmrun_copy_insn
    // What is left, and the whole words around a fault: the count of what was not copied is exact.
vmrun_copy_bytes:
    cmp x3, x2
    b.hs vmrun_copy_fault
    ldrb w4, [x1, x3]
    strb w4, [x0, x3]
    add x3, x3, #1
    b vmrun_copy_bytes
vmrun_copy_fault:
    sub x0, x2, x3
    ret
vmrun_copy_slow:
    add x0, x0, x3
    add x1, x1, x3
    sub x2, x2, x3
    b vmrun_copy_by_kernel
    .cfi_endproc
    .size vmrun_copy, . - vmrun_copy

    .globl vmrun_zero, vmrun_zero_begin, vmrun_zero_insn, vmrun_zero_bytes, vmrun_zero_fault, vmrun_zero_slow
    .type vmrun_zero, @function
vmrun_zero:
    .cfi_startproc
    mov x3, #0
vmrun_zero_begin:
    go_slow_where_faults_are_blocked vmrun_zero_slow
vmrun_zero_insn:
    sub x8, x1, x3
    cmp x8, #32
    b.lo vmrun_zero_bytes
    add x6, x0, x3
    stp xzr, xzr, [x6]
    stp xzr, xzr, [x6, #16]
    add x3, x3, #32
    b vmrun_zero_insn
vmrun_zero_bytes:
    cmp x3, x1
    b.hs vmrun_zero_fault
    strb wzr, [x0, x3]
    add x3, x3, #1
    b vmrun_zero_bytes
vmrun_zero_fault:
    sub x0, x1, x3
    ret
vmrun_zero_slow:
    add x0, x0, x3
    sub x1, x1, x3
    b vmrun_zero_by_kernel
    .cfi_endproc
    .size vmrun_zero, . - vmrun_zero

    .globl vmrun_store32, vmrun_store32_begin, vmrun_store32_insn, vmrun_store32_fault, vmrun_store32_slow
    .type vmrun_store32, @function
vmrun_store32:
    .cfi_startproc
vmrun_store32_begin:
    go_slow_where_faults_are_blocked vmrun_store32_slow
vmrun_store32_insn:
    str w1, [x0]
    mov x0, #0
    ret
vmrun_store32_fault:
    mov x0, #-14
    ret
vmrun_store32_slow:
    b vmrun_store32_by_kernel
    .cfi_endproc
    .size vmrun_store32, . - vmrun_store32

    .globl vmrun_load32, vmrun_load32_begin, vmrun_load32_insn, vmrun_load32_fault, vmrun_load32_slow
    .type vmrun_load32, @function
vmrun_load32:
    .cfi_startproc
vmrun_load32_begin:
    go_slow_where_faults_are_blocked vmrun_load32_slow
vmrun_load32_insn:
    ldr w3, [x0]
    str w3, [x1]
    mov x0, #0
    ret
vmrun_load32_fault:
    mov x0, #-14
    ret
vmrun_load32_slow:
    b vmrun_load32_by_kernel
    .cfi_endproc
    .size vmrun_load32, . - vmrun_load32

    .globl vmrun_exchange32, vmrun_exchange32_begin, vmrun_exchange32_insn, vmrun_exchange32_fault, vmrun_exchange32_slow
    .globl vmrun_exchange32_populated, vmrun_exchange32_store
    .type vmrun_exchange32, @function
vmrun_exchange32:
    .cfi_startproc
vmrun_exchange32_begin:
    go_slow_where_faults_are_blocked vmrun_exchange32_slow
vmrun_exchange32_populated:
    ldr w3, [x1]
vmrun_exchange32_insn:
    ldaxr w4, [x0]
    cmp w4, w3
    b.ne 1f
vmrun_exchange32_store:
    stlxr w5, w2, [x0]
    cbnz w5, vmrun_exchange32_insn
    mov x0, #0
    ret
1:  clrex
    str w4, [x1]
    mov x0, #1
    ret
vmrun_exchange32_fault:
    mov x0, #-14
    ret
vmrun_exchange32_slow:
    b vmrun_exchange32_by_kernel
    .cfi_endproc
    .size vmrun_exchange32, . - vmrun_exchange32
#endif

    .section .note.GNU-stack, "", @progbits
