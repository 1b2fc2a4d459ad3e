// vmrun_interruptible_syscall(attention, number, args): see vmrun_syscall.h.
// The handler sends every instruction pointer in [vmrun_isc_begin, vmrun_isc_syscall] to vmrun_isc_abort: there the
// call has not been made, or the kernel has rewound to restart it.
#if defined(__x86_64__)
    .text
    .globl vmrun_interruptible_syscall, vmrun_isc_begin, vmrun_isc_syscall, vmrun_isc_end, vmrun_isc_abort
    .type vmrun_interruptible_syscall, @function
vmrun_interruptible_syscall:
    .cfi_startproc
    push %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    mov %rdi, %rbx
    mov %rsi, %rax
    mov %rdx, %r11
    mov 0(%r11), %rdi
    mov 8(%r11), %rsi
    mov 16(%r11), %rdx
    mov 24(%r11), %r10
    mov 32(%r11), %r8
    mov 40(%r11), %r9
vmrun_isc_begin:
    cmpl $0, (%rbx)
    jne vmrun_isc_abort
vmrun_isc_syscall:
    syscall
vmrun_isc_end:
    pop %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    ret
    .cfi_adjust_cfa_offset 8
vmrun_isc_abort:
    mov $-512, %rax
    pop %rbx
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_endproc
    .size vmrun_interruptible_syscall, . - vmrun_interruptible_syscall
#endif
    .section .note.GNU-stack, "", @progbits
