# sfork for x86-64. Parent and child share the stack, so the parent must not touch it between its system call and the
# place where it lands: it keeps its context in a register.

#define LANDING 64
#define LANDS 128

# Saves the caller's place at offset(%context): what it finds when this function returns. Changes rcx.
.macro save offset context
    mov %rbx, \offset(\context)
    mov %rbp, \offset+8(\context)
    mov %r12, \offset+16(\context)
    mov %r13, \offset+24(\context)
    mov %r14, \offset+32(\context)
    mov %r15, \offset+40(\context)
    lea 8(%rsp), %rcx
    mov %rcx, \offset+48(\context)
    mov (%rsp), %rcx
    mov %rcx, \offset+56(\context)
.endm

.text

.globl sfork
.type sfork, @function
sfork:
    sub $8, %rsp
    call sfork_begin
    add $8, %rsp
    test %rax, %rax
    jz .Ltoo_deep
    save 0 %rax
    mov %rax, %r12
    mov $56, %eax               # clone
    mov $0x4111, %edi           # CLONE_VM | CLONE_VFORK | SIGCHLD
    xor %esi, %esi
    xor %edx, %edx
    xor %r10d, %r10d
    xor %r8d, %r8d
    syscall
    mov %r12, %rdi
    test %rax, %rax
    jnz .Lparent
    mov 16(%rdi), %r12
    jmp sfork_enter

.Lparent:
    mov %eax, %esi
    mov %rdi, %rdx
    cmpq $0, LANDS(%rdi)
    je .Lgo
    add $LANDING, %rdx
.Lgo:
    mov (%rdx), %rbx
    mov 8(%rdx), %rbp
    mov 16(%rdx), %r12
    mov 24(%rdx), %r13
    mov 32(%rdx), %r14
    mov 40(%rdx), %r15
    mov 48(%rdx), %rsp
    push 56(%rdx)
    jmp sfork_leave

.Ltoo_deep:
    mov $-11, %eax              # EAGAIN
    ret
.size sfork, . - sfork

.globl sfork_execveat
.type sfork_execveat, @function
sfork_execveat:
    push %rdi
    push %rsi
    push %rdx
    push %rcx
    push %r8
    call sfork_current
    pop %r8
    pop %r10
    pop %rdx
    pop %rsi
    pop %rdi
    mov %rax, %r9
    mov $322, %eax              # execveat
    jmp .Lland
.size sfork_execveat, . - sfork_execveat

.globl sfork_exit
.type sfork_exit, @function
sfork_exit:
    push %rdi
    call sfork_current
    pop %rdi
    mov %rax, %r9
    mov $231, %eax              # exit_group
    # The call in eax, which ends the child in the context r9, or fails.
.Lland:
    test %r9, %r9
    jz .Loutside
    save LANDING %r9
    movq $1, LANDS(%r9)
    syscall
    movq $0, LANDS(%r9)
    ret
.Loutside:
    mov $-22, %eax              # EINVAL
    ret
.size sfork_exit, . - sfork_exit

.section .note.GNU-stack, "", @progbits
