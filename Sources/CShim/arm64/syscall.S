// vmrun_guest_syscall(attention, number, args): see x86_64/syscall.S and interruptible.c.
//
// No branch stands between the check and the call: where attention is wanted the call is made with a number that no kernel
// has. A handler that finds the program counter before vmrun_isc_syscall knows that the call has not been made. At it, the
// kernel has nearly always rewound the call; nothing in the registers tells the one instant before the call from that.

#if defined(__aarch64__)
    .text
    .globl vmrun_guest_syscall, vmrun_isc_begin, vmrun_isc_syscall, vmrun_isc_end, vmrun_isc_unstarted, vmrun_isc_restart
    .type vmrun_guest_syscall, @function
vmrun_guest_syscall:
    .cfi_startproc
    mov x9, x0
    mov x10, x1
    mov x11, x2
    mov x12, #-1
    ldp x0, x1, [x11]
    ldp x2, x3, [x11, #16]
    ldp x4, x5, [x11, #32]
vmrun_isc_begin:
    ldr w13, [x9]
    cmp w13, #0
    csel x8, x10, x12, eq
vmrun_isc_syscall:
    svc #0
vmrun_isc_end:
    cmn x8, #1
    b.eq vmrun_isc_unstarted
    ret
vmrun_isc_unstarted:
    mov x0, #0xffffffff80000000
    movk x0, #0xffff
    ret
vmrun_isc_restart:
    mov x0, #0xffffffff80000000
    movk x0, #0x8001, lsl #16
    ret
    .cfi_endproc
    .size vmrun_guest_syscall, . - vmrun_guest_syscall
#endif

    .section .note.GNU-stack, "", @progbits
