# No C library: where zeroed data follows the file's, the rest of the page is zero to its end, also
# the part that no segment claims; the registers and the stack at entry are as the ABI says.
# Exits with the number of the check that failed.

    .data
    .globl marker
marker:
    .ascii "data ends here"
data_end:

    .bss
    .skip 16

    .section .text
    .globl _start
_start:
    mov $1, %edi
    test $15, %rsp                  # the stack is aligned
    jnz fail
    mov $2, %edi
    cmpq $1, (%rsp)                 # argc
    jne fail
    mov $3, %edi
    cmpq $0, 16(%rsp)               # argv ends
    jne fail
    mov $4, %edi
    test %rdx, %rdx                 # nothing to register with atexit
    jnz fail
    mov $5, %edi
    pushf
    pop %rax
    test $0x400, %eax               # the direction is forward
    jnz fail

    mov $6, %edi
    lea data_end(%rip), %rsi
next:
    test $4095, %rsi
    jz whole
    cmpb $0, (%rsi)
    jne fail
    inc %rsi
    jmp next
whole:
    mov $7, %edi
    lea marker(%rip), %rsi
    cmpl $0x61746164, (%rsi)        # "data"
    jne fail

    mov $1, %eax                    # write(1, message)
    mov $1, %edi
    lea message(%rip), %rsi
    mov $message_size, %edx
    syscall
    xor %edi, %edi
fail:
    mov $231, %eax                  # exit_group
    syscall

    .section .rodata
message:
    .ascii "zero to the end of the page\n"
    .set message_size, . - message

    .section .note.GNU-stack, "", @progbits
