// Guest memory access with fix-ups; see vmrun_copy.h. Each label pair is a row of vmrun_copy_fixup (copy.c).
#if defined(__x86_64__)
    .text
    .globl vmrun_copy, vmrun_copy_insn, vmrun_copy_fault
    .type vmrun_copy, @function
vmrun_copy:
    .cfi_startproc
    mov %rdx, %rcx
vmrun_copy_insn:
    rep movsb
vmrun_copy_fault:
    mov %rcx, %rax
    ret
    .cfi_endproc
    .size vmrun_copy, . - vmrun_copy

    .globl vmrun_zero, vmrun_zero_insn, vmrun_zero_fault
    .type vmrun_zero, @function
vmrun_zero:
    .cfi_startproc
    mov %rsi, %rcx
    xor %eax, %eax
vmrun_zero_insn:
    rep stosb
vmrun_zero_fault:
    mov %rcx, %rax
    ret
    .cfi_endproc
    .size vmrun_zero, . - vmrun_zero

    .globl vmrun_load32, vmrun_load32_insn, vmrun_word_fault
    .type vmrun_load32, @function
vmrun_load32:
    .cfi_startproc
vmrun_load32_insn:
    mov (%rdi), %ecx
    mov %ecx, (%rsi)
    xor %eax, %eax
    ret
    .cfi_endproc
    .size vmrun_load32, . - vmrun_load32

    .globl vmrun_store32, vmrun_store32_insn
    .type vmrun_store32, @function
vmrun_store32:
    .cfi_startproc
vmrun_store32_insn:
    mov %esi, (%rdi)
    xor %eax, %eax
    ret
    .cfi_endproc
    .size vmrun_store32, . - vmrun_store32

    .globl vmrun_exchange32, vmrun_exchange32_insn
    .type vmrun_exchange32, @function
vmrun_exchange32:
    .cfi_startproc
    mov (%rsi), %eax
vmrun_exchange32_insn:
    lock cmpxchg %edx, (%rdi)
    jne 1f
    xor %eax, %eax
    ret
1:  mov %eax, (%rsi)
    mov $1, %eax
    ret
vmrun_word_fault:
    mov $-14, %rax
    ret
    .cfi_endproc
    .size vmrun_exchange32, . - vmrun_exchange32
#endif
    .section .note.GNU-stack, "", @progbits
