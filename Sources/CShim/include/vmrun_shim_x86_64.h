// What vmrun and the code behind the guest's `syscall` instruction (x86_64/shim.S) say to each other: a page for each vCPU, at the same
// guest address for all of them. The guest may write it, so the host never believes it. In C because the assembly needs the offsets.
#pragma once

/// Distance from the code's page to the vCPU's.
#define VMRUN_FAST_DISTANCE 0x1fd000
/// Where in the code's page the host puts what is to be done with each number: one byte each.
#define VMRUN_FAST_KINDS 0xe00
#define VMRUN_FAST_NUMBERS 512

/// Distance from the code's page to that of the stubs: one for each call site that was rewritten to jump here.
#define VMRUN_FAST_STUBS 0x1000
#define VMRUN_FAST_STUB_SIZE 32
#define VMRUN_FAST_MOST_STUBS 128
/// Where the guest finds the stubs' addresses, 8 bytes each. A jump through one of them reads FF 24 25, then its address as 32 bits: the upper
/// half of that is a `syscall` instruction (0F 05).
#define VMRUN_SITE_WINDOW 0x050f0000

// Kinds: leave the guest; the index of an answer in `answers`; or give it to the host thread that polls.
#define VMRUN_FAST_EXIT 0
#define VMRUN_FAST_FORWARD 0x80

// One cache line: what goes to the polling thread, and comes back.
#define VMRUN_FAST_STATE 0x00
#define VMRUN_FAST_RAX 0x08
#define VMRUN_FAST_RDI 0x10
#define VMRUN_FAST_RSI 0x18
#define VMRUN_FAST_RDX 0x20
#define VMRUN_FAST_R10 0x28
#define VMRUN_FAST_R8 0x30
#define VMRUN_FAST_R9 0x38
#define VMRUN_FAST_RSP 0x40
#define VMRUN_FAST_MODE 0x48
#define VMRUN_FAST_PATIENCE 0x4c
#define VMRUN_FAST_EXPIRED 0x50
#define VMRUN_FAST_KNOWN 0x58
#define VMRUN_FAST_BUDGET 0x60
#define VMRUN_FAST_ANSWERS 0x80
/// The code's own stack, a word deep, ends here.
#define VMRUN_FAST_STACK 0x1000

// Bits of `mode`.
#define VMRUN_FAST_MODE_FORWARD 1

// Values of `state`.
#define VMRUN_FAST_IDLE 0
/// The registers are there, for whoever takes them.
#define VMRUN_FAST_ASKED 1
/// The polling thread makes the call.
#define VMRUN_FAST_TAKEN 2
/// The result is in `rax`.
#define VMRUN_FAST_DONE 3
/// The call is to be made by leaving the guest.
#define VMRUN_FAST_REFUSED 4

#if defined(__x86_64__) && !defined(__ASSEMBLER__)
#include <stddef.h>
#include <stdint.h>

struct vmrun_fast_page {
    uint32_t state, unused;
    /// The call's registers; the result comes back in rax.
    uint64_t rax, rdi, rsi, rdx, r10, r8, r9;
    /// The user's stack pointer while the flags are put back.
    uint64_t rsp;
    uint32_t mode;
    /// How often the guest looks whether the polling thread has taken a call, and again whether it is done, before it leaves.
    uint32_t patience;
    /// How many calls nobody took.
    uint64_t expired;
    /// Which of `answers` are there, a bit each.
    uint64_t known;
    /// How many `syscall` instructions are left until one leaves the guest, so that the host sees where it is.
    uint32_t budget, unused_too;
    uint64_t padding[3];
    uint64_t answers[64];
};

_Static_assert(offsetof(struct vmrun_fast_page, rax) == VMRUN_FAST_RAX, "rax");
_Static_assert(offsetof(struct vmrun_fast_page, rdx) == VMRUN_FAST_RDX, "rdx");
_Static_assert(offsetof(struct vmrun_fast_page, r9) == VMRUN_FAST_R9, "r9");
_Static_assert(offsetof(struct vmrun_fast_page, rsp) == VMRUN_FAST_RSP, "rsp");
_Static_assert(offsetof(struct vmrun_fast_page, mode) == VMRUN_FAST_MODE, "mode");
_Static_assert(offsetof(struct vmrun_fast_page, patience) == VMRUN_FAST_PATIENCE, "patience");
_Static_assert(offsetof(struct vmrun_fast_page, expired) == VMRUN_FAST_EXPIRED, "expired");
_Static_assert(offsetof(struct vmrun_fast_page, known) == VMRUN_FAST_KNOWN, "known");
_Static_assert(offsetof(struct vmrun_fast_page, budget) == VMRUN_FAST_BUDGET, "budget");
_Static_assert(offsetof(struct vmrun_fast_page, answers) == VMRUN_FAST_ANSWERS, "answers");

/// The code, position independent; LSTAR is its first byte. The other names are places in it, for whoever has to tell the user's
/// context from where in it a vCPU stands.
#define VMRUN_FAST_PLACE(name) \
    extern const char vmrun_fast_##name[]; \
    static inline uint64_t vmrun_fast_##name##_offset(void) { return (uint64_t)(vmrun_fast_##name - vmrun_fast_begin); }

extern const char vmrun_fast_begin[];
VMRUN_FAST_PLACE(number_saved)
VMRUN_FAST_PLACE(data_saved)
VMRUN_FAST_PLACE(published)
VMRUN_FAST_PLACE(answered)
VMRUN_FAST_PLACE(forward)
VMRUN_FAST_PLACE(stack_switched)
VMRUN_FAST_PLACE(stack_restored)
VMRUN_FAST_PLACE(leave)
VMRUN_FAST_PLACE(leave_out)
VMRUN_FAST_PLACE(taken)
VMRUN_FAST_PLACE(await_out)
VMRUN_FAST_PLACE(jumped)
VMRUN_FAST_PLACE(stack_taken)
VMRUN_FAST_PLACE(flags_kept)
VMRUN_FAST_PLACE(end)
#undef VMRUN_FAST_PLACE

/// The poller's: 1 where the guest asks, and waits from now on.
static inline int vmrun_fast_take(struct vmrun_fast_page *page)
{
    uint32_t asked = VMRUN_FAST_ASKED;
    return __atomic_load_n(&page->state, __ATOMIC_RELAXED) == asked &&
           __atomic_compare_exchange_n(&page->state, &asked, VMRUN_FAST_TAKEN, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void vmrun_fast_finish(struct vmrun_fast_page *page, uint32_t state)
{
    __atomic_store_n(&page->state, state, __ATOMIC_RELEASE);
}

static inline const void *vmrun_fast_code(void) { return vmrun_fast_begin; }
#endif
