// Guest memory access with fix-ups; see vmrun_copy.h. copy.c knows the labels: from `begin` on a routine relies on
// SIGSEGV and SIGBUS not being blocked, what lies between `insn` and `fault` may fault and goes on at `fault`, and `slow` does
// the rest through the kernel.
#if defined(__x86_64__)
    .text
    .macro go_slow_where_faults_are_blocked scratch slow
    mov vmrun_faults_blocked@gottpoff(%rip), \scratch
    cmpl $0, %fs:(\scratch)
    jne \slow
    .endm

    .globl vmrun_copy, vmrun_copy_begin, vmrun_copy_insn, vmrun_copy_fault, vmrun_copy_slow
    .type vmrun_copy, @function
vmrun_copy:
    .cfi_startproc
    mov %rdx, %rcx
vmrun_copy_begin:
    go_slow_where_faults_are_blocked %rax vmrun_copy_slow
vmrun_copy_insn:
    rep movsb
vmrun_copy_fault:
    mov %rcx, %rax
    ret
vmrun_copy_slow:
    mov %rcx, %rdx
    jmp vmrun_copy_by_kernel
    .cfi_endproc
    .size vmrun_copy, . - vmrun_copy

    .globl vmrun_zero, vmrun_zero_begin, vmrun_zero_insn, vmrun_zero_fault, vmrun_zero_slow
    .type vmrun_zero, @function
vmrun_zero:
    .cfi_startproc
    mov %rsi, %rcx
vmrun_zero_begin:
    go_slow_where_faults_are_blocked %rdx vmrun_zero_slow
    xor %eax, %eax
vmrun_zero_insn:
    rep stosb
vmrun_zero_fault:
    mov %rcx, %rax
    ret
vmrun_zero_slow:
    mov %rcx, %rsi
    jmp vmrun_zero_by_kernel
    .cfi_endproc
    .size vmrun_zero, . - vmrun_zero

    .globl vmrun_store32, vmrun_store32_begin, vmrun_store32_insn, vmrun_store32_fault, vmrun_store32_slow
    .type vmrun_store32, @function
vmrun_store32:
    .cfi_startproc
vmrun_store32_begin:
    go_slow_where_faults_are_blocked %rax vmrun_store32_slow
vmrun_store32_insn:
    mov %esi, (%rdi)
    xor %eax, %eax
    ret
vmrun_store32_fault:
    mov $-14, %rax
    ret
vmrun_store32_slow:
    jmp vmrun_store32_by_kernel
    .cfi_endproc
    .size vmrun_store32, . - vmrun_store32

    .globl vmrun_load32, vmrun_load32_begin, vmrun_load32_insn, vmrun_load32_fault, vmrun_load32_slow
    .type vmrun_load32, @function
vmrun_load32:
    .cfi_startproc
vmrun_load32_begin:
    go_slow_where_faults_are_blocked %rax vmrun_load32_slow
vmrun_load32_insn:
    mov (%rdi), %ecx
    mov %ecx, (%rsi)
    xor %eax, %eax
    ret
vmrun_load32_fault:
    mov $-14, %rax
    ret
vmrun_load32_slow:
    jmp vmrun_load32_by_kernel
    .cfi_endproc
    .size vmrun_load32, . - vmrun_load32

    .globl vmrun_exchange32, vmrun_exchange32_begin, vmrun_exchange32_insn, vmrun_exchange32_fault, vmrun_exchange32_slow
    .globl vmrun_exchange32_populated
    .type vmrun_exchange32, @function
vmrun_exchange32:
    .cfi_startproc
vmrun_exchange32_begin:
    go_slow_where_faults_are_blocked %rcx vmrun_exchange32_slow
vmrun_exchange32_populated:
    mov (%rsi), %eax
vmrun_exchange32_insn:
    lock cmpxchg %edx, (%rdi)
    jne 1f
    xor %eax, %eax
    ret
1:  mov %eax, (%rsi)
    mov $1, %eax
    ret
vmrun_exchange32_fault:
    mov $-14, %rax
    ret
vmrun_exchange32_slow:
    jmp vmrun_exchange32_by_kernel
    .cfi_endproc
    .size vmrun_exchange32, . - vmrun_exchange32
#endif
    .section .note.GNU-stack, "", @progbits
