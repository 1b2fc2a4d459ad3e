// vmrun_guest_syscall(attention, number, args): the instruction behind vmrun_guest_syscall (interruptible.c).
// A handler that finds the instruction pointer in [vmrun_isc_begin, vmrun_isc_syscall] sends it to one of the two exits:
// to vmrun_isc_unstarted where the call has not been made, to vmrun_isc_restart where the kernel has rewound it. RCX tells
// which: SYSCALL leaves the address behind itself there.
#if defined(__x86_64__)
    .text
    .globl vmrun_guest_syscall, vmrun_isc_begin, vmrun_isc_syscall, vmrun_isc_end, vmrun_isc_unstarted, vmrun_isc_restart
    .type vmrun_guest_syscall, @function
vmrun_guest_syscall:
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
    xor %ecx, %ecx
vmrun_isc_begin:
    cmpl $0, (%rbx)
    jne vmrun_isc_unstarted
vmrun_isc_syscall:
    syscall
vmrun_isc_end:
    pop %rbx
    .cfi_remember_state
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    ret
    .cfi_restore_state
vmrun_isc_unstarted:
    mov $-0x7fff0001, %rax
    jmp vmrun_isc_end
vmrun_isc_restart:
    mov $-0x7fff0000, %rax
    jmp vmrun_isc_end
    .cfi_endproc
    .size vmrun_guest_syscall, . - vmrun_guest_syscall
#endif
    .section .note.GNU-stack, "", @progbits
