// The code behind the guest's `syscall` (LSTAR). It answers what needs no host, gives other calls to a host thread that polls, and
// leaves the guest for the rest. It runs in ring 0 or in ring 3, whichever `syscall` lands in, without a stack of the guest's and
// without GS. RCX and R11, where the processor has put the user's rip and flags, stay as they are throughout; so does everything
// but RAX, RDX and the flags, and RSP for five instructions. What those were is in the vCPU's page. So the host can tell the user's context
// at each of these instructions, and does where a vCPU is stopped here (Machine/x86_64/GuestCPU+Shim.swift).
#if defined(__x86_64__)
#include "vmrun_shim_x86_64.h"

#define PAGE(field) (vmrun_fast_begin + VMRUN_FAST_DISTANCE + VMRUN_FAST_##field)(%rip)
#define TRAP_FLAG 0x100
// Interrupts are on for every user; bit 1 is always one.
#define USUAL_FLAGS 0x202

    .section .rodata
    .balign 64
    .globl vmrun_fast_begin, vmrun_fast_end
    .globl vmrun_fast_number_saved
    .globl vmrun_fast_data_saved
    .globl vmrun_fast_published
    .globl vmrun_fast_answered
    .globl vmrun_fast_forward
    .globl vmrun_fast_stack_switched
    .globl vmrun_fast_stack_restored
    .globl vmrun_fast_leave
    .globl vmrun_fast_leave_out
    .globl vmrun_fast_taken
    .globl vmrun_fast_await_out
    .globl vmrun_fast_jumped
    .globl vmrun_fast_stack_taken
    .globl vmrun_fast_flags_kept
vmrun_fast_begin:
    mov %rax, PAGE(RAX)
vmrun_fast_number_saved:
    mov %rdx, PAGE(RDX)
vmrun_fast_data_saved:
    test $TRAP_FLAG, %r11d
    jnz vmrun_fast_leave
    decl PAGE(BUDGET)
    jz vmrun_fast_leave
vmrun_fast_chosen:
    mov %eax, %eax
    cmp $VMRUN_FAST_NUMBERS, %eax
    jae vmrun_fast_leave
    lea (vmrun_fast_begin + VMRUN_FAST_KINDS)(%rip), %rdx
    movzbl (%rdx, %rax), %edx
    test %edx, %edx
    jz vmrun_fast_leave
    cmp $VMRUN_FAST_FORWARD, %edx
    je vmrun_fast_forward
    mov PAGE(KNOWN), %rax
    bt %rdx, %rax
    jnc vmrun_fast_leave
    lea PAGE(ANSWERS), %rax
    mov (%rax, %rdx, 8), %rax

// Back to the user, with the result in RAX.
vmrun_fast_answered:
    mov %cs, %edx
    test $3, %dl
    mov PAGE(RDX), %rdx
    jz 1f
    mov %rsp, PAGE(RSP)
vmrun_fast_stack_switched:
    lea PAGE(STACK), %rsp
    push %r11
    popfq
    mov PAGE(RSP), %rsp
vmrun_fast_stack_restored:
    jmp *%rcx
1:  sysretq

vmrun_fast_forward:
    testl $VMRUN_FAST_MODE_FORWARD, PAGE(MODE)
    jz vmrun_fast_leave
    mov %rdi, PAGE(RDI)
    mov %rsi, PAGE(RSI)
    mov %r10, PAGE(R10)
    mov %r8, PAGE(R8)
    mov %r9, PAGE(R9)
    mov PAGE(PATIENCE), %edx
    movl $VMRUN_FAST_ASKED, PAGE(STATE)
vmrun_fast_published:
1:  mov PAGE(STATE), %eax
    cmp $VMRUN_FAST_ASKED, %eax
    jne vmrun_fast_taken
    pause
    dec %edx
    jnz 1b
    // Nobody takes it: withdrawn, unless somebody does in this instant.
    xor %edx, %edx
    lock cmpxchg %edx, PAGE(STATE)
    mov PAGE(PATIENCE), %edx
    jne 1b
    incq PAGE(EXPIRED)
vmrun_fast_leave:
    mov PAGE(RAX), %rax
    mov PAGE(RDX), %rdx
vmrun_fast_leave_out:
    out %al, $0x7e
    sysretq

vmrun_fast_taken:
    mov PAGE(PATIENCE), %edx
    shl $3, %edx
2:  mov PAGE(STATE), %eax
    cmp $VMRUN_FAST_TAKEN, %eax
    ja 3f
    pause
    dec %edx
    jnz 2b
    // A long one: the host waits for it better.
    mov PAGE(RAX), %rax
    mov PAGE(RDX), %rdx
vmrun_fast_await_out:
    out %al, $0x7e
    sysretq
3:  cmp $VMRUN_FAST_DONE, %eax
    jne vmrun_fast_leave
    mov PAGE(RAX), %rax
    jmp vmrun_fast_answered

// From a call site that was rewritten, in ring 3: its stub has put number and return address where `syscall` would have them. The flags
// come to R11 by the code's own stack.
vmrun_fast_jumped:
    mov %rsp, PAGE(RSP)
vmrun_fast_stack_taken:
    lea PAGE(STACK), %rsp
    pushfq
    pop %r11
    mov PAGE(RSP), %rsp
vmrun_fast_flags_kept:
    or $USUAL_FLAGS, %r11
    mov %rax, PAGE(RAX)
    mov %rdx, PAGE(RDX)
    jmp vmrun_fast_chosen
vmrun_fast_end:
#endif
    .section .note.GNU-stack, "", @progbits
